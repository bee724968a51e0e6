//! Which examples come when, for how many steps, and at which learning rate.

use super::schedule::{Schedule, Shape, warmup_steps};
use crate::config::RunConfig;
use crate::data::order::BatchOrder;
use crate::run::{Layout, State};

/// Where the batches of a pass over the data come from.
#[derive(Debug, Clone, Default)]
pub enum Order {
    /// A function of seed and epoch.
    #[default]
    Seeded,
    /// Given pass by pass and batch by batch, for comparisons; the last pass repeats.
    Given(Vec<Vec<Vec<usize>>>),
}

/// The course of a run as its configuration and state define it.
#[derive(Debug)]
pub struct Plan {
    order: Order,
    lengths: Vec<usize>,      // [examples], tokens
    batches: Vec<Vec<usize>>, // of the present epoch
    schedule: Schedule,
    /// Whether the layout changed within an optimizer step.
    unsettled: bool,
}

impl Plan {
    /// The plan of a run in the state given, over examples of the `lengths` given in tokens;
    /// a fresh state learns its length from it.
    pub(super) fn new(
        config: &RunConfig,
        lengths: Vec<usize>,
        order: Order,
        state: &mut State,
    ) -> Self {
        let schedule = Schedule::new(shape(config, state));
        let mut plan = Self {
            order,
            lengths,
            batches: Vec::new(),
            schedule,
            unsettled: false,
        };
        let fresh = state.layout.is_none();
        plan.lay_out(config, state);
        if fresh {
            state.total_steps = plan.total_steps(config, state);
        }
        plan.schedule = Schedule::resumed(shape(config, state), state.anchor);
        plan
    }

    /// Cuts the present epoch into batches. One that has begun keeps its layout, whatever
    /// the configuration says by now; says whether the layout is another one than before.
    fn lay_out(&mut self, config: &RunConfig, state: &mut State) -> bool {
        let begun = state.layout.filter(|_| state.batch > 0);
        let layout = begun.unwrap_or(Layout {
            batch_size: config.train.batch_size,
            length_buckets: config.train.length_buckets,
        });
        let changed = state.layout.is_some_and(|before| before != layout);
        state.layout = Some(layout);
        self.batches = match &self.order {
            Order::Given(passes) => {
                let epoch = usize::try_from(state.epoch).unwrap_or(usize::MAX);
                let pass = passes.get(epoch).or(passes.last());
                pass.cloned().unwrap_or_default()
            }
            Order::Seeded => BatchOrder {
                seed: config.train.seed,
                batch_size: layout.batch_size,
                length_buckets: layout.length_buckets,
            }
            .batches(state.epoch, &self.lengths),
        };
        changed
    }

    /// Moves on by one batch, into the next epoch after the last. [`Self::settle`] follows
    /// when the optimizer step that the batch belongs to is counted.
    pub(super) fn advance(&mut self, config: &RunConfig, state: &mut State) {
        state.batch += 1;
        if state.batch >= self.batches.len() as u64 {
            state.batch = 0;
            state.epoch += 1;
            self.unsettled |= self.lay_out(config, state);
        }
    }

    /// Plans the rest of the run anew if the step just counted led into an epoch of another
    /// layout.
    pub(super) fn settle(&mut self, config: &RunConfig, state: &mut State) {
        if std::mem::take(&mut self.unsettled) {
            self.replan(config, state);
        }
    }

    /// Follows an edit of the configuration. Batches change at once where no batch of the
    /// epoch is used, so that a run resumed there finds the same ones.
    pub(super) fn edit(&mut self, config: &RunConfig, state: &mut State) {
        if state.batch == 0 {
            self.lay_out(config, state);
        }
        self.replan(config, state);
    }

    fn replan(&mut self, config: &RunConfig, state: &mut State) {
        state.total_steps = self.total_steps(config, state);
        self.schedule = self.schedule.edited(state.step, shape(config, state));
        state.anchor = self.schedule.anchor();
    }

    /// Positions of the examples of the present batch.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "less than the number of batches, which is a usize"
    )]
    pub(super) fn batch(&self, state: &State) -> &[usize] {
        &self.batches[state.batch as usize]
    }

    /// Passes over the data done, with the fraction of the present one.
    pub(super) fn epochs_done(&self, state: &State) -> f64 {
        state.epoch as f64 + state.batch as f64 / self.batches.len() as f64
    }

    /// The learning rate of the next step.
    pub(super) fn learning_rate(&self, state: &State) -> f64 {
        self.schedule.learning_rate(state.step)
    }

    /// Optimizer steps of the whole run: those done, and those that what is left needs.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, and epochs are positive"
    )]
    fn total_steps(&self, config: &RunConfig, state: &State) -> u64 {
        if let Some(steps) = config.train.max_steps {
            return steps;
        }
        let in_epoch = self.batches.len() as u64;
        let wanted = (config.train.epochs * in_epoch as f64).ceil() as u64;
        let left = wanted.saturating_sub(state.epoch * in_epoch + state.batch);
        state.step + left.div_ceil(config.train.accumulation as u64)
    }
}

fn shape(config: &RunConfig, state: &State) -> Shape {
    Shape {
        kind: config.train.schedule,
        peak: config.learning_rate(),
        warmup_steps: warmup_steps(config.train.warmup, state.total_steps),
        total_steps: state.total_steps,
    }
}

#[cfg(test)]
mod tests;
