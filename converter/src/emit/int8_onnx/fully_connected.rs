//! `fully_connected`: QLinearConv whose kernel covers its whole input, because QLinearMatMul has
//! no bias; MatMulInteger for the logits.

use super::*;

impl Emitter<'_> {
    pub(super) fn fully_connected(
        &mut self,
        layer: &QuantizedLayer,
        parameters: &Parameters,
        input: Shape,
    ) -> String {
        // A kernel as large as the input, at its only position.
        let whole = Window::new([input.height, input.width]);
        let output = Shape::flat(parameters.channels());
        self.linear_conv(layer, parameters, &whole, 1, [input, output])
    }

    /// The accumulators of the layer that ends the network.
    pub(super) fn fully_connected_logits(
        &mut self,
        layer: &QuantizedLayer,
        parameters: &Parameters,
        input: Shape,
    ) -> String {
        let name = &layer.name;
        let channels = parameters.channels();
        // Flattening [N, C, H, W] reads channel by channel, and the matrix is [in][out].
        let rows = oihw(parameters, [input.height, input.width]);
        let size = input.size();
        let matrix: Vec<i8> = (0..size)
            .flat_map(|i| (0..channels).map(|o| rows[o * size + i]).collect::<Vec<_>>())
            .collect();
        let x = self.values[layer.input()].clone();
        let element = self.network.format(layer.input()).element;
        let axis = [("axis", Attribute::Int(1))];
        let flat = self.model.node("Flatten", &format!("{name}_flat"), &[&x], &axis);
        let weights =
            self.model.initializer(&format!("{name}_weights"), &[size, channels], &matrix);
        let x_zero = self.zero_point(&format!("{name}_x_zero"), element);
        let model = &mut self.model;
        let w_zero = model.initializer(&format!("{name}_w_zero"), &[], &[0_i8]);
        let sums = model.node(
            "MatMulInteger",
            &format!("{name}_sums"),
            &[&flat, &weights, &x_zero, &w_zero],
            &[],
        );
        let bias = model.initializer(&format!("{name}_bias"), &[channels], &parameters.bias);
        model.node("Add", "logits", &[&sums, &bias], &[])
    }
}
