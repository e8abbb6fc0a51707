//! `concat`: Concat on the integers, which share one scale and zero point.

use super::*;

impl Emitter<'_> {
    pub(super) fn concat(&mut self, layer: &QuantizedLayer) -> String {
        let inputs: Vec<&str> =
            layer.inputs.iter().map(|&value| self.values[value].as_str()).collect();
        self.model.node("Concat", &layer.name, &inputs, &[("axis", Attribute::Int(1))])
    }
}
