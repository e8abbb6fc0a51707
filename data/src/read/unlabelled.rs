//! Pictures without labels: what is enough to choose exponents.

use std::path::{Path, PathBuf};

use inkling_support::{parallel, stage};

use super::pictures::AT_ONCE;
use super::tree::Tree;
use super::{BadFile, ImportError, Options, malformed, picture};
use crate::prepare::{Picture, Preparation, choose};
use crate::{Dataset, Sink, Source};

/// Pictures that are looked at to choose how all become images.
const LOOKED_AT: usize = 1000;

/// What keeps a file from being a sample.
enum Wrong {
    /// It is no picture.
    File(String),
    /// The picture cannot be prepared.
    Picture(String),
}

/// All pictures of a folder or an archive as one data set in which nothing has a label: each has the
/// label 0, and there are no names. Evenly spaced ones where there are more than `most`. Nothing where
/// anything else lies there too, or pictures in several folders.
///
/// # Errors
///
/// What cannot be read.
pub fn open(
    path: &Path,
    options: &Options,
    most: usize,
) -> Result<Option<(Dataset, Preparation, String)>, ImportError> {
    let tree = Tree::open(path, &options.room)?;
    let all = tree.files.len();
    let folder = tree.files.first().and_then(|file| file.parent());
    let together = |file: &PathBuf| file.parent() == folder && picture::is_picture(file);
    if !tree.files.iter().all(together) || all == 0 {
        return Ok(None);
    }
    let count = all.min(most);
    let files: Vec<usize> = (0..count).map(|index| index * all / count).collect();
    let decoded = |index: usize| tree.read(index).and_then(|bytes| picture::decode(&bytes));
    let looked = count.min(LOOKED_AT);
    let known: Vec<Result<Picture, String>> =
        parallel::map(looked, |index| decoded(files[index * count / looked]));
    let good: Vec<Picture> = known.into_iter().filter_map(Result::ok).collect();
    let chosen = choose(&good, &options.pictures);
    let (preparation, reason) = chosen.map_err(|what| malformed(path, what))?;
    drop(good);

    let (mut samples, mut sources, mut bad) = (Sink::new(&options.room), Vec::new(), Vec::new());
    for files in files.chunks(AT_ONCE) {
        let prepared = parallel::map(files.len(), |index| {
            let picture = decoded(files[index]).map_err(Wrong::File)?;
            preparation.apply(&picture).map_err(Wrong::Picture)
        });
        for (&file, outcome) in files.iter().zip(prepared) {
            let at = tree.path(file);
            match outcome {
                Ok(prepared) => {
                    samples.push(&prepared.pixels)?;
                    sources.push(Source::file(at));
                }
                Err(Wrong::File(what)) => bad.push(BadFile { path: at, what }),
                Err(Wrong::Picture(what)) => return Err(malformed(&at, what)),
            }
        }
        stage::show(format_args!("reading pictures: {} of {count}", sources.len()));
    }
    if !bad.is_empty() && !options.skip_bad {
        return Err(ImportError::Bad { path: path.to_path_buf(), bad });
    }
    let labels = vec![0; sources.len()];
    let dataset = Dataset::stored_in(samples.finish()?, preparation.shape(), labels, Vec::new());
    Ok(Some((dataset.with_sources(sources), preparation, reason)))
}
