//! What is said on the normal screen, and the editor that has it for a while.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use compacter_core::Result;

use crate::screen::app::App;
use crate::screen::seen::{Stand, measured};
use crate::{Exit, print};

/// How the screen was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// By whoever looked, or with the terminal.
    Detached,
    /// Once the run had saved and ended, as asked.
    Saved,
    /// Once the run was killed, as asked.
    Killed,
    /// By a signal.
    BySignal(i32),
}

/// What to say after a panic.
pub(super) fn farewell(app: &App) -> String {
    let run = app.folder.path().display();
    format!(
        "the dashboard failed; the run is another process and goes on: {run}\nback to it: compacter watch {run}"
    )
}

/// Prints what was seen of the run and how to go on; says what the exit code is to be.
///
/// # Errors
/// Fails if standard output does.
pub(super) fn summary(app: &App, left: Left, inline: bool) -> Result<Exit> {
    let printed = print::text(&text(app, left, inline));
    if let Left::BySignal(signal) = left {
        // Whoever sent it should see that it worked. A terminal that is gone prints nothing.
        let _unhandled = signal_hook::low_level::emulate_default_handler(signal);
    }
    printed?;
    Ok(match (left, app.seen().stand()) {
        (Left::Killed, _) => Exit::Failed,
        (_, Stand::Failed | Stand::Lost) if app.is_live() => Exit::Failed,
        (Left::Saved, Stand::Interrupted) => Exit::Interrupted,
        _ => Exit::Done,
    })
}

fn text(app: &App, left: Left, inline: bool) -> String {
    let (seen, run) = (app.seen(), app.folder.path().display());
    let stand = seen.stand();
    let how = match (left, stand) {
        (Left::Killed, _) => "killed",
        _ if !app.is_live() => "a replay",
        (_, Stand::Starting | Stand::Running | Stand::Silent | Stand::Paused) => "training goes on",
        (_, Stand::Interrupted) => "saved, to be gone on with",
        (_, Stand::Finished) => "complete",
        (_, Stand::Failed) => "failed",
        (_, Stand::Lost) => "its process is gone",
    };
    let mut text = if inline {
        "\n".to_owned()
    } else {
        String::new()
    };
    // Writing to a string cannot fail.
    let _ok = writeln!(
        text,
        "run {}  step {}/{}  {how}",
        seen.name, seen.view.step, seen.view.total_steps
    );
    for (name, value) in [("best", seen.best()), ("last", seen.last())] {
        if let Some(value) = value {
            let _ok = writeln!(text, "  {name}  {}", measured(value));
        }
    }
    if stand == Stand::Failed {
        let why = seen.view.log.lines().next_back();
        let why = why.map_or("", |line| line.text.as_str());
        let _ok = writeln!(text, "  why   {why}");
    }
    if app.is_live() {
        let _ok = writeln!(text, "  path  {run}");
    }
    let next = match (left, stand) {
        _ if !app.is_live() => None,
        (Left::Killed, _) | (_, Stand::Interrupted | Stand::Failed | Stand::Lost) => {
            Some(format!("compacter train {run}/config.toml --resume"))
        }
        (_, Stand::Finished) => Some(format!("compacter eval {run}")),
        _ => Some(format!("compacter watch {run}")),
    };
    if let Some(next) = next {
        let _ok = writeln!(text, "  next  {next}");
    }
    text
}

/// Lets `$VISUAL`, or `$EDITOR`, have the terminal with a file.
pub(super) fn edit(file: &Path) -> Result<(), String> {
    let set = |name| {
        std::env::var(name)
            .ok()
            .filter(|value| !value.trim().is_empty())
    };
    let editor = set("VISUAL")
        .or_else(|| set("EDITOR"))
        .unwrap_or_else(|| "vi".to_owned());
    // The variable may hold arguments, so a shell reads it; the file stays one word.
    let script = format!("{editor} \"$1\"");
    let status = Command::new("sh")
        .args(["-c", &script, "sh"])
        .arg(file)
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{editor}: {status}")),
        Err(error) => Err(format!("{editor}: {error}")),
    }
}
