//! Pictures without labels: what is enough to choose exponents.

use std::path::{Path, PathBuf};

use inkling_support::parallel;

use super::tree::{self, Tree};
use super::{BadFile, ImportError, Options, malformed, picture};
use crate::prepare::{Picture, Preparation, choose};
use crate::{Dataset, Source};

/// All pictures of a folder or an archive as one data set in which nothing has a label: each has the
/// label 0, and there are no names. Evenly spaced ones where there are more than `most`. Nothing where
/// anything else lies there too, or other folders.
///
/// # Errors
///
/// What cannot be read.
pub fn open(
    path: &Path,
    options: &Options,
    most: usize,
) -> Result<Option<(Dataset, Preparation, String)>, ImportError> {
    let tree = Tree::open(path)?;
    let all = tree.files.len();
    let flat = |file: &PathBuf| tree::depth(file) == 1 && picture::is_picture(file);
    if all == 0 || !tree.files.iter().all(flat) {
        return Ok(None);
    }
    let count = all.min(most);
    let files: Vec<usize> = (0..count).map(|index| index * all / count).collect();
    let decoded = parallel::map(count, |index| {
        tree.read(files[index]).and_then(|bytes| picture::decode(&bytes))
    });
    let (mut pictures, mut bad): (Vec<(usize, Picture)>, Vec<BadFile>) = Default::default();
    for (&file, outcome) in files.iter().zip(decoded) {
        match outcome {
            Ok(picture) => pictures.push((file, picture)),
            Err(what) => bad.push(BadFile { path: tree.path(file), what }),
        }
    }
    if !bad.is_empty() && !options.skip_bad {
        return Err(ImportError::Bad { path: path.to_path_buf(), bad });
    }
    let (places, pictures): (Vec<usize>, Vec<Picture>) = pictures.into_iter().unzip();
    let chosen = choose(&pictures, &options.pictures);
    let (preparation, reason) = chosen.map_err(|what| malformed(path, what))?;
    let mut samples = Vec::new();
    let mut sources = Vec::new();
    for (file, picture) in places.into_iter().zip(&pictures) {
        let at = tree.path(file);
        let prepared = preparation.apply(picture);
        let prepared = prepared.map_err(|what| malformed(&at, what))?;
        samples.extend_from_slice(&prepared.pixels);
        sources.push(Source::file(at));
    }
    let labels = vec![0; sources.len()];
    let dataset = Dataset::new(preparation.shape(), samples, labels, Vec::new());
    Ok(Some((dataset.with_sources(sources), preparation, reason)))
}
