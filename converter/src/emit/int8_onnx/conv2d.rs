//! `conv2d`, `depthwise_conv2d` and `grouped_conv2d`: QLinearConv; ConvInteger for the logits.

use super::*;

impl Emitter<'_> {
    /// QLinearConv over the layer's input; `shapes` are its input's and its output's.
    pub(super) fn linear_conv(
        &mut self,
        layer: &QuantizedLayer,
        parameters: &Parameters,
        window: &Window,
        groups: usize,
        shapes: [Shape; 2],
    ) -> String {
        let name = &layer.name;
        let channels = parameters.channels();
        let depth = shapes[0].channels / groups;
        let [kh, kw] = window.kernel;
        let weights = oihw(parameters, window.kernel);
        let scales: Vec<f32> =
            parameters.weight_exponents.iter().map(|&exponent| scale(exponent)).collect();
        let [x, x_scale, x_zero] = self.quantized(name, "x", layer.input());
        let model = &mut self.model;
        let weights =
            model.initializer(&format!("{name}_weights"), &[channels, depth, kh, kw], &weights);
        let w_scale = model.initializer(&format!("{name}_w_scale"), &[channels], &scales);
        let w_zero =
            model.initializer(&format!("{name}_w_zero"), &[channels], &vec![0_i8; channels]);
        let y_scale =
            model.initializer(&format!("{name}_y_scale"), &[], &[scale(layer.format.exponent())]);
        let y_zero = self.zero_point(&format!("{name}_y_zero"), layer.format.element);
        let bias = self.model.initializer(&format!("{name}_bias"), &[channels], &parameters.bias);
        let mut attributes = window_attributes(window);
        if groups > 1 {
            attributes.push(("group", Attribute::Int(groups as i64)));
        }
        let y = match layer.clip {
            None => name.clone(),
            Some(_) => format!("{name}_unclipped"),
        };
        let inputs = [&x, &x_scale, &x_zero, &weights, &w_scale, &w_zero, &y_scale, &y_zero, &bias];
        let y = self.model.node("QLinearConv", &y, &inputs.map(String::as_str), &attributes);
        self.clipped(layer, y)
    }

    /// The accumulators of a convolution that ends the network.
    pub(super) fn conv2d_logits(
        &mut self,
        layer: &QuantizedLayer,
        parameters: &Parameters,
        window: &Window,
        shapes: [Shape; 2],
    ) -> String {
        let name = &layer.name;
        let (channels, depth) = (parameters.channels(), shapes[0].channels);
        let [kh, kw] = window.kernel;
        let x = self.values[layer.input()].clone();
        let element = self.network.format(layer.input()).element;
        let weights = oihw(parameters, window.kernel);
        let weights = self.model.initializer(
            &format!("{name}_weights"),
            &[channels, depth, kh, kw],
            &weights,
        );
        let x_zero = self.zero_point(&format!("{name}_x_zero"), element);
        let model = &mut self.model;
        let w_zero = model.initializer(&format!("{name}_w_zero"), &[], &[0_i8]);
        let sums = model.node(
            "ConvInteger",
            &format!("{name}_sums"),
            &[&x, &weights, &x_zero, &w_zero],
            &window_attributes(window),
        );
        let bias =
            model.initializer(&format!("{name}_bias"), &[1, channels, 1, 1], &parameters.bias);
        let biased = model.node("Add", &format!("{name}_biased"), &[&sums, &bias], &[]);
        model.node("Flatten", "logits", &[&biased], &[("axis", Attribute::Int(1))])
    }
}
