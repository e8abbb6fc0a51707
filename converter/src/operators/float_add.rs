//! `affine_add` as ONNX Runtime computes it (QLinearAdd): with `f32` ratios.

use firmware_core::{LayerKind, kernels};

use super::{IntegerOperator, Static, checksum};
use crate::emit::rust::{Call, Types};
use crate::graph::ValueId;
use crate::reference::{Integers, Run};

/// The sum of two values of one shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FloatAdd {
    /// The scale of each term over the sum's, in the file's order, which is part of the arithmetic.
    pub ratios: [f32; 2],
    /// What the zero points come to.
    pub offset: f32,
    /// The layer has its inputs in the other order.
    pub swapped: bool,
    /// By how much the values for which the offset holds are larger than the layer's.
    pub lift: u8,
}

impl FloatAdd {
    fn kernel(&self) -> firmware_core::FloatAdd {
        let add = firmware_core::FloatAdd::new(self.ratios, self.offset).lifted(self.lift);
        if self.swapped { add.swapped() } else { add }
    }
}

impl IntegerOperator for FloatAdd {
    fn kind(&self) -> LayerKind {
        LayerKind::AffineAdd
    }

    fn parameter_bytes(&self) -> usize {
        size_of::<firmware_core::FloatAdd>()
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
            self.swapped = !self.swapped;
            inputs.reverse();
        }
    }

    fn rust_type(&self, _: &Types) -> String {
        "Elementwise<FloatAdd>".into()
    }

    fn rust_static(&self, _: &Types) -> Option<Static> {
        let [a, b] = self.ratios;
        let swapped = if self.swapped { ".swapped()" } else { "" };
        let lifted = match self.lift {
            0 => String::new(),
            lift => format!(".lifted({lift})"),
        };
        let new = format!("FloatAdd::new([{a:?}, {b:?}], {:?})", self.offset);
        let arguments = format!("{new}{lifted}{swapped}");
        let checksum = checksum(&[&self.kernel()]);
        Some(Static { constructor: "new", arguments, checksum })
    }

    fn rust_call(&self, call: &Call, code: &mut String) {
        call.elementwise(code);
    }
}
