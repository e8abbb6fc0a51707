//! Does the network as read compute what the file says?
//!
//! tract runs the file. Where it cannot, or computes something else, the
//! [`interpreter`](crate::interpreter) runs the file's own nodes. Neither knows of the graph that
//! the reading makes. A reading that neither confirms is refused.

use prost::Message;

use crate::pb;
use crate::pb::tensor_proto::DataType;
use tract_onnx::prelude::*;

use crate::evaluate;
use crate::graph::Head;
use crate::interpreter::{self, Tensor, Values};
use crate::lower::Network;
use crate::passes::PixelScale;
use crate::read::{File, Input, ReadError};
use inkling_data::Dataset;
use inkling_support::caught::caught;
use inkling_support::parallel;

/// How far the network as read may be from the file, relative to the largest output; f32 rounding
/// stays two orders of magnitude below.
pub const READING_TOLERANCE: f32 = 1e-3;

/// Images that the interpreter computes, which is slow.
const INTERPRETED_IMAGES: usize = 4;

/// Who confirmed a reading.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// tract, on the file; the largest difference relative to the largest output.
    Tract(f32),
    /// The interpreter, because tract cannot run the file.
    Interpreter { tract: String },
    /// The interpreter, against tract, which computes the named node wrongly.
    AgainstTract { node: String, tract: f32 },
    /// Nobody, for the reasons that each has.
    Unchecked { tract: String, interpreter: String },
}

impl Reading {
    /// What a person should know of it, if anything.
    pub fn note(&self) -> Option<String> {
        match self {
            Reading::Tract(_) => None,
            Reading::Interpreter { tract } => Some(format!(
                "tract cannot run this file ({tract}); the reading was checked against an \
                 evaluation of the file's own nodes instead"
            )),
            Reading::AgainstTract { node, tract } => Some(format!(
                "tract computes {node} of this file wrongly (its result is off by {:.1} %); the \
                 reading was checked against an evaluation of the file's own nodes instead",
                tract * 100.0
            )),
            Reading::Unchecked { tract, interpreter } => Some(format!(
                "the reading is unchecked: tract cannot run this file ({tract}), nor can the \
                 converter evaluate its nodes ({interpreter})"
            )),
        }
    }
}

/// Why a reading is not confirmed.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum ReadingError {
    #[error(transparent)]
    File(#[from] ReadError),
    #[error("the network as read is off by {:.1} % of the largest output from {by} on the file; this \
             is a defect of the converter", off * 100.0)]
    Differs { off: f32, by: &'static str },
    #[error(
        "the reading cannot be checked: tract cannot run the file ({tract}), nor can the \
             converter evaluate its nodes ({interpreter}); --unchecked converts it all the same"
    )]
    Unchecked { tract: String, interpreter: String },
}

/// Checks a reading of `onnx` on `images`, whose pixels the model takes as `pixels` says.
///
/// # Errors
///
/// A reading that differs from the file, or that nothing could check.
pub fn reading(
    network: &Network,
    onnx: &[u8],
    pixels: &PixelScale,
    images: &Dataset,
) -> Result<Reading, ReadingError> {
    let file = File::decode(onnx)?;
    let input = Input::of(&file)?;
    let check = Check { network, file: &file, input: &input, pixels, images };
    let tract = check.error(images.len(), |batch| {
        let plan = tract_plan(&file, &input, batch, None)?;
        Ok(move |tensor: &Tensor| run_tract(&plan, tensor))
    });
    if let Ok(error) = tract
        && error <= READING_TOLERANCE
    {
        return Ok(Reading::Tract(error));
    }
    let interpreter = check.error_by_nodes();
    match (tract, interpreter) {
        (Err(tract), Ok(error)) if error <= READING_TOLERANCE => Ok(Reading::Interpreter { tract }),
        (Ok(tract), Ok(error)) if error <= READING_TOLERANCE => {
            let node = check.first_difference().unwrap_or_else(|| "a node".into());
            Ok(Reading::AgainstTract { node, tract })
        }
        (_, Ok(off)) => Err(ReadingError::Differs { off, by: "an evaluation of the nodes" }),
        (Ok(off), Err(_)) => Err(ReadingError::Differs { off, by: "tract's result" }),
        (Err(tract), Err(interpreter)) => Err(ReadingError::Unchecked { tract, interpreter }),
    }
}

/// How far a reading is from an evaluation of the file's own nodes, relative to the largest output.
///
/// # Errors
///
/// What is wrong with the file, or cannot be evaluated.
pub fn off_from_nodes(
    network: &Network,
    onnx: &[u8],
    pixels: &PixelScale,
    images: &Dataset,
) -> Result<f32, String> {
    let file = File::decode(onnx).map_err(|error| error.to_string())?;
    let input = Input::of(&file).map_err(|error| error.to_string())?;
    Check { network, file: &file, input: &input, pixels, images }.error_by_nodes()
}

struct Check<'a> {
    network: &'a Network,
    file: &'a File,
    input: &'a Input,
    pixels: &'a PixelScale,
    images: &'a Dataset,
}

impl Check<'_> {
    fn error_by_nodes(&self) -> Result<f32, String> {
        let output = self.file.graph.output.first().map_or("", |output| &output.name);
        self.error(INTERPRETED_IMAGES, |_| {
            Ok(|tensor: &Tensor| interpret(self.file, self.input, output, tensor))
        })
    }

    /// The largest difference between the network and another runtime over at most `count` images,
    /// relative to the largest output. `prepare` gives what runs the file for a batch size.
    fn error<R: Fn(&Tensor) -> Result<Vec<f32>, String> + Sync>(
        &self,
        count: usize,
        prepare: impl Fn(usize) -> Result<R, String>,
    ) -> Result<f32, String> {
        // Two different images at once show what mixes them; a file whose dimensions were fixed
        // for one image takes one only.
        let batches = match self.input.batch {
            Some(batch) => vec![batch],
            None => vec![2, 1],
        };
        let mut failed = "there are no images".to_string();
        for batch in batches {
            let error = prepare(batch).and_then(|run| self.error_with(count, batch, &run));
            match error {
                Ok(error) => return Ok(error),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn error_with<R: Fn(&Tensor) -> Result<Vec<f32>, String> + Sync>(
        &self,
        count: usize,
        batch: usize,
        run: &R,
    ) -> Result<f32, String> {
        let count = count.min(self.images.len());
        let runs = parallel::map(count.div_ceil(batch), |first| -> Result<(f32, f32), String> {
            // The last batch is filled up from the front.
            let indices: Vec<usize> = (0..batch).map(|i| (first * batch + i) % count).collect();
            let theirs = run(&self.tensor(&indices))?;
            let mut worst = (0_f32, 0_f32);
            for (slot, &index) in indices.iter().enumerate() {
                let logits = evaluate::logits(self.network, self.images.image(index));
                let ours = self.network.head.apply(&logits);
                if theirs.len() != batch * ours.len() {
                    let (found, expected) = (theirs.len(), batch * ours.len());
                    return Err(format!("it gives {found} outputs for {expected}"));
                }
                let theirs = &theirs[slot * ours.len()..][..ours.len()];
                if self.network.head == Head::ArgMax && nearly_equal(&logits, &ours, theirs) {
                    continue;
                }
                let peak = ours.iter().fold(0_f32, |peak, x| peak.max(x.abs()));
                // A NaN must not pass for the smallest difference.
                let off = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
                let off = off
                    .fold(0_f32, |worst, x| if x.is_nan() { f32::INFINITY } else { worst.max(x) });
                worst = (worst.0.max(off), worst.1.max(peak));
            }
            Ok(worst)
        });
        let mut worst = (0_f32, 0_f32);
        for result in runs {
            let (off, peak) = result?;
            worst = (worst.0.max(off), worst.1.max(peak));
        }
        Ok(worst.0 / worst.1.max(f32::MIN_POSITIVE))
    }

    /// The file's input for some images.
    fn tensor(&self, indices: &[usize]) -> Tensor {
        let PixelScale { divisor, mean, deviation } = self.pixels;
        let channels = self.images.channels();
        let scale = |(index, &pixel): (usize, &u8)| {
            let channel = index % channels;
            (f32::from(pixel) / divisor - mean.at(channel)) / deviation.at(channel)
        };
        let image =
            |&index: &usize| self.images.image(index).iter().enumerate().map(scale).collect();
        self.input.tensor(&indices.iter().map(image).collect::<Vec<_>>())
    }

    /// The first node whose result tract and the interpreter compute differently.
    fn first_difference(&self) -> Option<String> {
        let batch = self.input.batch.unwrap_or(1);
        let tensor = self.tensor(&(0..batch).map(|i| i % self.images.len()).collect::<Vec<_>>());
        let differs = |index: usize| {
            let output = self.file.graph.node[index].output.first()?;
            let plan = tract_plan(self.file, self.input, batch, Some(output)).ok()?;
            let theirs = run_tract(&plan, &tensor).ok()?;
            let ours = interpret(self.file, self.input, output, &tensor).ok()?;
            let peak = ours.iter().fold(f32::MIN_POSITIVE, |peak, x| peak.max(x.abs()));
            let off = ours.iter().zip(&theirs).fold(0_f32, |off, (a, b)| off.max((a - b).abs()));
            Some(off > READING_TOLERANCE * peak || theirs.len() != ours.len())
        };
        // What lies behind a wrong node is wrong too, as a rule: the last node is.
        let (mut right, mut wrong) = (0, self.file.graph.node.len().checked_sub(1)?);
        while right < wrong {
            let middle = (right + wrong) / 2;
            match differs(middle) {
                Some(true) => wrong = middle,
                _ => right = middle + 1,
            }
        }
        let node = &self.file.graph.node[wrong];
        let name = if node.name.is_empty() { node.output.first()? } else { &node.name };
        Some(format!("node '{name}' ({})", node.op_type))
    }
}

/// Two classes of the same logit, but for rounding: either may be the largest.
fn nearly_equal(logits: &[f32], ours: &[f32], theirs: &[f32]) -> bool {
    let at = |index: &[f32]| logits.get(*index.first()? as usize).copied();
    let peak = logits.iter().fold(0_f32, |peak, x| peak.max(x.abs()));
    match (at(ours), at(theirs)) {
        (Some(a), Some(b)) => (a - b).abs() <= READING_TOLERANCE * peak,
        _ => false,
    }
}

/// The value `output` of the file's own nodes.
fn interpret(
    file: &File,
    input: &Input,
    output: &str,
    tensor: &Tensor,
) -> Result<Vec<f32>, String> {
    let inputs = vec![(input.name.clone(), tensor.clone())];
    let results = interpreter::run(&file.graph, file.opset, inputs, &[output])?;
    match results.into_iter().next().map(|tensor| tensor.values) {
        Some(Values::Float(values)) => Ok(values),
        Some(Values::Int(values)) => Ok(values.iter().map(|&value| value as f32).collect()),
        None => Err("it gives no output".into()),
    }
}

type Plan = Arc<TypedRunnableModel>;

/// The file as tract runs it for a batch; `output` instead of the file's own, if given.
fn tract_plan(
    file: &File,
    input: &Input,
    batch: usize,
    output: Option<&str>,
) -> Result<Plan, String> {
    let mut graph = file.graph.clone();
    fix_batch(&mut graph, batch);
    for node in &mut graph.node {
        // tract panics at an absent input that is the last.
        while node.input.last().is_some_and(String::is_empty) {
            node.input.pop();
        }
    }
    if let Some(output) = output {
        graph.output = vec![pb::ValueInfoProto { name: output.to_string(), ..Default::default() }];
    }
    let model = pb::ModelProto {
        ir_version: 8,
        opset_import: vec![pb::OperatorSetIdProto { domain: String::new(), version: file.opset }],
        graph: Some(graph),
        ..Default::default()
    };
    let mut dims = input.view.dims();
    dims[0] = batch;
    let fact: InferenceFact = match input.element {
        DataType::Uint8 => u8::fact(&dims).into(),
        DataType::Int32 => i32::fact(&dims).into(),
        DataType::Int64 => i64::fact(&dims).into(),
        _ => f32::fact(&dims).into(),
    };
    let bytes = model.encode_to_vec();
    let plan = caught(|| {
        tract_onnx::onnx()
            .model_for_read(&mut &bytes[..])?
            .with_input_fact(0, fact)?
            .into_optimized()?
            .into_runnable()
    });
    said(plan)
}

/// Replaces what a file says of its batch, in whatever symbols.
fn fix_batch(graph: &mut pb::GraphProto, batch: usize) {
    use pb::tensor_shape_proto::dimension::Value;
    for info in &mut graph.input {
        let kind = info.r#type.as_mut().and_then(|kind| kind.value.as_mut());
        if let Some(pb::type_proto::Value::TensorType(tensor)) = kind
            && let Some(first) = tensor.shape.as_mut().and_then(|shape| shape.dim.first_mut())
        {
            first.value = Some(Value::DimValue(batch as i64));
        }
    }
    // Nothing that follows from the nodes anyhow, and could be wrong for this batch.
    graph.output.iter_mut().for_each(|output| output.r#type = None);
}

fn run_tract(plan: &Plan, tensor: &Tensor) -> Result<Vec<f32>, String> {
    let result = caught(|| -> TractResult<Vec<f32>> {
        let dims = &tensor.dims;
        let ints = |values: &[i64]| values.iter().map(|&value| value as u8).collect::<Vec<_>>();
        let input = match (&tensor.values, tensor.element) {
            (Values::Float(values), _) => tract_onnx::prelude::Tensor::from_shape(dims, values)?,
            (Values::Int(values), DataType::Int64) => {
                tract_onnx::prelude::Tensor::from_shape(dims, values)?
            }
            (Values::Int(values), DataType::Int32) => {
                let values: Vec<i32> = values.iter().map(|&value| value as i32).collect();
                tract_onnx::prelude::Tensor::from_shape(dims, &values)?
            }
            (Values::Int(values), _) => {
                tract_onnx::prelude::Tensor::from_shape(dims, &ints(values))?
            }
        };
        let result = plan.run(tvec!(input.into()))?;
        let floats = result[0].cast_to::<f32>()?;
        Ok(floats.to_plain_array_view::<f32>()?.iter().copied().collect())
    });
    said(result)
}

/// What tract said, on one line; its panics are named as such.
fn said<T>(result: Result<TractResult<T>, String>) -> Result<T, String> {
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            let root = error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
            let line = root.split_whitespace().collect::<Vec<_>>().join(" ");
            Err(line.chars().take(200).collect())
        }
        Err(panic) => Err(format!("it panicked: {panic}")),
    }
}
