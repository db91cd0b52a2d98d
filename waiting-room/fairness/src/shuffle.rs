//! The shuffle: which rank a number is drawn to, from a seed, without a list of anybody.
//!
//! A keyed permutation of `0..size` (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002): a Feistel
//! network of ten rounds over pairs of numbers below `ceil(sqrt(size))`, whose round function is SipHash-2-4, walked
//! again until the result is below `size`. Any one rank costs ten short hashes, whatever the size, so that neither the
//! edges nor the store keep a shuffled list.

use sha2::{Digest, Sha256};
use siphasher::sip::SipHasher24;

const DOMAIN: &[u8] = b"waiting-room/shuffle/1";
const ROUNDS: u8 = 10;

crate::text::digest! {
    /// What a permutation is made of. Public once the draw is done.
    Seed
}
crate::text::shown!(Seed);

/// A permutation of `0..size`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permutation {
    key: [u8; 16],
    size: u64,
    /// The side of the square that the network permutes: the smallest whose area is at least `size`.
    side: u64,
    /// 2^64 over the side, to take remainders without a division, which would cost a third of a draw.
    reciprocal: u64,
}

impl Permutation {
    /// The permutation of `0..size` that `seed` stands for.
    pub fn new(seed: &Seed, size: u64) -> Self {
        let digest = Sha256::new().chain_update(DOMAIN).chain_update(seed.0).finalize();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        let side = size.checked_sub(1).map_or(1, |last| last.isqrt() + 1);
        let reciprocal = u64::MAX / side;
        Self {
            key,
            size,
            side,
            reciprocal,
        }
    }

    /// How many numbers are permuted.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The rank that `index` is drawn to. An index that is not in the draw stays where it is.
    pub fn apply(&self, index: u64) -> u64 {
        self.walk(index, Self::forth)
    }

    /// Which index was drawn to `rank`.
    pub fn invert(&self, rank: u64) -> u64 {
        self.walk(rank, Self::back)
    }

    /// Steps until the value is in range again. It was in range before, and the step is a permutation of the square,
    /// so the walk comes back; the square is larger than the range by less than a side and a bit, so it is short.
    fn walk(&self, start: u64, step: impl Fn(&Self, u64) -> u64) -> u64 {
        if start >= self.size || self.size < 2 {
            return start;
        }
        let mut value = step(self, start);
        while value >= self.size {
            value = step(self, value);
        }
        value
    }

    fn forth(&self, value: u64) -> u64 {
        let (mut left, mut right) = (value % self.side, value / self.side);
        for round in 0..ROUNDS {
            (left, right) = (right, self.around(left + self.mix(round, right)));
        }
        self.side * right + left
    }

    fn back(&self, value: u64) -> u64 {
        let (mut left, mut right) = (value % self.side, value / self.side);
        for round in (0..ROUNDS).rev() {
            (left, right) = (self.around(right + self.side - self.mix(round, left)), left);
        }
        self.side * right + left
    }

    /// A number below twice the side, modulo the side.
    fn around(&self, number: u64) -> u64 {
        if number < self.side {
            number
        } else {
            number - self.side
        }
    }

    fn mix(&self, round: u8, half: u64) -> u64 {
        let mut message = [round; 9];
        message[1..].copy_from_slice(&half.to_le_bytes());
        self.remainder(SipHasher24::new_with_key(&self.key).hash(&message))
    }

    /// `value` modulo the side: the estimated quotient is right, or one too small.
    fn remainder(&self, value: u64) -> u64 {
        let quotient = upper_half(u128::from(value) * u128::from(self.reciprocal));
        self.around(value - quotient * self.side)
    }
}

fn upper_half(product: u128) -> u64 {
    (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seed(number: u64) -> Seed {
        Seed(Sha256::digest(number.to_be_bytes()).into())
    }

    /// Frozen: a change of these makes every finished draw look like a fraud.
    #[test]
    fn draws_are_as_ever() {
        let vectors = include_str!("../test-vectors/shuffle.txt");
        let mut seen = 0;
        for line in vectors.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split(' ').collect();
            let [seed, size, index, rank] = fields[..] else {
                panic!("four fields a line: {line}")
            };
            let draw = Permutation::new(&Seed::parse(seed).unwrap(), size.parse().unwrap());
            let (index, rank) = (index.parse().unwrap(), rank.parse().unwrap());
            assert_eq!(draw.apply(index), rank, "{line}");
            assert_eq!(draw.invert(rank), index, "{line}");
            seen += 1;
        }
        assert!(seen > 50);
    }

    #[test]
    fn everybody_gets_a_rank_of_their_own_in_every_small_draw() {
        for size in (0..300).chain((300..2000).step_by(17)) {
            let draw = Permutation::new(&seed(size), size);
            let mut taken = vec![false; usize::try_from(size).unwrap()];
            for index in 0..size {
                let rank = draw.apply(index);
                let place = &mut taken[usize::try_from(rank).unwrap()];
                assert!(!*place, "{rank} of {size} is drawn twice");
                *place = true;
                assert_eq!(draw.invert(rank), index);
            }
        }
    }

    #[test]
    fn whoever_is_not_in_the_draw_stays() {
        let draw = Permutation::new(&seed(1), 10);
        assert_eq!((draw.apply(10), draw.invert(u64::MAX)), (10, u64::MAX));
        assert_eq!(Permutation::new(&seed(1), 0).apply(0), 0);
    }

    /// Every place of every number is as likely as every other: chi-square over many seeds, where a fair draw stays
    /// below the bound but once in ten thousand runs, and the seeds are fixed.
    #[test]
    fn every_place_is_as_likely_as_every_other() {
        for (size, draws) in [(2, 4000), (3, 6000), (5, 10_000), (16, 16_000), (50, 20_000)] {
            for index in [0, size / 2, size - 1] {
                let chi = chi_square(size, draws, index);
                let freedom = f64::from(u32::try_from(size - 1).unwrap());
                // Wilson and Hilferty's approximation of the quantile, at z = 4.
                let root = 1.0 - 2.0 / (9.0 * freedom) + 4.0 * (2.0 / (9.0 * freedom)).sqrt();
                assert!(chi < freedom * root.powi(3), "{chi} for {index} of {size}");
            }
        }
    }

    fn chi_square(size: u64, draws: u32, index: u64) -> f64 {
        let mut seen = vec![0u32; usize::try_from(size).unwrap()];
        for draw in 0..draws {
            let rank = Permutation::new(&seed(u64::from(draw) << 8 | size), size).apply(index);
            seen[usize::try_from(rank).unwrap()] += 1;
        }
        let expected = f64::from(draws) / f64::from(u32::try_from(size).unwrap());
        seen.iter()
            .map(|times| (f64::from(*times) - expected).powi(2) / expected)
            .sum()
    }

    /// With three numbers there are six orders, and each of them is as likely as every other.
    #[test]
    fn every_order_of_three_is_as_likely() {
        let mut seen = std::collections::HashMap::<[u64; 3], u32>::new();
        for number in 0..12_000 {
            let draw = Permutation::new(&seed(number), 3);
            *seen.entry([0, 1, 2].map(|index| draw.apply(index))).or_default() += 1;
        }
        assert_eq!(seen.len(), 6);
        let chi: f64 = seen
            .values()
            .map(|times| (f64::from(*times) - 2000.0).powi(2) / 2000.0)
            .sum();
        assert!(chi < 25.7, "{seen:?}");
    }

    /// Number and rank have nothing to do with each other: over many draws the mean of their correlation is zero.
    #[test]
    fn an_early_arrival_buys_nothing() {
        for size in [100u32, 1000] {
            let draws = 400u32;
            let sum: f64 = (0..draws)
                .map(|draw| correlation(u64::from(draw) << 16, size))
                .sum();
            // One draw's rank correlation has mean zero and variance 1 / (size - 1).
            let z = sum / (f64::from(draws) / f64::from(size - 1)).sqrt();
            assert!(z.abs() < 4.0, "z = {z} at {size}");
        }
    }

    fn correlation(number: u64, size: u32) -> f64 {
        let draw = Permutation::new(&seed(number | u64::from(size)), size.into());
        let distance: f64 = (0..size)
            .map(|index| {
                let rank = u32::try_from(draw.apply(index.into())).unwrap();
                (f64::from(index) - f64::from(rank)).powi(2)
            })
            .sum();
        let n = f64::from(size);
        1.0 - 6.0 * distance / (n * (n * n - 1.0))
    }

    proptest! {
        #[test]
        fn remainders_are_remainders(size in prop_oneof![any::<u64>(), 0..5000u64], value: u64, near in 0..3u64) {
            let draw = Permutation::new(&seed(0), size);
            let multiple = (value / draw.side * draw.side).wrapping_add(near).wrapping_sub(1);
            for value in [value, multiple, u64::MAX] {
                prop_assert_eq!(draw.remainder(value), value % draw.side);
            }
        }

        #[test]
        fn what_is_drawn_can_be_undone(bytes: [u8; 32], size in 1..1u64 << 40, at: u64) {
            let (draw, index) = (Permutation::new(&Seed(bytes), size), at % size);
            prop_assert!(draw.apply(index) < size);
            prop_assert_eq!(draw.invert(draw.apply(index)), index);
            prop_assert_eq!(draw.apply(draw.invert(index)), index);
        }

        #[test]
        fn no_size_is_too_large(bytes: [u8; 32], size: u64, at: u64) {
            let draw = Permutation::new(&Seed(bytes), size);
            prop_assert_eq!(draw.invert(draw.apply(at)), at);
        }
    }
}
