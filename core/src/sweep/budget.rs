//! How many runs may go on at a time.

use std::path::Path;

use super::plan::{Planned, Sweep};
use crate::run::machine;
use crate::view::glimpse;

/// What a machine has for the runs of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Runs at a time that cores, GPUs or the file allow.
    pub most: usize,
    /// Memory that was available before the first run, in bytes, where the system tells.
    pub memory: Option<u64>,
    /// Memory that a run takes at most, in bytes, where that is known.
    pub peak: Option<u64>,
}

impl Budget {
    /// What this machine has for a sweep.
    #[must_use]
    pub fn of(sweep: &Sweep) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = &sweep.jobs;
        // Who says how many run at a time, or on which GPUs, knows what they take.
        let decided = jobs.parallel.is_some() || !jobs.gpus.is_empty();
        let measured = !decided || jobs.memory_mib.is_some();
        Self {
            most: most(sweep, cores),
            memory: machine::available_memory().filter(|_| measured),
            peak: jobs.memory_mib.map(|mib| mib << 20),
        }
    }

    /// Takes note of the most memory that a run has taken.
    pub fn saw(&mut self, bytes: u64) {
        self.peak = Some(self.peak.map_or(bytes, |peak| peak.max(bytes)));
    }

    /// Runs that may go on at a time; one until it is known how much memory that takes.
    #[must_use]
    pub fn runs(&self) -> usize {
        match (self.memory, self.peak) {
            (Some(memory), Some(peak)) => {
                let fit = usize::try_from(memory / peak.max(1)).unwrap_or(usize::MAX);
                self.most.min(fit).max(1)
            }
            (Some(_), None) => 1,
            (None, _) => self.most,
        }
    }
}

/// Most memory that the run in a folder has recorded, in bytes.
#[must_use]
pub fn recorded_peak(run: &Path) -> Option<u64> {
    let path = run.join("events.jsonl");
    let length = path.metadata().ok()?.len();
    let latest = glimpse(&path, length).ok()?.latest?.values;
    latest.peak_memory.or(latest.memory)
}

fn most(sweep: &Sweep, cores: usize) -> usize {
    if let Some(parallel) = sweep.jobs.parallel {
        return parallel;
    }
    if !sweep.jobs.gpus.is_empty() {
        return sweep.jobs.gpus.len();
    }
    let on_gpu = |run: &Planned| cfg!(feature = "cuda") && run.config.model.device != "cpu";
    if sweep.runs.iter().any(on_gpu) {
        return 1;
    }
    let threads = |run: &Planned| match run.config.train.threads {
        0 => cores,
        threads => threads,
    };
    let threads = sweep.runs.iter().map(threads).max().unwrap_or(1);
    (cores / threads).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_waited_for_and_then_keeps_runs_apart() {
        let mut budget = Budget {
            most: 8,
            memory: Some(1000),
            peak: None,
        };
        assert_eq!(budget.runs(), 1);
        budget.saw(300);
        assert_eq!(budget.runs(), 3);
        // A smaller one changes nothing, a larger one does.
        budget.saw(100);
        assert_eq!(budget.runs(), 3);
        budget.saw(5000);
        assert_eq!(budget.runs(), 1);
        budget.memory = None;
        assert_eq!(budget.runs(), 8);
    }
}
