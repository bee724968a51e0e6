//! Seeded permutations that equal those of `torch`, so that a split or a subset drawn here is the
//! one that the reference implementation trains on.
//!
//! `torch.randperm(n, generator=torch.Generator().manual_seed(seed))` on the CPU draws from
//! MT19937 and swaps:
//!
//! ```text
//! r = 0 … n−1;  for i in 0 … n−2:  swap(r[i], r[i + draw() mod (n − i)])
//! ```

/// From this many items on `torch` draws 64 bits a time and fills the permutation in place.
const WIDE: usize = u32::MAX as usize / 20;

/// Returns the permutation of `0..n` that `torch.randperm` gives on the CPU.
///
/// `torch` seeds its generator with the low 32 bits of the seed, so seeds that differ by a
/// multiple of 2³² give the same permutation here too.
///
/// # Examples
///
/// ```
/// use compacter_core::data::torch_randperm;
/// assert_eq!(torch_randperm(10, 42), [2, 6, 1, 8, 4, 5, 0, 9, 3, 7]);
/// ```
#[must_use]
pub fn torch_randperm(n: usize, seed: u64) -> Vec<usize> {
    let mut generator = Mt19937::new(low_bits(seed));
    if n >= WIDE {
        return inside_out(n, &mut generator);
    }
    let mut order: Vec<usize> = (0..n).collect();
    for i in 0..n.saturating_sub(1) {
        order.swap(i, i + generator.next_u32() as usize % (n - i));
    }
    order
}

/// The way of `torch` for large `n`: each item takes a random earlier place.
fn inside_out(n: usize, generator: &mut Mt19937) -> Vec<usize> {
    let mut order = vec![0; n];
    for i in 0..n {
        let high = u64::from(generator.next_u32());
        let draw = high << 32 | u64::from(generator.next_u32());
        // The remainder is at most `i`, so it is a position again.
        let place = usize::try_from(draw % (i as u64 + 1)).unwrap_or(i);
        order[i] = order[place];
        order[place] = i;
    }
    order
}

fn low_bits(seed: u64) -> u32 {
    let [a, b, c, d, ..] = seed.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

const LENGTH: usize = 624;
const MIDDLE: usize = 397;

/// The Mersenne Twister of Matsumoto and Nishimura (1998), seeded by their `init_genrand`.
struct Mt19937 {
    state: [u32; LENGTH],
    next: usize,
}

impl Mt19937 {
    fn new(seed: u32) -> Self {
        let mut state = [seed; LENGTH];
        let mut last = seed;
        for (i, word) in (0u32..).zip(&mut state).skip(1) {
            last = (last ^ last >> 30)
                .wrapping_mul(1_812_433_253)
                .wrapping_add(i);
            *word = last;
        }
        Self {
            state,
            next: LENGTH,
        }
    }

    fn next_u32(&mut self) -> u32 {
        if self.next == LENGTH {
            self.twist();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= y << 7 & 0x9d2c_5680;
        y ^= y << 15 & 0xefc6_0000;
        y ^ y >> 18
    }

    fn twist(&mut self) {
        for i in 0..LENGTH {
            let joined = self.state[i] & 0x8000_0000 | self.state[(i + 1) % LENGTH] & 0x7fff_ffff;
            let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + MIDDLE) % LENGTH] ^ joined >> 1 ^ odd;
        }
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::torch_randperm;

    /// Cases up to this size take no time.
    const COMMON: usize = 1_000_000;

    /// What `torch` gave: the ends of a permutation and a checksum of all of it.
    #[derive(Deserialize)]
    struct Case {
        n: usize,
        seed: u64,
        first: Vec<usize>,
        last: Vec<usize>,
        checksum: u64,
    }

    fn cases() -> Vec<Case> {
        let text = include_str!("../../../tests/fixtures/data/randperm.json");
        serde_json::from_str(text).unwrap()
    }

    fn assert_equals_torch(case: &Case) {
        let order = torch_randperm(case.n, case.seed);
        let weighted = (1u64..)
            .zip(&order)
            .map(|(weight, &item)| weight.wrapping_mul(item as u64));
        let checksum = weighted.fold(0, u64::wrapping_add);
        let name = format!("n {}, seed {}", case.n, case.seed);
        assert!(order.starts_with(&case.first), "{name}");
        assert!(order.ends_with(&case.last), "{name}");
        assert_eq!(checksum, case.checksum, "{name}");
    }

    #[test]
    fn permutations_equal_those_of_torch() {
        let cases = cases();
        let common = cases.iter().filter(|case| case.n < COMMON);
        assert!(common.map(assert_equals_torch).count() >= 20);
    }

    #[test]
    #[ignore = "needs 2 GB of memory and a minute: the last size of the one way, the first of the other"]
    fn huge_permutations_equal_those_of_torch() {
        let cases = cases();
        let huge = cases.iter().filter(|case| case.n >= COMMON);
        assert!(huge.map(assert_equals_torch).count() == 2);
    }

    proptest! {
        #[test]
        fn every_item_comes_exactly_once(n in 0usize..3000, seed: u64) {
            let mut order = torch_randperm(n, seed);
            order.sort_unstable();
            prop_assert_eq!(order, (0..n).collect::<Vec<_>>());
        }
    }
}
