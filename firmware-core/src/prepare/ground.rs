//! What lies behind the ink: how bright each place would be without it.
//!
//! The ground is the *closing* of a picture: a window of 13 × 13 cells is as light as the lightest cell in
//! it, and a cell of the ground as the darkest window that holds it. A dark stroke narrower than the
//! window leaves no trace; a slope of light or the edge of a hard shadow stays where it is, because
//! windows fit on either side of it.
//!
//! Four cells of seven bits share a word, so that one comparison serves four.

use core::cell::Cell;

/// The window's side less one, in cells: strokes of up to twelve cells disappear.
const REACH: usize = 12;

/// Distances that make a window of `REACH + 1` places: each place becomes the larger of itself and the
/// one so far behind it, in turn.
const STEPS: [usize; 4] = [1, 2, 4, REACH - 1 - 2 - 4];

/// Cells in a word.
const LANES: usize = 4;

/// Words in front of a row: windows begin up to so far before it.
const BEFORE: usize = REACH / LANES;

/// Words behind the last row that are read as part of it.
const BEHIND: usize = 2;

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

/// Words of a row, with the room in front of it.
const fn stride(width: usize) -> usize {
    BEFORE + width.div_ceil(LANES)
}

/// Words that the ground of `height × width` cells takes.
pub const fn words(height: usize, width: usize) -> usize {
    (REACH + height) * stride(width) + BEHIND
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
    height: usize,
    width: usize,
    /// Room for [`REACH`] rows, then the picture's, each behind room of [`BEFORE`] words. The ground
    /// takes the place of the room.
    cells: &'s mut [u32],
}

impl<'s> Ground<'s> {
    /// Of a picture whose rows are written by `fill`, as levels from 0 to 127; in `scratch`, which has
    /// [`words`] words.
    pub fn of(
        [height, width]: [usize; 2],
        scratch: &'s mut [u32],
        mut fill: impl FnMut(usize, &mut [u8]),
    ) -> Self {
        let cells = scratch.get_mut(..words(height, width)).unwrap_or_default();
        cells.fill(0);
        let rows = cells.chunks_exact_mut(stride(width)).skip(REACH);
        for (row, words) in rows.enumerate() {
            let bytes = bytemuck::must_cast_slice_mut::<u32, u8>(words);
            let place = bytes.get_mut(REACH..REACH + width).unwrap_or_default();
            fill(row, place);
        }
        let mut ground = Self { height, width, cells };
        // Every place becomes the lightest one of the window that ends there, in which nothing lies
        // beyond the picture; then the darkest window around each cell counts.
        ground.across(REACH);
        ground.down();
        ground.cells.iter_mut().for_each(|word| *word ^= !HIGH);
        ground.down();
        ground.across(0);
        ground.cells.iter_mut().for_each(|word| *word ^= !HIGH);
        ground
    }

    /// Of cells, `[height][width]`; `inverted` if light and dark are exchanged.
    pub fn of_cells(
        cells: &[u8],
        size: [usize; 2],
        scratch: &'s mut [u32],
        inverted: bool,
    ) -> Self {
        let flip = if inverted { 0xff } else { 0 };
        let mut rows = cells.chunks_exact(size[1].max(1));
        Self::of(size, scratch, |_, out| {
            let line = rows.next().unwrap_or_default();
            out.iter_mut().zip(line).for_each(|(out, level)| *out = (level ^ flip) >> 1);
        })
    }

    /// The one that was found last in `scratch`, of as many cells.
    pub fn left_in([height, width]: [usize; 2], scratch: &'s mut [u32]) -> Self {
        let cells = scratch.get_mut(..words(height, width)).unwrap_or_default();
        Self { height, width, cells }
    }

    /// A row of the ground, to be changed.
    pub fn row_mut(&mut self, row: usize) -> &mut [u8] {
        let stride = stride(self.width);
        let words = self.cells.get_mut(row * stride..(row + 1) * stride).unwrap_or_default();
        let bytes = bytemuck::must_cast_slice_mut::<u32, u8>(words);
        bytes.get_mut(..self.width).unwrap_or_default()
    }

    /// A row of the ground.
    #[inline(always)]
    pub fn row(&self, row: usize) -> &[u8] {
        let stride = stride(self.width);
        let words = self.cells.get(row * stride..(row + 1) * stride).unwrap_or_default();
        bytemuck::must_cast_slice::<u32, u8>(words).get(..self.width).unwrap_or_default()
    }

    /// Every cell becomes the largest of itself and the [`REACH`] ones to its right, in as many rows from
    /// row `first` on as the picture has.
    fn across(&mut self, first: usize) {
        let stride = stride(self.width);
        for row in first..first + self.height {
            // What lies behind a row is the room of the next one, which is still empty the first time,
            // and reaches no cell of the ground the second time.
            let line = self.cells.get_mut(row * stride..(row + 1) * stride + BEHIND);
            let line = Cell::from_mut(line.unwrap_or_default()).as_slice_of_cells();
            slide::<{ STEPS[0] }>(line);
            slide::<{ STEPS[1] }>(line);
            slide::<{ STEPS[2] }>(line);
            slide::<{ STEPS[3] }>(line);
        }
    }

    /// Every cell becomes the largest of itself and the [`REACH`] ones below it.
    fn down(&mut self) {
        let stride = stride(self.width);
        let cells = self.cells.get_mut(..(REACH + self.height) * stride).unwrap_or_default();
        let cells = Cell::from_mut(cells).as_slice_of_cells();
        for step in STEPS {
            let below = cells.get(step * stride..).unwrap_or_default();
            for (cell, below) in cells.iter().zip(below) {
                cell.set(larger(cell.get(), below.get()));
            }
        }
    }
}

/// Every cell of a line becomes the larger of itself and the one `STEP` places behind it.
#[inline(always)]
fn slide<const STEP: usize>(line: &[Cell<u32>]) {
    let behind = line.get(STEP / LANES..).unwrap_or_default();
    let Some((first, next)) = behind.split_first() else { return };
    let mut low = first.get();
    for (word, next) in line.iter().zip(next) {
        let high = next.get();
        let behind = match 8 * (STEP % LANES) as u32 {
            0 => low,
            bits => low >> bits | high << (32 - bits),
        };
        word.set(larger(word.get(), behind));
        low = high;
    }
}

#[cfg(test)]
mod tests {
    use super::{Ground, REACH, larger, words};
    use std::vec;
    use std::vec::Vec;

    /// The darkest of all windows around a cell, each as light as the lightest of its cells that are in
    /// the picture.
    fn naive(cells: &[u8], height: usize, width: usize) -> Vec<u8> {
        let span = |start: usize, side: usize| start.saturating_sub(REACH)..(start + 1).min(side);
        let lightest = |bottom: usize, right: usize| {
            let rows = span(bottom, height);
            let all = rows.flat_map(|y| span(right, width).map(move |x| y * width + x));
            all.map(|at| cells[at]).max().expect("the window reaches into the picture")
        };
        let place = |at: usize| {
            let bottoms = at / width..at / width + REACH + 1;
            let ends =
                bottoms.flat_map(|y| (at % width..at % width + REACH + 1).map(move |x| [y, x]));
            ends.map(|[y, x]| lightest(y, x)).min().expect("some")
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
            let mut scratch = vec![u32::MAX; words(height, width)];
            let ground = Ground::of([height, width], &mut scratch, |row, out| {
                out.copy_from_slice(&cells[row * width..][..width]);
            });
            let found: Vec<u8> = (0..height).flat_map(|row| ground.row(row).to_vec()).collect();
            assert_eq!(found, naive(&cells, height, width), "{height}×{width}");
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
            let ground = Ground::of([40, 36], &mut scratch, |y, out| {
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
