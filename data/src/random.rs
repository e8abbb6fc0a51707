//! Random numbers that depend on nothing but the seed and what they are for.
//!
//! Every draw comes from ChaCha8 keyed by the run's seed, on a stream of its own for each purpose
//! and place (epoch, image). So nothing has to be carried from step to step: a run that was
//! interrupted draws what it would have drawn, and threads may draw in any order.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What random numbers are drawn for. The values are part of what a seed means: keep them.
#[derive(Clone, Copy)]
pub enum Purpose {
    Weights = 0,
    Split = 1,
    /// The order of the images in an epoch.
    Order = 2,
    Augmentation = 3,
    /// Which training images calibrate the integers.
    Calibration = 4,
    /// Damage done to test images on purpose.
    Corruption = 5,
    /// What dropout leaves out of an image in an epoch.
    Dropout = 6,
    /// The values of a trial of a sweep.
    Sweep = 7,
    /// Samples of what is none of the classes.
    Strange = 8,
    /// Which two images are mixed, and how.
    Mix = 9,
    /// What a camera sees: see [`crate::frames`].
    Frames = 10,
}

/// A stream of random numbers.
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of `purpose` at `place` (below 2⁵⁶): an epoch, or an epoch and an image.
    pub fn new(seed: u64, purpose: Purpose, place: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream((purpose as u64) << 56 | place);
        Self(generator)
    }

    /// Uniform in [0, 1), a multiple of 2⁻²⁴.
    pub fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1 << 24) as f32
    }

    /// Uniform in [low, high].
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Normal with mean 0 and deviation 1, but never beyond ±3: the sum of three uniform numbers,
    /// scaled.
    pub fn normal(&mut self) -> f32 {
        2.0 * (self.unit() + self.unit() + self.unit() - 1.5)
    }

    /// Uniform below `bound`, without bias.
    pub fn below(&mut self, bound: u32) -> u32 {
        // Lemire's method: the high half of a product, redrawn where the low half is unfair.
        let mut product = u64::from(self.0.next_u32()) * u64::from(bound);
        let unfair = bound.wrapping_neg() % bound;
        while (product as u32) < unfair {
            product = u64::from(self.0.next_u32()) * u64::from(bound);
        }
        (product >> 32) as u32
    }

    /// Puts `items` into random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u32 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Purpose, Random};

    #[test]
    fn streams_are_fixed_and_differ() {
        let draw = |seed, purpose, place| Random::new(seed, purpose, place).below(1 << 30);
        assert_eq!(draw(1, Purpose::Order, 2), draw(1, Purpose::Order, 2));
        assert_ne!(draw(1, Purpose::Order, 2), draw(2, Purpose::Order, 2));
        assert_ne!(draw(1, Purpose::Order, 2), draw(1, Purpose::Order, 3));
        assert_ne!(draw(1, Purpose::Order, 2), draw(1, Purpose::Split, 2));
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..1000).collect();
        Random::new(7, Purpose::Order, 0).shuffle(&mut items);
        assert!(!items.is_sorted());
        items.sort_unstable();
        assert!(items.into_iter().eq(0..1000));
    }
}
