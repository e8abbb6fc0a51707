//! Options that say how a data set is read.

use std::path::Path;

use anyhow::{Error, Result};
use clap::Args;
use inkling_data::prepare::{Fill, Layout, Polarity, Preparation};
use inkling_data::read::{self, BadFile, Collection, ImportError, Options};

/// How pictures and tables become images
#[derive(Args, Clone)]
pub struct ImportArgs {
    /// Side of the images that pictures become, in pixels
    #[arg(long, value_name = "N", default_value_t = 28, value_parser = clap::value_parser!(u16).range(8..=64))]
    pub size: u16,
    /// What part of a picture becomes the image
    #[arg(long, value_enum, default_value_t)]
    pub layout: Layout,
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
}

impl ImportArgs {
    pub fn preparation(&self) -> Preparation {
        Preparation { size: self.size.into(), layout: self.layout, polarity: self.ink }
    }

    /// `seed` chooses the test images of a data set that has none.
    pub fn options(&self, seed: u64) -> Options {
        Options {
            preparation: self.preparation(),
            skip_bad: self.skip_bad,
            seed,
            fill: self.fill,
            missing_value: self.missing_value,
        }
    }
}

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
        eprintln!("bad: {}: {}", file.path.display(), file.what);
    }
}
