//! The number of trained parameters as a sum that is built up, group by group.

use compacter_core::event::Started;
use compacter_core::peft::group;

use crate::screen::theme::{Glyphs, Theme};

/// Bytes of a trained parameter on disk; the format of models in `f64` is left aside.
const BYTES: usize = 4;
/// The most characters of a text from a record, and the most groups.
const TEXT: usize = 60;
const GROUPS: usize = 100;

/// Groups whose parameters belong to the plain model, so that they are not frozen.
const OF_THE_MODEL: [&str; 7] = [
    group::OWN_BIASES,
    group::NORM,
    group::EMBEDDINGS,
    group::ENCODER,
    group::DECODER,
    group::OUTPUT,
    group::POOLER,
];

/// A group of parameters in the sum.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Term {
    /// What they are.
    pub(crate) name: String,
    /// How their number comes about.
    pub(crate) formula: String,
    /// Their number.
    pub(crate) count: usize,
    /// The sum up to here, with them; `None` for the task head, which is counted apart.
    pub(crate) sum: Option<usize>,
}

/// What is trained, as a sum.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sum {
    /// The terms, the task head last where there is one.
    pub(crate) terms: Vec<Term>,
    /// Trained parameters without the task head.
    pub(crate) trainable: usize,
    /// Parameters of the plain model.
    pub(crate) total: usize,
    /// Those of them that are not trained.
    pub(crate) frozen: usize,
}

impl Sum {
    /// The sum that a run was started with. A record may say anything: nothing overflows.
    pub(crate) fn of(started: &Started) -> Self {
        let (mut sum, mut trained) = (0_usize, 0_usize);
        let mut terms = Vec::new();
        let (heads, groups): (Vec<_>, Vec<_>) = started
            .groups
            .iter()
            .take(GROUPS)
            .partition(|group| group.name == group::HEAD);
        for group in groups.into_iter().chain(heads) {
            let counts = group.name != group::HEAD;
            if counts {
                sum = sum.saturating_add(group.count);
            }
            if OF_THE_MODEL.contains(&group.name.as_str()) {
                trained = trained.saturating_add(group.count);
            }
            terms.push(Term {
                name: plain(&group.name),
                formula: plain(&group.formula),
                count: group.count,
                sum: counts.then_some(sum),
            });
        }
        Self {
            terms,
            trainable: started.trainable,
            total: started.total,
            frozen: started.total.saturating_sub(trained),
        }
    }

    /// A number in percent of the plain model, as `0.0726 %`.
    pub(crate) fn percent(&self, count: usize) -> String {
        percent(count, self.total)
    }
}

/// A number in percent of another, as `0.0726 %`.
pub(crate) fn percent(count: usize, of: usize) -> String {
    if of == 0 {
        return "-".to_owned();
    }
    format!("{:.4} %", 100.0 * count as f64 / of as f64)
}

/// Size on disk of so many trained parameters, such as `297.0 KiB`.
pub(crate) fn size(count: usize) -> String {
    let bytes = count.saturating_mul(BYTES) as f64;
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    for (unit, name) in units {
        if bytes >= unit as f64 {
            return format!("{:.1} {name}", bytes / unit as f64);
        }
    }
    format!("{bytes} B")
}

/// A formula in the characters that a theme has.
pub(crate) fn formula(text: &str, theme: &Theme) -> String {
    match theme.glyphs {
        Glyphs::Unicode => text.to_owned(),
        Glyphs::Ascii => text.replace('·', "*"),
    }
}

fn plain(text: &str) -> String {
    let shown = text.chars().filter(|c| !c.is_control());
    shown.take(TEXT).collect()
}

#[cfg(test)]
mod tests {
    use compacter_core::event::Group;

    use super::*;

    fn started(groups: &[(&str, usize)], total: usize) -> Started {
        let group = |&(name, count): &(&str, usize)| Group {
            name: name.to_owned(),
            formula: "2 · 3\x1b".to_owned(),
            count,
        };
        Started {
            config: String::new(),
            version: String::new(),
            device: String::new(),
            features: Vec::new(),
            step_form: None,
            total_steps: 1,
            groups: groups.iter().map(group).collect(),
            trainable: 161_728,
            total,
        }
    }

    #[test]
    fn a_sum_is_built_group_by_group_and_the_head_stands_apart() {
        let groups = [
            ("task head", 1538),
            ("fast weights", 76_032),
            ("slow weights", 64),
            ("biases", 38_016),
            ("layer norms", 47_616),
        ];
        let sum = Sum::of(&started(&groups, 222_903_552));
        let sums: Vec<Option<usize>> = sum.terms.iter().map(|term| term.sum).collect();
        let expected = [76_032, 76_096, 114_112, 161_728].map(Some);
        assert_eq!(sums[..4], expected);
        assert_eq!((sums[4], sum.terms[4].count), (None, 1538));
        assert_eq!(sum.frozen, 222_903_552 - 47_616);
        assert_eq!(sum.percent(sum.trainable), "0.0726 %");
        assert_eq!(size(sum.trainable), "631.8 KiB");
        assert_eq!(sum.terms[0].formula, "2 · 3");
    }

    #[test]
    fn no_record_makes_it_overflow_or_divide_by_nothing() {
        let most = usize::MAX;
        let sum = Sum::of(&started(&[("a", most), ("layer norms", most)], 0));
        assert_eq!((sum.terms[1].sum, sum.frozen), (Some(most), 0));
        assert_eq!(sum.percent(most), "-");
        assert_eq!(size(most), "17179869184.0 GiB");
        assert_eq!(size(255), "1020 B");
    }
}
