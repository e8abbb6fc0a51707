//! What the model says about itself: `INFO`, its arena's size and the types of image and logits.

use std::fmt::Write;

use super::inputs::{self, arguments};
use super::outputs;
use super::types::array_type;
use crate::arena::ArenaPlan;
use crate::emit::Origin;
use crate::emit::outputs::meaning;
use crate::quantized::{QuantizedNetwork, Scale};
use firmware_core::Unknown;

pub(super) fn info(
    code: &mut String,
    network: &QuantizedNetwork,
    arena: &ArenaPlan,
    origin: &Origin,
) {
    let input = network.input;
    let bytes = origin.source_sha256.map(|byte| format!("0x{byte:02x}"));
    let _ = writeln!(
        code,
        "/// What this model is, and what it costs.\n\
         #[allow(dead_code, clippy::needless_update)]\n\
         pub static INFO: ModelInfo = ModelInfo {{\n    \
         name: {:?},\n    \
         source_sha256: [\n        {},\n        {},\n    ],\n    \
         input: [{}, {}, {}],\n    \
         classes: {},\n    \
         arena_bytes: ARENA_BYTES,\n    \
         weight_bytes: {},\n    \
         macs: {},\n    \
         logit_exponent: {},\n    \
         layers: &[",
        origin.name,
        bytes[..16].join(", "),
        bytes[16..].join(", "),
        input.height,
        input.width,
        input.channels,
        network.output_size(),
        network.parameter_bytes(),
        network.macs(),
        network.format(network.layers.len()).exponent(),
    );
    for (index, layer) in network.computed() {
        let output = layer.output;
        let _ = writeln!(
            code,
            "        LayerInfo {{\n            \
             name: {:?},\n            \
             kind: LayerKind::{:?},\n            \
             output: [{}, {}, {}],\n            \
             macs: {},\n            \
             weight_bytes: {},\n            \
             input_exponent: {},\n            \
             output_exponent: {},\n            \
             ..LayerInfo::DEFAULT\n        \
             }},",
            layer.name,
            layer.kind(),
            output.height,
            output.width,
            output.channels,
            layer.macs(),
            layer.parameter_bytes(),
            network.format(layer.input()).exponent(),
            network.format(index + 1).exponent(),
        );
    }
    let _ = writeln!(
        code,
        "    ],\n    \
         ..ModelInfo::DEFAULT\n}};\n\n\
         /// Names of the classes, in the order of the logits; none where nobody has named them.\n\
         #[allow(dead_code)]\n\
         pub static LABELS: [&str; {}] = {:?};\n\n\
         /// Bytes of activation memory that the caller lends to [`infer`].\n\
         pub const ARENA_BYTES: usize = {};\n",
        origin.labels.len(),
        origin.labels,
        arena.bytes,
    );
    match &arguments(network)[..] {
        [] => {
            let _ = writeln!(
                code,
                "/// One image, `[height][width][channel]`; {}.\n\
                 pub type Image = {};\n",
                match network.input_format.scale {
                    Scale::PowerOfTwo(_) => "0 is background".into(),
                    Scale::Affine { scale, zero } => real_value("pixel", scale, zero),
                },
                array_type(network.input_format.element.rust_name(), input),
            );
        }
        several => inputs::types(code, network, several),
    }
    code.push_str(&logits(network));
    code.push('\n');
    outputs::declare(code, network);
}

/// The type of the logits.
fn logits(network: &QuantizedNetwork) -> String {
    if network.several_outputs().is_some() {
        return "/// What [`infer`] returns, under the name that it has where a network has one output.\n\
                #[allow(dead_code)]\n\
                pub type Logits = Outputs;\n"
            .into();
    }
    let output = network.format(network.layers.len());
    if let (false, [image]) = (network.gives_vector(), &network.outputs[..]) {
        return format!(
            "/// The output, an image of {} (height × width × channels), row by row and in a row pixel by \n\
             /// pixel: {}.\npub type Logits = [{}; {}];\n",
            network.shape(image.value),
            meaning(network, image, "q"),
            output.element.rust_name(),
            network.classes(),
        );
    }
    format!(
        "/// {}.\npub type Logits = [{}; {}];\n",
        match output.scale {
            Scale::PowerOfTwo(exponent) => {
                format!("One accumulator per class; the real value is `logit * 2^-{exponent}`")
            }
            Scale::Affine { scale, zero } => {
                format!("One value per output; {}", real_value("value", scale, zero))
            }
        },
        output.element.rust_name(),
        network.classes(),
    )
}

/// The rule for "none of these" and the function that applies it.
pub(super) fn unknown(code: &mut String, network: &QuantizedNetwork, unknown: &Unknown) {
    let logits = match network.several_outputs() {
        None => "Logits".into(),
        Some(_) => format!("[i32; {}]", network.classes()),
    };
    let Unknown { score, class, threshold } = unknown;
    let _ = writeln!(
        code,
        "/// How an image is told that is none of the classes.\n\
         #[allow(dead_code)]\n\
         pub const UNKNOWN: Unknown =\n    \
         Unknown {{ score: Score::{score:?}, class: {class:?}, threshold: {threshold} }};\n\n\
         /// The class of an image by its logits, a place in [`LABELS`]; nothing where it is none of them.\n\
         #[allow(dead_code)]\n\
         pub fn classify(logits: &{logits}) -> Option<usize> {{\n    \
         UNKNOWN.classify(logits)\n\
         }}\n",
    );
}

/// What an integer called `name` stands for, in words.
fn real_value(name: &str, scale: f32, zero: i32) -> String {
    match zero {
        0 => format!("the real value is `{name} * {scale:?}`"),
        ..0 => format!("the real value is `({name} + {}) * {scale:?}`", -zero),
        _ => format!("the real value is `({name} - {zero}) * {scale:?}`"),
    }
}
