//! `average_pool2d` over all pixels, with a scale and a zero point, as TensorFlow Lite for
//! Microcontrollers computes its MEAN, or ONNX Runtime its QLinearGlobalAveragePool.

use std::fmt::Write;

use firmware_core::blob::Kind;
use firmware_core::{LayerKind, Multiplier, Offset, Window, kernels};

use super::{IntegerOperator, Static, checksum};
use crate::emit::blob::{Data, LayerBlob, Writing};
use crate::emit::rust::{Call, Types};
use crate::graph::Shape;
use crate::quantized::Rescaling;
use crate::reference::{Integers, Requantized, Run};
use crate::stream::RowForm;

/// The sum over all pixels, less the zero points, is rescaled; the factor has the division in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AffineMean {
    pub input_zero: i32,
    pub rescale: Rescaling,
}

impl AffineMean {
    /// What is added to the sum of the pixels.
    fn offset(&self, input: Shape) -> i32 {
        -self.input_zero * (input.height * input.width) as i32
    }
}

impl IntegerOperator for AffineMean {
    fn kind(&self) -> LayerKind {
        LayerKind::AveragePool2d
    }

    fn parameter_bytes(&self) -> usize {
        size_of::<Offset<Multiplier>>()
    }

    fn run(&self, run: &Run) -> Integers {
        let input = run.shapes[0];
        let shape = run.pool2d(Window::new([input.height, input.width]));
        let requantize = Offset::new(self.offset(input), Requantized::from(self.rescale));
        let mut y = run.output();
        with_elements!(run.inputs[0], |x| {
            with_elements!(&mut y, |y| kernels::average_pool2d(&shape, x, requantize, y))
        });
        y
    }

    fn rust_type(&self, types: &Types) -> String {
        let Shape { height, width, .. } = types.input();
        let rescale = self.rescale.rust_type();
        format!("AveragePool2d<{height}, {width}, Strided<{height}, {width}>, Offset<{rescale}>>")
    }

    fn rust_static(&self, types: &Types) -> Option<Static> {
        let offset = self.offset(types.input());
        let arguments = format!("Offset::new({offset}, {})", self.rescale.rust());
        let checksum = checksum(&[&offset, &Requantized::from(self.rescale)]);
        Some(Static { constructor: "new", arguments, checksum })
    }

    fn rows(&self, types: &Types) -> Option<RowForm> {
        let Shape { height, width, .. } = types.input();
        let window = Window::tiling([height, width]);
        Some(RowForm::average(types, &types.static_name(), &window))
    }

    fn rust_call(&self, call: &Call, code: &mut String) {
        let x = call.regions(code, call.layer.input());
        let _ = writeln!(code, "    {}.forward({x}, y);", call.static_name());
    }

    fn blob(&self, writing: &Writing) -> Option<LayerBlob> {
        let input = writing.input();
        let Rescaling::Multiplier(rescale) = &self.rescale else { return None };
        let data = Data::default().stored(&[writing.rescale(rescale)]);
        Some(LayerBlob {
            window: Some(Window::new([input.height, input.width])),
            extra: [self.offset(input), 0],
            ..LayerBlob::new(Kind::AveragePool2d, data)
        })
    }
}
