//! Counts that can be read: one expression gives both the number and its formula.

use std::fmt;
use std::ops::{Add, Mul};

use crate::event::Group;
use crate::{Error, Result};

/// A sum of products of numbers of things.
#[derive(Debug, Clone)]
pub(super) enum Formula {
    Number(usize),
    Sum(Vec<Formula>),
    Product(Vec<Formula>),
}

/// A plain number.
pub(super) fn n(number: usize) -> Formula {
    Formula::Number(number)
}

impl Formula {
    /// The number, or `None` when it is larger than this machine can count.
    fn value(&self) -> Option<usize> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Sum(terms) => terms
                .iter()
                .try_fold(0, |sum: usize, term| sum.checked_add(term.value()?)),
            Self::Product(factors) => factors
                .iter()
                .try_fold(1, |product: usize, f| product.checked_mul(f.value()?)),
        }
    }

    /// The number as a named group of parameters.
    pub(super) fn group(self, name: &str) -> Result<Group> {
        let formula = self.to_string();
        let count = self.value().ok_or_else(|| {
            Error::method(format!(
                "{name}: {formula} parameters are too many to count"
            ))
        })?;
        Ok(Group {
            name: name.to_owned(),
            formula,
            count,
        })
    }
}

impl Add for Formula {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        match self {
            Self::Sum(mut terms) => {
                terms.push(other);
                Self::Sum(terms)
            }
            first => Self::Sum(vec![first, other]),
        }
    }
}

impl Mul for Formula {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let (mut factors, more) = match (self, other) {
            (Self::Product(left), Self::Product(right)) => (left, right),
            (Self::Product(left), right) => (left, vec![right]),
            (left, Self::Product(right)) => (vec![left], right),
            (left, right) => (vec![left], vec![right]),
        };
        factors.extend(more);
        Self::Product(factors)
    }
}

/// `2 · (768 + 24)`; factors of 1 are left out.
impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Sum(terms) => join(f, terms, " + "),
            Self::Product(factors) => {
                let telling: Vec<String> = factors
                    .iter()
                    .filter(|factor| !matches!(factor, Self::Number(1)))
                    .map(|factor| match factor {
                        Self::Sum(_) => format!("({factor})"),
                        _ => factor.to_string(),
                    })
                    .collect();
                match &telling[..] {
                    [] => write!(f, "1"),
                    _ => join(f, &telling, " · "),
                }
            }
        }
    }
}

fn join<T: fmt::Display>(f: &mut fmt::Formatter<'_>, parts: &[T], by: &str) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            write!(f, "{by}")?;
        }
        write!(f, "{part}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_formula_reads_as_it_counts() {
        let both = n(48) * n(2) * n(1) * (n(768) + n(24)) + n(4) * n(4);
        let group = both.group("some").unwrap();
        assert_eq!(group.formula, "48 · 2 · (768 + 24) + 4 · 4");
        assert_eq!(group.count, 48 * 2 * (768 + 24) + 16);
        assert_eq!((n(1) * n(1)).to_string(), "1");
        assert_eq!((n(2) * (n(3) * n(4))).to_string(), "2 · 3 · 4");
    }

    #[test]
    fn too_many_to_count_is_an_error_and_not_a_small_number() {
        for huge in [n(usize::MAX) + n(1), n(usize::MAX) * n(2)] {
            let text = huge.group("fast weights").unwrap_err().to_string();
            assert!(text.contains("too many to count"), "{text}");
        }
    }
}
