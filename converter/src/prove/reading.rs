//! Does the network as read compute what the file says?
//!
//! tract runs the file. Where it cannot, or computes something else, the
//! [`interpreter`](crate::interpreter) runs the file's own nodes. Neither knows of the graph that
//! the reading makes. A reading that neither confirms is refused.

use prost::Message;

use crate::pb;
use crate::pb::tensor_proto::DataType;
use tract_onnx::prelude::*;

use crate::interpreter::{Tensor, Values};
use crate::lower::Network;
use crate::nodes::{Check, READING_TOLERANCE, interpret};
use crate::passes::PixelScale;
use crate::read::{File, Input, ReadError};
use inkling_data::Dataset;
use inkling_support::caught::caught;

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

/// Checks a reading of `onnx` on `images`, whose pixels the model takes as `pixels` says for each of
/// its inputs.
///
/// # Errors
///
/// A reading that differs from the file, or that nothing could check.
pub fn reading(
    network: &Network,
    onnx: &[u8],
    pixels: &[PixelScale],
    images: &Dataset,
) -> Result<Reading, ReadingError> {
    let file = File::decode(onnx)?;
    let inputs = Input::all(&file)?;
    let check = Check { network, file: &file, inputs: &inputs, pixels, images };
    let tract = check.error(images.len(), |batch| {
        let plan = tract_plan(&file, &inputs, batch, None)?;
        Ok(move |tensors: &[Tensor]| run_tract(&plan, tensors))
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
            let node = first_difference(&check).unwrap_or_else(|| "a node".into());
            Ok(Reading::AgainstTract { node, tract })
        }
        (_, Ok(off)) => Err(ReadingError::Differs { off, by: "an evaluation of the nodes" }),
        (Ok(off), Err(_)) => Err(ReadingError::Differs { off, by: "tract's result" }),
        (Err(tract), Err(interpreter)) => Err(ReadingError::Unchecked { tract, interpreter }),
    }
}

/// The first node whose result tract and the interpreter compute differently.
fn first_difference(check: &Check) -> Option<String> {
    let batch = check.inputs[0].batch.unwrap_or(1);
    let tensors = check.tensors(&(0..batch).map(|i| i % check.images.len()).collect::<Vec<_>>());
    let differs = |index: usize| {
        let output = check.file.graph.node[index].output.first()?;
        let plan = tract_plan(check.file, check.inputs, batch, Some(output)).ok()?;
        let theirs = run_tract(&plan, &tensors).ok()?.concat();
        let ours = interpret(check.file, check.inputs, &[output], &tensors).ok()?.concat();
        let peak = ours.iter().fold(f32::MIN_POSITIVE, |peak, x| peak.max(x.abs()));
        let off = ours.iter().zip(&theirs).fold(0_f32, |off, (a, b)| off.max((a - b).abs()));
        Some(off > READING_TOLERANCE * peak || theirs.len() != ours.len())
    };
    // What lies behind a wrong node is wrong too, as a rule: the last node is.
    let (mut right, mut wrong) = (0, check.file.graph.node.len().checked_sub(1)?);
    while right < wrong {
        let middle = (right + wrong) / 2;
        match differs(middle) {
            Some(true) => wrong = middle,
            _ => right = middle + 1,
        }
    }
    let node = &check.file.graph.node[wrong];
    let name = if node.name.is_empty() { node.output.first()? } else { &node.name };
    Some(format!("node '{name}' ({})", node.op_type))
}

type Plan = Arc<TypedRunnableModel>;

/// The file as tract runs it for a batch; `output` instead of the file's own, if given.
fn tract_plan(
    file: &File,
    inputs: &[Input],
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
    let bytes = model.encode_to_vec();
    let plan = caught(|| {
        let mut model = tract_onnx::onnx().model_for_read(&mut &bytes[..])?;
        for (number, input) in inputs.iter().enumerate() {
            model = model.with_input_fact(number, fact(input, batch))?;
        }
        model.into_optimized()?.into_runnable()
    });
    said(plan)
}

/// What tract is told of an input.
fn fact(input: &Input, batch: usize) -> InferenceFact {
    let mut dims = input.view.dims();
    dims[0] = batch;
    match input.element {
        DataType::Uint8 => u8::fact(&dims).into(),
        DataType::Int32 => i32::fact(&dims).into(),
        DataType::Int64 => i64::fact(&dims).into(),
        _ => f32::fact(&dims).into(),
    }
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

/// All outputs.
fn run_tract(plan: &Plan, tensors: &[Tensor]) -> Result<Vec<Vec<f32>>, String> {
    let result = caught(|| -> TractResult<Vec<Vec<f32>>> {
        let inputs: TractResult<TVec<TValue>> = tensors.iter().map(value).collect();
        let result = plan.run(inputs?)?;
        let floats = result.iter().map(|output| {
            let floats = output.cast_to::<f32>()?;
            Ok(floats.to_plain_array_view::<f32>()?.iter().copied().collect())
        });
        floats.collect()
    });
    said(result)
}

/// A tensor as tract has it.
fn value(tensor: &Tensor) -> TractResult<TValue> {
    let dims = &tensor.dims;
    let ints = |values: &[i64]| values.iter().map(|&value| value as u8).collect::<Vec<_>>();
    Ok(match (&tensor.values, tensor.element) {
        (Values::Float(values), _) => tract_onnx::prelude::Tensor::from_shape(dims, values)?,
        (Values::Int(values), DataType::Int64) => {
            tract_onnx::prelude::Tensor::from_shape(dims, values)?
        }
        (Values::Int(values), DataType::Int32) => {
            let values: Vec<i32> = values.iter().map(|&value| value as i32).collect();
            tract_onnx::prelude::Tensor::from_shape(dims, &values)?
        }
        (Values::Int(values), _) => tract_onnx::prelude::Tensor::from_shape(dims, &ints(values))?,
    }
    .into())
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
