//! Data sets of several inputs: a sample is one of each, with one label.
//!
//! Whoever reads names the inputs. The data has one by each name: NumPy arrays called so, with labels
//! for all of them; or for each a folder (or table, or archive) called so, a data set of its own with
//! the same labels and file names as the others.

use std::path::{Path, PathBuf};

use super::parts::{Part, Parts};
use super::tree::Tree;
use super::{BadFile, Collection, ImportError, Options, arrays, open_whole};
use crate::storage::{Room, Sink};
use crate::{Dataset, NamedInput, Source, shape_text};

/// An input that the data must have.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub name: String,
    /// Height, width and channels, where they are decided.
    pub shape: Option<[usize; 3]>,
    /// How it is read.
    pub options: Options,
}

/// Endings of what may stand for an input beside a folder.
const ENDINGS: [&str; 6] = ["csv", "tsv", "zip", "tar", "tar.gz", "npz"];

/// Reads the inputs that `options` name and joins them, sample by sample.
///
/// # Errors
///
/// An input that is not there; numbers, labels or file names that are not the same for all.
pub fn read(path: &Path, options: &Options) -> Result<Collection, ImportError> {
    let wanted = &options.inputs;
    let of_arrays = if path.is_dir() || Tree::is_archive(path) {
        Some(Tree::open(path, &options.room)?).filter(arrays::lie_at_top)
    } else {
        None
    };
    let mut read = Vec::new();
    for wanted in wanted {
        let mut collection = match &of_arrays {
            Some(tree) => arrays::read(tree, &wanted.options, Some(wanted))?,
            None => {
                let place = place(path, &wanted.name).ok_or_else(|| missing(path, options))?;
                open_whole(&place, &wanted.options)?
            }
        };
        let named = |note: String| format!("{}: {note}", wanted.name);
        collection.notes = collection.notes.into_iter().map(named).collect();
        must_be(path, wanted, &collection.train)?;
        read.push(collection);
    }
    let names: Vec<&str> = wanted.iter().map(|wanted| &wanted.name[..]).collect();
    let parts = Parts {
        train: read.iter().map(|one| Some(&one.train)).collect::<Vec<_>>(),
        validation: Some(read.iter().map(|one| one.validation.as_ref()).collect()),
        test: Some(read.iter().map(|one| Some(&one.test).filter(|_| one.test_given)).collect()),
    };
    let parts = parts.map(|part, sets| join((path, &options.room), part, &names, &sets))?;
    let bad: Vec<BadFile> = read.iter().flat_map(|one| one.bad.clone()).collect();
    let train = parts.train.ok_or_else(|| missing(path, options))?;
    let (validation, test) = (parts.validation.flatten(), parts.test.flatten());
    let notes = read.iter().flat_map(|one| one.notes.clone()).collect();
    let forms: Vec<_> = read.iter().map(|one| one.form.clone()).collect();
    let form = forms.first().cloned().ok_or_else(|| missing(path, options))?;
    let preview = read.into_iter().find_map(|one| one.preview);
    let joined = Collection::new(Parts { train, validation, test }, form, notes);
    Ok(Collection { bad, preview, forms, ..joined })
}

/// Where an input lies.
fn place(path: &Path, name: &str) -> Option<PathBuf> {
    let folder = path.join(name);
    let files = ENDINGS.iter().map(|end| path.join(format!("{name}.{end}")));
    std::iter::once(folder).chain(files).find(|place| place.exists())
}

fn missing(path: &Path, options: &Options) -> ImportError {
    let there = |wanted: &&Wanted| place(path, &wanted.name).is_none();
    let names: Vec<&str> = options.inputs.iter().map(|wanted| &wanted.name[..]).collect();
    let missing = options.inputs.iter().find(there).map_or("", |wanted| &wanted.name);
    let [first, second] = [0, 1].map(|at| names.get(at).copied().unwrap_or_default());
    super::malformed(
        path,
        format!(
            "has nothing for the input {missing:?}; data for {} are an .npz with an array for each and \
             labels ({first}_train, {second}_train, y_train; …_test), or a folder with one for each, \
             {first}/ and {second}/, with the same labels and file names inside",
            names.join(", ")
        ),
    )
}

/// Whether the samples of an input have the shape that they must have.
fn must_be(path: &Path, wanted: &Wanted, samples: &Dataset) -> Result<(), ImportError> {
    match wanted.shape {
        Some(shape) if shape != samples.shape => Err(super::malformed(
            path,
            format!(
                "its {:?} are {}, the input takes {} (height×width×channels)",
                wanted.name,
                shape_text(samples.shape),
                shape_text(shape)
            ),
        )),
        _ => Ok(()),
    }
}

/// The samples of a part: of each one of each input, one after another.
fn join(
    (path, room): (&Path, &Room),
    part: Part,
    names: &[&str],
    sets: &[Option<&Dataset>],
) -> Result<Option<Dataset>, ImportError> {
    let wrong = |what: String| Err(super::malformed(path, what));
    let present: Vec<&Dataset> = sets.iter().copied().flatten().collect();
    let [first, ..] = present[..] else { return Ok(None) };
    if let Some(lacking) = sets.iter().position(Option::is_none) {
        let part = part.name();
        return wrong(format!("{:?} has no {part} samples, others have", names[lacking]));
    }
    for (set, name) in present.iter().zip(names).skip(1) {
        if set.len() != first.len() {
            return wrong(format!(
                "{:?} has {} {} samples, {name:?} {}; each sample is one of both",
                names[0],
                first.len(),
                part.name(),
                set.len()
            ));
        }
        for index in 0..set.len() {
            let label = |set: &Dataset| set.names[usize::from(set.labels[index])].clone();
            let [of_first, own] = [label(first), label(set)];
            let place =
                |set: &Dataset| set.source(index).map_or(String::new(), ToString::to_string);
            if of_first != own || !are_partners(first, set, index) {
                return wrong(format!(
                    "{} sample {}: {} ({of_first:?}) of {:?} stands with {} ({own:?}) of {name:?}; both \
                     must have the same file names and labels",
                    part.name(),
                    index + 1,
                    place(first),
                    names[0],
                    place(set)
                ));
            }
        }
    }
    let mut sink = Sink::new(room);
    for index in 0..first.len() {
        for set in &present {
            sink.push(set.image(index))?;
        }
    }
    let size = present.iter().map(|set| set.image_size()).sum();
    let inputs = names.iter().zip(&present);
    let inputs = inputs.map(|(name, set)| NamedInput { name: name.to_string(), shape: set.shape });
    let (labels, names) = (first.labels.clone(), first.names.clone());
    let joined = Dataset::stored_in(sink.finish()?, [1, 1, size], labels, names);
    let sources: Vec<Source> = (0..first.len()).map_while(|at| first.source(at).cloned()).collect();
    let joined = if sources.len() == joined.len() { joined.with_sources(sources) } else { joined };
    Ok(Some(joined.with_inputs(inputs.collect())))
}

/// Whether two samples that are files of their own have the same name, whatever its ending.
fn are_partners(a: &Dataset, b: &Dataset, index: usize) -> bool {
    let stem = |set: &Dataset| set.source(index)?.whole_file()?.file_stem().map(ToOwned::to_owned);
    match (stem(a), stem(b)) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    }
}
