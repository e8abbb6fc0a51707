//! `affine_mul`: the product of two values that have scales and zero points of their own, requantized as
//! TensorFlow Lite for Microcontrollers or ONNX Runtime does. The second may have one pixel for all.

use firmware_core::blob::Kind;
use firmware_core::kernels::{self, Combine};
use firmware_core::{LayerKind, Multiplier};

use super::{IntegerOperator, Static, checksum};
use crate::emit::blob::{Data, LayerBlob, Writing};
use crate::emit::rust::{Call, Types};
use crate::graph::ValueId;
use crate::quantized::Rescaling;
use crate::reference::{Integers, Requantized, Run};
use crate::stream::RowForm;

/// The zero points of both factors, and what becomes of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AffineMul {
    pub zeros: [i32; 2],
    pub rescale: Rescaling,
}

impl AffineMul {
    fn kernel(&self) -> firmware_core::AffineMul<Requantized> {
        firmware_core::AffineMul::new(self.zeros.map(|zero| zero as i16), self.rescale.into())
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
        size_of::<firmware_core::AffineMul<Multiplier>>()
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
        match self.rescale {
            Rescaling::Multiplier(_) => "Elementwise<AffineMul>".into(),
            Rescaling::Float(_) => "Elementwise<AffineMul<FloatScale>>".into(),
        }
    }

    fn rust_static(&self, _: &Types) -> Option<Static> {
        let [a, b] = self.zeros;
        let arguments = format!("AffineMul::new([{a}, {b}], {})", self.rescale.rust());
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
        let Rescaling::Multiplier(rescale) = &self.rescale else { return None };
        let data = Data::default().stored(&[writing.rescale(rescale)]);
        Some(LayerBlob { extra: self.zeros, ..LayerBlob::new(Kind::AffineMul, data) })
    }
}
