//! `affine_mul`: the product of two values that have scales and zero points of their own, as TensorFlow
//! Lite for Microcontrollers computes it. The second may have one pixel for all.

use firmware_core::LayerKind;
use firmware_core::blob::Kind;
use firmware_core::kernels::{self, Combine};

use super::{IntegerOperator, Static};
use crate::emit::blob::{Data, LayerBlob, Writing};
use crate::emit::rust::{Call, Types};
use crate::graph::ValueId;
use crate::quantized::Rescale;
use crate::reference::{Integers, Run};

/// The zero points of both factors, and what becomes of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AffineMul {
    pub zeros: [i32; 2],
    pub rescale: Rescale,
}

impl AffineMul {
    fn kernel(&self) -> firmware_core::AffineMul {
        firmware_core::AffineMul::new(self.zeros.map(|zero| zero as i16), self.rescale.kernel())
    }

    /// The product of two integers.
    pub fn of(&self, a: i32, b: i32) -> i32 {
        self.kernel().combine(a, b)
    }

    /// The same product with its factors in the other order.
    pub fn swap(&mut self) {
        self.zeros.reverse();
    }
}

impl IntegerOperator for AffineMul {
    fn kind(&self) -> LayerKind {
        LayerKind::AffineMul
    }

    fn parameter_bytes(&self) -> usize {
        size_of::<firmware_core::AffineMul>()
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
        "Elementwise<AffineMul>".into()
    }

    fn rust_static(&self, _: &Types) -> Option<Static> {
        let [a, b] = self.zeros;
        let arguments = format!("AffineMul::new([{a}, {b}], {})", self.rescale.rust());
        Some(Static { constructor: "new", arguments })
    }

    fn rust_call(&self, call: &Call, code: &mut String) {
        call.elementwise(code);
    }

    fn blob(&self, writing: &Writing) -> Option<LayerBlob> {
        let data = Data::default().stored(&[writing.rescale(&self.rescale)]);
        Some(LayerBlob { extra: self.zeros, ..LayerBlob::new(Kind::AffineMul, data) })
    }
}
