//! What lies behind the ink: how bright each place would be without it.
//!
//! The ground is the *closing* of a small picture of the frame: first every cell becomes the lightest
//! one of the window around it, which no dark stroke narrower than the window survives, then the
//! darkest one of a window around it, which brings every edge of light back to its place. A slope of
//! light and the edge of a hard shadow look the same behind as before, wherever they lie.
//!
//! Four cells of seven bits share a word, so that one comparison serves four.

use core::cell::Cell;

/// The window's reach in cells to either side, for the lightest and for the darkest one. The second is
/// larger by one, because cells across which an edge runs belong to neither of its sides.
const LIGHTEST: usize = 4;
const DARKEST: usize = LIGHTEST + 1;

/// Cells in a word.
const LANES: usize = 4;

/// The upper bit of each lane.
const HIGH: u32 = 0x8080_8080;

/// Words in front of a row and behind it, while windows slide over it.
const BEFORE: usize = 2;
const BEHIND: usize = 4;

/// The larger of each of four values of seven bits.
#[inline(always)]
fn larger(a: u32, b: u32) -> u32 {
    let not_less = ((a | HIGH) - b) & HIGH;
    let lanes = (not_less >> 7) * 255;
    b ^ ((a ^ b) & lanes)
}

/// Four lanes from lane `from` on (1 to 3) of two words.
#[inline(always)]
fn lanes(low: u32, high: u32, from: usize) -> u32 {
    low >> (8 * from) | high << (32 - 8 * from)
}

/// Words that the ground of `height × width` cells takes.
pub const fn words(height: usize, width: usize) -> usize {
    let row = width.div_ceil(LANES);
    (height + DARKEST) * row + BEFORE + row + BEHIND
}

/// The ground of a picture.
pub struct Ground<'s> {
    height: usize,
    width: usize,
    /// Rows of whole words, and room for [`DARKEST`] more.
    cells: &'s mut [u32],
    line: &'s mut [u32],
}

impl<'s> Ground<'s> {
    /// In `scratch`, which has [`words`] words.
    pub fn new(height: usize, width: usize, scratch: &'s mut [u32]) -> Self {
        let size = (height + DARKEST) * width.div_ceil(LANES);
        let (cells, line) = scratch.split_at_mut(size.min(scratch.len()));
        Self { height, width, cells, line }
    }

    /// Words of a row.
    fn stride(&self) -> usize {
        self.width.div_ceil(LANES)
    }

    /// The bytes of a row, for the picture's cells in 0 to 127 to be written to, or for the ground to be
    /// read from.
    #[inline(always)]
    pub fn row(&mut self, row: usize) -> &mut [u8] {
        let (stride, width) = (self.stride(), self.width);
        let words = self.cells.get_mut(row * stride..(row + 1) * stride).unwrap_or_default();
        bytemuck::must_cast_slice_mut::<u32, u8>(words).get_mut(..width).unwrap_or_default()
    }

    /// Replaces the picture by its ground.
    pub fn close(&mut self) {
        self.dilate(LIGHTEST);
        self.invert();
        self.dilate(DARKEST);
        self.invert();
    }

    /// 127 less each cell, also in the lanes behind a row.
    fn invert(&mut self) {
        self.cells.iter_mut().for_each(|word| *word ^= !HIGH);
    }

    /// Every cell becomes the largest one within `reach` rows and columns.
    fn dilate(&mut self, reach: usize) {
        let stride = self.stride();
        // What lies behind a row counts as 0, which is never the largest.
        let lost = (stride * LANES - self.width) * 8;
        let mask = u32::MAX >> lost;
        let (line, cells) = (&mut *self.line, &mut *self.cells);
        // Rows move down by `reach` on the way, from the last one on, to have zeros above them.
        for row in (0..self.height).rev() {
            let Some(place) = cells.get_mut(row * stride..(row + 1) * stride) else { return };
            if let Some(last) = place.last_mut() {
                *last &= mask;
            }
            line.fill(0);
            let inside = line.iter_mut().skip(BEFORE);
            inside.zip(place.iter()).for_each(|(out, word)| *out = *word);
            across(line, reach);
            let to = (row + reach) * stride;
            let Some(place) = cells.get_mut(to..to + stride) else { return };
            let before = line.iter().skip(BEFORE - reach.div_ceil(LANES));
            let from = (LANES - reach % LANES) % LANES;
            match from {
                0 => place.iter_mut().zip(before).for_each(|(out, word)| *out = *word),
                _ => {
                    let next = line.iter().skip(BEFORE - reach.div_ceil(LANES) + 1);
                    let both = before.zip(next);
                    let words = place.iter_mut().zip(both);
                    words.for_each(|(out, (low, high))| *out = lanes(*low, *high, from));
                }
            }
        }
        cells.iter_mut().take(reach * stride).for_each(|word| *word = 0);
        // Behind the last row lies what an earlier dilation left.
        cells.iter_mut().skip((self.height + reach) * stride).for_each(|word| *word = 0);
        let cells = Cell::from_mut(cells).as_slice_of_cells();
        for rows in steps(reach) {
            let below = cells.get(rows * stride..).unwrap_or_default();
            for (cell, other) in cells.iter().zip(below) {
                cell.set(larger(cell.get(), other.get()));
            }
        }
    }
}

/// Distances that make a window of `2 · reach + 1` places, 9 to 16: each place becomes the largest of
/// itself and the one so far behind it, in turn.
fn steps(reach: usize) -> [usize; 4] {
    [1, 2, 4, 2 * reach + 1 - 8]
}

/// Every cell of a row becomes the largest of itself and the `2 · reach` cells behind it.
fn across(line: &mut [u32], reach: usize) {
    let line = Cell::from_mut(line).as_slice_of_cells();
    for step in steps(reach) {
        let next = line.get(1..).unwrap_or_default();
        if step == LANES {
            for (word, next) in line.iter().zip(next) {
                word.set(larger(word.get(), next.get()));
            }
        } else {
            for (word, next) in line.iter().zip(next) {
                word.set(larger(word.get(), lanes(word.get(), next.get(), step)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DARKEST, Ground, LIGHTEST, larger, words};
    use std::vec;
    use std::vec::Vec;

    /// The closing, cell by cell.
    fn naive(cells: &[u8], height: usize, width: usize) -> Vec<u8> {
        let within = |cells: &[u8], reach: usize, best: fn(u8, u8) -> u8| -> Vec<u8> {
            let near =
                |at: usize, side: usize| at.saturating_sub(reach)..(at + reach + 1).min(side);
            let place = |at: usize| {
                let rows = near(at / width, height);
                let all = rows.flat_map(|y| near(at % width, width).map(move |x| y * width + x));
                all.map(|at| cells[at]).reduce(best).expect("itself at least")
            };
            (0..cells.len()).map(place).collect()
        };
        within(&within(cells, LIGHTEST, u8::max), DARKEST, u8::min)
    }

    #[test]
    fn lanes_are_compared_apart() {
        assert_eq!(larger(0x007f_0105, 0x7f00_0205), 0x7f7f_0205);
    }

    #[test]
    fn the_ground_is_the_closing() {
        let mut state = 7_u32;
        for (height, width) in [(4, 4), (14, 14), (30, 40), (7, 33), (48, 5), (1, 1)] {
            let cells: Vec<u8> = (0..height * width)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 25) as u8
                })
                .collect();
            let mut scratch = vec![u32::MAX; words(height, width)];
            let mut ground = Ground::new(height, width, &mut scratch);
            for (row, from) in cells.chunks(width).enumerate() {
                ground.row(row).copy_from_slice(from);
            }
            ground.close();
            let found: Vec<u8> = (0..height).flat_map(|row| ground.row(row).to_vec()).collect();
            assert_eq!(found, naive(&cells, height, width), "{height}×{width}");
        }
    }
}
