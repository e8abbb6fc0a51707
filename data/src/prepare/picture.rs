//! A picture as it was found: of any size, in grey and, if it has any, in colour.

use firmware_core::prepare::{MAX_SIDE, Rows, luma};

use super::plane::Plane;

/// A picture read from a file, with its orientation undone and its transparency filled.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Height and width in the file, after its orientation.
    pub size: [usize; 2],
    /// The brightness; its longer side has at most 512 pixels.
    pub grey: Plane,
    /// Red, green and blue in the size of `grey`, unless the file is grey.
    pub colours: Option<Box<[Plane; 3]>>,
}

/// Pixels whose colours differ by more than this are not grey, in levels.
const COLOURED: f32 = 12.0;
/// What light and lens do to the colour of grey things stays below this, in levels.
const STRIKING: f32 = 80.0;
/// Ink that differs in colour from its ground by more than this has a colour of its own, in levels.
const OWN_COLOUR: f32 = 48.0;
/// The share of pixels from which on a colour counts.
const SHARE: f32 = 0.01;
/// Side on which colours are looked at.
const SMALL: usize = 64;

impl Picture {
    /// A grey picture.
    pub fn grey(plane: Plane) -> Self {
        Self { size: [plane.height, plane.width], grey: plane, colours: None }
    }

    /// A picture of `height × width` pixels of red, green, blue and an opacity that is not looked at,
    /// as a canvas has them.
    pub fn from_rgba(height: usize, width: usize, pixels: &[u8]) -> Self {
        let (pixels, _) = pixels.as_chunks::<4>();
        let channel = |channel: usize| Plane {
            height,
            width,
            pixels: pixels.iter().map(|pixel| pixel[channel]).collect(),
        };
        if pixels.iter().all(|[red, green, blue, _]| red == green && green == blue) {
            return Self {
                size: [height, width],
                ..Self::grey(channel(0).resample_within(MAX_SIDE))
            };
        }
        let colours = [0, 1, 2].map(|at| channel(at).resample_within(MAX_SIDE));
        Self::in_colour([height, width], colours)
    }

    /// A picture of red, green and blue, which in its file had `size`.
    pub fn in_colour(size: [usize; 2], colours: [Plane; 3]) -> Self {
        let [red, green, blue] = &colours;
        let levels = red.pixels.iter().zip(&green.pixels).zip(&blue.pixels);
        let pixels = levels.map(|((&red, &green), &blue)| luma([red, green, blue])).collect();
        let grey = Plane { height: red.height, width: red.width, pixels };
        Self { size, grey, colours: Some(Box::new(colours)) }
    }

    /// Whether anything on it is not grey.
    pub fn has_colour(&self) -> bool {
        self.share(|pixel, _| spread(pixel) > COLOURED) > SHARE
    }

    /// Whether its colours are more than those of the light: things of different colours, or one
    /// striking colour.
    pub fn colour_matters(&self) -> bool {
        self.share(|pixel, ground| {
            let relative: [f32; 3] =
                std::array::from_fn(|i| pixel[i] * 255.0 / ground[i].max(64.0));
            spread(pixel) > STRIKING || (spread(pixel) > COLOURED && spread(relative) > OWN_COLOUR)
        }) > SHARE
    }

    /// The share of pixels for which `counts` holds, given their colour and the brightest usual one.
    fn share(&self, counts: impl Fn([f32; 3], [f32; 3]) -> bool) -> f32 {
        let Some(colours) = &self.colours else { return 0.0 };
        let small = colours.each_ref().map(|plane| plane.resample_within(SMALL));
        let pixels = small[0].pixels.len();
        // The light's colour: that of the border, in the median.
        let ground = small.each_ref().map(|plane| {
            let inner = |at: usize, side: usize| at > 0 && at + 1 < side;
            let mut border: Vec<u8> = (0..pixels)
                .filter(|at| {
                    !(inner(at / plane.width, plane.height) && inner(at % plane.width, plane.width))
                })
                .map(|at| plane.pixels[at])
                .collect();
            let middle = border.len() / 2;
            f32::from(*border.select_nth_unstable(middle).1)
        });
        let pixel =
            |at: usize| [0, 1, 2].map(|channel: usize| f32::from(small[channel].pixels[at]));
        let count = (0..pixels).filter(|&at| counts(pixel(at), ground)).count();
        count as f32 / pixels as f32
    }
}

impl Rows for Picture {
    fn height(&self) -> usize {
        self.grey.height
    }

    fn width(&self) -> usize {
        self.grey.width
    }

    fn lying(&self, row: usize, left: usize) -> Option<&[u8]> {
        Some(part(&self.grey, row, left))
    }

    fn grey(&self, row: usize, left: usize, out: &mut [u8]) {
        out.iter_mut().zip(part(&self.grey, row, left)).for_each(|(out, level)| *out = *level);
    }

    fn rgb(&self, row: usize, left: usize, out: &mut [u8]) {
        for channel in 0..3 {
            let plane = self.colours.as_ref().map_or(&self.grey, |colours| &colours[channel]);
            let values = out.iter_mut().skip(channel).step_by(3);
            values.zip(part(plane, row, left)).for_each(|(out, level)| *out = *level);
        }
    }
}

/// A row of a plane from a column on.
fn part(plane: &Plane, row: usize, left: usize) -> &[u8] {
    let row = plane.pixels.get(row * plane.width..).unwrap_or_default();
    row.get(..plane.width).and_then(|row| row.get(left..)).unwrap_or_default()
}

/// How far the colours of a pixel are apart.
fn spread(pixel: [f32; 3]) -> f32 {
    let [a, b, c] = pixel;
    a.max(b).max(c) - a.min(b).min(c)
}

#[cfg(test)]
mod tests {
    use super::{Picture, Plane};

    fn picture(colour: impl Fn(usize, usize) -> [f32; 3]) -> Picture {
        let plane = |channel: usize| {
            let level = |at: usize| colour(at / 40, at % 40)[channel].round() as u8;
            let pixels = (0..40 * 40).map(level).collect();
            Plane { height: 40, width: 40, pixels }
        };
        Picture::in_colour([40, 40], [plane(0), plane(1), plane(2)])
    }

    #[test]
    fn the_colour_of_light_is_told_from_that_of_things() {
        let stroke = |row: usize, column: usize| row.abs_diff(20) < 3 && column.abs_diff(20) < 10;
        let grey = picture(|row, _| [row as f32 * 4.0; 3]);
        assert!(!grey.has_colour() && !grey.colour_matters());
        // Black ink on paper in the light of a lamp.
        let warm = |shade: f32| [250.0 * shade, 235.0 * shade, 200.0 * shade];
        let lamp = picture(|row, column| warm(if stroke(row, column) { 0.2 } else { 1.0 }));
        assert!(lamp.has_colour() && !lamp.colour_matters());
        let red = picture(
            |row, column| {
                if stroke(row, column) { [200.0, 30.0, 40.0] } else { [240.0; 3] }
            },
        );
        assert!(red.colour_matters());
        let green = picture(|_, _| [30.0, 160.0, 40.0]);
        assert!(green.colour_matters());
    }
}
