//! Starts evcxr in the kernel's own copy of what was built by the installation.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use evcxr::{CommandContext, EvalContext};

use super::Surroundings;
use crate::folders::Facade;
use crate::outlet::Inlet;
use crate::{relay, view};

/// The library's environment variable: the socket to show things through.
const CHANNEL: &str = "COMPACTER_KERNEL_CHANNEL";
/// The library's environment variable: the file with the id of the cell that runs.
const CELL: &str = "COMPACTER_KERNEL_CELL";

/// Where the system looks for dynamic libraries.
const LIBRARIES: &str = if cfg!(target_os = "macos") {
    "DYLD_LIBRARY_PATH"
} else {
    "LD_LIBRARY_PATH"
};

/// What every session begins with.
const PRELUDE: &str = "use compacter::prelude::*;";
/// What every process that runs cells begins with. By the `?` evcxr learns, through a
/// compilation that fails, to wrap cells so that they can use it: better here than in somebody's
/// first cell.
const FIRST: &str = "compacter::init();\nOk::<(), std::fmt::Error>(())?;";

/// A variable that a type is found for, and that is gone again.
const WARM: [&str; 2] = [
    "let warm = Tensor::zeros(1, DType::F32, &Device::Cpu);",
    "drop(warm);",
];

/// Starts evcxr and its process.
///
/// Whether completion is warm comes with it.
pub(super) fn start(around: &Surroundings) -> Result<(CommandContext, bool), String> {
    let begun = Instant::now();
    let facade = Facade::read(&around.folder)?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command
        .env(relay::VARIABLE, crate::child::address(&around.folder))
        .env(CHANNEL, crate::side::address(&around.folder))
        .env(CELL, cell_file(&around.folder))
        .current_dir(&around.home);
    // Cells are loaded from another folder than they are linked in, from which the path to the
    // library that the linker wrote down does not lead there.
    command.env(LIBRARIES, search_path(&facade.library_folder()));
    view::leave(&mut command);
    let started = EvalContext::with_subprocess_command(command);
    tracing::info!("evcxr is there after {:?}", begun.elapsed());
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
    let setup = format!(
        ":build_env CARGO_HOME={}\n{}\n{PRELUDE}",
        view::cargo_home()?.display(),
        facade.dependency_line()
    );
    let done = context.execute(&setup);
    done.map_err(|error| format!("the notebook library cannot be used: {}", full(&error)))?;
    tracing::info!("the library is there after {:?}", begun.elapsed());
    prepare_child(&mut context)?;
    tracing::info!("cells can run after {:?}", begun.elapsed());
    // Whoever waits already has a first cell that may need none of it.
    let idle = around.jobs.is_empty();
    if idle {
        for code in WARM {
            if let Err(error) = context.execute(code) {
                tracing::warn!("`{code}`: {}", full(&error));
            }
        }
        warm(&mut context);
        tracing::info!("all is warm after {:?}", begun.elapsed());
    }
    Ok((context, idle))
}

/// Has rust-analyzer read what completion needs: front ends give up on an answer that takes a
/// second.
pub(super) fn warm(context: &mut CommandContext) {
    const CODE: &str = "Tensor::zeros(1, DType::F32, &Device::Cpu).";
    let _known = context.completions(CODE, CODE.len());
}

/// The library's folder before whatever is searched already.
fn search_path(folder: &Path) -> std::ffi::OsString {
    let mut path = folder.as_os_str().to_owned();
    if let Some(rest) = std::env::var_os(LIBRARIES).filter(|rest| !rest.is_empty()) {
        path.push(":");
        path.push(rest);
    }
    path
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
