//! `infer`: the layers in order, each with its regions of the arena.

use std::fmt::Write;

use super::static_name;
use super::types::{Types, array_type};
use crate::arena::ArenaPlan;
use crate::graph::ValueId;
use crate::quantized::{QuantizedLayer, QuantizedNetwork};

pub(super) fn infer(code: &mut String, network: &QuantizedNetwork, arena: &ArenaPlan) {
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
        let call = Call { network, arena, index, layer };
        layer.op.as_dyn().rust_call(&call, code);
        let _ = writeln!(code, "    observer.end({index});");
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
        self.index + 1 == self.network.layers.len() && self.network.ends_in_accumulators()
    }

    /// Binds `x`, unless it is the image; returns how the input is called.
    pub fn input_region(&self, code: &mut String) -> String {
        let input = self.layer.input();
        if input != 0 {
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
        if input == 0 {
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
        match (a, b) {
            (0, _) => {
                let x = self.regions(code, b);
                [self.name_of(0, "a"), x]
            }
            (_, 0) => {
                let x = self.regions(code, a);
                [x, self.name_of(0, "b")]
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
        match (value, self.reads_vectors()) {
            (0, true) => "firmware_core::flatten(image)".into(),
            (0, false) => "image".into(),
            _ => in_arena.into(),
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
