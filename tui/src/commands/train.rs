//! `compacter train`: trains, and shows what happens.
//!
//! On a terminal the trainer is a process of its own, and this one watches it as
//! `compacter watch` does. Otherwise it trains here and prints lines.

use std::path::{Path, PathBuf};

use compacter_core::cancel::CancelToken;
use compacter_core::config::{RunConfig, locate, template};
use compacter_core::event::{Bus, Refusal};
use compacter_core::run::watch::{ConfigWatch, Events, Reload};
use compacter_core::run::{RunFolder, Start};
use compacter_core::train::control::{Command, Control, ControlHandle};
use compacter_core::train::session::{Connections, Session};
use compacter_core::train::steer::Steering;
use compacter_core::train::trainer::Outcome;
use compacter_core::{Error, Result};
use crossbeam_channel::Receiver;

use super::watch;
use crate::args::{Look, Shown, Train};
use crate::output::{JsonSink, PlainSink};
use crate::screen::child::{self, Begun, OwnSession};
use crate::{Exit, print, screen, signals, threads};

/// How events are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Plain,
    Json,
}

impl Shown {
    /// The session that this process is to lead, where it was started for one.
    pub(super) fn own_session(&self) -> Result<Option<OwnSession>> {
        self.own_session
            .as_deref()
            .map(OwnSession::begin)
            .transpose()
    }

    /// Whether the run is to be trained by another process and shown here.
    pub(super) fn on_screen(&self) -> bool {
        let lines = self.plain || self.json || self.foreground || self.own_session.is_some();
        !lines && screen::is_wanted()
    }

    /// How events are printed where it is not.
    pub(super) fn format(&self) -> Format {
        if self.json {
            Format::Json
        } else {
            Format::Plain
        }
    }
}

/// Where a run's configuration comes from.
enum Source<'a> {
    File(&'a Path),
    /// The first lesson, which stands in the program itself.
    FirstLesson,
}

impl Source<'_> {
    fn load(&self, overrides: &[String]) -> Result<RunConfig> {
        match self {
            Self::File(path) => RunConfig::load(path, overrides),
            Self::FirstLesson => template::first_lesson(overrides),
        }
    }

    /// The file, where there is one.
    fn file(&self) -> Option<PathBuf> {
        match self {
            Self::File(path) => Some(path.to_path_buf()),
            Self::FirstLesson => None,
        }
    }

    /// Gives a refusal its place in the file, where there is one.
    fn locate(&self, error: Error, overrides: &[String]) -> Error {
        match self {
            Self::File(path) => locate(error, path, overrides),
            Self::FirstLesson => error,
        }
    }

    /// Watches the file that a run is started from, and the run's own copy. The watch is a
    /// thread, so the limit of threads comes first.
    fn watch(&self, overrides: &[String]) -> Result<ConfigWatch> {
        let config = self.load(overrides)?;
        threads::limit(config.train.threads);
        let copy = RunFolder::config_path_of(&config);
        let files = match self {
            Self::File(path) => vec![path.to_path_buf(), copy],
            Self::FirstLesson => vec![copy],
        };
        ConfigWatch::start_with(events(), &files, overrides)
    }
}

/// Where the configuration comes from, and how the run starts.
fn asked(args: &Train) -> Result<(Source<'_>, Start)> {
    let file = args.config.as_deref();
    let (file, how) = match (args.resume.as_deref(), args.fresh) {
        (Some("auto"), _) => (file, Start::ResumeAuto),
        (Some(""), _) => (file, Start::Resume),
        // `train --resume FILE` is `train FILE --resume`.
        (Some(word), _) if file.is_none() => (Some(Path::new(word)), Start::Resume),
        (Some(word), _) => {
            let message = format!("--resume takes `auto` or nothing, not `{word}`");
            return Err(Error::method(message));
        }
        (None, true) => (file, Start::Fresh),
        (None, false) => (file, Start::New),
    };
    Ok((file.map_or(Source::FirstLesson, Source::File), how))
}

pub(crate) fn run(args: &Train) -> Result<Exit> {
    let (source, how) = asked(args)?;
    let mut overrides = args.overrides.clone();
    let mut name = args.name.clone();
    if name.is_none() && matches!(source, Source::FirstLesson) {
        let config = source.load(&overrides)?;
        name = match how {
            Start::New => Some(unused_name(&config)),
            Start::Resume | Start::ResumeAuto => last_name(&config),
            Start::Fresh => None,
        };
    }
    if let Some(name) = &name {
        overrides.push(format!("name={}", serde_json::Value::from(name.as_str())));
    }
    let own_session = args.shown.own_session()?;
    if args.shown.on_screen() {
        // Refused here as it would be there.
        let config = source.load(&overrides)?;
        let given = name.filter(|_| args.name.is_none());
        let run = config.output.directory.join(&config.name);
        return on_screen(&run, given.as_deref(), &args.shown.look);
    }
    let watch = source.watch(&overrides)?;
    // Loaded once the watch is on: no save can fall between.
    let config = source.load(&overrides)?;
    let format = args.shown.format();
    let live = Live {
        watch,
        file: source.file(),
        format,
        own_session,
    };
    let folder = config.output.directory.join(&config.name);
    let exit = train(config, how, live).map_err(|error| source.locate(error, &overrides))?;
    let is_first_lesson = matches!(source, Source::FirstLesson);
    if is_first_lesson && exit == Exit::Done && format == Format::Plain {
        invite(&folder)?;
    }
    Ok(exit)
}

/// Starts the trainer as a process in its own session, and watches the run it makes. `name`
/// is the run's, where neither file nor arguments say it.
pub(crate) fn on_screen(run: &Path, name: Option<&str>, look: &Look) -> Result<Exit> {
    match child::start(name)? {
        Begun::Trains => screen::show(watch::watched(RunFolder::open(run)?)?, look),
        Begun::Ended(status) => Ok(Exit::As(
            status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .unwrap_or(1),
        )),
    }
}

/// The configuration's name, numbered where an earlier run has it: who asks for a first
/// lesson again wants to see it again.
fn unused_name(config: &RunConfig) -> String {
    let mut names = names(config);
    names
        .find(|name| !is_taken(config, name))
        .unwrap_or_default()
}

/// The last one of such names that there is a run of.
fn last_name(config: &RunConfig) -> Option<String> {
    names(config)
        .take_while(|name| is_taken(config, name))
        .last()
}

fn names(config: &RunConfig) -> impl Iterator<Item = String> {
    let numbered = (2u32..).map(|number| format!("{}-{number}", config.name));
    std::iter::once(config.name.clone()).chain(numbered)
}

fn is_taken(config: &RunConfig, name: &str) -> bool {
    config.output.directory.join(name).exists()
}

/// Says what can be done with a first run.
fn invite(folder: &Path) -> Result<()> {
    let (folder, program) = (folder.display(), print::program());
    print::line(&format!(
        "ask it:      echo '{{\"text\": \"a lovely, cheerful little book\"}}' | {program} predict {folder}"
    ))?;
    print::line(&format!(
        "change it:   {program} init run.toml, edit it, {program} train run.toml"
    ))
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
    // Both end the follower: nobody takes what it delivers, and its channel has no sender.
    drop(trainer);
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

/// Whether the system is asked to tell of saves; `COMPACTER_WATCH=poll` says no, for file
/// systems on which it tells wrongly.
pub(super) fn events() -> Events {
    let poll = std::env::var_os("COMPACTER_WATCH").is_some_and(|word| word == "poll");
    if poll { Events::Never } else { Events::Wanted }
}

/// Hands edits of the configuration file to the trainer.
fn follow(reloads: &Receiver<Reload>, handle: &ControlHandle) {
    for reload in reloads {
        let command = match reload {
            Reload::Changed(saved) => Command::Edit(saved),
            Reload::Refused(refusal) => Command::Refuse(refusal),
            Reload::Gone(path) => {
                let (file, reason) = (path.display().to_string(), "the file is gone");
                let message = format!("{file}: {reason}; its last values stay in force");
                Command::Refuse(Refusal {
                    file: Some(file),
                    reason: Some(reason.to_owned()),
                    ..Refusal::new(message)
                })
            }
        };
        // The run has ended: nothing is left to edit.
        if handle.deliver(command).is_err() {
            return;
        }
    }
}
