//! A snapshot's numbers, worked out once: entries decoded, components, cosines.
//!
//! A record may come from anywhere. What is larger than this program writes, or would take
//! longer than a moment, is left out.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use compacter_core::event::Event;
use compacter_core::event::factors::{Entries, Factors, Role, SlowPart};
use compacter_core::peft::factors::{
    Block, Component, Fast, KroneckerSum, cosines, recorded, shares,
};

/// Characters of the entries of one factor at most: a whole snapshot has fewer.
const LONGEST_FACTOR: usize = 400_000;

/// Characters of the entries of slow weights at most: those of `n = 32`.
const LONGEST_SLOW: usize = 90_000;

/// Columns of a projection's factors, of all terms, that are taken apart into components.
const MOST_COLUMNS: usize = 256;

/// Multiplications that a matrix of cosines may take.
const MOST_WORK: usize = 400_000_000;

/// Projections in a matrix of cosines at most.
const MOST_LAYERS: usize = 256;

/// The newest snapshot's numbers, kept until there is another.
#[derive(Debug, Default)]
pub(crate) struct Cache(RefCell<Option<Rc<Decoded>>>);

/// What tells one snapshot from another.
#[derive(Debug, Clone, PartialEq)]
struct Key {
    run: String,
    step: u64,
    moment: u64,
    projections: usize,
}

/// A snapshot's numbers, each worked out when it is first asked for.
#[derive(Debug)]
pub(crate) struct Decoded {
    key: Key,
    parts: Vec<OnceCell<Option<Rc<Parts>>>>,
    slow: Vec<OnceCell<Option<Rc<Block>>>>,
    cosines: RefCell<Vec<(Role, Rc<Cosines>)>>,
}

/// What a projection is made of.
#[derive(Debug)]
pub(crate) enum Parts {
    /// Components in normal form, with their shares of the sum of their norms.
    Components(Vec<Component>, Vec<f64>),
    /// Whole `Bᵢ`: the matrices, the norms `‖Aᵢ‖`, and the shares.
    Whole(Block, Vec<f64>, Vec<f64>),
}

/// Cosines between the projections of a role.
#[derive(Debug)]
pub(crate) struct Cosines {
    /// Their places in the snapshot.
    pub(crate) places: Vec<usize>,
    /// Row by row; `None` between projections of different shapes, and where one is 0.
    pub(crate) values: Vec<Option<f64>>,
}

impl Cache {
    /// The numbers of a snapshot.
    pub(crate) fn of(&self, run: &str, event: &Event, factors: &Factors) -> Rc<Decoded> {
        let key = Key {
            run: format!("{run}\n{}", event.run),
            step: event.step,
            moment: event.t.to_bits(),
            projections: factors.projections.len(),
        };
        let mut kept = self.0.borrow_mut();
        if let Some(decoded) = kept.as_ref().filter(|decoded| decoded.key == key) {
            return Rc::clone(decoded);
        }
        let decoded = Rc::new(Decoded {
            key,
            parts: factors
                .projections
                .iter()
                .map(|_| OnceCell::new())
                .collect(),
            slow: factors.slow.iter().map(|_| OnceCell::new()).collect(),
            cosines: RefCell::default(),
        });
        *kept = Some(Rc::clone(&decoded));
        decoded
    }
}

impl Decoded {
    /// What a projection is made of; `None` where the snapshot does not tell.
    pub(crate) fn parts(&self, factors: &Factors, at: usize) -> Option<Rc<Parts>> {
        let cell = self.parts.get(at)?;
        let parts = || {
            let sum = read(factors, at)?;
            parts(&sum).map(Rc::new)
        };
        cell.get_or_init(parts).clone()
    }

    /// Each component's share of a projection; empty where the snapshot does not tell.
    pub(crate) fn shares(&self, factors: &Factors, at: usize) -> Vec<f64> {
        let parts = self.parts(factors, at);
        parts.map_or_else(Vec::new, |parts| match &*parts {
            Parts::Components(_, shares) | Parts::Whole(_, _, shares) => shares.clone(),
        })
    }

    /// Slow weights, by their place.
    pub(crate) fn slow(&self, factors: &Factors, at: usize) -> Option<Rc<Block>> {
        let (cell, slow) = (self.slow.get(at)?, factors.slow.get(at)?);
        let read = || {
            let values = fits(&slow.entries, LONGEST_SLOW)?.decode().ok()?;
            let [terms, rows, columns] = slow.entries.shape[..] else {
                return None;
            };
            Block::new([terms, rows, columns], values).ok().map(Rc::new)
        };
        cell.get_or_init(read).clone()
    }

    /// Cosines between the projections of a role; none where that would take too long.
    pub(crate) fn cosines(&self, factors: &Factors, role: Role) -> Rc<Cosines> {
        let mut kept = self.cosines.borrow_mut();
        if let Some((_, cosines)) = kept.iter().find(|(of, _)| *of == role) {
            return Rc::clone(cosines);
        }
        let cosines = Rc::new(between(factors, role));
        kept.push((role, Rc::clone(&cosines)));
        cosines
    }
}

fn fits(entries: &Entries, longest: usize) -> Option<&Entries> {
    (entries.data.len() <= longest).then_some(entries)
}

/// A projection, unless it is larger than this program writes.
fn read(factors: &Factors, at: usize) -> Option<KroneckerSum> {
    let projection = factors.projections.get(at)?;
    let fast = [&projection.left, &projection.right, &projection.fast];
    for entries in fast.into_iter().flatten() {
        fits(entries, LONGEST_FACTOR)?;
    }
    if let SlowPart::Slow(place) = projection.slow {
        fits(&factors.slow.get(place)?.entries, LONGEST_SLOW)?;
    }
    recorded(factors, at).ok().flatten()
}

fn parts(sum: &KroneckerSum) -> Option<Parts> {
    match sum.fast() {
        Fast::Factored { left, .. } => {
            let [terms, _, rank] = left.shape();
            if terms.saturating_mul(rank) > MOST_COLUMNS {
                return None;
            }
            let components = sum.components();
            let shares = shares(&components);
            Some(Parts::Components(components, shares))
        }
        Fast::Dense(whole) => {
            let (slow, fast) = (norms(sum.slow()), norms(whole));
            let strengths: Vec<f64> = slow.iter().zip(fast).map(|(a, b)| a * b).collect();
            let total: f64 = strengths.iter().sum();
            let share = |strength: &f64| if total == 0.0 { 0.0 } else { strength / total };
            let shares = strengths.iter().map(share).collect();
            Some(Parts::Whole(whole.clone(), slow, shares))
        }
    }
}

/// The norm of each matrix of a block.
pub(crate) fn norms(block: &Block) -> Vec<f64> {
    let [_, rows, columns] = block.shape();
    let matrices = block.values().chunks_exact((rows * columns).max(1));
    let norm = |matrix: &[f64]| matrix.iter().map(|x| x * x).sum::<f64>().sqrt();
    matrices.map(norm).collect()
}

fn between(factors: &Factors, role: Role) -> Cosines {
    let of_role = factors.projections.iter().enumerate();
    let of_role = of_role.filter(|(_, projection)| projection.place.role == role);
    let (mut places, mut sums, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    for (at, _) in of_role.take(MOST_LAYERS) {
        if let Some(sum) = read(factors, at) {
            costs.push(cost(&sum));
            places.push(at);
            sums.push(sum);
        }
    }
    let dearest = costs.iter().copied().max().unwrap_or(0);
    let pairs = places.len() * places.len() / 2;
    if pairs.saturating_mul(dearest) > MOST_WORK {
        places.clear();
        sums.clear();
    }
    let norms: Vec<f64> = sums.iter().map(KroneckerSum::norm).collect();
    let count = sums.len();
    let known = |at: usize| {
        let (a, b) = (at / count, at % count);
        sums[a].shape() == sums[b].shape() && norms[a] != 0.0 && norms[b] != 0.0
    };
    let values = cosines(&sums).into_iter().enumerate();
    let values = values.map(|(at, value)| known(at).then_some(value));
    Cosines {
        values: values.collect(),
        places,
    }
}

/// Multiplications that one inner product takes.
fn cost(sum: &KroneckerSum) -> usize {
    let [terms, n, _] = sum.slow().shape();
    let product = match sum.fast() {
        Fast::Dense(whole) => whole.values().len() / terms.max(1),
        Fast::Factored { left, right } => {
            let ([_, rows, rank], [_, _, columns]) = (left.shape(), right.shape());
            let both = rank.saturating_mul(rank);
            both.saturating_mul(rows.saturating_add(columns))
        }
    };
    let pairs = terms.saturating_mul(terms);
    pairs.saturating_mul(product.saturating_add(n.saturating_mul(n)))
}
