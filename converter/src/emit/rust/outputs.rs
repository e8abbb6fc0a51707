//! What `infer` returns of a network with several outputs: a struct with an array for each.

use std::fmt::Write;

use super::types::array_type;
use crate::arena::ArenaPlan;
use crate::emit::outputs::{fields, meaning, onnx_names};
use crate::graph::ValueId;
use crate::quantized::{QuantizedNetwork, ValueType};

/// The type of what `infer` returns.
pub(super) fn return_type(network: &QuantizedNetwork) -> &'static str {
    match network.several_outputs() {
        None => "Logits",
        Some(_) => "Outputs",
    }
}

/// How `infer` calls the accumulators of a value that it returns.
pub(super) fn logits_name(network: &QuantizedNetwork, value: ValueId) -> String {
    match network.several_outputs() {
        None => "logits".into(),
        Some(_) => format!("logits_{value}"),
    }
}

/// `Outputs`; nothing where there is one.
pub(super) fn declare(code: &mut String, network: &QuantizedNetwork) {
    let Some(outputs) = network.several_outputs() else { return };
    let fields = fields(&onnx_names(network));
    let count = network.output_size();
    code.push_str(
        "/// What one inference gives: an array for each output, in the order of the source.\n\
         #[derive(Clone, Copy, Debug, PartialEq, Eq)]\n\
         pub struct Outputs {\n",
    );
    for (output, field) in outputs.iter().zip(&fields) {
        let array = array(network, output.value);
        let meaning = meaning(network, output, "q");
        let _ = writeln!(code, "    /// `{}`: {meaning}.\n    pub {field}: {array},", output.name);
    }
    let _ = write!(
        code,
        "}}\n\n\
         impl firmware_core::Outputs for Outputs {{\n    \
         const COUNT: usize = {count};\n    \
         type Wide = [i32; {count}];\n\n    \
         #[allow(clippy::useless_conversion)]\n    \
         fn widen(self) -> [i32; {count}] {{\n        \
         let all = core::iter::empty();\n"
    );
    for (output, field) in outputs.iter().zip(&fields) {
        let flat = match is_image(network, output.value) {
            true => format!("self.{field}.as_flattened().as_flattened()"),
            false => format!("self.{field}"),
        };
        let _ =
            writeln!(code, "        let all = all.chain({flat}.iter().map(|&q| i32::from(q)));");
    }
    let _ = writeln!(
        code,
        "        let mut wide = [0; {count}];\n        \
         wide.iter_mut().zip(all).for_each(|(wide, q)| *wide = q);\n        \
         wide\n    }}\n}}\n"
    );
}

/// The struct, with every output from where it lies.
pub(super) fn end(code: &mut String, network: &QuantizedNetwork, arena: &ArenaPlan) {
    let Some(outputs) = network.several_outputs() else { return };
    code.push_str("    Outputs {\n");
    for (output, field) in outputs.iter().zip(fields(&onnx_names(network))) {
        let value = output.value;
        let _ = match arena.offsets[value] {
            None => writeln!(code, "        {field}: {},", logits_name(network, value)),
            Some(at) => {
                let array = array(network, value);
                writeln!(code, "        {field}: *arena.region::<{array}, {at}>(),")
            }
        };
    }
    code.push_str("    }\n}\n");
}

/// An image keeps its dimensions, a vector is a plain array.
fn is_image(network: &QuantizedNetwork, value: ValueId) -> bool {
    let shape = network.shape(value);
    shape.height * shape.width != 1 && network.format(value).element != ValueType::I32
}

fn array(network: &QuantizedNetwork, value: ValueId) -> String {
    let (shape, element) = (network.shape(value), network.format(value).element.rust_name());
    match is_image(network, value) {
        true => array_type(element, shape),
        false => format!("[{element}; {}]", shape.size()),
    }
}
