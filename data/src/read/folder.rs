//! Pictures in one folder per label.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Dataset, MAX_CLASSES, Source};
use inkling_support::parallel;

use super::{BadFile, ImportError, labels, picture};
use crate::prepare::Plane;
use crate::prepare::Preparation;

/// Pictures of each label kept for the preview.
const PREVIEWS: usize = 8;

/// Files that systems leave behind.
const LITTER: [&str; 2] = ["thumbs.db", "desktop.ini"];

/// What a folder of pictures gave.
pub struct Pictures {
    pub dataset: Dataset,
    pub bad: Vec<BadFile>,
    pub notes: Vec<String>,
    /// Per label some pictures as they were found and as they became.
    pub previews: Vec<Vec<(Plane, Vec<u8>)>>,
}

/// The labels of a folder: the names of its folders, in the order of their classes.
pub fn label_names(dir: &Path) -> Result<Vec<String>, ImportError> {
    let mut names = Vec::new();
    for path in entries(dir)? {
        if path.is_dir() {
            names.push(name(&path));
        }
    }
    labels::sort(&mut names);
    Ok(names)
}

/// Reads the pictures of `names` in `dir`; a folder of another name is an error.
pub fn read(
    dir: &Path,
    names: &[String],
    preparation: &Preparation,
) -> Result<Pictures, ImportError> {
    let malformed = |what: String| ImportError::Malformed { path: dir.to_path_buf(), what };
    if !(2..=MAX_CLASSES).contains(&names.len()) {
        let found = names.len();
        return Err(malformed(format!(
            "{found} folders with pictures; 2 to {MAX_CLASSES} labels are needed"
        )));
    }
    if let Some(other) = label_names(dir)?.into_iter().find(|name| !names.contains(name)) {
        return Err(malformed(format!("label {other:?} is not among the training labels")));
    }
    let mut files: Vec<(PathBuf, usize)> = Vec::new();
    for (label, name) in names.iter().enumerate() {
        let folder = dir.join(name);
        if folder.is_dir() {
            files.extend(entries(&folder)?.into_iter().map(|path| (path, label)));
        }
    }
    let prepared = parallel::map(files.len(), |index| {
        let picture = picture::read(&files[index].0)?;
        let prepared = preparation.apply(&picture.plane)?;
        let preview = picture.plane.resample_to(2 * preparation.size);
        Ok::<_, String>((picture.size, picture.colour, prepared, preview))
    });
    collect(names, &files, prepared, preparation)
}

type Outcome = Result<([usize; 2], bool, crate::prepare::Prepared, Plane), String>;

fn collect(
    names: &[String],
    files: &[(PathBuf, usize)],
    prepared: Vec<Outcome>,
    preparation: &Preparation,
) -> Result<Pictures, ImportError> {
    let size = preparation.size;
    let (mut samples, mut labels, mut sources) = (Vec::new(), Vec::new(), Vec::new());
    let mut pictures = Vec::new();
    let mut bad = Vec::new();
    let mut previews = vec![Vec::new(); names.len()];
    for ((path, label), outcome) in files.iter().zip(prepared) {
        match outcome {
            Ok((found, colour, prepared, preview)) => {
                samples.extend_from_slice(&prepared.pixels);
                labels.push(*label as u16);
                sources.push(Source::file(path));
                pictures.push((found, colour, prepared.light_ink));
                if previews[*label].len() < PREVIEWS {
                    previews[*label].push((preview, prepared.pixels));
                }
            }
            Err(what) => bad.push(BadFile { path: path.clone(), what }),
        }
    }
    let dataset = Dataset::new([size, size, 1], samples, labels, names.to_vec());
    let dataset = dataset.with_sources(sources);
    Ok(Pictures { dataset, bad, notes: notes(&pictures, preparation), previews })
}

/// The choices in words.
fn notes(pictures: &[([usize; 2], bool, bool)], preparation: &Preparation) -> Vec<String> {
    let count = pictures.len();
    let (Some(smallest), Some(largest)) = (
        pictures.iter().map(|(size, ..)| size).min_by_key(|size| size[0] * size[1]),
        pictures.iter().map(|(size, ..)| size).max_by_key(|size| size[0] * size[1]),
    ) else {
        return Vec::new();
    };
    let colour = pictures.iter().filter(|(_, colour, _)| *colour).count();
    let light = pictures.iter().filter(|(.., light)| *light).count();
    vec![
        format!(
            "{count} pictures from {}×{} to {}×{} (height × width), {colour} in colour, {} grey",
            smallest[0],
            smallest[1],
            largest[0],
            largest[1],
            count - colour
        ),
        format!(
            "{light} with light ink on dark, {} with dark ink on light: inverted",
            count - light
        ),
        format!("converted to {0}×{0}: {1}", preparation.size, preparation.words()),
    ]
}

/// What a folder holds, sorted, without hidden files.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, ImportError> {
    let failed = |error| ImportError::Read { path: dir.to_path_buf(), error };
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = name(&path);
        if !name.starts_with('.') && !LITTER.contains(&name.to_ascii_lowercase().as_str()) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
