//! A trained network that others learn from.

use std::path::{Path, PathBuf};

use converter::pb;
use converter::pb::tensor_proto::DataType;
use converter::pb::tensor_shape_proto::dimension::Value as Size;
use converter::pb::type_proto::Value as Kind;
use converter::read::{File, Input, load};
use converter::record::{Meaning, ModelRecord, SplitRecord};
use inkling_data::prepare::InputForm;
use inkling_data::{Dataset, planar_order, shape_text};
use inkling_support::digest::sha256;
use inkling_support::order::first_largest;

use crate::learn::backend::{Backend, Session};
use crate::learn::batches::columns;

/// Images that are asked about at once where nothing else decides.
const BATCH: usize = 100;

/// The file of a model's folder that is asked.
const FLOAT: &str = "float.onnx";

/// A teacher as its file has it.
pub struct Teacher {
    name: String,
    path: PathBuf,
    sha256: String,
    onnx: Vec<u8>,
    input: String,
    /// Images that the file takes at once; `None` for any number.
    pub(super) batch: Option<usize>,
    /// Dimensions of the file's input for one image, without the batch.
    dims: Vec<usize>,
    /// For each element of the file's input the row of `[channels · height · width, batch]`, and the
    /// factor and the summand that make the file's number of pixel / 255.
    elements: Vec<(usize, f32, f32)>,
    /// For each class the file's output.
    outputs: Vec<usize>,
    /// Whether the file gives probabilities rather than logits.
    probabilities: bool,
    /// What it was trained on, where that is known.
    split: Option<SplitRecord>,
    /// What brought its training's data to images, where that is known.
    form: Option<InputForm>,
}

/// What a model is called: its folder, or its file.
pub(super) fn name(path: &Path) -> String {
    let of = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = match path.file_name() {
        Some(file) if file == FLOAT => path.parent().and_then(of).or_else(|| of(path)),
        _ => of(path),
    };
    name.unwrap_or_else(|| path.display().to_string())
}

impl Teacher {
    /// Reads a model's folder or an ONNX file, for the images and the classes of `images`. What the
    /// record in the file does not say is as for our own files: pixels are divided by 255, and the
    /// outputs are the classes in their order.
    ///
    /// # Errors
    ///
    /// One line: what cannot be read, takes other images or knows other classes.
    pub fn open(path: &Path, images: &Dataset) -> Result<Self, TeacherError> {
        let file = if path.is_dir() { path.join(FLOAT) } else { path.to_path_buf() };
        Self::read(path, &file, images).map_err(|what| TeacherError { path: file, what })
    }

    fn read(path: &Path, file: &Path, images: &Dataset) -> Result<Self, String> {
        let onnx = load(file).map_err(|error| error.to_string())?;
        let graph = File::decode(&onnx).map_err(|error| error.to_string())?;
        let input = Input::of(&graph).map_err(|error| error.to_string())?;
        if input.element != DataType::Float {
            return Err(format!(
                "takes integers of the type {}, and learning needs answers in floating point; name \
                 the {FLOAT} that it was made of",
                input.element.as_str_name()
            ));
        }
        let takes = [input.shape.height, input.shape.width, input.shape.channels];
        if takes != images.shape {
            return Err(format!(
                "takes images of {}, but the data has {} (height×width×channels)",
                shape_text(takes),
                shape_text(images.shape)
            ));
        }
        let record = ModelRecord::of_onnx(&onnx).map_err(|error| error.to_string())?;
        let [output] = &graph.graph.output[..] else {
            return Err(format!(
                "has {} outputs, but must have one, the logits",
                graph.graph.output.len()
            ));
        };
        let classes = images.classes();
        let known = outputs(output).or(record.as_ref().map(|record| record.labels.len()));
        if let Some(known) = known.filter(|&known| known > 0 && known != classes) {
            return Err(format!("knows {known} classes, but the data has {classes}"));
        }
        let labels = record.as_ref().map(|record| &record.labels[..]).unwrap_or_default();
        let meaning = record.as_ref().and_then(|record| Some(record.outputs.first()?.meaning));
        let mut dims = input.view.dims();
        dims.remove(0);
        Ok(Self {
            name: name(path),
            path: file.to_path_buf(),
            sha256: sha256([&onnx[..]]),
            batch: input.batch,
            dims,
            elements: elements(&input, record.as_ref(), images.shape)?,
            outputs: order(labels, &images.names)?,
            probabilities: meaning == Some(Meaning::Probabilities)
                || ends_in_softmax(&graph, &output.name),
            input: input.name,
            form: record.as_ref().and_then(|record| record.preparation().form),
            split: record.and_then(|record| record.split),
            onnx,
        })
    }

    /// Its folder's name, or its file's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The SHA-256 of its file.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    pub fn onnx(&self) -> &[u8] {
        &self.onnx
    }

    /// What brought its training's data to images, where that is known.
    pub fn form(&self) -> Option<&InputForm> {
        self.form.as_ref()
    }

    /// What it was trained on, where that is known.
    pub fn split(&self) -> Option<&SplitRecord> {
        self.split.as_ref()
    }

    /// Logarithms of its probabilities, but for a summand of each image: `[count][classes]`, for the
    /// first `count` of `images`, `[channels · height · width, size]` (pixel / 255).
    pub(super) fn logits(
        &self,
        session: &mut Session,
        images: &[f32],
        size: usize,
        count: usize,
    ) -> Result<Vec<Vec<f32>>, TeacherError> {
        let failed = |what: String| TeacherError { path: self.path.clone(), what };
        let at_once = self.batch.unwrap_or(size);
        let mut logits = Vec::with_capacity(count);
        for start in (0..count).step_by(at_once) {
            // Behind the last image a file that takes a fixed number sees zeros.
            let mut values = vec![0.0; at_once * self.elements.len()];
            let here = start..(start + at_once).min(count);
            for (column, values) in here.clone().zip(values.chunks_mut(self.elements.len())) {
                for (value, (row, factor, summand)) in values.iter_mut().zip(&self.elements) {
                    *value = images[row * size + column] * factor + summand;
                }
            }
            let shape = [&[at_once], &self.dims[..]].concat();
            let outputs = session
                .run(&[(&self.input, &shape, &values)])
                .map_err(|error| failed(error.to_string()))?;
            let answers = &outputs[0];
            if answers.len() != at_once * self.outputs.len() {
                return Err(failed(format!(
                    "gives {} numbers for {at_once} images, but the data has {} classes",
                    answers.len(),
                    self.outputs.len()
                )));
            }
            for answers in answers.chunks(self.outputs.len()).take(here.len()) {
                let value = |&output: &usize| match self.probabilities {
                    true => answers[output].max(f32::MIN_POSITIVE).ln(),
                    false => answers[output],
                };
                logits.push(self.outputs.iter().map(value).collect());
            }
        }
        Ok(logits)
    }

    /// How many images of `dataset` it answers right.
    ///
    /// # Errors
    ///
    /// What the backend cannot run, and answers that are none.
    pub fn count_right(&self, backend: &Backend, dataset: &Dataset) -> Result<usize, TeacherError> {
        let failed = |what: String| TeacherError { path: self.path.clone(), what };
        let mut session = backend.session(&self.onnx).map_err(|error| failed(error.to_string()))?;
        let mut right = 0;
        for start in (0..dataset.len()).step_by(BATCH) {
            let range = start..dataset.len().min(start + BATCH);
            let images = columns(dataset, range.clone(), BATCH);
            let logits = self.logits(&mut session, &images, BATCH, range.len())?;
            for (logits, &label) in logits.iter().zip(&dataset.labels[range]) {
                if !logits.iter().all(|logit| logit.is_finite()) {
                    return Err(failed("answers with what is no number".to_string()));
                }
                let best = first_largest(logits);
                right += usize::from(best == usize::from(label));
            }
        }
        Ok(right)
    }
}

/// How many numbers the file says that it gives for an image.
fn outputs(output: &pb::ValueInfoProto) -> Option<usize> {
    let Kind::TensorType(tensor) = output.r#type.as_ref()?.value.as_ref()?;
    let (_batch, sizes) = tensor.shape.as_ref()?.dim.split_first()?;
    let sizes = sizes.iter().map(|dim| match dim.value {
        Some(Size::DimValue(size)) => usize::try_from(size).ok(),
        _ => None,
    });
    sizes.product()
}

/// Where each element of the file's input comes from.
fn elements(
    input: &Input,
    record: Option<&ModelRecord>,
    shape: [usize; 3],
) -> Result<Vec<(usize, f32, f32)>, String> {
    let mut rows = vec![0; shape.iter().product()];
    planar_order(shape).enumerate().for_each(|(row, place)| rows[place] = row);
    let described = record.and_then(|record| record.inputs.first());
    let element = |place: usize| {
        let channel = place % shape[2];
        let of = |values: &[f32]| values.get(channel).or(values.first()).copied();
        let (scale, offset) = match described {
            Some(input) => (of(&input.scale)?, of(&input.offset)?),
            None => (1.0 / 255.0, 0.0),
        };
        Some((rows[place], scale * 255.0, offset))
    };
    let all: Option<Vec<_>> = input.view.order().into_iter().map(element).collect();
    all.ok_or_else(|| "its record says no scale of the input".to_string())
}

/// For each class of the data the output of a model with these labels; in their order where it has none.
fn order(labels: &[String], names: &[String]) -> Result<Vec<usize>, String> {
    if labels.is_empty() {
        return Ok((0..names.len()).collect());
    }
    let place = |name: &String| {
        labels.iter().position(|label| label == name).ok_or_else(|| {
            format!("knows the classes {}, but the data has {name:?}", labels.join(", "))
        })
    };
    names.iter().map(place).collect()
}

/// Whether the value `output` is what a Softmax gives.
fn ends_in_softmax(file: &File, output: &str) -> bool {
    let mut value = output;
    // As many steps as there are nodes at most, however they are linked.
    for _ in 0..file.graph.node.len() {
        let made = |node: &&pb::NodeProto| node.output.iter().any(|name| name == value);
        let Some(node) = file.graph.node.iter().find(made) else { return false };
        match (node.op_type.as_str(), node.input.first()) {
            ("Softmax", _) => return true,
            ("Identity" | "Reshape" | "Flatten" | "Squeeze", Some(input)) => value = input,
            _ => return false,
        }
    }
    false
}

/// A teacher that cannot teach.
#[derive(Debug, thiserror::Error)]
#[error("teacher {}: {what}", path.display())]
pub struct TeacherError {
    pub path: PathBuf,
    pub what: String,
}
