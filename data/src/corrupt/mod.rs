//! Damage to images, to see how much a network bears.

use std::ops::Range;

use crate::Dataset;
use inkling_support::parallel;
use serde::Serialize;

use crate::random::{Purpose, Random};
use crate::{Border, Matrix, Sampler};

/// A kind of damage. The numbers are part of what a seed means: keep them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Corruption {
    /// Grey noise on every pixel; strength: its standard deviation in grey levels.
    Noise = 0,
    /// A Gaussian blur; strength: its standard deviation in pixels.
    Blur = 1,
    /// The whole image moved; strength: pixels, in a random direction.
    Shift = 2,
    /// The image turned; strength: degrees, to a random side.
    Rotation = 3,
    /// A black square on it; strength: its side in pixels.
    Occlusion = 4,
    /// All brightness divided; strength: the divisor.
    Contrast = 5,
}

impl Corruption {
    pub const ALL: [Corruption; 6] = [
        Corruption::Noise,
        Corruption::Blur,
        Corruption::Shift,
        Corruption::Rotation,
        Corruption::Occlusion,
        Corruption::Contrast,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Corruption::Noise => "noise",
            Corruption::Blur => "blur",
            Corruption::Shift => "shift",
            Corruption::Rotation => "rotation",
            Corruption::Occlusion => "occlusion",
            Corruption::Contrast => "contrast",
        }
    }

    /// The strengths that are tried, for images whose smaller side is `side`.
    pub fn strengths(self, side: usize) -> [f32; 4] {
        let pixels = |of_28: f32| of_28 * side as f32 / 28.0;
        match self {
            Corruption::Noise => [25.0, 50.0, 75.0, 100.0],
            Corruption::Blur => [0.5, 1.0, 1.5, 2.0].map(pixels),
            Corruption::Shift => [1.0, 2.0, 4.0, 6.0].map(pixels),
            Corruption::Rotation => [10.0, 20.0, 30.0, 45.0],
            Corruption::Occlusion => [4.0, 6.0, 8.0, 10.0].map(pixels),
            Corruption::Contrast => [2.0, 4.0, 8.0, 16.0],
        }
    }

    pub fn unit(self) -> &'static str {
        match self {
            Corruption::Noise => "levels",
            Corruption::Blur | Corruption::Shift | Corruption::Occlusion => "px",
            Corruption::Rotation => "°",
            Corruption::Contrast => "× weaker",
        }
    }

    /// Whether it says anything about samples of this shape: what is one row is no picture, and only noise
    /// befalls it as it befalls pictures.
    pub fn suits(self, [height, ..]: [usize; 3]) -> bool {
        height > 1 || self == Corruption::Noise
    }

    /// A damaged copy of a data set; the same seed damages every image in the same way.
    pub fn apply(self, images: &Dataset, strength: f32, seed: u64) -> Dataset {
        self.apply_to(images, (images.shape, 0..images.image_size()), strength, seed)
    }

    /// The same with damage to one of several inputs, which has this shape and these places.
    pub fn apply_to(
        self,
        images: &Dataset,
        (shape, places): ([usize; 3], Range<usize>),
        strength: f32,
        seed: u64,
    ) -> Dataset {
        let canvas = Canvas { shape, border: Border::of_part(images, shape, places.clone()) };
        let damaged = parallel::map(images.len(), |index| {
            let place = (self as u64) << 48 | index as u64;
            let mut random = Random::new(seed, Purpose::Corruption, place);
            let mut sample = images.image(index).to_vec();
            let part = self.damage(&sample[places.clone()], canvas, strength, &mut random);
            sample[places.clone()].copy_from_slice(&part);
            sample
        });
        images.with_samples(images.shape, damaged.concat())
    }

    fn damage(self, image: &[u8], canvas: Canvas, strength: f32, random: &mut Random) -> Vec<u8> {
        match self {
            Corruption::Noise => image
                .iter()
                .map(|&pixel| byte(f32::from(pixel) + strength * random.normal()))
                .collect(),
            Corruption::Blur => canvas.blur(image, strength),
            Corruption::Shift => {
                let angle = random.between(0.0, std::f32::consts::TAU);
                let shift = [strength * angle.sin(), strength * angle.cos()];
                canvas.mapped(image, &Matrix { shift, ..Matrix::default() })
            }
            Corruption::Rotation => {
                let side = if random.below(2) == 0 { 1.0 } else { -1.0 };
                let angle = (side * strength).to_radians();
                canvas.mapped(image, &Matrix { angle, ..Matrix::default() })
            }
            Corruption::Occlusion => canvas.occluded(image, strength, random),
            Corruption::Contrast => {
                image.iter().map(|&pixel| byte(f32::from(pixel) / strength)).collect()
            }
        }
    }
}

fn byte(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

/// What images are like: `[height][width][channels]`, and what lies beyond their edge.
#[derive(Clone, Copy)]
pub(crate) struct Canvas {
    pub shape: [usize; 3],
    pub border: Border,
}

impl Canvas {
    fn mapped(self, image: &[u8], map: &Matrix) -> Vec<u8> {
        let mut out = vec![0.0; image.len()];
        Sampler::new(image, self.shape, self.border).sample(map, |_| [0.0, 0.0], &mut out);
        out.into_iter().map(|pixel| byte(255.0 * pixel)).collect()
    }

    /// A Gaussian blur, along the rows and then along the columns.
    pub fn blur(self, image: &[u8], deviation: f32) -> Vec<u8> {
        let [height, width, channels] = self.shape;
        let reach = (3.0 * deviation).ceil() as isize;
        let weight = |offset: isize| (-0.5 * (offset as f32 / deviation).powi(2)).exp();
        let total: f32 = (-reach..=reach).map(weight).sum();
        // The mean around place `at` of a line of `side` values.
        let along = |line: &dyn Fn(usize) -> f32, at: usize, side: usize| {
            let value = |offset: isize| match (at as isize + offset, self.border) {
                (place, _) if (0..side as isize).contains(&place) => line(place as usize),
                (_, Border::Black) => 0.0,
                (place, Border::Continued) => line(place.clamp(0, side as isize - 1) as usize),
            };
            (-reach..=reach).map(|offset| weight(offset) / total * value(offset)).sum::<f32>()
        };
        let place =
            |row: usize, column: usize, channel: usize| (row * width + column) * channels + channel;
        let places = || {
            (0..height).flat_map(move |row| {
                (0..width * channels).map(move |at| (row, at / channels, at % channels))
            })
        };
        let wide: Vec<f32> = places()
            .map(|(row, column, channel)| {
                along(&|at| f32::from(image[place(row, at, channel)]), column, width)
            })
            .collect();
        places()
            .map(|(row, column, channel)| {
                byte(along(&|at| wide[place(at, column, channel)], row, height))
            })
            .collect()
    }

    /// Covers a square around a random pixel that has ink, so that it always hides something.
    fn occluded(self, image: &[u8], side: f32, random: &mut Random) -> Vec<u8> {
        let [height, width, channels] = self.shape;
        let has_ink = |pixel: &[u8]| pixel.iter().any(|&value| value >= 128);
        let pixels = image.chunks_exact(channels).enumerate();
        let ink: Vec<usize> =
            pixels.filter(|(_, pixel)| has_ink(pixel)).map(|(at, _)| at).collect();
        let mut result = image.to_vec();
        if ink.is_empty() {
            return result;
        }
        let middle = ink[random.below(ink.len() as u32) as usize];
        let side = (side.round() as usize).clamp(1, height.min(width));
        let start = |middle: usize, most: usize| middle.saturating_sub(side / 2).min(most - side);
        let (top, left) = (start(middle / width, height), start(middle % width, width));
        for row in result.chunks_exact_mut(width * channels).skip(top).take(side) {
            row[left * channels..(left + side) * channels].fill(0);
        }
        result
    }
}
