//! `affine_add`: the sum of two values that have scales and zero points of their own, as TensorFlow
//! Lite for Microcontrollers computes it. The second may have one pixel for all.

use firmware_core::blob::Kind;
use firmware_core::kernels::{self, Combine};
use firmware_core::{LayerKind, Term};

use super::{IntegerOperator, Static, checksum};
use crate::emit::blob::{Data, LayerBlob, Writing};
use crate::emit::rust::{Call, Types};
use crate::graph::ValueId;
use crate::quantized::{Factor, Rescale};
use crate::reference::{Integers, Run};
use crate::stream::RowForm;

/// A factor of at most 1 and the zero point of each term, and what becomes of the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AffineAdd {
    pub terms: [(Factor, i32); 2],
    pub rescale: Rescale,
}

impl AffineAdd {
    fn kernel(&self) -> firmware_core::AffineAdd {
        let term = |(factor, zero): (Factor, i32)| {
            Term::new(factor.multiplier, factor.exponent, zero as i16)
        };
        firmware_core::AffineAdd::new(self.terms.map(term), self.rescale.kernel())
    }

    /// The sum of two integers.
    pub fn of(&self, a: i32, b: i32) -> i32 {
        self.kernel().combine(a, b)
    }

    /// The same sum with its terms in the other order.
    pub fn swap(&mut self) {
        self.terms.reverse();
    }
}

impl IntegerOperator for AffineAdd {
    fn kind(&self) -> LayerKind {
        LayerKind::AffineAdd
    }

    fn parameter_bytes(&self) -> usize {
        size_of::<firmware_core::AffineAdd>()
    }

    fn run(&self, run: &Run) -> Integers {
        let function = self.kernel();
        let mut y = run.output();
        with_elements!(run.inputs[0], |a| with_elements!(run.inputs[1], |b| {
            with_elements!(&mut y, |y| kernels::elementwise(function, a, b, y))
        }));
        y
    }

    fn in_place(&self) -> &'static [usize] {
        &[0, 1]
    }

    /// The kernel replaces its first input.
    fn take_place(&mut self, index: usize, inputs: &mut Vec<ValueId>) {
        if index == 1 {
            self.swap();
            inputs.reverse();
        }
    }

    fn rust_type(&self, _: &Types) -> String {
        "Elementwise<AffineAdd>".into()
    }

    fn rust_static(&self, _: &Types) -> Option<Static> {
        let [a, b] = self.terms.map(|(factor, zero)| {
            format!("Term::new({}, {}, {zero})", factor.multiplier, factor.exponent)
        });
        let arguments = format!("AffineAdd::new([{a}, {b}], {})", self.rescale.rust());
        let checksum = checksum(&[&self.kernel()]);
        Some(Static { constructor: "new", arguments, checksum })
    }

    fn rows(&self, types: &Types) -> Option<RowForm> {
        let shapes = types.layer.inputs.iter().map(|&input| types.network.shape(input));
        let same = shapes.collect::<Vec<_>>().windows(2).all(|pair| pair[0] == pair[1]);
        same.then(|| RowForm::pixelwise(types, &types.static_name()))
    }

    fn rust_call(&self, call: &Call, code: &mut String) {
        call.elementwise(code);
    }

    fn blob(&self, writing: &Writing) -> Option<LayerBlob> {
        let words = self.terms.map(|(factor, zero)| {
            [factor.multiplier, i32::from(factor.exponent as u8) | zero << 16]
        });
        let data = Data::default().i32s(words.as_flattened());
        let data = data.stored(&[writing.rescale(&self.rescale)]);
        Some(LayerBlob::new(Kind::AffineAdd, data))
    }
}
