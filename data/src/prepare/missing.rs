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
    let missing = images.iter().filter(|pixel| pixel.is_nan()).count();
    if missing > 0 {
        match how {
            Fill::Interpolate => {
                let size = shape.iter().product();
                images.chunks_exact_mut(size).for_each(|image| interpolate(image, shape));
            }
            Fill::Mean => mean(images, shape.iter().product()),
        }
    }
    missing
}

fn mean(images: &mut [f32], size: usize) {
    for place in 0..size {
        let (mut sum, mut count) = (0.0, 0);
        for pixel in images.iter().skip(place).step_by(size).filter(|pixel| !pixel.is_nan()) {
            sum += f64::from(*pixel);
            count += 1;
        }
        let mean = if count > 0 { (sum / f64::from(count)) as f32 } else { 0.0 };
        for pixel in images.iter_mut().skip(place).step_by(size).filter(|pixel| pixel.is_nan()) {
            *pixel = mean;
        }
    }
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
    use super::{Fill, fill};

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
}
