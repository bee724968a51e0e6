//! What is printed while a sweep goes on: a line, or a JSON object, for each run.

use std::time::Instant;

use compacter_core::Result;
use compacter_core::sweep::Measured;
use serde_json::json;

use crate::print;

/// Prints how runs fare.
#[derive(Debug)]
pub(crate) struct Told {
    json: bool,
    /// Runs to be done, and those done here.
    planned: usize,
    done: usize,
    began: Instant,
}

impl Told {
    pub(crate) fn new(json: bool, planned: usize) -> Self {
        Self {
            json,
            planned,
            done: 0,
            began: Instant::now(),
        }
    }

    pub(super) fn started(&self, run: &str) -> Result<()> {
        if self.json {
            return print::json(&json!({"kind": "started", "run": run}));
        }
        print::line(&format!("started   {run}"))
    }

    pub(super) fn measured(&mut self, run: &str, found: &Measured) -> Result<()> {
        self.done += 1;
        if self.json {
            return print::json(&json!({"kind": "measured", "run": run, "result": found}));
        }
        let (metric, validation, test) = (&found.metric, found.on_validation(), found.on_test());
        let values = format!("{metric} {validation:.4} on validation, {test:.4} on test");
        print::line(&format!("measured  {run}  {values}  {}", self.rest()))
    }

    pub(super) fn failed(&mut self, run: &str, message: &str) -> Result<()> {
        self.done += 1;
        if self.json {
            return print::json(&json!({"kind": "failed", "run": run, "message": message}));
        }
        print::line(&format!("failed    {run}: {message}  {}", self.rest()))
    }

    /// How many are done, and how long the others will take at this pace.
    fn rest(&self) -> String {
        let (done, planned) = (self.done, self.planned);
        let left = self.began.elapsed().as_secs_f64() / done.max(1) as f64
            * planned.saturating_sub(done) as f64;
        if done >= planned {
            return format!("({done}/{planned})");
        }
        format!("({done}/{planned}, about {} to go)", duration(left))
    }
}

fn duration(seconds: f64) -> String {
    if seconds < 90.0 {
        format!("{seconds:.0} s")
    } else if seconds < 5400.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}
