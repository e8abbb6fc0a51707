//! From a picture of one character to an image like those of MNIST.
//!
//! MNIST's images were made from scans so: the character's box, scaled with its aspect kept until
//! the longer side has 20 pixels, grey from anti-aliasing, put into a field of 28 × 28 with the
//! centre of mass at its centre. Light ink, dark ground. Other field sizes keep the proportion.

use super::ground::{self, Polarity};
use super::plane::Plane;
use super::strokes;

/// What the longer side of the box has of a field's side: 20 of 28.
const BOX: (usize, usize) = (20, 28);

/// Where the centre of mass lies in a field, in units of its side, to half a pixel: in MNIST at
/// row and column 14 of 28, counted from 0.
const CENTRE: f32 = 0.5;

/// Ink weaker than this is a blank page, in grey levels.
const FAINTEST: f32 = 16.0;

/// Ink must stand out from the ground's noise by this factor.
const SIGNAL: f32 = 6.0;

/// The share of the ink's pixels that is weaker than full ink: nearly all on a clean ground, where
/// the strongest ink is what was drawn; less on a photo, where noise makes the strongest.
const CLEAN_CORE: f32 = 0.99;
const GRAINY_CORE: f32 = 0.8;

/// What part of a picture becomes the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Layout {
    /// One character, boxed and centred as in MNIST
    #[default]
    Glyph,
    /// The whole picture, scaled into the field
    Whole,
}

/// How pictures become images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preparation {
    /// Side of the images.
    pub size: usize,
    pub layout: Layout,
    pub polarity: Polarity,
}

impl Default for Preparation {
    fn default() -> Self {
        Self { size: 28, layout: Layout::default(), polarity: Polarity::default() }
    }
}

/// One step of a preparation, for a person to follow.
#[derive(Clone, Debug)]
pub struct Step {
    pub name: &'static str,
    pub what: String,
    pub picture: Plane,
}

/// An image with the way it came about.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// `size × size`, row-major.
    pub pixels: Vec<u8>,
    pub light_ink: bool,
    pub steps: Vec<Step>,
    /// What makes the result doubtful.
    pub warnings: Vec<String>,
}

impl Preparation {
    /// What is done, in words.
    pub fn words(&self) -> String {
        match self.layout {
            Layout::Glyph => format!(
                "one character, aspect kept, in a box of {}, centre of mass at the centre",
                self.box_side()
            ),
            Layout::Whole => "the whole picture, aspect kept".into(),
        }
    }

    fn box_side(&self) -> usize {
        (self.size * BOX.0 + BOX.1 / 2) / BOX.1
    }

    /// Prepares one picture.
    ///
    /// # Errors
    ///
    /// One line if there is nothing on it.
    pub fn apply(&self, plane: &Plane) -> Result<Prepared, String> {
        match self.layout {
            Layout::Glyph => self.glyph(plane),
            Layout::Whole => self.whole(plane),
        }
    }

    fn glyph(&self, plane: &Plane) -> Result<Prepared, String> {
        let ground = ground::find(plane, self.polarity);
        let mut steps = vec![Step {
            name: "ground",
            what: format!(
                "{} ink on a {} ground (border {:.0} of 255, {}, noise {:.1})",
                if ground.light_ink { "light" } else { "dark" },
                if ground.light_ink { "dark" } else { "light" },
                ground.border,
                if ground.even { "even" } else { "uneven: a smooth surface is taken off" },
                ground.noise
            ),
            picture: ground.ink.clone(),
        }];
        let threshold = strokes::threshold(&ground.ink);
        let core = if ground.even { CLEAN_CORE } else { GRAINY_CORE };
        let peak = strokes::peak(&ground.ink, threshold, core);
        if peak < FAINTEST.max(SIGNAL * ground.noise) {
            return Err(format!(
                "is blank: nothing stands out from the ground (contrast {peak:.0} of 255, noise {:.1})",
                ground.noise
            ));
        }
        let floor =
            if ground.even { ground.noise } else { (4.0 * ground.noise).max(0.5 * threshold) };
        let mut ink = ground.ink;
        let stretch = 255.0 / (peak - floor).max(1.0);
        ink.pixels
            .iter_mut()
            .for_each(|pixel| *pixel = ((*pixel - floor) * stretch).clamp(0.0, 255.0));
        let mut warnings = Vec::new();
        let fine = plane.height.min(plane.width) >= 2 * self.size;
        let threshold = ((threshold - floor) * stretch).clamp(1.0, 254.0);
        let removed = if fine { strokes::remove_specks(&mut ink, threshold) } else { 0 };
        steps.push(Step {
            name: "ink",
            what: format!(
                "ink from {floor:.0} to {peak:.0} stretched to 0 to 255{}",
                match removed {
                    0 => String::new(),
                    1 => ", 1 speck or edge removed".into(),
                    count => format!(", {count} specks and edges removed"),
                }
            ),
            picture: ink.clone(),
        });
        let covered = ink.pixels.iter().filter(|&&pixel| pixel > threshold).count();
        if covered * 2 > ink.pixels.len() {
            warnings.push(
                "ink covers more than half of the picture: this may be no single character".into(),
            );
        }
        let Some((corner, size)) = strokes::bounds(&ink, if fine { 25.0 } else { 0.5 }) else {
            return Err("is blank: nothing is left without specks".into());
        };
        let boxed = self.boxed(&ink.crop(corner, size));
        steps.push(Step {
            name: "box",
            what: format!(
                "ink in {}×{} pixels, scaled to {}×{}",
                size[0], size[1], boxed.height, boxed.width
            ),
            picture: boxed.clone(),
        });
        let (field, [row, column]) = self.centred(&boxed);
        steps.push(Step {
            name: "field",
            what: format!(
                "centre of mass at row {row:.1}, column {column:.1} of the box, moved to the \
                 centre of {0}×{0}",
                self.size
            ),
            picture: field.clone(),
        });
        Ok(Prepared { pixels: field.bytes(), light_ink: ground.light_ink, steps, warnings })
    }

    /// Scales the character so that its longer side fills the box.
    fn boxed(&self, ink: &Plane) -> Plane {
        let target = self.box_side();
        let longer = ink.height.max(ink.width);
        let side = |side: usize| ((side * target + longer / 2) / longer).max(1);
        ink.resample(side(ink.height), side(ink.width))
    }

    /// Puts the box into the field; also returns where its centre of mass was.
    fn centred(&self, boxed: &Plane) -> (Plane, [f32; 2]) {
        let mut field = Plane::new(self.size, self.size);
        let mass: f32 = boxed.pixels.iter().sum::<f32>().max(1e-6);
        let mut centre = [0.0, 0.0];
        for row in 0..boxed.height {
            for column in 0..boxed.width {
                centre[0] += boxed.at(row, column) * row as f32 / mass;
                centre[1] += boxed.at(row, column) * column as f32 / mass;
            }
        }
        let middle = CENTRE * self.size as f32;
        let start = |centre: f32, side: usize| {
            (middle - centre).round().clamp(0.0, (self.size - side) as f32) as usize
        };
        let (top, left) = (start(centre[0], boxed.height), start(centre[1], boxed.width));
        for row in 0..boxed.height {
            for column in 0..boxed.width {
                field.pixels[(top + row) * self.size + left + column] = boxed.at(row, column);
            }
        }
        (field, centre)
    }

    fn whole(&self, plane: &Plane) -> Result<Prepared, String> {
        let ground = ground::find(plane, self.polarity);
        let dark_ground = match self.polarity {
            Polarity::Auto => ground.border < 128.0,
            Polarity::Light => true,
            Polarity::Dark => false,
        };
        let upright = |pixel: f32| if dark_ground { pixel } else { 255.0 - pixel };
        let (low, high) = plane
            .pixels
            .iter()
            .fold((255_f32, 0_f32), |(low, high), &pixel| (low.min(pixel), high.max(pixel)));
        if high - low < FAINTEST {
            return Err(format!("is blank: all its pixels lie between {low:.0} and {high:.0}"));
        }
        let longer = plane.height.max(plane.width);
        let side = |side: usize| ((side * self.size + longer / 2) / longer).max(1);
        let scaled = plane.resample(side(plane.height), side(plane.width));
        let [top, left] = [(self.size - scaled.height) / 2, (self.size - scaled.width) / 2];
        let mut field = Plane::new(self.size, self.size);
        field.pixels.fill(upright(ground.border));
        for row in 0..scaled.height {
            for column in 0..scaled.width {
                field.pixels[(top + row) * self.size + left + column] =
                    upright(scaled.at(row, column));
            }
        }
        let what = format!(
            "the whole picture scaled to {}×{} in a field of {2}×{2}, {3}",
            scaled.height,
            scaled.width,
            self.size,
            if dark_ground {
                "brightness as it is (dark border)"
            } else {
                "inverted (light border)"
            }
        );
        let step = Step { name: "field", what, picture: field.clone() };
        Ok(Prepared {
            pixels: field.bytes(),
            light_ink: dark_ground,
            steps: vec![step],
            warnings: Vec::new(),
        })
    }
}
