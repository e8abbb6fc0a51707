//! The Rust types of layers and values, and what the statics of layers are built from.

use firmware_core::{Shift, Window};

use super::{nested, static_name};
use crate::graph::Shape;
use crate::operators::{Static, checksum};
use crate::quantized::{
    FloatRescale, Parameters, QuantizedLayer, QuantizedNetwork, Requantization, Rescale,
};
use crate::reference::Requantized;

/// A layer whose types are asked for.
#[derive(Clone, Copy)]
pub struct Types<'a> {
    pub network: &'a QuantizedNetwork,
    pub layer: &'a QuantizedLayer,
}

impl Types<'_> {
    /// The name of the layer's `static`.
    pub fn static_name(&self) -> String {
        static_name(self.layer)
    }

    /// The shape of the layer's first input.
    pub fn input(&self) -> Shape {
        self.network.shape(self.layer.input())
    }

    /// The type of the layer's requantizations; the logits have none.
    pub fn requantization(&self) -> String {
        match (self.layer.clip, self.layer.parameters()) {
            (_, Some(Parameters { requantization: Requantization::None, .. })) => "()".into(),
            (_, Some(Parameters { requantization: Requantization::Rescales(_), .. })) => {
                "Multiplier".into()
            }
            (_, Some(Parameters { requantization: Requantization::FloatScales(_), .. })) => {
                "FloatScale".into()
            }
            (Some([low, high]), _) => format!("Clip<{low}, {high}>"),
            (None, _) => "Shift".into(),
        }
    }

    /// How the weights are stored, where that is not the default.
    fn storage(&self) -> Option<String> {
        let parameters = self.layer.parameters().filter(|parameters| parameters.bits == 4)?;
        let bytes = parameters.weight_bytes(self.layer.op.as_dyn().filters());
        Some(format!("FourBits<{bytes}>"))
    }

    /// A layer's type from its beginning, with what is not the default: its requantization and how its
    /// weights are stored.
    pub fn with_requantization(&self, head: &str) -> String {
        match (&self.requantization()[..], self.storage()) {
            ("Shift", None) => format!("{head}>"),
            (requantize, None) => format!("{head}, {requantize}>"),
            (requantize, Some(storage)) => format!("{head}, {requantize}, {storage}>"),
        }
    }

    /// A layer's type from its beginning, with what is not the default: its geometry, unless that
    /// is `plain`, its requantization, and how its weights are stored.
    pub fn with_geometry(&self, head: &str, geometry: &str, plain: bool) -> String {
        if let Some(storage) = self.storage() {
            let geometry = if plain { "Unit" } else { geometry };
            return format!("{head}, {geometry}, {}, {storage}>", self.requantization());
        }
        match (plain, &self.requantization()[..]) {
            (true, "Shift") => format!("{head}>"),
            (_, "Shift") => format!("{head}, {geometry}>"),
            (_, requantize) => format!("{head}, {geometry}, {requantize}>"),
        }
    }

    /// The type that says how a window moves.
    pub fn geometry(window: &Window) -> String {
        let [sh, sw] = window.stride;
        let strided = match window.padding {
            [0, 0, 0, 0] => format!("Strided<{sh}, {sw}>"),
            [top, left, bottom, right] => {
                format!("Strided<{sh}, {sw}, {top}, {left}, {bottom}, {right}>")
            }
        };
        match window.dilation {
            [1, 1] => strided,
            [dh, dw] => format!("Dilated<{strided}, {dh}, {dw}>"),
        }
    }

    /// The requantization's type without its arguments.
    fn requantize(&self) -> String {
        self.requantization().split('<').next().unwrap_or_default().to_string()
    }

    /// A layer with one shift.
    pub fn one_shift(&self, bits: u8) -> Static {
        Static {
            constructor: "new",
            arguments: format!("{}::new({bits})", self.requantize()),
            checksum: checksum(&[&Shift::new(bits)]),
        }
    }

    /// A layer with weights, given in the order and the dimensions of its type.
    pub fn weights(&self, parameters: &Parameters, weights: &[i8], dims: &[usize]) -> Static {
        let mut arguments = String::from("\n    ");
        nested(&mut arguments, weights, dims);
        arguments.push_str(",\n    ");
        nested(&mut arguments, &parameters.bias, &[parameters.channels()]);
        arguments.push_str(",\n");
        let [new, logits_only] = match parameters.bits {
            4 => ["four_bits", "four_bit_logits_only"],
            _ => ["new", "logits_only"],
        };
        let requantize: Vec<Requantized> = match &parameters.requantization {
            Requantization::None => Vec::new(),
            Requantization::Shifts(shifts) => {
                let type_name = self.requantize();
                let all = shifts.iter().map(|bits| format!("{type_name}::new({bits})"));
                requantizations(&mut arguments, &all.collect::<Vec<_>>());
                shifts
                    .iter()
                    .map(|&bits| Requantized::Shift(Shift::new(bits), [i32::MIN, i32::MAX]))
                    .collect()
            }
            Requantization::Rescales(rescales) => {
                let all: Vec<_> = rescales.iter().map(Rescale::rust).collect();
                requantizations(&mut arguments, &all);
                rescales.iter().map(|rescale| Requantized::Multiplier(rescale.kernel())).collect()
            }
            Requantization::FloatScales(rescales) => {
                let all: Vec<_> = rescales.iter().map(FloatRescale::rust).collect();
                requantizations(&mut arguments, &all);
                rescales.iter().map(|rescale| Requantized::FloatScale(rescale.kernel())).collect()
            }
        };
        let constructor = if parameters.requantization.is_none() { logits_only } else { new };
        let checksum = checksum(&[&weights, &&parameters.bias[..], &&requantize[..]]);
        Static { constructor, arguments, checksum }
    }
}

/// The requantizations of all channels, in short where they are equal.
fn requantizations(code: &mut String, all: &[String]) {
    let all_equal = all.windows(2).all(|pair| pair[0] == pair[1]);
    if all_equal && all.len() > 1 {
        code.push_str(&format!("    [{}; {}],\n", all[0], all.len()));
        return;
    }
    code.push_str("    [\n");
    for line in all.chunks(8) {
        code.push_str(&format!("        {},\n", line.join(", ")));
    }
    code.push_str("    ],\n");
}

/// A value of a shape, `[height][width][channel]`.
pub fn array_type(element: &str, shape: Shape) -> String {
    format!("[[[{element}; {}]; {}]; {}]", shape.channels, shape.width, shape.height)
}

/// One row of a value, `[width][channel]`.
pub(super) fn row_type(element: &str, shape: Shape) -> String {
    format!("[[{element}; {}]; {}]", shape.channels, shape.width)
}

/// A type as an expression names it.
pub fn turbofish(name: &str) -> String {
    name.replacen('<', "::<", 1)
}
