//! `infer`: the layers in order, each with its regions of the arena.

use std::fmt::Write;
use std::ops::Range;

use super::inputs::{Argument, arguments, functions};
use super::stream::Streamed;
use super::types::{Types, array_type};
use super::{outputs, static_name};
use crate::arena::ArenaPlan;
use crate::graph::ValueId;
use crate::quantized::{QuantizedLayer, QuantizedNetwork, ValueType};

pub(super) fn infer(code: &mut String, network: &QuantizedNetwork, arena: &ArenaPlan) {
    let streamed = Streamed::of(network, arena);
    if let Some(streamed) = &streamed {
        streamed.steps(code);
    }
    let (what, returned) = match network.several_outputs() {
        None => ("logits", outputs::return_type(network)),
        Some(_) => ("outputs", outputs::return_type(network)),
    };
    let arguments = arguments(network);
    if !arguments.is_empty() {
        functions(code, &arguments, what, returned);
        whole_layers(code, network, arena, &arguments, network.first_layer()..network.layers.len());
        return end(code, network, arena);
    }
    let _ = write!(
        code,
        "/// The {what} of one image. The arena's old contents do not matter.\n\
         pub fn infer(image: &Image, arena: &mut Arena<ARENA_BYTES>) -> {returned} {{\n    \
         infer_observed(image, arena, &mut ())\n\
         }}\n\n\
         /// [`infer`], telling `observer` when each layer starts and ends.\n\
         pub fn infer_observed(\n    \
         image: &Image,\n    \
         arena: &mut Arena<ARENA_BYTES>,\n    \
         observer: &mut impl Observer,\n\
         ) -> {returned} {{\n",
    );
    let layers = network.layers.len();
    let Some(streamed) = streamed else {
        whole_layers(code, network, arena, &[], 0..layers);
        return end(code, network, arena);
    };
    let [first, behind] = streamed.layers();
    whole_layers(code, network, arena, &[], 0..first);
    streamed.all_steps(code);
    if streamed.takes_rows() {
        code.push_str(
            "    finish(arena, observer)\n\
             }\n\n\
             /// The layers behind those that run row by row.\n\
             fn finish(arena: &mut Arena<ARENA_BYTES>, observer: &mut impl Observer) -> Logits {\n",
        );
    }
    streamed.sums(code);
    whole_layers(code, network, arena, &[], behind..layers);
    end(code, network, arena);
    if streamed.takes_rows() {
        streamed.stream_type(code);
    }
}

/// The calls of layers that compute whole images.
fn whole_layers(
    code: &mut String,
    network: &QuantizedNetwork,
    arena: &ArenaPlan,
    arguments: &[Argument],
    layers: Range<usize>,
) {
    for index in layers {
        let layer = &network.layers[index];
        let number = index - arguments.len();
        let _ = writeln!(code, "    observer.start({number});");
        let call = Call { network, arena, arguments, index, layer };
        layer.op.as_dyn().rust_call(&call, code);
        let _ = writeln!(code, "    observer.end({number});");
    }
}

/// What the function returns.
fn end(code: &mut String, network: &QuantizedNetwork, arena: &ArenaPlan) {
    if network.several_outputs().is_some() {
        return outputs::end(code, network, arena);
    }
    let last = network.layers.len();
    let _ = match arena.offsets[last] {
        None => writeln!(code, "    logits\n}}"),
        Some(at) => {
            let (element, count) = (network.format(last).element.rust_name(), network.classes());
            writeln!(code, "    *arena.region::<[{element}; {count}], {at}>()\n}}")
        }
    };
}

/// The call of one layer.
pub struct Call<'a> {
    pub network: &'a QuantizedNetwork,
    arena: &'a ArenaPlan,
    /// Those of several inputs.
    arguments: &'a [Argument],
    index: usize,
    pub layer: &'a QuantizedLayer,
}

impl<'a> Call<'a> {
    pub fn types(&self) -> Types<'a> {
        Types { network: self.network, layer: self.layer }
    }

    /// The name of the layer's `static`.
    pub fn static_name(&self) -> String {
        static_name(self.layer)
    }

    /// The result lies in the place of an input.
    pub fn in_place(&self) -> bool {
        self.arena.in_place[self.index].is_some()
    }

    /// The layer's accumulators are what `infer` returns.
    pub fn gives_logits(&self) -> bool {
        self.layer.format.element == ValueType::I32
    }

    /// How the code calls the layer's accumulators.
    pub fn logits_name(&self) -> String {
        outputs::logits_name(self.network, self.index + 1)
    }

    /// Binds `x`, unless it is the image; returns how the input is called.
    pub fn input_region(&self, code: &mut String) -> String {
        let input = self.layer.input();
        if !self.network.is_input(input) {
            let (region, at) = (self.region_type(input), self.offset(input));
            let _ = writeln!(code, "    let x = arena.region::<{region}, {at}>();");
        }
        self.name_of(input, "x")
    }

    /// Binds `y`.
    pub fn result_region(&self, code: &mut String) {
        let output = self.index + 1;
        let (y, at) = (self.region_type(output), self.offset(output));
        let _ = writeln!(code, "    let y = arena.region::<{y}, {at}>();");
    }

    /// Binds `y`, and `x` unless it is the image; returns how the input is called.
    pub fn regions(&self, code: &mut String, input: ValueId) -> String {
        if self.network.is_input(input) {
            self.result_region(code);
        } else {
            let [x, y] = [input, self.index + 1]
                .map(|value| format!("{}, {}", self.region_type(value), self.offset(value)));
            let _ = writeln!(code, "    let (x, y) = arena.pair::<{x}, {y}>();");
        }
        self.name_of(input, "x")
    }

    /// Binds `y` and those of the two inputs that lie in the arena; returns their names.
    pub fn regions_of_two(&self, code: &mut String, a: ValueId, b: ValueId) -> [String; 2] {
        match [a, b].map(|value| self.network.is_input(value)) {
            [true, _] => {
                let x = self.regions(code, b);
                [self.name_of(a, "a"), x]
            }
            [_, true] => {
                let x = self.regions(code, a);
                [x, self.name_of(b, "b")]
            }
            _ => {
                let regions = [a, b, self.index + 1]
                    .map(|value| format!("{}, {}", self.region_type(value), self.offset(value)));
                let _ =
                    writeln!(code, "    let (a, b, y) = arena.triple::<{}>();", regions.join(", "));
                ["a".into(), "b".into()]
            }
        }
    }

    /// Writes the call of a kernel that combines two values, or replaces the first.
    pub fn elementwise(&self, code: &mut String) {
        let (name, [a, b]) = (self.static_name(), [self.layer.inputs[0], self.layer.inputs[1]]);
        if self.in_place() {
            let x = self.regions(code, b);
            let _ = writeln!(code, "    {name}.forward_in_place({x}, y);");
        } else {
            let [a, b] = self.regions_of_two(code, a, b);
            let _ = writeln!(code, "    {name}.forward({a}, {b}, y);");
        }
    }

    /// How the code calls an input of the layer.
    fn name_of(&self, value: ValueId, in_arena: &str) -> String {
        if !self.network.is_input(value) {
            return in_arena.into();
        }
        let argument = self.arguments.iter().find(|argument| argument.value == value);
        let name = argument.map_or("image", |argument| &argument.name);
        match self.reads_vectors() {
            true => format!("firmware_core::flatten({name})"),
            false => name.into(),
        }
    }

    fn reads_vectors(&self) -> bool {
        self.layer.op.as_dyn().reads_vectors()
    }

    fn region_type(&self, value: ValueId) -> String {
        let shape = self.network.shape(value);
        let element = self.network.format(value).element.rust_name();
        match self.reads_vectors() {
            true => format!("[{element}; {}]", shape.size()),
            false => array_type(element, shape),
        }
    }

    fn offset(&self, value: ValueId) -> usize {
        self.arena.offsets[value].unwrap_or(0)
    }
}
