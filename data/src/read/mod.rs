//! Data sets as people have them: pictures in a folder per label, CSV tables, IDX files.

mod folder;
pub mod idx;
pub mod labels;
mod picture;
mod preview;
mod table;
mod test_split;

use std::io;
use std::path::{Path, PathBuf};

use crate::{Dataset, DatasetError, Split};
use image::GrayImage;

use crate::prepare::{Fill, Preparation, fill};

pub use picture::{Picture, read as read_picture};
pub use preview::sheet;
use table::Table;

/// Names of the folders or tables that divide a data set.
const TRAIN: &str = "train";
const TEST: &str = "test";

/// How a data set is read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub preparation: Preparation,
    /// Leave out what cannot be used instead of refusing the data set.
    pub skip_bad: bool,
    /// Chooses the test images of a data set that has none.
    pub seed: u64,
    pub fill: Option<Fill>,
    /// The value that stands for a missing pixel, beside empty cells.
    pub missing_value: Option<u8>,
}

/// A file, or a row of one, that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFile {
    pub path: PathBuf,
    /// What is wrong, without the path.
    pub what: String,
}

/// A data set, divided.
pub struct Collection {
    pub train: Dataset,
    pub test: Dataset,
    /// Which `test` is: given with the data, or set aside by the seed.
    pub test_given: bool,
    /// What was chosen on the way, a line each.
    pub notes: Vec<String>,
    /// What was left out.
    pub bad: Vec<BadFile>,
    /// Pictures as they were found, each beside the image it became; a row per class.
    pub preview: Option<GrayImage>,
}

/// Reads a data set, whichever form it has.
///
/// - a folder with the IDX files of MNIST;
/// - a CSV file `label,pixel…`, or a folder with one, or with `train.csv` and `test.csv`;
/// - a folder per label with PNG, JPEG or BMP files, or `train` and `test` with such folders.
///
/// Where there is no test set, a seventh of each class becomes one, chosen by the seed.
///
/// # Errors
///
/// Names the file or folder and what is wrong with it. [`ImportError::Bad`] lists all files that
/// cannot be used.
pub fn open(path: &Path, options: &Options) -> Result<Collection, ImportError> {
    let size = options.preparation.size;
    if !(8..=crate::MAX_SIDE).contains(&size) {
        let most = crate::MAX_SIDE;
        return Err(malformed(
            path,
            format!("images of size {size} asked for; 8 to {most} are possible"),
        ));
    }
    let mut collection = match form(path)? {
        Form::Idx => idx(path, options)?,
        Form::Table { train, test } => tables(&train, test.as_deref(), options)?,
        Form::Pictures { train, test } => pictures(&train, test.as_deref(), options)?,
    };
    if !collection.bad.is_empty() && !options.skip_bad {
        return Err(ImportError::Bad { path: path.to_path_buf(), bad: collection.bad });
    }
    if !collection.bad.is_empty() {
        collection.notes.push(format!("{} left out by --skip-bad", collection.bad.len()));
    }
    if !collection.test_given {
        (collection.train, collection.test) = test_split::divide(&collection.train, options.seed);
        collection.notes.push(format!(
            "no test set: a seventh of each class ({} images) was set aside for it, by seed {}",
            collection.test.len(),
            options.seed
        ));
    }
    if collection.train.is_empty() || collection.test.is_empty() {
        return Err(malformed(path, "too few images: every class needs two at least".into()));
    }
    Ok(collection)
}

fn malformed(path: &Path, what: String) -> ImportError {
    ImportError::Malformed { path: path.to_path_buf(), what }
}

enum Form {
    Idx,
    Table { train: PathBuf, test: Option<PathBuf> },
    Pictures { train: PathBuf, test: Option<PathBuf> },
}

fn form(path: &Path) -> Result<Form, ImportError> {
    let is_table =
        |path: &Path| path.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
    if path.is_file() && is_table(path) {
        return Ok(Form::Table { train: path.to_path_buf(), test: None });
    }
    let failed = |error| ImportError::Read { path: path.to_path_buf(), error };
    let mut entries = Vec::new();
    for entry in path.read_dir().map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            entries.push(path);
        }
    }
    entries.sort();
    let (idx_name, _) = Split::Train.file_names();
    if ["", ".gz"].iter().any(|end| path.join(format!("{idx_name}{end}")).is_file()) {
        return Ok(Form::Idx);
    }
    let tables: Vec<&PathBuf> = entries.iter().filter(|entry| is_table(entry)).collect();
    let called = |part: &str| {
        let stem = |path: &&&PathBuf| {
            path.file_stem()
                .is_some_and(|stem| stem.to_string_lossy().to_lowercase().contains(part))
        };
        tables.iter().find(stem).map(|path| path.to_path_buf())
    };
    match (tables.as_slice(), called(TRAIN), called(TEST)) {
        ([], ..) => {}
        ([one], ..) => return Ok(Form::Table { train: one.to_path_buf(), test: None }),
        (_, Some(train), test) => return Ok(Form::Table { train, test }),
        (several, None, _) => {
            let count = several.len();
            return Err(malformed(
                path,
                format!(
                    "{count} CSV files; name the one to use, or call them train.csv and test.csv"
                ),
            ));
        }
    }
    let (train, test) = (path.join(TRAIN), path.join(TEST));
    if train.is_dir()
        && train.read_dir().map_err(failed)?.flatten().any(|entry| entry.path().is_dir())
    {
        return Ok(Form::Pictures { train, test: test.is_dir().then_some(test) });
    }
    if entries.iter().any(|entry| entry.is_dir()) {
        return Ok(Form::Pictures { train: path.to_path_buf(), test: None });
    }
    Err(malformed(
        path,
        "no data set; expected IDX files as MNIST has them, a CSV file of label,pixel,…, or a folder \
         per label with PNG, JPEG or BMP files"
            .into(),
    ))
}

fn idx(path: &Path, options: &Options) -> Result<Collection, ImportError> {
    let mut train = Dataset::load(path, Split::Train)?;
    let mut test = Dataset::load(path, Split::Test)?;
    let (images, labels) = Split::Test.files(path);
    train.check_twin(&test, &images, &labels)?;
    let names = match labels::read(path).map_err(ImportError::Labels)? {
        Some(names) if names.len() >= train.classes() => names,
        Some(names) => {
            let what = format!(
                "{} names in {} for {} classes",
                names.len(),
                labels::FILE,
                train.classes()
            );
            return Err(malformed(path, what));
        }
        None => train.names.clone(),
    };
    train.names.clone_from(&names);
    test.names = names;
    let mut notes = Vec::new();
    if let Some(missing) = options.missing_value {
        let how = options.fill.unwrap_or(Fill::Interpolate);
        for (name, dataset) in [("training", &mut train), ("test", &mut test)] {
            let known = |&pixel: &u8| if pixel == missing { f32::NAN } else { f32::from(pixel) };
            let mut pixels: Vec<f32> = dataset.images().flatten().map(known).collect();
            let count = fill(&mut pixels, dataset.shape, how);
            let filled = pixels.iter().map(|pixel| pixel.round() as u8).collect();
            *dataset = dataset.with_samples(dataset.shape, filled);
            notes.push(format!("{count} missing {name} pixels (value {missing}) filled: {how:?}"));
        }
    }
    Ok(Collection { train, test, test_given: true, notes, bad: Vec::new(), preview: None })
}

fn tables(train: &Path, test: Option<&Path>, options: &Options) -> Result<Collection, ImportError> {
    let read = |path: &Path| {
        let mut table = table::read(path, options.missing_value.map(f32::from))?;
        fill_table(path, &mut table, options)?;
        Ok::<_, ImportError>(table)
    };
    let train_table = read(train)?;
    let test_table = test.map(read).transpose()?;
    let tables = || std::iter::once(&train_table).chain(&test_table);
    let bad: Vec<BadFile> = tables().flat_map(|table| table.bad.iter().cloned()).collect();
    if !bad.is_empty() && !options.skip_bad {
        return Err(ImportError::Bad { path: train.to_path_buf(), bad });
    }
    let names = table::names(tables());
    if !(2..=crate::MAX_CLASSES).contains(&names.len()) {
        return Err(malformed(
            train,
            format!("{} different labels; 2 to 256 are possible", names.len()),
        ));
    }
    let dataset = train_table.dataset(&names);
    let mut notes = train_table.notes;
    let mut test_set = dataset.subset(&[]);
    if let (Some(table), Some(path)) = (test_table, test) {
        test_set = table.dataset(&names);
        dataset.check_twin(&test_set, path, path)?;
        notes.extend(table.notes.into_iter().map(|note| format!("test: {note}")));
    }
    Ok(Collection {
        train: dataset,
        test: test_set,
        test_given: test.is_some(),
        notes,
        bad,
        preview: None,
    })
}

/// Fills the missing pixels of a table, or refuses it if nobody said how.
fn fill_table(path: &Path, table: &mut Table, options: &Options) -> Result<(), ImportError> {
    let missing = table.pixels.iter().filter(|pixel| pixel.is_nan()).count();
    if missing == 0 {
        return Ok(());
    }
    let Some(how) = options.fill else {
        let size = table.height * table.width;
        let images = table
            .pixels
            .chunks(size)
            .filter(|image| image.iter().any(|pixel| pixel.is_nan()))
            .count();
        return Err(malformed(
            path,
            format!(
                "{missing} pixels are missing, in {images} images; --fill interpolate or --fill mean fills them"
            ),
        ));
    };
    fill(&mut table.pixels, [table.height, table.width, 1], how);
    table.notes.push(format!("{missing} missing pixels filled: {how:?}"));
    Ok(())
}

fn pictures(
    train: &Path,
    test: Option<&Path>,
    options: &Options,
) -> Result<Collection, ImportError> {
    let names = folder::label_names(train)?;
    let read = |dir: &Path| folder::read(dir, &names, &options.preparation);
    let found = read(train)?;
    let mut notes = found.notes;
    let mut bad = found.bad;
    let mut test_set = found.dataset.subset(&[]);
    if let Some(dir) = test {
        let found = read(dir)?;
        notes.extend(found.notes.into_iter().map(|note| format!("test: {note}")));
        bad.extend(found.bad);
        test_set = found.dataset;
    }
    for (label, name) in names.iter().enumerate() {
        let count =
            found.dataset.labels.iter().filter(|&&other| usize::from(other) == label).count();
        if count == 0 && (options.skip_bad || bad.is_empty()) {
            return Err(malformed(
                train,
                format!("label {name:?} has no picture that can be used"),
            ));
        }
    }
    let preview = preview::before_and_after(&found.previews, options.preparation.size);
    Ok(Collection {
        train: found.dataset,
        test: test_set,
        test_given: test.is_some(),
        notes,
        bad,
        preview: Some(preview),
    })
}

/// Why a data set could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error("{}: cannot be read: {error}; --data takes a folder of images or IDX files, or a CSV file", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{}: {what}", path.display())]
    Malformed { path: PathBuf, what: String },
    /// Names the file.
    #[error("{0}")]
    Labels(String),
    #[error(
        "{}: {} cannot be used, the first is {}, which {}; --skip-bad leaves them out",
        path.display(), bad.len(), bad[0].path.display(), bad[0].what
    )]
    Bad { path: PathBuf, bad: Vec<BadFile> },
}
