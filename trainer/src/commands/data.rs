//! Options that say how a data set is read.

use std::path::Path;

use anyhow::{Error, Result};
use clap::{Args, ValueEnum};
use converter::record::ModelRecord;
use inkling_data::prepare::{Fill, Layout, Polarity, Preparation};
use inkling_data::read::{self, BadFile, Collection, ImportError, Options};
use inkling_support::console;

/// How pictures and tables become images
#[derive(Args, Clone)]
pub struct ImportArgs {
    /// Side of the images that pictures become, in pixels [default: the model's, or 28]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(8..=64))]
    pub size: Option<u16>,
    #[command(flatten)]
    pub picture: PictureArgs,
    /// Leave out files that cannot be used, instead of stopping
    #[arg(long)]
    pub skip_bad: bool,
    /// Fill missing pixels: empty cells of a CSV file, and --missing-value
    #[arg(long, value_enum)]
    pub fill: Option<Fill>,
    /// The grey level that stands for a missing pixel
    #[arg(long, value_name = "0-255")]
    pub missing_value: Option<u8>,
}

/// How one picture becomes an image
#[derive(Args, Clone, Copy)]
pub struct PictureArgs {
    /// What part of a picture becomes the image [default: the model's, or glyph]
    #[arg(long, value_enum)]
    pub layout: Option<Layout>,
    /// Whether the ink is lighter or darker than its ground [default: the model's, or auto]
    #[arg(long, value_enum)]
    pub ink: Option<Polarity>,
}

impl PictureArgs {
    /// How pictures are prepared for images of `size`: as the options say, and as the model of
    /// `record` was trained where they say nothing. An option that disagrees is told.
    pub fn preparation(&self, record: Option<&ModelRecord>, size: usize) -> Preparation {
        let recorded = record.map(ModelRecord::preparation).unwrap_or_default();
        Preparation {
            size,
            layout: chosen("--layout", self.layout, recorded.layout).unwrap_or_default(),
            polarity: chosen("--ink", self.ink, recorded.ink).unwrap_or_default(),
        }
    }
}

/// What was given, else what was recorded; says where they disagree.
fn chosen<T: ValueEnum + PartialEq>(
    option: &str,
    given: Option<T>,
    recorded: Option<T>,
) -> Option<T> {
    let name = |value: &T| {
        value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_string())
    };
    if let (Some(given), Some(recorded)) = (&given, &recorded)
        && given != recorded
    {
        disagree(option, &name(given), &name(recorded));
    }
    given.or(recorded)
}

/// Says that an option is not what the model was trained with.
pub fn disagree(option: &str, given: &str, recorded: &str) {
    console::note(format_args!(
        "warning: {option} {given}, but the model was trained with {recorded}; its answers may be \
         worthless"
    ));
}

impl ImportArgs {
    /// `seed` chooses the test images of a data set that has none.
    pub fn options(&self, seed: u64) -> Options {
        self.options_for(None, seed)
    }

    /// Reads samples for the model of `record` as they were read for its training, unless an option
    /// says otherwise.
    pub fn options_for(&self, record: Option<&ModelRecord>, seed: u64) -> Options {
        let own = record.and_then(|record| Some(record.inputs.first()?.shape[0]));
        let recorded = record.map(ModelRecord::preparation).unwrap_or_default();
        let size = self.size.map(usize::from).or(own).unwrap_or(DEFAULT_SIZE);
        if let (Some(given), Some(level)) = (self.missing_value, recorded.missing_value)
            && given != level
        {
            disagree("--missing-value", &given.to_string(), &level.to_string());
        }
        Options {
            preparation: self.picture.preparation(record, size),
            skip_bad: self.skip_bad,
            seed,
            fill: chosen("--fill", self.fill, recorded.fill),
            missing_value: self.missing_value.or(recorded.missing_value),
        }
    }
}

/// Side of images that nothing is said about: MNIST's.
const DEFAULT_SIZE: usize = 28;

/// Reads a data set, listing on standard error what in it cannot be used.
pub fn open(path: &Path, options: &Options) -> Result<Collection> {
    let result = read::open(path, options).map_err(Error::from);
    match &result {
        Ok(collection) => list(&collection.bad),
        Err(error) => list_bad(error),
    }
    result
}

/// Lists all files that an error is about, if it is about bad files.
pub fn list_bad(error: &Error) {
    if let Some(ImportError::Bad { bad, .. }) = error.downcast_ref() {
        list(bad);
    }
}

fn list(bad: &[BadFile]) {
    for file in bad {
        console::note(format_args!("bad: {}: {}", file.path.display(), file.what));
    }
}
