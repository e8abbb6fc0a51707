//! A finished model, as its folder has it: `model.json`, `float.onnx` and `int8.onnx`, or what others
//! quantized.
//!
//! The integers are computed by the kernels of `firmware-core`, so they are a device's; the float
//! layers are those that they were made of. Both are restored from the files, and refused if they
//! are not what `int8.onnx` holds.

mod trace;

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use converter::RestoreError;
use converter::arena;
use converter::emit::Origin;
use converter::emit::blob::{self, BlobEmitError};
use converter::graph::Output;
use converter::lower;
use converter::quantized::{QuantizedNetwork, Scale};
use converter::record::pixels::{PixelInput, UNKNOWN_PIXELS};
use converter::record::{self, Meaning, ModelRecord, RecordFileError};
use converter::{evaluate, imported, qdq, reference, tflite};
use firmware_core::blob::Layout;
use firmware_core::{Unknown, argmax};
use inkling_data::read::labels;
use inkling_data::{Dataset, shape_text};
use inkling_support::digest::sha256;

use crate::learn::softmax::softmax;
use inkling_support::{parallel, shell};

pub use trace::{Filters, LayerTrace, Trace};

/// Below this probability an answer is called unsure, where the record says nothing else.
const UNSURE: f64 = 0.6;

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
    pub record: ModelRecord,
    /// How it says "none of these", if it can.
    pub unknown: Option<Unknown>,
    /// Nothing where the model came as integers.
    float: Option<lower::Network>,
    int8: QuantizedNetwork,
    pixels: PixelInput,
}

/// What a model answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The class with the largest logit, that for everything else left out.
    pub class: usize,
    /// The image is none of the classes.
    pub refused: bool,
}

/// What is said instead of a class.
pub const NONE_OF_THESE: &str = "none of these";

/// The probabilities of all classes for every image of a data set.
pub type Probabilities = Vec<Vec<f32>>;

impl Model {
    /// Reads the model of a folder; a file of it stands for its folder.
    ///
    /// # Errors
    ///
    /// Names the file: missing, damaged, or of another conversion than those beside it.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let folder = folder_of(path)?;
        let file = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => ModelError::Missing { path },
                _ => ModelError::Read { path, error },
            })
        };
        let unusable =
            |name: &str, what: String| ModelError::Unusable { path: folder.join(name), what };
        let recorded = ModelRecord::of_folder(&folder)?;
        let source = recorded.as_ref().and_then(|record| record.source.clone());
        let source_file =
            source.as_ref().map_or("float.onnx", |source| &source.file[..]).to_string();
        let source_file = &source_file[..];
        // A record may lie about everything; it does not lead out of the folder.
        if !["float.onnx", tflite::SOURCE, qdq::SOURCE].contains(&source_file) {
            return Err(unusable(record::FILE, format!("names {source_file:?} as its source")));
        }
        let model = file(source_file)?;
        if let Some(source) = source
            && source.sha256 != sha256([&model[..]])
        {
            return Err(unusable(source_file, OTHER_FILE.into()));
        }
        let imported = imported::network_of(source_file, &model)
            .map_err(|error| unusable(source_file, error))?;
        let (record, float, int8) = match (recorded, imported) {
            (Some(record), Some(network)) => (record, None, network),
            (recorded, _) => {
                let int8_onnx = file("int8.onnx")?;
                let record = match recorded {
                    Some(record) => record,
                    None => ModelRecord::of_onnx(&int8_onnx)
                        .map_err(|error| unusable("int8.onnx", error.to_string()))?
                        .ok_or_else(|| ModelError::NoRecord { folder: folder.clone() })?,
                };
                let restored = converter::restore(&model, &record, &int8_onnx);
                let (float, int8) = restored.map_err(|error| match error {
                    RestoreError::Convert(error) => unusable("float.onnx", error.to_string()),
                    RestoreError::Another => unusable("int8.onnx", error.to_string()),
                })?;
                (record, Some(float), int8)
            }
        };
        // Of several outputs the last layer's is the classifier's.
        let last = int8.outputs.iter().position(|output| output.value == int8.layers.len());
        let logits = record.outputs.get(last.unwrap_or(0));
        let estimates = logits.is_some_and(|output| output.meaning == Meaning::Values);
        if !int8.gives_vector() {
            return Err(unusable(source_file, AN_IMAGE.into()));
        }
        if estimates && int8.classes() == 1 {
            return Err(unusable(source_file, NO_CLASSES.into()));
        }
        let classes = int8.answers();
        let names = match &record.labels {
            names if names.len() == classes => names.clone(),
            names if names.is_empty() => match labels::read(&folder).map_err(ModelError::Labels)? {
                Some(names) if names.len() == classes => names,
                Some(names) => {
                    let what = format!("has {} names for {classes} classes", names.len());
                    return Err(unusable(labels::FILE, what));
                }
                None => labels::numbers(classes),
            },
            names => {
                let what = format!("has {} labels for {classes} classes", names.len());
                return Err(unusable(record::FILE, what));
            }
        };
        let pixels = PixelInput::of(&record, &int8)
            .ok_or_else(|| unusable(source_file, UNKNOWN_PIXELS.into()))?;
        let unknown = converter::unknown(&record, &int8)
            .map_err(|error| unusable(record::FILE, error.to_string()))?;
        let name =
            folder.file_name().map_or("model".into(), |name| name.to_string_lossy().into_owned());
        let converter::graph::Shape { height, width, channels } = int8.input;
        Ok(Self {
            folder,
            name,
            names,
            height,
            width,
            channels,
            record,
            unknown,
            float,
            int8,
            pixels,
        })
    }

    /// Height, width and channels of the images that it takes.
    pub fn shape(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    /// The inputs: name, shape and places in a sample; one that is alone has no name.
    pub fn parts(&self) -> Vec<(&str, [usize; 3], Range<usize>)> {
        let inputs = &self.record.inputs;
        if inputs.len() < 2 {
            return vec![("", self.shape(), 0..self.shape().iter().product())];
        }
        let mut end = 0;
        let part = |input: &'_ record::InputRecord| {
            let first = end;
            end += input.shape.iter().product::<usize>();
            first..end
        };
        let places: Vec<Range<usize>> = inputs.iter().map(part).collect();
        let parts = inputs.iter().zip(places);
        parts.map(|(input, places)| (&input.name[..], input.shape, places)).collect()
    }

    /// The integer network.
    pub fn network(&self) -> &QuantizedNetwork {
        &self.int8
    }

    pub fn classes(&self) -> usize {
        self.names.len()
    }

    /// The probability below which an answer is called unsure.
    pub fn unsure(&self) -> f32 {
        self.record.thresholds.get(record::UNSURE).copied().unwrap_or(UNSURE) as f32
    }

    /// The answer to an image by its logits.
    pub fn answer(&self, logits: &[i32]) -> Answer {
        match &self.unknown {
            None => Answer { class: argmax(logits), refused: false },
            Some(unknown) => Answer {
                class: unknown.best(logits).0.unwrap_or_default(),
                refused: unknown.classify(logits).is_none(),
            },
        }
    }

    /// The integers' logits for every image.
    ///
    /// # Errors
    ///
    /// Images of another size.
    pub fn int8_logits(&self, images: &Dataset) -> Result<Vec<Vec<i32>>, ModelError> {
        self.check_size(images)?;
        Ok(parallel::map(images.len(), |index| self.logits(images.image(index))))
    }

    fn logits(&self, pixels: &[u8]) -> Vec<i32> {
        self.of_classes(reference::logits(&self.int8, &self.pixels.bytes(pixels)))
    }

    /// One logit for each class: where a single one tells two apart, it is that of the second, and the
    /// first has what stands for zero.
    fn of_classes(&self, logits: Vec<i32>) -> Vec<i32> {
        let [logit] = logits[..] else { return logits };
        match self.int8.format(self.int8.layers.len()).scale {
            Scale::PowerOfTwo(_) => vec![0, logit],
            Scale::Affine { zero, .. } => vec![zero, logit],
        }
    }

    /// The outputs beside the logits, by their names, for one image: the values that the source gives.
    ///
    /// # Errors
    ///
    /// As [`Model::int8_logits`].
    pub fn other_outputs(&self, image: &[u8]) -> Result<Vec<(String, Vec<f32>)>, ModelError> {
        let (folder, expected) = (self.folder.clone(), self.shape());
        if image.len() != expected.iter().product::<usize>() {
            return Err(ModelError::Size { folder, found: [1, image.len(), 1], expected });
        }
        let network = &self.int8;
        let values = match network.several_outputs() {
            None => Vec::new(),
            Some(_) => reference::values(network, &self.pixels.bytes(image)),
        };
        let others = network.several_outputs().unwrap_or_default().iter();
        let others = others.filter(|output| output.value != network.layers.len());
        let real = |output: &Output| {
            let (step, zero) = match network.format(output.value).scale {
                Scale::PowerOfTwo(exponent) => (2_f32.powi(-exponent), 0),
                Scale::Affine { scale, zero } => (scale, zero),
            };
            let integers = values[output.value].to_i32();
            let reals: Vec<f32> = integers.iter().map(|&q| (q - zero) as f32 * step).collect();
            (output.name.clone(), output.finished(&reals, network.shape(output.value)))
        };
        Ok(others.map(real).collect())
    }

    /// The same in words, a line for each output.
    ///
    /// # Errors
    ///
    /// As [`Model::int8_logits`].
    pub fn other_outputs_text(&self, image: &[u8]) -> Result<Vec<String>, ModelError> {
        const SHOWN: usize = 8;
        let line = |(name, values): (String, Vec<f32>)| {
            let some: Vec<String> =
                values.iter().take(SHOWN).map(|value| format!("{value:.4}")).collect();
            let rest = match values.len() > SHOWN {
                true => format!("  … ({} values)", values.len()),
                false => String::new(),
            };
            format!("{name}: {}{rest}", some.join("  "))
        };
        Ok(self.other_outputs(image)?.into_iter().map(line).collect())
    }

    /// What the integers' logits for one image mean: the softmax of the values they stand for. A zero
    /// point changes nothing in it.
    pub fn probabilities(&self, logits: &[i32]) -> Vec<f32> {
        let scale = match self.int8.format(self.int8.layers.len()).scale {
            Scale::PowerOfTwo(exponent) => 2_f32.powi(-exponent),
            Scale::Affine { scale, .. } => scale,
        };
        softmax(&logits.iter().map(|&logit| logit as f32 * scale).collect::<Vec<f32>>())
    }

    /// The integers' probabilities for every image.
    ///
    /// # Errors
    ///
    /// As [`Model::int8_logits`].
    pub fn int8_probabilities(&self, images: &Dataset) -> Result<Probabilities, ModelError> {
        let logits = self.int8_logits(images)?;
        Ok(logits.iter().map(|logits| self.probabilities(logits)).collect())
    }

    /// The float network's probabilities for every image, scaled as in its training; nothing where
    /// there is no such network.
    ///
    /// # Errors
    ///
    /// As [`Model::int8_logits`].
    pub fn float_probabilities(
        &self,
        images: &Dataset,
    ) -> Result<Option<Probabilities>, ModelError> {
        self.check_size(images)?;
        let Some(float) = &self.float else { return Ok(None) };
        let answer = |index| match evaluate::logits(float, images.image(index))[..] {
            [logit] => softmax(&[0.0, logit]),
            ref logits => softmax(logits),
        };
        Ok(Some(parallel::map(images.len(), answer)))
    }

    /// The model as data, for the portable kernels.
    ///
    /// # Errors
    ///
    /// A layer that has no form in a blob.
    pub fn blob(&self) -> Result<Vec<u8>, BlobEmitError> {
        let origin = Origin {
            name: self.name.clone(),
            source: String::new(),
            source_sha256: [0; 32],
            command: String::new(),
            labels: self.names.clone(),
            unknown: None,
            section: None,
        };
        blob::emit(&self.int8, &arena::plan(&self.int8), &origin, Layout::PORTABLE)
    }

    /// Everything that the integers compute for one image.
    ///
    /// # Errors
    ///
    /// As [`Model::int8_logits`].
    pub fn trace(&self, image: &[u8]) -> Result<Trace, ModelError> {
        let (folder, expected) = (self.folder.clone(), self.shape());
        if image.len() != expected.iter().product::<usize>() {
            return Err(ModelError::Size { folder, found: [1, image.len(), 1], expected });
        }
        let trace = trace::run(&self.int8, &self.pixels.bytes(image));
        Ok(Trace { logits: self.of_classes(trace.logits), ..trace })
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
}

/// The folder that is meant by `path`, a model's folder or a file in it.
fn folder_of(path: &Path) -> Result<PathBuf, ModelError> {
    if !path.is_file() {
        return Ok(path.to_path_buf());
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let known = ["float.onnx", "int8.onnx", "model.rs", record::FILE, tflite::SOURCE, qdq::SOURCE];
    match path.file_name().and_then(|name| name.to_str()) {
        Some(name) if known.contains(&name) => Ok(folder),
        _ => Err(ModelError::File { path: path.to_path_buf() }),
    }
}

const AN_IMAGE: &str = "returns an image and tells no classes apart. Its values for an input are what infer in its \
                        model.rs returns, and `converter verify` compares them on a device";

const NO_CLASSES: &str = "returns one value and tells no classes apart: neither a sigmoid at its end nor two \
                          labels of its calibration say so. The value of an input is what infer in its model.rs \
                          returns";

const OTHER_FILE: &str = "is not the file that the record of the model is about; it was changed, or \
                          the writing of the folder was interrupted: make the model anew";

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
    #[error(
        "{0}: has no record of the model ({file}), as an older Inkling left it; make it anew: cargo \
         run --bin converter -- {1} --calibration DATA --out {2}",
        folder.display(),
        shell::word(&folder.join("float.onnx").display().to_string()),
        shell::word(&folder.display().to_string()),
        file = record::FILE,
    )]
    NoRecord { folder: PathBuf },
    #[error(
        "{}: is a file, and --model needs the folder of a finished model; this makes one: cargo run \
         --bin converter -- {} --calibration DATA --out DIR",
        path.display(), shell::word(&path.display().to_string())
    )]
    File { path: PathBuf },
    #[error(transparent)]
    Record(#[from] RecordFileError),
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
