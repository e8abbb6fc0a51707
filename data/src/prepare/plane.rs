//! A grey picture of any size.

use firmware_core::prepare::{luma, resample, resample_words};

/// Brightness from 0 to 255, row-major `[height][width]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plane {
    pub height: usize,
    pub width: usize,
    pub pixels: Vec<u8>,
}

impl Plane {
    /// The plane with its longer side scaled down to at most `side`.
    pub fn resample_within(&self, side: usize) -> Plane {
        if self.height.max(self.width) <= side { self.clone() } else { self.resample_to(side) }
    }

    /// The plane with its longer side scaled to `side`.
    pub fn resample_to(&self, side: usize) -> Plane {
        let longer = self.height.max(self.width);
        let scaled = |own: usize| ((own * side + longer / 2) / longer).max(1);
        self.resample(scaled(self.height), scaled(self.width))
    }

    /// The brightness of a sample of `[height, width, channels]`: the luma of a colour picture, the
    /// first channel of others.
    pub fn from_sample([height, width, channels]: [usize; 3], sample: &[u8]) -> Self {
        let brightness = |pixel: &[u8]| match *pixel {
            [red, green, blue] | [red, green, blue, _] => luma([red, green, blue]),
            [first, ..] => first,
            [] => 0,
        };
        Self { height, width, pixels: sample.chunks_exact(channels).map(brightness).collect() }
    }

    /// The plane in another size. Where a side shrinks, a pixel is the mean of what it covers;
    /// where it grows, it lies on the line between its neighbours.
    pub fn resample(&self, height: usize, width: usize) -> Plane {
        let line = |row: usize, out: &mut [u8]| {
            out.copy_from_slice(&self.pixels[row * self.width..(row + 1) * self.width]);
        };
        Self::resampled([self.height, self.width], line, [height, width])
    }

    /// As [`Plane::resample`], of a source of `from` (height, width) whose rows are asked for one by
    /// one: no copy of a large picture is made.
    pub fn resampled(
        from: [usize; 2],
        line: impl FnMut(usize, &mut [u8]),
        [height, width]: [usize; 2],
    ) -> Plane {
        let mut pixels = Vec::with_capacity(height * width);
        let (mut buffer, mut scratch) = (vec![0; from[1]], vec![0; resample_words(width)]);
        resample(from, [height, width], 1, line, &mut buffer, &mut scratch, |_, row| {
            pixels.extend(row);
        });
        Plane { height, width, pixels }
    }
}
