//! The IDX format of the MNIST files, raw or compressed with gzip: read and written.
//!
//! Four bytes, of which the third is the type of the values and the fourth the number of
//! dimensions; the dimensions as big-endian u32; the values. Images have the dimensions count,
//! height, width, and channels where there is more than one.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use inkling_support::files::{write_atomically, write_pieces};
use inkling_support::stage;

use super::labels;
use crate::storage::{Room, Sink, Storage};
use crate::{Dataset, DatasetError, MAX_CLASSES, Source, Split, shape_problem};

/// Types of values.
const U8: u8 = 0x08;
const I16: u8 = 0x0b;

/// A compressed file may unpack to so many times its own size: real pictures stay far below.
const MOST_UNPACKED: u64 = 100;
/// What every compressed file may unpack to, in bytes.
const SMALL: u64 = 64 << 20;

/// Bytes that are read at once.
const AT_ONCE: u64 = 1 << 20;

/// An IDX file as read.
struct Values {
    dims: Vec<usize>,
    /// Big-endian, `bytes` for each.
    values: Storage,
    kind: u8,
}

/// Whether a folder has the images of MNIST's own file names, compressed or not.
pub fn is_pair(dir: &Path, split: Split) -> bool {
    split.files(dir).0.is_file()
}

/// Reads the images and labels of one split from a folder.
pub fn read_pair(dir: &Path, split: Split) -> Result<Dataset, DatasetError> {
    let (images_name, labels_name) = split.file_names();
    let images_path = found(dir, images_name)?;
    let labels_path = found(dir, labels_name)?;
    read_files(&images_path, &labels_path, &Room::default())
}

/// Reads a file of images and the one with their labels.
pub fn read_files(
    images_path: &Path,
    labels_path: &Path,
    room: &Room,
) -> Result<Dataset, DatasetError> {
    read_opened(IdxFile::open(images_path)?, IdxFile::open(labels_path)?, room)
}

/// An IDX file that is open, in a folder or in an archive.
pub struct IdxFile<'a> {
    pub path: &'a Path,
    pub reader: Box<dyn Read + 'a>,
    /// Its bytes, as they lie there.
    pub size: u64,
}

impl<'a> IdxFile<'a> {
    fn open(path: &'a Path) -> Result<Self, DatasetError> {
        let failed = |source| DatasetError::Read { path: path.into(), source };
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        Ok(Self { path, reader: Box::new(file), size })
    }
}

/// [`read_files`] of files that are open.
pub fn read_opened(images: IdxFile, labels: IdxFile, room: &Room) -> Result<Dataset, DatasetError> {
    let (images_path, labels_path) = (images.path, labels.path);
    let malformed = |path: &Path, what: String| DatasetError::Malformed { path: path.into(), what };
    let images = values(images, "images", &[(U8, 3), (U8, 4)], room)?;
    let labels = values(labels, "labels", &[(U8, 1), (I16, 1)], &Room::default())?;

    let (count, shape) = match images.dims[..] {
        [count, height, width] => (count, [height, width, 1]),
        [count, height, width, channels] => (count, [height, width, channels]),
        _ => unreachable!("the number of dimensions was asked for"),
    };
    if count == 0 {
        return Err(malformed(images_path, "holds no image".into()));
    }
    if labels.dims[0] != count {
        let what = format!(
            "{} labels for the {count} images of {}",
            labels.dims[0],
            images_path.file_name().unwrap_or_default().to_string_lossy()
        );
        return Err(malformed(labels_path, what));
    }
    let classes: Vec<u16> = match labels.kind {
        U8 => labels.values.iter().map(|&label| label.into()).collect(),
        _ => labels.values.chunks_exact(2).map(|b| u16::from_be_bytes([b[0], b[1]])).collect(),
    };
    let largest = classes.iter().copied().max().map_or(0, usize::from);
    if largest >= MAX_CLASSES {
        let what = format!("label {largest}; labels from 0 to {} are supported", MAX_CLASSES - 1);
        return Err(malformed(labels_path, what));
    }
    let file: Arc<Path> = Arc::from(images_path);
    let sources = (0..count).map(|index| Source::part(&file, "image", index)).collect();
    let names = labels::numbers((largest + 1).max(2));
    Ok(Dataset::stored_in(images.values, shape, classes, names).with_sources(sources))
}

/// Where `name` or `name.gz` is in `dir`; the raw file wins where both are there.
pub fn place(dir: &Path, name: &str) -> PathBuf {
    let raw = dir.join(name);
    if raw.is_file() { raw } else { dir.join(format!("{name}.gz")) }
}

fn found(dir: &Path, name: &'static str) -> Result<PathBuf, DatasetError> {
    let path = place(dir, name);
    match path.is_file() {
        true => Ok(path),
        false => Err(DatasetError::Missing { dir: dir.into(), name }),
    }
}

/// Reads a file whose type and number of dimensions are one of `forms`.
fn values(
    file: IdxFile,
    noun: &str,
    forms: &[(u8, u8)],
    room: &Room,
) -> Result<Values, DatasetError> {
    let IdxFile { path, reader, size } = file;
    let malformed = |what: String| DatasetError::Malformed { path: path.into(), what };
    let failed = |source| DatasetError::Read { path: path.into(), source };
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    let limit = if packed { size.saturating_mul(MOST_UNPACKED).max(SMALL) } else { size };
    let mut reader: Box<dyn Read + '_> =
        if packed { Box::new(MultiGzDecoder::new(reader)) } else { reader };
    let mut read = |most: u64, into: &mut Vec<u8>| -> Result<usize, DatasetError> {
        reader.by_ref().take(most).read_to_end(into).map_err(|source| {
            if packed && source.kind() != io::ErrorKind::OutOfMemory {
                let what = format!("not a whole gzip file ({source}); download or copy it again");
                return malformed(what);
            }
            failed(source)
        })
    };

    let mut header = Vec::new();
    read(4, &mut header)?;
    if let [first, second, kind, dims] = header[..]
        && ((first, second) != (0, 0) || !forms.contains(&(kind, dims)))
    {
        let magic = u32::from_be_bytes([first, second, kind, dims]);
        let expected: Vec<String> =
            forms.iter().map(|(k, d)| format!("0x0000{k:02x}{d:02x}")).collect();
        return Err(malformed(format!(
            "not an IDX file of {noun}: it begins with 0x{magic:08x}, expected {}",
            expected.join(" or ")
        )));
    }
    let dims = usize::from(header.get(3).map_or(forms[0].1, |&dims| dims));
    let header_bytes = 4 + 4 * dims;
    read(4 * dims as u64, &mut header)?;
    if header.len() < header_bytes {
        return Err(malformed(format!(
            "truncated: {} bytes, but the header alone takes {header_bytes}",
            header.len()
        )));
    }
    let kind = header[2];
    let bytes_each = if kind == U8 { 1 } else { 2 };
    let dims: Vec<usize> = header[4..]
        .chunks_exact(4)
        .map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize)
        .collect();
    if let [_, height, width, ref channels @ ..] = dims[..] {
        let shape = [height, width, channels.first().copied().unwrap_or(1)];
        if let Some(what) = shape_problem(shape) {
            return Err(malformed(what));
        }
    }
    let expected =
        dims.iter().try_fold(bytes_each, |product: usize, &dim| product.checked_mul(dim));
    let expected = expected.map(|bytes| bytes as u64);
    if packed && expected.is_none_or(|expected| expected > limit) {
        return Err(malformed(format!(
            "its header announces {} bytes of {noun}, more than {MOST_UNPACKED} times the file's \
             {size}: no pictures compress like that; unpack it with gunzip if it is right",
            expected.map_or("2^64".to_string(), |expected| expected.to_string())
        )));
    }
    let (mut sink, mut part) = (Sink::new(room), Vec::new());
    // One byte more than announced shows that there are more.
    stage::show(format_args!("reading {}", path.display()));
    let mut left = expected.unwrap_or(u64::MAX).saturating_add(1).min(limit);
    loop {
        part.clear();
        let count = read(left.min(AT_ONCE), &mut part)? as u64;
        if count == 0 {
            break;
        }
        sink.push(&part)?;
        left -= count;
    }
    let values = sink.finish()?;
    match expected {
        Some(expected) if expected == values.len() as u64 => Ok(Values { dims, values, kind }),
        _ => {
            let state = match expected {
                Some(expected) if expected < values.len() as u64 => "too long",
                _ => "truncated",
            };
            let wanted = expected.map_or("more".to_string(), |e| e.to_string());
            let held = match state {
                "too long" => size.saturating_sub(header_bytes as u64).max(values.len() as u64),
                _ => values.len() as u64,
            };
            let held = if packed && state == "too long" { "more".into() } else { held.to_string() };
            Err(malformed(format!(
                "{state}: the header announces {wanted} bytes of {noun}, the file holds {held}"
            )))
        }
    }
}

/// Writes a data set's half under the names that MNIST uses, raw; more than one channel as a fourth
/// dimension, more than 256 classes as 16-bit labels.
///
/// # Errors
///
/// The file system's, with the path.
pub fn write_pair(dir: &Path, split: Split, dataset: &Dataset) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let (images, labels) = split.file_names();
    let [height, width, channels] = dataset.shape;
    let dims = [dataset.len(), height, width, channels];
    let dims = if channels == 1 { &dims[..3] } else { &dims[..] };
    let header = encode(U8, dims, &[]);
    write_pieces(&dir.join(images), std::iter::once(&header[..]).chain(dataset.images()))?;
    let bytes: Vec<u8> = if dataset.classes() <= 256 {
        encode(U8, &dims[..1], &dataset.labels.iter().map(|&label| label as u8).collect::<Vec<_>>())
    } else {
        let labels: Vec<u8> = dataset.labels.iter().flat_map(|label| label.to_be_bytes()).collect();
        encode(I16, &dims[..1], &labels)
    };
    write_atomically(&dir.join(labels), &bytes)
}

/// An IDX file of unsigned bytes.
pub fn encode_bytes(dims: &[usize], values: &[u8]) -> Vec<u8> {
    encode(U8, dims, values)
}

fn encode(kind: u8, dims: &[usize], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, kind, dims.len() as u8];
    dims.iter().for_each(|&dim| bytes.extend((dim as u32).to_be_bytes()));
    bytes.extend(values);
    bytes
}
