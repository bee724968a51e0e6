//! Which runs of a sweep go on beside each other.

use std::thread::sleep;
use std::time::{Duration, Instant};

use compacter_core::Result;
use compacter_core::cancel::CancelToken;
use compacter_core::sweep::{Budget, Outcome, Planned, SweepFolder, recorded_peak};

use super::job::{self, Ended, Job};
use super::told::Told;

/// Between two looks at the processes.
const LOOK: Duration = Duration::from_millis(20);
/// Between two looks at the memory that they take.
const MEASURE: Duration = Duration::from_secs(1);

/// Trains and measures runs.
#[derive(Debug)]
pub(crate) struct Runner<'a> {
    folder: &'a SweepFolder,
    gpus: &'a [u32],
    budget: Budget,
    cancel: CancelToken,
    told: Told,
    jobs: Vec<(usize, Job<'a>)>,
    looked: Option<Instant>,
}

/// How trying went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tried {
    /// All runs came to something.
    All,
    /// It was told to end.
    Interrupted,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(
        folder: &'a SweepFolder,
        gpus: &'a [u32],
        mut budget: Budget,
        told: Told,
    ) -> Self {
        if let Some(bytes) = job::peak(folder) {
            budget.saw(bytes);
        }
        Self {
            folder,
            gpus,
            budget,
            cancel: CancelToken::default(),
            told,
            jobs: Vec::new(),
            looked: None,
        }
    }

    /// What ends it when it is raised.
    pub(crate) fn cancel(&self) -> &CancelToken {
        &self.cancel
    }

    /// Does the runs given, as many at a time as there is room for.
    ///
    /// # Errors
    /// Fails if the folder cannot be written or a process not started; what goes on then is
    /// told to save and end.
    pub(crate) fn run(&mut self, runs: &[&'a Planned]) -> Result<Tried> {
        let outcome = self.work(runs);
        if outcome.is_err() {
            self.jobs.iter_mut().for_each(|(_, job)| job.end());
        }
        outcome
    }

    fn work(&mut self, runs: &[&'a Planned]) -> Result<Tried> {
        let (mut waiting, mut told_to_end) = (runs.iter().copied(), false);
        loop {
            if self.cancel.is_cancelled() && !told_to_end {
                told_to_end = true;
                self.jobs.retain(|(_, job)| !job.is_waiting());
                self.jobs.iter_mut().for_each(|(_, job)| job.end());
            }
            self.measure_memory();
            while !told_to_end && self.jobs.len() < self.budget.runs() {
                let Some(run) = waiting.next() else { break };
                self.begin(run)?;
            }
            if self.jobs.is_empty() {
                return Ok(if told_to_end {
                    Tried::Interrupted
                } else {
                    Tried::All
                });
            }
            sleep(LOOK);
            if self.look()? {
                // One of the processes was told to end, by somebody else: so are all.
                self.cancel.cancel();
            }
        }
    }

    fn begin(&mut self, run: &'a Planned) -> Result<()> {
        let taken = |slot: &usize| self.jobs.iter().any(|(other, _)| other == slot);
        // One of them is free: there are more than jobs.
        let mut slots = 0..=self.jobs.len();
        let slot = slots.find(|slot| !taken(slot)).unwrap_or_default();
        let job = Job::begin(self.folder, run, self.gpus.get(slot).copied())?;
        self.told.started(&run.name)?;
        self.jobs.push((slot, job));
        Ok(())
    }

    /// Looks at every job, and takes away those that have ended; whether one was interrupted.
    fn look(&mut self) -> Result<bool> {
        let (mut at, mut interrupted) = (0, false);
        while at < self.jobs.len() {
            let Some(ended) = self.jobs[at].1.look()? else {
                at += 1;
                continue;
            };
            let (_, job) = self.jobs.remove(at);
            if let Some(bytes) = recorded_peak(&self.folder.run_path(&job.run.name)) {
                self.budget.saw(bytes);
            }
            match ended {
                Ended::Done(Outcome::Measured(found)) => {
                    self.told.measured(&job.run.name, &found)?;
                }
                Ended::Done(Outcome::Failed { message }) => {
                    self.told.failed(&job.run.name, &message)?;
                }
                Ended::Interrupted => interrupted = true,
            }
        }
        Ok(interrupted)
    }

    /// Looks what runs take, while that decides how many there may be.
    fn measure_memory(&mut self) {
        let due = self.looked.is_none_or(|last| last.elapsed() >= MEASURE);
        if self.budget.memory.is_none() || !due {
            return;
        }
        self.looked = Some(Instant::now());
        for (_, job) in &self.jobs {
            if let Some(bytes) = recorded_peak(&self.folder.run_path(&job.run.name)) {
                self.budget.saw(bytes);
            }
        }
    }
}
