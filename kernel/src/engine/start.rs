//! Starts evcxr in the kernel's own copy of what was built by the installation.

use std::fs;
use std::path::Path;
use std::process::Command;

use evcxr::{CommandContext, EvalContext};

use super::Surroundings;
use crate::folders::Facade;
use crate::outlet::Inlet;
use crate::relay;

/// The library's environment variable: the socket to show things through.
const CHANNEL: &str = "COMPACTER_KERNEL_CHANNEL";
/// The library's environment variable: the file with the id of the cell that runs.
const CELL: &str = "COMPACTER_KERNEL_CELL";

/// What every session begins with.
const PRELUDE: &str = "use compacter::prelude::*;";
/// What every process that runs cells begins with.
const FIRST: &str = "compacter::init();";

/// Starts evcxr and its process.
pub(super) fn start(around: &Surroundings) -> Result<CommandContext, String> {
    let facade = Facade::read(&around.folder)?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command
        .env(relay::VARIABLE, crate::child::address(&around.folder))
        .env(CHANNEL, crate::side::address(&around.folder))
        .env(CELL, cell_file(&around.folder))
        .current_dir(&around.home);
    let started = EvalContext::with_subprocess_command(command);
    let (context, outputs) = started.map_err(|error| format!("evcxr does not start: {error}"))?;
    let outlet = around.outlet.clone();
    std::thread::spawn(move || {
        // What evcxr takes for text of a cell's, and the relay did not.
        for line in outputs.stdout {
            if outlet.send(Inlet::Text(line)).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        for line in outputs.stderr {
            tracing::warn!("relay: {line}");
        }
    });
    let mut context = CommandContext::with_eval_context(context);
    let setup = format!("{}\n{PRELUDE}", facade.dependency_line());
    let done = context.execute(&setup);
    done.map_err(|error| format!("the notebook library cannot be used: {}", full(&error)))?;
    prepare_child(&mut context)?;
    Ok(context)
}

/// Makes a new process ready to run cells.
pub(super) fn prepare_child(context: &mut CommandContext) -> Result<(), String> {
    let done = context.execute(FIRST).map(|_| ());
    done.map_err(|error| format!("the notebook library cannot be used: {}", full(&error)))
}

fn full(error: &evcxr::Error) -> String {
    match error {
        evcxr::Error::CompilationErrors(errors) => {
            let all: Vec<String> = errors
                .iter()
                .map(evcxr::CompilationError::rendered)
                .collect();
            all.join("\n")
        }
        other => other.to_string(),
    }
}

/// Notes the cell that runs, for the library to find.
pub(super) fn note_cell(folder: &Path, id: &str) {
    if let Err(error) = fs::write(cell_file(folder), id) {
        tracing::warn!("the cell's id cannot be noted: {error}");
    }
}

fn cell_file(folder: &Path) -> std::path::PathBuf {
    folder.join("cell")
}
