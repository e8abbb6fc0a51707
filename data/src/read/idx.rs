//! The IDX format of the MNIST files, raw or compressed with gzip.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::{Dataset, DatasetError, MAX_CLASSES, MAX_SIDE, Split};

/// Magic number of a file of unsigned bytes with three dimensions: count, height, width.
const IMAGES_MAGIC: u32 = 0x0000_0803;
/// Magic number of a file of unsigned bytes with one dimension: count.
const LABELS_MAGIC: u32 = 0x0000_0801;
/// Guards against a compressed file that unpacks without end.
const MAX_BYTES: u64 = 1 << 32;

/// Reads the images and labels of one split from a folder.
pub fn read_pair(dir: &Path, split: Split) -> Result<Dataset, DatasetError> {
    let (images_name, labels_name) = split.file_names();
    let (images_path, images_file) = read(dir, images_name)?;
    let (labels_path, labels_file) = read(dir, labels_name)?;

    let (dims, images) = values::<3>(&images_path, &images_file, IMAGES_MAGIC, "images")?;
    let [count, height, width] = dims;
    let (label_dims, labels) = values::<1>(&labels_path, &labels_file, LABELS_MAGIC, "labels")?;

    let malformed = |path: &Path, what: String| DatasetError::Malformed { path: path.into(), what };
    if count == 0 {
        return Err(malformed(&images_path, "holds no image".into()));
    }
    if !(1..=MAX_SIDE).contains(&height) || !(1..=MAX_SIDE).contains(&width) {
        let what = format!("images are {height}×{width}; sides from 1 to {MAX_SIDE} are supported");
        return Err(malformed(&images_path, what));
    }
    if label_dims[0] != count {
        let what = format!(
            "{} labels for the {count} images of {}",
            label_dims[0],
            images_path.file_name().unwrap_or_default().to_string_lossy()
        );
        return Err(malformed(&labels_path, what));
    }
    let largest = labels.iter().copied().max().map_or(0, usize::from);
    Ok(Dataset {
        images: images.to_vec(),
        labels: labels.to_vec(),
        height,
        width,
        classes: (largest + 1).clamp(2, MAX_CLASSES),
    })
}

/// Where `name` or `name.gz` is in `dir`; the raw file wins where both are there.
pub fn place(dir: &Path, name: &str) -> PathBuf {
    let raw = dir.join(name);
    if raw.is_file() { raw } else { dir.join(format!("{name}.gz")) }
}

/// The contents of `name` or `name.gz` in `dir`.
fn read(dir: &Path, name: &'static str) -> Result<(PathBuf, Vec<u8>), DatasetError> {
    let path = place(dir, name);
    if !path.is_file() {
        return Err(DatasetError::Missing { dir: dir.into(), name });
    }
    let failed = |source| DatasetError::Read { path: path.clone(), source };
    let file = fs::File::open(&path).map_err(failed)?;
    let mut bytes = Vec::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        MultiGzDecoder::new(file).take(MAX_BYTES).read_to_end(&mut bytes).map_err(|source| {
            let what = format!("not a whole gzip file ({source}); download or copy it again");
            DatasetError::Malformed { path: path.clone(), what }
        })?;
    } else {
        file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    }
    Ok((path, bytes))
}

/// Splits an IDX file of unsigned bytes into its dimensions and its values.
fn values<'a, const DIMS: usize>(
    path: &Path,
    file: &'a [u8],
    magic: u32,
    what: &str,
) -> Result<([usize; DIMS], &'a [u8]), DatasetError> {
    let malformed = |what: String| DatasetError::Malformed { path: path.into(), what };
    let header_bytes = 4 + 4 * DIMS;
    let mut words = file.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let found = words.next();
    if found.is_some_and(|found| found != magic) {
        let found = found.unwrap_or_default();
        return Err(malformed(format!(
            "not an IDX file of {what}: it begins with 0x{found:08x}, expected 0x{magic:08x}"
        )));
    }
    if file.len() < header_bytes {
        return Err(malformed(format!(
            "truncated: {} bytes, but the header alone takes {header_bytes}",
            file.len()
        )));
    }
    let mut dims = [0; DIMS];
    dims.iter_mut().zip(words).for_each(|(dim, word)| *dim = word as usize);
    let expected = dims.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim));
    let body = &file[header_bytes..];
    match expected {
        Some(expected) if expected == body.len() => Ok((dims, body)),
        _ => {
            let state =
                if expected.is_none_or(|e| e > body.len()) { "truncated" } else { "too long" };
            let wanted = expected.map_or("more".to_string(), |e| e.to_string());
            Err(malformed(format!(
                "{state}: the header announces {wanted} bytes of {what}, the file holds {}",
                body.len()
            )))
        }
    }
}
