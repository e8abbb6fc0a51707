//! `model.rs`: one `static` per layer and one `infer`.

use std::fmt::{Display, Write};

use firmware_core::Window;

use super::Origin;
use crate::arena::ArenaPlan;
use crate::graph::{Shape, ValueId};
use crate::quantized::{Parameters, QuantizedLayer, QuantizedNetwork, QuantizedOp};

/// Elements per line of a generated array.
const PER_LINE: usize = 24;

/// The generated module.
pub fn emit(network: &QuantizedNetwork, arena: &ArenaPlan, origin: &Origin) -> String {
    let mut code = origin.header(&format!("The network '{}' in integers:", origin.name));
    code.push_str("//\n");
    super::report::layer_table(network).lines().for_each(|line| {
        let _ = writeln!(code, "// {line}");
    });
    code.push('\n');
    imports(&mut code, network);
    info(&mut code, network, arena, origin);
    for layer in &network.layers {
        static_layer(&mut code, network, layer);
    }
    infer(&mut code, network, arena);
    code
}

fn imports(code: &mut String, network: &QuantizedNetwork) {
    let uses = |wanted: &dyn Fn(&QuantizedOp) -> bool| network.layers.iter().any(|l| wanted(&l.op));
    let mut names = vec!["Arena", "LayerInfo", "LayerKind", "ModelInfo", "Observer"];
    let conv = uses(&|op| matches!(op, QuantizedOp::Conv2d { .. }));
    let pool = uses(&|op| matches!(op, QuantizedOp::MaxPool2d { .. } | QuantizedOp::Conv2d { pool: Some(_), .. }));
    let fc = uses(&|op| matches!(op, QuantizedOp::FullyConnected { .. }));
    let shift = network.layers.iter().any(|l| l.parameters().is_some_and(|p| !p.shifts.is_empty()));
    let types: String = network.layers.iter().map(|l| layer_type(network, l)).collect();
    for (used, name) in [
        (conv, "Conv2d"),
        (fc, "FullyConnected"),
        (pool, "MaxPool2d"),
        (shift, "Shift"),
        (types.contains("Strided"), "Strided"),
    ] {
        if used {
            names.push(name);
        }
    }
    names.sort_unstable();
    let _ = writeln!(code, "use firmware_core::{{{}}};\n", names.join(", "));
}

fn info(code: &mut String, network: &QuantizedNetwork, arena: &ArenaPlan, origin: &Origin) {
    let input = network.input;
    let bytes = origin.source_sha256.map(|byte| format!("0x{byte:02x}"));
    let _ = writeln!(
        code,
        "/// What this model is, and what it costs.\n\
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
        network.classes(),
        network.parameter_bytes(),
        network.macs(),
        network.format(network.layers.len()).exponent,
    );
    for (index, layer) in network.layers.iter().enumerate() {
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
             output_exponent: {},\n        \
             }},",
            layer.name,
            layer.kind(),
            output.height,
            output.width,
            output.channels,
            layer.macs(),
            layer.parameter_bytes(),
            network.format(layer.input).exponent,
            network.format(index + 1).exponent,
        );
    }
    let _ = writeln!(
        code,
        "    ],\n}};\n\n\
         /// Bytes of activation memory that the caller lends to [`infer`].\n\
         pub const ARENA_BYTES: usize = {};\n\n\
         /// One image, `[height][width][channel]`; 0 is background.\n\
         pub type Image = {};\n\n\
         /// One accumulator per class; the real value is `logit * 2^-{}`.\n\
         pub type Logits = [i32; {}];\n",
        arena.bytes,
        array_type("u8", input),
        network.format(network.layers.len()).exponent,
        network.classes(),
    );
}

/// The Rust type of a layer, such as `Conv2d<10, 5, 5, 1>`.
fn layer_type(network: &QuantizedNetwork, layer: &QuantizedLayer) -> String {
    let input = network.shape(layer.input);
    let plain = layer.parameters().is_none_or(|p| !p.shifts.is_empty());
    match &layer.op {
        QuantizedOp::Conv2d { window, convolved, .. } => {
            let [kh, kw] = window.kernel;
            let geometry = geometry(window, input, *convolved);
            let sizes = format!("{}, {kh}, {kw}, {}", convolved.channels, input.channels);
            match (geometry == [1, 1, 0, 0, 0, 0], plain) {
                (true, true) => format!("Conv2d<{sizes}>"),
                (_, true) => format!("Conv2d<{sizes}, {}>", strided(geometry)),
                (_, false) => format!("Conv2d<{sizes}, {}, ()>", strided(geometry)),
            }
        }
        QuantizedOp::FullyConnected { parameters } => {
            let requantize = if plain { "" } else { ", ()" };
            format!("FullyConnected<{}, {}{requantize}>", parameters.channels(), input.size())
        }
        QuantizedOp::MaxPool2d { window } => pool_type(window, input, layer.output),
    }
}

fn pool_type(window: &Window, input: Shape, output: Shape) -> String {
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

fn array_type(element: &str, shape: Shape) -> String {
    format!("[[[{element}; {}]; {}]; {}]", shape.channels, shape.width, shape.height)
}

fn static_name(layer: &QuantizedLayer) -> String {
    layer.name.to_uppercase()
}

fn static_layer(code: &mut String, network: &QuantizedNetwork, layer: &QuantizedLayer) {
    let Some(parameters) = layer.parameters() else { return };
    let input = network.shape(layer.input);
    let dims = match &layer.op {
        QuantizedOp::Conv2d { window, .. } => {
            vec![parameters.channels(), window.kernel[0], window.kernel[1], input.channels]
        }
        _ => vec![parameters.channels(), input.size()],
    };
    let constructor = if parameters.shifts.is_empty() { "logits_only" } else { "new" };
    let type_name = layer_type(network, layer);
    let function = type_name.split('<').next().unwrap_or_default();
    let _ = writeln!(
        code,
        "#[rustfmt::skip]\nstatic {}: {type_name} = {function}::{constructor}(",
        static_name(layer)
    );
    code.push_str("    ");
    nested(code, &parameters.weights, &dims);
    code.push_str(",\n    ");
    nested(code, &parameters.bias, &[parameters.channels()]);
    code.push_str(",\n");
    if !parameters.shifts.is_empty() {
        shifts(code, parameters);
    }
    code.push_str(");\n\n");
}

fn shifts(code: &mut String, parameters: &Parameters) {
    let all_equal = parameters.shifts.windows(2).all(|pair| pair[0] == pair[1]);
    if all_equal && parameters.channels() > 1 {
        let _ = writeln!(code, "    [Shift::new({}); {}],", parameters.shifts[0], parameters.channels());
        return;
    }
    code.push_str("    [\n");
    for line in parameters.shifts.chunks(8) {
        let items: Vec<_> = line.iter().map(|bits| format!("Shift::new({bits})")).collect();
        let _ = writeln!(code, "        {},", items.join(", "));
    }
    code.push_str("    ],\n");
}

/// A nested array literal of the given dimensions.
pub fn nested<T: Display>(code: &mut String, values: &[T], dims: &[usize]) {
    match dims {
        [] | [_] if values.len() <= PER_LINE => {
            let items: Vec<_> = values.iter().map(T::to_string).collect();
            let _ = write!(code, "[{}]", items.join(","));
        }
        [] | [_] => {
            code.push('[');
            for line in values.chunks(PER_LINE) {
                let items: Vec<_> = line.iter().map(T::to_string).collect();
                let _ = write!(code, "\n{},", items.join(","));
            }
            code.push(']');
        }
        [_, inner @ ..] => {
            let size: usize = inner.iter().product();
            code.push('[');
            for part in values.chunks(size.max(1)) {
                nested(code, part, inner);
                code.push(',');
                if inner.len() > 1 || size > PER_LINE {
                    code.push('\n');
                }
            }
            code.push(']');
        }
    }
}

fn infer(code: &mut String, network: &QuantizedNetwork, arena: &ArenaPlan) {
    code.push_str(
        "/// The logits of one image. The arena's old contents do not matter.\n\
         pub fn infer(image: &Image, arena: &mut Arena<ARENA_BYTES>) -> Logits {\n    \
         infer_observed(image, arena, &mut ())\n\
         }\n\n\
         /// [`infer`], telling `observer` when each layer starts and ends.\n\
         pub fn infer_observed(\n    \
         image: &Image,\n    \
         arena: &mut Arena<ARENA_BYTES>,\n    \
         observer: &mut impl Observer,\n\
         ) -> Logits {\n",
    );
    for (index, layer) in network.layers.iter().enumerate() {
        let _ = writeln!(code, "    observer.start({index});");
        call(code, network, arena, index, layer);
        let _ = writeln!(code, "    observer.end({index});");
    }
    code.push_str("    logits\n}\n");
}

/// The call of one layer, with its regions of the arena.
fn call(code: &mut String, network: &QuantizedNetwork, arena: &ArenaPlan, index: usize, layer: &QuantizedLayer) {
    let fully_connected = matches!(layer.op, QuantizedOp::FullyConnected { .. });
    let region_type = |value: ValueId, vector: bool| {
        let (shape, element) = (network.shape(value), network.format(value).element.rust_name());
        match vector {
            true => format!("[{element}; {}]", shape.size()),
            false => array_type(element, shape),
        }
    };
    let at = |value: ValueId| arena.offsets[value].unwrap_or(0);
    let name = static_name(layer);
    let last = index + 1 == network.layers.len();
    let input = region_type(layer.input, fully_connected);
    let x = match (layer.input, fully_connected) {
        (0, true) => "firmware_core::flatten(image)".to_string(),
        (0, false) => "image".to_string(),
        _ => "x".to_string(),
    };
    if last {
        if layer.input != 0 {
            let _ = writeln!(code, "    let x = arena.region::<{input}, {}>();", at(layer.input));
        }
        let _ = match fully_connected {
            true => writeln!(code, "    let logits = {name}.logits({x});"),
            false => writeln!(
                code,
                "    let mut pixels = [[[0; {}]; 1]; 1];\n    \
                 {name}.accumulate({x}, &mut pixels);\n    \
                 let [[logits]] = pixels;",
                network.classes()
            ),
        };
        return;
    }
    let output = region_type(index + 1, fully_connected);
    let _ = match layer.input {
        0 => writeln!(code, "    let y = arena.region::<{output}, {}>();", at(index + 1)),
        _ => writeln!(
            code,
            "    let (x, y) = arena.pair::<{input}, {}, {output}, {}>();",
            at(layer.input),
            at(index + 1)
        ),
    };
    let _ = match &layer.op {
        QuantizedOp::Conv2d { pool: Some(pool), convolved, .. } => {
            let pool = pool_type(pool, *convolved, layer.output).replacen('<', "::<", 1);
            writeln!(code, "    {name}.forward_max_pool2d(&{pool}::new(), {x}, y);")
        }
        QuantizedOp::MaxPool2d { window } => {
            let pool = pool_type(window, network.shape(layer.input), layer.output).replacen('<', "::<", 1);
            writeln!(code, "    {pool}::new().forward({x}, y);")
        }
        _ => writeln!(code, "    {name}.forward({x}, y);"),
    };
}
