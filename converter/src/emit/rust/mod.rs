//! `model.rs`: one `static` per layer and one `infer`.

mod infer;
mod info;
pub mod inputs;
mod outputs;
mod stream;
mod types;

use std::collections::BTreeSet;
use std::fmt::{Display, Write};

use firmware_core::MODEL_SCHEMA;

use super::Origin;
use crate::arena::ArenaPlan;
use crate::quantized::{QuantizedLayer, QuantizedNetwork};

pub use infer::Call;
pub use types::{Types, array_type, turbofish};

/// Elements per line of a generated array.
const PER_LINE: usize = 24;

/// The generated module.
pub fn emit(network: &QuantizedNetwork, arena: &ArenaPlan, origin: &Origin) -> String {
    let network = &with_places(network, arena);
    let mut code = origin.header(&format!("The network '{}' in integers:", origin.name));
    code.push_str("//\n");
    super::report::layer_table(network).lines().for_each(|line| {
        let _ = writeln!(code, "// {line}");
    });
    code.push('\n');
    imports(&mut code, network, arena, origin);
    info::info(&mut code, network, arena, origin);
    if let Some(unknown) = &origin.unknown {
        info::unknown(&mut code, network, unknown);
    }
    let checks: Vec<String> = network
        .computed()
        .filter_map(|(_, layer)| static_layer(&mut code, network, layer, origin.section.as_deref()))
        .collect();
    verify(&mut code, &checks);
    infer::infer(&mut code, network, arena);
    code
}

/// The network with the inputs of every layer that works in place in the order that its kernel
/// wants.
pub(super) fn with_places(network: &QuantizedNetwork, arena: &ArenaPlan) -> QuantizedNetwork {
    let mut network = network.clone();
    for (layer, place) in network.layers.iter_mut().zip(&arena.in_place) {
        if let Some(index) = layer.inputs.iter().position(|&input| Some(input) == *place) {
            layer.op.as_dyn_mut().take_place(index, &mut layer.inputs);
        }
    }
    network
}

/// Names every type that the layers are made of.
fn imports(code: &mut String, network: &QuantizedNetwork, arena: &ArenaPlan, origin: &Origin) {
    let mut names: BTreeSet<String> =
        ["Arena", "LayerInfo", "LayerKind", "ModelInfo", "Observer"].map(String::from).into();
    if origin.unknown.is_some() {
        names.extend(["Score", "Unknown"].map(String::from));
    }
    if arena.stream.is_some() {
        names.extend(["InputRows", "Rows"].map(String::from));
    }
    for (_, layer) in network.computed() {
        let types = Types { network, layer };
        let mut code = layer.op.as_dyn().rust_type(&types);
        if let Some(built) = layer.op.as_dyn().rust_static(&types) {
            code += &format!(" {}", built.arguments);
        }
        code += &layer.op.as_dyn().rust_also_names();
        // Types alone begin with a capital letter.
        let words = code.split(|c: char| !c.is_alphanumeric());
        let is_type = |word: &&str| word.starts_with(|c: char| c.is_ascii_uppercase());
        names.extend(words.filter(is_type).map(String::from));
    }
    let names: Vec<String> = names.into_iter().collect();
    let _ = writeln!(
        code,
        "use firmware_core::{{{}}};\n\n\
         const _: () = assert!(\n    \
         firmware_core::MODEL_SCHEMA == {MODEL_SCHEMA},\n    \
         \"this model was generated for another version of firmware-core; make it again with the command \\\n     \
         at the top of its file\",\n);\n",
        names.join(", ")
    );
}

/// The `static` of a layer, if its type has data; the expression that checks it.
fn static_layer(
    code: &mut String,
    network: &QuantizedNetwork,
    layer: &QuantizedLayer,
    section: Option<&str>,
) -> Option<String> {
    let types = Types { network, layer };
    let built = layer.op.as_dyn().rust_static(&types)?;
    let type_name = layer.op.as_dyn().rust_type(&types);
    let _ = writeln!(
        code,
        "#[rustfmt::skip]\n{}static {}: {type_name} = {}::{}({});\n",
        section.map(|name| format!("#[unsafe(link_section = {name:?})]\n")).unwrap_or_default(),
        static_name(layer),
        type_name.split('<').next().unwrap_or_default(),
        built.constructor,
        built.arguments
    );
    Some(format!("firmware_core::is_intact(&{}, {:#010x})", static_name(layer), built.checksum))
}

/// `verify`, from the expressions that check the layers.
fn verify(code: &mut String, checks: &[String]) {
    let all = match checks {
        [] => "true".into(),
        checks => checks.join("\n        && "),
    };
    let _ = writeln!(
        code,
        "/// Whether weights, biases and requantizations in flash still are those that the converter wrote.\n\
         #[allow(dead_code)]\n\
         pub fn verify() -> bool {{\n    {all}\n}}\n"
    );
}

fn static_name(layer: &QuantizedLayer) -> String {
    layer.name.to_uppercase()
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
