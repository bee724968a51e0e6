//! Which rows of the training file are trained on, and which are held out.

use crate::Result;

use super::{config, torch_randperm};

/// Share of the rows that is held out where the configuration says nothing.
const HELD_OUT: f64 = 0.1;

/// Rows of the training file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) train: Vec<usize>,
    /// Empty where validation has a file of its own.
    pub(super) validation: Vec<usize>,
}

/// Where the validation rows come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Validation {
    OwnFile,
    HeldOut(f64),
}

impl Validation {
    /// What the settings ask for.
    pub(super) fn new(own_file: Option<()>, fraction: Option<f64>) -> Result<Self> {
        match (own_file, fraction) {
            (Some(()), Some(_)) => {
                let message = "has no effect beside task.validation: leave one of them out";
                Err(config("task.validation_fraction", message))
            }
            (Some(()), None) => Ok(Self::OwnFile),
            (None, fraction) => {
                let fraction = fraction.unwrap_or(HELD_OUT);
                if fraction > 0.0 && fraction < 1.0 {
                    return Ok(Self::HeldOut(fraction));
                }
                let message = format!("must lie between 0 and 1, found {fraction}");
                Err(config("task.validation_fraction", message))
            }
        }
    }
}

/// Chooses rows as the reference implementation does (its `get`, `get_split_indices` and
/// `subsample`): one seeded permutation, whose start is held out and whose next rows, as
/// many as are asked for, are trained on. Without a need to choose, rows keep their order.
pub(super) fn choose(
    rows: usize,
    seed: u64,
    validation: Validation,
    limit: Option<usize>,
) -> Result<Split> {
    if limit == Some(0) {
        return Err(config("task.max_train_samples", "must be at least 1"));
    }
    let held_out = match (validation, limit) {
        (Validation::OwnFile, None) => {
            return Ok(Split {
                train: (0..rows).collect(),
                validation: Vec::new(),
            });
        }
        (Validation::OwnFile, Some(_)) => 0,
        (Validation::HeldOut(_), _) if rows < 2 => {
            let message = "cannot be held out of a training file with one row: give a file";
            return Err(config("task.validation", message));
        }
        (Validation::HeldOut(fraction), _) => share(rows, fraction),
    };
    let mut validation = torch_randperm(rows, seed);
    let mut train = validation.split_off(held_out);
    train.truncate(limit.unwrap_or(rows));
    Ok(Split { train, validation })
}

/// The share of the rows, rounded, with at least one row on both sides.
fn share(rows: usize, fraction: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a number of rows is one too"
    )]
    let share = (rows as f64 * fraction).round() as usize;
    share.clamp(1, rows - 1)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn without_a_need_to_choose_the_rows_keep_their_order() {
        let split = choose(4, 42, Validation::OwnFile, None).unwrap();
        assert_eq!(split.train, [0, 1, 2, 3]);
        assert!(split.validation.is_empty());
    }

    #[test]
    fn a_subset_is_the_start_of_the_permutation_and_never_too_long() {
        let chosen = |limit| {
            choose(10, 42, Validation::OwnFile, Some(limit))
                .unwrap()
                .train
        };
        assert_eq!(chosen(3), [2, 6, 1]);
        assert_eq!(chosen(50).len(), 10);
    }

    #[test]
    fn a_tenth_is_held_out_by_default_and_the_rest_is_trained_on() {
        let validation = Validation::new(None, None).unwrap();
        let split = choose(10, 42, validation, Some(3)).unwrap();
        assert_eq!(split.validation, [2]);
        assert_eq!(split.train, [6, 1, 8]);
    }

    #[test]
    fn settings_without_sense_are_refused() {
        for fraction in [0.0, 1.0, -0.5, f64::NAN] {
            assert!(Validation::new(None, Some(fraction)).is_err(), "{fraction}");
        }
        assert!(Validation::new(Some(()), Some(0.1)).is_err());
        assert!(choose(5, 1, Validation::OwnFile, Some(0)).is_err());
        assert!(choose(1, 1, Validation::HeldOut(0.5), None).is_err());
    }

    proptest! {
        #[test]
        fn held_out_rows_and_training_rows_part_the_file(
            rows in 2usize..400,
            fraction in 0.001f64..0.999,
            seed: u64,
        ) {
            let split = choose(rows, seed, Validation::HeldOut(fraction), None).unwrap();
            prop_assert!(!split.train.is_empty() && !split.validation.is_empty());
            let mut all = [split.train, split.validation].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..rows).collect::<Vec<_>>());
        }
    }
}
