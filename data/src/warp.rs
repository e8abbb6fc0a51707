//! Maps of an image onto itself, sampled bilinearly.

use std::ops::Range;

use crate::Dataset;

/// An affine map around the image's centre, from the place in the result to the place in the image.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Radians.
    pub angle: f32,
    /// Factors from the result to the image, rows and columns: 0.5 shows it twice as large.
    pub scale: [f32; 2],
    /// Pixels by which the result moves down and right.
    pub shift: [f32; 2],
    /// Columns that the image's place moves per row.
    pub shear: f32,
}

impl Default for Matrix {
    /// Changes nothing.
    fn default() -> Self {
        Self { angle: 0.0, scale: [1.0, 1.0], shift: [0.0, 0.0], shear: 0.0 }
    }
}

/// What lies beyond the edge of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Border {
    /// 0: the ground of light ink, as MNIST has it.
    Black,
    /// The nearest pixel: a photograph goes on.
    Continued,
}

/// Samples whose border is brighter than this, in the median, have no black ground.
const BLACK: u8 = 16;

/// Samples that are looked at to find out.
const LOOKED_AT: usize = 1000;

impl Border {
    /// That of a data set: black if its samples have a black border, in the median.
    pub fn of(dataset: &Dataset) -> Self {
        Self::of_part(dataset, dataset.shape, 0..dataset.image_size())
    }

    /// The same for a part of each sample: one of several inputs, of this shape and in these places.
    pub fn of_part(dataset: &Dataset, shape: [usize; 3], places: Range<usize>) -> Self {
        let [height, width, channels] = shape;
        let mut levels = [0_usize; 256];
        for image in dataset.spaced(LOOKED_AT).images() {
            for (place, &value) in image[places.clone()].iter().enumerate() {
                let (row, column) = (place / channels / width, place / channels % width);
                if row == 0 || column == 0 || row + 1 == height || column + 1 == width {
                    levels[usize::from(value)] += 1;
                }
            }
        }
        let dark: usize = levels[..usize::from(BLACK)].iter().sum();
        if 2 * dark >= levels.iter().sum() { Border::Black } else { Border::Continued }
    }
}

/// Samples one image.
pub struct Sampler<'i> {
    image: &'i [u8],
    shape: [usize; 3],
    border: Border,
}

impl<'i> Sampler<'i> {
    /// For an image `[height][width][channels]`, 0 to 255.
    pub fn new(image: &'i [u8], shape: [usize; 3], border: Border) -> Self {
        Self { image, shape, border }
    }

    fn pixel(&self, row: i32, column: i32, channel: usize) -> f32 {
        let [height, width, channels] = self.shape;
        let [row, column] = match self.border {
            Border::Black if row as usize >= height || column as usize >= width => return 0.0,
            Border::Black => [row as usize, column as usize],
            Border::Continued => [(row, height), (column, width)]
                .map(|(at, side)| (at.max(0) as usize).min(side - 1)),
        };
        f32::from(self.image[(row * width + column) * channels + channel])
    }

    /// Writes the mapped image into `out`, in the same layout, as values from 0 to 1. `moved` gives
    /// for a pixel of the result, counted row by row, how many rows and columns its place in the
    /// image moves on.
    pub fn sample(&self, map: &Matrix, moved: impl Fn(usize) -> [f32; 2], out: &mut [f32]) {
        let [height, width, channels] = self.shape;
        let centre = [(height as f32 - 1.0) / 2.0, (width as f32 - 1.0) / 2.0];
        let (sine, cosine) = map.angle.sin_cos();
        for (place, out) in out.chunks_exact_mut(channels).enumerate() {
            let (row, column) = (place / width, place % width);
            let y = row as f32 - centre[0] - map.shift[0];
            let x = column as f32 - centre[1] - map.shift[1];
            let down = (cosine * y + sine * x) * map.scale[0];
            let across = (cosine * x - sine * y) * map.scale[1];
            let across = if map.shear == 0.0 { across } else { across + map.shear * down };
            let [move_down, move_across] = moved(place);
            let (top, down) = cell(down + centre[0] + move_down);
            let (left, right) = cell(across + centre[1] + move_across);
            for (channel, out) in out.iter_mut().enumerate() {
                let row = |row: i32| {
                    self.pixel(row, left, channel) * (1.0 - right)
                        + self.pixel(row, left + 1, channel) * right
                };
                *out = (row(top) * (1.0 - down) + row(top + 1) * down) / 255.0;
            }
        }
    }
}

/// The whole number at or below a coordinate and how far above it the coordinate is.
fn cell(coordinate: f32) -> (i32, f32) {
    // Far beyond any image, so that truncation rounds down; `floor` is a call into a library on
    // the oldest x86-64.
    const OFFSET: i32 = 1 << 12;
    let whole = (coordinate + OFFSET as f32) as i32 - OFFSET;
    (whole, coordinate - whole as f32)
}
