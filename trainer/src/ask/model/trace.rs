//! Everything that the integer network computes for one image.
//!
//! The file is run as it is, with every value between its nodes as an output, and beside each
//! QLinearConv a ConvInteger of the same operands: its result plus the bias is the accumulator
//! that a device holds before it requantizes.

use std::collections::HashMap;

use inkling_data::planar_order;
use prost::Message;
use tract_onnx::pb;
use tract_onnx::prelude::*;

/// All values of one inference.
#[derive(Clone, Debug)]
pub struct Trace {
    pub layers: Vec<LayerTrace>,
    pub logits: Vec<i32>,
}

/// One node of `int8.onnx`.
#[derive(Clone, Debug)]
pub struct LayerTrace {
    pub name: String,
    /// The ONNX operator.
    pub operator: String,
    /// `[channels, height, width]`, or `[1, 1, size]` of a vector.
    pub shape: [usize; 3],
    /// The integers that the node computed, channel by channel.
    pub values: Vec<i32>,
    /// The smallest and the largest value of its type.
    pub range: [i32; 2],
    /// The accumulators, where the node has any: they may be more than the values.
    pub accumulators: Option<Vec<i32>>,
    /// The weights of a convolution over an image.
    pub filters: Option<Filters>,
}

/// Weights `[count][channels][height][width]`.
#[derive(Clone, Debug)]
pub struct Filters {
    pub shape: [usize; 4],
    pub weights: Vec<i8>,
}

/// Suffix of the values that are added to the graph.
const ACCUMULATOR: &str = "/accumulator";

/// Runs `int8.onnx` on one image.
pub fn run(onnx: &[u8], image: &[u8], shape: [usize; 3]) -> TractResult<Trace> {
    let [height, width, channels] = shape;
    let mut model = pb::ModelProto::decode(onnx)?;
    let graph = model.graph.as_mut().ok_or_else(|| anyhow::anyhow!("the file has no graph"))?;
    let nodes = graph.node.clone();
    let mut wanted: Vec<String> = Vec::new();
    for node in &nodes {
        wanted.extend(node.output.iter().cloned());
        if node.op_type == "QLinearConv" && node.input.len() >= 9 {
            add_accumulator(graph, node);
            wanted.push(format!("{}{ACCUMULATOR}", node.output[0]));
        }
    }
    graph.output = wanted
        .iter()
        .map(|name| pb::ValueInfoProto { name: name.clone(), ..Default::default() })
        .collect();
    let tensors: HashMap<String, pb::TensorProto> =
        graph.initializer.iter().map(|tensor| (tensor.name.clone(), tensor.clone())).collect();
    let bytes = model.encode_to_vec();
    let plan = tract_onnx::onnx()
        .model_for_read(&mut &bytes[..])?
        .with_input_fact(0, u8::fact([1, channels, height, width]).into())?
        .into_optimized()?
        .into_runnable()?;
    let planar: Vec<u8> = planar_order(shape).map(|place| image[place]).collect();
    let input = Tensor::from_shape(&[1, channels, height, width], &planar)?;
    let results = plan.run(tvec!(input.into()))?;
    let found: HashMap<&str, &TValue> =
        wanted.iter().map(String::as_str).zip(results.iter()).collect();
    let mut layers = Vec::new();
    for node in &nodes {
        let Some(value) = found.get(node.output[0].as_str()) else { continue };
        let accumulator = found.get(format!("{}{ACCUMULATOR}", node.output[0]).as_str());
        layers.push(layer(node, value, accumulator.copied(), &tensors)?);
    }
    let logits = layers.last().map(|layer| layer.values.clone()).unwrap_or_default();
    Ok(Trace { layers, logits })
}

/// Adds a ConvInteger with the operands of a QLinearConv, and its bias.
fn add_accumulator(graph: &mut pb::GraphProto, node: &pb::NodeProto) {
    let name = format!("{}{ACCUMULATOR}", node.output[0]);
    let sums = format!("{name}/sums");
    let bias = format!("{name}/bias");
    let channels = graph.initializer.iter().find(|tensor| tensor.name == node.input[8]).cloned();
    let Some(mut tensor) = channels else { return };
    let count = tensor.dims.first().copied().unwrap_or(1);
    tensor.name.clone_from(&bias);
    tensor.dims = vec![1, count, 1, 1];
    graph.initializer.push(tensor);
    // A zero point of one element serves all channels: all are 0.
    let zero = format!("{name}/zero");
    graph.initializer.push(pb::TensorProto {
        name: zero.clone(),
        data_type: pb::tensor_proto::DataType::Int8 as i32,
        raw_data: vec![0],
        ..Default::default()
    });
    graph.node.push(pb::NodeProto {
        op_type: "ConvInteger".into(),
        name: sums.clone(),
        input: vec![node.input[0].clone(), node.input[3].clone(), node.input[2].clone(), zero],
        output: vec![sums.clone()],
        attribute: node.attribute.clone(),
        ..Default::default()
    });
    graph.node.push(pb::NodeProto {
        op_type: "Add".into(),
        name: name.clone(),
        input: vec![sums, bias],
        output: vec![name],
        ..Default::default()
    });
}

fn layer(
    node: &pb::NodeProto,
    value: &TValue,
    accumulator: Option<&TValue>,
    tensors: &HashMap<String, pb::TensorProto>,
) -> TractResult<LayerTrace> {
    let range = match value.datum_type().unquantized() {
        DatumType::U8 => [0, 255],
        DatumType::I8 => [-128, 127],
        _ => [i32::MIN, i32::MAX],
    };
    let shape = match value.shape() {
        [_, channels, height, width] => [*channels, *height, *width],
        shape => [1, 1, shape.iter().skip(1).product()],
    };
    let weights = (node.op_type == "QLinearConv").then(|| tensors.get(&node.input[3])).flatten();
    let filters = weights.filter(|tensor| tensor.dims.len() == 4).map(|tensor| Filters {
        shape: std::array::from_fn(|axis| tensor.dims[axis] as usize),
        weights: tensor.raw_data.iter().map(|&byte| byte as i8).collect(),
    });
    Ok(LayerTrace {
        name: if node.name.is_empty() { node.output[0].clone() } else { node.name.clone() },
        operator: node.op_type.clone(),
        shape,
        values: integers(value)?,
        range,
        accumulators: accumulator.map(integers).transpose()?,
        filters,
    })
}

fn integers(value: &TValue) -> TractResult<Vec<i32>> {
    let value = value.cast_to::<i32>()?;
    Ok(value.to_plain_array_view::<i32>()?.iter().copied().collect())
}
