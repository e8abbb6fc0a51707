//! `int8.onnx`: the integer network in standard ONNX operators, so that anyone can check a device
//! with a runtime of their own.
//!
//! Input `image`, or several under the file's names: u8 `[N, C, H, W]`. Output `logits`: i32 `[N, classes]`; a logit stands for
//! `integer · 2^-e`, with `e` in the file's metadata under [`LOGIT_EXPONENT`].
//!
//! Several outputs, and one that is an image, have the names that they have in the source: i32 `[N, size]` for accumulators, u8 or i8
//! `[N, size]` or `[N, C, H, W]` for others. The exponent of each is in the model's record, among the metadata
//! too.
//!
//! All values between are u8. One that a device holds as i8 is here 128 more, under a zero point
//! of 128: ONNX Runtime has no QLinearConv for signed activations, nor one between the two types.
//! Its zero point is added after rounding, so that the integers are the device's.
//!
//! Hidden layers are QLinearConv: with scales that are powers of two it computes
//! `round_half_even(accumulator · 2^-shift)`, saturated; a u8 output is the ReLU. What has no
//! integer operator, such as an addition, is computed in f32 between DequantizeLinear and
//! QuantizeLinear: every number on the way has at most 24 bits, so that this is exact too. The
//! last layer is MatMulInteger or ConvInteger plus its bias: the accumulators themselves.
//!
//! How each kernel is said is in the operator's own file; here is what they share.

mod linear;

use firmware_core::Window;

use super::outputs;
use crate::graph::{Shape, ValueId};
use crate::onnx::{Attribute, Dim, ElementType, ModelBuilder};
use crate::pb::tensor_proto::DataType;
use crate::quantized::{Parameters, QuantizedLayer, QuantizedNetwork, ValueType};
use crate::record::{self, ModelRecord};

pub use linear::Linear;

/// The name of the input.
pub const IMAGE: &str = "image";

/// The name of the only output.
const LOGITS: &str = "logits";

/// Key of the metadata entry that holds the exponent of the logits, as a decimal number.
pub const LOGIT_EXPONENT: &str = "logit_exponent";

/// The model's bytes, with its record among them.
pub fn emit(network: &QuantizedNetwork, record: &ModelRecord) -> Vec<u8> {
    let model = ModelBuilder::new(&record.name);
    let batch = Dim::Symbol("N");
    let mut emitter = Emitter { model, network, values: Vec::new() };
    // Of several inputs, the sample in which they lie is no value of the file.
    let image = match network.first_layer() {
        0 => emitter.input(IMAGE, network.input),
        _ => String::new(),
    };
    emitter.values.push(image);
    for layer in &network.layers {
        let value = layer.op.as_dyn().onnx(&mut emitter, layer);
        emitter.values.push(value);
    }
    let logits = network.gives_logits_alone();
    if !logits {
        emitter.outputs();
    }
    let mut model = emitter.model;
    if logits {
        model.output(LOGITS, ElementType::I32, &[batch, network.classes().into()]);
    }
    model.metadata(LOGIT_EXPONENT, &network.format(network.layers.len()).exponent().to_string());
    model.metadata(record::ENTRY, &record.to_line());
    model.finish()
}

/// A model being written: the names of the values so far.
pub struct Emitter<'a> {
    pub model: ModelBuilder,
    pub network: &'a QuantizedNetwork,
    values: Vec<String>,
}

impl Emitter<'_> {
    /// Declares an input; its name.
    pub fn input(&mut self, name: &str, shape: Shape) -> String {
        let Shape { height, width, channels } = shape;
        let dims = [Dim::Symbol("N"), channels.into(), height.into(), width.into()];
        self.model.input(name, ElementType::U8, &dims)
    }

    /// What the accumulators of a layer are called.
    fn logits_name(&self, layer: &QuantizedLayer) -> String {
        match self.network.several_outputs() {
            None => LOGITS.into(),
            Some(_) => format!("{}_logits", layer.name),
        }
    }

    /// Gives every output its name, its type and its shape.
    fn outputs(&mut self) {
        let network = self.network;
        for (output, name) in network.outputs.iter().zip(outputs::onnx_names(network)) {
            let (shape, element) =
                (network.shape(output.value), network.format(output.value).element);
            let mut value = self.value(output.value);
            let mut dims = vec![Dim::Symbol("N"), shape.channels.into()];
            let mut last = ("Identity", vec![]);
            if shape.height * shape.width != 1 {
                dims.extend([shape.height.into(), shape.width.into()]);
            } else {
                last = ("Flatten", vec![("axis", Attribute::Int(1))]);
            }
            // Back from the type with which the layers behind it are computed.
            if element == ValueType::I8 {
                let to = |kind: DataType| [("to", Attribute::Int(kind as i64))];
                let part =
                    |part: &str| format!("{}_{name}_{part}", network.layers[output.value - 1].name);
                let model = &mut self.model;
                value = model.node("Cast", &part("i32"), &[&value], &to(DataType::Int32));
                let zero = model.initializer(&part("zero"), &[], &[i32::from(zero(element))]);
                value = model.node("Sub", &part("signed"), &[&value, &zero], &[]);
                value = model.node("Cast", &part("i8"), &[&value], &to(DataType::Int8));
            }
            let element = match element {
                ValueType::U8 => ElementType::U8,
                ValueType::I8 => ElementType::I8,
                ValueType::I32 => ElementType::I32,
            };
            let value = self.model.node(last.0, &name, &[&value], &last.1);
            self.model.output(&value, element, &dims);
        }
    }

    /// The name of a value that was written.
    pub fn value(&self, value: ValueId) -> String {
        self.values[value].clone()
    }

    /// The names of a layer's inputs.
    pub fn values_of(&self, layer: &QuantizedLayer) -> Vec<String> {
        layer.inputs.iter().map(|&value| self.value(value)).collect()
    }

    /// MaxPool on the integers.
    pub fn max_pool2d(&mut self, name: &str, x: &str, window: &Window) -> String {
        self.model.node("MaxPool", name, &[x], &window_attributes(window))
    }

    /// A value's name, scale and zero point, the latter two as initializers of a node.
    fn quantized(&mut self, node: &str, prefix: &str, value: ValueId) -> [String; 3] {
        let format = self.network.format(value);
        [
            self.values[value].clone(),
            self.model.initializer(
                &format!("{node}_{prefix}_scale"),
                &[],
                &[scale(format.exponent())],
            ),
            self.zero_point(&format!("{node}_{prefix}_zero"), format.element),
        ]
    }

    fn zero_point(&mut self, name: &str, element: ValueType) -> String {
        self.model.initializer(name, &[], &[zero(element)])
    }

    /// A value in f32, exactly.
    pub fn dequantized(&mut self, node: &str, prefix: &str, value: ValueId) -> String {
        let inputs = self.quantized(node, prefix, value);
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        self.model.node("DequantizeLinear", &format!("{node}_{prefix}_f32"), &inputs, &[])
    }

    /// What a layer computed in f32, rounded half to even and saturated in its format.
    pub fn requantized(&mut self, layer: &QuantizedLayer, value: &str) -> String {
        let name = &layer.name;
        let y_scale = self.model.initializer(
            &format!("{name}_y_scale"),
            &[],
            &[scale(layer.format.exponent())],
        );
        let y_zero = self.zero_point(&format!("{name}_y_zero"), layer.format.element);
        let y = match layer.clip {
            None => name.clone(),
            Some(_) => format!("{name}_unclipped"),
        };
        let y = self.model.node("QuantizeLinear", &y, &[value, &y_scale, &y_zero], &[]);
        self.clipped(layer, y)
    }

    /// A layer's value within the bounds of its activation.
    fn clipped(&mut self, layer: &QuantizedLayer, value: String) -> String {
        let Some(bounds) = layer.clip else { return value };
        let name = &layer.name;
        let zero = i32::from(zero(layer.format.element));
        let [low, high] = bounds.map(|bound| (bound + zero).clamp(0, 255) as u8);
        let low = self.model.initializer(&format!("{name}_low"), &[], &[low]);
        let high = self.model.initializer(&format!("{name}_high"), &[], &[high]);
        self.model.node("Clip", name, &[&value, &low, &high], &[])
    }
}

/// `2^-exponent`, exact: exponents are far inside f32's range.
pub fn scale(exponent: i32) -> f32 {
    2_f32.powi(-exponent)
}

/// What stands for 0 in this file.
pub fn zero(element: ValueType) -> u8 {
    match element {
        ValueType::U8 => 0,
        ValueType::I8 | ValueType::I32 => 128,
    }
}

/// A window as ONNX says it; dilations of 1 go without saying.
pub fn window_attributes(window: &Window) -> Vec<(&'static str, Attribute)> {
    let ints = |values: &[usize]| Attribute::Ints(values.iter().map(|&v| v as i64).collect());
    let mut attributes = vec![
        ("kernel_shape", ints(&window.kernel)),
        ("strides", ints(&window.stride)),
        ("pads", ints(&window.padding)),
    ];
    if window.dilation != [1, 1] {
        attributes.push(("dilations", ints(&window.dilation)));
    }
    attributes
}

/// Weights from `[out][h][w][in]` to `[out][in][h][w]`.
fn oihw(parameters: &Parameters, [kh, kw]: [usize; 2]) -> Vec<i8> {
    let channels = parameters.taps(0).len() / (kh * kw).max(1);
    let mut weights = Vec::with_capacity(parameters.weights.len());
    for out in 0..parameters.channels() {
        let taps = parameters.taps(out);
        for channel in 0..channels {
            weights.extend((0..kh * kw).map(|position| taps[position * channels + channel]));
        }
    }
    weights
}
