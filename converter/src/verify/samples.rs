//! What is sent to a device.

use std::path::Path;

use inkling_data::read::{self, Options};
use inkling_data::{Dataset, Split};

use super::VerifyError;
use super::model::Model;
use crate::imported;

/// The images of a model that takes them, where nobody names others.
const MNIST: &str = "data/mnist";

/// Samples of noise, where nobody says how many.
const NOISE: u64 = 100;

/// The bytes of a model's input, many times.
pub struct Samples {
    pub inputs: Dataset,
    /// Whether somebody knows what is on them.
    pub labelled: bool,
}

impl Samples {
    /// The first `count` test images of `data`. Without `data` those of MNIST where the model takes
    /// such images, and else noise, the same every time. For a model of several inputs `data` has them
    /// in any form that is read.
    ///
    /// # Errors
    ///
    /// Images that cannot be read or that the model does not take.
    pub fn load(
        data: Option<&Path>,
        count: Option<u64>,
        model: &Model,
    ) -> Result<Self, VerifyError> {
        let folder = match data {
            Some(folder) => folder,
            None if model.takes_digits() => Path::new(MNIST),
            None => return Ok(Self::noise(count.unwrap_or(NOISE), model)),
        };
        let mut images = match model.wanted.is_empty() {
            true => Dataset::load(folder, Split::Test)?,
            false => {
                let inputs = model.wanted.clone();
                read::open(folder, &Options { inputs, ..Options::default() })?.test
            }
        };
        if let Some(count) = count {
            let count = images.len().min(usize::try_from(count).unwrap_or(usize::MAX));
            images = images.subset(&(0..count).collect::<Vec<_>>());
        }
        Ok(Self { inputs: model.inputs(images, folder)?, labelled: true })
    }

    fn noise(count: u64, model: &Model) -> Self {
        let size = model.input.iter().product();
        let samples = (0..count as usize).flat_map(|number| imported::sample(number, size));
        let names = inkling_data::read::labels::numbers(model.classes.max(2));
        let labels = vec![0; count as usize];
        let inputs = Dataset::new(model.input, samples.collect(), labels, names);
        Self { inputs, labelled: false }
    }
}
