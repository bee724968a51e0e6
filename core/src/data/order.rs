//! The order in which examples are seen: a pure function of (seed, epoch).
//!
//! 1. All examples are shuffled (Fisher–Yates).
//! 2. With length buckets, each run of [`BUCKET_BATCHES`] batches' worth of examples is
//!    sorted by length, so that a batch gathers inputs of similar length.
//! 3. The examples are cut into batches; the last one may be short.
//! 4. With length buckets, the batches are shuffled, so that length says nothing about when
//!    in the epoch a batch comes.
//!
//! The random numbers are those of `SplitMix64` (Steele, Lea and Flood 2014), started at
//! `mix(mix(seed) + epoch)` and cut to a range by Lemire's multiplication (arXiv:1805.10941)
//! with its rejection step, so every permutation is equally likely.

/// Batches that are sorted by length together.
pub const BUCKET_BATCHES: usize = 50;

/// Orders the examples of each epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchOrder {
    /// The seed of the order.
    pub seed: u64,
    /// Examples per batch; at least 1.
    pub batch_size: usize,
    /// Whether a batch gathers inputs of similar length.
    pub length_buckets: bool,
}

impl BatchOrder {
    /// Returns the positions of the examples of each batch of an epoch (counted from 0),
    /// given every example's length in tokens. Each example comes exactly once.
    ///
    /// # Panics
    ///
    /// When the batch size is 0.
    #[must_use]
    pub fn batches(&self, epoch: u64, lengths: &[usize]) -> Vec<Vec<usize>> {
        let mut generator = SplitMix64::new(self.seed, epoch);
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        generator.shuffle(&mut order);
        if !self.length_buckets {
            return cut(&order, self.batch_size);
        }
        for bucket in order.chunks_mut(self.batch_size.saturating_mul(BUCKET_BATCHES)) {
            // A stable sort: what is equally long stays shuffled.
            bucket.sort_by_key(|&at| lengths[at]);
        }
        let mut batches = cut(&order, self.batch_size);
        generator.shuffle(&mut batches);
        batches
    }
}

/// Returns batches for evaluation: shortest inputs first, equally long ones in their order.
///
/// # Panics
///
/// When the batch size is 0.
#[must_use]
pub fn evaluation_batches(lengths: &[usize], batch_size: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&at| lengths[at]);
    cut(&order, batch_size)
}

fn cut(order: &[usize], batch_size: usize) -> Vec<Vec<usize>> {
    order.chunks(batch_size).map(<[usize]>::to_vec).collect()
}

struct SplitMix64(u64);

impl SplitMix64 {
    fn new(seed: u64, epoch: u64) -> Self {
        Self(mix(mix(seed).wrapping_add(epoch)))
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Draws from `0..bound`, each value equally likely.
    fn below(&mut self, bound: u64) -> u64 {
        // Products whose low half falls under this would make some values more likely.
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            let [low, high] = halves(product);
            if low >= threshold {
                return high;
            }
        }
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            let chosen = self.below(end as u64 + 1);
            // The draw is at most `end`, so it is a position again.
            items.swap(end, usize::try_from(chosen).unwrap_or(end));
        }
    }
}

/// The finaliser of `SplitMix64`: a bijection in which every input bit stirs every output bit.
fn mix(mut z: u64) -> u64 {
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// Low and high half of a product.
fn halves(product: u128) -> [u64; 2] {
    let low = product & u128::from(u64::MAX);
    // Both fit: each is 64 bits wide.
    [low, product >> 64].map(|half| u64::try_from(half).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn order(seed: u64, length_buckets: bool) -> BatchOrder {
        BatchOrder {
            seed,
            batch_size: 4,
            length_buckets,
        }
    }

    #[test]
    fn the_generator_gives_the_published_numbers() {
        // First outputs of the authors' generator from state 1234567.
        let mut generator = SplitMix64(1_234_567);
        let drawn = [(); 3].map(|()| generator.next_u64());
        assert_eq!(
            drawn,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn the_order_stays_what_it_was_in_earlier_versions() {
        // A resumed run relies on it; the numbers are those of a second implementation,
        // written in Python from this file's description.
        assert_eq!(
            order(42, false).batches(0, &[1; 10]),
            [vec![0, 3, 5, 7], vec![9, 8, 2, 1], vec![4, 6]]
        );
        assert_eq!(
            order(42, true).batches(3, &[3, 1, 2, 3, 1, 2, 3, 1, 2, 3]),
            [vec![1, 7, 4, 8], vec![5, 2, 6, 3], vec![0, 9]]
        );
    }

    #[test]
    fn every_epoch_and_every_seed_has_its_own_order() {
        let lengths = [1; 64];
        let first = order(1, true).batches(0, &lengths);
        assert_eq!(first, order(1, true).batches(0, &lengths));
        assert_ne!(first, order(1, true).batches(1, &lengths));
        assert_ne!(first, order(2, true).batches(0, &lengths));
        // seed + epoch alone must not decide
        assert_ne!(
            order(1, true).batches(1, &lengths),
            order(2, true).batches(0, &lengths)
        );
    }

    #[test]
    fn all_permutations_of_three_come_about_equally_often() {
        let mut seen = std::collections::HashMap::new();
        for epoch in 0..6000 {
            let batches = order(7, false).batches(epoch, &[1, 1, 1]);
            *seen.entry(batches.concat()).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 6);
        // Expected 1000 each with a standard deviation of 29.
        assert!(
            seen.values().all(|count| (880..1120).contains(count)),
            "{seen:?}"
        );
    }

    #[test]
    fn buckets_waste_little_and_do_not_come_shortest_first() {
        let lengths: Vec<usize> = (0..400).map(|at| at * 7919 % 100).collect();
        let spread = |batches: &[Vec<usize>]| -> usize {
            let of = |batch: &Vec<usize>| {
                let (mut low, mut high) = (usize::MAX, 0);
                for &at in batch {
                    low = low.min(lengths[at]);
                    high = high.max(lengths[at]);
                }
                high - low
            };
            batches.iter().map(of).sum()
        };
        let bucketed = order(3, true).batches(0, &lengths);
        assert!(spread(&bucketed) * 10 < spread(&order(3, false).batches(0, &lengths)));
        let starts: Vec<usize> = bucketed.iter().map(|batch| lengths[batch[0]]).collect();
        assert!(!starts.is_sorted());
    }

    proptest! {
        #[test]
        fn each_example_comes_exactly_once(
            lengths in prop::collection::vec(0usize..50, 0..700),
            seed: u64,
            epoch: u64,
            batch_size in 1usize..40,
            length_buckets: bool,
        ) {
            let order = BatchOrder { seed, batch_size, length_buckets };
            for batches in [order.batches(epoch, &lengths), evaluation_batches(&lengths, batch_size)] {
                prop_assert!(batches.iter().all(|batch| (1..=batch_size).contains(&batch.len())));
                prop_assert!(batches.iter().filter(|batch| batch.len() < batch_size).count() <= 1);
                let mut seen = batches.concat();
                seen.sort_unstable();
                prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            }
        }

        #[test]
        fn evaluation_goes_from_short_to_long(
            lengths in prop::collection::vec(0usize..50, 0..200),
        ) {
            let order = evaluation_batches(&lengths, 8).concat();
            prop_assert!(order.is_sorted_by_key(|&at| (lengths[at], at)));
        }

        #[test]
        fn draws_stay_below_their_bound(state: u64, bound in 1u64..) {
            prop_assert!(SplitMix64(state).below(bound) < bound);
        }
    }
}
