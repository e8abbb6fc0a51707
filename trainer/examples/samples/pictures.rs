//! Discs, squares, triangles and crosses of any colour on any ground.

use image::{Rgb, RgbImage};

use super::chance::Chance;

const SIDE: u32 = 32;

pub const CLASSES: &[&str] = &["cross", "disc", "square", "triangle"];

/// Whether a place, relative to the middle and in units of the size, belongs to the shape.
fn inside(class: &str, x: f64, y: f64) -> bool {
    match class {
        "disc" => x * x + y * y < 1.0,
        "square" => x.abs().max(y.abs()) < 0.85,
        "triangle" => y < 0.8 && y > 2.0 * x.abs() - 1.0,
        _ => x.abs().min(y.abs()) < 0.3 && x.abs().max(y.abs()) < 1.0,
    }
}

/// A picture of a class.
pub fn picture(class: &str, chance: &mut Chance) -> RgbImage {
    let size = chance.between(7.0, 12.0);
    let [left, top] = [(); 2].map(|()| chance.between(size, f64::from(SIDE) - size));
    let ground = [(); 3].map(|()| chance.between(40.0, 215.0));
    // Far enough from the ground to be seen, lighter or darker.
    let sign = if chance.between(0.0, 1.0) < 0.5 { -1.0 } else { 1.0 };
    let colour = ground.map(|value| value + sign * chance.between(50.0, 90.0));
    let turn = chance.between(-0.3, 0.3);
    let mut picture = RgbImage::new(SIDE, SIDE);
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let (x, y) = ((f64::from(x) - left) / size, (f64::from(y) - top) / size);
        let (x, y) = (x * turn.cos() + y * turn.sin(), y * turn.cos() - x * turn.sin());
        let base = if inside(class, x, y) { colour } else { ground };
        *pixel = Rgb(base.map(|value| (value + chance.between(-12.0, 12.0)) as u8));
    }
    picture
}
