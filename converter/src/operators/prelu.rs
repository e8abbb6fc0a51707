//! `prelu`: what is negative times a slope of its channel.

use std::fmt::Write;

use firmware_core::blob::Kind;
use firmware_core::{LayerKind, Shift, kernels};

use super::{FloatOperator, IntegerOp, IntegerOperator, Static, checksum};
use crate::emit::blob::{Data, LayerBlob, Writing};
use crate::emit::int8_onnx::{Emitter, scale};
use crate::emit::rust::{Call, Types, nested};
use crate::graph::{Operator, Shape};
use crate::lower::{Fused, Layer, Lowering, Node};
use crate::passes::PassError;
use crate::quantize::{QuantizeError, Quantizing};
use crate::quantized::QuantizedLayer;
use crate::reference::{Elements, Integers, Run};
use crate::stream::RowForm;

/// One slope per channel.
#[derive(Clone, Debug, PartialEq)]
pub struct PRelu {
    pub slopes: Vec<f32>,
}

/// What is negative times `slope · 2^-bits` of its channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuantizedPRelu {
    pub slopes: Vec<i16>,
    pub bits: Vec<u8>,
}

/// A slope as `m · 2^-bits` with at most 15 significant bits: a product with an activation is then
/// exact in f32.
fn fixed_point(slope: f32) -> (i16, u8) {
    let slope = f64::from(slope);
    let largest = f64::from(i16::MAX);
    let mut bits = 31;
    while bits > 0 && (slope * 2_f64.powi(bits)).abs() > largest {
        bits -= 1;
    }
    let mut m = (slope * 2_f64.powi(bits)).round_ties_even().clamp(-largest, largest) as i16;
    while bits > 0 && m % 2 == 0 {
        m /= 2;
        bits -= 1;
    }
    (m, bits as u8)
}

pub(crate) fn lower(lowering: &mut Lowering, node: &Node) -> Result<Option<Fused>, PassError> {
    let Operator::PRelu { slopes } = node.operator() else { return Ok(None) };
    if lowering.never_negative(node.input()) {
        return Ok(Some(node.nothing_to_do()));
    }
    let relu = slopes.iter().all(|&slope| slope <= 0.0);
    let prelu = PRelu { slopes: slopes.clone() };
    Ok(Some(lowering.push(node, node.index, prelu, (relu, None))))
}

impl FloatOperator for PRelu {
    fn forward(&self, _: &Layer, inputs: &[(Shape, &[f32])]) -> Vec<f32> {
        let values = inputs[0].1.iter().zip(self.slopes.iter().cycle());
        values.map(|(&x, slope)| if x < 0.0 { x * slope } else { x }).collect()
    }

    fn quantize(&self, _: &Quantizing) -> Result<IntegerOp, QuantizeError> {
        let (slopes, bits) = self.slopes.iter().map(|&slope| fixed_point(slope)).unzip();
        Ok(QuantizedPRelu { slopes, bits }.into())
    }

    fn shares_format(&self) -> bool {
        true
    }
}

impl IntegerOperator for QuantizedPRelu {
    fn kind(&self) -> LayerKind {
        LayerKind::PRelu
    }

    fn parameter_bytes(&self) -> usize {
        2 * self.slopes.len() + self.bits.len()
    }

    fn run(&self, run: &Run) -> Integers {
        let bits: Vec<Shift> = self.bits.iter().map(|&bits| Shift::new(bits)).collect();
        let mut y = run.output();
        with_elements!(&mut y, |y| {
            kernels::prelu(&self.slopes, &bits, Elements::of(run.inputs[0]), y)
        });
        y
    }

    fn in_place(&self) -> &'static [usize] {
        &[0]
    }

    fn rust_type(&self, _: &Types) -> String {
        format!("PRelu<{}>", self.slopes.len())
    }

    fn rust_also_names(&self) -> String {
        "Shift".into()
    }

    fn rust_static(&self, _: &Types) -> Option<Static> {
        let bits: Vec<String> =
            self.bits.iter().map(|bits| format!("Shift::new({bits})")).collect();
        let mut arguments = String::from("\n    ");
        nested(&mut arguments, &self.slopes, &[self.slopes.len()]);
        arguments.push_str(",\n    ");
        nested(&mut arguments, &bits, &[bits.len()]);
        arguments.push_str(",\n");
        let shifts: Vec<Shift> = self.bits.iter().map(|&bits| Shift::new(bits)).collect();
        let checksum = checksum(&[&&self.slopes[..], &&shifts[..]]);
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

    /// PRelu in f32, where slopes of 15 bits make every product exact.
    fn onnx(&self, emitter: &mut Emitter, layer: &QuantizedLayer) -> String {
        let name = &layer.name;
        let x = emitter.dequantized(name, "x", layer.input());
        let slopes = self.slopes.iter().zip(&self.bits);
        let slopes: Vec<f32> =
            slopes.map(|(&slope, &bits)| f32::from(slope) * scale(bits.into())).collect();
        let dims = [slopes.len(), 1, 1];
        let slopes = emitter.model.initializer(&format!("{name}_slopes"), &dims, &slopes);
        let activated = emitter.model.node("PRelu", &format!("{name}_f32"), &[&x, &slopes], &[]);
        emitter.requantized(layer, &activated)
    }

    fn blob(&self, writing: &Writing) -> Option<LayerBlob> {
        let bits: Vec<_> = self.bits.iter().map(|&bits| writing.shift(bits)).collect();
        let slopes = self.slopes.iter().map(|&slope| slope as u16);
        Some(LayerBlob::new(Kind::PRelu, Data::default().stored(&bits).u16s(slopes)))
    }
}

#[cfg(test)]
mod tests {
    use super::fixed_point;

    #[test]
    fn slopes_of_any_size_and_sign() {
        assert_eq!(fixed_point(0.25), (1, 2));
        assert_eq!(fixed_point(-3.0), (-3, 0));
        assert_eq!(fixed_point(0.0), (0, 0));
        assert_eq!(fixed_point(1e9), (i16::MAX, 0));
        let (m, bits) = fixed_point(-0.1);
        assert!((f64::from(m) * 2_f64.powi(-i32::from(bits)) + 0.1).abs() < 1e-5);
    }
}
