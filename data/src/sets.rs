//! Which image serves for what.

use std::path::Path;
use std::sync::Arc;

use crate::{Dataset, DatasetError};
use image::RgbImage;

use crate::prepare::InputForm;
use crate::random::{Purpose, Random};
use crate::read::{self, BadFile, Collection, ImportError, Options};
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

/// All of `count` images in random order.
pub fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    Random::new(seed, Purpose::Split, 0).shuffle(&mut order);
    order
}

/// Which of `count` images (two at least) to train on, in random order, and the twelfth of them that
/// is for validation, both chosen by `seed`.
pub fn divide(count: usize, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut order = shuffled(count, seed);
    let training = order.split_off((count / 12).max(1));
    (training, order)
}

/// A data set, divided.
pub struct Sets {
    /// The images of the training files: those of training and, unless they were given on their own,
    /// of validation.
    pub images: Arc<Dataset>,
    /// Which of `images` to train on.
    pub training: Vec<usize>,
    /// Whether those of validation are among them.
    pub validation_learned: bool,
    pub validation: Dataset,
    pub test: SealedTestSet,
    /// Which `test` is: given with the data, or set aside by the seed.
    pub test_given: bool,
    /// The sha256 of all images and labels.
    pub fingerprint: String,
    /// What brought the source to bytes; of several inputs the first one's.
    pub form: InputForm,
    /// What brought each of several inputs to bytes.
    pub forms: Vec<InputForm>,
    /// Whether the validation images were given with the data, and not set aside.
    pub validation_given: bool,
    /// What was chosen while reading, a line each.
    pub notes: Vec<String>,
    /// What was left out.
    pub bad: Vec<BadFile>,
    /// Pictures as they were found beside what they became.
    pub preview: Option<RgbImage>,
}

impl Sets {
    /// Reads a data set in any of the forms of [`read::open`]. Unless it has images for validation,
    /// sets a twelfth of its training images aside (5,000 of MNIST's 60,000), chosen by `seed`.
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
        let validation_given = collection.validation.is_some();
        let (training, validation) = match collection.validation {
            Some(given) if given.is_empty() => {
                let what = "the validation set is empty".to_string();
                return Err(DatasetError::Disagree { path: path.to_path_buf(), what }.into());
            }
            Some(given) => (shuffled(images.len(), seed), given),
            None => {
                let (training, validation) = divide(images.len(), seed);
                (training, images.subset(&validation))
            }
        };
        let fingerprint = hash(&[&images, &validation, &test]);
        Ok(Self {
            validation,
            images: Arc::new(images),
            training,
            validation_learned: false,
            test: SealedTestSet(test),
            test_given: collection.test_given,
            fingerprint,
            form: collection.form,
            forms: collection.forms,
            validation_given,
            notes: collection.notes,
            bad: collection.bad,
            preview: collection.preview,
        })
    }

    /// Adds a class without images to all sets.
    pub fn add_class(&mut self, name: &str) {
        let sets = [Arc::make_mut(&mut self.images), &mut self.validation, &mut self.test.0];
        sets.into_iter().for_each(|set| set.names.push(name.to_string()));
    }

    /// Trains on all images of the training files, those set aside for validation among them, behind the
    /// others. Where validation images were given on their own there is nothing to add.
    pub fn learn_validation(&mut self) {
        let mut left: Vec<bool> = vec![true; self.images.len()];
        self.training.iter().for_each(|&index| left[index] = false);
        self.training.extend((0..left.len()).filter(|&index| left[index]));
        self.validation_learned = !self.validation_given;
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

/// The sha256 that [`Sets::load`] gives these data, divided by `seed`.
pub fn fingerprint(collection: &Collection, seed: u64) -> String {
    let Collection { train, validation, test, .. } = collection;
    match validation {
        Some(validation) => hash(&[train, validation, test]),
        None => hash(&[train, &train.subset(&divide(train.len(), seed).1), test]),
    }
}

/// The sha256 of what is learned from, validated and tested on: shape, names, samples and labels.
fn hash(sets: &[&Dataset]) -> String {
    let shape = sets[0].shape.map(|side| (side as u64).to_le_bytes());
    let names = sets[0].names.join("\n");
    let inputs = sets[0].inputs.iter().map(|input| format!("\n{} {:?}", input.name, input.shape));
    let inputs: String = inputs.collect();
    let labels = |set: &&Dataset| set.labels.iter().flat_map(|l| l.to_le_bytes()).collect();
    let labels: Vec<Vec<u8>> = sets.iter().map(labels).collect();
    let mut pieces: Vec<&[u8]> = vec![shape.as_flattened(), names.as_bytes(), inputs.as_bytes()];
    for (set, labels) in sets.iter().zip(&labels) {
        pieces.extend(set.images());
        pieces.push(labels);
    }
    sha256(pieces)
}
