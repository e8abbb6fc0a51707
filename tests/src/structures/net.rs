//! A network being written: its values, windows and operators.

use converter::onnx::{Attribute, ModelBuilder};

use super::CLASSES;

/// A value of the file: `[N, channels, size…]`.
#[derive(Clone)]
pub(super) struct Value {
    pub(super) name: String,
    pub(super) channels: usize,
    pub(super) size: [usize; 2],
}

/// A window: kernel, stride and padding (top, left, bottom, right).
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) pads: [usize; 4],
}

/// A square window that keeps the size where the stride is 1.
pub(super) fn same(kernel: usize, stride: usize) -> Window {
    let pad = (kernel - 1) / 2;
    Window { kernel: [kernel; 2], stride: [stride; 2], pads: [pad; 4] }
}

pub(super) fn valid(kernel: usize, stride: usize) -> Window {
    Window { pads: [0; 4], ..same(kernel, stride) }
}

impl Window {
    pub(super) fn output(&self, size: [usize; 2]) -> [usize; 2] {
        std::array::from_fn(|axis| {
            (size[axis] + self.pads[axis] + self.pads[axis + 2] - self.kernel[axis])
                / self.stride[axis]
                + 1
        })
    }

    pub(super) fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![
            ("kernel_shape", ints(&self.kernel)),
            ("strides", ints(&self.stride)),
            ("pads", ints(&self.pads)),
        ]
    }
}

pub(super) fn ints(values: &[usize]) -> Attribute {
    Attribute::Ints(values.iter().map(|&value| value as i64).collect())
}

pub(super) struct Net {
    pub(super) model: ModelBuilder,
    pub(super) rng: fastrand::Rng,
    pub(super) opset: i64,
    pub(super) nodes: usize,
}

/// The operators.
impl Net {
    pub(super) fn random(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| (self.rng.f32() * 2.0 - 1.0) * scale).collect()
    }

    pub(super) fn name(&mut self, op: &str) -> String {
        self.nodes += 1;
        format!("{op}_{}", self.nodes)
    }

    pub(super) fn node(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) -> String {
        let name = self.name(op);
        self.model.node(op, &name, inputs, attributes)
    }

    pub(super) fn weights(&mut self, shape: &[usize], scale: f32) -> String {
        let values = self.random(shape.iter().product(), scale);
        let name = self.name("weights");
        self.model.initializer(&name, shape, &values)
    }

    pub(super) fn conv(&mut self, x: &Value, out: usize, window: Window, groups: usize) -> Value {
        let [kh, kw] = window.kernel;
        let fan_in = (x.channels / groups * kh * kw) as f32;
        let w = self.weights(&[out, x.channels / groups, kh, kw], 1.7 / fan_in.sqrt());
        let b = self.weights(&[out], 0.1);
        let mut attributes = window.attributes();
        attributes.push(("group", Attribute::Int(groups as i64)));
        let name = self.node("Conv", &[&x.name, &w, &b], &attributes);
        Value { name, channels: out, size: window.output(x.size) }
    }

    pub(super) fn batch_norm(&mut self, x: &Value) -> Value {
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

    pub(super) fn unary(&mut self, op: &str, x: &Value, attributes: &[(&str, Attribute)]) -> Value {
        Value { name: self.node(op, &[&x.name], attributes), ..x.clone() }
    }

    pub(super) fn relu(&mut self, x: &Value) -> Value {
        self.unary("Relu", x, &[])
    }

    pub(super) fn leaky_relu(&mut self, x: &Value, slope: f32) -> Value {
        self.unary("LeakyRelu", x, &[("alpha", Attribute::Float(slope))])
    }

    /// A slope for each channel, of either sign.
    pub(super) fn prelu(&mut self, x: &Value) -> Value {
        let slopes = self.weights(&[x.channels, 1, 1], 1.5);
        Value { name: self.node("PRelu", &[&x.name, &slopes], &[]), ..x.clone() }
    }

    /// Clip from 0 to `ceiling`.
    pub(super) fn clip(&mut self, x: &Value, ceiling: f32) -> Value {
        let (low, high) = (self.name("low"), self.name("high"));
        let low = self.model.initializer(&low, &[], &[0_f32]);
        let high = self.model.initializer(&high, &[], &[ceiling]);
        Value { name: self.node("Clip", &[&x.name, &low, &high], &[]), ..x.clone() }
    }

    pub(super) fn pool(&mut self, op: &str, x: &Value, window: Window) -> Value {
        let mut attributes = window.attributes();
        if op == "AveragePool" {
            attributes.push(("count_include_pad", Attribute::Int(1)));
        }
        let name = self.node(op, &[&x.name], &attributes);
        Value { name, size: window.output(x.size), ..*x }
    }

    pub(super) fn add(&mut self, a: &Value, b: &Value) -> Value {
        Value { name: self.node("Add", &[&a.name, &b.name], &[]), ..a.clone() }
    }

    pub(super) fn concat(&mut self, values: &[&Value]) -> Value {
        let names: Vec<&str> = values.iter().map(|value| value.name.as_str()).collect();
        let name = self.node("Concat", &names, &[("axis", Attribute::Int(1))]);
        Value {
            name,
            channels: values.iter().map(|value| value.channels).sum(),
            ..values[0].clone()
        }
    }

    /// ReduceMean over two axes, which are an attribute before opset 18 and an input from then on.
    pub(super) fn reduce_mean(&mut self, x: &Value, axes: [i64; 2], keep: bool) -> Value {
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

    pub(super) fn global_average(&mut self, x: &Value) -> Value {
        let name = self.node("GlobalAveragePool", &[&x.name], &[]);
        Value { name, size: [1, 1], ..*x }
    }

    pub(super) fn flatten(&mut self, x: &Value) -> Value {
        let name = self.node("Flatten", &[&x.name], &[("axis", Attribute::Int(1))]);
        Value { name, channels: x.channels * x.size[0] * x.size[1], size: [1, 1] }
    }

    pub(super) fn fully_connected(&mut self, x: &Value, out: usize) -> Value {
        let w = self.weights(&[out, x.channels], 1.7 / (x.channels as f32).sqrt());
        let b = self.weights(&[out], 0.1);
        let name = self.node("Gemm", &[&x.name, &w, &b], &[("transB", Attribute::Int(1))]);
        Value { name, channels: out, size: [1, 1] }
    }

    pub(super) fn classify(&mut self, x: &Value) -> String {
        let flat = self.flatten(x);
        self.fully_connected(&flat, CLASSES).name
    }
}
