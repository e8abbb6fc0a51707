//! Where the answer of a network comes from: what becomes of it when a part of its input is covered.

use std::ops::Range;

use inkling_data::Dataset;
use inkling_data::prepare::Plane;

use super::model::{Model, ModelError};

/// Side of the square that is moved over a picture, for a side of 28; the same share of the moments of what
/// is one row.
const PATCH: usize = 5;

/// What one input of a sample does for the answer.
pub struct Saliency {
    /// The input's name; an input that is alone has none.
    pub name: String,
    /// Height, width and channels.
    pub shape: [usize; 3],
    /// `[height][width][channels]`.
    pub sample: Vec<u8>,
    /// For every place `[height][width]`, how much the answer's probability falls, on average over the
    /// patches that cover it; negative where it rises.
    pub falls: Vec<f32>,
    /// The answer's probability with all of this input covered.
    pub without: f32,
}

impl Saliency {
    /// Of every input of `sample`, for the probability of `class`, which is `probability`.
    ///
    /// # Errors
    ///
    /// The model's.
    pub fn of(
        model: &Model,
        sample: &[u8],
        class: usize,
        probability: f32,
    ) -> Result<Vec<Self>, ModelError> {
        let part = |(name, shape, places): (&str, [usize; 3], Range<usize>)| {
            Self::of_part(model, sample, (name, shape, places), (class, probability))
        };
        model.parts().into_iter().map(part).collect()
    }

    fn of_part(
        model: &Model,
        sample: &[u8],
        (name, shape, places): (&str, [usize; 3], Range<usize>),
        (class, probability): (usize, f32),
    ) -> Result<Self, ModelError> {
        let [height, width, channels] = shape;
        let own = &sample[places.clone()];
        let cover = cover(shape, own);
        let shorter = if height == 1 { width } else { height.min(width) };
        let side = (PATCH * shorter / 28).max(2);
        let [high, wide] = [side.min(height), side.min(width)];
        let (rows, columns) = (height - high + 1, width - wide + 1);
        let corners: Vec<[usize; 2]> =
            (0..rows * columns).map(|place| [place / columns, place % columns]).collect();
        let mut covered = Vec::with_capacity((corners.len() + 1) * sample.len());
        let covering = |[top, left]: [usize; 2], [high, wide]: [usize; 2]| {
            let mut copy = sample.to_vec();
            let lines = copy[places.clone()].chunks_exact_mut(width * channels);
            for line in lines.skip(top).take(high) {
                let pixels =
                    line[left * channels..(left + wide) * channels].chunks_exact_mut(channels);
                pixels.for_each(|pixel| pixel.copy_from_slice(&cover));
            }
            copy
        };
        corners.iter().for_each(|&corner| covered.extend(covering(corner, [high, wide])));
        covered.extend(covering([0, 0], [height, width]));
        let labels = vec![0; corners.len() + 1];
        let covered = Dataset::new(model.shape(), covered, labels, model.names.clone());
        let answers = model.int8_probabilities(&covered)?;
        let mut falls = vec![0.0; height * width];
        let mut counts = vec![0.0_f32; height * width];
        for ([top, left], p) in corners.iter().zip(&answers) {
            for row in *top..top + high {
                for place in row * width + left..row * width + left + wide {
                    falls[place] += probability - p[class];
                    counts[place] += 1.0;
                }
            }
        }
        falls.iter_mut().zip(counts).for_each(|(sum, count)| *sum /= count.max(1.0));
        Ok(Self {
            name: name.to_string(),
            shape,
            sample: own.to_vec(),
            falls,
            without: answers.last().map_or(probability, |p| p[class]),
        })
    }

    /// The falls in grey levels: the largest is 255.
    pub fn plane(&self) -> Plane {
        let peak = self.falls.iter().copied().fold(1e-6, f32::max);
        let level = |fall: &f32| (255.0 * fall / peak).round().clamp(0.0, 255.0) as u8;
        let pixels = self.falls.iter().map(level).collect();
        Plane { height: self.shape[0], width: self.shape[1], pixels }
    }
}

/// What a covered pixel is: black in a picture, and in what is one row the mean of each channel, since 0 is
/// a value like others there.
fn cover([height, _, channels]: [usize; 3], sample: &[u8]) -> Vec<u8> {
    if height > 1 {
        return vec![0; channels];
    }
    let mean = |channel: usize| {
        let values = sample.iter().skip(channel).step_by(channels);
        let (sum, count) = values.fold((0, 0), |(sum, count), &x| (sum + u32::from(x), count + 1));
        ((sum + count / 2) / count.max(1)) as u8
    };
    (0..channels).map(mean).collect()
}
