//! Options that say how a data set is read.

use std::path::Path;

use anyhow::Error;
use clap::Args;
use inkling_data::MAX_SIDE;
use inkling_data::prepare::{Fill, Layout, Polarity, Wishes};
use inkling_data::read::{self, BadFile, Collection, ImportError, Options};

/// How pictures and tables become images
#[derive(Args, Clone)]
pub struct ImportArgs {
    /// Height and width of the images that pictures become, in pixels; one number for a square
    /// [default: 28 for --layout glyph, else that of the pictures, brought down if they are large]
    #[arg(long, value_name = "HxW", value_parser = size)]
    pub size: Option<[usize; 2]>,
    /// What part of a picture becomes the image [default: chosen by looking at the pictures]
    #[arg(long, value_enum)]
    pub layout: Option<Layout>,
    /// Make pictures in colour grey
    #[arg(long)]
    pub grey: bool,
    /// Whether the ink is lighter or darker than its ground
    #[arg(long, value_enum, default_value_t)]
    pub ink: Polarity,
    /// Leave out files that cannot be used, instead of stopping
    #[arg(long)]
    pub skip_bad: bool,
    /// Fill missing pixels: empty cells of a CSV file, and --missing-value
    #[arg(long, value_enum)]
    pub fill: Option<Fill>,
    /// The grey level that stands for a missing pixel
    #[arg(long, value_name = "0-255")]
    pub missing_value: Option<u8>,
    /// The column of a CSV file that has the labels: its title, its number from 1, first or last
    /// [default: found by its title and its values]
    #[arg(long, value_name = "COLUMN")]
    pub label_column: Option<String>,
}

/// `28` or `64x48`.
fn size(text: &str) -> Result<[usize; 2], String> {
    let (height, width) = text.split_once(['x', 'X', '×']).unwrap_or((text, text));
    let side = |side: &str| match side.trim().parse::<usize>() {
        Ok(side) if (1..=MAX_SIDE).contains(&side) => Ok(side),
        _ => Err(format!("{side:?} is no side from 1 to {MAX_SIDE}; give N or HEIGHTxWIDTH")),
    };
    Ok([side(height)?, side(width)?])
}

impl ImportArgs {
    /// `seed` chooses the test images of a data set that has none.
    pub fn options(&self, seed: u64) -> Options {
        Options {
            pictures: Wishes {
                size: self.size,
                layout: self.layout,
                polarity: self.ink,
                grey: self.grey,
            },
            skip_bad: self.skip_bad,
            seed,
            fill: self.fill,
            missing_value: self.missing_value,
            label_column: self.label_column.clone(),
        }
    }
}

/// Reads a data set, listing on standard error what in it cannot be used.
pub fn open(path: &Path, options: &Options) -> anyhow::Result<Collection> {
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
        eprintln!("bad: {}: {}", file.path.display(), file.what);
    }
}
