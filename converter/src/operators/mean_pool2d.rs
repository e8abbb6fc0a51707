//! `mean_pool2d`: the mean of what of each window lies on the input, as TensorFlow Lite for
//! Microcontrollers computes it.

use std::fmt::Write;

use firmware_core::blob::Kind;
use firmware_core::{LayerKind, Window, kernels};

use super::IntegerOperator;
use crate::emit::blob::{Data, LayerBlob, Writing};
use crate::emit::rust::{Call, Types, turbofish};
use crate::reference::{Elements, Integers, Run};

/// The mean is kept between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeanPool2d {
    pub window: Window,
    pub bounds: [i32; 2],
}

impl IntegerOperator for MeanPool2d {
    fn kind(&self) -> LayerKind {
        LayerKind::MeanPool2d
    }

    fn run(&self, run: &Run) -> Integers {
        let mut y = run.output();
        with_elements!(&mut y, |y| self.run_as(run, Elements::of(run.inputs[0]), y));
        y
    }

    fn rust_type(&self, _: &Types) -> String {
        let [kh, kw] = self.window.kernel;
        let bounds = match self.bounds {
            [-128, 127] => String::new(),
            [low, high] => format!(", {low}, {high}"),
        };
        if self.window == Window::tiling(self.window.kernel) && bounds.is_empty() {
            return format!("MeanPool2d<{kh}, {kw}>");
        }
        format!("MeanPool2d<{kh}, {kw}, {}{bounds}>", Types::geometry(&self.window))
    }

    fn rust_call(&self, call: &Call, code: &mut String) {
        let x = call.regions(code, call.layer.input());
        let pool = turbofish(&self.rust_type(&call.types()));
        let _ = writeln!(code, "    {pool}::new().forward({x}, y);");
    }

    fn blob(&self, writing: &Writing) -> Option<LayerBlob> {
        // The kernel saturates them.
        let (low, high) = writing.layer.format.element.range();
        let extra = self.bounds.map(|bound| bound.clamp(low, high));
        let window = Some(self.window);
        Some(LayerBlob { window, extra, ..LayerBlob::new(Kind::MeanPool2d, Data::default()) })
    }
}

impl MeanPool2d {
    fn run_as<X: Elements>(&self, run: &Run, x: &[X], y: &mut [X]) {
        kernels::mean_pool2d(&run.pool2d(self.window), x, self.bounds.map(X::saturate), y);
    }
}
