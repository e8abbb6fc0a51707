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
    // Accumulators are compared in parts of the whole.
    let (mut eight, mut wide) = (Differences::default(), Differences::default());
    for number in 0..count {
        let bytes = sample(number, network.input.size());
        let ours = reference::values(network, &bytes);
        let theirs = evaluated(imported, &bytes).map_err(|what| {
            ReadError::Graph(format!("its nodes cannot be evaluated, to check the reading: {what}"))
        })?;
        for ((output, ending), theirs) in network.outputs.iter().zip(&imported.endings).zip(theirs)
        {
            let differences = if ending.accumulators { &mut wide } else { &mut eight };
            let ours = ours[output.value].to_i32();
            ours.iter().zip(theirs).for_each(|(&ours, theirs)| differences.add(ours, theirs));
        }
    }
    let mean = eight.steps / f64::from(eight.count.max(1));
    if mean.is_nan() || mean > MEAN_STEPS {
        return Err(ReadError::Graph(format!(
            "the network as read is off by {mean:.1} steps on average from an evaluation of the \
             file's nodes; please report the file"
        )));
    }
    let Differences { count: outputs, equal, most, .. } = eight;
    let steps =
        format!("{equal} of {outputs} outputs are equal, the others at most {most} steps away");
    let accumulators = format!("accumulators differ by {} at most", wide.most);
    let found = match (eight.count, wide.count) {
        (_, 0) => steps,
        (0, _) => format!("the {accumulators}"),
        _ => format!("{steps}; {accumulators}"),
    };
    Ok(format!(
        "The reading was checked by an evaluation of the file's own nodes in floats on {count} \
         samples: {found}"
    ))
}

/// How far outputs are from what the nodes give, in steps of the integers.
#[derive(Default)]
struct Differences {
    count: u32,
    equal: u32,
    steps: f64,
    most: f64,
}

impl Differences {
    fn add(&mut self, ours: i32, theirs: f64) {
        let off = (f64::from(ours) - theirs).abs();
        self.steps += off;
        self.most = self.most.max(off);
        self.equal += u32::from(off == 0.0);
        self.count += 1;
    }
}

/// The integers that the nodes compute where the device returns its own, of each output.
fn evaluated(imported: &Imported, bytes: &[u8]) -> Result<Vec<Vec<f64>>, String> {
    let Imported { network, file, endings } = imported;
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
    let names: Vec<&str> = endings.iter().map(|ending| &ending.tensor[..]).collect();
    let results = interpreter::run(&file.graph, file.opset, inputs, &names)?;
    let mut all = Vec::new();
    for ((output, ending), result) in network.outputs.iter().zip(endings).zip(results) {
        let size = network.shape(output.value).size();
        let scale = match network.format(output.value) {
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
        all.push(stored);
    }
    match all.len() == endings.len() {
        true => Ok(all),
        false => Err("a result is missing".into()),
    }
}
