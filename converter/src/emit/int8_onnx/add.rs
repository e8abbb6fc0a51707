//! `add`: Add in f32, where scales that are powers of two make it exact.

use super::*;

impl Emitter<'_> {
    pub(super) fn add(&mut self, layer: &QuantizedLayer) -> String {
        let name = &layer.name;
        let a = self.dequantized(name, "a", layer.inputs[0]);
        let b = self.dequantized(name, "b", layer.inputs[1]);
        let sum = self.model.node("Add", &format!("{name}_sum"), &[&a, &b], &[]);
        self.requantized(layer, &sum)
    }
}
