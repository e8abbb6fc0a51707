//! NumPy arrays: `.npz` as Keras' `mnist.npz`, or `.npy` files in a folder.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use inkling_support::stage;

use super::numbers::{self, Numbers};
use super::parts::{Part, Parts};
use super::tree::Tree;
use super::{Collection, ImportError, Options, Wanted, labels};
use crate::prepare::LEAST_SIDE;
use crate::storage::{Sink, Storage};
use crate::{MAX_CHANNELS, MAX_SIDE, Source};

/// What an array of samples or of labels is called, beside the part that it is for.
const SAMPLES: [&str; 6] = ["x", "images", "data", "samples", "features", "arr"];
const LABELS: [&str; 5] = ["y", "labels", "label", "targets", "target"];

/// An array as it is in a file.
struct Array {
    shape: Vec<usize>,
    values: Values,
}

enum Values {
    Numbers {
        values: Vec<f32>,
        bytes: bool,
    },
    /// Unsigned bytes, of a file of their own.
    Bytes(Storage),
    Words(Vec<String>),
}

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
    let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    let Array { shape, values } = parse(&bytes)?;
    match values {
        Values::Numbers { values, .. } => Ok((values, shape)),
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
    let array = |index: usize| {
        let path = tree.path(index);
        let bytes = tree.read(index).map_err(|what| malformed(&path, what))?;
        parse(&bytes).map_err(|what| malformed(&path, what))
    };
    // Where a byte stands for what is missing, bytes become numbers.
    let streamed = match tree.is_archive_open() || options.missing_value.is_some() {
        true => None,
        false => stream(&path, options)?,
    };
    let samples = streamed.map_or_else(|| array(samples), Ok)?;
    let (array, label_array, label_path) = (samples, array(labels)?, tree.path(labels));
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
        Values::Numbers { values, .. } => values
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
        Values::Numbers { values, bytes } => {
            let from_zero = values.iter().all(|&value| value >= 0.0);
            (numbers::Values::Numbers(values), bytes || (image && from_zero))
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
        Values::Numbers { values, .. } => values.iter().any(|&value| value < 0.0),
        _ => false,
    };
    (2..LEAST_SIDE).contains(&sensors) && moments > sensors
        || (LEAST_SIDE..=MAX_CHANNELS).contains(&sensors) && moments >= 4 * sensors && signed()
}

/// The most bytes of a header.
const HEADER: u64 = 1 << 16;

/// Bytes that are read at once.
const AT_ONCE: usize = 1 << 20;

/// Reads a file of unsigned bytes, as long as it may be; nothing where it holds anything else, or is damaged.
fn stream(path: &Path, options: &Options) -> Result<Option<Array>, ImportError> {
    let failed = |error: io::Error| ImportError::Read { path: path.to_path_buf(), error };
    let mut file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut head = Vec::new();
    file.by_ref().take(HEADER).read_to_end(&mut head).map_err(failed)?;
    let Ok(Head { kind, shape, count, start }) = header(&head) else { return Ok(None) };
    if !["|u1", "<u1", "u1"].contains(&kind.as_str())
        || (start as u64).checked_add(count as u64) != Some(length)
    {
        return Ok(None);
    }
    let mut sink = Sink::new(&options.room);
    sink.push(&head[start..])?;
    let mut part = vec![0; AT_ONCE];
    stage::show(format_args!("reading {} MB", length >> 20));
    let mut left = start + count - head.len();
    while left > 0 {
        let part = &mut part[..left.min(AT_ONCE)];
        file.read_exact(part).map_err(failed)?;
        sink.push(part)?;
        left -= part.len();
    }
    Ok(Some(Array { shape, values: Values::Bytes(sink.finish()?) }))
}

/// What stands before the values of a `.npy` file.
struct Head {
    /// Order, letter and width of an element.
    kind: String,
    shape: Vec<usize>,
    /// The product of the shape.
    count: usize,
    /// Where the values begin.
    start: usize,
}

/// Reads a `.npy` file, versions 1 to 3.
fn parse(bytes: &[u8]) -> Result<Array, String> {
    let Head { kind, shape, count, start } = header(bytes)?;
    let values = values(&kind, &bytes[start..], count)?;
    Ok(Array { shape, values })
}

fn header(bytes: &[u8]) -> Result<Head, String> {
    let damaged = || "is no .npy file, or damaged".to_string();
    if bytes.get(..6) != Some(b"\x93NUMPY") {
        return Err(damaged());
    }
    let (length, start): (usize, usize) = match (bytes.get(6), bytes.get(8..12)) {
        (Some(1), Some(&[a, b, ..])) => (usize::from(u16::from_le_bytes([a, b])), 10),
        (Some(2 | 3), Some(&[a, b, c, d])) => (u32::from_le_bytes([a, b, c, d]) as usize, 12),
        _ => return Err(damaged()),
    };
    let header = start.checked_add(length).and_then(|end| bytes.get(start..end));
    let header = header.and_then(|text| std::str::from_utf8(text).ok()).ok_or_else(damaged)?;
    let after = |key: &str| header.split_once(key).map(|(_, rest)| rest.trim_start());
    let kind = after("'descr':")
        .and_then(|rest| rest.strip_prefix('\''))
        .and_then(|rest| rest.split_once('\''))
        .map(|(kind, _)| kind)
        .ok_or("holds records; plain arrays are read")?;
    if after("'fortran_order':").is_none_or(|rest| rest.starts_with("True")) {
        return Err("is in Fortran's order; save it with numpy.ascontiguousarray".into());
    }
    let shape = after("'shape':")
        .and_then(|rest| rest.strip_prefix('('))
        .and_then(|rest| rest.split_once(')'))
        .map(|(dims, _)| dims.split(',').map(str::trim).filter(|dim| !dim.is_empty()))
        .and_then(|dims| dims.map(|dim| dim.parse().ok()).collect::<Option<Vec<usize>>>())
        .ok_or_else(damaged)?;
    let count = shape.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim));
    let count = count.ok_or_else(damaged)?;
    Ok(Head { kind: kind.to_string(), shape, count, start: start + length })
}

/// The values behind a header.
fn values(kind: &str, body: &[u8], count: usize) -> Result<Values, String> {
    let (order, letter, width) = match kind.split_at_checked(2) {
        Some((head, width)) => (&head[..1], &head[1..], width.parse::<usize>().ok()),
        None => ("", "", None),
    };
    let unknown = || {
        format!("has elements {kind:?}; numbers of 8 to 64 bits and words are read, little-endian")
    };
    let width = width.filter(|_| order != ">").ok_or_else(unknown)?;
    let size = if letter == "U" { 4 * width } else { width };
    let expected = count.checked_mul(size).ok_or_else(unknown)?;
    if expected != body.len() {
        return Err(format!("its header announces {expected} bytes, it holds {}", body.len()));
    }
    macro_rules! numbers {
        ($number:ty) => {{
            let (chunks, _) = body.as_chunks::<{ size_of::<$number>() }>();
            chunks.iter().map(|chunk| <$number>::from_le_bytes(*chunk) as f32).collect()
        }};
    }
    let values = match (letter, width) {
        ("u", 1) | ("b", 1) => numbers!(u8),
        ("i", 1) => numbers!(i8),
        ("u", 2) => numbers!(u16),
        ("i", 2) => numbers!(i16),
        ("u", 4) => numbers!(u32),
        ("i", 4) => numbers!(i32),
        ("u", 8) => numbers!(u64),
        ("i", 8) => numbers!(i64),
        ("f", 4) => numbers!(f32),
        ("f", 8) => numbers!(f64),
        ("U", 1..) => {
            let word = |chars: &[u8]| -> String {
                let (chars, _) = chars.as_chunks::<4>();
                chars
                    .iter()
                    .map_while(|c| char::from_u32(u32::from_le_bytes(*c)).filter(|&c| c != '\0'))
                    .collect()
            };
            return Ok(Values::Words(body.chunks(size).map(word).collect()));
        }
        ("S", 1..) => {
            let word =
                |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_string();
            return Ok(Values::Words(body.chunks(size).map(word).collect()));
        }
        _ => return Err(unknown()),
    };
    Ok(Values::Numbers { values, bytes: letter == "u" && width == 1 })
}

#[cfg(test)]
mod tests {
    use super::{Values, parse};

    fn npy(header: &str, body: &[u8]) -> Vec<u8> {
        let length = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), body].concat()
    }

    #[test]
    fn arrays_are_read_as_numpy_writes_them() {
        let file = npy("{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }\n", &{
            [3_i64.to_le_bytes(), (-1_i64).to_le_bytes()].concat()
        });
        let array = parse(&file).expect("is an array");
        let Values::Numbers { values, bytes } = array.values else { panic!("numbers") };
        assert_eq!((array.shape, values, bytes), (vec![2], vec![3.0, -1.0], false));
        let word: Vec<u8> = "ab\0c\0\0".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        let file = npy("{'descr': '<U3', 'fortran_order': False, 'shape': (2,), }\n", &word);
        let Values::Words(words) = parse(&file).expect("is an array").values else {
            panic!("words")
        };
        assert_eq!(words, ["ab", "c"]);
    }

    #[test]
    fn what_is_no_array_is_refused() {
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2), }\n";
        assert!(parse(&npy(header, &[0; 4])).is_ok());
        for (file, part) in [
            (npy(header, &[0; 3]), "announces 4 bytes"),
            (npy(&header.replace("False", "True"), &[0; 4]), "Fortran"),
            (npy(&header.replace("(2, 2)", "(18446744073709551615, 2)"), &[0; 4]), "damaged"),
            (npy(&header.replace("|u1", "|O"), &[0; 4]), "elements"),
            (b"\x93NUMPY\x01\x00\xff\xff".to_vec(), "damaged"),
            (b"PK".to_vec(), "no .npy"),
        ] {
            let error = parse(&file).err().unwrap_or_else(|| panic!("{part}: is read"));
            assert!(error.contains(part), "{error}");
        }
    }
}
