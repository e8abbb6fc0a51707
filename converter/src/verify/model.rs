//! The model that a device should carry, and whether the device says that it does.

use std::fs;
use std::io;
use std::path::Path;

use firmware_core::{Unknown, class_of};
use inkling_data::Dataset;
use inkling_data::read::Wanted;
use inkling_support::digest::hex;
use inkling_support::parallel;
use prost::Message;
use sha2::{Digest, Sha256};

use super::VerifyError;
use super::session::Device;
use crate::graph::Shape;
use crate::limits::{ELEMENTS, elements};
use crate::quantized::QuantizedNetwork;
use crate::record::pixels::{PixelInput, UNKNOWN_PIXELS};
use crate::record::{ModelRecord, RecordFileError};
use crate::{imported, pb, prove, reference};

/// A model folder as far as a verification needs it.
pub struct Model {
    integers: Integers,
    /// Height, width and channels of the image.
    pub input: [usize; 3],
    /// Number of logits, those of all outputs.
    pub classes: usize,
    /// What data must have for each of several inputs.
    pub wanted: Vec<Wanted>,
    /// How it says "none of these", if it can.
    pub unknown: Option<Unknown>,
    /// SHA-256 of the file that it was made from.
    source_sha256: [u8; 32],
    /// Path of that file, for messages.
    source: String,
}

/// What computes the logits that a device is held against.
enum Integers {
    /// An `int8.onnx`, for tract.
    Onnx { file: Vec<u8>, path: String, outputs: Vec<Shape> },
    /// A network that others quantized, for the scalar kernels.
    Imported { network: Box<QuantizedNetwork>, pixels: Option<PixelInput> },
}

/// Why the model, the images and the device do not go together.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error(
        "{path}: cannot be read ({error}); --model needs a folder that the trainer or the converter wrote"
    )]
    Read { path: String, error: io::Error },
    #[error(transparent)]
    Record(#[from] RecordFileError),
    #[error("{path}: {problem}")]
    Imported { path: String, problem: String },
    #[error(
        "{path}: is no int8.onnx of this project's converter: {problem}; convert the model again"
    )]
    Shape { path: String, problem: &'static str },
    #[error(
        "the model takes images of {}x{}x{} and has {classes} classes, but the images in {folder} are \
         {}x{}x{} and have {labels}; name the model's own images with --data",
        .input[0], .input[1], .input[2], .images[0], .images[1], .images[2]
    )]
    OtherImages {
        input: [usize; 3],
        classes: usize,
        folder: String,
        images: [usize; 3],
        labels: usize,
    },
    #[error(
        "the device carries another model: '{theirs}', made from the file with SHA-256 {their_sha256}, \
         and not {ours} ({our_sha256}); flash the device again, or name its model's folder with --model"
    )]
    OtherModel { theirs: String, their_sha256: String, ours: String, our_sha256: String },
    #[error(
        "the device says that its model takes images of {}x{}x{} and has {classes} classes, but {source_file} \
         makes a model for {}x{}x{} with {our_classes}; flash the device again",
        .input[0], .input[1], .input[2], .our_input[0], .our_input[1], .our_input[2]
    )]
    OtherShape {
        input: [u16; 3],
        classes: u16,
        source_file: String,
        our_input: [usize; 3],
        our_classes: usize,
    },
}

impl Model {
    /// Reads a model folder.
    ///
    /// # Errors
    ///
    /// What cannot be read or is none of this project's; names the file.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let read = |file: &str| {
            let path = folder.join(file);
            fs::read(&path)
                .map_err(|error| ModelError::Read { path: path.display().to_string(), error })
        };
        // A float model may have been made before there were records.
        let record = ModelRecord::of_folder(folder)?;
        let wanted = record.as_ref().map(ModelRecord::wanted).unwrap_or_default();
        let foreign = record.as_ref().and_then(|record| record.source.as_ref());
        let foreign =
            foreign.map(|source| &source.file[..]).filter(|file| imported::is_source(file));
        let file = foreign.unwrap_or("float.onnx");
        let bytes = read(file)?;
        let source = folder.join(file).display().to_string();
        let source_sha256 = Sha256::digest(&bytes).into();
        let network = imported::network_of(file, &bytes)
            .map_err(|problem| ModelError::Imported { path: source.clone(), problem })?;
        let mut unknown = None;
        let (integers, input, classes) = match network {
            Some(network) => {
                let pixels = record.and_then(|record| PixelInput::of(&record, &network));
                let (input, classes) = (network.input.hwc(), network.output_size());
                (Integers::Imported { network: Box::new(network), pixels }, input, classes)
            }
            None => {
                let file = read("int8.onnx")?;
                let path = folder.join("int8.onnx").display().to_string();
                let (input, outputs) = shapes(&file)
                    .map_err(|problem| ModelError::Shape { path: path.clone(), problem })?;
                let classes = outputs.iter().map(Shape::size).sum();
                unknown = match (&record, &outputs[..]) {
                    (Some(record), [_]) => rule(record, classes, folder)?,
                    _ => None,
                };
                (Integers::Onnx { file, path, outputs }, input, classes)
            }
        };
        Ok(Self { integers, input, classes, wanted, unknown, source_sha256, source })
    }

    /// The answer that these logits give; nothing for "none of these".
    pub fn answer(&self, logits: &[i32]) -> Option<usize> {
        match &self.unknown {
            Some(unknown) => unknown.classify(logits),
            None => Some(class_of(logits)),
        }
    }

    /// Whether MNIST's images can be sent where nobody names others.
    pub fn takes_digits(&self) -> bool {
        self.input == [28, 28, 1]
            && self.classes == 10
            && !matches!(self.integers, Integers::Imported { pixels: None, .. })
    }

    /// The bytes of the input for `images`, of `folder`.
    ///
    /// # Errors
    ///
    /// [`ModelError::OtherImages`]; a model of which nobody knows how pixels become its input.
    pub fn inputs(&self, images: Dataset, folder: &Path) -> Result<Dataset, ModelError> {
        self.must_take(&images, folder)?;
        match &self.integers {
            Integers::Onnx { .. } => Ok(images),
            Integers::Imported { pixels: Some(pixels), .. } => {
                let bytes =
                    (0..images.len()).flat_map(|n| pixels.bytes(images.image(n)).into_owned());
                Ok(images.with_samples(images.shape, bytes.collect()))
            }
            Integers::Imported { pixels: None, .. } => Err(ModelError::Imported {
                path: self.source.clone(),
                problem: UNKNOWN_PIXELS.into(),
            }),
        }
    }

    /// The logits of every sample.
    ///
    /// # Errors
    ///
    /// An `int8.onnx` that tract does not run.
    pub fn logits(&self, inputs: &Dataset) -> Result<Vec<Vec<i32>>, VerifyError> {
        match &self.integers {
            Integers::Onnx { file, path, outputs } => prove::int8_outputs(file, outputs, inputs)
                .map_err(|error| VerifyError::Reference {
                    path: path.clone(),
                    error: format!("{error:#}"),
                }),
            Integers::Imported { network, .. } => {
                let logits = |index| reference::outputs(network, inputs.image(index));
                Ok(parallel::map(inputs.len(), logits))
            }
        }
    }

    /// Whether `images`, of `folder`, fit the model.
    ///
    /// # Errors
    ///
    /// [`ModelError::OtherImages`].
    fn must_take(&self, images: &Dataset, folder: &Path) -> Result<(), ModelError> {
        let (images, labels) = (images.shape, images.classes());
        if self.input == images && labels <= self.classes.max(2) {
            return Ok(());
        }
        let (input, classes) = (self.input, self.classes);
        let folder = folder.display().to_string();
        Err(ModelError::OtherImages { input, classes, folder, images, labels })
    }

    /// Whether `device` says that it carries this model, and no untruth about it.
    ///
    /// # Errors
    ///
    /// [`ModelError::OtherModel`] and [`ModelError::OtherShape`].
    pub fn must_be_on(&self, device: &Device) -> Result<(), ModelError> {
        if device.source_sha256 != self.source_sha256 {
            return Err(ModelError::OtherModel {
                theirs: device.model.clone(),
                their_sha256: hex(&device.source_sha256),
                ours: self.source.clone(),
                our_sha256: hex(&self.source_sha256),
            });
        }
        if device.input.map(usize::from) == self.input
            && usize::from(device.classes) == self.classes
        {
            return Ok(());
        }
        Err(ModelError::OtherShape {
            input: device.input,
            classes: device.classes,
            source_file: self.source.clone(),
            our_input: self.input,
            our_classes: self.classes,
        })
    }
}

/// The rule for "none of these" of a model whose only output is `classes` logits.
fn rule(
    record: &ModelRecord,
    classes: usize,
    folder: &Path,
) -> Result<Option<Unknown>, ModelError> {
    let wrong = |problem: String| {
        let path = folder.join(crate::record::FILE).display().to_string();
        ModelError::Imported { path, problem }
    };
    let scale = record.outputs.first().map(|output| output.scale).filter(|scale| *scale > 0.0);
    match scale {
        _ if record.unknown.is_none() => Ok(None),
        None => Err(wrong("has no scale of its output, which \"unknown\" needs".into())),
        // A power of two.
        Some(scale) => {
            let rule = record.unknown_for(classes, -scale.log2().round() as i32);
            rule.map_err(|error| wrong(error.to_string()))
        }
    }
}

/// The shape of a sample of an `int8.onnx`, whose inputs are `[N, C, H, W]`, and the shapes of its outputs: a
/// row of logits or an image. Several inputs lie one after another in a sample, as a
/// vector.
fn shapes(int8: &[u8]) -> Result<([usize; 3], Vec<Shape>), &'static str> {
    let model = pb::ModelProto::decode(int8).map_err(|_| "it is no ONNX file")?;
    let graph = model.graph.unwrap_or_default();
    let inputs = prove::int8_inputs(int8).ok_or("its inputs are no images of fixed size")?;
    let bytes =
        |shape: &[usize; 3]| shape.iter().fold(1_usize, |all, &side| all.saturating_mul(side));
    let input = match inputs[..] {
        [] => return Err("it has no input"),
        [input] => input,
        _ => [1, 1, inputs.iter().map(bytes).fold(0, usize::saturating_add)],
    };
    let outputs = graph.output.iter().map(|output| {
        match pb::fixed_sizes(output).ok_or("its output has no fixed size")?[..] {
            [classes] => Ok(Shape::flat(classes)),
            [channels, height, width] => Ok(Shape::new(height, width, channels)),
            _ => Err("its output is neither a row of logits nor an image"),
        }
    });
    let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
    // As whatever arrays are made of it: a file may say anything.
    let size = |shape: &Shape| elements(&shape.hwc()).unwrap_or(usize::MAX);
    match outputs.iter().map(size).fold(0_usize, usize::saturating_add) {
        0 => Err("it has no output"),
        size if size > ELEMENTS => Err("its outputs are too large"),
        _ => Ok((input, outputs)),
    }
}
