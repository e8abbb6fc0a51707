//! What a camera writes to memory, and its pixels row by row.

use super::Error;

/// The longest side of a frame.
pub const MAX_SIDE: usize = 512;

/// The shortest side of a frame.
pub const MIN_SIDE: usize = 8;

/// How the bytes of a frame are pixels, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One byte per pixel: its brightness.
    Grey,
    /// Two bytes per pixel, the lower one first: red in the upper 5 bits, green in 6, blue in 5.
    Rgb565,
    /// The same with the upper byte first, as most camera modules send it.
    Rgb565Swapped,
    /// Three bytes per pixel: red, green, blue.
    Rgb888,
    /// Four bytes for two pixels, the brightness first: Y, U, Y, V.
    Yuyv,
    /// Four bytes for two pixels, the colour first: U, Y, V, Y.
    Uyvy,
}

impl Format {
    /// Bytes of a pixel.
    pub const fn bytes(self) -> usize {
        match self {
            Format::Grey => 1,
            Format::Rgb888 => 3,
            _ => 2,
        }
    }
}

/// The brightness of a colour, as ITU-R BT.709 weighs it, rounded to the nearest.
#[inline]
pub const fn luma([red, green, blue]: [u8; 3]) -> u8 {
    ((54 * red as u32 + 183 * green as u32 + 19 * blue as u32 + 128) >> 8) as u8
}

/// A picture whose pixels can be had row by row.
///
/// Rows and columns that are not there read as anything; no implementation may panic for them.
pub trait Rows {
    /// Pixels of a column.
    fn height(&self) -> usize;

    /// Pixels of a row.
    fn width(&self) -> usize;

    /// The brightness of the pixels of `row` from column `left` on, where it lies somewhere as bytes.
    fn lying(&self, _row: usize, _left: usize) -> Option<&[u8]> {
        None
    }

    /// Writes the brightness of the pixels of `row` from column `left` on, as many as `out` is long.
    fn grey(&self, row: usize, left: usize, out: &mut [u8]);

    /// Red, green and blue of the pixels of `row` from column `left` on, a third as many as `out` is
    /// long.
    fn rgb(&self, row: usize, left: usize, out: &mut [u8]);
}

/// A borrowed frame: `[height][width]` pixels of [`Format::bytes`] bytes, without gaps between rows.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'f> {
    format: Format,
    height: usize,
    width: usize,
    bytes: &'f [u8],
}

impl<'f> Frame<'f> {
    /// A frame in memory. Grey ones are reduced fastest where they start at a multiple of four.
    ///
    /// # Errors
    ///
    /// [`Error::FrameSize`] if a side is not from [`MIN_SIDE`] to [`MAX_SIDE`], the number of bytes is
    /// another, or two pixels share colours and the width is odd.
    pub const fn new(
        format: Format,
        height: usize,
        width: usize,
        bytes: &'f [u8],
    ) -> Result<Self, Error> {
        let possible = height >= MIN_SIDE
            && height <= MAX_SIDE
            && width >= MIN_SIDE
            && width <= MAX_SIDE
            && height * width * format.bytes() == bytes.len()
            && !(matches!(format, Format::Yuyv | Format::Uyvy) && width % 2 == 1);
        if possible { Ok(Self { format, height, width, bytes }) } else { Err(Error::FrameSize) }
    }

    /// The bytes of a row from column `left` on; with two pixels in four bytes, from an even one.
    fn row(&self, row: usize, left: usize) -> &'f [u8] {
        let size = self.format.bytes();
        let row = self.bytes.get(row * self.width * size..).unwrap_or_default();
        let row = row.get(..self.width * size).unwrap_or_default();
        row.get(left * size..).unwrap_or_default()
    }
}

/// A colour of 5, 6 and 5 bits as bytes: the upper bits are repeated below, so that full stays full.
#[inline]
fn rgb565(pixel: u16) -> [u8; 3] {
    let (red, green, blue) = (pixel >> 11, pixel >> 5 & 63, pixel & 31);
    [red << 3 | red >> 2, green << 2 | green >> 4, blue << 3 | blue >> 2].map(|level| level as u8)
}

/// Full-range ITU-R BT.601, as JPEG and most camera modules have it; factors in 256ths.
#[inline]
fn yuv([y, u, v]: [u8; 3]) -> [u8; 3] {
    let [y, u, v] = [y as i32, u as i32 - 128, v as i32 - 128];
    let level = |sum: i32| ((sum + 128) >> 8).clamp(0, 255) as u8;
    [level(256 * y + 359 * v), level(256 * y - 88 * u - 183 * v), level(256 * y + 454 * u)]
}

impl Rows for Frame<'_> {
    fn height(&self) -> usize {
        self.height
    }

    fn width(&self) -> usize {
        self.width
    }

    fn lying(&self, row: usize, left: usize) -> Option<&[u8]> {
        (self.format == Format::Grey).then(|| self.row(row, left))
    }

    fn grey(&self, row: usize, left: usize, out: &mut [u8]) {
        let bytes = self.row(row, left);
        match self.format {
            Format::Grey => out.iter_mut().zip(bytes).for_each(|(out, level)| *out = *level),
            Format::Rgb565 => {
                for (out, pixel) in out.iter_mut().zip(bytes.chunks_exact(2)) {
                    *out = luma(rgb565(half(pixel, u16::from_le_bytes)));
                }
            }
            Format::Rgb565Swapped => {
                for (out, pixel) in out.iter_mut().zip(bytes.chunks_exact(2)) {
                    *out = luma(rgb565(half(pixel, u16::from_be_bytes)));
                }
            }
            Format::Rgb888 => {
                for (out, pixel) in out.iter_mut().zip(bytes.chunks_exact(3)) {
                    *out = pixel.try_into().map_or(0, luma);
                }
            }
            Format::Yuyv => {
                let levels = bytes.iter().step_by(2);
                out.iter_mut().zip(levels).for_each(|(out, level)| *out = *level);
            }
            Format::Uyvy => {
                let levels = bytes.iter().skip(1).step_by(2);
                out.iter_mut().zip(levels).for_each(|(out, level)| *out = *level);
            }
        }
    }

    fn rgb(&self, row: usize, left: usize, out: &mut [u8]) {
        let pixels = out.chunks_exact_mut(3);
        match self.format {
            Format::Grey => {
                pixels.zip(self.row(row, left)).for_each(|(out, level)| out.fill(*level));
            }
            Format::Rgb888 => {
                let bytes = self.row(row, left);
                out.iter_mut().zip(bytes).for_each(|(out, level)| *out = *level);
            }
            Format::Rgb565 | Format::Rgb565Swapped => {
                let of = match self.format {
                    Format::Rgb565 => u16::from_le_bytes,
                    _ => u16::from_be_bytes,
                };
                for (out, pixel) in pixels.zip(self.row(row, left).chunks_exact(2)) {
                    copy(out, rgb565(half(pixel, of)));
                }
            }
            Format::Yuyv | Format::Uyvy => {
                // The first pixel may be the second of its pair.
                let pairs = self.row(row, left & !1).chunks_exact(4);
                let colours = pairs.flat_map(|pair| {
                    let [a, b, c, d] = pair.try_into().unwrap_or_default();
                    match self.format {
                        Format::Yuyv => [yuv([a, b, d]), yuv([c, b, d])],
                        _ => [yuv([b, a, c]), yuv([d, a, c])],
                    }
                });
                pixels.zip(colours.skip(left & 1)).for_each(|(out, colour)| copy(out, colour));
            }
        }
    }
}

fn half(pixel: &[u8], of: impl Fn([u8; 2]) -> u16) -> u16 {
    of(pixel.try_into().unwrap_or_default())
}

fn copy(out: &mut [u8], colour: [u8; 3]) {
    out.iter_mut().zip(colour).for_each(|(out, level)| *out = level);
}

#[cfg(test)]
mod tests {
    use super::{Format, Frame, Rows};

    #[test]
    fn every_format_has_the_same_pixels() {
        // White, black, red, blue in a row, repeated; the sides are the least ones.
        let frame = |format, bytes: &[u8]| {
            let rows = bytes.repeat(16);
            let frame = Frame::new(format, 8, 8, &rows).expect("of its size");
            let (mut grey, mut rgb) = ([0; 4], [0; 12]);
            frame.grey(1, 0, &mut grey);
            frame.rgb(1, 1, &mut rgb[..9]);
            (grey, <[u8; 9]>::try_from(&rgb[..9]).expect("nine"))
        };
        let colours = [0, 0, 0, 255, 0, 0, 0, 0, 255];
        let levels = [255, 0, 54, 19];
        let rgb = [255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 0, 255];
        assert_eq!(frame(Format::Rgb888, &rgb), (levels, colours));
        let low_first = [0xff, 0xff, 0, 0, 0, 0xf8, 0x1f, 0];
        assert_eq!(frame(Format::Rgb565, &low_first), (levels, colours));
        let high_first = [0xff, 0xff, 0, 0, 0xf8, 0, 0, 0x1f];
        assert_eq!(frame(Format::Rgb565Swapped, &high_first), (levels, colours));
        let (grey, _) = frame(Format::Yuyv, &[10, 128, 20, 128, 30, 90, 40, 200]);
        assert_eq!(grey, [10, 20, 30, 40]);
        let (grey, rgb) = frame(Format::Uyvy, &[128, 10, 128, 20, 84, 76, 255, 76]);
        assert_eq!(grey, [10, 20, 76, 76]);
        // The second pair is red: Y 76, U 84, V 255.
        assert!(rgb[3] >= 253 && rgb[4] <= 2 && rgb[5] <= 2, "{rgb:?}");
    }

    #[test]
    fn other_numbers_of_bytes_are_refused() {
        assert!(Frame::new(Format::Grey, 8, 8, &[0; 63]).is_err());
        assert!(Frame::new(Format::Grey, 7, 8, &[0; 56]).is_err());
        assert!(Frame::new(Format::Yuyv, 8, 9, &[0; 144]).is_err());
        assert!(Frame::new(Format::Rgb888, 8, 9, &[0; 216]).is_ok());
    }
}
