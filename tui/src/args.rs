//! The command line: what can be asked, and how it is spelt.

mod adapter;
mod sweep;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use compacter_core::config::{Dtype, MixedPrecision, Pooling, StepForm};
use serde::de::value::Error as ValueError;
use serde::de::{DeserializeOwned, IntoDeserializer};

use crate::screen::Tone;
pub(crate) use adapter::{Export, Format, Import};
pub(crate) use sweep::{Compare, Fork, Sweep};

/// Train, measure and understand parameter-efficient fine-tuning with Compacter.
#[derive(Debug, Parser)]
#[command(name = "compacter", version, propagate_version = true)]
#[command(
    after_help = "Exit codes: 0 done · 1 failed · 2 refused (usage, configuration, data) · \
                        75 told to end; saved, go on with --resume"
)]
pub(crate) struct Cli {
    /// What to do; left out, `train` without a configuration
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train as a configuration file says, or a first lesson without one
    Train(Train),
    /// Watch a run: on a terminal its dashboard, otherwise its lines
    Watch(Watch),
    /// Play a run's record back
    Replay(Replay),
    /// Measure a run's checkpoint on one of its splits
    Eval(Eval),
    /// Answer the rows of a file with a run's checkpoint
    Predict(Predict),
    /// Count what a method trains on a model, without weights
    Params(Params),
    /// Measure a training step on this machine, with random weights
    Bench(Bench),
    /// Write a commented configuration file
    Init(Init),
    /// Start a new run from a checkpoint of another
    Fork(Fork),
    /// Train a grid of runs, and make a table of them
    Sweep(Sweep),
    /// Compare runs: parameters, memory, time a step, metrics
    Compare(Compare),
    /// Write what a run trained as files of AdapterHub, PEFT or transformers
    Export(Export),
    /// Make a run of an adapter of AdapterHub or PEFT
    Import(Import),
    /// Steer a run that goes on, from any machine that sees its folder
    Ctl(Ctl),
    /// Install, examine or remove the Jupyter kernel.
    #[command(disable_help_flag = true)]
    Kernel {
        /// Handed on to `compacter-kernel`: install, doctor, uninstall; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<std::ffi::OsString>,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// How a command that trains shows what it does.
#[derive(Debug, Default, Args)]
pub(crate) struct Shown {
    /// Print a readable line for each event
    #[arg(long, conflicts_with = "json")]
    pub(crate) plain: bool,
    /// Print each event as one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// Train in this process and print lines (for Slurm and systemd)
    #[arg(long)]
    pub(crate) foreground: bool,
    #[command(flatten)]
    pub(crate) look: Look,
    /// Leave the terminal's session; output goes to this folder until the run has one
    #[arg(long, hide = true, value_name = "FOLDER")]
    pub(crate) own_session: Option<PathBuf>,
}

#[derive(Debug, Default, Args)]
pub(crate) struct Train {
    /// The configuration file; left out, what `compacter init` writes
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) shown: Shown,
    /// Go on with a run; `--resume auto` starts it where there is none
    #[arg(long, value_name = "auto", num_args = 0..=1, default_missing_value = "")]
    pub(crate) resume: Option<String>,
    /// Start again; the old run's folder is moved aside
    #[arg(long, conflicts_with = "resume")]
    pub(crate) fresh: bool,
    /// Name of the run, in place of the file's
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Override a field, such as `train.learning_rate=1e-3`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

/// How the dashboard looks.
#[derive(Debug, Default, Args)]
pub(crate) struct Look {
    /// Draw a status card of so many lines in the scroll-back, not the whole screen
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(u16).range(1..=50))]
    pub(crate) inline: Option<u16>,
    /// Colours of the dashboard
    #[arg(long, value_enum, default_value_t, value_name = "THEME")]
    pub(crate) theme: Tone,
    /// Draw with ASCII characters only
    #[arg(long)]
    pub(crate) ascii: bool,
    /// Leave the mouse to the terminal
    #[arg(long)]
    pub(crate) no_mouse: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// The run's folder, or its name in `runs`; the newest run when left out
    pub(crate) run: Option<PathBuf>,
    /// Print a readable line for each event, also on a terminal
    #[arg(long)]
    pub(crate) plain: bool,
    #[command(flatten)]
    pub(crate) look: Look,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The run's folder, or its name in `runs`; `demo` for the one that the program carries
    pub(crate) run: PathBuf,
    /// How many times as fast as it happened
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    pub(crate) speed: f64,
    #[command(flatten)]
    pub(crate) look: Look,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok();
    let speed = speed.filter(|speed: &f64| speed.is_finite() && *speed > 0.0);
    speed.ok_or_else(|| "expected a number above 0".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct Eval {
    /// The run's folder, or its name in `runs`
    pub(crate) run: PathBuf,
    /// The split to measure
    #[arg(long, default_value = "validation", value_parser = ["train", "validation", "test"])]
    pub(crate) split: String,
    /// The checkpoint: `best`, `last` or a step
    #[arg(long, default_value = "best")]
    pub(crate) checkpoint: Which,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Predict {
    /// The run's folder, or its name in `runs`
    pub(crate) run: PathBuf,
    /// A file with the task's text columns; `-` reads JSON lines from standard input
    #[arg(default_value = "-")]
    pub(crate) file: PathBuf,
    /// The checkpoint: `best`, `last` or a step
    #[arg(long, default_value = "best")]
    pub(crate) checkpoint: Which,
}

#[derive(Debug, Args)]
pub(crate) struct Params {
    /// A model's name (`t5-base`), its folder, or `embedded:t5-nano`
    #[arg(long)]
    pub(crate) model: String,
    /// The method; see `--all` for a table of all
    #[arg(long, required_unless_present = "all")]
    pub(crate) method: Option<String>,
    /// Size of the vocabulary, in place of the model's
    #[arg(long, value_parser = at_least_one)]
    pub(crate) vocab: Option<usize>,
    /// Outputs of an encoder's task head, to count it too
    #[arg(long, value_parser = at_least_one)]
    pub(crate) outputs: Option<usize>,
    /// Override a field of the method, such as `n=8`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// Every method with its defaults; `--set` is for those that have the field
    #[arg(long, conflicts_with = "method")]
    pub(crate) all: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where a step is measured, in which arithmetic, and what is read of an encoder.
#[derive(Debug, Args)]
pub(crate) struct Arithmetic {
    /// Device: auto, cpu or cuda:0
    #[arg(long, default_value = "cpu")]
    pub(crate) device: String,
    /// Number format: f32, f64 or bf16
    #[arg(long, default_value = "f32", value_parser = named::<Dtype>)]
    pub(crate) dtype: Dtype,
    /// How frozen matrices are kept: bf16, or left out
    #[arg(long, value_parser = named::<Dtype>)]
    pub(crate) frozen_dtype: Option<Dtype>,
    /// Products with frozen weights: no (in the number format) or bf16
    #[arg(long, default_value = "no", value_parser = named::<MixedPrecision>)]
    pub(crate) mixed_precision: MixedPrecision,
    /// How an encoder's states become one vector: mean, cls or pooler
    #[arg(long, default_value = "mean", value_parser = named::<Pooling>)]
    pub(crate) pooling: Pooling,
    /// Take products of f32 in TF32, on a GPU
    #[arg(long)]
    pub(crate) tf32: bool,
    /// Use our own CUDA kernels, which have never run on a device
    #[arg(long)]
    pub(crate) cuda_kernels: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// A model's name, its folder, or `embedded:t5-nano`
    #[arg(long, default_value = "t5-small")]
    pub(crate) model: String,
    /// The method
    #[arg(long, default_value = "compacter")]
    pub(crate) method: String,
    /// Override a field of the method, such as `n=8`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// Sequences of a batch
    #[arg(long, default_value_t = 16, value_parser = at_least_one)]
    pub(crate) batch: usize,
    /// Tokens of each source
    #[arg(long, default_value_t = 128, value_parser = at_least_one)]
    pub(crate) source: usize,
    /// Tokens of each target, where there is a decoder
    #[arg(long, default_value_t = 8, value_parser = at_least_one)]
    pub(crate) target: usize,
    /// A file with a source length a line, and after a space a target length: batches are
    /// made of them in turn
    #[arg(long, value_name = "FILE", conflicts_with = "source")]
    pub(crate) lengths: Option<PathBuf>,
    /// Make all sequences of a batch as long as its longest, as padding would
    #[arg(long, requires = "lengths")]
    pub(crate) pad: bool,
    /// Threads; 0 means all
    #[arg(long, default_value_t = 0)]
    pub(crate) threads: usize,
    #[command(flatten)]
    pub(crate) arithmetic: Arithmetic,
    /// How the gradient is computed: auto, fused or composed
    #[arg(long, default_value = "auto", value_parser = named::<StepForm>)]
    pub(crate) step: StepForm,
    /// Compute activations again in the backward pass instead of keeping them
    #[arg(long)]
    pub(crate) gradient_checkpointing: bool,
    /// Dropout probability
    #[arg(long, default_value_t = 0.0)]
    pub(crate) dropout: f64,
    /// Measured steps; with `--lengths` once through all batches where left out
    #[arg(long, value_parser = at_least_one)]
    pub(crate) steps: Option<usize>,
    /// Steps before the measured ones
    #[arg(long, default_value_t = 2)]
    pub(crate) warmup: usize,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A setting by the name that configurations give it.
fn named<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    T::deserialize(text.into_deserializer()).map_err(|error: ValueError| error.to_string())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|&number: &usize| number > 0);
    number.ok_or_else(|| "expected a number above 0".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The file to write; `-` prints it
    #[arg(default_value = "compacter.toml")]
    pub(crate) file: PathBuf,
    /// Print the JSON schema of configuration files instead
    #[arg(long)]
    pub(crate) schema: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 accepted · 1 the run is not running, or has not answered · 2 refused"
)]
pub(crate) struct Ctl {
    /// The run's folder, or its name in `runs`
    pub(crate) run: PathBuf,
    /// What it is to do
    #[command(subcommand)]
    pub(crate) action: Action,
    /// Print one JSON object
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Seconds to wait for the answer, which comes between two steps
    #[arg(long, global = true, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: u64,
}

/// What a run can be asked.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Action {
    /// Wait after the present step
    Pause,
    /// Go on after a pause
    Resume,
    /// Do some steps, then wait
    Step {
        /// How many
        #[arg(default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
        steps: u64,
    },
    /// Measure the validation split now
    Eval,
    /// Write a checkpoint now
    Checkpoint,
    /// End the run after the present step, and save
    Stop,
    /// Change the peak learning rate, in the run and in its files
    Lr {
        /// The learning rate, such as `3e-4`
        value: String,
    },
    /// Change a setting, in the run and in its files
    Set {
        /// The setting, such as `train.weight_decay=0.1`
        #[arg(value_name = "KEY=VALUE")]
        setting: String,
    },
    /// Bring back the configuration before the last change
    Undo,
}

impl Action {
    /// The request in the words that the run reads.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Pause => "pause".to_owned(),
            Self::Resume => "resume".to_owned(),
            Self::Step { steps } => format!("step {steps}"),
            Self::Eval => "evaluate".to_owned(),
            Self::Checkpoint => "checkpoint".to_owned(),
            Self::Stop => "stop".to_owned(),
            Self::Lr { value } => format!("learning_rate {value}"),
            Self::Set { setting } => format!("set {setting}"),
            Self::Undo => "undo".to_owned(),
        }
    }
}

/// Which checkpoint of a run is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Best,
    Last,
    Step(u64),
}

impl std::str::FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "best" => Ok(Self::Best),
            "last" => Ok(Self::Last),
            _ => text
                .parse()
                .map(Self::Step)
                .map_err(|_| "expected best, last or a step".to_owned()),
        }
    }
}
