//! The structures themselves.

use converter::onnx::Attribute;

use super::net::{Net, Value, Window, ints, same, valid};
use super::{CLASSES, FUNCTIONS, SIDE};

/// The structures.
impl Net {
    pub(super) fn residual(&mut self, image: Value) -> String {
        let x = self.conv(&image, 6, same(3, 1), 1);
        let x = self.relu(&x);
        let y = self.conv(&x, 6, same(3, 1), 1);
        let y = self.relu(&y);
        let y = self.conv(&y, 6, same(3, 1), 1);
        let x = self.add(&y, &x);
        let x = self.relu(&x);
        let y = self.conv(&x, 9, same(3, 2), 1);
        let y = self.batch_norm(&y);
        let y = self.clip(&y, 1.5);
        let y = self.conv(&y, 9, same(3, 1), 1);
        let y = self.batch_norm(&y);
        let shortcut = self.conv(&x, 9, same(1, 2), 1);
        let x = self.add(&shortcut, &y);
        let x = self.relu(&x);
        let x = self.global_average(&x);
        self.classify(&x)
    }

    pub(super) fn pre_activation(&mut self, image: Value) -> String {
        let x = self.conv(&image, 7, same(3, 2), 1);
        let y = self.batch_norm(&x);
        let y = self.relu(&y);
        let y = self.conv(&y, 7, same(3, 1), 1);
        let y = self.batch_norm(&y);
        let y = self.relu(&y);
        let y = self.conv(&y, 7, same(3, 1), 1);
        let x = self.add(&x, &y);
        let x = self.batch_norm(&x);
        let x = self.relu(&x);
        let x = self.reduce_mean(&x, [-1, 2], false);
        self.fully_connected(&x, CLASSES).name
    }

    pub(super) fn separable(&mut self, image: Value) -> String {
        let x = self.conv(&image, 5, same(3, 1), 1);
        let x = self.clip(&x, 6.0);
        let x = self.conv(&x, 5, same(3, 2), 5);
        let x = self.batch_norm(&x);
        let x = self.clip(&x, 0.3);
        let x = self.conv(&x, 8, same(1, 1), 1);
        let x = self.batch_norm(&x);
        let x = self.relu(&x);
        // Two outputs for each channel, and no activation before the pointwise convolution.
        let x = self.conv(&x, 16, valid(3, 1), 8);
        let x = self.conv(&x, 10, same(1, 1), 1);
        let x = self.clip(&x, 1.0);
        let x = self.reduce_mean(&x, [2, 3], true);
        self.classify(&x)
    }

    pub(super) fn dense(&mut self, image: Value) -> String {
        let x = self.conv(&image, 4, same(3, 1), 1);
        let mut x = self.pool("MaxPool", &x, valid(2, 2));
        for _ in 0..2 {
            let y = self.batch_norm(&x);
            let y = self.relu(&y);
            let y = self.conv(&y, 3, same(3, 1), 1);
            x = self.concat(&[&x, &y]);
        }
        let y = self.batch_norm(&x);
        let y = self.relu(&y);
        let y = self.conv(&y, 5, same(1, 1), 1);
        let x = self.pool("AveragePool", &y, valid(2, 2));
        let y = self.conv(&x, 4, same(3, 1), 1);
        let y = self.relu(&y);
        // A member that is never negative beside one that is.
        let x = self.concat(&[&y, &x]);
        let x = self.global_average(&x);
        self.classify(&x)
    }

    pub(super) fn grouped(&mut self, image: Value) -> String {
        let x = self.conv(&image, 6, valid(3, 1), 1);
        let x = self.relu(&x);
        let x = self.conv(&x, 9, same(3, 1), 3);
        let x = self.relu(&x);
        let x = self.pool("AveragePool", &x, Window { pads: [1, 0, 0, 1], ..valid(3, 2) });
        let x = self.conv(&x, 6, valid(2, 1), 3);
        let x = self.leaky_relu(&x, 0.25);
        let x =
            self.pool("AveragePool", &x, Window { kernel: [3, 2], stride: [1, 1], pads: [0; 4] });
        self.classify(&x)
    }

    pub(super) fn leaky(&mut self, image: Value) -> String {
        let x = self.conv(&image, 5, valid(3, 1), 1);
        let x = self.leaky_relu(&x, 0.3);
        let x = self.pool("MaxPool", &x, valid(2, 2));
        let x = self.conv(&x, 6, same(3, 1), 1);
        let x = self.leaky_relu(&x, 0.125);
        let x = self.pool("AveragePool", &x, valid(2, 2));
        let x = self.flatten(&x);
        let x = self.fully_connected(&x, 11);
        let x = self.leaky_relu(&x, 0.01);
        self.fully_connected(&x, CLASSES).name
    }

    pub(super) fn network_in_network(&mut self, image: Value) -> String {
        let x = self.conv(&image, 6, valid(3, 1), 1);
        let x = self.relu(&x);
        let x = self.pool("MaxPool", &x, valid(2, 2));
        let x = self.conv(&x, CLASSES, same(1, 1), 1);
        let x = self.relu(&x);
        let x = self.global_average(&x);
        let x = self.flatten(&x);
        self.unary("Softmax", &x, &[("axis", Attribute::Int(1))]).name
    }

    pub(super) fn keras(&mut self, image: Value) -> String {
        let to_nchw = [("perm", Attribute::Ints(vec![0, 3, 1, 2]))];
        let to_nhwc = [("perm", Attribute::Ints(vec![0, 2, 3, 1]))];
        let amounts = self.name("amounts");
        let amounts = self.model.initializer(&amounts, &[8], &[0_i64, 0, 0, 0, 0, 1, 1, 0]);
        let x = Value {
            name: self.node("Pad", &[&image.name, &amounts], &[]),
            size: [SIDE + 1; 2],
            ..image
        };
        let x = self.unary("Transpose", &x, &to_nchw);
        let x = self.conv(&x, 4, valid(3, 2), 1);
        let x = self.batch_norm(&x);
        let x = self.relu(&x);
        let six = self.name("six");
        let six = self.model.initializer(&six, &[], &[0.5_f32]);
        let x = Value { name: self.node("Min", &[&x.name, &six], &[]), ..x };
        let amounts = self.name("amounts");
        let amounts = self.model.initializer(&amounts, &[8], &[0_i64, 0, 1, 1, 0, 0, 1, 1]);
        let padded = self.node(
            "Pad",
            &[&x.name, &amounts],
            &[("mode", Attribute::String("constant".into()))],
        );
        let x = Value { name: padded, size: [x.size[0] + 2, x.size[1] + 2], ..x };
        let x = self.pool("MaxPool", &x, valid(3, 2));
        let x = self.conv(&x, 8, same(3, 1), 4);
        let x = self.relu(&x);
        // A padded average pooling as PyTorch writes it.
        let amounts = self.name("amounts");
        let amounts = self.model.initializer(&amounts, &[8], &[0_i64, 0, 1, 1, 0, 0, 1, 0]);
        let padded = self.node("Pad", &[&x.name, &amounts], &[]);
        let x = Value { name: padded, size: [x.size[0] + 2, x.size[1] + 1], ..x };
        let x = self.pool("AveragePool", &x, valid(2, 1));
        let x = self.unary("Transpose", &x, &to_nhwc);
        let x = self.reduce_mean(&x, [1, 2], false);
        let w = self.weights(&[x.channels, CLASSES], 0.8);
        let product = self.node("MatMul", &[&x.name, &w], &[]);
        let b = self.weights(&[CLASSES], 0.1);
        self.node("Add", &[&product, &b], &[])
    }

    pub(super) fn signed(&mut self, image: Value) -> String {
        let small = self.pool("MaxPool", &image, valid(2, 2));
        let x = self.conv(&small, 3, same(3, 1), 1);
        let x = self.concat(&[&small, &x]);
        // Signed into depthwise, grouped, pooling and addition.
        let y = self.conv(&x, 4, same(3, 1), 4);
        let x = self.add(&x, &y);
        let y = self.conv(&x, 4, same(3, 1), 2);
        let y = self.relu(&y);
        let x = self.add(&x, &y);
        let x = self.pool("AveragePool", &x, same(3, 1));
        let x = self.relu(&x);
        let one = self.conv(&x, 1, same(1, 1), 1);
        let x = self.add(&one, &small);
        let y = self.leaky_relu(&x, 0.7);
        let x = self.add(&y, &x);
        let x = self.pool("MaxPool", &x, same(3, 2));
        // A convolution for a classifier, on signed values.
        let x = self.conv(&x, CLASSES, valid(3, 1), 1);
        self.flatten(&x).name
    }

    /// Four functions after another; seeds in a row have others.
    pub(super) fn functions(&mut self, image: Value, seed: u64) -> String {
        let mut names = FUNCTIONS;
        names.rotate_left(4 * seed as usize % FUNCTIONS.len());
        let mut x = self.conv(&image, 5, same(3, 2), 1);
        for (index, op) in names.into_iter().take(4).enumerate() {
            let y = self.function(op, &x);
            // Unsigned values are looked up as well, and the result is read twice.
            let z = if index % 2 == 0 { self.relu(&y) } else { y.clone() };
            let z = self.function(op, &z);
            let z = self.conv(&z, 5, same(3, 1), 1);
            x = self.add(&y, &z);
        }
        let x = self.pool("MaxPool", &x, valid(2, 2));
        let x = self.flatten(&x);
        let x = self.function(names[0], &x);
        self.fully_connected(&x, CLASSES).name
    }

    /// A function of one value, by operators that the opset has.
    pub(super) fn function(&mut self, op: &str, x: &Value) -> Value {
        match op {
            "Clip" => self.clip_to(x, -1.0, 0.5),
            "Elu" => self.unary(op, x, &[("alpha", Attribute::Float(0.7))]),
            "Gelu" if self.opset >= 20 => self.unary(op, x, &[]),
            "Gelu" => {
                let y = self.by_constant("Div", x, std::f32::consts::SQRT_2);
                let y = self.unary("Erf", &y, &[]);
                let y = self.by_constant("Add", &y, 1.0);
                let y = self.binary("Mul", x, &y);
                self.by_constant("Mul", &y, 0.5)
            }
            "GeluTanh" => {
                let y = self.by_constant("Pow", x, 3.0);
                let y = self.by_constant("Mul", &y, 0.044715);
                let y = self.binary("Add", x, &y);
                let y = self.by_constant("Mul", &y, (2.0 / std::f32::consts::PI).sqrt());
                let y = self.unary("Tanh", &y, &[]);
                let y = self.by_constant("Add", &y, 1.0);
                let half = self.by_constant("Mul", x, 0.5);
                self.binary("Mul", &half, &y)
            }
            "HardSigmoid" => self.unary(op, x, &[("alpha", Attribute::Float(0.25))]),
            "HardSwish" if self.opset < 14 => {
                let sixth = [("alpha", Attribute::Float(1.0 / 6.0))];
                let gate = self.unary("HardSigmoid", x, &sixth);
                self.binary("Mul", &gate, x)
            }
            "HardSwishByClip" => {
                let y = self.by_constant("Add", x, 3.0);
                let y = self.clip(&y, 6.0);
                let y = self.binary("Mul", x, &y);
                self.by_constant("Div", &y, 6.0)
            }
            "LeakyRelu" => self.leaky_relu(x, -0.2),
            "Max" => self.by_constant("Max", x, -0.3),
            "Mish" => {
                let y = self.unary("Softplus", x, &[]);
                let y = self.unary("Tanh", &y, &[]);
                self.binary("Mul", &y, x)
            }
            "Pow" => self.by_constant("Pow", x, 2.0),
            "Silu" => {
                let y = self.unary("Sigmoid", x, &[]);
                self.binary("Mul", x, &y)
            }
            _ => self.unary(op, x, &[]),
        }
    }

    /// Attention to channels, a product of two values of one shape, and one with the image.
    pub(super) fn excite(&mut self, image: Value) -> String {
        let x = self.conv(&image, 6, same(3, 1), 1);
        let x = self.relu(&x);
        let y = self.global_average(&x);
        let y = self.conv(&y, 3, same(1, 1), 1);
        let y = self.relu(&y);
        let y = self.conv(&y, 6, same(1, 1), 1);
        let y = self.unary("Sigmoid", &y, &[]);
        let x = self.binary("Mul", &x, &y);
        let y = self.conv(&x, 6, same(3, 1), 1);
        let z = self.conv(&x, 6, same(3, 1), 1);
        let x = self.binary("Mul", &y, &z);
        let x = self.relu(&x);
        let y = self.conv(&x, 1, same(3, 1), 1);
        let y = self.binary("Mul", &image, &y);
        let x = self.concat(&[&x, &y]);
        let x = self.conv(&x, 4, same(3, 2), 1);
        self.classify(&x)
    }

    /// Flattened images of different sizes, the image itself and a vector, joined twice.
    pub(super) fn joined(&mut self, image: Value) -> String {
        let a = self.conv(&image, 4, valid(3, 2), 1);
        let a = self.relu(&a);
        let b = self.conv(&image, 3, valid(4, 4), 1);
        let mean = self.global_average(&b);
        let small = self.pool("MaxPool", &image, valid(3, 3));
        let [a, b, mean, small] = [&a, &b, &mean, &small].map(|x| self.flatten(x));
        // Two readers, of which one computes element by element.
        let c = self.unary("Sigmoid", &a, &[]);
        let x = self.concat(&[&mean, &b, &small]);
        let x = self.concat(&[&c, &x, &a]);
        let x = self.leaky_relu(&x, 0.25);
        let x = self.fully_connected(&x, 9);
        let x = self.relu(&x);
        self.classify(&x)
    }

    /// Slices, shuffled channels, repeated pixels and dilated windows.
    pub(super) fn moving(&mut self, image: Value) -> String {
        let x = self.conv(&image, 6, same(3, 1), 1);
        let x = self.prelu(&x);
        // Halves, one of them cropped and enlarged again, joined and shuffled.
        let [a, b] = self.halves(&x);
        let b = self.slice(&b, [2, 3], [3, 2], [9, 8]);
        let b = self.resize(&b, [12, 12]);
        let b = self.relu(&b);
        let x = self.concat(&[&b, &a]);
        let x = self.shuffle(&x, 3);
        let dilated = [("dilations", ints(&[2, 3])), ("pads", ints(&[2, 3, 2, 3]))];
        let x = self.conv_with(&x, 5, [3, 3], &dilated, x.size);
        let x = self.relu(&x);
        let dilated = [("dilations", ints(&[2, 2])), ("kernel_shape", ints(&[2, 2]))];
        let x = Value { size: [10, 10], ..self.unary("MaxPool", &x, &dilated) };
        // As Keras pads its means.
        let inside = [("kernel_shape", ints(&[3, 2])), ("pads", ints(&[2, 1, 1, 0]))];
        let x = Value { size: [11, 10], ..self.unary("AveragePool", &x, &inside) };
        let x = self.slice(&x, [1, 3], [1, 0], [4, 10]);
        let x = Value { channels: 3, ..x };
        self.classify(&x)
    }

    pub(super) fn binary(&mut self, op: &str, a: &Value, b: &Value) -> Value {
        Value { name: self.node(op, &[&a.name, &b.name], &[]), ..a.clone() }
    }

    pub(super) fn by_constant(&mut self, op: &str, x: &Value, constant: f32) -> Value {
        let name = self.name("constant");
        let constant = self.model.initializer(&name, &[], &[constant]);
        Value { name: self.node(op, &[&x.name, &constant], &[]), ..x.clone() }
    }

    pub(super) fn clip_to(&mut self, x: &Value, low: f32, high: f32) -> Value {
        let (l, h) = (self.name("low"), self.name("high"));
        let low = self.model.initializer(&l, &[], &[low]);
        let high = self.model.initializer(&h, &[], &[high]);
        Value { name: self.node("Clip", &[&x.name, &low, &high], &[]), ..x.clone() }
    }

    pub(super) fn int_constant(&mut self, values: &[i64]) -> String {
        let name = self.name("integers");
        self.model.initializer(&name, &[values.len()], values)
    }

    pub(super) fn halves(&mut self, x: &Value) -> [Value; 2] {
        let half = x.channels / 2;
        let name = self.name("Split");
        let outputs = [format!("{name}.a"), format!("{name}.b")];
        let sizes = [half as i64, (x.channels - half) as i64];
        let names = outputs.each_ref().map(String::as_str);
        let axis = ("axis", Attribute::Int(1));
        if self.opset < 13 {
            let split = ("split", Attribute::Ints(sizes.to_vec()));
            self.model.node_with_outputs("Split", &name, &[&x.name], &names, &[axis, split]);
        } else {
            let split = self.int_constant(&sizes);
            self.model.node_with_outputs("Split", &name, &[&x.name, &split], &names, &[axis]);
        }
        let [a, b] = outputs;
        let part = |name, channels| Value { name, channels, ..x.clone() };
        [part(a, half), part(b, x.channels - half)]
    }

    /// Slices two axes; sizes of rows and columns follow.
    pub(super) fn slice(
        &mut self,
        x: &Value,
        axes: [i64; 2],
        starts: [i64; 2],
        ends: [i64; 2],
    ) -> Value {
        let inputs = [starts, ends, axes].map(|values| self.int_constant(&values));
        let inputs = [&x.name, &inputs[0], &inputs[1], &inputs[2]].map(String::as_str);
        let mut y = Value { name: self.node("Slice", &inputs, &[]), ..x.clone() };
        for (axis, (start, end)) in axes.into_iter().zip(starts.into_iter().zip(ends)) {
            if axis >= 2 {
                y.size[axis as usize - 2] = (end - start) as usize;
            }
        }
        y
    }

    /// Nearest, as PyTorch's upsampling exports it.
    pub(super) fn resize(&mut self, x: &Value, size: [usize; 2]) -> Value {
        let empty = self.name("none");
        let empty = self.model.initializer::<f32>(&empty, &[0], &[]);
        let dims = [1, x.channels, size[0], size[1]].map(|dim| dim as i64);
        let sizes = self.int_constant(&dims);
        let text = |text: &str| Attribute::String(text.into());
        let attributes = [
            ("mode", text("nearest")),
            ("coordinate_transformation_mode", text("asymmetric")),
            ("nearest_mode", text("floor")),
        ];
        let name = self.node("Resize", &[&x.name, &empty, &empty, &sizes], &attributes);
        Value { name, size, ..*x }
    }

    /// The channels of `groups`, one of each in turn.
    pub(super) fn shuffle(&mut self, x: &Value, groups: usize) -> Value {
        let [h, w] = x.size.map(|size| size as i64);
        let (groups, channels) = (groups as i64, x.channels as i64);
        let apart = self.int_constant(&[-1, groups, channels / groups, h, w]);
        let y = self.node("Reshape", &[&x.name, &apart], &[]);
        let y = self.node("Transpose", &[&y], &[("perm", Attribute::Ints(vec![0, 2, 1, 3, 4]))]);
        let joined = self.int_constant(&[-1, channels, h, w]);
        Value { name: self.node("Reshape", &[&y, &joined], &[]), ..x.clone() }
    }

    pub(super) fn conv_with(
        &mut self,
        x: &Value,
        out: usize,
        kernel: [usize; 2],
        attributes: &[(&str, Attribute)],
        size: [usize; 2],
    ) -> Value {
        let w = self.weights(&[out, x.channels, kernel[0], kernel[1]], 0.3);
        let name = self.node("Conv", &[&x.name, &w], attributes);
        Value { name, channels: out, size }
    }

    pub(super) fn random_window(&mut self, size: [usize; 2]) -> Window {
        let kernel = size.map(|size| self.rng.usize(1..=4.min(size)));
        let stride = [self.rng.usize(1..=3), self.rng.usize(1..=3)];
        let pads =
            [kernel[0], kernel[1], kernel[0], kernel[1]].map(|kernel| self.rng.usize(..kernel));
        Window { kernel, stride, pads }
    }

    pub(super) fn random_geometry(&mut self, image: Value) -> String {
        let window = Window { stride: [1, 1], ..self.random_window(image.size) };
        let x = self.conv(&image, 6, window, 1);
        let mut x = self.relu(&x);
        for _ in 0..2 {
            let window = self.random_window(x.size);
            let groups = [2, 3, 6][self.rng.usize(..3)];
            let multiplier = self.rng.usize(1..=2);
            x = self.conv(&x, 6 * multiplier, window, groups);
            if self.rng.bool() {
                x = self.relu(&x);
            }
            let window = self.random_window(x.size);
            x = match self.rng.usize(..3) {
                0 => self.pool("AveragePool", &x, window),
                1 => self.pool("MaxPool", &x, Window { pads: [0; 4], ..window }),
                _ => self.leaky_relu(&x, 0.2),
            };
            x = self.conv(&x, 6, same(1, 1), 1);
            x = self.relu(&x);
        }
        self.classify(&x)
    }
}
