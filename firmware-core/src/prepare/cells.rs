//! A frame as few cells: the means of 2 × 2, 4 × 4 or 8 × 8 pixels.

use super::Rows;

/// A cell is at most so many pixels high and wide, as a power of two.
const LARGEST: usize = 3;

/// The most cells along the longer side of a frame.
pub const MOST: usize = 96;

/// The side of a cell in pixels, as a power of two, for a frame whose longer side is `longer`.
pub const fn shift(longer: usize) -> usize {
    let mut shift = 0;
    while shift < LARGEST && longer >> shift > MOST {
        shift += 1;
    }
    shift
}

/// Words for two rows of a frame, and the sums of a row of cells.
pub const fn words(width: usize) -> usize {
    2 * width.div_ceil(4) + width.div_ceil(2)
}

/// The sums of two blocks of 2 × 2 bytes that lie side by side in two words, each in 16 bits.
#[inline(always)]
pub fn blocks(above: u32, below: u32) -> u32 {
    const EVEN: u32 = 0x00ff_00ff;
    (above & EVEN) + (above >> 8 & EVEN) + (below & EVEN) + (below >> 8 & EVEN)
}

/// The part of a frame that becomes cells.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The first cell's row and column, in cells.
    pub corner: [usize; 2],
    /// Rows and columns of cells.
    pub size: [usize; 2],
    /// The side of a cell in pixels, as a power of two.
    pub shift: usize,
    /// Light and dark are exchanged.
    pub inverted: bool,
}

/// Writes the cells of a part of a frame to `cells`, `[height][width]`; means are rounded half up.
pub fn reduce(rows: &impl Rows, part: Part, cells: &mut [u8], scratch: &mut [u32]) {
    let Part { corner: [top, left], size: [height, width], shift, inverted } = part;
    let side = 1 << shift;
    let pixels = width << shift;
    let line_words = pixels.div_ceil(4);
    let (first, rest) = scratch.split_at_mut(line_words.min(scratch.len()));
    let (second, sums) = rest.split_at_mut(line_words.min(rest.len()));
    let flip = if inverted { 0xff } else { 0 };
    for (row, out) in cells.chunks_exact_mut(width.max(1)).take(height).enumerate() {
        let y = (top + row) << shift;
        if side == 2 {
            let above = row_of(rows, y, left << shift, bytes(first, pixels));
            let below = row_of(rows, y + 1, left << shift, bytes(second, pixels));
            halve(above, below, out, flip);
            continue;
        }
        let sums = bytemuck::must_cast_slice_mut::<u32, u16>(&mut *sums);
        let sums = sums.get_mut(..width).unwrap_or_default();
        sums.fill(0);
        for y in y..y + side {
            let line = row_of(rows, y, left << shift, bytes(first, pixels));
            for (sum, block) in sums.iter_mut().zip(line.chunks_exact(side)) {
                *sum += block.iter().map(|&level| u16::from(level)).sum::<u16>();
            }
        }
        let half = (1 << (2 * shift)) >> 1;
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = ((*sum + half) >> (2 * shift)) as u8 ^ flip;
        }
    }
}

/// As many pixels of a row as `buffer` is long: where they lie, or written there.
#[inline(always)]
fn row_of<'a>(rows: &'a impl Rows, row: usize, left: usize, buffer: &'a mut [u8]) -> &'a [u8] {
    match rows.lying(row, left).and_then(|line| line.get(..buffer.len())) {
        Some(line) => line,
        None => {
            rows.grey(row, left, buffer);
            buffer
        }
    }
}

fn bytes(words: &mut [u32], length: usize) -> &mut [u8] {
    bytemuck::must_cast_slice_mut::<u32, u8>(words).get_mut(..length).unwrap_or_default()
}

/// The means of blocks of 2 × 2 pixels of two rows, by words where they lie at words.
fn halve(above: &[u8], below: &[u8], out: &mut [u8], flip: u8) {
    let words = bytemuck::try_cast_slice::<u8, u32>;
    if let (Ok(above), Ok(below)) = (words(above), words(below)) {
        for ((out, above), below) in out.chunks_exact_mut(2).zip(above).zip(below) {
            let means = (blocks(*above, *below) + 0x0002_0002) >> 2;
            if let [low, high] = out {
                *low = means as u8 ^ flip;
                *high = (means >> 16) as u8 ^ flip;
            }
        }
        return;
    }
    let pairs = above.chunks_exact(2).zip(below.chunks_exact(2));
    for (out, (above, below)) in out.iter_mut().zip(pairs) {
        let sum: u16 = above.iter().chain(below).map(|&level| u16::from(level)).sum();
        *out = ((sum + 2) >> 2) as u8 ^ flip;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Frame};
    use super::{Part, reduce, shift, words};

    #[test]
    fn cells_are_means_wherever_rows_lie() {
        let pixels: [u8; 1025] = core::array::from_fn(|at| (at * 89 % 251) as u8);
        for (start, width, shift, inverted) in [
            (0, 32, 1, false),
            (1, 32, 1, true),
            (0, 32, 2, false),
            (0, 32, 3, true),
            (0, 32, 0, true),
        ] {
            let frame =
                Frame::new(Format::Grey, 32, width, &pixels[start..start + 1024]).expect("fits");
            let size = [8 >> shift.min(2), 16 >> shift];
            let part = Part { corner: [1, 1], size, shift, inverted };
            let (mut cells, mut scratch) = ([0; 256], [0; words(32)]);
            reduce(&frame, part, &mut cells, &mut scratch);
            let side = 1 << shift;
            for row in 0..size[0] {
                for column in 0..size[1].min((32 >> shift) - 1) {
                    let sum: usize = (0..side * side)
                        .map(|at| {
                            let (y, x) =
                                (side + row * side + at / side, side + column * side + at % side);
                            usize::from(pixels[start + y * width + x])
                        })
                        .sum();
                    let mean = ((sum + side * side / 2) / (side * side)) as u8;
                    let expected = if inverted { 255 - mean } else { mean };
                    assert_eq!(cells[row * size[1] + column], expected, "{shift} {row} {column}");
                }
            }
        }
        assert_eq!([28, 96, 97, 160, 320, 512].map(shift), [0, 0, 1, 1, 2, 3]);
    }
}
