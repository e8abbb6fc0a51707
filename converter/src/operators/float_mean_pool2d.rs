//! `float_mean_pool2d`: the mean of each window, as ONNX Runtime computes it (QLinearAveragePool).

use std::fmt::Write;

use firmware_core::{FloatMean, LayerKind, Window, kernels};

use super::{IntegerOperator, Static, checksum};
use crate::emit::rust::{Call, Types};
use crate::reference::{Integers, Run};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FloatMeanPool2d {
    pub window: Window,
    /// Scale and zero point of the input and of the result.
    pub input: (f32, i32),
    pub output: (f32, i32),
    /// Every window is divided by its area, padding included.
    pub whole: bool,
    /// By how much the values that ONNX Runtime computes with are larger.
    pub lift: u8,
}

impl FloatMeanPool2d {
    fn kernel(&self) -> FloatMean {
        let [input, output] = [self.input, self.output].map(|(scale, zero)| (scale, zero as i16));
        FloatMean::new(input, output).lifted(self.lift)
    }
}

impl IntegerOperator for FloatMeanPool2d {
    fn kind(&self) -> LayerKind {
        LayerKind::FloatMeanPool2d
    }

    fn parameter_bytes(&self) -> usize {
        size_of::<FloatMean>()
    }

    fn run(&self, run: &Run) -> Integers {
        let (shape, mean) = (run.pool2d(self.window), self.kernel());
        let mut y = run.output();
        with_elements!(run.inputs[0], |x| {
            with_elements!(&mut y, |y| kernels::float_mean_pool2d(&shape, mean, self.whole, x, y))
        });
        y
    }

    fn rust_type(&self, _: &Types) -> String {
        let [kh, kw] = self.window.kernel;
        match (self.window == Window::tiling(self.window.kernel), self.whole) {
            (true, false) => format!("FloatMeanPool2d<{kh}, {kw}>"),
            (_, false) => format!("FloatMeanPool2d<{kh}, {kw}, {}>", Types::geometry(&self.window)),
            (_, true) => {
                format!("FloatMeanPool2d<{kh}, {kw}, {}, true>", Types::geometry(&self.window))
            }
        }
    }

    fn rust_static(&self, _: &Types) -> Option<Static> {
        let lifted = match self.lift {
            0 => String::new(),
            lift => format!(".lifted({lift})"),
        };
        let arguments = format!("FloatMean::new({:?}, {:?}){lifted}", self.input, self.output);
        let checksum = checksum(&[&self.kernel()]);
        Some(Static { constructor: "new", arguments, checksum })
    }

    fn rust_call(&self, call: &Call, code: &mut String) {
        let x = call.regions(code, call.layer.input());
        let _ = writeln!(code, "    {}.forward({x}, y);", call.static_name());
    }
}
