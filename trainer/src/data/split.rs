//! Which image serves for what.

use std::path::Path;

use converter::dataset::{Dataset, DatasetError, Split};

use crate::random::{Purpose, Random};

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

/// A data set, divided.
pub struct Sets {
    pub training: Dataset,
    pub validation: Dataset,
    pub test: SealedTestSet,
}

impl Sets {
    /// Reads a folder of IDX files and sets a twelfth of its training images aside for validation
    /// (5,000 of MNIST's 60,000), chosen by `seed`.
    ///
    /// # Errors
    ///
    /// What [`Dataset::load`] finds wrong; test images that do not match; fewer than two training
    /// images.
    pub fn load(dir: &Path, seed: u64) -> Result<Self, DatasetError> {
        let all = Dataset::load(dir, Split::Train)?;
        let test = Dataset::load(dir, Split::Test)?;
        all.check_twin(&test, dir)?;
        if all.len() < 2 {
            let what = "one image is not enough: training and validation need one each".to_string();
            return Err(DatasetError::Disagree { path: dir.to_path_buf(), what });
        }
        let mut order: Vec<usize> = (0..all.len()).collect();
        Random::new(seed, Purpose::Split, 0).shuffle(&mut order);
        let (validation, training) = order.split_at_mut((all.len() / 12).max(1));
        // File order within each half: what the order of training is, is drawn for each epoch.
        validation.sort_unstable();
        training.sort_unstable();
        Ok(Self {
            training: all.subset(training),
            validation: all.subset(validation),
            test: SealedTestSet(test),
        })
    }
}
