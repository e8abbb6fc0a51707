//! How pictures become images.

use serde::{Deserialize, Serialize};

use super::ground::Polarity;
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

    /// What is done, in words.
    pub fn words(&self) -> String {
        match self.layout {
            Layout::Glyph => format!(
                "one character, aspect kept, in a box of {}, centre of mass at the centre",
                self.box_side()
            ),
            Layout::Whole => {
                let brightness = match self.polarity {
                    Polarity::Auto | Polarity::Light => "brightness as it is",
                    Polarity::Dark => "inverted",
                };
                format!("the whole picture, aspect kept, {brightness}")
            }
        }
    }

    /// Prepares one picture.
    ///
    /// # Errors
    ///
    /// One line if there is no character on it.
    pub fn apply(&self, picture: &Picture) -> Result<Prepared, String> {
        match self.layout {
            Layout::Glyph => {
                let mut prepared = self.glyph(&picture.grey)?;
                if self.channels > 1 {
                    let grey = |&pixel: &u8| std::iter::repeat_n(pixel, self.channels);
                    prepared.pixels = prepared.pixels.iter().flat_map(grey).collect();
                }
                Ok(prepared)
            }
            Layout::Whole => Ok(self.whole(picture)),
        }
    }
}
