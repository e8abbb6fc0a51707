//! Augmentation: random changes to an image that leave its label as it is.

mod colour;
mod elastic;
mod mix;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::random::Random;
use crate::warp::{Border, Matrix, Sampler};

pub use mix::Mix;

/// The largest strengths; each image draws its own, uniformly. 0 turns a change off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Degrees to either side.
    pub rotation: f32,
    /// Fraction by which a side may grow or shrink, each side on its own.
    pub scale: f32,
    /// Pixels in either direction, not always whole ones.
    pub shift: f32,
    /// How far a row moves sideways per row further down, to either side.
    pub shear: f32,
    /// Pixels by which points move, each region in a direction of its own.
    pub elastic: f32,
    /// Pixels between the points that move on their own under `elastic`; 0 stands for 7.
    pub elastic_spacing: f32,
    /// Fraction of a side that a random crop may cut away, before the rest fills the image.
    pub crop: f32,
    /// Standard deviation of the noise added to each pixel, in units of full brightness.
    pub noise: f32,
    /// Fraction of the image's area that a random rectangle may cover with one random colour (also
    /// known as cut-out).
    pub erase: f32,
    /// How often, 0 to 1, an image is mirrored left to right. Not for digits.
    pub mirror: f32,
    /// Light added to or taken from the whole image, in units of full brightness.
    pub brightness: f32,
    /// Fraction by which the distances from the image's mean brightness may grow or shrink.
    pub contrast: f32,
    /// Fraction by which the colours may get stronger or weaker.
    pub saturation: f32,
    /// Degrees by which the colours may turn on the colour circle. Not where hue decides.
    pub hue: f32,
    /// How often, 0 to 1, a training image is the weighted mean of two, its label shared in proportion.
    pub mix_up: f32,
    /// How often a rectangle of another image lies in it, its label shared by the area.
    pub cut_mix: f32,
}

/// Spacing of the points of the elastic map unless given, in pixels.
const SPACING: f32 = 7.0;

impl Augmentation {
    /// Checks that every strength makes sense.
    ///
    /// # Errors
    ///
    /// One line that names the strength and its range.
    pub fn check(&self) -> Result<(), String> {
        for (name, value, most) in [
            ("rotation", self.rotation, 180.0),
            ("scale", self.scale, 0.9),
            ("shift", self.shift, 64.0),
            ("shear", self.shear, 2.0),
            ("elastic", self.elastic, 16.0),
            ("elastic_spacing", self.elastic_spacing, 64.0),
            ("crop", self.crop, 0.9),
            ("noise", self.noise, 1.0),
            ("erase", self.erase, 0.9),
            ("mirror", self.mirror, 1.0),
            ("brightness", self.brightness, 1.0),
            ("contrast", self.contrast, 1.0),
            ("saturation", self.saturation, 1.0),
            ("hue", self.hue, 180.0),
            ("mix_up", self.mix_up, 1.0),
            ("cut_mix", self.cut_mix, 1.0 - self.mix_up),
        ] {
            if !(0.0..=most).contains(&value) {
                return Err(format!(
                    "augmentation: {name} is {value}, but must be from 0 to {most}"
                ));
            }
        }
        if self.elastic_spacing > 0.0 && self.elastic_spacing < 2.0 {
            return Err("augmentation: elastic_spacing must be 0 or at least 2 pixels".into());
        }
        Ok(())
    }

    /// Writes a randomly changed `image` (`[height][width][channels]`, 0 to 255) into `out`, in the
    /// same layout, as values from 0 to 1. The same stream of random numbers gives the same result.
    ///
    /// All that moves pixels is one map, sampled once, so that strengths do not add blur.
    pub fn apply(
        &self,
        random: &mut Random,
        image: &[u8],
        shape: [usize; 3],
        border: Border,
        out: &mut [f32],
    ) {
        let [height, width, _] = shape;
        let sampler = Sampler::new(image, shape, border);
        let map = self.map(random, [height, width]);
        if self.elastic > 0.0 {
            let spacing = if self.elastic_spacing > 0.0 { self.elastic_spacing } else { SPACING };
            let moves = elastic::moves(random, [height, width], self.elastic, spacing);
            let along = if height == 1 { 0.0 } else { 1.0 };
            sampler.sample(&map, |place| [along * moves[place][0], moves[place][1]], out);
        } else {
            sampler.sample(&map, |_| [0.0, 0.0], out);
        }
        colour::change(self, random, shape[2], out);
        if self.noise > 0.0 {
            self.add_noise(random, out);
        }
        if self.erase > 0.0 {
            self.erase(random, shape, out);
        }
    }

    /// The same without what moves pixels or leaves some out, for samples whose order means something else
    /// than a place in a picture.
    pub fn unmoved(&self) -> Self {
        let Self { noise, brightness, contrast, saturation, hue, mix_up, .. } = *self;
        Self { noise, brightness, contrast, saturation, hue, mix_up, ..Self::default() }
    }

    /// Draws the affine part: from a place in the result back to one in the image. What is one row has
    /// nothing above and below, so it moves along itself only.
    fn map(&self, random: &mut Random, [height, width]: [usize; 2]) -> Matrix {
        let angle = random.between(-self.rotation, self.rotation).to_radians();
        let mut scale = [(); 2].map(|()| 1.0 / random.between(1.0 - self.scale, 1.0 + self.scale));
        let mut shift = [(); 2].map(|()| random.between(-self.shift, self.shift));
        let shear = if self.shear > 0.0 { random.between(-self.shear, self.shear) } else { 0.0 };
        if self.crop > 0.0 {
            let kept = 1.0 - self.crop * random.unit();
            for (axis, side) in [height, width].into_iter().enumerate() {
                scale[axis] *= kept;
                // The cut may lie anywhere, so the rest moves by up to half of what is cut.
                let room = 0.5 * (1.0 - kept) * side as f32 / kept;
                shift[axis] += random.between(-room, room);
            }
        }
        if self.mirror > 0.0 && random.unit() < self.mirror {
            scale[1] = -scale[1];
        }
        if height == 1 {
            return Matrix {
                angle: 0.0,
                scale: [1.0, scale[1]],
                shift: [0.0, shift[1]],
                shear: 0.0,
            };
        }
        Matrix { angle, scale, shift, shear }
    }

    fn add_noise(&self, random: &mut Random, out: &mut [f32]) {
        let strength = self.noise * random.unit();
        for pixel in out {
            *pixel = (*pixel + strength * random.normal()).clamp(0.0, 1.0);
        }
    }

    fn erase(&self, random: &mut Random, [height, width, channels]: [usize; 3], out: &mut [f32]) {
        let area = self.erase * random.unit() * (height * width) as f32;
        // From three times as high as wide to three times as wide as high, evenly on both sides.
        let aspect = 3_f32.powf(random.between(-1.0, 1.0));
        let side = |length: f32, most: usize| (length.round() as usize).min(most);
        let (rows, columns) =
            (side((area * aspect).sqrt(), height), side((area / aspect).sqrt(), width));
        let top = random.below((height - rows) as u32 + 1) as usize;
        let left = random.below((width - columns) as u32 + 1) as usize;
        let colour: Vec<f32> = (0..channels).map(|_| random.unit()).collect();
        for row in out.chunks_exact_mut(width * channels).skip(top).take(rows) {
            for pixel in row.chunks_exact_mut(channels).skip(left).take(columns) {
                pixel.copy_from_slice(&colour);
            }
        }
    }
}

impl fmt::Display for Augmentation {
    /// The changes that are on, with every value that matters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let mut part = |value: f32, text: String| {
            if value > 0.0 {
                parts.push(text);
            }
        };
        part(self.rotation, format!("rotation ±{}°", self.rotation));
        part(self.scale, format!("scale ±{}", self.scale));
        part(self.shift, format!("shift ±{} pixels", self.shift));
        part(self.shear, format!("shear ±{}", self.shear));
        let spacing = if self.elastic_spacing > 0.0 { self.elastic_spacing } else { SPACING };
        part(self.elastic, format!("elastic ±{} pixels every {spacing}", self.elastic));
        part(self.crop, format!("crop up to {}", self.crop));
        part(self.noise, format!("noise up to {}", self.noise));
        part(self.erase, format!("erasing up to {}", self.erase));
        part(self.mirror, format!("mirrored {} of the time", self.mirror));
        part(self.brightness, format!("brightness ±{}", self.brightness));
        part(self.contrast, format!("contrast ±{}", self.contrast));
        part(self.saturation, format!("saturation ±{}", self.saturation));
        part(self.hue, format!("hue ±{}°", self.hue));
        part(self.mix_up, format!("mix-up {} of the time", self.mix_up));
        part(self.cut_mix, format!("cut-mix {} of the time", self.cut_mix));
        f.write_str(&if parts.is_empty() {
            "no augmentation".to_string()
        } else {
            parts.join(", ")
        })
    }
}
