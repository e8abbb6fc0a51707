//! The arguments of `infer`: the image, or one for each of several inputs.

use std::fmt::Write;

use super::types::array_type;
use crate::graph::ValueId;
use crate::quantized::QuantizedNetwork;

/// Words of Rust, and what the body of `infer` calls by name.
const TAKEN: [&str; 63] = [
    "a",
    "abstract",
    "arena",
    "as",
    "async",
    "await",
    "b",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "firmware_core",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "infer",
    "let",
    "logits",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "observer",
    "override",
    "priv",
    "pub",
    "ref",
    "return",
    "sample",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "union",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "x",
    "yield",
];

/// Types that generated code names.
const TAKEN_TYPES: [&str; 46] = [
    "Add",
    "AffineAdd",
    "AffineMul",
    "Arena",
    "AveragePool2d",
    "AveragePool2dInside",
    "Clip",
    "Concat",
    "Conv2d",
    "DepthwiseConv2d",
    "Dilated",
    "EightBits",
    "Elementwise",
    "FloatAdd",
    "FloatMean",
    "FloatMeanPool2d",
    "FloatScale",
    "FourBits",
    "FullyConnected",
    "Gather",
    "GroupedConv2d",
    "InputRows",
    "LayerInfo",
    "LayerKind",
    "LeakyRelu",
    "Logits",
    "Lookup",
    "MaxPool2d",
    "MeanPool2d",
    "ModelInfo",
    "Multiplier",
    "None",
    "Observer",
    "Option",
    "Outputs",
    "PRelu",
    "Pad2d",
    "PaddedWith",
    "Product",
    "Rows",
    "Sample",
    "Score",
    "Shift",
    "Some",
    "Strided",
    "Unit",
];

/// An argument of `infer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// The input's name in the file.
    pub input: String,
    /// The value that it holds.
    pub value: ValueId,
    /// The number of its first element in a sample.
    pub first: usize,
    /// The argument's name and its type's, as Rust writes them.
    pub name: String,
    pub type_name: String,
    /// `[height][width][channel]`
    pub array: String,
}

/// The arguments of a network with several inputs, in the order of the file; none where there is only
/// the image.
pub fn arguments(network: &QuantizedNetwork) -> Vec<Argument> {
    if network.first_layer() == 0 {
        return Vec::new();
    }
    let mut arguments: Vec<Argument> = Vec::new();
    for input in network.inputs() {
        let words = words(&input.name);
        let number = |number: usize| if number == 1 { String::new() } else { number.to_string() };
        let free = |name: &String| {
            !TAKEN.contains(&&name[..]) && arguments.iter().all(|other| other.name != *name)
        };
        let stem = match words.join("_") {
            stem if TAKEN.contains(&&stem[..]) => format!("{stem}_input"),
            stem => stem,
        };
        let name = (1..).map(|n| format!("{stem}{}", number(n))).find(free).unwrap_or_default();
        let element = network.format(input.value).element.rust_name();
        arguments.push(Argument {
            input: input.name,
            value: input.value,
            first: input.first,
            type_name: type_name(&name),
            name,
            array: array_type(element, input.shape),
        });
    }
    arguments
}

/// What a name consists of, in small letters; what is no letter or digit of ASCII parts words.
fn words(name: &str) -> Vec<String> {
    let parts = name.split(|c: char| !c.is_ascii_alphanumeric());
    let mut words: Vec<String> =
        parts.filter(|part| !part.is_empty()).map(str::to_ascii_lowercase).collect();
    if !words.first().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_alphabetic())) {
        words.insert(0, "input".into());
    }
    words
}

/// `PenMovement` of `pen_movement`; with a word at its end where generated code has another type of this
/// name.
fn type_name(name: &str) -> String {
    let capital = |word: &str| {
        let (first, rest) = word.split_at(1.min(word.len()));
        first.to_ascii_uppercase() + rest
    };
    let camel: String = name.split('_').map(capital).collect();
    if TAKEN_TYPES.contains(&&camel[..]) { camel + "Input" } else { camel }
}

/// The types of the inputs, and that of a sample of all of them.
pub(super) fn types(code: &mut String, network: &QuantizedNetwork, arguments: &[Argument]) {
    for Argument { input, type_name, array, .. } in arguments {
        let _ = writeln!(
            code,
            "/// Input {input:?}, `[height][width][channel]`.\n\
             pub type {type_name} = {array};\n"
        );
    }
    let names: Vec<&str> = arguments.iter().map(|argument| &argument.name[..]).collect();
    let _ = writeln!(
        code,
        "/// All inputs one after another, as they go over a line: {}.\n\
         pub type Sample = [{}; {}];\n",
        names.join(", "),
        network.input_format.element.rust_name(),
        network.input.size()
    );
}

/// `infer` and `infer_observed` up to the body of the latter, and before them the two that take a sample.
pub(super) fn functions(code: &mut String, arguments: &[Argument], what: &str, returned: &str) {
    let (mut declared, mut given, mut parts) = (String::new(), String::new(), String::new());
    for Argument { name, type_name, first, .. } in arguments {
        let _ = write!(declared, "\n    {name}: &{type_name},");
        let _ = write!(given, "{name}, ");
        let _ = write!(parts, "\n        firmware_core::part::<{type_name}, {first}, _>(sample),");
    }
    let _ = writeln!(
        code,
        "/// The {what} of a sample that has all inputs one after another.\n\
         #[allow(dead_code)]\n\
         pub fn infer_sample(sample: &Sample, arena: &mut Arena<ARENA_BYTES>) -> {returned} {{\n    \
         infer_sample_observed(sample, arena, &mut ())\n\
         }}\n\n\
         /// [`infer_sample`], telling `observer` when each layer starts and ends.\n\
         #[allow(dead_code)]\n\
         pub fn infer_sample_observed(\n    \
         sample: &Sample,\n    \
         arena: &mut Arena<ARENA_BYTES>,\n    \
         observer: &mut impl Observer,\n\
         ) -> {returned} {{\n    \
         infer_observed({parts}\n        arena,\n        observer,\n    )\n\
         }}\n\n\
         /// The {what} of one sample. The arena's old contents do not matter.\n\
         #[allow(dead_code, clippy::too_many_arguments)]\n\
         pub fn infer({declared}\n    \
         arena: &mut Arena<ARENA_BYTES>,\n\
         ) -> {returned} {{\n    \
         infer_observed({given}arena, &mut ())\n\
         }}\n\n\
         /// [`infer`], telling `observer` when each layer starts and ends.\n\
         #[allow(dead_code, clippy::too_many_arguments)]\n\
         pub fn infer_observed({declared}\n    \
         arena: &mut Arena<ARENA_BYTES>,\n    \
         observer: &mut impl Observer,\n\
         ) -> {returned} {{"
    );
}
