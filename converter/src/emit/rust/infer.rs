//! `infer`: the layers in order, each with its regions of the arena.

use std::fmt::Write;

use super::statics::static_name;
use super::types::{array_type, layer_type, pool_type};
use crate::arena::ArenaPlan;
use crate::graph::ValueId;
use crate::quantized::{QuantizedLayer, QuantizedNetwork, QuantizedOp};

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
        Call { network, arena, index, layer }.write(code);
        let _ = writeln!(code, "    observer.end({index});");
    }
    let last = network.layers.len();
    match arena.offsets[last] {
        None => code.push_str("    logits\n}\n"),
        Some(at) => {
            let element = network.format(last).element.rust_name();
            let _ = writeln!(
                code,
                "    *arena.region::<[{element}; {}], {at}>()\n}}",
                network.classes()
            );
        }
    }
}

/// The call of one layer.
struct Call<'a> {
    network: &'a QuantizedNetwork,
    arena: &'a ArenaPlan,
    index: usize,
    layer: &'a QuantizedLayer,
}

impl Call<'_> {
    fn write(&self, code: &mut String) {
        if self.index + 1 == self.network.layers.len() && self.network.ends_in_accumulators() {
            return self.write_last(code);
        }
        let input = self.layer.input();
        let in_place = self.arena.in_place[self.index].is_some();
        match (&self.layer.op, &self.layer.inputs[..]) {
            (QuantizedOp::Add { .. }, &[a, _]) if in_place => {
                let x = self.regions(code, a);
                let _ = writeln!(code, "    {}.forward_in_place({x}, y);", static_name(self.layer));
            }
            (QuantizedOp::LeakyRelu { .. }, _) if in_place => {
                let leaky_relu = turbofish(&layer_type(self.network, self.layer));
                let (y, at) = (self.region_type(self.index + 1), self.offset(self.index + 1));
                let _ = writeln!(code, "    let y = arena.region::<{y}, {at}>();");
                let _ = writeln!(code, "    {leaky_relu}.forward_in_place(y);");
            }
            (QuantizedOp::Elementwise(_), &[_, b]) if in_place => {
                let x = self.regions(code, b);
                let _ = writeln!(code, "    {}.forward_in_place({x}, y);", static_name(self.layer));
            }
            (QuantizedOp::Lookup { .. }, _) if in_place => {
                let (y, at) = (self.region_type(self.index + 1), self.offset(self.index + 1));
                let _ = writeln!(code, "    let y = arena.region::<{y}, {at}>();");
                let _ = writeln!(code, "    {}.forward_in_place(y);", static_name(self.layer));
            }
            (QuantizedOp::Add { .. } | QuantizedOp::Elementwise(_), &[a, b]) => {
                let name = static_name(self.layer);
                let [a_name, b_name] = self.regions_of_two(code, a, b);
                let _ = writeln!(code, "    {name}.forward({a_name}, {b_name}, y);");
            }
            (QuantizedOp::Concat, inputs) => {
                let mut first = 0;
                for &value in inputs {
                    let x = self.regions(code, value);
                    let _ = writeln!(code, "    Concat::<{first}>.forward({x}, y);");
                    first += self.network.shape(value).channels;
                }
            }
            (QuantizedOp::Conv2d { pool: Some(pool), .. }, _) => {
                let x = self.regions(code, input);
                let pool = turbofish(&pool_type(pool));
                let name = static_name(self.layer);
                let _ = writeln!(code, "    {name}.forward_max_pool2d(&{pool}::new(), {x}, y);");
            }
            (QuantizedOp::Pad2d { .. }, _) => {
                let x = self.regions(code, input);
                let pad = turbofish(&layer_type(self.network, self.layer));
                let _ = writeln!(code, "    {pad}.forward({x}, y);");
            }
            (QuantizedOp::MaxPool2d { .. } | QuantizedOp::MeanPool2d { .. }, _) => {
                let x = self.regions(code, input);
                let pool = turbofish(&layer_type(self.network, self.layer));
                let _ = writeln!(code, "    {pool}::new().forward({x}, y);");
            }
            (QuantizedOp::LeakyRelu { .. }, _) => {
                let x = self.regions(code, input);
                let leaky_relu = turbofish(&layer_type(self.network, self.layer));
                let _ = writeln!(code, "    {leaky_relu}.forward({x}, y);");
            }
            _ => {
                let x = self.regions(code, input);
                let _ = writeln!(code, "    {}.forward({x}, y);", static_name(self.layer));
            }
        }
    }

    /// The layer whose accumulators are the logits.
    fn write_last(&self, code: &mut String) {
        let input = self.layer.input();
        let name = static_name(self.layer);
        let x = self.name_of(input, "x");
        if input != 0 {
            let (region, at) = (self.region_type(input), self.offset(input));
            let _ = writeln!(code, "    let x = arena.region::<{region}, {at}>();");
        }
        let _ = match self.reads_vectors() {
            true => writeln!(code, "    let logits = {name}.logits({x});"),
            false => writeln!(
                code,
                "    let mut pixels = [[[0; {}]; 1]; 1];\n    \
                 {name}.accumulate({x}, &mut pixels);\n    \
                 let [[logits]] = pixels;",
                self.network.classes()
            ),
        };
    }

    /// Binds `y`, and `x` unless it is the image; returns how the input is called.
    fn regions(&self, code: &mut String, input: ValueId) -> String {
        let output = self.index + 1;
        let (y, y_at) = (self.region_type(output), self.offset(output));
        let _ = match input {
            0 => writeln!(code, "    let y = arena.region::<{y}, {y_at}>();"),
            _ => {
                let (x, x_at) = (self.region_type(input), self.offset(input));
                writeln!(code, "    let (x, y) = arena.pair::<{x}, {x_at}, {y}, {y_at}>();")
            }
        };
        self.name_of(input, "x")
    }

    /// Binds `y` and those of the two inputs that lie in the arena; returns their names.
    fn regions_of_two(&self, code: &mut String, a: ValueId, b: ValueId) -> [String; 2] {
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

    /// How the code calls an input of the layer.
    fn name_of(&self, value: ValueId, in_arena: &str) -> String {
        match (value, self.reads_vectors()) {
            (0, true) => "firmware_core::flatten(image)".into(),
            (0, false) => "image".into(),
            _ => in_arena.into(),
        }
    }

    /// The layer takes and gives vectors, not images.
    fn reads_vectors(&self) -> bool {
        matches!(self.layer.op, QuantizedOp::FullyConnected { .. })
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

/// A type as an expression names it.
fn turbofish(name: &str) -> String {
    name.replacen('<', "::<", 1)
}
