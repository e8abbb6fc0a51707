//! Several outputs in generated code: what they are called and what is said of them.

use super::int8_onnx::IMAGE;
use crate::graph::{Head, Output};
use crate::quantized::{QuantizedLayer, QuantizedNetwork, Scale, ValueType};

/// Words that no field can be called.
const KEYWORDS: [&str; 53] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "raw",
];

/// What each output of these [`onnx_names`] is called in generated code: its name in small letters, digits and underscores, and
/// with a number where two would be called the same.
pub fn fields(names: &[String]) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    for name in names {
        let plain: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
            .collect();
        let plain = plain.trim_matches('_');
        let starts = plain.starts_with(|c: char| c.is_ascii_alphabetic());
        let stem = match starts && !KEYWORDS.contains(&plain) {
            true => plain.to_string(),
            false => format!("output_{plain}").trim_end_matches('_').to_string(),
        };
        let numbered = (2..).map(|number| format!("{stem}_{number}"));
        let free =
            std::iter::once(stem.clone()).chain(numbered).find(|name| !fields.contains(name));
        fields.push(free.unwrap_or(stem));
    }
    fields
}

/// What the outputs are called in `int8.onnx` and in the record: as in the source, but for a name that
/// something else has there.
pub fn onnx_names(network: &QuantizedNetwork) -> Vec<String> {
    let taken = |name: &str| {
        let of_layer = |layer: &QuantizedLayer| {
            name.strip_prefix(&layer.name[..])
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        };
        name == IMAGE || network.layers.iter().any(of_layer)
    };
    let name = |output: &Output| match taken(&output.name) {
        true => format!("output_{}", output.name),
        false => output.name.clone(),
    };
    network.outputs.iter().map(name).collect()
}

/// What an output is, and what its integer called `q` stands for, in words.
pub fn meaning(network: &QuantizedNetwork, output: &Output, q: &str) -> String {
    let format = network.format(output.value);
    let kind = match format.element {
        ValueType::I32 => "accumulators",
        _ => "8-bit values",
    };
    let head = match output.head {
        Head::Logits => "",
        Head::Softmax => ", of which the source gives the softmax",
        Head::LogSoftmax => ", of which the source gives the log softmax",
        Head::Sigmoid => ", of which the source gives the sigmoid",
        Head::ArgMax => ", of which the source gives the place of the largest",
    };
    let head = match output.per_pixel {
        true => format!("{head} over the channels of each pixel"),
        false => head.to_string(),
    };
    let value = match format.scale {
        Scale::PowerOfTwo(exponent) => format!("`{q} * 2^-{exponent}`"),
        Scale::Affine { scale, zero } => format!("`({q} - {zero}) * {scale:?}`"),
    };
    format!("{kind}{head}; the real value is {value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_output_has_a_name_of_its_own() {
        let names = ["Class Scores", "11", "type", "class_scores", "/head/Add:0", "ü", ""];
        assert_eq!(
            fields(&names.map(String::from)),
            [
                "class_scores",
                "output_11",
                "output_type",
                "class_scores_2",
                "head_add_0",
                "output",
                "output_2"
            ]
        );
    }
}
