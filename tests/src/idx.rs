//! Data sets as IDX files, for tests that run a program on them.

use std::path::Path;

use inkling_data::{Dataset, Split};

/// Writes one half of a data set, raw, under the names that MNIST uses.
pub fn write(folder: &Path, split: Split, dataset: &Dataset) {
    let (images, labels) = split.file_names();
    let sizes = [dataset.len(), dataset.height, dataset.width];
    write_file(&folder.join(images), &sizes, &dataset.images);
    write_file(&folder.join(labels), &sizes[..1], &dataset.labels);
}

/// Writes an IDX file of unsigned bytes.
pub fn write_file(path: &Path, sizes: &[usize], values: &[u8]) {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    sizes.iter().for_each(|&size| bytes.extend((size as u32).to_be_bytes()));
    bytes.extend(values);
    std::fs::write(path, bytes).expect("a test can write its data");
}
