//! `lookup`: a function of every single value, as a table.

use std::fmt::Write;

use firmware_core::{LayerKind, kernels};

use super::{IntegerOperator, Static};
use crate::emit::rust::{Call, Types, nested};
use crate::reference::{Elements, Integers, Run};

/// The 256 results, in the order of the values' bytes: of an i8, first 0 to 127, then −128 to −1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    pub table: Vec<i32>,
}

impl IntegerOperator for Lookup {
    fn kind(&self) -> LayerKind {
        LayerKind::Lookup
    }

    fn parameter_bytes(&self) -> usize {
        self.table.len()
    }

    fn run(&self, run: &Run) -> Integers {
        let mut y = run.output();
        with_elements!(run.inputs[0], |x| with_elements!(&mut y, |y| self.run_as(x, y)));
        y
    }

    fn in_place(&self) -> &'static [usize] {
        &[0]
    }

    fn rust_type(&self, types: &Types) -> String {
        format!("Lookup<{}>", types.layer.format.element.rust_name())
    }

    fn rust_static(&self, _: &Types) -> Option<Static> {
        let mut arguments = String::new();
        nested(&mut arguments, &self.table, &[self.table.len()]);
        Some(Static { constructor: "new", arguments })
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
}

impl Lookup {
    fn run_as<X: Elements, Y: Elements>(&self, x: &[X], y: &mut [Y]) {
        let table: Vec<Y> = self.table.iter().map(|&entry| Y::saturate(entry)).collect();
        if let Ok(table) = <&[Y; 256]>::try_from(&table[..]) {
            kernels::lookup(table, x, y);
        }
    }
}
