//! Augmentation by a random affine map: rotation, scale and shift.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// The largest strengths; each image draws its own, uniformly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Affine {
    /// Degrees to either side.
    pub rotation: f32,
    /// Fraction by which a side may grow or shrink, each side on its own.
    pub scale: f32,
    /// Pixels in either direction, not always whole ones.
    pub shift: f32,
}

impl Affine {
    /// Writes a randomly mapped `image` (`height × width`, 0 to 255) into `out` as values from 0
    /// to 1, bilinearly sampled; beyond the image's edge is 0.
    pub fn apply(
        &self,
        random: &mut Random,
        image: &[u8],
        [height, width]: [usize; 2],
        out: &mut [f32],
    ) {
        let angle = random.between(-self.rotation, self.rotation).to_radians();
        let scale = [(); 2].map(|()| 1.0 / random.between(1.0 - self.scale, 1.0 + self.scale));
        let shift = [(); 2].map(|()| random.between(-self.shift, self.shift));
        let centre = [(height as f32 - 1.0) / 2.0, (width as f32 - 1.0) / 2.0];
        let (sine, cosine) = angle.sin_cos();
        let pixel = |y: i32, x: i32| {
            let inside = (y as usize) < height && (x as usize) < width;
            if inside { f32::from(image[y as usize * width + x as usize]) } else { 0.0 }
        };
        for (row, out) in out.chunks_exact_mut(width).enumerate() {
            for (column, out) in out.iter_mut().enumerate() {
                // From the place in the result back to the place in the image.
                let y = row as f32 - centre[0] - shift[0];
                let x = column as f32 - centre[1] - shift[1];
                let (top, down) = cell((cosine * y + sine * x) * scale[0] + centre[0]);
                let (left, right) = cell((cosine * x - sine * y) * scale[1] + centre[1]);
                let upper = pixel(top, left) * (1.0 - right) + pixel(top, left + 1) * right;
                let lower = pixel(top + 1, left) * (1.0 - right) + pixel(top + 1, left + 1) * right;
                *out = (upper * (1.0 - down) + lower * down) / 255.0;
            }
        }
    }
}

/// The whole number at or below a coordinate and how far above it the coordinate is.
fn cell(coordinate: f32) -> (i32, f32) {
    // Far beyond any image, so that truncation rounds down; `floor` is a call into a library on
    // the oldest x86-64.
    const OFFSET: i32 = 1 << 12;
    let whole = (coordinate + OFFSET as f32) as i32 - OFFSET;
    (whole, coordinate - whole as f32)
}

impl fmt::Display for Affine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rotation, scale, shift } = self;
        write!(f, "rotation ±{rotation}°, scale ±{scale}, shift ±{shift} pixels")
    }
}

#[cfg(test)]
mod tests {
    use super::Affine;
    use crate::random::{Purpose, Random};

    fn random() -> Random {
        Random::new(3, Purpose::Augmentation, 0)
    }

    #[test]
    fn no_strength_changes_nothing() {
        let still = Affine { rotation: 0.0, scale: 0.0, shift: 0.0 };
        let image: Vec<u8> = (0..63).map(|i| i * 4).collect();
        let mut out = [f32::NAN; 63];
        still.apply(&mut random(), &image, [7, 9], &mut out);
        let expected: Vec<f32> = image.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
        assert_eq!(out.to_vec(), expected);
    }

    #[test]
    fn a_shifted_dot_keeps_its_weight() {
        let shifting = Affine { rotation: 0.0, scale: 0.0, shift: 2.0 };
        let mut image = [0; 121];
        image[5 * 11 + 5] = 255;
        let mut out = [f32::NAN; 121];
        shifting.apply(&mut random(), &image, [11, 11], &mut out);
        assert!((out.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert!(out[5 * 11 + 5] < 1.0);
    }
}
