//! `leaky_relu`: what is negative times a slope between 0 and 1.

use std::fmt::Write;

use firmware_core::blob::Kind;
use firmware_core::{LayerKind, Shift, kernels};

use super::{FloatOperator, IntegerOp, IntegerOperator};
use crate::emit::blob::{Data, LayerBlob, Writing};
use crate::emit::int8_onnx::{Emitter, scale};
use crate::emit::rust::{Call, Types, turbofish};
use crate::graph::{Operator, Shape};
use crate::lower::{Fused, Layer, Lowering, Node};
use crate::onnx::Attribute;
use crate::passes::PassError;
use crate::quantize::{QuantizeError, Quantizing};
use crate::quantized::QuantizedLayer;
use crate::reference::{Elements, Integers, Run};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakyRelu {
    pub slope: f32,
}

/// What is negative times `slope · 2^-bits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantizedLeakyRelu {
    pub slope: u16,
    pub bits: u8,
}

/// A slope from 0 to 1 as `m · 2^-bits` with at most 16 significant bits: a product with an
/// activation is then exact in f32.
pub fn fixed_point(slope: f32) -> (u16, u8) {
    let slope = f64::from(slope);
    let mut bits = 31;
    while bits > 0 && slope * 2_f64.powi(bits) > f64::from(u16::MAX) {
        bits -= 1;
    }
    let mut m = (slope * 2_f64.powi(bits)).round_ties_even() as u16;
    while bits > 0 && m.is_multiple_of(2) {
        m /= 2;
        bits -= 1;
    }
    (m, bits as u8)
}

pub(crate) fn lower(lowering: &mut Lowering, node: &Node) -> Result<Option<Fused>, PassError> {
    let &Operator::LeakyRelu { slope } = node.operator() else { return Ok(None) };
    if lowering.never_negative(node.input()) {
        return Ok(Some(node.nothing_to_do()));
    }
    Ok(Some(lowering.push(node, node.index, LeakyRelu { slope }, (false, None))))
}

impl FloatOperator for LeakyRelu {
    fn forward(&self, _: &Layer, inputs: &[(Shape, &[f32])]) -> Vec<f32> {
        inputs[0].1.iter().map(|&x| if x < 0.0 { x * self.slope } else { x }).collect()
    }

    fn quantize(&self, _: &Quantizing) -> Result<IntegerOp, QuantizeError> {
        let (slope, bits) = fixed_point(self.slope);
        Ok(QuantizedLeakyRelu { slope, bits }.into())
    }

    fn shares_format(&self) -> bool {
        true
    }

    fn negative_slope(&self) -> f32 {
        self.slope
    }
}

impl IntegerOperator for QuantizedLeakyRelu {
    fn kind(&self) -> LayerKind {
        LayerKind::LeakyRelu
    }

    fn finer(&self) -> u8 {
        self.bits
    }

    fn run(&self, run: &Run) -> Integers {
        let (slope, bits) = (self.slope, Shift::new(self.bits));
        let mut y = run.output();
        with_elements!(&mut y, |y| {
            kernels::leaky_relu(slope, bits, Elements::of(run.inputs[0]), y)
        });
        y
    }

    fn in_place(&self) -> &'static [usize] {
        &[0]
    }

    fn rust_type(&self, _: &Types) -> String {
        format!("LeakyRelu<{}, {}>", self.slope, self.bits)
    }

    fn rust_call(&self, call: &Call, code: &mut String) {
        let leaky_relu = turbofish(&self.rust_type(&call.types()));
        if call.in_place() {
            call.result_region(code);
            let _ = writeln!(code, "    {leaky_relu}.forward_in_place(y);");
        } else {
            let x = call.regions(code, call.layer.input());
            let _ = writeln!(code, "    {leaky_relu}.forward({x}, y);");
        }
    }

    /// LeakyRelu in f32, where a slope of 16 bits makes every product exact.
    fn onnx(&self, emitter: &mut Emitter, layer: &QuantizedLayer) -> String {
        let name = &layer.name;
        let x = emitter.dequantized(name, "x", layer.input());
        let alpha = f32::from(self.slope) * scale(self.bits.into());
        let activated = emitter.model.node(
            "LeakyRelu",
            &format!("{name}_f32"),
            &[&x],
            &[("alpha", Attribute::Float(alpha))],
        );
        emitter.requantized(layer, &activated)
    }

    fn blob(&self, _: &Writing) -> Option<LayerBlob> {
        let extra = [self.slope.into(), self.bits.into()];
        Some(LayerBlob { extra, ..LayerBlob::new(Kind::LeakyRelu, Data::default()) })
    }
}
