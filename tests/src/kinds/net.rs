//! A network being written, and the forms that most kinds are variations of.

use converter::onnx::{Attribute, Dim, ElementType, ModelBuilder};
use converter::pb;
use prost::Message;

use super::{CLASSES, SIDE};

pub(super) fn int(value: i64) -> Attribute {
    Attribute::Int(value)
}

pub(super) fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

/// A network being written.
pub struct Net {
    pub model: ModelBuilder,
    rng: fastrand::Rng,
}

impl Net {
    pub fn new(opset: i64) -> Self {
        let model = ModelBuilder::new("kind").with_opset(opset);
        Self { model, rng: fastrand::Rng::with_seed(5) }
    }

    /// A float input of dynamic batch.
    pub fn input(&mut self, dims: &[usize]) -> String {
        self.input_of(ElementType::F32, dims)
    }

    pub fn input_of(&mut self, element: ElementType, dims: &[usize]) -> String {
        let dims = [Dim::Symbol("N")].into_iter().chain(dims.iter().map(|&dim| Dim::Fixed(dim)));
        self.model.input("x", element, &dims.collect::<Vec<_>>())
    }

    /// Random numbers as an initializer, of a size that keeps the results near 1.
    pub fn weights(&mut self, dims: &[usize]) -> String {
        let count: usize = dims.iter().product();
        let reach = 2.0 / (dims[1..].iter().product::<usize>().max(1) as f32).sqrt();
        let values: Vec<f32> = (0..count).map(|_| (self.rng.f32() * 2.0 - 1.0) * reach).collect();
        let name = self.model.fresh("w");
        self.model.initializer(&name, dims, &values)
    }

    pub fn shape(&mut self, values: &[i64]) -> String {
        let name = self.model.fresh("shape");
        self.model.initializer(&name, &[values.len()], values)
    }

    pub fn node(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let name = self.model.fresh(&op.to_lowercase());
        self.model.node(op, &name, inputs, attributes)
    }

    /// A 3×3 convolution padded by 1.
    pub fn conv(&mut self, x: &str, from: usize, to: usize) -> String {
        let (w, b) = (self.weights(&[to, from, 3, 3]), self.weights(&[to]));
        self.node("Conv", &[x, &w, &b], &[("pads", ints(&[1, 1, 1, 1]))])
    }

    /// relu · max pooling by 2
    pub fn pooled(&mut self, x: &str) -> String {
        let x = self.node("Relu", &[x], &[]);
        let two = || ints(&[2, 2]);
        self.node("MaxPool", &[&x], &[("kernel_shape", two()), ("strides", two())])
    }

    /// A fully connected layer to the classes.
    pub fn gemm(&mut self, x: &str, from: usize) -> String {
        let (w, b) = (self.weights(&[CLASSES, from]), self.weights(&[CLASSES]));
        self.node("Gemm", &[x, &w, &b], &[("transB", int(1))])
    }

    /// flatten · fully connected
    pub fn classified(&mut self, x: &str, from: usize) -> String {
        let x = self.node("Flatten", &[x], &[]);
        self.gemm(&x, from)
    }

    /// What stands behind an image in most kinds: conv 1→4 · relu · pool · flatten · fc.
    pub fn rest(&mut self, x: &str) -> String {
        let x = self.conv(x, 1, 4);
        let x = self.pooled(&x);
        self.classified(&x, 4 * SIDE * SIDE / 4)
    }

    pub fn finish(mut self, y: &str) -> Vec<u8> {
        self.model.output(y, ElementType::F32, &[Dim::Symbol("N"), CLASSES.into()]);
        self.model.finish()
    }
}

/// The network that most kinds are another form of.
pub fn plain() -> Vec<u8> {
    image_net(17, |_, x| x.to_string())
}

/// An image, what `front` makes of it, and the rest.
pub(super) fn image_net(opset: i64, front: impl FnOnce(&mut Net, &str) -> String) -> Vec<u8> {
    let mut net = Net::new(opset);
    let x = net.input(&[1, SIDE, SIDE]);
    let x = front(&mut net, &x);
    let y = net.rest(&x);
    net.finish(&y)
}

/// The rest's layers, and what `end` makes of the logits.
pub(super) fn ending(opset: i64, end: impl FnOnce(&mut Net, &str) -> String) -> Vec<u8> {
    let mut net = Net::new(opset);
    let x = net.input(&[1, SIDE, SIDE]);
    let y = net.rest(&x);
    let y = end(&mut net, &y);
    net.finish(&y)
}

/// conv · relu · pool, and what `middle` makes of the 4×6×6 to the logits.
pub(super) fn middle(opset: i64, middle: impl FnOnce(&mut Net, &str) -> String) -> Vec<u8> {
    let mut net = Net::new(opset);
    let x = net.input(&[1, SIDE, SIDE]);
    let x = net.conv(&x, 1, 4);
    let x = net.pooled(&x);
    let y = middle(&mut net, &x);
    net.finish(&y)
}

/// Changes a finished file.
pub fn edited(onnx: &[u8], edit: impl FnOnce(&mut pb::ModelProto)) -> Vec<u8> {
    let mut model = pb::ModelProto::decode(onnx).expect("our own model decodes");
    edit(&mut model);
    model.encode_to_vec()
}

pub(super) fn graph(model: &mut pb::ModelProto) -> &mut pb::GraphProto {
    model.graph.as_mut().expect("our own model has a graph")
}
