//! Missing pixels, filled from what is known.

/// How missing pixels are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Fill {
    /// From the neighbours in the same image
    Interpolate,
    /// With the mean of that pixel over the images where it is known
    Mean,
}

/// Rounds of smoothing between neighbours: enough to cross the largest image.
const ROUNDS: usize = 200;

/// Fills the pixels that are NaN in images `[height][width][channels]`; returns how many there were.
pub fn fill(images: &mut [f32], shape: [usize; 3], how: Fill) -> usize {
    let size = shape.iter().product::<usize>().max(1);
    let missing = images.iter().filter(|pixel| pixel.is_nan()).count();
    if missing > 0 {
        let filler = Filler::find(images.chunks_exact(size).map(<[f32]>::to_vec), shape, how);
        images.chunks_exact_mut(size).for_each(|image| filler.fill(image));
    }
    missing
}

/// What fills the missing pixels of images that are too many to be in memory all at once.
pub struct Filler {
    shape: [usize; 3],
    /// What fills each place of an image; without it its neighbours do.
    means: Option<Vec<f32>>,
}

impl Filler {
    /// Looks at all images where that is needed.
    pub fn find(images: impl Iterator<Item = Vec<f32>>, shape: [usize; 3], how: Fill) -> Self {
        if how == Fill::Interpolate {
            return Self { shape, means: None };
        }
        let size = shape.iter().product();
        let (mut sums, mut counts) = (vec![0.0; size], vec![0_u32; size]);
        for image in images {
            for ((&pixel, sum), count) in image.iter().zip(&mut sums).zip(&mut counts) {
                if !pixel.is_nan() {
                    *sum += f64::from(pixel);
                    *count += 1;
                }
            }
        }
        let mean = |(sum, count): (f64, u32)| (sum / f64::from(count.max(1))) as f32;
        Self { shape, means: Some(sums.into_iter().zip(counts).map(mean).collect()) }
    }

    /// Fills the pixels that are NaN in one image.
    pub fn fill(&self, image: &mut [f32]) {
        match &self.means {
            None => interpolate(image, self.shape),
            Some(means) => {
                let gaps = image.iter_mut().zip(means).filter(|(pixel, _)| pixel.is_nan());
                gaps.for_each(|(pixel, mean)| *pixel = *mean);
            }
        }
    }
}

/// Bytes that stand for missing pixels, filled image by image.
pub struct Gaps {
    level: u8,
    filler: Filler,
}

impl Gaps {
    /// Looks at all images; `level` stands for what is missing. Also returns how many there are.
    pub fn find<'i>(
        images: impl Iterator<Item = &'i [u8]>,
        level: u8,
        shape: [usize; 3],
        how: Fill,
    ) -> (Self, usize) {
        let mut missing = 0;
        let mut seen = images.inspect(|image| {
            missing += image.iter().filter(|&&pixel| pixel == level).count();
        });
        let filler = Filler::find(seen.by_ref().map(|image| holed(image, level)), shape, how);
        // Where the filler needs to see no image, they are counted all the same.
        seen.for_each(drop);
        (Self { level, filler }, missing)
    }

    /// Appends an image without its gaps.
    pub fn fill(&self, image: &[u8], out: &mut Vec<u8>) {
        if !image.contains(&self.level) {
            return out.extend_from_slice(image);
        }
        let mut pixels = holed(image, self.level);
        self.filler.fill(&mut pixels);
        out.extend(pixels.iter().map(|pixel| pixel.round() as u8));
    }
}

/// An image with NaN where `level` stands for what is missing.
fn holed(image: &[u8], level: u8) -> Vec<f32> {
    let gap = |&pixel: &u8| if pixel == level { f32::NAN } else { f32::from(pixel) };
    image.iter().map(gap).collect()
}

/// Solves for the surface that is smooth over the missing pixels and passes through their known
/// neighbours: each is the mean of the four around it (Gauss and Seidel's iteration).
fn interpolate(image: &mut [f32], [height, width, channels]: [usize; 3]) {
    let missing: Vec<usize> = (0..image.len()).filter(|&at| image[at].is_nan()).collect();
    if missing.is_empty() {
        return;
    }
    let around = |at: usize| {
        let (row, column) = (at / (width * channels), at / channels % width);
        [
            (row > 0).then(|| at - width * channels),
            (row + 1 < height).then(|| at + width * channels),
            (column > 0).then(|| at - channels),
            (column + 1 < width).then(|| at + channels),
        ]
    };
    for _ in 0..ROUNDS {
        let mut largest = 0_f32;
        for &at in &missing {
            let known =
                around(at).into_iter().flatten().map(|near| image[near]).filter(|x| !x.is_nan());
            let (sum, count) = known.fold((0.0, 0.0), |(sum, count), x| (sum + x, count + 1.0));
            if count > 0.0 {
                let before = if image[at].is_nan() { 255.0 } else { image[at] };
                image[at] = sum / count;
                largest = largest.max((image[at] - before).abs());
            }
        }
        if largest < 0.05 {
            break;
        }
    }
    // An image of which nothing is known.
    image.iter_mut().filter(|pixel| pixel.is_nan()).for_each(|pixel| *pixel = 0.0);
}

#[cfg(test)]
mod tests {
    use super::{Fill, Gaps, fill};

    #[test]
    fn a_slope_is_restored_by_its_neighbours() {
        let slope: Vec<f32> = (0..81).map(|at| (at / 9 * 10 + at % 9 * 5) as f32).collect();
        let mut holed = slope.clone();
        for at in [40, 41, 31, 50] {
            holed[at] = f32::NAN;
        }
        assert_eq!(fill(&mut holed, [9, 9, 1], Fill::Interpolate), 4);
        for (filled, whole) in holed.iter().zip(&slope) {
            assert!((filled - whole).abs() < 0.5, "{filled} {whole}");
        }
    }

    #[test]
    fn the_mean_is_that_of_the_place() {
        let mut images = [10.0, 1.0, f32::NAN, 2.0, 30.0, f32::NAN];
        assert_eq!(fill(&mut images, [1, 2, 1], Fill::Mean), 2);
        assert_eq!(images, [10.0, 1.0, 20.0, 2.0, 30.0, 1.5]);
    }

    #[test]
    fn bytes_are_filled_one_by_one_as_all_together() {
        let shape = [3, 3, 1];
        let images: Vec<u8> = (0..36_u32).map(|at| (at * 37 % 11 * 20) as u8).collect();
        for how in [Fill::Interpolate, Fill::Mean] {
            let gap = |&pixel: &u8| if pixel == 40 { f32::NAN } else { f32::from(pixel) };
            let mut numbers: Vec<f32> = images.iter().map(gap).collect();
            let count = fill(&mut numbers, shape, how);
            let (gaps, found) = Gaps::find(images.chunks(9), 40, shape, how);
            let mut filled = Vec::new();
            images.chunks(9).for_each(|image| gaps.fill(image, &mut filled));
            let numbers: Vec<u8> = numbers.iter().map(|pixel| pixel.round() as u8).collect();
            assert_eq!((found, &filled), (count, &numbers), "{how:?}");
            assert!(count > 0);
        }
    }
}
