//! Data sets as people have them: pictures in a folder per label or listed in a table, tables,
//! recordings of sensors, NumPy arrays, IDX files; in a folder or in an archive.

mod archive;
mod arrays;
mod cache;
mod floats;
mod form;
pub mod idx;
mod idx_names;
mod idx_set;
pub mod labels;
mod listed;
mod npy;
mod numbers;
pub mod outside;
mod parquet;
mod parts;
mod picture;
mod pictures;
mod preview;
mod series;
mod several;
pub mod single;
mod table;
mod tarball;
mod test_split;
mod tree;
pub mod unlabelled;
mod zip;

use std::io;
use std::path::{Path, PathBuf};

use image::RgbImage;
use inkling_support::files::WriteError;

use crate::prepare::{Fill, InputForm, Scaling, Wishes};
use crate::{Dataset, DatasetError, Room};
use form::Form;
use parts::{Part, Parts};
use tree::Tree;

pub use picture::{is_picture, read as read_picture};
pub use preview::{Tile, sheet};
pub use several::Wanted;

/// How a data set is read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How pictures become images; the size also divides the numbers of a table.
    pub pictures: Wishes,
    /// Leave out what cannot be used instead of refusing the data set.
    pub skip_bad: bool,
    /// Chooses the test images of a data set that has none.
    pub seed: u64,
    /// How the numbers of sensors become bytes for a model that is there already; without it their
    /// range says so.
    pub numbers: Option<Scaling>,
    pub fill: Option<Fill>,
    /// The value that stands for a missing number, beside empty cells.
    pub missing_value: Option<u8>,
    /// The column of a table that has the labels: its title, its number from 1, `first` or `last`.
    pub label_column: Option<String>,
    /// The inputs that a sample has, where it has several: the data have one by each name.
    pub inputs: Vec<Wanted>,
    /// How much memory the samples may take, and where they lie if they need more.
    pub room: Room,
    /// A folder in which samples that do not fit into memory are kept, so that the same source need
    /// not be decoded again.
    pub cache: Option<PathBuf>,
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
    /// Given with the data.
    pub validation: Option<Dataset>,
    pub test: Dataset,
    /// Which `test` is: given with the data, or set aside by the seed.
    pub test_given: bool,
    /// What brought the source to bytes.
    /// Of several inputs the first one's.
    pub form: InputForm,
    /// What brought each of several inputs to bytes.
    pub forms: Vec<InputForm>,
    /// What was chosen on the way, a line each.
    pub notes: Vec<String>,
    /// What was left out.
    pub bad: Vec<BadFile>,
    /// Pictures as they were found, each beside the image it became; a row per class.
    pub preview: Option<RgbImage>,
}

impl Collection {
    fn new(parts: Parts<Dataset>, form: InputForm, notes: Vec<String>) -> Self {
        let Parts { train, validation, test } = parts;
        Self {
            test_given: test.is_some(),
            test: test.unwrap_or_else(|| train.subset(&[])),
            train,
            validation,
            form,
            forms: Vec::new(),
            notes,
            bad: Vec::new(),
            preview: None,
        }
    }
}

/// Reads a data set, whichever form it has.
///
/// - a folder per label with PNG, JPEG, BMP, GIF or WebP files, or with a CSV file per recording
///   of sensors; `train`, `val` and `test` may hold such folders each;
/// - pictures with a `metadata.csv` or `labels.csv` that names them;
/// - a CSV file of a label and numbers per row, or several with `train`, `val` and `test` in their
///   names;
/// - NumPy arrays `x_train`, `y_train` and so on, in an `.npz` or as `.npy` files;
/// - IDX files under the names of MNIST or EMNIST;
/// - Parquet files with the pictures in them, where the feature `parquet` is on;
/// - a zip or tar of any of these but Parquet files;
/// - for several inputs one of these for each, in folders of their names, or arrays of their names.
///
/// Where there is no test set, a seventh of each class becomes one, chosen by the seed.
///
/// # Errors
///
/// Names the file or folder and what is wrong with it. [`ImportError::Bad`] lists all files that
/// cannot be used.
pub fn open(path: &Path, options: &Options) -> Result<Collection, ImportError> {
    let mut collection = open_whole(path, options)?;
    if !collection.bad.is_empty() && !options.skip_bad {
        return Err(ImportError::Bad { path: path.to_path_buf(), bad: collection.bad });
    }
    if !collection.bad.is_empty() {
        collection.notes.push(format!("{} left out by --skip-bad", collection.bad.len()));
    }
    let empty = |class: usize| !collection.train.labels.contains(&(class as u16));
    if let Some(class) = (0..collection.train.classes()).find(|&class| empty(class)) {
        let name = &collection.train.names[class];
        return Err(malformed(path, format!("label {name:?} has nothing to train on")));
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
    if let Some(validation) = &collection.validation {
        collection.notes.push(format!("{} images are given for validation", validation.len()));
    }
    Ok(collection)
}

fn open_whole(path: &Path, options: &Options) -> Result<Collection, ImportError> {
    if !options.inputs.is_empty() {
        return several::read(path, options);
    }
    match &options.cache {
        Some(folder) => cache::open(folder, path, options),
        None => decode(path, options),
    }
}

fn decode(path: &Path, options: &Options) -> Result<Collection, ImportError> {
    if path.is_file() && form::is_table(path) {
        let parts = Parts { train: 0, validation: None, test: None };
        return tables(&Tree::of_file(path), parts, options);
    }
    if path.is_file() && parquet::is_parquet(path) {
        let (tree, items) = parquet::open(Tree::of_file(path))?;
        return pictures::read(&tree, &items, options);
    }
    if path.is_file() && !Tree::is_archive(path) {
        let what = "is no data set; a folder, a CSV file, an .npz, a zip or a tar is expected";
        return Err(malformed(path, what.into()));
    }
    let tree = Tree::open(path, &options.room)?;
    if parquet::is_in(&tree) {
        let (tree, items) = parquet::open(tree)?;
        return pictures::read(&tree, &items, options);
    }
    let mut notes = Vec::new();
    let mut collection = match form::find(&tree, options, &mut notes)? {
        Form::Arrays => arrays::read(&tree, options, None)?,
        Form::Pictures(items) => pictures::read(&tree, &items, options)?,
        Form::Idx(files) => idx_set::read(&tree, files, options)?,
        Form::Tables(parts) => tables(&tree, parts, options)?,
        Form::Series(items) => series::read(&tree, &items, options)?,
    };
    collection.notes.extend(notes);
    Ok(collection)
}

fn malformed(path: &Path, what: String) -> ImportError {
    ImportError::Malformed { path: path.to_path_buf(), what }
}

/// The tables at places of a tree.
fn tables(tree: &Tree, parts: Parts<usize>, options: &Options) -> Result<Collection, ImportError> {
    let (mut bad, mut notes) = (Vec::new(), Vec::new());
    let root = tree.path(parts.train);
    let parts = parts.map(|part, index| {
        let path = tree.path(index);
        let reader = tree.reader(index).map_err(|what| malformed(&path, what))?;
        let table = table::read(&path, table::rows(&path, reader)?, options)?;
        bad.extend(table.bad);
        let called = match part {
            Part::Train => String::new(),
            other => format!("{}: ", other.name()),
        };
        notes.extend(table.notes.into_iter().map(|note| called.clone() + &note));
        Ok::<_, ImportError>(table.numbers)
    })?;
    if !bad.is_empty() && !options.skip_bad {
        return Err(ImportError::Bad { path: root, bad });
    }
    let mut collection = numbers::collect(parts, notes, options)?;
    collection.bad = bad;
    Ok(collection)
}

/// Why a data set could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("{}: cannot be read: {error}; a data set is a folder or a file with labelled samples", path.display())]
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
