//! Two images in one, with a share of both labels: mix-up and cut-mix.

use super::Augmentation;
use crate::random::Random;

/// How two images become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Their weighted mean.
    Up,
    /// A rectangle of the second in the first.
    Cut,
}

impl Augmentation {
    /// Draws whether an image is mixed with another, and how.
    pub fn draw_mix(&self, random: &mut Random) -> Option<Mix> {
        let at = random.unit();
        match (at < self.mix_up, at < self.mix_up + self.cut_mix) {
            (true, _) => Some(Mix::Up),
            (false, true) => Some(Mix::Cut),
            (false, false) => None,
        }
    }
}

impl Mix {
    /// Mixes `other` into `image`, both `[height][width][channels]`; returns the share, 0 to 1, that the
    /// first has of the result. Shares are drawn uniformly.
    pub fn apply(
        self,
        random: &mut Random,
        [height, width, channels]: [usize; 3],
        image: &mut [f32],
        other: &[f32],
    ) -> f32 {
        let share = random.unit();
        match self {
            Mix::Up => {
                let mixed = image.iter_mut().zip(other);
                mixed.for_each(|(value, other)| *value = share * *value + (1.0 - share) * other);
                share
            }
            Mix::Cut => {
                let side = |side: usize| (side as f32 * (1.0 - share).sqrt()).round() as usize;
                let (rows, columns) = (side(height), side(width));
                let top = random.below((height - rows) as u32 + 1) as usize;
                let left = random.below((width - columns) as u32 + 1) as usize;
                for row in top..top + rows {
                    let at = (row * width + left) * channels;
                    let values = at..at + columns * channels;
                    image[values.clone()].copy_from_slice(&other[values]);
                }
                1.0 - (rows * columns) as f32 / (height * width) as f32
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Mix;
    use crate::Augmentation;
    use crate::random::{Purpose, Random};

    #[test]
    fn the_share_is_that_of_the_pixels() {
        for place in 0..100 {
            for mix in [Mix::Up, Mix::Cut] {
                let mut random = Random::new(1, Purpose::Mix, place);
                let (mut image, other) = (vec![1.0; 6 * 5 * 2], vec![0.0; 6 * 5 * 2]);
                let share = mix.apply(&mut random, [6, 5, 2], &mut image, &other);
                let mean = image.iter().sum::<f32>() / image.len() as f32;
                assert!((share - mean).abs() < 1e-5, "{mix:?} {place}: {share} {mean}");
                let cut = image.iter().all(|value| *value == 0.0 || *value == 1.0);
                assert!(cut || mix == Mix::Up, "{mix:?} {place}");
            }
        }
    }

    #[test]
    fn it_is_drawn_as_often_as_asked() {
        let augmentation = Augmentation { mix_up: 0.25, cut_mix: 0.5, ..Augmentation::default() };
        let draw = |place| augmentation.draw_mix(&mut Random::new(2, Purpose::Mix, place));
        let count = |wanted| (0..4000).filter(|&place| draw(place) == wanted).count();
        assert!((900..1100).contains(&count(Some(Mix::Up))));
        assert!((1900..2100).contains(&count(Some(Mix::Cut))));
        assert_eq!(Augmentation::default().draw_mix(&mut Random::new(2, Purpose::Mix, 0)), None);
    }
}
