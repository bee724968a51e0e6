//! A curve of any length in a fixed amount of memory, with nothing extreme lost.
//!
//! Four levels of at most 2048 buckets each. A bucket is the smallest, the largest and the
//! last of a number of neighbouring points, so a loss that jumps for one step is seen at
//! every zoom, where every n-th point would miss it.
//!
//! | level   | points a bucket             | reaches back                        |
//! |---------|-----------------------------|-------------------------------------|
//! | 0, 1, 2 | 1, 8, 64                    | 2048, 16,384, 131,072 points        |
//! | 3       | 1, doubled whenever full    | to the first point                  |
//!
//! A bucket takes 32 bytes, a series 256 KiB when full. Appending costs `O(1)`: one bucket a
//! level, and a halving of level 3 as often as the series doubles.
//!
//! Values that are not finite are no points: they are kept as [`Marks`] and break the line.

use std::collections::VecDeque;

use super::marks::Marks;

/// Levels of resolution.
pub const LEVELS: usize = 4;
/// Buckets that a level holds at most.
pub const BUCKETS: usize = 2048;
/// How much coarser each level of fixed resolution is than the one before.
const COARSER: u32 = 8;

/// Neighbouring points of a series, as far as they are kept.
//
// Steps in 32 bits keep a bucket at 32 bytes; four billion steps are far off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bucket {
    pub(super) first: u32,
    pub(super) end: u32,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) last: f64,
}

impl Bucket {
    fn of(step: u32, value: f64) -> Self {
        Self {
            first: step,
            end: step,
            min: value,
            max: value,
            last: value,
        }
    }

    fn take(&mut self, later: &Self) {
        self.end = later.end;
        self.min = self.min.min(later.min);
        self.max = self.max.max(later.max);
        self.last = later.last;
    }
}

/// What happens when a level is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Full {
    /// The oldest bucket goes.
    Forget,
    /// Neighbours are put together.
    Coarsen,
}

#[derive(Debug, Clone)]
pub(super) struct Level {
    pub(super) buckets: VecDeque<Bucket>,
    /// Points that a bucket takes.
    stride: u32,
    /// Points that the newest bucket has.
    filled: u32,
    full: Full,
    forgot: bool,
}

impl Level {
    fn new(stride: u32, full: Full) -> Self {
        Self {
            buckets: VecDeque::new(),
            stride,
            filled: 0,
            full,
            forgot: false,
        }
    }

    fn push(&mut self, point: Bucket) {
        if self.filled < self.stride
            && let Some(newest) = self.buckets.back_mut()
        {
            newest.take(&point);
            self.filled += 1;
            return;
        }
        if self.buckets.len() == BUCKETS {
            match self.full {
                Full::Forget => {
                    self.buckets.pop_front();
                    self.forgot = true;
                }
                Full::Coarsen => self.coarsen(),
            }
        }
        self.buckets.push_back(point);
        self.filled = 1;
    }

    /// Puts pairs together; the number of buckets is even, and all of them are full.
    fn coarsen(&mut self) {
        let half = self.buckets.len() / 2;
        for at in 0..half {
            let mut pair = self.buckets[2 * at];
            pair.take(&self.buckets[2 * at + 1]);
            self.buckets[at] = pair;
        }
        self.buckets.truncate(half);
        self.stride *= 2;
    }

    fn rewind(&mut self, step: u32) {
        while self.buckets.back().is_some_and(|b| b.first > step) {
            self.buckets.pop_back();
            // What is then the newest may hold fewer points than it could, never more.
            self.filled = self.stride;
        }
        if let Some(newest) = self.buckets.back_mut() {
            newest.end = newest.end.min(step);
        }
    }

    fn reaches(&self, step: u32) -> bool {
        !self.forgot || self.buckets.front().is_some_and(|b| b.first <= step)
    }
}

/// The history of one scalar over the steps of a run.
#[derive(Debug, Clone)]
pub struct Series {
    levels: [Level; LEVELS],
    bad: Marks,
    points: u64,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            levels: [
                Level::new(1, Full::Forget),
                Level::new(COARSER, Full::Forget),
                Level::new(COARSER * COARSER, Full::Forget),
                Level::new(1, Full::Coarsen),
            ],
            bad: Marks::default(),
            points: 0,
        }
    }
}

impl Series {
    /// Appends the value of a step, which is not before the last one's.
    pub fn push(&mut self, step: u64, value: f64) {
        if !value.is_finite() {
            self.bad.push(step);
            return;
        }
        let newest = self.newest().map_or(0, |(step, _)| step);
        let point = Bucket::of(short(step.max(newest)), value);
        for level in &mut self.levels {
            level.push(point);
        }
        self.points += 1;
    }

    /// Drops what came after `step`.
    ///
    /// A bucket that lies across `step` is cut to it, but what was smallest and largest in
    /// it may be among what was dropped: until the series is read again, that one bucket of
    /// each level may say too much.
    pub fn rewind(&mut self, step: u64) {
        for level in &mut self.levels {
            level.rewind(short(step));
        }
        self.bad.rewind(step);
    }

    /// The newest point that is finite: its step and value.
    #[must_use]
    pub fn newest(&self) -> Option<(u64, f64)> {
        let bucket = self.levels[0].buckets.back();
        let bucket = bucket.or_else(|| self.levels[LEVELS - 1].buckets.back())?;
        Some((bucket.end.into(), bucket.last))
    }

    /// First and last step with a value, finite or not.
    #[must_use]
    pub fn steps(&self) -> Option<(u64, u64)> {
        let buckets = &self.levels[LEVELS - 1].buckets;
        let finite = buckets.front().zip(self.newest());
        let finite = finite.map(|(first, (last, _))| (u64::from(first.first), last));
        let ends = [finite, self.bad.ends()].into_iter().flatten();
        ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// Finite points appended so far, those among them that were dropped again.
    #[must_use]
    pub fn points(&self) -> u64 {
        self.points
    }

    /// Steps whose value was NaN or infinite.
    #[must_use]
    pub fn bad(&self) -> &Marks {
        &self.bad
    }

    /// Bytes of memory that the series takes up.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let buckets: usize = self.levels.iter().map(|l| l.buckets.capacity()).sum();
        buckets * size_of::<Bucket>() + self.bad.bytes() + size_of::<Self>()
    }

    /// The finest level that reaches back to `step`.
    pub(super) fn finest(&self, step: u64) -> &Level {
        self.finest_where(|level| level.reaches(short(step)))
    }

    /// The finest level that satisfies `reaches`; the one that keeps everything otherwise.
    pub(super) fn finest_where(&self, reaches: impl Fn(&Level) -> bool) -> &Level {
        let whole = &self.levels[LEVELS - 1];
        self.levels[..LEVELS - 1]
            .iter()
            .filter(|level| level.stride < whole.stride)
            .find(|level| reaches(level))
            .unwrap_or(whole)
    }

    /// The whole series in at most [`BUCKETS`] parts: the last step and value of each, and how
    /// much of a part it is: one for a point as long as there is a part for each.
    pub(super) fn thinned(&self) -> impl Iterator<Item = (u64, f64, f64)> + '_ {
        let level = &self.levels[LEVELS - 1];
        let last = level.buckets.len().saturating_sub(1);
        let points = last as f64 * f64::from(level.stride) + f64::from(level.filled);
        let parts = (points / BUCKETS as f64).max(1.0);
        level.buckets.iter().enumerate().map(move |(at, bucket)| {
            let filled = if at == last {
                level.filled
            } else {
                level.stride
            };
            (bucket.end.into(), bucket.last, f64::from(filled) / parts)
        })
    }

    /// The value at a step, between two points on a line; `None` outside of the series.
    #[must_use]
    pub fn value_at(&self, step: u64) -> Option<f64> {
        let (newest, _) = self.newest()?;
        let first = self.levels[LEVELS - 1].buckets.front()?.first;
        let within = (u64::from(first)..=newest).contains(&step);
        self.at(step).filter(|_| within)
    }

    /// The value at a step, for series that never fall: between two points on a line.
    pub(super) fn at(&self, step: u64) -> Option<f64> {
        let step = short(step);
        let buckets = &self.finest(step.into()).buckets;
        let at = buckets.partition_point(|b| b.end < step);
        let Some(bucket) = buckets.get(at) else {
            return buckets.back().map(|b| b.last);
        };
        let (from, low) = match at.checked_sub(1) {
            Some(before) => (buckets[before].end, buckets[before].last),
            None => (bucket.first, bucket.min),
        };
        Some(between(step, (from, low), (bucket.end, bucket.last)))
    }

    /// The step at which a series that never falls has reached a value.
    pub(super) fn step_of(&self, value: f64) -> Option<f64> {
        let level =
            self.finest_where(|l| !l.forgot || l.buckets.front().is_some_and(|b| b.min <= value));
        let buckets = &level.buckets;
        let at = buckets.partition_point(|b| b.last < value);
        let Some(bucket) = buckets.get(at) else {
            return buckets.back().map(|b| f64::from(b.end));
        };
        let (from, low) = match at.checked_sub(1) {
            Some(before) => (buckets[before].end, buckets[before].last),
            None => (bucket.first, bucket.min),
        };
        let share = ((value - low) / (bucket.last - low)).clamp(0.0, 1.0);
        let share = if share.is_nan() { 1.0 } else { share };
        Some(f64::from(from) + share * f64::from(bucket.end - from))
    }
}

fn between(step: u32, (from, low): (u32, f64), (to, high): (u32, f64)) -> f64 {
    if step <= from || to <= from {
        return if step >= to { high } else { low };
    }
    let share = f64::from(step - from) / f64::from(to - from);
    low + share * (high - low)
}

/// A step as buckets keep it.
fn short(step: u64) -> u32 {
    u32::try_from(step).unwrap_or(u32::MAX)
}
