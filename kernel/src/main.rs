//! The `compacter-kernel` program: installs the kernel, and is it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use compacter_kernel::install::{self, Place};
use compacter_kernel::{relay, run, view};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Rust cells in Jupyter that train while the loss curve moves.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build the notebook library and tell Jupyter of the kernel; takes minutes, once.
    Install(Install),
    /// Take the kernel away from Jupyter, and what was built for it.
    Uninstall(Where),
    /// Say what is there, what is missing, and what to do.
    Doctor(Where),
    /// Be the kernel of a front end, which starts it so.
    Run {
        /// The file that says where the front end is.
        connection_file: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Install {
    #[command(flatten)]
    place: Where,
    /// Build the library with CUDA.
    #[arg(long)]
    cuda: bool,
    /// Keep what was compiled on the way (a gigabyte), for a faster installation after a change.
    #[arg(long)]
    keep_build: bool,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct Where {
    /// For the user (the default).
    #[arg(long)]
    user: bool,
    /// For the Python environment that is active.
    #[arg(long)]
    sys_prefix: bool,
    /// Under a folder's share/jupyter; what it starts stays in your own data folder.
    #[arg(long, value_name = "FOLDER")]
    prefix: Option<PathBuf>,
}

impl Where {
    fn place(&self) -> Place {
        match (&self.prefix, self.sys_prefix) {
            (Some(prefix), _) => Place::Prefix(prefix.clone()),
            (None, true) => Place::Environment,
            (None, false) => Place::User,
        }
    }
}

fn main() -> ExitCode {
    // First of all: this program is started again as these.
    if relay::is_wanted() {
        return match relay::run() {
            Ok(status) => relay::end_as(status),
            Err(error) => fail(&format!("relay: {error}")),
        };
    }
    if view::is_wanted() {
        return view::run();
    }
    evcxr::runtime_hook();

    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .with_env_var("COMPACTER_LOG")
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    let done = match Cli::parse().command {
        Command::Install(install) => {
            install::install(&install.place.place(), install.cuda, install.keep_build)
        }
        Command::Uninstall(place) => install::uninstall(&place.place()),
        Command::Doctor(place) => install::doctor(&place.place()),
        Command::Run { connection_file } => run::run(&connection_file),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(&why),
    }
}

#[expect(clippy::print_stderr, reason = "the program's last word")]
fn fail(why: &str) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::FAILURE
}
