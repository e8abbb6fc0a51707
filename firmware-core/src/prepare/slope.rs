//! How the light falls off across a frame, and a picture without it.
//!
//! Where the light falls towards the edge of a shadow, the darkest place of the ground lies along that edge,
//! narrower than any window that finds the [ground](super::ground): it would count as ink. So the slope is
//! taken off first. It is the median of how much neighbouring places differ, on which neither ink nor the
//! edge of a shadow has much influence.

use super::cells::Part;
use super::ground;
use super::levels::Levels;

/// Cells between places that are compared.
const LAG: usize = 5;

/// Every so many rows and columns are looked at.
const EVERY: usize = 2;

/// Light changes by at most half of it from the middle of a frame to its border.
const STEEPEST: i32 = ONE / 2;

const ONE: i32 = 1 << 16;

/// What part of the light is gained down the frame, and to the right, from its middle on.
#[derive(Clone, Copy, Default)]
pub struct Slope {
    /// In 2^-16 per pixel.
    gained: [i32; 2],
    /// The middle of the frame, in pixels.
    middle: [i32; 2],
}

impl Slope {
    /// That of a picture of cells, which are those of a whole frame of `frame` pixels.
    pub fn of(picture: &[u8], part: &Part, frame: [usize; 2], counts: &mut [u16; 256]) -> Self {
        let middle = frame.map(|side| side as i32 / 2);
        let columns = part.size[1].max(1);
        let mut gained = [0; 2];
        for (axis, gained) in gained.iter_mut().enumerate() {
            let (down, right) = if axis == 0 { (LAG, 0) } else { (0, LAG) };
            counts.fill(0);
            let mut pairs = 0;
            let there = picture.chunks_exact(columns).skip(down);
            for (here, there) in picture.chunks_exact(columns).zip(there).step_by(EVERY) {
                let there = there.get(right..).unwrap_or_default();
                for (&here, &there) in here.iter().zip(there).step_by(EVERY) {
                    let half = ((u32::from(here) + u32::from(there)) >> 2) as u8;
                    let change = ground::missing(half, here.abs_diff(there) / 2);
                    let at = if there < here { !change & 0x7f } else { 0x80 | change };
                    counts[usize::from(at)] += 1;
                    pairs += 1;
                }
            }
            // In 255ths of half the change over LAG cells.
            let median = i32::from(Levels(counts).quantile(0..256, 128)) - 0x80;
            let most = STEEPEST / middle[axis].max(1);
            if pairs > 0 {
                let pixels = (LAG * part.side) as i32;
                *gained = (median * (2 * ONE / 255) / pixels).clamp(-most, most);
            }
        }
        Self { gained, middle }
    }

    /// Takes it off the cells of a part of the frame.
    #[inline(never)] // three times
    pub fn level(&self, picture: &mut [u8], part: &Part) {
        if self.gained == [0; 2] {
            return;
        }
        let Part { corner, size: [rows, columns], side, .. } = *part;
        let away = |axis: usize, at: usize| (corner[axis] + at * side) as i32 - self.middle[axis];
        let [down, right] = self.gained;
        for (row, line) in picture.chunks_exact_mut(columns.max(1)).take(rows).enumerate() {
            // At most 3/2; over the row it changes by as little as its slope says.
            let gain = ONE - down * away(0, row);
            let step = |pixels: i32| ((gain >> 4) * ((right * pixels) >> 2)) >> 10;
            let (mut gain, change) = (gain - step(away(1, 0)), step(side as i32));
            for cell in line {
                *cell = ((i32::from(*cell) * gain + ONE / 2) >> 16).clamp(0, 255) as u8;
                gain -= change;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, Slope};
    use std::vec::Vec;

    /// The light falls by a third down the frame and rises by a fifth to the right, half of it is lost in a
    /// shadow and a stroke lies across: both sides of the shadow become even, by what they are in the middle.
    #[test]
    fn light_that_falls_off_becomes_even() {
        let part = Part { corner: [0, 0], size: [30, 40], side: 4, inverted: false };
        let shadowed = |y: usize, x: usize| 3 * y + x > 60;
        let inked = |y: usize, x: usize| (8..24).contains(&y) && (18..21).contains(&x);
        let places = || (0..30).flat_map(|y| (0..40).map(move |x| (y, x)));
        let light = |y: usize, x: usize| {
            let gain = |at: usize, count: f32, all: f32| 1.0 + all * (at as f32 / count - 0.5);
            160.0 * gain(y, 30.0, -0.333) * gain(x, 40.0, 0.2)
        };
        let mut picture: Vec<u8> = places()
            .map(|(y, x)| {
                let shade = if shadowed(y, x) { 0.5 } else { 1.0 };
                let ink = if inked(y, x) { 0.3 } else { 1.0 };
                (light(y, x) * shade * ink) as u8
            })
            .collect();
        let slope = Slope::of(&picture, &part, [120, 160], &mut [0; 256]);
        slope.level(&mut picture, &part);
        for ((y, x), level) in places().zip(picture) {
            let even = if shadowed(y, x) { 80 } else { 160 };
            assert!(inked(y, x) || level.abs_diff(even) <= even / 12, "{y} {x}: {level}");
        }
    }

    /// Of one row or column there is nothing to compare; of a few, too.
    #[test]
    fn pictures_of_any_size_are_left_in_peace() {
        for size in [[1, 1], [1, 40], [40, 1], [5, 5]] {
            let part = Part { corner: [0, 0], size, side: 1, inverted: false };
            let mut picture: Vec<u8> = (0..size[0] * size[1]).map(|at| at as u8).collect();
            let before = picture.clone();
            let slope = Slope::of(&picture, &part, size, &mut [0; 256]);
            slope.level(&mut picture, &part);
            assert!(size[0].max(size[1]) > 5 || picture == before, "{size:?}");
        }
    }
}
