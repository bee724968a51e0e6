//! The `compacter` command: train, measure and understand parameter-efficient fine-tuning.

mod args;
mod commands;
mod log;
mod output;
mod print;
mod report;
mod screen;
mod signals;
mod sweep;
mod threads;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, Command, Train};

/// What the process's exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// Done.
    Done,
    /// Told to end; saved, to be gone on with.
    Interrupted,
    /// Not done, as has been told already.
    Failed,
    /// Refused by the run, as has been told already.
    Refused,
    /// As a process did that did it for us.
    As(u8),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log::install();
    let done = |result: compacter_core::Result<()>| result.map(|()| Exit::Done);
    let first = Command::Train(Train::default());
    let result = match cli.command.as_ref().unwrap_or(&first) {
        Command::Train(args) => commands::train::run(args),
        Command::Watch(args) => commands::watch::run(args),
        Command::Replay(args) => commands::replay::run(args),
        Command::Eval(args) => done(commands::eval::run(args)),
        Command::Predict(args) => done(commands::predict::run(args)),
        Command::Params(args) => done(commands::params::run(args)),
        Command::Bench(args) => done(commands::bench::run(args)),
        Command::Init(args) => done(commands::init::run(args)),
        Command::Fork(args) => commands::fork::run(args),
        Command::Sweep(args) => commands::sweep::run(args),
        Command::Compare(args) => done(commands::compare::run(args)),
        Command::Export(args) => done(commands::export::run(args)),
        Command::Import(args) => done(commands::import::run(args)),
        Command::Ctl(args) => commands::ctl::run(args),
        Command::Kernel { words } => commands::kernel::run(words),
        Command::Completions { shell } => {
            clap_complete::generate(
                *shell,
                &mut Cli::command(),
                "compacter",
                &mut std::io::stdout(),
            );
            Ok(Exit::Done)
        }
    };
    match result {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        // EX_TEMPFAIL of sysexits.h: try again later, which is what --resume does.
        Ok(Exit::Interrupted) => ExitCode::from(75),
        Ok(Exit::Failed) => ExitCode::FAILURE,
        Ok(Exit::Refused) => ExitCode::from(2),
        Ok(Exit::As(code)) => ExitCode::from(code),
        Err(error) => {
            report::report(&error);
            ExitCode::from(report::code(&error))
        }
    }
}
