//! What sums products: QLinearConv, and for the logits ConvInteger and MatMulInteger.

use super::*;

/// A convolution: weights `[out][kh][kw][in / groups]`.
#[derive(Clone, Copy)]
pub struct Linear<'a> {
    pub parameters: &'a Parameters,
    pub window: &'a Window,
    pub groups: usize,
}

impl Linear<'_> {
    /// The dimensions of the weights as ONNX has them, `[out, in / groups, kh, kw]`.
    fn dims(&self) -> [usize; 4] {
        let [kh, kw] = self.window.kernel;
        let depth = self.parameters.taps(0).len() / self.window.area().max(1);
        [self.parameters.channels(), depth, kh, kw]
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        let mut attributes = window_attributes(self.window);
        if self.groups > 1 {
            attributes.push(("group", Attribute::Int(self.groups as i64)));
        }
        attributes
    }
}

impl Emitter<'_> {
    /// QLinearConv over the layer's input.
    pub fn linear_conv(&mut self, layer: &QuantizedLayer, linear: &Linear) -> String {
        let name = &layer.name;
        let parameters = linear.parameters;
        let channels = parameters.channels();
        let weights = oihw(parameters, linear.window.kernel);
        let scales: Vec<f32> =
            parameters.weight_exponents.iter().map(|&exponent| scale(exponent)).collect();
        let [x, x_scale, x_zero] = self.quantized(name, "x", layer.input());
        let model = &mut self.model;
        let weights = model.initializer(&format!("{name}_weights"), &linear.dims(), &weights);
        let w_scale = model.initializer(&format!("{name}_w_scale"), &[channels], &scales);
        let w_zero =
            model.initializer(&format!("{name}_w_zero"), &[channels], &vec![0_i8; channels]);
        let y_scale =
            model.initializer(&format!("{name}_y_scale"), &[], &[scale(layer.format.exponent())]);
        let y_zero = self.zero_point(&format!("{name}_y_zero"), layer.format.element);
        let bias = self.model.initializer(&format!("{name}_bias"), &[channels], &parameters.bias);
        let y = match layer.clip {
            None => name.clone(),
            Some(_) => format!("{name}_unclipped"),
        };
        let inputs = [&x, &x_scale, &x_zero, &weights, &w_scale, &w_zero, &y_scale, &y_zero, &bias];
        let inputs = inputs.map(String::as_str);
        let y = self.model.node("QLinearConv", &y, &inputs, &linear.attributes());
        self.clipped(layer, y)
    }

    /// The accumulators of a convolution that ends the network: ConvInteger.
    pub fn conv_integer(&mut self, layer: &QuantizedLayer, linear: &Linear) -> String {
        let name = &layer.name;
        let parameters = linear.parameters;
        let x = self.value(layer.input());
        let element = self.network.format(layer.input()).element;
        let weights = oihw(parameters, linear.window.kernel);
        let weights = self.model.initializer(&format!("{name}_weights"), &linear.dims(), &weights);
        let x_zero = self.zero_point(&format!("{name}_x_zero"), element);
        let model = &mut self.model;
        let w_zero = model.initializer(&format!("{name}_w_zero"), &[], &[0_i8]);
        let sums = model.node(
            "ConvInteger",
            &format!("{name}_sums"),
            &[&x, &weights, &x_zero, &w_zero],
            &linear.attributes(),
        );
        let dims = [1, parameters.channels(), 1, 1];
        let bias = model.initializer(&format!("{name}_bias"), &dims, &parameters.bias);
        let biased = model.node("Add", &format!("{name}_biased"), &[&sums, &bias], &[]);
        let logits = self.logits_name(layer);
        self.model.node("Flatten", &logits, &[&biased], &[("axis", Attribute::Int(1))])
    }

    /// The accumulators of a fully connected layer that ends the network: MatMulInteger. Weights
    /// `[out][in]`.
    pub fn matmul_integer(&mut self, layer: &QuantizedLayer, parameters: &Parameters) -> String {
        let name = &layer.name;
        let channels = parameters.channels();
        let input = self.network.shape(layer.input());
        // Flattening [N, C, H, W] reads channel by channel, and the matrix is [in][out].
        let rows = oihw(parameters, [input.height, input.width]);
        let size = input.size();
        let matrix: Vec<i8> = (0..size)
            .flat_map(|i| (0..channels).map(|o| rows[o * size + i]).collect::<Vec<_>>())
            .collect();
        let x = self.value(layer.input());
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
        let logits = self.logits_name(layer);
        self.model.node("Add", &logits, &[&sums, &bias], &[])
    }
}
