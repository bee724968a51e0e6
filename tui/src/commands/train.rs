//! `compacter train`: trains, and shows what happens.
//!
//! On a terminal the trainer is a process of its own, and this one watches it as
//! `compacter watch` does. Otherwise it trains here and prints lines.

use std::path::{Path, PathBuf};

use compacter_core::cancel::CancelToken;
use compacter_core::config::{RunConfig, locate};
use compacter_core::event::Bus;
use compacter_core::run::watch::{ConfigWatch, Reload};
use compacter_core::run::{RunFolder, Start};
use compacter_core::train::control::{Command, Control, ControlHandle};
use compacter_core::train::session::{Connections, Session};
use compacter_core::train::steer::Steering;
use compacter_core::train::trainer::Outcome;
use compacter_core::{Error, Result};
use crossbeam_channel::Receiver;

use super::watch;
use crate::args::Train;
use crate::output::{JsonSink, PlainSink};
use crate::screen::child::{self, Begun, OwnSession};
use crate::{Exit, print, screen, signals, threads};

/// How events are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Plain,
    Json,
}

pub(crate) fn run(args: &Train) -> Result<Exit> {
    let mut overrides = args.overrides.clone();
    if let Some(name) = &args.name {
        overrides.push(format!("name={}", serde_json::Value::from(name.as_str())));
    }
    let own_session = match &args.own_session {
        Some(folder) => Some(OwnSession::begin(folder)?),
        None => None,
    };
    let lines = args.plain || args.json || args.foreground || own_session.is_some();
    if !lines && screen::is_wanted() {
        return on_screen(args, &overrides);
    }
    let watch = watch_file(&args.config, &overrides)?;
    // Loaded once the watch is on: no save can fall between.
    let config = RunConfig::load(&args.config, &overrides)?;
    let how = match (args.resume.as_deref(), args.fresh) {
        (Some("auto"), _) => Start::ResumeAuto,
        (Some(_), _) => Start::Resume,
        (None, true) => Start::Fresh,
        (None, false) => Start::New,
    };
    let format = if args.json {
        Format::Json
    } else {
        Format::Plain
    };
    let live = Live {
        watch,
        file: Some(args.config.clone()),
        format,
        own_session,
    };
    train(config, how, live).map_err(|error| locate(error, &args.config, &overrides))
}

/// Starts the trainer as a process in its own session, and watches its run.
fn on_screen(args: &Train, overrides: &[String]) -> Result<Exit> {
    // Refused here as it would be there.
    let config = RunConfig::load(&args.config, overrides)?;
    match child::start()? {
        Begun::Trains => {
            let run = config.output.directory.join(&config.name);
            screen::show(watch::watched(RunFolder::open(&run)?), &args.look)
        }
        Begun::Ended(status) => Ok(Exit::As(
            status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .unwrap_or(1),
        )),
    }
}

/// Watches the file that a run is started from, and the run's own copy. The watch is a
/// thread, so the limit of threads comes first.
fn watch_file(file: &Path, overrides: &[String]) -> Result<ConfigWatch> {
    let config = RunConfig::load(file, overrides)?;
    threads::limit(config.train.threads);
    let copy = RunFolder::config_path_of(&config);
    ConfigWatch::start(&[file.to_path_buf(), copy], overrides)
}

/// What is live while a run goes on, and how it is shown.
pub(crate) struct Live {
    /// Tells of edits.
    pub(crate) watch: ConfigWatch,
    /// The file that the run is started from, to be kept in step.
    pub(crate) file: Option<PathBuf>,
    /// How events are printed.
    pub(crate) format: Format,
    /// Where output goes until the run has a folder, if the run left the terminal.
    pub(crate) own_session: Option<OwnSession>,
}

/// Trains a run to its end, or until a signal.
pub(crate) fn train(config: RunConfig, how: Start, live: Live) -> Result<Exit> {
    let cancel = CancelToken::default();
    signals::install(&cancel)?;
    let bus = Bus::new(&config.name);
    let bus = match live.format {
        Format::Plain => bus.with(PlainSink {
            log_every: config.output.log_every,
        }),
        Format::Json => bus.with(JsonSink),
    };
    let control = Control::default();
    let handle = control.handle();
    let folder = config.output.directory.join(&config.name);
    let connections = Connections {
        bus,
        control,
        cancel,
    };
    let given = config.clone();
    let (mut trainer, _lock) = match Session::open(config, how, connections) {
        Ok(Session::Ready(trainer, lock)) => (trainer, lock),
        Ok(Session::AlreadyFinished(folder)) => return finished(&folder, live.format),
        // Told to end before there was anything to save.
        Err(Error::Cancelled) => return Ok(Exit::Interrupted),
        Err(error) => return Err(error),
    };
    if let Some(own_session) = live.own_session {
        own_session.settle(&folder)?;
    }
    if let Some(file) = &live.file {
        trainer.keep_in_step(file, &given);
    }
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let steering = Steering::start(&folder, runtime, handle.clone())?;
    let reloads = live.watch.receiver().clone();
    let follower = std::thread::spawn(move || follow(&reloads, &handle));
    let outcome = trainer.run();
    drop(steering);
    // Ends the follower too: its channel has no sender any more.
    drop(live.watch);
    let followed = follower.join();
    let outcome = outcome?;
    if followed.is_err() {
        return Err(Error::run(
            &folder,
            "the thread that follows the configuration file panicked; the run itself is complete",
        ));
    }
    Ok(match outcome {
        Outcome::Finished(_) => Exit::Done,
        Outcome::Interrupted => Exit::Interrupted,
    })
}

fn finished(folder: &RunFolder, format: Format) -> Result<Exit> {
    if format == Format::Plain {
        print::line(&format!("{} is already complete", folder.path().display()))?;
    }
    Ok(Exit::Done)
}

/// Hands edits of the configuration file to the trainer.
fn follow(reloads: &Receiver<Reload>, handle: &ControlHandle) {
    for reload in reloads {
        let command = match reload {
            Reload::Changed(saved) => Command::Edit(saved),
            Reload::Refused(message) => Command::Refuse(message),
            Reload::Gone(path) => Command::Refuse(format!(
                "{}: the file is gone; its last values stay in force",
                path.display()
            )),
        };
        // The run has ended: nothing is left to edit.
        if handle.send(command).is_err() {
            return;
        }
    }
}
