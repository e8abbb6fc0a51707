//! Pictures of digits as a camera or a scanner would take them.

use image::{GrayImage, Luma};

/// What a digit is written on.
#[derive(Clone, Copy, Debug)]
pub struct Paper {
    /// Brightness of the paper and of full ink.
    pub light: f32,
    pub ink: f32,
    /// How much of its light the paper loses from one corner to the other.
    pub slope: f32,
    /// Deviation of the noise.
    pub grain: f32,
}

impl Paper {
    pub const WHITE: Paper = Paper { light: 255.0, ink: 0.0, slope: 0.0, grain: 0.0 };
}

/// A large picture of a 28 × 28 digit, dark on light, with margins that `seed` chooses.
pub fn on_paper(digit: &[u8], paper: &Paper, seed: u64) -> GrayImage {
    let mut rng = fastrand::Rng::with_seed(seed);
    let times = rng.usize(7..12);
    let (top, left) = (rng.usize(0..80), rng.usize(0..80));
    let (height, width) =
        (28 * times + top + rng.usize(0..80), 28 * times + left + rng.usize(0..80));
    GrayImage::from_fn(width as u32, height as u32, |x, y| {
        let (row, column) =
            ((y as usize).wrapping_sub(top) / times, (x as usize).wrapping_sub(left) / times);
        let inside = y as usize >= top && x as usize >= left && row < 28 && column < 28;
        let part = if inside { f32::from(digit[row * 28 + column]) / 255.0 } else { 0.0 };
        let shade = 1.0 - paper.slope * (x as f32 / width as f32 + y as f32 / height as f32) / 2.0;
        let grain = paper.grain * (rng.f32() + rng.f32() + rng.f32() - 1.5) * 2.0;
        let value = (paper.light * (1.0 - part) + paper.ink * part) * shade + grain;
        Luma([value.round().clamp(0.0, 255.0) as u8])
    })
}

/// A picture of which the part on one side of a line through the digit lies in a hard shadow.
pub fn in_shadow(digit: &[u8], paper: &Paper, seed: u64) -> GrayImage {
    let mut picture = on_paper(digit, paper, seed);
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x5ad0);
    let angle = rng.f32() * std::f32::consts::TAU;
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let off = (rng.f32() - 0.5) * 0.2 * width;
    let left = 0.35 + 0.3 * rng.f32();
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let along =
            (x as f32 - 0.5 * width) * angle.cos() + (y as f32 - 0.5 * height) * angle.sin();
        if along < off {
            pixel.0[0] = (f32::from(pixel.0[0]) * left) as u8;
        }
    }
    picture
}

/// A picture on a board of light wood, whose grain runs across it.
pub fn on_wood(digit: &[u8], paper: &Paper, seed: u64) -> GrayImage {
    let mut picture = on_paper(digit, paper, seed);
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x3009);
    let (density, phase) = (0.05 + 0.1 * rng.f32(), 6.0 * rng.f32());
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let bent = x as f32 * density + 3.0 * (y as f32 * 0.013 + phase).sin();
        let grain = 0.86 + 0.1 * bent.sin() + 0.04 * (3.1 * bent).sin();
        pixel.0[0] = (f32::from(pixel.0[0]) * grain) as u8;
    }
    picture
}

/// Two pictures side by side.
pub fn beside(left: &GrayImage, right: &GrayImage) -> GrayImage {
    let height = left.height().min(right.height());
    GrayImage::from_fn(left.width() + right.width(), height, |x, y| match x < left.width() {
        true => *left.get_pixel(x, y),
        false => *right.get_pixel(x - left.width(), y),
    })
}
