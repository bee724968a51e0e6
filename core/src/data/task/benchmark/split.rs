//! Which rows are for what: the reference code shuffles with one seeded permutation and
//! cuts it.

use super::{Benchmark, Effect, Layout, Split, rows};
use crate::Result;
use crate::config::SplitRule;
use crate::data::split::{Validation, choose as choose_train};
use crate::data::{Table, torch_randperm};
use crate::{Error, data};

/// Rows for validation where there are many for training.
const CARVED: usize = 1000;

/// Numbers of rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) train: Vec<usize>,
    /// Table, 0 for training rows, then as they were read; rows of it.
    pub(super) validation: (usize, Vec<usize>),
    pub(super) test: Option<(usize, Vec<usize>)>,
}

/// What rows are chosen from and by.
pub(super) struct Rows<'a> {
    pub(super) train: &'a Table,
    pub(super) held_out: &'a [Table],
    pub(super) seed: u64,
    pub(super) limit: Option<usize>,
}

impl Rows<'_> {
    pub(super) fn choose(
        &self,
        entry: &Benchmark,
        rule: SplitRule,
        effect: Option<Effect>,
    ) -> Result<Chosen> {
        let all = |table: usize| (table, (0..self.held_out[table - 1].rows()).collect());
        if rule == SplitRule::Paper && entry.split == Split::Carved {
            return self.carved(all(1));
        }
        let own = Validation::OwnFile;
        let train = choose_train(self.train.rows(), self.seed, own, self.limit)?.train;
        let (validation, test) = match (rule, entry.split) {
            (SplitRule::Official, _) => (all(1), None),
            (SplitRule::Paper, Split::Mnli) => (all(1), Some(all(2))),
            (SplitRule::Paper, _) => {
                let (validation, test) = self.halved(entry, effect)?;
                ((1, validation), Some((1, test)))
            }
        };
        Ok(Chosen {
            train,
            validation,
            test,
        })
    }

    fn carved(&self, test: (usize, Vec<usize>)) -> Result<Chosen> {
        let rows = self.train.rows();
        if rows <= CARVED {
            let message = format!(
                "has {rows} rows, but {CARVED} are held out for validation and the others \
                 trained on: set task.split = \"official\" to use all of them"
            );
            return Err(Error::data(self.train.path(), None, message));
        }
        if self.limit == Some(0) {
            return Err(data::config("task.max_train_samples", "must be at least 1"));
        }
        let mut validation = torch_randperm(rows, self.seed);
        let mut train = validation.split_off(CARVED);
        train.truncate(self.limit.unwrap_or(rows));
        Ok(Chosen {
            train,
            validation: (0, validation),
            test: Some(test),
        })
    }

    /// The first half, rounded down, of the shuffled rows, and the others; of grouped rows,
    /// of the shuffled groups.
    fn halved(
        &self,
        entry: &Benchmark,
        effect: Option<Effect>,
    ) -> Result<(Vec<usize>, Vec<usize>)> {
        let table = &self.held_out[0];
        let groups: Vec<Vec<usize>> = match effect {
            Some(Effect::SingleRows) => (0..table.rows()).map(|row| vec![row]).collect(),
            _ if entry.layout == Layout::MultiRc => rows::groups(table)?,
            _ => (0..table.rows()).map(|row| vec![row]).collect(),
        };
        let half = groups.len() / 2;
        if half == 0 {
            let message = "has too little to be halved for validation and test: set task.split = \
                           \"official\"";
            return Err(Error::data(table.path(), None, message));
        }
        let order = torch_randperm(groups.len(), self.seed);
        let gather = |some: &[usize]| some.iter().flat_map(|&at| groups[at].clone()).collect();
        Ok((gather(&order[..half]), gather(&order[half..])))
    }
}
