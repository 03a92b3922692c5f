//! One seeded source of chance for a whole run.

use tallymark::rng::Rng;

/// Chance, the same for the same seed.
#[derive(Debug)]
pub struct Dice(Rng);

impl Dice {
    /// Spread by splitmix64 (Steele, Lea and Flood 2014): seeds that follow each other shall not
    /// begin alike.
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        Self(Rng::new([(); 4].map(|()| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        })))
    }

    /// A number from 0 up to and without `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in `percent` of a hundred throws.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    pub fn seed(&mut self) -> [u64; 4] {
        [(); 4].map(|()| self.0.next_u64())
    }
}
