//! What a three-axis accelerometer would say at rest, walking, shaken and turned.

use std::f64::consts::TAU;
use std::fmt::Write;

use super::chance::Chance;

/// Rows of a recording: about a second.
const ROWS: usize = 64;

pub const CLASSES: &[&str] = &["rest", "shake", "turn", "walk"];

/// Rows of x, y and z in units of the earth's acceleration.
pub fn recording(class: &str, chance: &mut Chance) -> String {
    let phase = chance.between(0.0, TAU);
    let strength = chance.between(0.7, 1.3);
    let per_recording = match class {
        "walk" => chance.between(1.6, 2.4),
        "shake" => chance.between(6.0, 9.0),
        _ => chance.between(0.3, 0.6),
    };
    let mut text = String::from("x,y,z\n");
    for row in 0..ROWS {
        let angle = phase + TAU * per_recording * row as f64 / ROWS as f64;
        let [x, y, z] = match class {
            "walk" => [0.1 * angle.cos(), 0.2 * angle.sin(), 1.0 + 0.3 * strength * angle.sin()],
            "shake" => [1.2 * strength * angle.sin(), 0.3 * angle.cos(), 1.0],
            // Gravity moves from one axis to another.
            "turn" => [angle.sin(), 0.0, angle.cos()],
            _ => [0.0, 0.0, 1.0],
        };
        let noisy = [x, y, z].map(|value| value + chance.between(-0.15, 0.15));
        let _ = writeln!(text, "{:.3},{:.3},{:.3}", noisy[0], noisy[1], noisy[2]);
    }
    text
}
