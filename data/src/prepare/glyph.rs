//! From a picture of one character to an image like those of MNIST.
//!
//! MNIST's images were made from scans so: the character's box, scaled with its aspect kept until
//! the longer side has 20 pixels, grey from anti-aliasing, put into a field of 28 × 28 with the
//! centre of mass at its centre. Light ink, dark ground. Other field sizes keep the proportion.

use super::ground;
use super::plane::Plane;
use super::preparation::{Preparation, Prepared, Step};
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

impl Preparation {
    /// The longer side of a character's box.
    pub(super) fn box_side(&self) -> usize {
        (self.shorter() * BOX.0 + BOX.1 / 2) / BOX.1
    }

    fn shorter(&self) -> usize {
        self.size[0].min(self.size[1])
    }

    /// Boxes and centres one character.
    ///
    /// # Errors
    ///
    /// One line if there is nothing on it.
    pub(super) fn glyph(&self, plane: &Plane) -> Result<Prepared, String> {
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
        let fine = plane.height.min(plane.width) >= 2 * self.shorter();
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
                 centre of {}×{}",
                self.size[0], self.size[1]
            ),
            picture: field.clone(),
        });
        Ok(Prepared { pixels: field.bytes(), inverted: !ground.light_ink, steps, warnings })
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
        let mut field = Plane::new(self.size[0], self.size[1]);
        let mass: f32 = boxed.pixels.iter().sum::<f32>().max(1e-6);
        let mut centre = [0.0, 0.0];
        for row in 0..boxed.height {
            for column in 0..boxed.width {
                centre[0] += boxed.at(row, column) * row as f32 / mass;
                centre[1] += boxed.at(row, column) * column as f32 / mass;
            }
        }
        let start = |axis: usize, side: usize| {
            let middle = CENTRE * self.size[axis] as f32;
            (middle - centre[axis]).round().clamp(0.0, (self.size[axis] - side) as f32) as usize
        };
        let (top, left) = (start(0, boxed.height), start(1, boxed.width));
        for row in 0..boxed.height {
            for column in 0..boxed.width {
                field.pixels[(top + row) * self.size[1] + left + column] = boxed.at(row, column);
            }
        }
        (field, centre)
    }
}
