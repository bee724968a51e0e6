//! Which examples come when, for how many steps, and at which learning rate.

use super::prepare::Prepared;
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
}

impl Plan {
    /// The plan of a run in the state given; a fresh state learns its length from it.
    pub(super) fn new(prepared: &Prepared, order: Order, state: &mut State) -> Self {
        let lengths = prepared
            .data
            .train
            .iter()
            .map(|e| e.source.ids.len())
            .collect();
        let schedule = Schedule::new(Shape {
            kind: prepared.config.train.schedule,
            peak: prepared.config.learning_rate(),
            warmup_steps: 0,
            total_steps: 1,
        });
        let mut plan = Self {
            order,
            lengths,
            batches: Vec::new(),
            schedule,
        };
        let fresh = state.layout.is_none();
        plan.lay_out(&prepared.config, state);
        if fresh {
            state.total_steps = plan.total_steps(&prepared.config, state);
        }
        plan.schedule = Schedule::resumed(shape(&prepared.config, state), state.anchor);
        plan
    }

    /// Lays out the present epoch; one that was begun before a resume keeps its layout,
    /// whatever the configuration says by now.
    pub(super) fn lay_out(&mut self, config: &RunConfig, state: &mut State) {
        let begun = state.layout.filter(|_| state.batch > 0);
        let layout = begun.unwrap_or(Layout {
            batch_size: config.train.batch_size,
            length_buckets: config.train.length_buckets,
        });
        let changed = state.layout.is_some_and(|before| before != layout);
        state.layout = Some(layout);
        self.batches = match &self.order {
            Order::Given(passes) => {
                let pass = passes.get(state.epoch as usize).or(passes.last());
                pass.cloned().unwrap_or_default()
            }
            Order::Seeded => BatchOrder {
                seed: config.train.seed,
                batch_size: layout.batch_size,
                length_buckets: layout.length_buckets,
            }
            .batches(state.epoch, &self.lengths),
        };
        if changed {
            self.edit(config, state);
        }
    }

    /// Follows an edit of the configuration.
    pub(super) fn edit(&mut self, config: &RunConfig, state: &mut State) {
        state.total_steps = self.total_steps(config, state);
        self.schedule = self.schedule.edited(state.step, shape(config, state));
        state.anchor = self.schedule.anchor();
    }

    /// Positions of the examples of the present batch.
    pub(super) fn batch(&self, state: &State) -> &[usize] {
        &self.batches[state.batch as usize]
    }

    /// Batches in the present epoch.
    pub(super) fn batches_in_epoch(&self) -> u64 {
        self.batches.len() as u64
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
    fn total_steps(&self, config: &RunConfig, state: &State) -> u64 {
        if let Some(steps) = config.train.max_steps {
            return steps;
        }
        let in_epoch = self.batches_in_epoch();
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
