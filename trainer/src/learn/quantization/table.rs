//! Functions that a device looks up.

use converter::operators::lookup::QuantizedLookup;
use converter::quantized::{ValueFormat, ValueType};

use crate::learn::graph::{Graph, Value};

/// The results that a device's table gives, as the numbers that its integers stand for.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// In the order of the integers that are looked up, from the least on.
    results: Vec<f32>,
    least: f32,
    input_exponent: i32,
}

impl Table {
    pub fn new(lookup: &QuantizedLookup, input: ValueFormat, output: ValueFormat) -> Self {
        let step = 2f32.powi(-output.exponent());
        let mut results: Vec<f32> = lookup.entries.iter().map(|&y| f32::from(y) * step).collect();
        // The table is in the order of the bytes: of signed integers the negative ones come last.
        if input.element == ValueType::I8 {
            results.rotate_left(128);
        }
        let least = input.element.range().0 as f32;
        Self { results, least, input_exponent: input.exponent() }
    }

    /// Emits the results for values on the input's grid.
    pub fn forward(&self, graph: &mut Graph, x: &Value) -> Value {
        let scale = graph.constant(&[1, 1], &[2f32.powi(self.input_exponent)]);
        let integer = graph.mul(x, &scale);
        let least = graph.constant(&[1, 1], &[self.least]);
        let place = graph.sub(&integer, &least);
        let results = graph.constant(&[self.results.len()], &self.results);
        graph.pick(&results, &place)
    }
}
