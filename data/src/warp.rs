//! Maps of an image onto itself, sampled bilinearly.

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

/// Samples one image.
pub struct Sampler<'i> {
    image: &'i [u8],
    height: usize,
    width: usize,
}

impl<'i> Sampler<'i> {
    /// For an image of `height × width`, 0 to 255; beyond its edge is 0.
    pub fn new(image: &'i [u8], [height, width]: [usize; 2]) -> Self {
        Self { image, height, width }
    }

    fn pixel(&self, row: i32, column: i32) -> f32 {
        let inside = (row as usize) < self.height && (column as usize) < self.width;
        if inside {
            f32::from(self.image[row as usize * self.width + column as usize])
        } else {
            0.0
        }
    }

    /// Writes the mapped image into `out` as values from 0 to 1. `moved` gives for a place in the
    /// result, counted row by row, how many rows and columns its place in the image moves on.
    pub fn sample(&self, map: &Matrix, moved: impl Fn(usize) -> [f32; 2], out: &mut [f32]) {
        let centre = [(self.height as f32 - 1.0) / 2.0, (self.width as f32 - 1.0) / 2.0];
        let (sine, cosine) = map.angle.sin_cos();
        for (place, out) in out.iter_mut().enumerate() {
            let (row, column) = (place / self.width, place % self.width);
            let y = row as f32 - centre[0] - map.shift[0];
            let x = column as f32 - centre[1] - map.shift[1];
            let down = (cosine * y + sine * x) * map.scale[0];
            let across = (cosine * x - sine * y) * map.scale[1];
            let across = if map.shear == 0.0 { across } else { across + map.shear * down };
            let [move_down, move_across] = moved(place);
            let (top, down) = cell(down + centre[0] + move_down);
            let (left, right) = cell(across + centre[1] + move_across);
            let upper = self.pixel(top, left) * (1.0 - right) + self.pixel(top, left + 1) * right;
            let lower =
                self.pixel(top + 1, left) * (1.0 - right) + self.pixel(top + 1, left + 1) * right;
            *out = (upper * (1.0 - down) + lower * down) / 255.0;
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
