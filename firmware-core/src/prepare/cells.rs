//! A frame as few cells, squares of pixels.

use super::Rows;

/// The most cells along the longer side of a frame.
const MOST: usize = 48;

/// Sides of cells in pixels: from one of the last on, a cell is whole words of grey pixels wide.
const SIDES: [usize; 6] = [1, 2, 3, 4, 8, 12];

/// The side of a cell in pixels, for a frame whose longer side is `longer`.
pub const fn side(longer: usize) -> usize {
    let mut at = 0;
    while at + 1 < SIDES.len() && longer > MOST * SIDES[at] {
        at += 1;
    }
    if SIDES[at] > 0 { SIDES[at] } else { 1 }
}

/// Words for a row of a frame, and the sums of a row of cells.
pub const fn words(width: usize) -> usize {
    width.div_ceil(4) + width
}

/// The part of a frame that becomes cells.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The first pixel's row and column.
    pub corner: [usize; 2],
    /// Rows and columns of cells.
    pub size: [usize; 2],
    /// The side of a cell in pixels, 1 to 12.
    pub side: usize,
    /// Light and dark are exchanged.
    pub inverted: bool,
}

/// Writes the cells of a part of a frame to `cells`, `[height][width]`: the means of their pixels,
/// rounded half up.
pub fn reduce(rows: &impl Rows, part: Part, cells: &mut [u8], scratch: &mut [u32]) {
    let Part { corner: [top, left], size: [height, width], side, inverted } = part;
    let pixels = width * side;
    let (line, sums) = scratch.split_at_mut(pixels.div_ceil(4).min(scratch.len()));
    let line = bytemuck::must_cast_slice_mut::<u32, u8>(line);
    let line = line.get_mut(..pixels).unwrap_or_default();
    let sums = sums.get_mut(..width).unwrap_or_default();
    let flip = if inverted { 0xff } else { 0 };
    // The sum over the pixels of a cell, as a mean: the factor is rounded up, and too large by less than
    // what a sum of at most 12 · 12 · 255 would show.
    let area = side * side;
    let factor = ((1 << 23) / area.max(1) + usize::from(!area.is_power_of_two())) as u32;
    let half = (area / 2) as u32;
    for (row, out) in cells.chunks_exact_mut(width.max(1)).take(height).enumerate() {
        let words = |y: usize| {
            let line = rows.lying(top + row * side + y, left)?.get(..pixels)?;
            bytemuck::try_cast_slice::<u8, u32>(line).ok()
        };
        match side {
            2 => {
                if let (Some(above), Some(below)) = (words(0), words(1)) {
                    by_two(above, below, out, flip);
                    continue;
                }
            }
            4 => {
                if let (Some(a), Some(b), Some(c), Some(d)) =
                    (words(0), words(1), words(2), words(3))
                {
                    by_four([a, b, c, d], out, flip);
                    continue;
                }
            }
            _ => {}
        }
        sums.fill(0);
        for y in 0..side {
            let y = top + row * side + y;
            let lying = rows.lying(y, left).and_then(|line| line.get(..pixels));
            if lying.is_none() {
                rows.grey(y, left, line);
            }
            add(lying.unwrap_or(line), side, sums);
        }
        for (out, sum) in out.iter_mut().zip(sums.iter()) {
            let mean = ((sum + half) * factor) >> 23;
            *out = mean as u8 ^ flip;
        }
    }
}

/// The sums of neighbouring bytes of a word: of the first two in the lower half, of the others in the
/// upper one.
#[inline(always)]
const fn pairs(word: u32) -> u32 {
    /// Every second byte of a word.
    const EVEN: u32 = 0x00ff_00ff;
    (word & EVEN) + (word >> 8 & EVEN)
}

/// Cells of 2 × 2 pixels of two rows of words.
fn by_two(above: &[u32], below: &[u32], out: &mut [u8], flip: u8) {
    for ((out, above), below) in out.chunks_exact_mut(2).zip(above).zip(below) {
        let means = (pairs(*above) + pairs(*below) + 0x0002_0002) >> 2;
        if let [first, second] = out {
            *first = means as u8 ^ flip;
            *second = (means >> 16) as u8 ^ flip;
        }
    }
}

/// Cells of 4 × 4 pixels of four rows of words.
fn by_four([a, b, c, d]: [&[u32]; 4], out: &mut [u8], flip: u8) {
    for ((((out, a), b), c), d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        let sums = pairs(*a) + pairs(*b) + pairs(*c) + pairs(*d);
        *out = (((sums & 0xffff) + (sums >> 16) + 8) >> 4) as u8 ^ flip;
    }
}

/// Adds each `side` pixels of a line to the sum of their cell; by words where they lie at words.
#[inline(always)]
fn add(line: &[u8], side: usize, sums: &mut [u32]) {
    let words = bytemuck::try_cast_slice::<u8, u32>(line).ok();
    match (side, words) {
        (4 | 8 | 12, Some(words)) => {
            for (sum, words) in sums.iter_mut().zip(words.chunks_exact(side / 4)) {
                let halves = words.iter().fold(0, |sum, &word| sum + pairs(word));
                *sum += (halves & 0xffff) + (halves >> 16);
            }
        }
        (3, _) => {
            for (sum, block) in sums.iter_mut().zip(line.chunks_exact(3)) {
                *sum += block.iter().map(|&level| u32::from(level)).sum::<u32>();
            }
        }
        (1, _) => sums.iter_mut().zip(line).for_each(|(sum, level)| *sum += u32::from(*level)),
        _ => {
            for (sum, block) in sums.iter_mut().zip(line.chunks_exact(side.max(1))) {
                *sum += block.iter().map(|&level| u32::from(level)).sum::<u32>();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Frame};
    use super::{Part, reduce, side, words};

    #[test]
    fn cells_are_means_wherever_rows_lie() {
        let pixels: [u8; 1025] = core::array::from_fn(|at| (at * 89 % 251) as u8);
        for start in [0, 1] {
            let bytes = &pixels[start..start + 1024];
            let frame = Frame::new(Format::Grey, 32, 32, bytes).expect("fits");
            for side in 1..=12 {
                let size = [28 / side, 24 / side];
                let part = Part { corner: [3, 4], size, side, inverted: side % 2 == 1 };
                let (mut cells, mut scratch) = ([0; 28 * 24], [0; words(32)]);
                reduce(&frame, part, &mut cells, &mut scratch);
                for at in 0..size[0] * size[1] {
                    let (row, column) = (at / size[1], at % size[1]);
                    let place =
                        |n: usize| (3 + row * side + n / side) * 32 + 4 + column * side + n % side;
                    let sum: usize = (0..side * side).map(|n| usize::from(bytes[place(n)])).sum();
                    let mean = ((sum + side * side / 2) / (side * side)) as u8;
                    let expected = if part.inverted { 255 - mean } else { mean };
                    assert_eq!(cells[at], expected, "{start} {side} {row} {column}");
                }
            }
        }
        assert_eq!([28, 48, 49, 97, 160, 320, 512].map(side), [1, 1, 2, 3, 4, 8, 12]);
    }

    /// The product in place of the division, for every sum that there can be.
    #[test]
    fn means_are_rounded_right() {
        for side in 1..=12_usize {
            let area = side * side;
            let factor = (1 << 23) / area + usize::from(!area.is_power_of_two());
            for sum in 0..=area * 255 {
                let rounded = ((sum + area / 2) * factor) >> 23;
                assert_eq!(rounded, (sum + area / 2) / area, "{side} {sum}");
            }
        }
    }
}
