//! A picture as it was found: of any size, in grey and, if it has any, in colour.

use super::plane::Plane;

/// A picture read from a file, with its orientation undone and its transparency filled.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Height and width in the file, after its orientation.
    pub size: [usize; 2],
    /// The brightness; its longer side has at most 640 pixels.
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
            pixels: pixels.iter().map(|pixel| f32::from(pixel[channel])).collect(),
        };
        if pixels.iter().all(|[red, green, blue, _]| red == green && green == blue) {
            return Self::grey(channel(0));
        }
        let grey = Plane::from_sample([height, width, 4], pixels.as_flattened());
        let colours = Some(Box::new([channel(0), channel(1), channel(2)]));
        Self { size: [height, width], grey, colours }
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
            let mut border: Vec<f32> = (0..pixels)
                .filter(|at| {
                    !(inner(at / plane.width, plane.height) && inner(at % plane.width, plane.width))
                })
                .map(|at| plane.pixels[at])
                .collect();
            let middle = border.len() / 2;
            *border.select_nth_unstable_by(middle, f32::total_cmp).1
        });
        let pixel = |at: usize| [0, 1, 2].map(|channel: usize| small[channel].pixels[at]);
        let count = (0..pixels).filter(|&at| counts(pixel(at), ground)).count();
        count as f32 / pixels as f32
    }
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
            let pixels = (0..40 * 40).map(|at| colour(at / 40, at % 40)[channel]).collect();
            Plane { height: 40, width: 40, pixels }
        };
        let colours = Some(Box::new([plane(0), plane(1), plane(2)]));
        Picture { size: [40, 40], grey: plane(1), colours }
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
