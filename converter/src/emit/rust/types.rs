//! The Rust types of layers and values.

use firmware_core::{LayerKind, Window};

use crate::graph::Shape;
use crate::quantized::{QuantizedLayer, QuantizedNetwork, QuantizedOp};

/// The Rust type of a layer, such as `Conv2d<10, 5, 5, 1>`.
pub(super) fn layer_type(network: &QuantizedNetwork, layer: &QuantizedLayer) -> String {
    let input = network.shape(layer.input());
    let requantize = requantization(layer);
    match &layer.op {
        QuantizedOp::Conv2d { window, convolved, parameters, .. } => {
            let [kh, kw] = window.kernel;
            let out = convolved.channels;
            let kind = layer.kind();
            let head = match kind {
                LayerKind::DepthwiseConv2d => format!("DepthwiseConv2d<{out}, {kh}, {kw}"),
                LayerKind::GroupedConv2d => {
                    let group = parameters.taps(0).len() / (kh * kw);
                    format!("GroupedConv2d<{out}, {kh}, {kw}, {group}")
                }
                _ => format!("Conv2d<{out}, {kh}, {kw}, {}", input.channels),
            };
            let geometry = geometry(window, input, *convolved);
            match (geometry == [1, 1, 0, 0, 0, 0], requantize == "Shift") {
                (true, true) => format!("{head}>"),
                (_, true) => format!("{head}, {}>", strided(geometry)),
                (_, false) => format!("{head}, {}, {requantize}>", strided(geometry)),
            }
        }
        QuantizedOp::FullyConnected { parameters } => {
            let sizes = format!("{}, {}", parameters.channels(), input.size());
            match &requantize[..] {
                "Shift" => format!("FullyConnected<{sizes}>"),
                _ => format!("FullyConnected<{sizes}, {requantize}>"),
            }
        }
        QuantizedOp::MaxPool2d { window } => pool_type(window, input, layer.output),
        QuantizedOp::AveragePool2d { window, .. } => {
            let [kh, kw] = window.kernel;
            let geometry = geometry(window, input, layer.output);
            let touching = geometry == [kh, kw, 0, 0, 0, 0];
            match (touching, requantize == "Shift") {
                (true, true) => format!("AveragePool2d<{kh}, {kw}>"),
                (_, true) => format!("AveragePool2d<{kh}, {kw}, {}>", strided(geometry)),
                (_, false) => {
                    format!("AveragePool2d<{kh}, {kw}, {}, {requantize}>", strided(geometry))
                }
            }
        }
        QuantizedOp::Add { align: [a, b], .. } => match &requantize[..] {
            "Shift" => format!("Add<{a}, {b}>"),
            _ => format!("Add<{a}, {b}, {requantize}>"),
        },
        QuantizedOp::Concat => "Concat".into(),
        QuantizedOp::LeakyRelu { slope, bits } => format!("LeakyRelu<{slope}, {bits}>"),
        _ => String::new(),
    }
}

/// The type of a layer's requantizations; the logits have none.
pub(super) fn requantization(layer: &QuantizedLayer) -> String {
    match (layer.clip, layer.parameters()) {
        (_, Some(parameters)) if parameters.requantization.is_none() => "()".into(),
        (Some([low, high]), _) => format!("Clip<{low}, {high}>"),
        (None, _) => "Shift".into(),
    }
}

pub(super) fn pool_type(window: &Window, input: Shape, output: Shape) -> String {
    let [kh, kw] = window.kernel;
    match geometry(window, input, output) {
        [sh, sw, 0, 0, 0, 0] if [sh, sw] == [kh, kw] => format!("MaxPool2d<{kh}, {kw}>"),
        geometry => format!("MaxPool2d<{kh}, {kw}, {}>", strided(geometry)),
    }
}

/// Stride down and right, padding top, left, bottom, right.
fn geometry(window: &Window, input: Shape, output: Shape) -> [usize; 6] {
    let after = |axis: usize, size: usize, outputs: usize| {
        ((outputs - 1) * window.stride[axis] + window.kernel[axis])
            .saturating_sub(size + window.padding[axis])
    };
    let [sh, sw] = window.stride;
    let [top, left] = window.padding;
    [sh, sw, top, left, after(0, input.height, output.height), after(1, input.width, output.width)]
}

fn strided([sh, sw, top, left, bottom, right]: [usize; 6]) -> String {
    match [top, left, bottom, right] {
        [0, 0, 0, 0] => format!("Strided<{sh}, {sw}>"),
        _ => format!("Strided<{sh}, {sw}, {top}, {left}, {bottom}, {right}>"),
    }
}

pub(super) fn array_type(element: &str, shape: Shape) -> String {
    format!("[[[{element}; {}]; {}]; {}]", shape.channels, shape.width, shape.height)
}
