//! A model for C and C++: a header, its function as Rust with C's calling convention, and golden samples.

use std::fmt::Write;

use firmware_core::{Score, Unknown};

use super::Origin;
use super::golden::Sample;
use super::outputs::{fields, onnx_names};
use crate::arena::ArenaPlan;
use crate::emit::rust::inputs::arguments;
use crate::graph::Shape;
use crate::quantized::{QuantizedNetwork, Scale, ValueType};

/// The name of a model as C has it: what is no letter, digit or underscore becomes an underscore.
pub fn identifier(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// The name of the header.
pub fn header_name(name: &str) -> String {
    format!("inkling_{}.h", identifier(name))
}

/// The name of the header with golden samples.
pub fn golden_name(name: &str) -> String {
    format!("inkling_{}_golden.h", identifier(name))
}

/// Both headers, with their names.
pub fn headers(
    network: &QuantizedNetwork,
    arena: &ArenaPlan,
    samples: &[Sample],
    origin: &Origin,
) -> [(String, String); 2] {
    [
        (header_name(&origin.name), header(network, arena, origin)),
        (golden_name(&origin.name), golden(network, samples, origin)),
    ]
}

/// Comment, sizes and types of what `infer` writes.
fn outputs(network: &QuantizedNetwork, id: &str) -> String {
    let upper = id.to_uppercase();
    let last = network.layers.len();
    let Some(outputs) = network.several_outputs() else {
        let to = network.format(last);
        let (element, size) = (c_type(to.element), network.classes());
        let Shape { height, width, channels } = network.shape(last);
        let dims = match network.gives_vector() {
            true => String::new(),
            false => format!(", [{height}][{width}][{channels}] (height, width, channels)"),
        };
        return format!(
            "/* The outputs: {element} [{size}]{dims}; q stands for {}. */\n\
             #define INKLING_{upper}_OUTPUTS {size}\n\
             typedef {element} inkling_{id}_output_t;\n\n",
            real_value(to.scale)
        );
    };
    let mut code = format!(
        "/* The outputs, each an array of its own. */\n\
         #define INKLING_{upper}_OUTPUT_COUNT {}\n\n",
        outputs.len()
    );
    for (index, (output, field)) in outputs.iter().zip(fields(&onnx_names(network))).enumerate() {
        let (shape, format) = (network.shape(output.value), network.format(output.value));
        let (element, size) = (c_type(format.element), shape.size());
        let dims = match shape.height * shape.width {
            1 => format!("[{size}]"),
            _ => format!(
                "[{}][{}][{}] (height, width, channels)",
                shape.height, shape.width, shape.channels
            ),
        };
        let classifies = if output.value == last { ", the classifier's" } else { "" };
        let (name, at) = (comment(&output.name), field.to_uppercase());
        let _ = write!(
            code,
            "/* outputs[{index}]: {name}{classifies}, {element} {dims}; q stands for {}. */\n\
             #define INKLING_{upper}_OUTPUT_{at} {index}\n\
             #define INKLING_{upper}_OUTPUT_{at}_SIZE {size}\n\
             typedef {element} inkling_{id}_output_{field}_t;\n\n",
            real_value(format.scale)
        );
    }
    code
}

/// A name in a comment, which it cannot end.
fn comment(name: &str) -> String {
    name.chars().map(|c| if c.is_control() || c == '*' || c == '\\' { '_' } else { c }).collect()
}

fn c_type(element: ValueType) -> &'static str {
    match element {
        ValueType::U8 => "uint8_t",
        ValueType::I8 => "int8_t",
        ValueType::I32 => "int32_t",
    }
}

fn real_value(scale: Scale) -> String {
    match scale {
        Scale::PowerOfTwo(exponent) => format!("q / 2^{exponent}"),
        Scale::Affine { scale, zero } => format!("(q - ({zero})) * {scale:?}"),
    }
}

/// A string literal: what C would take for something else is escaped, byte by byte.
fn literal(text: &str) -> String {
    let mut code = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' | b'?' => {
                let _ = write!(code, "\\{}", byte as char);
            }
            b' '..=b'~' => code.push(byte as char),
            // Three digits end by themselves.
            _ => {
                let _ = write!(code, "\\{byte:03o}");
            }
        }
    }
    code + "\""
}

/// The rule for "none of these" as C, nothing without one.
fn classify(id: &str, outputs: usize, unknown: Option<&Unknown>) -> String {
    let Some(Unknown { score, class, threshold }) = unknown else { return String::new() };
    let upper = id.to_uppercase();
    let class = class.map_or(-1, |class| class as i64);
    // In 64 bits, where no difference wraps; the Rust saturates, which compares alike.
    let score = match score {
        Score::Class => "best - outside",
        Score::Margin => "best - (second > outside ? second : outside)",
        Score::Level => "best",
    };
    format!(
        "/* How an output is told that is none of the classes: the output that stands for it, -1 for none,\n   \
            and the least score of an answer. */\n\
         #define INKLING_{upper}_UNKNOWN_CLASS ({class})\n\
         #define INKLING_{upper}_UNKNOWN_THRESHOLD ({threshold})\n\n\
         /* The class of the outputs, the first of equals, or -1 where they are none of the classes. */\n\
         static inline int inkling_{id}_classify(const int32_t outputs[{outputs}])\n\
         {{\n    \
         int64_t best = INT32_MIN, second = INT32_MIN, outside = INT32_MIN;\n    \
         int found = -1, at;\n    \
         for (at = 0; at < {outputs}; at++) {{\n        \
         if (at == INKLING_{upper}_UNKNOWN_CLASS) {{\n            \
         outside = outputs[at];\n        \
         }} else if (found < 0 || outputs[at] > best) {{\n            \
         second = best;\n            \
         best = outputs[at];\n            \
         found = at;\n        \
         }} else if (outputs[at] > second) {{\n            \
         second = outputs[at];\n        \
         }}\n    \
         }}\n    \
         (void)second;\n    \
         (void)outside;\n    \
         return {score} >= INKLING_{upper}_UNKNOWN_THRESHOLD ? found : -1;\n\
         }}\n\n"
    )
}

/// The header: sizes, class names and the function.
pub fn header(network: &QuantizedNetwork, arena: &ArenaPlan, origin: &Origin) -> String {
    let (id, input) = (identifier(&origin.name), network.input);
    let upper = id.to_uppercase();
    let from = network.input_format;
    let receives = match network.several_outputs() {
        None => format!("outputs[0] receives\n   INKLING_{upper}_OUTPUTS"),
        Some(_) => {
            format!("each of the\n   INKLING_{upper}_OUTPUT_COUNT pointers of outputs receives its")
        }
    };
    let outputs = outputs(network, &id);
    let classify = classify(&id, network.classes(), origin.unknown.as_ref());
    let labels = match origin.labels.is_empty() {
        true => String::new(),
        false => format!(
            "/* Names of the classes, in the order of the outputs. */\n\
             static const char *const inkling_{id}_labels[{}]\n\
             #ifdef __GNUC__\n    \
             __attribute__((unused))\n\
             #endif\n    \
             = {{ {} }};\n\n",
            origin.labels.len(),
            origin.labels.iter().map(|label| literal(label)).collect::<Vec<_>>().join(", ")
        ),
    };
    let inputs = inputs(&upper, network);
    let given = match network.first_layer() {
        0 => format!("inputs[0] holds INKLING_{upper}_INPUT_BYTES bytes"),
        count => format!("inputs holds {count} pointers to the inputs, in the order above"),
    };
    format!(
        "/* Generated by Inkling's converter. Source: {}, SHA-256\n   {} */\n\
         #ifndef INKLING_{upper}_H\n#define INKLING_{upper}_H\n\n\
         #include <stdint.h>\n\n\
         #ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n\
         {inputs}\
         #define INKLING_{upper}_INPUT_BYTES {}\n\
         typedef {} inkling_{id}_input_t;\n\n\
         {outputs}\
         /* Bytes of the arena, which begins at a multiple of 4: declare it as uint32_t. */\n\
         #define INKLING_{upper}_ARENA_BYTES {}\n\
         #define INKLING_{upper}_ARENA_WORDS {}\n\n\
         {labels}\
         /* One inference: {given}, {receives} values; arena holds INKLING_{upper}_ARENA_BYTES bytes, whose contents do\n   \
            not matter. Returns 0, or -1 for a null pointer and -2 for one that is not aligned; nothing was\n   \
            computed then. Keeps no state: it may be interrupted, and run at once with arenas of its own. */\n\
         int inkling_{id}_infer(const void *const inputs[], void *const outputs[], void *arena);\n\n\
         /* 1 if the weights in flash still are those that were converted, 0 if not: flash can lose bits. */\n\
         int inkling_{id}_verify(void);\n\n\
         {classify}\
         #ifdef __cplusplus\n}}\n#endif\n\n\
         #endif\n",
        origin.source,
        origin.sha256_hex(),
        input.size(),
        c_type(from.element),
        arena.bytes,
        arena.bytes.div_ceil(4).max(1),
    )
}

/// What the header says of the input, or of each of several.
fn inputs(upper: &str, network: &QuantizedNetwork) -> String {
    let format = network.input_format;
    let (element, real) = (c_type(format.element), real_value(format.scale));
    let mut code = String::new();
    let several = arguments(network);
    for (number, input) in network.inputs().into_iter().enumerate() {
        let Shape { height, width, channels } = input.shape;
        let (title, prefix) = match several.get(number) {
            None => ("The input".to_string(), format!("INKLING_{upper}")),
            Some(argument) => (
                format!("inputs[{number}], {}", argument.name),
                format!("INKLING_{upper}_{}", argument.name.to_uppercase()),
            ),
        };
        let _ = write!(
            code,
            "/* {title}: {element} [{height}][{width}][{channels}] (height, width, channels); q stands for \
             {real}. */\n\
             #define {prefix}_HEIGHT {height}\n\
             #define {prefix}_WIDTH {width}\n\
             #define {prefix}_CHANNELS {channels}\n"
        );
        if !several.is_empty() {
            let _ = writeln!(code, "#define {prefix}_BYTES {}\n", input.shape.size());
        }
    }
    if !several.is_empty() {
        let _ = write!(
            code,
            "/* All inputs, one after another, as golden samples have them. */\n\
             #define INKLING_{upper}_INPUTS {}\n",
            several.len()
        );
    }
    code
}

/// The golden samples as C: inputs, and the outputs that every device must compute, several of them one
/// behind the other as `int32_t`.
pub fn golden(network: &QuantizedNetwork, samples: &[Sample], origin: &Origin) -> String {
    let id = identifier(&origin.name);
    let (size, outputs) = (network.input.size(), network.output_size());
    let from = network.input_format.element;
    let to = match network.several_outputs() {
        None => network.format(network.layers.len()).element,
        Some(_) => ValueType::I32,
    };
    let mut code = format!(
        "/* Generated by Inkling's converter: samples and what '{}' must compute of them. */\n\
         #ifndef INKLING_{upper}_GOLDEN_H\n#define INKLING_{upper}_GOLDEN_H\n\n\
         #include <stdint.h>\n\n\
         #define INKLING_{upper}_GOLDEN {count}\n\n\
         static const {} inkling_{id}_golden_inputs[{count}][{size}] = {{\n",
        origin.name,
        c_type(from),
        upper = id.to_uppercase(),
        count = samples.len(),
    );
    let rows = |code: &mut String, values: &[i32]| {
        code.push('{');
        for line in values.chunks(24) {
            let line: Vec<String> = line.iter().map(i32::to_string).collect();
            let _ = write!(code, "\n{},", line.join(","));
        }
        code.push_str("\n},\n");
    };
    for sample in samples {
        let values: Vec<i32> = sample.image.iter().map(|&byte| from.of_byte(byte)).collect();
        rows(&mut code, &values);
    }
    let _ = write!(
        code,
        "}};\n\nstatic const {} inkling_{id}_golden_outputs[{}][{outputs}] = {{\n",
        c_type(to),
        samples.len()
    );
    for sample in samples {
        rows(&mut code, &sample.logits);
    }
    code.push_str("};\n\n#endif\n");
    code
}

/// The functions of a model as Rust with C's calling convention; `model` is the module of its code, which
/// takes so many inputs, and in which a network with several outputs, of these names, has them as the fields
/// of a struct.
pub fn functions(name: &str, model: &str, inputs: usize, outputs: &[String]) -> String {
    let id = identifier(name);
    let names: Vec<String> = (0..inputs).map(|number| format!("input{number}")).collect();
    let given: String = names.iter().map(|name| format!("&*{name}.cast(), ")).collect();
    let names = names.join(", ");
    let several = match outputs {
        [] | [_] => String::new(),
        several => returned(model, &fields(several)),
    };
    format!(
        "{several}/// See the header.\n///\n/// # Safety\n///\n\
         /// As the header says: every pointer that is not null points to as much as the model needs.\n\
         #[unsafe(no_mangle)]\n\
         pub unsafe extern \"C\" fn inkling_{id}_infer(\n    \
         inputs: *const *const c_void,\n    \
         outputs: *const *mut c_void,\n    \
         arena: *mut c_void,\n\
         ) -> c_int {{\n    \
         // SAFETY: the caller says what the pointers point to.\n    \
         unsafe {{ call(inputs, outputs, arena, |[{names}], arena| {model}::infer({given}arena)) }}\n\
         }}\n\n\
         /// See the header.\n\
         #[unsafe(no_mangle)]\n\
         pub extern \"C\" fn inkling_{id}_verify() -> c_int {{\n    \
         c_int::from({model}::verify())\n\
         }}\n"
    )
}

/// Where the fields of what a model returns go.
fn returned(model: &str, fields: &[String]) -> String {
    let mut code = format!(
        "impl Returned for {model}::Outputs {{\n    \
         unsafe fn check(outputs: *const *mut c_void) -> c_int {{\n        \
         // SAFETY: the caller says that there is a pointer for each.\n        \
         let at = |index| unsafe {{ *outputs.add(index) }};\n"
    );
    for (index, field) in fields.iter().enumerate() {
        let _ = write!(
            code,
            "        let said = check_as(|all: Self| all.{field}, at({index}));\n        \
             if said != 0 {{\n            \
             return said;\n        }}\n"
        );
    }
    code.push_str(
        "        0\n    }\n\n    \
         unsafe fn put(self, outputs: *const *mut c_void) {\n        \
         // SAFETY: they were checked, and point to as much as is needed, says the caller.\n        \
         unsafe {\n",
    );
    for (index, field) in fields.iter().enumerate() {
        let _ = writeln!(code, "            write_to(*outputs.add({index}), self.{field});");
    }
    code.push_str("        }\n    }\n}\n\n");
    code
}
