//! `leaky_relu`: LeakyRelu in f32, where a slope of 16 bits makes every product exact.

use super::*;

impl Emitter<'_> {
    pub(super) fn leaky_relu(&mut self, layer: &QuantizedLayer, slope: u16, bits: u8) -> String {
        let name = &layer.name;
        let x = self.dequantized(name, "x", layer.input());
        let alpha = f32::from(slope) * scale(i32::from(bits));
        let activated = self.model.node(
            "LeakyRelu",
            &format!("{name}_f32"),
            &[&x],
            &[("alpha", Attribute::Float(alpha))],
        );
        self.requantized(layer, &activated)
    }
}
