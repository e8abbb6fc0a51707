//! A finished model, as its folder has it: `float.onnx`, `int8.onnx` and `labels.txt`.
//!
//! Both networks run in tract. On `int8.onnx` that gives the integers of a device, bit for bit:
//! the converter refuses to write a model for which it does not.

mod run;
mod trace;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use converter::emit::int8_onnx::LOGIT_EXPONENT;
use converter::read;
use inkling_data::{Dataset, shape_text};
use prost::Message;
use tract_onnx::pb;

use inkling_data::read::labels;

pub use trace::{Filters, LayerTrace, Trace};

/// A model to ask.
pub struct Model {
    pub folder: PathBuf,
    /// The folder's name.
    pub name: String,
    /// Names of the classes, one per logit.
    pub names: Vec<String>,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    float_onnx: Vec<u8>,
    int8_onnx: Vec<u8>,
    /// A logit of the integers stands for `integer · 2^-exponent`.
    logit_exponent: i32,
}

/// The probabilities of all classes for every image of a data set.
pub type Probabilities = Vec<Vec<f32>>;

impl Model {
    /// Reads the model of a folder.
    ///
    /// # Errors
    ///
    /// Names the file: missing, damaged, not for grey images, or of another version.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let file = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => ModelError::Missing { path },
                _ => ModelError::Read { path, error },
            })
        };
        let float_onnx = file("float.onnx")?;
        let int8_onnx = file("int8.onnx")?;
        let path = folder.join("int8.onnx");
        let unusable = |what: String| ModelError::Unusable { path: path.clone(), what };
        let proto = pb::ModelProto::decode(&int8_onnx[..])
            .map_err(|_| unusable("is no ONNX model, or damaged".into()))?;
        let entry = proto.metadata_props.iter().find(|entry| entry.key == LOGIT_EXPONENT);
        let exponent = entry.and_then(|entry| entry.value.parse::<i32>().ok());
        let logit_exponent = exponent.filter(|e| (-64..=64).contains(e)).ok_or_else(|| {
            unusable(format!("does not say its {LOGIT_EXPONENT}; convert the model again"))
        })?;
        let dims = read::input_dims(&float_onnx).map_err(|error| ModelError::Unusable {
            path: folder.join("float.onnx"),
            what: error.to_string(),
        })?;
        let [_, channels, height, width] = dims[..] else {
            return Err(unusable(format!(
                "takes {dims:?}; images [N, channels, height, width] are supported"
            )));
        };
        let classes =
            run::classes(&proto).ok_or_else(|| unusable("has no logits [N, classes]".into()))?;
        let names = match labels::read(folder).map_err(ModelError::Labels)? {
            Some(names) if names.len() == classes => names,
            Some(names) => {
                let path = folder.join(labels::FILE);
                let what = format!("has {} names for {classes} classes", names.len());
                return Err(ModelError::Unusable { path, what });
            }
            None => labels::numbers(classes),
        };
        let name =
            folder.file_name().map_or("model".into(), |name| name.to_string_lossy().into_owned());
        let folder = folder.to_path_buf();
        Ok(Self {
            folder,
            name,
            names,
            height,
            width,
            channels,
            float_onnx,
            int8_onnx,
            logit_exponent,
        })
    }

    /// Height, width and channels of the images that it takes.
    pub fn shape(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    pub fn classes(&self) -> usize {
        self.names.len()
    }

    /// The integers' logits for every image.
    ///
    /// # Errors
    ///
    /// Images of another size; what tract says of a damaged file.
    pub fn int8_logits(&self, images: &Dataset) -> Result<Vec<Vec<i32>>, ModelError> {
        self.check_size(images)?;
        converter::prove::int8_logits(&self.int8_onnx, self.classes(), images)
            .map_err(|error| self.failed("int8.onnx", error))
    }

    /// What the integers' logits mean as probabilities: the softmax of `logit · 2^-exponent`.
    pub fn int8_probabilities(&self, images: &Dataset) -> Result<Probabilities, ModelError> {
        let scale = 2_f32.powi(-self.logit_exponent);
        let real =
            |logits: Vec<i32>| logits.iter().map(|&x| x as f32 * scale).collect::<Vec<f32>>();
        let logits = self.int8_logits(images)?;
        Ok(logits.into_iter().map(|logits| softmax(&real(logits))).collect())
    }

    /// The float network's probabilities for every image; it takes `pixel / 255`.
    ///
    /// # Errors
    ///
    /// As [`Model::int8_logits`].
    pub fn float_probabilities(&self, images: &Dataset) -> Result<Probabilities, ModelError> {
        self.check_size(images)?;
        let logits = run::float_logits(&self.float_onnx, self.classes(), images)
            .map_err(|error| self.failed("float.onnx", error))?;
        Ok(logits.iter().map(|logits| softmax(logits)).collect())
    }

    /// Everything that the integers compute for one image.
    ///
    /// # Errors
    ///
    /// As [`Model::int8_logits`].
    pub fn trace(&self, image: &[u8]) -> Result<Trace, ModelError> {
        trace::run(&self.int8_onnx, image, self.shape())
            .map_err(|error| self.failed("int8.onnx", error))
    }

    /// Brings a data set's classes into the order of the model's, by their names.
    ///
    /// # Errors
    ///
    /// Names the first class that the model does not have; images of another size.
    pub fn relabel(&self, dataset: &mut Dataset) -> Result<(), ModelError> {
        self.check_size(dataset)?;
        let names = &dataset.names;
        let place = |name: &String| self.names.iter().position(|own| own == name);
        let map: Vec<Option<usize>> = names.iter().map(place).collect();
        for label in &mut dataset.labels {
            let known = map.get(usize::from(*label)).copied().flatten();
            *label = known.ok_or_else(|| ModelError::Class {
                folder: self.folder.clone(),
                class: names.get(usize::from(*label)).cloned().unwrap_or_default(),
                known: self.names.join(", "),
            })? as u16;
        }
        dataset.names.clone_from(&self.names);
        Ok(())
    }

    fn check_size(&self, images: &Dataset) -> Result<(), ModelError> {
        if images.shape == self.shape() {
            return Ok(());
        }
        let folder = self.folder.clone();
        Err(ModelError::Size { folder, found: images.shape, expected: self.shape() })
    }

    fn failed(&self, file: &str, error: impl std::fmt::Display) -> ModelError {
        let lines: Vec<String> = format!("{error:#}").lines().map(str::to_string).collect();
        ModelError::Unusable { path: self.folder.join(file), what: lines.join(" ") }
    }
}

/// Probabilities of logits.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let peak = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - peak).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error(
        "{}: is not there; --model needs a folder that the trainer or the converter wrote",
        path.display()
    )]
    Missing { path: PathBuf },
    #[error("{}: cannot be read: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{}: {what}", path.display())]
    Unusable { path: PathBuf, what: String },
    /// Names the file.
    #[error("{0}")]
    Labels(String),
    #[error(
        "{}: the model takes images of {}, these have {}",
        folder.display(), shape_text(*expected), shape_text(*found)
    )]
    Size { folder: PathBuf, found: [usize; 3], expected: [usize; 3] },
    #[error("{}: the model has no class {class:?}; it knows {known}", folder.display())]
    Class { folder: PathBuf, class: String, known: String },
}
