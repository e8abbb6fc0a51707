//! `int8.onnx`: the integer network in standard ONNX operators, so that anyone can check a device
//! with a runtime of their own.
//!
//! Input `image`: u8 `[N, C, H, W]`. Output `logits`: i32 `[N, classes]`; a logit stands for
//! `integer · 2^-e`, with `e` in the file's metadata under [`LOGIT_EXPONENT`].
//!
//! Hidden layers are QLinearConv: with zero points of 0 and scales that are powers of two it
//! computes `round_half_even(accumulator · 2^-shift)`, saturated; a u8 output is the ReLU. A
//! hidden fully connected layer is a QLinearConv whose kernel covers its whole input, because
//! QLinearMatMul has no bias. The last layer is MatMulInteger or ConvInteger plus its bias: the
//! accumulators themselves.

use firmware_core::Window;

use crate::graph::Shape;
use crate::onnx::{Attribute, Dim, ElementType, ModelBuilder};
use crate::quantized::{Parameters, QuantizedLayer, QuantizedNetwork, QuantizedOp, ValueFormat, ValueType};

/// Key of the metadata entry that holds the exponent of the logits, as a decimal number.
pub const LOGIT_EXPONENT: &str = "logit_exponent";

/// The model's bytes.
pub fn emit(network: &QuantizedNetwork, name: &str) -> Vec<u8> {
    let mut model = ModelBuilder::new(name);
    let input = network.input;
    let batch = Dim::Symbol("N");
    let image_dims = [batch.clone(), input.channels.into(), input.height.into(), input.width.into()];
    let mut values = vec![model.input("image", ElementType::U8, &image_dims)];
    for (index, layer) in network.layers.iter().enumerate() {
        let last = index + 1 == network.layers.len();
        let value = emit_layer(&mut model, network, layer, &values[layer.input], last);
        values.push(value);
    }
    model.output("logits", ElementType::I32, &[batch, network.classes().into()]);
    model.metadata(LOGIT_EXPONENT, &network.format(network.layers.len()).exponent.to_string());
    model.finish()
}

fn emit_layer(
    model: &mut ModelBuilder,
    network: &QuantizedNetwork,
    layer: &QuantizedLayer,
    x: &str,
    last: bool,
) -> String {
    let input = network.shape(layer.input);
    let from = network.format(layer.input);
    match &layer.op {
        QuantizedOp::MaxPool2d { window } => max_pool(model, &layer.name, x, window, input, layer.output),
        QuantizedOp::FullyConnected { parameters } if last => {
            logits_from_matrix(model, &layer.name, x, parameters, input, from)
        }
        QuantizedOp::FullyConnected { parameters } => {
            // A kernel as large as the input, at its only position.
            let whole = Window { kernel: [input.height, input.width], stride: [1, 1], padding: [0, 0] };
            let output = Shape::flat(parameters.channels());
            linear_conv(model, layer, x, parameters, &whole, [input, output], from)
        }
        QuantizedOp::Conv2d { parameters, window, convolved, .. } if last => {
            logits_from_convolution(model, &layer.name, x, parameters, window, [input, *convolved], from)
        }
        QuantizedOp::Conv2d { parameters, window, convolved, pool } => {
            let y = linear_conv(model, layer, x, parameters, window, [input, *convolved], from);
            match pool {
                None => y,
                Some(pool) => max_pool(model, &format!("{}_pool", layer.name), &y, pool, *convolved, layer.output),
            }
        }
    }
}

/// Kernel, strides and pads `[top, left, bottom, right]` of a window.
fn window_attributes(window: &Window, input: Shape, output: Shape) -> Vec<(&'static str, Attribute)> {
    let ints = |values: &[usize]| Attribute::Ints(values.iter().map(|&v| v as i64).collect());
    let after = |axis: usize, size: usize, outputs: usize| {
        ((outputs - 1) * window.stride[axis] + window.kernel[axis])
            .saturating_sub(size + window.padding[axis])
    };
    let [top, left] = window.padding;
    let (bottom, right) = (after(0, input.height, output.height), after(1, input.width, output.width));
    vec![
        ("kernel_shape", ints(&window.kernel)),
        ("strides", ints(&window.stride)),
        ("pads", ints(&[top, left, bottom, right])),
    ]
}

fn max_pool(model: &mut ModelBuilder, name: &str, x: &str, window: &Window, input: Shape, output: Shape) -> String {
    model.node("MaxPool", name, &[x], &window_attributes(window, input, output))
}

/// `2^-exponent`, exact: exponents are far inside f32's range.
fn scale(exponent: i32) -> f32 {
    2_f32.powi(-exponent)
}

/// A zero point of 0 in a value's element type.
fn zero_point(model: &mut ModelBuilder, name: &str, element: ValueType) -> String {
    match element {
        ValueType::U8 => model.initializer(name, &[], &[0_u8]),
        ValueType::I8 | ValueType::I32 => model.initializer(name, &[], &[0_i8]),
    }
}

/// Weights from `[out][h][w][in]` to `[out][in][h][w]`.
fn oihw(parameters: &Parameters, [kh, kw]: [usize; 2], channels: usize) -> Vec<i8> {
    let mut weights = Vec::with_capacity(parameters.weights.len());
    for out in 0..parameters.channels() {
        let taps = parameters.taps(out);
        for channel in 0..channels {
            weights.extend((0..kh * kw).map(|position| taps[position * channels + channel]));
        }
    }
    weights
}

fn linear_conv(
    model: &mut ModelBuilder,
    layer: &QuantizedLayer,
    x: &str,
    parameters: &Parameters,
    window: &Window,
    [input, output]: [Shape; 2],
    from: ValueFormat,
) -> String {
    let name = &layer.name;
    let (channels, depth) = (parameters.channels(), input.channels);
    let [kh, kw] = window.kernel;
    let weights = oihw(parameters, window.kernel, depth);
    let scales: Vec<f32> = parameters.weight_exponents.iter().map(|&exponent| scale(exponent)).collect();
    let inputs = [
        x.to_string(),
        model.initializer(&format!("{name}_x_scale"), &[], &[scale(from.exponent)]),
        zero_point(model, &format!("{name}_x_zero"), from.element),
        model.initializer(&format!("{name}_weights"), &[channels, depth, kh, kw], &weights),
        model.initializer(&format!("{name}_w_scale"), &[channels], &scales),
        model.initializer(&format!("{name}_w_zero"), &[channels], &vec![0_i8; channels]),
        model.initializer(&format!("{name}_y_scale"), &[], &[scale(layer.format.exponent)]),
        zero_point(model, &format!("{name}_y_zero"), layer.format.element),
        model.initializer(&format!("{name}_bias"), &[channels], &parameters.bias),
    ];
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    model.node("QLinearConv", name, &inputs, &window_attributes(window, input, output))
}

fn logits_from_matrix(
    model: &mut ModelBuilder,
    name: &str,
    x: &str,
    parameters: &Parameters,
    input: Shape,
    from: ValueFormat,
) -> String {
    let channels = parameters.channels();
    // Flattening [N, C, H, W] reads channel by channel, and the matrix is [in][out].
    let rows = oihw(parameters, [input.height, input.width], input.channels);
    let size = input.size();
    let matrix: Vec<i8> =
        (0..size).flat_map(|i| (0..channels).map(|o| rows[o * size + i]).collect::<Vec<_>>()).collect();
    let flat = model.node("Flatten", &format!("{name}_flat"), &[x], &[("axis", Attribute::Int(1))]);
    let weights = model.initializer(&format!("{name}_weights"), &[size, channels], &matrix);
    let x_zero = zero_point(model, &format!("{name}_x_zero"), from.element);
    let w_zero = zero_point(model, &format!("{name}_w_zero"), ValueType::I8);
    let sums = model.node("MatMulInteger", &format!("{name}_sums"), &[&flat, &weights, &x_zero, &w_zero], &[]);
    let bias = model.initializer(&format!("{name}_bias"), &[channels], &parameters.bias);
    model.node("Add", "logits", &[&sums, &bias], &[])
}

fn logits_from_convolution(
    model: &mut ModelBuilder,
    name: &str,
    x: &str,
    parameters: &Parameters,
    window: &Window,
    [input, output]: [Shape; 2],
    from: ValueFormat,
) -> String {
    let (channels, depth) = (parameters.channels(), input.channels);
    let [kh, kw] = window.kernel;
    let weights = oihw(parameters, window.kernel, depth);
    let weights = model.initializer(&format!("{name}_weights"), &[channels, depth, kh, kw], &weights);
    let x_zero = zero_point(model, &format!("{name}_x_zero"), from.element);
    let w_zero = zero_point(model, &format!("{name}_w_zero"), ValueType::I8);
    let sums = model.node(
        "ConvInteger",
        &format!("{name}_sums"),
        &[x, &weights, &x_zero, &w_zero],
        &window_attributes(window, input, output),
    );
    let bias = model.initializer(&format!("{name}_bias"), &[1, channels, 1, 1], &parameters.bias);
    let biased = model.node("Add", &format!("{name}_biased"), &[&sums, &bias], &[]);
    model.node("Flatten", "logits", &[&biased], &[("axis", Attribute::Int(1))])
}
