//! What lies behind the ink: how bright each place would be without it.
//!
//! The ground is the *closing* of a picture: a window is as light as the lightest cell in it, and a cell of
//! the ground as the darkest window that holds it. A dark stroke narrower than the window leaves no trace; a
//! slope of light or the edge of a hard shadow stays where it is, because windows fit on either side of it.
//! A window is an octagon: its blunt corners reach less far across an oblique edge, where a stroke that
//! crosses it would let them in, than those of a square.
//!
//! Four cells of seven bits share a word, so that one comparison serves four.

use core::cell::Cell;

use crate::arch::{Chosen, Target};

/// An octagon: a square, widened along both diagonals. Each cell in turn becomes the larger of itself and the
/// one so far behind it, along rows and columns for the square, along the diagonals for the rest.
pub struct Window {
    square: &'static [usize],
    diagonal: &'static [usize],
}

impl Window {
    /// 10 × 10 cells without two steps of each corner: for cells of which a character has up to 20.
    pub const SMALL: Self = Self { square: &[1, 2, 4], diagonal: &[1] };

    /// 13 × 13 cells without three diagonals of each corner: for cells of which a character has up to 44.
    pub const LARGE: Self = Self { square: &[1, 2, 3], diagonal: &[1, 2] };

    /// Rows and columns of a window less one.
    const fn reach(&self) -> usize {
        sum(self.square) + 2 * sum(self.diagonal)
    }

    /// How many columns of it lie left of the cell that stands for it, in its first row.
    const fn left(&self) -> usize {
        sum(self.diagonal)
    }

    /// Words in front of a row: windows begin up to so far before it.
    const fn before(&self) -> usize {
        (self.reach() - self.left()).div_ceil(LANES)
    }

    /// Words of a row, with the room in front of it and behind it.
    const fn stride(&self, width: usize) -> usize {
        (LANES * self.before() + width + self.reach()).div_ceil(LANES)
    }
}

const fn sum(steps: &[usize]) -> usize {
    let (mut at, mut sum) = (0, 0);
    while at < steps.len() {
        sum += steps[at];
        at += 1;
    }
    sum
}

/// Cells in a word.
const LANES: usize = 4;

/// The upper bit of each lane.
const HIGH: u32 = 0x8080_8080;

/// The larger of each of four values of seven bits.
#[inline(always)]
fn larger(a: u32, b: u32) -> u32 {
    // 128 + a - b in each lane.
    let above = (a | HIGH) - b;
    let not_less = above & HIGH;
    // The seven lower bits of each lane in which a is not less.
    let lanes = not_less - (not_less >> 7);
    b + (above & lanes)
}

/// Words that the ground of `height × width` cells takes, whichever the window.
pub const fn words(height: usize, width: usize) -> usize {
    let window = Window::LARGE;
    (window.reach() + height) * window.stride(width)
}

/// A ground darker than this tells no shades: levels below it are measured as if it had this one.
const DARKEST_GROUND: u16 = 32;

/// 255 · 256 over the ground's level, for grounds of seven bits.
const RECIPROCALS: [u16; 128] = {
    let mut table = [0; 128];
    let mut at = 0;
    while at < 128 {
        let level = 2 * at as u16 + 1;
        let level = if level < DARKEST_GROUND { DARKEST_GROUND } else { level };
        table[at] = (65_280 + level / 2) / level;
        at += 1;
    }
    table
};

/// What part of a light of seven bits is missing where a level lies `below` it, in 255ths; `below` has
/// eight bits and is no more than the light.
#[inline(always)]
pub fn missing(light: u8, below: u8) -> u8 {
    let factor = RECIPROCALS.get(usize::from(light)).copied().unwrap_or(0);
    ((u32::from(below) * u32::from(factor)) >> 8) as u8
}

/// The ground of a picture.
pub struct Ground<'s> {
    width: usize,
    window: &'static Window,
    /// Room for as many rows as a window reaches, then the picture's, each behind room and before room. The
    /// ground takes the place of the upper rows.
    cells: &'s mut [u32],
}

impl<'s> Ground<'s> {
    /// Of a picture whose rows are written by `fill`, as levels from 0 to 127; in `scratch`, which has
    /// [`words`] words.
    pub fn of(
        size: [usize; 2],
        window: &'static Window,
        scratch: &'s mut [u32],
        mut fill: impl FnMut(usize, &mut [u8]),
    ) -> Self {
        let ground = Self::left_in(size, window, scratch);
        let [height, width] = size;
        let (reach, stride) = (window.reach(), window.stride(width));
        let cells = ground.cells;
        cells.fill(0);
        let start = LANES * window.before();
        for (row, words) in cells.chunks_exact_mut(stride.max(1)).skip(reach).enumerate() {
            let bytes = bytemuck::must_cast_slice_mut::<u32, u8>(words);
            fill(row, bytes.get_mut(start..start + width).unwrap_or_default());
        }
        let line = LANES * stride;
        // Every cell becomes the lightest one of the window that it stands for, in which nothing lies beyond
        // the picture. A row that a window reaches into from the one before is the room in front of it.
        let filled = cells.get_mut(reach * stride..).unwrap_or_default();
        window.square.iter().for_each(|&step| Chosen::slide(filled, step));
        window.square.iter().for_each(|&step| Chosen::slide(cells, step * line));
        for &step in window.diagonal {
            Chosen::slide(cells, step * (line + 1));
            Chosen::slide(cells, step * (line - 1));
        }
        // Then the darkest window around each cell counts.
        cells.iter_mut().for_each(|word| *word ^= !HIGH);
        for &step in window.diagonal {
            Chosen::slide(cells, step * (line - 1));
            Chosen::slide(cells, step * (line + 1));
        }
        window.square.iter().for_each(|&step| Chosen::slide(cells, step * line));
        let kept = cells.get_mut(..height * stride).unwrap_or_default();
        window.square.iter().for_each(|&step| Chosen::slide(kept, step));
        kept.iter_mut().for_each(|word| *word ^= !HIGH);
        Self { width, window, cells }
    }

    /// Of cells, `[height][width]`; `inverted` if light and dark are exchanged.
    #[inline(never)] // once for all windows
    pub fn of_cells(
        cells: &[u8],
        size: [usize; 2],
        window: &'static Window,
        scratch: &'s mut [u32],
        inverted: bool,
    ) -> Self {
        let flip = if inverted { 0xff } else { 0 };
        let mut rows = cells.chunks_exact(size[1].max(1));
        Self::of(size, window, scratch, |_, out| {
            let line = rows.next().unwrap_or_default();
            out.iter_mut().zip(line).for_each(|(out, level)| *out = (level ^ flip) >> 1);
        })
    }

    /// The one that was found last in `scratch`, of as many cells, by the same window.
    pub fn left_in(
        [height, width]: [usize; 2],
        window: &'static Window,
        scratch: &'s mut [u32],
    ) -> Self {
        let words = (window.reach() + height) * window.stride(width);
        Self { width, window, cells: scratch.get_mut(..words).unwrap_or_default() }
    }

    /// Where a row of the ground lies among all words, and its first cell among the row's.
    #[inline(always)]
    fn place(&self, row: usize) -> (core::ops::Range<usize>, usize) {
        let stride = self.window.stride(self.width);
        let first = LANES * self.window.before() + 2 * self.window.left() - self.window.reach();
        (row * stride..(row + 1) * stride, first)
    }

    /// A row of the ground, to be changed.
    pub fn row_mut(&mut self, row: usize) -> &mut [u8] {
        let (words, first) = self.place(row);
        let words = self.cells.get_mut(words).unwrap_or_default();
        let bytes = bytemuck::must_cast_slice_mut::<u32, u8>(words);
        bytes.get_mut(first..first + self.width).unwrap_or_default()
    }

    /// A row of the ground.
    #[inline(always)]
    pub fn row(&self, row: usize) -> &[u8] {
        let (words, first) = self.place(row);
        let words = self.cells.get(words).unwrap_or_default();
        let bytes = bytemuck::must_cast_slice::<u32, u8>(words);
        bytes.get(first..first + self.width).unwrap_or_default()
    }
}

/// Every byte of words of four, 0 to 127, becomes the larger of itself and the one `step` bytes behind it,
/// where there is one.
#[inline(never)] // twenty times in a ground
pub fn slide(cells: &mut [u32], step: usize) {
    let cells = Cell::from_mut(cells).as_slice_of_cells();
    let behind = cells.get(step / LANES..).unwrap_or_default();
    let bits = 8 * (step % LANES) as u32;
    if bits == 0 {
        for (word, behind) in cells.iter().zip(behind) {
            word.set(larger(word.get(), behind.get()));
        }
        return;
    }
    let Some((first, next)) = behind.split_first() else { return };
    let mut low = first.get();
    for (word, next) in cells.iter().zip(next) {
        let high = next.get();
        word.set(larger(word.get(), low >> bits | high << (32 - bits)));
        low = high;
    }
}

#[cfg(test)]
mod tests {
    use super::{Ground, Window, larger, words};
    use std::vec;
    use std::vec::Vec;

    /// The cells of a window whose first row has the cell that stands for it at column 0.
    fn octagon(window: &Window) -> Vec<[isize; 2]> {
        let side = 1 + window.square.iter().sum::<usize>() as isize;
        let long = 1 + window.diagonal.iter().sum::<usize>() as isize;
        let mut cells: Vec<[isize; 2]> = Vec::new();
        for (down, right) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
            for (falling, rising) in (0..long).flat_map(|a| (0..long).map(move |b| (a, b))) {
                cells.push([down + falling + rising, right + falling - rising]);
            }
        }
        cells.sort_unstable();
        cells.dedup();
        cells
    }

    /// The darkest of all windows around a cell, each as light as the lightest of its cells that are in
    /// the picture.
    fn naive(cells: &[u8], height: usize, width: usize, window: &Window) -> Vec<u8> {
        let octagon = octagon(window);
        let level = |y: isize, x: isize| {
            let inside = (0..height as isize).contains(&y) && (0..width as isize).contains(&x);
            inside.then(|| cells[y as usize * width + x as usize])
        };
        let lightest = |y: isize, x: isize| {
            octagon.iter().filter_map(|[down, right]| level(y + down, x + right)).max()
        };
        let place = |at: usize| {
            let (y, x) = ((at / width) as isize, (at % width) as isize);
            let windows = octagon.iter().map(|[down, right]| lightest(y - down, x - right));
            windows.map(|lightest| lightest.expect("it holds the cell")).min().expect("some")
        };
        (0..cells.len()).map(place).collect()
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
            for window in [&Window::SMALL, &Window::LARGE] {
                let mut scratch = vec![u32::MAX; words(height, width)];
                let ground = Ground::of([height, width], window, &mut scratch, |row, out| {
                    out.copy_from_slice(&cells[row * width..][..width]);
                });
                let found: Vec<u8> = (0..height).flat_map(|row| ground.row(row).to_vec()).collect();
                assert_eq!(found, naive(&cells, height, width, window), "{height}×{width}");
            }
        }
    }

    /// Dark strokes disappear; the edge of a shadow stays where it is, in any direction. Only where a
    /// stroke meets an edge, a window may fit into both together.
    #[test]
    fn strokes_are_no_ground_and_shadows_are() {
        for [down, right] in [[0, 1], [1, 0], [1, 1], [3, 1], [-2, 1], [-1, -3]] {
            let lit =
                |y: i32, x: i32| if down * (y - 20) + right * (x - 17) > 0 { 100 } else { 50 };
            let stroke = |y: usize, x: usize| (10..30).contains(&y) && (12..20).contains(&x);
            let mut scratch = vec![0; words(40, 36)];
            let ground = Ground::of([40, 36], &Window::LARGE, &mut scratch, |y, out| {
                for (x, cell) in out.iter_mut().enumerate() {
                    *cell = if stroke(y, x) { 9 } else { lit(y as i32, x as i32) };
                }
            });
            for y in 0..40 {
                for x in 0..36 {
                    let off = ground.row(y)[x].abs_diff(lit(y as i32, x as i32));
                    let away = (down * (y as i32 - 20) + right * (x as i32 - 17)).abs();
                    let steepness = down.abs() + right.abs();
                    let reach = if stroke(y, x) { 13 * steepness } else { steepness };
                    assert!(off == 0 || away <= reach, "{down} {right}: {y} {x}");
                }
            }
        }
    }
}
