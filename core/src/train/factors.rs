//! Snapshots of a method's factors while a run goes on.
//!
//! They are taken before the first step, every `watch.factors_every` steps and at the end.
//! One is taken right after its step, so that the step's gradient is at hand and no
//! checkpoint comes between the two. Drift is measured from what the method drew, which is
//! drawn again from the seed; change is measured from the snapshot before, whose values
//! travel in the checkpoint. So a resumed run tells the same, and nothing here changes what
//! is trained.

use candle_core::Tensor;

use super::trainer::Trainer;
use crate::event::Kind;
use crate::peft::factors::{Since, Watch};
use crate::{Error, Result};

/// Name of the values of the last snapshot, in the file of the optimizer's tensors.
pub(super) const SNAPSHOT: &str = "factors";

/// What the factors of a run are looked at with.
#[derive(Debug)]
pub(super) struct FactorWatch {
    pub(super) watch: Watch,
    /// All trained values at the last snapshot, `[total]`.
    pub(super) before: Option<Tensor>,
}

impl Trainer {
    /// Whether the step that comes next is to be followed by a snapshot.
    pub(super) fn factors_due_after_step(&self) -> bool {
        let every = self.prepared.config.watch.factors_every;
        let next = self.state.step + 1;
        let last = next >= self.state.total_steps;
        self.watches_factors() && (next.is_multiple_of(every) || last)
    }

    fn watches_factors(&self) -> bool {
        let every = self.prepared.config.watch.factors_every;
        every > 0 && !self.factors.watch.views().is_empty()
    }

    /// Takes a snapshot where there is none of this step yet: before the first step, and at
    /// the end where nothing foretold that it would be.
    pub(super) fn tell_missing_factors(&mut self) -> Result<()> {
        if self.watches_factors() && self.state.factors != Some(self.state.step) {
            self.tell_factors(None)?;
        }
        Ok(())
    }

    /// Takes a snapshot; `gradient` is that of the step just done, `[total]`.
    pub(super) fn tell_factors(&mut self, gradient: Option<&Tensor>) -> Result<()> {
        let trainables = &self.prepared.trainables;
        let since = Since {
            before: self.factors.before.as_ref(),
            gradient,
        };
        let factors = self.factors.watch.look(trainables, since)?;
        self.factors.before = Some(trainables.values().copy()?);
        self.state.factors = Some(self.state.step);
        self.emit(Kind::Factors(factors))
    }

    /// Puts back the values of the last snapshot, where a checkpoint has them.
    pub(super) fn restore_factors(&mut self, before: Option<&Tensor>) -> Result<()> {
        let values = self.prepared.trainables.values();
        self.factors.before = match before {
            Some(before) if before.dims() != values.dims() => {
                return Err(Error::Shape {
                    what: SNAPSHOT.to_owned(),
                    expected: values.dims().to_vec(),
                    found: before.dims().to_vec(),
                });
            }
            Some(before) => Some(before.to_device(values.device())?),
            None => None,
        };
        Ok(())
    }
}
