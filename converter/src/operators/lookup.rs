//! `lookup`: a function of every single value, as a table of its 256 results.

use std::fmt::Write;

use firmware_core::blob::Kind;
use firmware_core::{Activation, LayerKind, kernels};

use super::functions::{Function, Unary};
use super::{FloatOperator, IntegerOp, IntegerOperator, Static, checksum};
use crate::emit::blob::{Data, LayerBlob, Writing};
use crate::emit::int8_onnx::{Emitter, zero};
use crate::emit::rust::{Call, Types, nested};
use crate::graph::{Operator, Shape};
use crate::lower::{Fused, Layer, Lowering, Node};
use crate::onnx::{Attribute, ElementType};
use crate::passes::PassError;
use crate::quantize::{QuantizeError, Quantizing};
use crate::quantized::{QuantizedLayer, ValueFormat, ValueType};
use crate::reference::{Integers, Run};
use crate::stream::RowForm;

#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    pub function: Function,
}

/// The 256 results in the order of the values' bytes: of an `i8`, first 0 to 127, then −128 to −1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuantizedLookup {
    pub entries: Vec<i16>,
}

pub(crate) fn lower(lowering: &mut Lowering, node: &Node) -> Result<Option<Fused>, PassError> {
    let Operator::Function(function) = node.operator() else { return Ok(None) };
    let function = function.clone();
    let relu = function.as_dyn().never_negative();
    Ok(Some(lowering.push(node, node.index, Lookup { function }, (relu, None))))
}

impl Lookup {
    /// What becomes of each of 256 bytes: the function's result, rounded half to even and saturated.
    fn entries(function: &dyn Unary, input: ValueFormat, output: ValueFormat) -> Vec<i16> {
        let (least, greatest) = output.element.range();
        let entry = |byte: u8| {
            let x = input.element.of_byte(byte);
            let y = function.apply(f64::from(x) * 2_f64.powi(-input.exponent()));
            let scaled = (y * 2_f64.powi(output.exponent())).round_ties_even();
            scaled.clamp(least.into(), greatest.into()) as i16
        };
        (0..=255).map(entry).collect()
    }
}

impl FloatOperator for Lookup {
    fn forward(&self, _: &Layer, inputs: &[(Shape, &[f32])]) -> Vec<f32> {
        let function = self.function.as_dyn();
        inputs[0].1.iter().map(|&x| function.apply(x.into()) as f32).collect()
    }

    fn quantize(&self, quantizing: &Quantizing) -> Result<IntegerOp, QuantizeError> {
        let (function, input) = (self.function.as_dyn(), quantizing.inputs[0]);
        let entries = Self::entries(function, input, quantizing.output);
        Ok(QuantizedLookup { entries }.into())
    }

    fn requantizes(&self) -> bool {
        false
    }
}

impl QuantizedLookup {
    fn table<Y: Activation>(&self) -> [Y; 256] {
        std::array::from_fn(|byte| {
            Y::saturate(self.entries.get(byte).copied().unwrap_or_default().into())
        })
    }
}

impl IntegerOperator for QuantizedLookup {
    fn kind(&self) -> LayerKind {
        LayerKind::Lookup
    }

    fn parameter_bytes(&self) -> usize {
        self.entries.len()
    }

    fn run(&self, run: &Run) -> Integers {
        let mut y = run.output();
        with_elements!(run.inputs[0], |x| {
            with_elements!(&mut y, |y| kernels::lookup(&self.table(), x, y))
        });
        y
    }

    fn in_place(&self) -> &'static [usize] {
        &[0]
    }

    fn rust_type(&self, types: &Types) -> String {
        format!("Lookup<{}>", types.layer.format.element.rust_name())
    }

    fn rust_static(&self, _: &Types) -> Option<Static> {
        let mut arguments = String::new();
        nested(&mut arguments, &self.entries, &[self.entries.len()]);
        // The bytes are the same, signed or not.
        let bytes: Vec<u8> = self.entries.iter().map(|&entry| entry as u8).collect();
        let checksum = checksum(&[&&bytes[..]]);
        Some(Static { constructor: "new", arguments, checksum })
    }

    fn rows(&self, types: &Types) -> Option<RowForm> {
        Some(RowForm::pixelwise(types, &types.static_name()))
    }

    fn rust_call(&self, call: &Call, code: &mut String) {
        let name = call.static_name();
        if call.in_place() {
            call.result_region(code);
            let _ = writeln!(code, "    {name}.forward_in_place(y);");
        } else {
            let x = call.regions(code, call.layer.input());
            let _ = writeln!(code, "    {name}.forward({x}, y);");
        }
    }

    /// Gather, with the value's byte as its index: a DequantizeLinear with a scale of 1 and a Cast
    /// make that of it in every runtime.
    fn onnx(&self, emitter: &mut Emitter, layer: &QuantizedLayer) -> String {
        let name = &layer.name;
        let element = emitter.network.format(layer.input()).element;
        let stored = |byte: u8| {
            // This file has signed values 128 higher.
            let entry = match element {
                ValueType::U8 => self.entries[usize::from(byte)],
                ValueType::I8 | ValueType::I32 => self.entries[usize::from(byte ^ 128)],
            };
            (entry + i16::from(zero(layer.format.element))).clamp(0, 255) as u8
        };
        let table: Vec<u8> = (0..=255).map(stored).collect();
        let x = emitter.value(layer.input());
        let model = &mut emitter.model;
        let one = model.initializer(&format!("{name}_one"), &[], &[1_f32]);
        let none = model.initializer(&format!("{name}_none"), &[], &[0_u8]);
        let table = model.initializer(&format!("{name}_table"), &[256], &table);
        let inputs = [x.as_str(), &one, &none];
        let byte = model.node("DequantizeLinear", &format!("{name}_byte"), &inputs, &[]);
        let to = [("to", Attribute::Int(ElementType::I64.proto().into()))];
        let index = model.node("Cast", &format!("{name}_index"), &[&byte], &to);
        model.node("Gather", name, &[&table, &index], &[("axis", Attribute::Int(0))])
    }

    fn blob(&self, _: &Writing) -> Option<LayerBlob> {
        let entries = self.entries.iter().map(|&entry| entry as u8);
        Some(LayerBlob::new(Kind::Lookup, Data::default().bytes(entries)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::functions::HardSwish;
    use super::*;

    #[test]
    fn entries_stand_in_the_order_of_bytes() {
        let format = |element, exponent| ValueFormat::power_of_two(element, exponent);
        let entries =
            Lookup::entries(&HardSwish, format(ValueType::I8, 4), format(ValueType::I8, 4));
        // 0, 1/16 · (3 + 1/16) / 6 = 0.51 / 16, 16 / 16 · 4 / 6 = 10.7 / 16.
        assert_eq!([entries[0], entries[1], entries[16]], [0, 1, 11]);
        // From 3 on the identity, up to −3 nothing; between the two a dent.
        assert_eq!([entries[48], entries[127]], [48, 127]);
        assert_eq!([entries[128], entries[256 - 48], entries[256 - 24]], [0, 0, -6]);
        let unsigned =
            Lookup::entries(&HardSwish, format(ValueType::U8, 4), format(ValueType::U8, 3));
        assert_eq!([unsigned[0], unsigned[48], unsigned[255]], [0, 24, 128]);
    }

    #[test]
    fn entries_saturate() {
        let format = |element, exponent| ValueFormat::power_of_two(element, exponent);
        let entries =
            Lookup::entries(&HardSwish, format(ValueType::U8, 4), format(ValueType::I8, 4));
        assert_eq!(entries[255], 127);
    }
}
