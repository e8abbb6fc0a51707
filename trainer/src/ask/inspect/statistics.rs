//! Counts and means.

use inkling_data::Dataset;

/// Bars of the histogram: 8 grey levels each.
pub const BARS: usize = 32;

/// An image whose brightest and darkest pixels are closer than this is blank.
const BLANK: u8 = 16;

/// Whether nothing is to be seen on an image.
pub fn blank(image: &[u8]) -> bool {
    let (low, high) =
        image.iter().fold((u8::MAX, 0), |(low, high), &pixel| (low.min(pixel), high.max(pixel)));
    high.saturating_sub(low) < BLANK
}

/// What the pixels of a data set look like.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    pub images: usize,
    /// Images per class.
    pub counts: Vec<usize>,
    /// Of all pixels, in grey levels.
    pub mean: f64,
    pub deviation: f64,
    /// Pixels by brightness, 8 grey levels per entry.
    pub histogram: [usize; BARS],
    /// The mean image of each class, empty for a class without images.
    pub mean_images: Vec<Vec<u8>>,
}

impl Statistics {
    pub fn new(dataset: &Dataset) -> Self {
        let mut levels = [0_usize; 256];
        dataset.images().flatten().for_each(|&pixel| levels[usize::from(pixel)] += 1);
        let count = (dataset.len() * dataset.image_size()).max(1) as f64;
        let moment = |power: i32| -> f64 {
            levels
                .iter()
                .enumerate()
                .map(|(level, &count)| (level as f64).powi(power) * count as f64)
                .sum()
        };
        let mean = moment(1) / count;
        let mut sums = vec![vec![0_u32; dataset.image_size()]; dataset.classes()];
        let mut counts = vec![0; dataset.classes()];
        for (index, &label) in dataset.labels.iter().enumerate() {
            counts[usize::from(label)] += 1;
            let sum = &mut sums[usize::from(label)];
            sum.iter_mut()
                .zip(dataset.image(index))
                .for_each(|(sum, &pixel)| *sum += u32::from(pixel));
        }
        let average = |(sums, &count): (&Vec<u32>, &usize)| match count {
            0 => Vec::new(),
            count => sums.iter().map(|sum| (sum / count as u32) as u8).collect(),
        };
        Self {
            images: dataset.len(),
            mean,
            deviation: (moment(2) / count - mean * mean).max(0.0).sqrt(),
            histogram: std::array::from_fn(|bar| levels[bar * 8..(bar + 1) * 8].iter().sum()),
            mean_images: sums.iter().zip(&counts).map(average).collect(),
            counts,
        }
    }
}
