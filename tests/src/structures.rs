//! Small networks of the structures that people use, as ONNX files with random weights: residual
//! and dense blocks, depthwise and grouped convolutions, average pooling, bounded and leaky ReLU.

use converter::onnx::{Attribute, Dim, ElementType, ModelBuilder};

pub const SIDE: usize = 12;
pub const CLASSES: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// Two residual blocks, the second with a strided 1×1 convolution on its shortcut.
    Residual,
    /// Batch norm and ReLU in front of the convolutions, and a mean over the image.
    PreActivation,
    /// Depthwise and pointwise convolutions with batch norm and ReLU6, as in MobileNet.
    Separable,
    /// Concatenations with batch norm behind them and an averaging transition, as in DenseNet.
    Dense,
    /// Grouped convolutions, and average pooling that counts its padding.
    Grouped,
    /// Leaky ReLUs, with a slope that is a power of two and with others.
    Leaky,
    /// No fully connected layer: a mean over one map per class.
    NetworkInNetwork,
    /// Channels last, explicit padding, ReLU6 as Relu and Min, MatMul: as tf2onnx writes Keras.
    Keras,
    /// Image and signed values where other networks have the results of ReLUs.
    Signed,
    /// Functions that are looked up, of signed values and of others.
    Functions,
    /// Products: squeeze-and-excite, and of two values.
    Excite,
    /// Slices, shuffled channels, repeated pixels, dilated windows, a slope for each channel.
    Moving,
    /// Windows, strides, paddings and groups drawn by the seed.
    RandomGeometry,
}

pub const ALL: [Structure; 13] = [
    Structure::Residual,
    Structure::PreActivation,
    Structure::Separable,
    Structure::Dense,
    Structure::Grouped,
    Structure::Leaky,
    Structure::NetworkInNetwork,
    Structure::Keras,
    Structure::Signed,
    Structure::Functions,
    Structure::Excite,
    Structure::Moving,
    Structure::RandomGeometry,
];

/// Functions of one value, by their operators.
pub const FUNCTIONS: [&str; 17] = [
    "Clip",
    "Elu",
    "Gelu",
    "GeluTanh",
    "HardSigmoid",
    "HardSwish",
    "HardSwishByClip",
    "LeakyRelu",
    "Max",
    "Mish",
    "Pow",
    "Selu",
    "Sigmoid",
    "Silu",
    "Softplus",
    "Softsign",
    "Tanh",
];

/// A network of this structure with weights from `seed`, in the operators of `opset`.
pub fn network(structure: Structure, seed: u64, opset: i64) -> Vec<u8> {
    let mut net = Net {
        model: ModelBuilder::new("structure").with_opset(opset),
        rng: fastrand::Rng::with_seed(seed ^ (structure as u64) << 32),
        opset,
        nodes: 0,
    };
    let side = Dim::Fixed(SIDE);
    let dims = match structure {
        Structure::Keras => [Dim::Symbol("batch"), side.clone(), side, 1.into()],
        _ => [Dim::Symbol("batch"), 1.into(), side.clone(), side],
    };
    let image = net.model.input("input", ElementType::F32, &dims);
    let image = Value { name: image, channels: 1, size: [SIDE, SIDE] };
    let logits = match structure {
        Structure::Residual => net.residual(image),
        Structure::PreActivation => net.pre_activation(image),
        Structure::Separable => net.separable(image),
        Structure::Dense => net.dense(image),
        Structure::Grouped => net.grouped(image),
        Structure::Leaky => net.leaky(image),
        Structure::NetworkInNetwork => net.network_in_network(image),
        Structure::Keras => net.keras(image),
        Structure::Signed => net.signed(image),
        Structure::Functions => net.functions(image, seed),
        Structure::Excite => net.excite(image),
        Structure::Moving => net.moving(image),
        Structure::RandomGeometry => net.random_geometry(image),
    };
    net.model.output(&logits, ElementType::F32, &[Dim::Symbol("batch"), CLASSES.into()]);
    net.model.finish()
}

/// A value of the file: `[N, channels, size…]`.
#[derive(Clone)]
struct Value {
    name: String,
    channels: usize,
    size: [usize; 2],
}

/// A window: kernel, stride and padding (top, left, bottom, right).
#[derive(Clone, Copy)]
struct Window {
    kernel: [usize; 2],
    stride: [usize; 2],
    pads: [usize; 4],
}

/// A square window that keeps the size where the stride is 1.
fn same(kernel: usize, stride: usize) -> Window {
    let pad = (kernel - 1) / 2;
    Window { kernel: [kernel; 2], stride: [stride; 2], pads: [pad; 4] }
}

fn valid(kernel: usize, stride: usize) -> Window {
    Window { pads: [0; 4], ..same(kernel, stride) }
}

impl Window {
    fn output(&self, size: [usize; 2]) -> [usize; 2] {
        std::array::from_fn(|axis| {
            (size[axis] + self.pads[axis] + self.pads[axis + 2] - self.kernel[axis])
                / self.stride[axis]
                + 1
        })
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![
            ("kernel_shape", ints(&self.kernel)),
            ("strides", ints(&self.stride)),
            ("pads", ints(&self.pads)),
        ]
    }
}

fn ints(values: &[usize]) -> Attribute {
    Attribute::Ints(values.iter().map(|&value| value as i64).collect())
}

struct Net {
    model: ModelBuilder,
    rng: fastrand::Rng,
    opset: i64,
    nodes: usize,
}

/// The operators.
impl Net {
    fn random(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| (self.rng.f32() * 2.0 - 1.0) * scale).collect()
    }

    fn name(&mut self, op: &str) -> String {
        self.nodes += 1;
        format!("{op}_{}", self.nodes)
    }

    fn node(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let name = self.name(op);
        self.model.node(op, &name, inputs, attributes)
    }

    fn weights(&mut self, shape: &[usize], scale: f32) -> String {
        let values = self.random(shape.iter().product(), scale);
        let name = self.name("weights");
        self.model.initializer(&name, shape, &values)
    }

    fn conv(&mut self, x: &Value, out: usize, window: Window, groups: usize) -> Value {
        let [kh, kw] = window.kernel;
        let fan_in = (x.channels / groups * kh * kw) as f32;
        let w = self.weights(&[out, x.channels / groups, kh, kw], 1.7 / fan_in.sqrt());
        let b = self.weights(&[out], 0.1);
        let mut attributes = window.attributes();
        attributes.push(("group", Attribute::Int(groups as i64)));
        let name = self.node("Conv", &[&x.name, &w, &b], &attributes);
        Value { name, channels: out, size: window.output(x.size) }
    }

    fn batch_norm(&mut self, x: &Value) -> Value {
        let channels = x.channels;
        let positive: Vec<f32> = self.random(channels, 0.5).iter().map(|v| v.abs() + 0.6).collect();
        let name = self.name("norm");
        let mut inputs = vec![x.name.clone()];
        // A few channels are turned around: gamma may be negative.
        let gamma: Vec<f32> =
            positive.iter().map(|&v| if self.rng.u8(..8) == 0 { -v } else { v }).collect();
        inputs.push(self.model.initializer(&format!("{name}.gamma"), &[channels], &gamma));
        inputs.push(self.weights(&[channels], 0.2));
        inputs.push(self.weights(&[channels], 0.2));
        inputs.push(self.model.initializer(&format!("{name}.variance"), &[channels], &positive));
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let name = self.node("BatchNormalization", &inputs, &[("epsilon", Attribute::Float(1e-3))]);
        Value { name, ..x.clone() }
    }

    fn unary(&mut self, op: &str, x: &Value, attributes: &[(&str, Attribute)]) -> Value {
        Value { name: self.node(op, &[&x.name], attributes), ..x.clone() }
    }

    fn relu(&mut self, x: &Value) -> Value {
        self.unary("Relu", x, &[])
    }

    fn leaky_relu(&mut self, x: &Value, slope: f32) -> Value {
        self.unary("LeakyRelu", x, &[("alpha", Attribute::Float(slope))])
    }

    /// A slope for each channel, of either sign.
    fn prelu(&mut self, x: &Value) -> Value {
        let slopes = self.weights(&[x.channels, 1, 1], 1.5);
        Value { name: self.node("PRelu", &[&x.name, &slopes], &[]), ..x.clone() }
    }

    /// Clip from 0 to `ceiling`.
    fn clip(&mut self, x: &Value, ceiling: f32) -> Value {
        let (low, high) = (self.name("low"), self.name("high"));
        let low = self.model.initializer(&low, &[], &[0_f32]);
        let high = self.model.initializer(&high, &[], &[ceiling]);
        Value { name: self.node("Clip", &[&x.name, &low, &high], &[]), ..x.clone() }
    }

    fn pool(&mut self, op: &str, x: &Value, window: Window) -> Value {
        let mut attributes = window.attributes();
        if op == "AveragePool" {
            attributes.push(("count_include_pad", Attribute::Int(1)));
        }
        let name = self.node(op, &[&x.name], &attributes);
        Value { name, size: window.output(x.size), ..*x }
    }

    fn add(&mut self, a: &Value, b: &Value) -> Value {
        Value { name: self.node("Add", &[&a.name, &b.name], &[]), ..a.clone() }
    }

    fn concat(&mut self, values: &[&Value]) -> Value {
        let names: Vec<&str> = values.iter().map(|value| value.name.as_str()).collect();
        let name = self.node("Concat", &names, &[("axis", Attribute::Int(1))]);
        Value {
            name,
            channels: values.iter().map(|value| value.channels).sum(),
            ..values[0].clone()
        }
    }

    /// ReduceMean over two axes, which are an attribute before opset 18 and an input from then on.
    fn reduce_mean(&mut self, x: &Value, axes: [i64; 2], keep: bool) -> Value {
        let keep = ("keepdims", Attribute::Int(keep.into()));
        let name = if self.opset < 18 {
            self.node("ReduceMean", &[&x.name], &[("axes", Attribute::Ints(axes.to_vec())), keep])
        } else {
            let name = self.name("axes");
            let axes = self.model.initializer(&name, &[2], &axes);
            self.node("ReduceMean", &[&x.name, &axes], &[keep])
        };
        Value { name, size: [1, 1], ..*x }
    }

    fn global_average(&mut self, x: &Value) -> Value {
        let name = self.node("GlobalAveragePool", &[&x.name], &[]);
        Value { name, size: [1, 1], ..*x }
    }

    fn flatten(&mut self, x: &Value) -> Value {
        let name = self.node("Flatten", &[&x.name], &[("axis", Attribute::Int(1))]);
        Value { name, channels: x.channels * x.size[0] * x.size[1], size: [1, 1] }
    }

    fn fully_connected(&mut self, x: &Value, out: usize) -> Value {
        let w = self.weights(&[out, x.channels], 1.7 / (x.channels as f32).sqrt());
        let b = self.weights(&[out], 0.1);
        let name = self.node("Gemm", &[&x.name, &w, &b], &[("transB", Attribute::Int(1))]);
        Value { name, channels: out, size: [1, 1] }
    }

    fn classify(&mut self, x: &Value) -> String {
        let flat = self.flatten(x);
        self.fully_connected(&flat, CLASSES).name
    }
}

/// The structures.
impl Net {
    fn residual(&mut self, image: Value) -> String {
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

    fn pre_activation(&mut self, image: Value) -> String {
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

    fn separable(&mut self, image: Value) -> String {
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

    fn dense(&mut self, image: Value) -> String {
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

    fn grouped(&mut self, image: Value) -> String {
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

    fn leaky(&mut self, image: Value) -> String {
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

    fn network_in_network(&mut self, image: Value) -> String {
        let x = self.conv(&image, 6, valid(3, 1), 1);
        let x = self.relu(&x);
        let x = self.pool("MaxPool", &x, valid(2, 2));
        let x = self.conv(&x, CLASSES, same(1, 1), 1);
        let x = self.relu(&x);
        let x = self.global_average(&x);
        let x = self.flatten(&x);
        self.unary("Softmax", &x, &[("axis", Attribute::Int(1))]).name
    }

    fn keras(&mut self, image: Value) -> String {
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

    fn signed(&mut self, image: Value) -> String {
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
    fn functions(&mut self, image: Value, seed: u64) -> String {
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
    fn function(&mut self, op: &str, x: &Value) -> Value {
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
    fn excite(&mut self, image: Value) -> String {
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

    /// Slices, shuffled channels, repeated pixels and dilated windows.
    fn moving(&mut self, image: Value) -> String {
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

    fn binary(&mut self, op: &str, a: &Value, b: &Value) -> Value {
        Value { name: self.node(op, &[&a.name, &b.name], &[]), ..a.clone() }
    }

    fn by_constant(&mut self, op: &str, x: &Value, constant: f32) -> Value {
        let name = self.name("constant");
        let constant = self.model.initializer(&name, &[], &[constant]);
        Value { name: self.node(op, &[&x.name, &constant], &[]), ..x.clone() }
    }

    fn clip_to(&mut self, x: &Value, low: f32, high: f32) -> Value {
        let (l, h) = (self.name("low"), self.name("high"));
        let low = self.model.initializer(&l, &[], &[low]);
        let high = self.model.initializer(&h, &[], &[high]);
        Value { name: self.node("Clip", &[&x.name, &low, &high], &[]), ..x.clone() }
    }

    fn int_constant(&mut self, values: &[i64]) -> String {
        let name = self.name("integers");
        self.model.initializer(&name, &[values.len()], values)
    }

    fn halves(&mut self, x: &Value) -> [Value; 2] {
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
    fn slice(&mut self, x: &Value, axes: [i64; 2], starts: [i64; 2], ends: [i64; 2]) -> Value {
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
    fn resize(&mut self, x: &Value, size: [usize; 2]) -> Value {
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
    fn shuffle(&mut self, x: &Value, groups: usize) -> Value {
        let [h, w] = x.size.map(|size| size as i64);
        let (groups, channels) = (groups as i64, x.channels as i64);
        let apart = self.int_constant(&[-1, groups, channels / groups, h, w]);
        let y = self.node("Reshape", &[&x.name, &apart], &[]);
        let y = self.node("Transpose", &[&y], &[("perm", Attribute::Ints(vec![0, 2, 1, 3, 4]))]);
        let joined = self.int_constant(&[-1, channels, h, w]);
        Value { name: self.node("Reshape", &[&y, &joined], &[]), ..x.clone() }
    }

    fn conv_with(
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

    fn random_window(&mut self, size: [usize; 2]) -> Window {
        let kernel = size.map(|size| self.rng.usize(1..=4.min(size)));
        let stride = [self.rng.usize(1..=3), self.rng.usize(1..=3)];
        let pads =
            [kernel[0], kernel[1], kernel[0], kernel[1]].map(|kernel| self.rng.usize(..kernel));
        Window { kernel, stride, pads }
    }

    fn random_geometry(&mut self, image: Value) -> String {
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
