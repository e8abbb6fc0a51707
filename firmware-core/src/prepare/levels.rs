//! How strong the ink is, from how often each strength occurs.

use core::ops::Range;

/// Cells by their distance from the ground, 0 to 255.
pub struct Levels<'s>(pub &'s mut [u16]);

/// Words of the counts.
pub const WORDS: usize = 128;

/// So many cells may be stronger than the strongest ink.
const FEW: u32 = 4;

/// Strengths that are looked at as one while the threshold is searched.
const STEP: usize = 4;

impl Levels<'_> {
    fn total(&self) -> u32 {
        self.0.iter().map(|&count| u32::from(count)).sum()
    }

    /// The strength below which `part` of 256 of the cells of some strengths lie.
    pub fn quantile(&self, strengths: Range<usize>, part: u32) -> u8 {
        let first = strengths.start;
        let counts = self.0.get(strengths).unwrap_or_default();
        let all: u32 = counts.iter().map(|&count| u32::from(count)).sum();
        let mut left = (all * part) >> 8;
        for (at, &count) in counts.iter().enumerate() {
            match left.checked_sub(u32::from(count)) {
                Some(rest) => left = rest,
                None => return (first + at) as u8,
            }
        }
        0
    }

    /// The strongest ink that more than a few cells have.
    pub fn strongest(&self) -> u8 {
        let mut left = FEW;
        for (level, &count) in self.0.iter().enumerate().rev() {
            match left.checked_sub(u32::from(count)) {
                Some(rest) => left = rest,
                None => return level as u8,
            }
        }
        0
    }

    /// The strength that best separates ink from ground (Otsu: the largest variance between both), at
    /// least 1.
    pub fn threshold(&self) -> u8 {
        let bins = || self.0.chunks_exact(STEP).map(|bin| bin.iter().map(|&n| u32::from(n)).sum());
        let weighted = |(bin, count): (usize, u32)| bin as u32 * count;
        let (total, sum): (u32, u32) = (self.total(), bins().enumerate().map(weighted).sum());
        let (mut below, mut below_sum) = (0_u32, 0_u32);
        let (mut best, mut best_variance) = (0, 0);
        for (bin, count) in bins().enumerate() {
            below += count;
            below_sum += bin as u32 * count;
            let above = total - below;
            if count == 0 || below == 0 || above == 0 {
                continue;
            }
            // The distance of the means in 64ths of a bin: at most 4032. Counts are below 2^14.
            let mean = |sum: u32, count: u32| (sum << 6) / count.max(1);
            let distance = mean(sum - below_sum, above).saturating_sub(mean(below_sum, below));
            let shares = (below * above) >> 8;
            let variance = shares.saturating_mul((distance * distance) >> 10);
            if variance > best_variance {
                (best, best_variance) = (bin, variance);
            }
        }
        ((best + 1) * STEP).min(255) as u8
    }

    /// How much of the variance lies between what is weaker than `threshold` and what is not, in 255ths.
    pub fn separation(&self, threshold: u8) -> u8 {
        let (below, above) = self.0.split_at(usize::from(threshold).min(self.0.len()));
        // How far counts from strength `first` on lie from their mean, squared and added up.
        let spread = |first: usize, counts: &[u16]| {
            let each = || counts.iter().enumerate();
            let count: u32 = each().map(|(_, &count)| u32::from(count)).sum();
            let sum: u32 = each().map(|(at, &n)| (first + at) as u32 * u32::from(n)).sum();
            let mean = (sum + count / 2) / count.max(1);
            let far = |at: usize| mean.abs_diff((first + at) as u32);
            each().map(|(at, &n)| far(at) * far(at) * u32::from(n)).sum::<u32>()
        };
        let within = spread(0, below) + spread(usize::from(threshold), above);
        let share = within / (spread(0, self.0) / 255).max(1);
        255 - share.min(255) as u8
    }
}
