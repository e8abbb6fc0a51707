//! NumPy arrays: `.npz` as Keras' `mnist.npz`, or `.npy` files in a folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::npy::{self, Array, Values, Wrong};
use super::numbers::{self, Numbers};
use super::parts::{Part, Parts};
use super::tree::{self, Tree};
use super::{Collection, ImportError, Options, Wanted, labels};
use crate::prepare::LEAST_SIDE;
use crate::{MAX_CHANNELS, MAX_SIDE, Room, Source};

/// What an array of samples or of labels is called, beside the part that it is for.
const SAMPLES: [&str; 6] = ["x", "images", "data", "samples", "features", "arr"];
const LABELS: [&str; 5] = ["y", "labels", "label", "targets", "target"];

/// Whether a tree holds arrays.
pub fn are_in(tree: &Tree) -> bool {
    tree.files.iter().any(|file| file.extension().is_some_and(|end| end == "npy"))
}

/// Whether a tree holds arrays beside each other, and not each in a folder of its own.
pub fn lie_at_top(tree: &Tree) -> bool {
    let at_top = |file: &&PathBuf| file.components().count() == 1;
    tree.files.iter().filter(at_top).any(|file| file.extension().is_some_and(|end| end == "npy"))
}

/// Reads the arrays `x_train`, `y_train` and so on; without a part in their names, `x` and `y`. One of
/// several inputs has its name instead of `x`, and its shape.
pub fn read(
    tree: &Tree,
    options: &Options,
    input: Option<&Wanted>,
) -> Result<Collection, ImportError> {
    let malformed = |what: String| ImportError::Malformed { path: tree.root.clone(), what };
    let stem = |index: usize| -> String {
        tree.files[index].file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase()
    };
    let find = |names: &[&str], part: Option<Part>| {
        (0..tree.files.len()).find(|&index| {
            let stem = stem(index);
            Part::in_name(&stem) == part && words(&stem).any(|word| names.contains(&word))
        })
    };
    let find_samples = |part: Option<Part>| match input {
        None => find(&SAMPLES, part),
        Some(input) => (0..tree.files.len()).find(|&index| {
            let (stem, name) = (stem(index), input.name.to_ascii_lowercase());
            let own = words(&stem).filter(|word| part.is_none() || Part::named(word) != part);
            Part::in_name(&stem) == part.or(Part::in_name(&name)) && own.eq(words(&name))
        }),
    };
    let pair = |part: Part| match (find_samples(Some(part)), find(&LABELS, Some(part))) {
        (Some(samples), Some(labels)) => Some((samples, labels)),
        _ if part == Part::Train => Option::zip(find_samples(None), find(&LABELS, None)),
        _ => None,
    };
    let train = pair(Part::Train).ok_or_else(|| {
        let found: Vec<String> = tree.files.iter().map(|file| file.display().to_string()).collect();
        let x = input.map_or("x", |input| &input.name);
        malformed(format!(
            "arrays {x}_train and y_train (or {x} and y) are needed; found {}",
            found.join(", ")
        ))
    })?;
    let parts = Parts { train, validation: pair(Part::Validation), test: pair(Part::Test) };
    let mut notes = Vec::new();
    let parts = parts.map(|part, (samples, labels)| {
        let shape = input.and_then(|input| input.shape);
        let numbers = samples_of(tree, [samples, labels], options, shape)?;
        let text = crate::shape_text(numbers.shape);
        notes.push(format!("{} {} samples of {text}", numbers.labels.len(), part.name()));
        let [height, moments, sensors] = numbers.shape;
        if part == Part::Train && height == 1 && moments > 1 && sensors > 1 {
            notes.push(format!("taken for {moments} moments of {sensors} sensors"));
        }
        Ok::<_, ImportError>(numbers)
    })?;
    numbers::collect(parts, notes, options)
}

/// The numbers of a `.npy` file, and their shape.
///
/// # Errors
///
/// One line without the path.
pub fn one(path: &Path) -> Result<(Vec<f32>, Vec<usize>), String> {
    let file = File::open(path).map_err(tree::failed)?;
    let array = npy::read(file, &Room::default()).map_err(|wrong| match wrong {
        Wrong::Array(what) => what,
        Wrong::Room(error) => error.to_string(),
    });
    let Array { shape, values } = array?;
    match values {
        Values::Numbers(values) => Ok((values.iter().collect(), shape)),
        Values::Bytes(values) => Ok((values.iter().map(|&byte| f32::from(byte)).collect(), shape)),
        Values::Words(_) => Err("holds words where numbers are expected".into()),
    }
}

/// Words of a name.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
}

/// Samples with their labels; those of as many values as `wanted` take that shape, in their order.
fn samples_of(
    tree: &Tree,
    [samples, labels]: [usize; 2],
    options: &Options,
    wanted: Option<[usize; 3]>,
) -> Result<Numbers, ImportError> {
    let path = tree.path(samples);
    let malformed =
        |path: &PathBuf, what: String| ImportError::Malformed { path: path.clone(), what };
    let array = |index: usize| -> Result<Array, ImportError> {
        let path = tree.path(index);
        let reader = tree.reader(index).map_err(|what| malformed(&path, what))?;
        npy::read(reader, &options.room).map_err(|wrong| match wrong {
            Wrong::Array(what) => malformed(&path, what),
            Wrong::Room(error) => error.into(),
        })
    };
    let (array, label_array, label_path) = (array(samples)?, array(labels)?, tree.path(labels));
    let (count, shape) = match array.shape[..] {
        [count, values] => (count, [1, 1, values]),
        // Too narrow for a picture: moments of sensors, as Keras has them.
        [count, moments, sensors]
            if wanted.is_none()
                && options.pictures.size != Some([moments, sensors])
                && is_series(&array.values, [moments, sensors]) =>
        {
            (count, [1, moments, sensors])
        }
        [count, height, width] => (count, [height, width, 1]),
        // Channels come last, unless only the first dimension is small enough for them.
        [count, a, b, c] if c > 4 && a <= 4 && wanted != Some([a, b, c]) => {
            let what = format!(
                "is {:?}: channels first; save it as [samples, height, width, channels], \
                 x.transpose(0, 2, 3, 1)",
                [count, a, b, c]
            );
            return Err(malformed(&path, what));
        }
        [count, height, width, channels] => (count, [height, width, channels]),
        _ => {
            let what = format!("has the shape {:?}; two to four dimensions are read", array.shape);
            return Err(malformed(&path, what));
        }
    };
    let size = |shape: &[usize; 3]| shape.iter().product::<usize>();
    let shape = wanted.filter(|wanted| size(wanted) == size(&shape)).unwrap_or(shape);
    let flat =
        label_array.shape.len() == 1 || (label_array.shape.len() == 2 && label_array.shape[1] == 1);
    if !flat || label_array.shape[0] != count {
        let what = format!(
            "has the shape {:?}; one label for each of the {count} samples is expected, not one-hot",
            label_array.shape
        );
        return Err(malformed(&label_path, what));
    }
    let label_names = match label_array.values {
        Values::Words(words) => words,
        Values::Bytes(values) => values.iter().map(u8::to_string).collect(),
        Values::Numbers(values) => values
            .iter()
            .map(|value| match value.fract() == 0.0 {
                true => Ok(format!("{value}")),
                false => Err(malformed(&label_path, format!("label {value} is no whole number"))),
            })
            .collect::<Result<_, _>>()?,
    };
    let label_names = label_names
        .iter()
        .map(|name| labels::checked(name).map_err(|what| malformed(&label_path, what)))
        .collect::<Result<_, _>>()?;
    let image = shape[0] > 1 && shape[1] > 1 && shape[0] <= MAX_SIDE && shape[2] <= MAX_CHANNELS;
    let (values, pixels) = match array.values {
        Values::Words(_) => {
            return Err(malformed(&path, "holds words where samples are expected".into()));
        }
        Values::Bytes(values) => (numbers::Values::Bytes(values), true),
        Values::Numbers(values) => {
            let pixels = image && values.iter().all(|value| value >= 0.0);
            (numbers::Values::Numbers(values), pixels)
        }
    };
    let file: Arc<Path> = Arc::from(&*path);
    let sources = (0..count).map(|index| Source::part(&file, "sample", index)).collect();
    Ok(Numbers { path, shape, values, labels: label_names, sources, pixels })
}

/// Whether samples of two dimensions are no pictures but moments of several sensors: less wide than any
/// picture, or signed and far longer than wide.
fn is_series(values: &Values, [moments, sensors]: [usize; 2]) -> bool {
    let signed = || match values {
        Values::Numbers(values) => values.iter().any(|value| value < 0.0),
        _ => false,
    };
    (2..LEAST_SIDE).contains(&sensors) && moments > sensors
        || (LEAST_SIDE..=MAX_CHANNELS).contains(&sensors) && moments >= 4 * sensors && signed()
}
