//! Compares an imported network with an evaluation of the file's own nodes.

use super::Imported;
use crate::imported::sample;
use crate::interpreter::{self, Tensor, Values};
use crate::pb::tensor_proto::DataType;
use crate::quantized::{Scale, ValueType};
use crate::read::ReadError;
use crate::reference;

/// Samples that are compared, and how many when an evaluation takes long.
const SAMPLES: usize = 8;
const FEW: usize = 2;

/// Multiply-accumulates from which an evaluation takes long.
const MANY: usize = 3_000_000;

/// By how many steps the outputs may differ on average. The nodes add floats where ONNX Runtime adds
/// integers, and one step in an early layer becomes some in a late one; what was read wrongly gives
/// other numbers altogether.
const MEAN_STEPS: f64 = 1.5;

/// How far the network is from the file's nodes, as a line for the card.
///
/// # Errors
///
/// Where it is too far, or the nodes cannot be evaluated.
pub(super) fn check(imported: &Imported) -> Result<String, ReadError> {
    let network = &imported.network;
    let count = if network.macs() > MANY { FEW } else { SAMPLES };
    let (mut steps, mut outputs, mut equal, mut most) = (0.0, 0, 0, 0.0_f64);
    for number in 0..count {
        let bytes = sample(number, network.input.size());
        let ours = reference::logits(network, &bytes);
        let theirs = evaluated(imported, &bytes).map_err(|what| {
            ReadError::Graph(format!("its nodes cannot be evaluated, to check the reading: {what}"))
        })?;
        if ours.len() != theirs.len() {
            return Err(ReadError::Graph(format!(
                "the network has {} outputs, its nodes give {}",
                ours.len(),
                theirs.len()
            )));
        }
        for (ours, theirs) in ours.iter().zip(theirs) {
            let off = (f64::from(*ours) - theirs).abs();
            // Accumulators are compared in parts of the whole.
            steps += off;
            most = most.max(off);
            equal += usize::from(off == 0.0);
            outputs += 1;
        }
    }
    let mean = steps / f64::from(outputs.max(1));
    if imported.ending.accumulators {
        return Ok(format!(
            "The reading was checked by an evaluation of the file's own nodes on {count} samples: the \
             accumulators differ by {most} at most"
        ));
    }
    if mean.is_nan() || mean > MEAN_STEPS {
        return Err(ReadError::Graph(format!(
            "the network as read is off by {mean:.1} steps on average from an evaluation of the \
             file's nodes; please report the file"
        )));
    }
    Ok(format!(
        "The reading was checked by an evaluation of the file's own nodes in floats on {count} \
         samples: {equal} of {outputs} outputs are equal, the others at most {most} steps away"
    ))
}

/// The integers that the nodes compute where the device returns its own.
fn evaluated(imported: &Imported, bytes: &[u8]) -> Result<Vec<f64>, String> {
    let Imported { network, file, ending } = imported;
    let format = network.input_format;
    let integer = |at: usize| i64::from(format.element.of_byte(bytes[at]));
    let order = file.view.order();
    let batch = file.batch.unwrap_or(1);
    let mut dims = file.view.dims();
    dims[0] = batch;
    let repeated = (0..batch).flat_map(|_| order.iter());
    let tensor = match (file.element, format.scale) {
        (DataType::Float, Scale::Affine { scale, zero }) => {
            let float = |at: &usize| (integer(*at) - i64::from(zero)) as f32 * scale;
            Tensor::floats(dims, repeated.map(float).collect())
        }
        (element, _) => {
            let values = Values::Int(repeated.map(|at| integer(*at)).collect());
            Tensor { dims, element, values }
        }
    };
    let inputs = vec![(file.input.clone(), tensor)];
    let results = interpreter::run(&file.graph, file.opset, inputs, &[&ending.tensor])?;
    let result = results.first().ok_or("no result")?;
    let size = network.classes();
    let scale = match network.format(network.layers.len()) {
        format if format.element == ValueType::I32 => match format.scale {
            Scale::Affine { scale, .. } => f64::from(scale),
            Scale::PowerOfTwo(_) => 1.0,
        },
        _ => 1.0,
    };
    let values: Vec<f64> = match &result.values {
        Values::Float(floats) => floats.iter().map(|&x| f64::from(x) / scale).collect(),
        Values::Int(integers) => integers.iter().map(|&x| x as f64).collect(),
    };
    if values.len() != size * batch {
        return Err(format!("{} values for {size} outputs", values.len()));
    }
    let mut stored = vec![0.0; size];
    ending.order.iter().zip(&values).for_each(|(&at, &value)| stored[at] = value);
    Ok(stored)
}
