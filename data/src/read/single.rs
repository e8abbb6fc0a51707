//! One sample from one file, as an input of a model takes it.

use std::path::Path;

use super::{arrays, picture, series};
use crate::prepare::{Fill, InputForm, Preparation, Prepared, fill};
use crate::shape_text;

/// How an input takes what is in a file.
#[derive(Clone, Debug)]
pub struct Taking {
    /// Height, width and channels.
    pub shape: [usize; 3],
    /// How pictures become samples.
    pub preparation: Preparation,
    /// What brought the training's data to bytes, where that is known.
    pub form: Option<InputForm>,
    /// How missing numbers are filled, and the one that stands for them.
    pub fill: Option<Fill>,
    pub missing_value: Option<u8>,
}

/// A sample, and how a picture became it.
pub struct Sample {
    /// `[height][width][channels]`.
    pub bytes: Vec<u8>,
    /// What was read, in words.
    pub read: String,
    /// Of a picture.
    pub prepared: Option<Prepared>,
}

impl Taking {
    /// Reads a picture, a CSV file with a row per moment and a column per sensor, or a `.npy` array of one
    /// sample.
    ///
    /// # Errors
    ///
    /// One line without the path.
    pub fn read(&self, path: &Path) -> Result<Sample, String> {
        let end = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        match &end[..] {
            "csv" | "tsv" => {
                let (values, columns) = series::one(path)?;
                self.of_numbers(values, columns)
            }
            "npy" => {
                let (values, shape) = arrays::one(path)?;
                self.of_array(values, &shape)
            }
            _ => self.of_picture(path),
        }
    }

    fn of_picture(&self, path: &Path) -> Result<Sample, String> {
        if let Some(InputForm::Numbers(_)) = self.form {
            return Err(format!(
                "the input takes numbers, {}: a CSV file with a row per moment and a column per sensor, or \
                 a .npy array",
                shape_text(self.shape)
            ));
        }
        if !matches!(self.shape[2], 1 | 3) {
            return Err(format!(
                "the input takes {}, which no picture becomes",
                shape_text(self.shape)
            ));
        }
        let picture = picture::read(path)?;
        let prepared = self.preparation.apply(&picture)?;
        let [height, width] = picture.size;
        let colour = if picture.colours.is_some() { "colour" } else { "grey" };
        let mut read = format!("{width}×{height} pixels, {colour}");
        if picture.grey.width != width {
            let (width, height) = (picture.grey.width, picture.grey.height);
            read.push_str(&format!(", brought down to {width}×{height}"));
        }
        Ok(Sample { bytes: prepared.pixels.clone(), read, prepared: Some(prepared) })
    }

    /// Rows of `columns` numbers: those of a recording, of which as many are taken as the input has
    /// moments, or all numbers of a sample.
    fn of_numbers(&self, mut values: Vec<f32>, columns: usize) -> Result<Sample, String> {
        let [height, width, channels] = self.shape;
        let (rows, size) = (values.len() / columns, height * width * channels);
        let mut read = format!("{rows} rows of {columns} numbers");
        if height == 1 && columns == channels && rows > width && channels > 1 {
            values.truncate(size);
            read.push_str(&format!(", of which the first {width} rows are taken, as in training"));
        }
        self.finish(values, read, &format!("{rows} rows of {columns}"))
    }

    /// An array of the input's shape, with or without a dimension for one sample, or for one channel.
    fn of_array(&self, values: Vec<f32>, shape: &[usize]) -> Result<Sample, String> {
        let words = shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×");
        let own = |dims: &[usize]| dims.iter().copied().filter(|&dim| dim != 1).collect::<Vec<_>>();
        if own(shape) != own(&self.shape) && shape != [self.shape.iter().product::<usize>()] {
            return Err(format!(
                "is an array of {words}, the input takes one sample of {}",
                shape_text(self.shape)
            ));
        }
        self.finish(values, format!("an array of {words}"), &words)
    }

    /// The bytes of a sample's numbers, by the scale of the training.
    fn finish(&self, mut values: Vec<f32>, read: String, found: &str) -> Result<Sample, String> {
        if values.len() != self.shape.iter().product::<usize>() {
            return Err(format!("has {found}, the input takes {}", shape_text(self.shape)));
        }
        if let Some(missing) = self.missing_value.map(f32::from) {
            let stands = |value: &&mut f32| **value == missing;
            values.iter_mut().filter(stands).for_each(|value| *value = f32::NAN);
        }
        if values.iter().any(|value| !value.is_finite()) {
            let Some(how) = self.fill else {
                return Err("has missing or infinite numbers, which the training had not".into());
            };
            fill(&mut values, self.shape, how);
        }
        let bytes = match &self.form {
            Some(InputForm::Numbers(scaling)) => scaling.apply(&values),
            _ => {
                let byte = |value: &f32| match value.round().clamp(0.0, 255.0) {
                    byte if byte == *value => Ok(byte as u8),
                    _ => Err(format!("holds {value}, the input takes whole numbers from 0 to 255")),
                };
                values.iter().map(byte).collect::<Result<_, _>>()?
            }
        };
        Ok(Sample { bytes, read, prepared: None })
    }
}
