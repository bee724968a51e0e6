//! Arguments of the commands about more than one run.

use std::path::PathBuf;

use clap::Args;

use super::Shown;

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 every run is measured · 1 some failed or are open · 2 refused · \
                        75 told to end; saved, the same command goes on"
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(crate) struct Sweep {
    /// The sweep's file: a configuration with a table `grid`
    pub(crate) file: PathBuf,
    /// Say what would be done, and do nothing
    #[arg(long, conflicts_with_all = ["slurm", "table", "only", "retry"])]
    pub(crate) dry_run: bool,
    /// Write a job array for Slurm, and start nothing
    #[arg(long, conflicts_with_all = ["table", "only"])]
    pub(crate) slurm: bool,
    /// Make the tables of what is there, and start nothing
    #[arg(long, conflicts_with_all = ["only", "retry"])]
    pub(crate) table: bool,
    /// Train and measure this run alone, and make no table
    #[arg(long, value_name = "RUN")]
    pub(crate) only: Option<String>,
    /// Try runs again that failed before
    #[arg(long)]
    pub(crate) retry: bool,
    /// Override a field of every run, such as `model.path=bert-base-uncased`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// Print JSON objects, one a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// Folders of runs, or their names in `runs`; those that differ in their seed alone are repetitions
    #[arg(required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// The run that memory and time are compared with; the first one when left out
    #[arg(long, value_name = "RUN")]
    pub(crate) baseline: Option<PathBuf>,
    /// Print one JSON object a line
    #[arg(long, conflicts_with = "csv")]
    pub(crate) json: bool,
    /// Print CSV
    #[arg(long)]
    pub(crate) csv: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Fork {
    /// The run to start from: its folder, or its name in `runs`
    pub(crate) run: PathBuf,
    /// Step of the checkpoint; the last one when left out
    #[arg(long)]
    pub(crate) at: Option<u64>,
    /// Name of the new run
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Override a field, such as `train.learning_rate=1e-3`
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = no_place)]
    pub(crate) overrides: Vec<String>,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// A field to override, which does not say where the new run is.
fn no_place(text: &str) -> Result<String, String> {
    match text.split('=').next().unwrap_or_default().trim() {
        "name" => Err("the new run's name is given with --name".to_owned()),
        "output.directory" => Err("the new run stands beside the one it is made from".to_owned()),
        _ => Ok(text.to_owned()),
    }
}
