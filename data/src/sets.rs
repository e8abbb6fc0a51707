//! Which image serves for what.

use std::path::Path;
use std::sync::Arc;

use crate::{Dataset, DatasetError};
use image::GrayImage;

use crate::random::{Purpose, Random};
use crate::read::{self, BadFile, ImportError, Options};
use inkling_support::digest::sha256;

/// The test set. It is read and checked with the rest, so that a broken file is found at once, but
/// nothing can look at it before [`SealedTestSet::open`], which can be called once.
pub struct SealedTestSet(Dataset);

impl SealedTestSet {
    pub fn open(self) -> Dataset {
        self.0
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Which of `count` images (two at least) to train on, in random order, and the twelfth of them that
/// is for validation, both chosen by `seed`.
pub fn divide(count: usize, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..count).collect();
    Random::new(seed, Purpose::Split, 0).shuffle(&mut order);
    let training = order.split_off((count / 12).max(1));
    (training, order)
}

/// A data set, divided.
pub struct Sets {
    /// The images of the training files: those of training and of validation.
    pub images: Arc<Dataset>,
    /// Which of `images` to train on.
    pub training: Vec<usize>,
    pub validation: Dataset,
    pub test: SealedTestSet,
    /// Which `test` is: given with the data, or set aside by the seed.
    pub test_given: bool,
    /// The sha256 of all images and labels.
    pub fingerprint: String,
    /// What was chosen while reading, a line each.
    pub notes: Vec<String>,
    /// What was left out.
    pub bad: Vec<BadFile>,
    /// Pictures as they were found beside what they became.
    pub preview: Option<GrayImage>,
}

impl Sets {
    /// Reads a data set in any of the forms of [`read::open`] and sets a twelfth of its training
    /// images aside for validation (5,000 of MNIST's 60,000), chosen by `seed`.
    ///
    /// # Errors
    ///
    /// What [`read::open`] finds wrong; fewer than two training images.
    pub fn load(path: &Path, options: &Options, seed: u64) -> Result<Self, ImportError> {
        let collection = read::open(path, options)?;
        let (images, test) = (collection.train, collection.test);
        if images.len() < 2 {
            let what = "one image is not enough: training and validation need one each".to_string();
            return Err(DatasetError::Disagree { path: path.to_path_buf(), what }.into());
        }
        let (training, validation) = divide(images.len(), seed);
        let fingerprint = fingerprint(&images, &test);
        Ok(Self {
            validation: images.subset(&validation),
            images: Arc::new(images),
            training,
            test: SealedTestSet(test),
            test_given: collection.test_given,
            fingerprint,
            notes: collection.notes,
            bad: collection.bad,
            preview: collection.preview,
        })
    }

    /// Leaves at most `count` images of each class to train on, those that come first in the random
    /// order.
    pub fn keep_per_class(&mut self, count: usize) {
        let mut kept = vec![0; self.images.classes()];
        let labels = &self.images.labels;
        self.training.retain(|&index| {
            let kept = &mut kept[usize::from(labels[index])];
            *kept += 1;
            *kept <= count
        });
    }
}

/// The sha256 of what is learned from and tested on: shape, samples, labels and names of both
/// halves.
pub fn fingerprint(images: &Dataset, test: &Dataset) -> String {
    let shape = images.shape.map(|side| (side as u64).to_le_bytes());
    let names = images.names.join("\n");
    let labels = [images, test]
        .map(|set| set.labels.iter().flat_map(|l| l.to_le_bytes()).collect::<Vec<u8>>());
    let mut pieces: Vec<&[u8]> = vec![shape.as_flattened(), names.as_bytes()];
    for (set, labels) in [images, test].into_iter().zip(&labels) {
        pieces.extend(set.images());
        pieces.push(labels);
    }
    sha256(pieces)
}
