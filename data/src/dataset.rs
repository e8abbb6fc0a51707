//! Labelled images: what the trainer learns from, and what the converter calibrates and verifies on.

use std::path::{Path, PathBuf};

use crate::read::idx;

/// The largest height and the largest width that an image may have, in pixels.
pub const MAX_SIDE: usize = 64;

/// The largest number of classes: a label is one byte.
pub const MAX_CLASSES: usize = 256;

/// Which half of a data set's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    Train,
    /// Read once, at the end: it chooses nothing.
    Test,
}

impl Split {
    /// The file names of MNIST, which every data set in IDX form uses, without `.gz`.
    pub fn file_names(self) -> (&'static str, &'static str) {
        match self {
            Split::Train => ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
            Split::Test => ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
        }
    }

    /// The files of images and of labels in a folder, raw or with `.gz`, whichever is read.
    pub fn files(self, dir: &Path) -> (PathBuf, PathBuf) {
        let (images, labels) = self.file_names();
        (idx::place(dir, images), idx::place(dir, labels))
    }
}

/// Grey images of one size with one label each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Pixels of all images, `[count][height][width]`, 0 to 255.
    pub images: Vec<u8>,
    /// One label per image, below `classes`.
    pub labels: Vec<u8>,
    pub height: usize,
    pub width: usize,
    /// The largest label + 1, and at least 2.
    pub classes: usize,
}

impl Dataset {
    /// Reads `train-images-idx3-ubyte[.gz]` and its labels, or their `t10k` twins, from a folder.
    ///
    /// # Errors
    ///
    /// Names the file and what is wrong with it: missing, truncated or with bytes left over, a
    /// wrong magic number, no images, an image over [`MAX_SIDE`], counts that disagree, a label
    /// out of range.
    pub fn load(dir: &Path, split: Split) -> Result<Self, DatasetError> {
        idx::read_pair(dir, split)
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Pixels of one image.
    pub fn image_size(&self) -> usize {
        self.height * self.width
    }

    /// The pixels of image `index`, row-major.
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.image_size();
        &self.images[index * size..(index + 1) * size]
    }

    /// A data set of the images at `indices`, in that order; the number of classes stays.
    pub fn subset(&self, indices: &[usize]) -> Dataset {
        let mut images = Vec::with_capacity(indices.len() * self.image_size());
        indices.iter().for_each(|&index| images.extend_from_slice(self.image(index)));
        Dataset {
            images,
            labels: indices.iter().map(|&index| self.labels[index]).collect(),
            ..Dataset { images: Vec::new(), labels: Vec::new(), ..*self }
        }
    }

    /// Fails unless the other half of the data set, read from the files `images` and `labels`, has
    /// images of the same size and no label that this half lacks.
    pub fn check_twin(
        &self,
        twin: &Dataset,
        images: &Path,
        labels: &Path,
    ) -> Result<(), DatasetError> {
        if (self.height, self.width) != (twin.height, twin.width) {
            return Err(DatasetError::Disagree {
                path: images.to_path_buf(),
                what: format!(
                    "training images are {}×{} and test images {}×{}; both must have one size",
                    self.height, self.width, twin.height, twin.width
                ),
            });
        }
        if let Some(label) = twin.labels.iter().find(|&&label| usize::from(label) >= self.classes) {
            return Err(DatasetError::Disagree {
                path: labels.to_path_buf(),
                what: format!(
                    "the test set has label {label}, but the training set's labels end at {}",
                    self.classes - 1
                ),
            });
        }
        Ok(())
    }
}

/// Why a data set could not be read; each names the file or folder.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    #[error(
        "{}: no {name} or {name}.gz here; --data needs a folder with the four IDX files \
         (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, \
         t10k-labels-idx1-ubyte, each raw or .gz)", dir.display()
    )]
    Missing { dir: PathBuf, name: &'static str },
    #[error("{}: cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}: {what}", path.display())]
    Malformed { path: PathBuf, what: String },
    #[error("{}: {what}", path.display())]
    Disagree { path: PathBuf, what: String },
}
