//! Quantized ONNX files, and ONNX Runtime as their reference.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use converter::pb::{self, tensor_proto::DataType};
use converter::qdq::Imported;
use converter::quantized::{Scale, ValueType};
use converter::{Favour, qdq, read};

use crate::imported::Case;

use ort::value::{DynValue, PrimitiveTensorElementType, Tensor};
use prost::Message;
use trainer::learn::backend::Backend;

use crate::onnxruntime::exact_session;
use crate::root;
use crate::tflite_micro::samples;

/// The committed models.
pub const MODELS: [&str; 15] = [
    "branches_qdq",
    "branches_qoperator",
    "convnet_qdq",
    "convnet_qdq_i8",
    "convnet_qdq_symmetric",
    "convnet_qoperator",
    "heads_qdq",
    "heads_qoperator",
    "islands_qdq",
    "residual_qdq",
    "residual_qoperator",
    "segments_qdq",
    "separable_qdq",
    "separable_qdq_i8",
    "separable_qoperator",
];

/// Networks on MNIST, beside the project.
pub const REFERENCE: [&str; 4] = [
    "cases/models/dscnn_mnist_dy_qdq_pc.onnx",
    "cases/models/dscnn_mnist_dy_qdq_pt.onnx",
    "cases/models/dscnn_mnist_dy_qop_pc.onnx",
    "cases/models/simple_ts17_qdq_pc.onnx",
];

/// A committed model's file.
pub fn committed(name: &str) -> PathBuf {
    root().join("tests/models").join(name).with_extension("onnx")
}

/// Samples for the model in a file: `count` of noise and smooth signals, and what of `images`
/// has its size.
///
/// # Panics
///
/// When the model cannot be imported or run.
pub fn case(backend: &Backend, path: &Path, count: usize, images: &[u8]) -> Case {
    let bytes = read::load(path).expect("the model can be read");
    let name = path.file_stem().and_then(|name| name.to_str()).expect("it has a name");
    let imported =
        qdq::import(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let network = &imported.network;
    let mut inputs = samples(1, count, network.input.size());
    if network.input.size() == 784 {
        inputs.extend(images);
    }
    let expected = expected(backend, &bytes, &imported, &inputs);
    let model = qdq::convert(name, &bytes, Favour::Time);
    let model = model.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Case::new(name, model, inputs, expected)
}

/// A model with the least weights that there are: one output channel in three has them where its
/// weights were negative, one in six everywhere.
pub fn with_least_weights(bytes: &[u8]) -> Vec<u8> {
    let mut model = pb::ModelProto::decode(bytes).expect("it is a model");
    let graph = model.graph.as_mut().expect("it has a graph");
    let weights = graph
        .initializer
        .iter_mut()
        .filter(|tensor| tensor.dims.len() > 1 && tensor.data_type == i32::from(DataType::Int8));
    for tensor in weights {
        let taps = (tensor.raw_data.len() / tensor.dims[0] as usize).max(1);
        for (channel, taps) in tensor.raw_data.chunks_mut(taps).enumerate() {
            let least = |weight: i8| channel % 6 == 0 || (channel % 3 == 0 && weight < 0);
            taps.iter_mut().filter(|w| least(**w as i8)).for_each(|w| *w = i8::MIN as u8);
        }
    }
    model.encode_to_vec()
}

/// The tensor of the file that has what the device returns for an output.
struct Given {
    /// Its place among the tensors that the session gives.
    at: usize,
    in_floats: bool,
}

/// The file as it is, but for what it gives: the floats of the integers that the device returns, or where it
/// has none the integers.
fn giving(bytes: &[u8], imported: &Imported) -> (Vec<u8>, Vec<Given>) {
    let network = &imported.network;
    let mut model = pb::ModelProto::decode(bytes).expect("it was just read");
    let graph = model.graph.as_mut().expect("it has a graph");
    let (mut outputs, mut all): (Vec<pb::ValueInfoProto>, _) = (Vec::new(), Vec::new());
    for ((ending, output), own) in imported.endings.iter().zip(&network.outputs).zip(&graph.output)
    {
        let floats = graph.node.iter().find(|node| {
            node.op_type == "DequantizeLinear"
                && node.input[0] == ending.tensor
                && (!ending.functions.is_empty() || node.output[0] == own.name)
        });
        let in_floats = floats.is_some() || ending.accumulators;
        let kind = match (in_floats, network.format(output.value).element) {
            (true, _) => DataType::Float,
            (false, ValueType::U8) => DataType::Uint8,
            (false, _) => DataType::Int8,
        };
        let name = match floats {
            Some(node) => node.output[0].clone(),
            None => ending.tensor.clone(),
        };
        // Two outputs may be one tensor, a function of which stood behind it.
        let at = outputs.iter().position(|known| known.name == name).unwrap_or(outputs.len());
        if at == outputs.len() {
            let tensor = pb::type_proto::Tensor { elem_type: kind.into(), shape: None };
            let value = Some(pb::type_proto::Value::TensorType(tensor));
            let r#type = Some(pb::TypeProto { value, ..Default::default() });
            outputs.push(pb::ValueInfoProto { name, r#type, ..Default::default() });
        }
        all.push(Given { at, in_floats });
    }
    graph.output = outputs;
    (model.encode_to_vec(), all)
}

/// What ONNX Runtime computes where the device returns its integers.
fn expected(backend: &Backend, bytes: &[u8], imported: &Imported, inputs: &[u8]) -> Vec<u8> {
    let network = &imported.network;
    let (model, given) = giving(bytes, imported);
    let mut session = exact_session(backend, &model);
    let mut all = Vec::new();
    let order = imported.file.view.order();
    let mut dims = imported.file.view.dims();
    dims[0] = 1;
    let (scale, zero) = affine(network.input_format.scale);
    for sample in inputs.chunks(network.input.size()) {
        let integers = order.iter().map(|&at| network.input_format.element.of_byte(sample[at]));
        let shape = dims.clone();
        let input = match imported.file.element {
            DataType::Uint8 => tensor(shape, integers.map(|q| q as u8).collect()),
            DataType::Int8 => tensor(shape, integers.map(|q| q as i8).collect()),
            _ => tensor(shape, integers.map(|q| scale * (q - zero) as f32).collect()),
        };
        let outputs = session
            .run(ort::inputs![imported.file.input.as_str() => input])
            .expect("ONNX Runtime runs the model");
        for ((given, ending), output) in given.iter().zip(&imported.endings).zip(&network.outputs) {
            let format = network.format(output.value);
            let (scale, zero) = affine(format.scale);
            let integer = |&float: &f32| ((float / scale).round() as i32 + zero) as u8;
            let theirs = &outputs[given.at];
            let values: Vec<u8> = match (given.in_floats, format.element) {
                (true, _) => {
                    let (_, values) = theirs.try_extract_tensor().expect("outputs are floats");
                    values.iter().map(integer).collect()
                }
                (false, ValueType::U8) => {
                    theirs.try_extract_tensor::<u8>().expect("outputs are u8").1.to_vec()
                }
                (false, _) => {
                    let (_, values) = theirs.try_extract_tensor::<i8>().expect("outputs are i8");
                    values.iter().map(|&value| value as u8).collect()
                }
            };
            // As the device has them: of an image row by row.
            let first = all.len();
            all.resize(first + values.len(), 0);
            ending.order.iter().zip(values).for_each(|(&at, value)| all[first + at] = value);
        }
    }
    all
}

fn affine(scale: Scale) -> (f32, i32) {
    let Scale::Affine { scale, zero } = scale else { panic!("an imported value has a scale") };
    (scale, zero)
}

fn tensor<T: PrimitiveTensorElementType + Debug + Clone + 'static>(
    shape: Vec<usize>,
    values: Vec<T>,
) -> DynValue {
    Tensor::from_array((shape, values)).expect("shape and values agree").into_dyn()
}
