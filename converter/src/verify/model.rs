//! The model that a device should carry, and whether the device says that it does.

use std::fs;
use std::io;
use std::path::Path;

use crate::pb;
use crate::pb::tensor_shape_proto::dimension::Value;
use inkling_data::Dataset;
use inkling_support::digest::hex;
use prost::Message;
use sha2::{Digest, Sha256};

use super::session::Device;

/// A model folder as far as a verification needs it.
pub struct Model {
    /// The integer network, for tract.
    pub int8: Vec<u8>,
    /// Height, width and channels of the image.
    pub input: [usize; 3],
    /// Number of logits.
    pub classes: usize,
    /// SHA-256 of float.onnx.
    source_sha256: [u8; 32],
    /// Path of float.onnx, for messages.
    source: String,
}

/// Why the model, the images and the device do not go together.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error(
        "{path}: cannot be read ({error}); --model needs a folder with float.onnx and int8.onnx"
    )]
    Read { path: String, error: io::Error },
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
    /// [`ModelError::Read`] and [`ModelError::Shape`].
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let read = |file: &str| {
            let path = folder.join(file);
            fs::read(&path)
                .map_err(|error| ModelError::Read { path: path.display().to_string(), error })
        };
        let (float, int8) = (read("float.onnx")?, read("int8.onnx")?);
        let (input, classes) = shape(&int8).map_err(|problem| ModelError::Shape {
            path: folder.join("int8.onnx").display().to_string(),
            problem,
        })?;
        let source_sha256 = Sha256::digest(&float).into();
        let source = folder.join("float.onnx").display().to_string();
        Ok(Self { int8, input, classes, source_sha256, source })
    }

    /// Whether `images`, of `folder`, fit the model.
    ///
    /// # Errors
    ///
    /// [`ModelError::OtherImages`].
    pub fn must_take(&self, images: &Dataset, folder: &Path) -> Result<(), ModelError> {
        let (images, labels) = (images.shape, images.classes());
        if self.input == images && labels <= self.classes {
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

/// Height, width and channels of the input of an `int8.onnx`, `[N, C, H, W]`, and the number of its
/// logits.
fn shape(int8: &[u8]) -> Result<([usize; 3], usize), &'static str> {
    let model = pb::ModelProto::decode(int8).map_err(|_| "it is no ONNX file")?;
    let graph = model.graph.unwrap_or_default();
    let input = graph.input.first().and_then(sizes).ok_or("its input has no fixed size")?;
    let output = graph.output.first().and_then(sizes).ok_or("its output has no fixed size")?;
    let [channels, height, width] = input[..] else { return Err("its input is no image") };
    let [classes] = output[..] else { return Err("its output is no row of logits") };
    Ok(([height, width, channels], classes))
}

/// The sizes behind the batch.
fn sizes(value: &pb::ValueInfoProto) -> Option<Vec<usize>> {
    let pb::type_proto::Value::TensorType(tensor) = value.r#type.as_ref()?.value.as_ref()?;
    let dimensions = &tensor.shape.as_ref()?.dim;
    let size = |dimension: &pb::tensor_shape_proto::Dimension| match dimension.value.as_ref()? {
        Value::DimValue(size) => usize::try_from(*size).ok().filter(|&size| size > 0),
        Value::DimParam(_) => None,
    };
    dimensions.iter().skip(1).map(size).collect()
}
