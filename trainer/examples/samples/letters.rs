//! Capital letters in strokes of light on a dark ground, as MNIST has its digits.

use image::{GrayImage, Luma};

use super::chance::Chance;

const SIDE: u32 = 28;

pub const CLASSES: &[&str] = &["A", "E", "H", "K", "T", "W"];

/// Ends of the strokes, from the upper left corner, 0 to 1: x, y, x, y.
fn strokes(class: &str) -> &'static [[f64; 4]] {
    match class {
        "A" => &[[0.0, 1.0, 0.5, 0.0], [0.5, 0.0, 1.0, 1.0], [0.25, 0.6, 0.75, 0.6]],
        "E" => &[
            [0.0, 0.0, 0.0, 1.0],
            [0.0, 0.0, 1.0, 0.0],
            [0.0, 0.5, 0.8, 0.5],
            [0.0, 1.0, 1.0, 1.0],
        ],
        "H" => &[[0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 1.0, 1.0], [0.0, 0.5, 1.0, 0.5]],
        "K" => &[[0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.5], [0.0, 0.5, 1.0, 1.0]],
        "T" => &[[0.0, 0.0, 1.0, 0.0], [0.5, 0.0, 0.5, 1.0]],
        _ => &[
            [0.0, 0.0, 0.25, 1.0],
            [0.25, 1.0, 0.5, 0.3],
            [0.5, 0.3, 0.75, 1.0],
            [0.75, 1.0, 1.0, 0.0],
        ],
    }
}

/// A picture of a letter; no two strokes end where they should.
pub fn letter(class: &str, chance: &mut Chance) -> GrayImage {
    let (slant, width) = (chance.between(-0.3, 0.3), chance.between(12.0, 17.0));
    let thickness = chance.between(0.9, 1.8);
    let mut end = |x: f64, y: f64| {
        let x = x + slant * (0.5 - y) + chance.between(-0.08, 0.08);
        [14.0 + (x - 0.5) * width, 14.0 + (y - 0.5 + chance.between(-0.08, 0.08)) * 18.0]
    };
    let lines: Vec<_> = strokes(class).iter().map(|&[x, y, u, v]| (end(x, y), end(u, v))).collect();
    GrayImage::from_fn(SIDE, SIDE, |x, y| {
        let place = [f64::from(x), f64::from(y)];
        let nearest = lines.iter().map(|&(a, b)| distance(place, a, b)).fold(f64::MAX, f64::min);
        Luma([(255.0 * (thickness + 0.5 - nearest).clamp(0.0, 1.0)) as u8])
    })
}

/// Between a place and a line from `a` to `b`.
fn distance([x, y]: [f64; 2], a: [f64; 2], b: [f64; 2]) -> f64 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let along = ((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy).max(1e-9);
    let along = along.clamp(0.0, 1.0);
    (x - a[0] - along * dx).hypot(y - a[1] - along * dy)
}
