//! One run of a sweep: trained by a process of its own, then measured by another.
//!
//! ```text
//! held by another process ─▶ train --resume auto ─▶ eval --split test ─▶ results/<run>.json
//! ```
//!
//! Processes of a sweep that was killed go on with what they do. They hold the claim to their
//! run, which is their standard input, so whoever takes the sweep up waits for them, and goes
//! on from there.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use compacter_core::run::{RunFolder, lock};
use compacter_core::sweep::{Measured, Outcome, Planned, SweepFolder};
use compacter_core::{Error, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

/// The exit code of a process that was told to end, and saved.
const INTERRUPTED: i32 = 75;
/// The signal by which systems end what takes too much memory.
const KILL: i32 = 9;

/// A run that somebody works on.
#[derive(Debug)]
pub(super) struct Job<'a> {
    pub(super) run: &'a Planned,
    folder: &'a SweepFolder,
    /// Which GPU the processes see; the caller's where it is none.
    gpu: Option<u32>,
    stage: Stage,
    /// Whether its process was told to end.
    told_to_end: bool,
    /// The right to work on the run.
    claim: Option<File>,
    /// Bytes of the log that are of earlier attempts.
    said_before: u64,
}

#[derive(Debug)]
enum Stage {
    /// Another process works on the run.
    Held,
    Training(Child),
    Measuring(Child),
}

/// How a job ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The run came to something, which is written down.
    Done(Outcome),
    /// A process was told to end, and saved.
    Interrupted,
}

/// What `compacter eval --json` prints.
#[derive(Deserialize)]
struct Answer {
    metrics: BTreeMap<String, f64>,
}

impl<'a> Job<'a> {
    pub(super) fn begin(
        folder: &'a SweepFolder,
        run: &'a Planned,
        gpu: Option<u32>,
    ) -> Result<Self> {
        let mut job = Self {
            run,
            folder,
            gpu,
            stage: Stage::Held,
            told_to_end: false,
            claim: None,
            said_before: 0,
        };
        folder.write_config(run)?;
        job.try_to_train()?;
        Ok(job)
    }

    /// Trains, unless another process works on the run.
    fn try_to_train(&mut self) -> Result<()> {
        if self.claim.is_none() {
            self.claim = self.folder.claim(&self.run.name)?;
        }
        // The run's own lock may be somebody's who knows nothing of the sweep.
        if self.claim.is_some() && lock::holder(&self.path())?.is_none() {
            self.stage = Stage::Training(self.train()?);
        }
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.folder.run_path(&self.run.name)
    }

    /// Looks how far it is; never waits.
    pub(super) fn look(&mut self) -> Result<Option<Ended>> {
        match &mut self.stage {
            Stage::Held => {
                self.try_to_train()?;
                Ok(None)
            }
            Stage::Training(child) => {
                let Some(status) = ended(child)? else {
                    return Ok(None);
                };
                if status.success() && !self.told_to_end {
                    self.stage = Stage::Measuring(self.measure()?);
                    return Ok(None);
                }
                self.unsuccessful(status).map(Some)
            }
            Stage::Measuring(child) => {
                let Some(status) = ended(child)? else {
                    return Ok(None);
                };
                let mut said = String::new();
                if let Some(mut out) = child.stdout.take() {
                    out.read_to_string(&mut said)
                        .map_err(Error::io("process", "read"))?;
                }
                if !status.success() {
                    return self.unsuccessful(status).map(Some);
                }
                let outcome = match self.measured(&said) {
                    Ok(measured) => Outcome::Measured(measured),
                    Err(error) => Outcome::Failed {
                        message: error.to_string(),
                    },
                };
                self.write(outcome).map(Some)
            }
        }
    }

    /// Tells its process to save and end; one of another sweep is left alone.
    pub(super) fn end(&mut self) {
        self.told_to_end = true;
        let (Stage::Training(child) | Stage::Measuring(child)) = &self.stage else {
            return;
        };
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself, which is as good.
            let _ended = kill_process(pid, Signal::TERM);
        }
    }

    /// Whether it has no process of ours.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Held)
    }

    fn train(&mut self) -> Result<Child> {
        let config = self.folder.config_path(&self.run.name);
        let mut command = self.command()?;
        command.arg("train").arg(config);
        command.args(["--foreground", "--plain", "--resume", "auto"]);
        let log = self.log()?;
        let second = log.try_clone().map_err(Error::io("process", "start"))?;
        command.stdout(log).stderr(second);
        spawn(command)
    }

    fn measure(&mut self) -> Result<Child> {
        let mut command = self.command()?;
        command.arg("eval").arg(self.path());
        command.args(["--split", "test", "--json"]);
        command.stdout(Stdio::piped()).stderr(self.log()?);
        spawn(command)
    }

    fn command(&self) -> Result<Command> {
        let program = env::current_exe().map_err(Error::io("program", "find"))?;
        let mut command = Command::new(program);
        // A group of its own: a Ctrl-C is meant for the sweep, which passes it on once.
        command.process_group(0);
        if let Some(claim) = &self.claim {
            command.stdin(claim.try_clone().map_err(Error::io("process", "start"))?);
        }
        let threads = self.run.config.train.threads;
        if threads > 0 {
            command.env("RAYON_NUM_THREADS", threads.to_string());
        }
        if let Some(gpu) = self.gpu {
            command.env("CUDA_VISIBLE_DEVICES", gpu.to_string());
        }
        Ok(command)
    }

    /// The run's log, to be written to at its end.
    fn log(&mut self) -> Result<File> {
        let path = self.folder.log_path(&self.run.name);
        let mut options = OpenOptions::new();
        let log = options.create(true).append(true).open(&path);
        let log = log.map_err(Error::io(&path, "open"))?;
        self.said_before = log.metadata().map_err(Error::io(&path, "read"))?.len();
        Ok(log)
    }

    fn measured(&self, said: &str) -> Result<Measured> {
        let run = RunFolder::open(&self.path())?;
        let answer: Answer = serde_json::from_str(said.trim()).map_err(|error| {
            let message = format!("the measurement cannot be read: {error}");
            Error::run(run.path(), message)
        })?;
        Measured::of(&run, answer.metrics)
    }

    fn unsuccessful(&self, status: ExitStatus) -> Result<Ended> {
        // A measurement has nothing to save, and ends as it would on any error.
        // A signal to all of a job's processes may be heard here last.
        let told = [Signal::TERM, Signal::INT, Signal::HUP].map(|signal| Some(signal.as_raw()));
        if self.told_to_end || status.code() == Some(INTERRUPTED) || told.contains(&status.signal())
        {
            return Ok(Ended::Interrupted);
        }
        let message = self.said()?.unwrap_or_else(|| match status.signal() {
            Some(KILL) => "its process was killed, as systems do when memory runs out".to_owned(),
            _ => format!("its process ended without a word: {status}"),
        });
        self.write(Outcome::Failed { message })
    }

    fn write(&self, outcome: Outcome) -> Result<Ended> {
        self.folder.write_result(&self.run.name, &outcome)?;
        Ok(Ended::Done(outcome))
    }

    /// The error that the last process told.
    fn said(&self) -> Result<Option<String>> {
        let path = self.folder.log_path(&self.run.name);
        let mut log = File::open(&path).map_err(Error::io(&path, "read"))?;
        let mut bytes = Vec::new();
        log.seek(SeekFrom::Start(self.said_before))
            .and_then(|_| log.read_to_end(&mut bytes))
            .map_err(Error::io(&path, "read"))?;
        let text = String::from_utf8_lossy(&bytes);
        let mut errors = text.lines().filter_map(|line| line.strip_prefix("error: "));
        Ok(errors.next_back().map(str::to_owned))
    }
}

fn spawn(mut command: Command) -> Result<Child> {
    command.spawn().map_err(Error::io("process", "start"))
}

fn ended(child: &mut Child) -> Result<Option<ExitStatus>> {
    child.try_wait().map_err(Error::io("process", "wait for"))
}

/// What a sweep's runs have taken of memory so far, in bytes: the most of any.
pub(super) fn peak(folder: &SweepFolder) -> Option<u64> {
    let runs = fs::read_dir(folder.path().join("runs")).ok()?;
    let runs = runs.filter_map(|entry| Some(entry.ok()?.path()));
    runs.filter_map(|run| compacter_core::sweep::recorded_peak(&run))
        .max()
}
