//! Options that say how a data set is read.

use std::path::Path;

use anyhow::Error;
use clap::{Args, ValueEnum};
use converter::record::ModelRecord;
use inkling_data::prepare::{Fill, InputForm, Layout, Polarity, Preparation, Wishes};
use inkling_data::read::{self, BadFile, Collection, ImportError, Options, Wanted};
use inkling_data::{MAX_SIDE, Room, USUAL_MEMORY};
use inkling_support::console;

/// How pictures and tables become images
#[derive(Args, Clone)]
pub struct ImportArgs {
    /// Height and width of the images that pictures become, in pixels; one number for a square
    /// [default: the model's; 28 for --layout glyph, else that of the pictures, brought down if they
    /// are large]
    #[arg(long, value_name = "HxW", value_parser = size)]
    pub size: Option<[usize; 2]>,
    #[command(flatten)]
    pub picture: PictureArgs,
    /// Make pictures in colour grey
    #[arg(long)]
    pub grey: bool,
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
    /// Samples of more megabytes than this lie in a file instead of memory; training keeps that file
    /// beside its results, so that the same data need not be decoded again
    #[arg(long, value_name = "MB", default_value_t = USUAL_MEMORY >> 20)]
    pub memory: u64,
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

/// How one picture becomes an image
#[derive(Args, Clone, Copy)]
pub struct PictureArgs {
    /// What part of a picture becomes the image [default: the model's, or chosen by looking at the
    /// pictures]
    #[arg(long, value_enum)]
    pub layout: Option<Layout>,
    /// Whether the ink is lighter or darker than its ground [default: the model's, or auto]
    #[arg(long, value_enum)]
    pub ink: Option<Polarity>,
}

/// How pictures were prepared for the training of a model, if it was trained on pictures.
fn recorded(record: &ModelRecord) -> Option<Preparation> {
    pictures(record.preparation().form.as_ref())
}

fn pictures(form: Option<&InputForm>) -> Option<Preparation> {
    match form {
        Some(InputForm::Pictures(preparation)) => Some(*preparation),
        _ => None,
    }
}

impl PictureArgs {
    /// How pictures are prepared for images of `shape`: as the options say, and as the model of
    /// `record` was trained where they say nothing. An option that disagrees is told.
    pub fn preparation(&self, record: &ModelRecord, shape: [usize; 3]) -> Preparation {
        self.preparation_by(record.preparation().form.as_ref(), shape)
    }

    /// The same for an input whose training data came by `form`.
    pub fn preparation_by(
        &self,
        form: Option<&InputForm>,
        [height, width, channels]: [usize; 3],
    ) -> Preparation {
        let recorded = pictures(form);
        // Colours have no ink that could be boxed.
        let usual = if channels > 1 { Layout::Whole } else { Layout::Glyph };
        let layout = chosen("--layout", self.layout, recorded.map(|recorded| recorded.layout));
        let polarity = chosen("--ink", self.ink, recorded.map(|recorded| recorded.polarity));
        Preparation {
            size: [height, width],
            channels,
            layout: layout.unwrap_or(usual),
            polarity: polarity.unwrap_or_default(),
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
        let shape = record.and_then(|record| Some(record.inputs.first()?.shape));
        let pictures = match (record, shape) {
            (Some(record), Some([height, width, channels])) => {
                let trained = self.picture.preparation(record, [height, width, channels]);
                let told = self.picture.layout.is_some() || recorded(record).is_some();
                Wishes {
                    size: self.size.or(Some([height, width])),
                    layout: told.then_some(trained.layout),
                    usual: None,
                    polarity: trained.polarity,
                    grey: self.grey || channels == 1,
                }
            }
            _ => Wishes {
                size: self.size,
                layout: self.picture.layout,
                usual: None,
                polarity: self.picture.ink.unwrap_or_default(),
                grey: self.grey,
            },
        };
        let recorded = record.map(ModelRecord::preparation).unwrap_or_default();
        if let (Some(given), Some(level)) = (self.missing_value, recorded.missing_value)
            && given != level
        {
            disagree("--missing-value", &given.to_string(), &level.to_string());
        }
        Options {
            pictures,
            numbers: match recorded.form {
                Some(InputForm::Numbers(scaling)) => Some(scaling),
                _ => None,
            },
            skip_bad: self.skip_bad,
            seed,
            fill: chosen("--fill", self.fill, recorded.fill),
            missing_value: self.missing_value.or(recorded.missing_value),
            label_column: self.label_column.clone(),
            inputs: record.map(|record| self.wanted(record, seed)).unwrap_or_default(),
            room: Room { memory: self.memory.saturating_mul(1 << 20), ..Room::default() },
            cache: None,
        }
    }

    /// What data must have for each input of a model of several, as in its training; of the options those
    /// count that are about samples and not about pictures.
    fn wanted(&self, record: &ModelRecord, seed: u64) -> Vec<Wanted> {
        let mut inputs = record.wanted();
        for Wanted { options, .. } in &mut inputs {
            options.skip_bad = self.skip_bad;
            options.seed = seed;
            options.label_column.clone_from(&self.label_column);
        }
        inputs
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
        console::note(format_args!("bad: {}: {}", file.path.display(), file.what));
    }
}
