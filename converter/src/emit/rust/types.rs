//! The Rust types of layers and values.

use firmware_core::{LayerKind, Window};

use crate::graph::Shape;
use crate::quantized::{
    Combination, Parameters, QuantizedLayer, QuantizedNetwork, QuantizedOp, Requantization,
};

/// The Rust type of a layer, such as `Conv2d<10, 5, 5, 1>`.
pub(super) fn layer_type(network: &QuantizedNetwork, layer: &QuantizedLayer) -> String {
    let input = network.shape(layer.input());
    let requantize = requantization(layer);
    match &layer.op {
        QuantizedOp::Conv2d { window, convolved, parameters, padding_value, .. } => {
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
            let plain = *window == Window::new(window.kernel);
            let geometry = match padding_value {
                0 => geometry(window),
                _ if !window.is_padded() => geometry(window),
                value => format!("PaddedWith<{}, {value}>", geometry(window)),
            };
            with_defaults(&head, (plain, &geometry), &requantize)
        }
        QuantizedOp::FullyConnected { parameters } => {
            let sizes = format!("{}, {}", parameters.channels(), input.size());
            match &requantize[..] {
                "Shift" => format!("FullyConnected<{sizes}>"),
                _ => format!("FullyConnected<{sizes}, {requantize}>"),
            }
        }
        QuantizedOp::MaxPool2d { window } => pool_type(window),
        QuantizedOp::AveragePool2d { window, .. } => {
            let [kh, kw] = window.kernel;
            let plain = *window == Window::tiling(window.kernel);
            let head = format!("AveragePool2d<{kh}, {kw}");
            with_defaults(&head, (plain, &geometry(window)), &requantize)
        }
        QuantizedOp::Add { align: [a, b], .. } => match &requantize[..] {
            "Shift" => format!("Add<{a}, {b}>"),
            _ => format!("Add<{a}, {b}, {requantize}>"),
        },
        QuantizedOp::Concat => "Concat".into(),
        QuantizedOp::LeakyRelu { slope, bits } => format!("LeakyRelu<{slope}, {bits}>"),
        QuantizedOp::Lookup { .. } => format!("Lookup<{}>", layer.format.element.rust_name()),
        QuantizedOp::Elementwise(Combination::Add { .. }) => "Elementwise<AffineAdd>".into(),
        QuantizedOp::Elementwise(Combination::Mul { .. }) => "Elementwise<AffineMul>".into(),
        QuantizedOp::MeanPool2d { window, bounds: [low, high] } => {
            let [kh, kw] = window.kernel;
            let bounds = match [low, high] {
                [-128, 127] => String::new(),
                _ => format!(", {low}, {high}"),
            };
            if *window == Window::tiling(window.kernel) && bounds.is_empty() {
                return format!("MeanPool2d<{kh}, {kw}>");
            }
            format!("MeanPool2d<{kh}, {kw}, {}{bounds}>", geometry(window))
        }
        QuantizedOp::Mean { .. } => {
            let (height, width) = (input.height, input.width);
            format!(
                "AveragePool2d<{height}, {width}, Strided<{height}, {width}>, Offset<Multiplier>>"
            )
        }
        QuantizedOp::Pad2d { padding: [top, left, bottom, right], value } => {
            format!("Pad2d<{top}, {left}, {bottom}, {right}, {value}>")
        }
    }
}

/// The type of a layer's requantizations; the logits have none.
pub(super) fn requantization(layer: &QuantizedLayer) -> String {
    match (layer.clip, layer.parameters()) {
        (_, Some(parameters)) if parameters.requantization.is_none() => "()".into(),
        (_, Some(Parameters { requantization: Requantization::Rescales(_), .. })) => {
            "Multiplier".into()
        }
        (Some([low, high]), _) => format!("Clip<{low}, {high}>"),
        (None, _) => "Shift".into(),
    }
}

pub(super) fn pool_type(window: &Window) -> String {
    let [kh, kw] = window.kernel;
    if *window == Window::tiling(window.kernel) {
        return format!("MaxPool2d<{kh}, {kw}>");
    }
    format!("MaxPool2d<{kh}, {kw}, {}>", geometry(window))
}

/// A layer's type from its beginning, its geometry, and whether that is the default.
fn with_defaults(head: &str, (plain, geometry): (bool, &str), requantize: &str) -> String {
    match (plain, requantize) {
        (true, "Shift") => format!("{head}>"),
        (_, "Shift") => format!("{head}, {geometry}>"),
        _ => format!("{head}, {geometry}, {requantize}>"),
    }
}

/// The type that says how a window moves.
fn geometry(window: &Window) -> String {
    let [sh, sw] = window.stride;
    let strided = match window.padding {
        [0, 0, 0, 0] => format!("Strided<{sh}, {sw}>"),
        [top, left, bottom, right] => {
            format!("Strided<{sh}, {sw}, {top}, {left}, {bottom}, {right}>")
        }
    };
    match window.dilation {
        [1, 1] => strided,
        [dh, dw] => format!("Dilated<{strided}, {dh}, {dw}>"),
    }
}

pub(super) fn array_type(element: &str, shape: Shape) -> String {
    format!("[[[{element}; {}]; {}]; {}]", shape.channels, shape.width, shape.height)
}
