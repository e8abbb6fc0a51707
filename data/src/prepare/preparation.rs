//! How pictures become images.

use serde::{Deserialize, Serialize};

use firmware_core::prepare::{self, Error, Form, Found, Watch};

use super::picture::Picture;
use super::plane::Plane;

/// What part of a picture becomes the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// One character, boxed and centred as in MNIST
    #[default]
    Glyph,
    /// The whole picture, scaled into the field
    Whole,
    /// The largest part around the middle that has the field's shape
    Crop,
}

/// How pictures become images: what a model must be told to be used right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preparation {
    /// Height and width of the images.
    pub size: [usize; 2],
    /// 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    pub layout: Layout,
    pub polarity: Polarity,
}

impl Default for Preparation {
    /// Digits as MNIST has them.
    fn default() -> Self {
        Self { size: [28, 28], channels: 1, layout: Layout::Glyph, polarity: Polarity::Auto }
    }
}

/// How the ink is told from its ground.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Polarity {
    /// Find out for each character; a whole picture stays as it is
    #[default]
    Auto,
    /// Light ink on a dark ground, as in MNIST
    Light,
    /// Dark ink on a light ground, as on paper
    Dark,
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
    /// `[height][width][channels]`.
    pub pixels: Vec<u8>,
    /// Dark became light and light dark.
    pub inverted: bool,
    pub steps: Vec<Step>,
    /// What makes the result doubtful.
    pub warnings: Vec<String>,
}

impl Preparation {
    /// Height, width and channels of the images.
    pub fn shape(&self) -> [usize; 3] {
        [self.size[0], self.size[1], self.channels]
    }

    /// As a device has it.
    pub fn on_device(&self) -> prepare::Preparation {
        prepare::Preparation {
            form: match self.layout {
                Layout::Glyph => Form::Digit,
                Layout::Whole => Form::Fit,
                Layout::Crop => Form::Crop,
            },
            size: self.size,
            channels: self.channels,
            polarity: match self.polarity {
                Polarity::Auto => prepare::Polarity::Auto,
                Polarity::Light => prepare::Polarity::Light,
                Polarity::Dark => prepare::Polarity::Dark,
            },
        }
    }

    /// What is done, in words.
    pub fn words(&self) -> String {
        let brightness = match self.polarity {
            Polarity::Auto | Polarity::Light => "brightness as it is",
            Polarity::Dark => "inverted",
        };
        match self.layout {
            Layout::Glyph => format!(
                "one character, aspect kept, in a box of {}, centre of mass at the centre",
                self.on_device().box_side()
            ),
            Layout::Whole => format!("the whole picture, aspect kept, {brightness}"),
            Layout::Crop => format!("the middle of the picture, aspect kept, {brightness}"),
        }
    }

    /// Prepares one picture, with the code of a device.
    ///
    /// # Errors
    ///
    /// One line if there is no character on it.
    pub fn apply(&self, picture: &Picture) -> Result<Prepared, String> {
        let mut steps = Steps::default();
        let (pixels, found) = self.run(picture, &mut steps).map_err(refusal)?;
        let field = Plane::from_sample(self.shape(), &pixels);
        let (words, warnings) = match self.layout {
            Layout::Glyph => (self.digit_words(&found), covered(&found)),
            Layout::Whole | Layout::Crop => (vec![self.whole_words(&found)], Vec::new()),
        };
        let names = ["ground", "ink", "box", "field"];
        let names = &names[names.len() - words.len()..];
        let steps = names.iter().zip(words).zip(steps.0.into_iter().chain([field]));
        let steps = steps.map(|((name, what), picture)| Step { name, what, picture }).collect();
        Ok(Prepared { pixels, inverted: found.dark_ink, steps, warnings })
    }

    /// The image of a picture, and what was found on it.
    ///
    /// # Errors
    ///
    /// As the device says it.
    pub(super) fn run(
        &self,
        picture: &Picture,
        watch: &mut impl Watch,
    ) -> Result<(Vec<u8>, Found), Error> {
        let preparation = self.on_device();
        let size = [picture.grey.height, picture.grey.width];
        let mut scratch = vec![0; prepare::scratch_words(size, &preparation)];
        let mut image = vec![0; preparation.bytes()];
        let found =
            prepare::prepare_watched(picture, &preparation, &mut scratch, &mut image, watch)?;
        Ok((image, found))
    }

    fn digit_words(&self, found: &Found) -> Vec<String> {
        let (ink, ground) = if found.dark_ink { ("dark", "light") } else { ("light", "dark") };
        let removed = match found.removed {
            0 => String::new(),
            1 => ", 1 speck or edge removed".into(),
            count => format!(", {count} specks and edges removed"),
        };
        let [height, width] = found.scaled;
        vec![
            format!("{ink} ink on a {ground} ground (noise {} of 255 of its light)", found.noise),
            format!("ink from {} to {} stretched to 0 to 255{removed}", found.floor, found.peak),
            format!(
                "ink in {}×{} pixels, scaled to {height}×{width}",
                found.bounds.height(),
                found.bounds.width()
            ),
            format!(
                "centre of mass moved to the centre of {}×{}: the box begins at row {}, column {}",
                self.size[0], self.size[1], found.corner[0], found.corner[1]
            ),
        ]
    }

    fn whole_words(&self, found: &Found) -> String {
        let [height, width] = found.scaled;
        let what = match self.layout {
            Layout::Crop => format!(
                "{}×{} pixels in the middle of the picture",
                found.bounds.height(),
                found.bounds.width()
            ),
            _ => "the whole picture".into(),
        };
        format!(
            "{what} scaled to {height}×{width} in a field of {}×{}, {}{}",
            self.size[0],
            self.size[1],
            if self.channels == 1 { "grey" } else { "in colour" },
            if found.dark_ink { ", inverted" } else { "" }
        )
    }
}

/// What makes a character doubtful.
fn covered(found: &Found) -> Vec<String> {
    let much = found.inked > 127;
    let what = "ink covers more than half of the picture: this may be no single character";
    much.then(|| what.to_string()).into_iter().collect()
}

/// Why a picture becomes no image, in one line.
fn refusal(error: Error) -> String {
    match error {
        Error::Blank { contrast, noise } => format!(
            "is blank: nothing stands out from the ground (contrast {contrast} of 255, noise {noise})"
        ),
        Error::Several(count) => {
            format!("shows {count} characters side by side; one is needed, so cut them apart")
        }
        Error::Texture => {
            "shows no single character: too much stands out from the ground".to_string()
        }
        other => other.to_string(),
    }
}

/// Keeps the pictures of the steps.
#[derive(Default)]
struct Steps(Vec<Plane>);

impl Watch for Steps {
    fn step(
        &mut self,
        _: prepare::Step,
        [height, width]: [usize; 2],
        levels: &mut dyn Iterator<Item = u8>,
    ) {
        self.0.push(Plane { height, width, pixels: levels.collect() });
    }
}
