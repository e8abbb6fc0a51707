//! `pad2d`: a border around an image, where no window takes it as its padding.

use std::fmt::Write;

use firmware_core::blob::Kind;
use firmware_core::{LayerKind, Window, kernels};

use super::IntegerOperator;
use crate::emit::blob::{Data, LayerBlob, Writing};
use crate::emit::rust::{Call, Types, turbofish};
use crate::reference::{Elements, Integers, Run};

/// A border of `value`: top, left, bottom, right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pad2d {
    pub padding: [usize; 4],
    pub value: i32,
}

impl IntegerOperator for Pad2d {
    fn kind(&self) -> LayerKind {
        LayerKind::Pad2d
    }

    fn run(&self, run: &Run) -> Integers {
        let mut y = run.output();
        with_elements!(&mut y, |y| self.run_as(run, Elements::of(run.inputs[0]), y));
        y
    }

    fn rust_type(&self, _: &Types) -> String {
        let [top, left, bottom, right] = self.padding;
        format!("Pad2d<{top}, {left}, {bottom}, {right}, {}>", self.value)
    }

    fn rust_call(&self, call: &Call, code: &mut String) {
        let x = call.regions(code, call.layer.input());
        let _ =
            writeln!(code, "    {}.forward({x}, y);", turbofish(&self.rust_type(&call.types())));
    }

    fn blob(&self, _: &Writing) -> Option<LayerBlob> {
        Some(LayerBlob {
            // Only its padding counts.
            window: Some(Window { padding: self.padding, ..Window::new([1, 1]) }),
            padding_value: self.value,
            ..LayerBlob::new(Kind::Pad2d, Data::default())
        })
    }
}

impl Pad2d {
    fn run_as<X: Elements>(&self, run: &Run, x: &[X], y: &mut [X]) {
        kernels::pad2d(run.shapes[0].hwc(), self.padding, X::saturate(self.value), x, y);
    }
}
