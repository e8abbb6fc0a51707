//! Networks with several outputs.

use converter::onnx::{Attribute, Dim, ElementType, ModelBuilder};

use super::net::{Net, Value, same, valid};
use super::{CLASSES, SIDE};

/// What a network gives beside, or instead of, one classifier's logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// A classifier behind the others in the file, a box, a vector and two images that other layers read:
    /// one behind a ReLU, one signed.
    Heads,
    /// One classifier's logits, probabilities and answer, and a second classifier that branches off earlier.
    TwoClassifiers,
    /// An image and a mean of it: nothing classifies.
    NoClassifier,
    /// The logits of few classes are read by the layers behind them; names that generated code and
    /// `int8.onnx` must change.
    Read,
    /// Two images: nothing classifies, and none is a vector.
    Images,
    /// A single image of two channels, behind a skip connection as in a U-Net.
    Segmented,
    /// A single image, made smaller and larger again, behind a sigmoid and flattened.
    Restored,
}

/// Those with several outputs.
pub const ALL: [Outputs; 5] = [
    Outputs::Heads,
    Outputs::TwoClassifiers,
    Outputs::NoClassifier,
    Outputs::Read,
    Outputs::Images,
];

/// Those with a single one.
pub const SINGLE: [Outputs; 2] = [Outputs::Segmented, Outputs::Restored];

/// A network with these outputs, whose weights are drawn by `seed`.
pub fn network(outputs: Outputs, seed: u64) -> Vec<u8> {
    let mut net = Net {
        model: ModelBuilder::new("outputs").with_opset(17),
        rng: fastrand::Rng::with_seed(seed ^ (outputs as u64) << 24),
        opset: 17,
        nodes: 0,
    };
    let side = Dim::Fixed(SIDE);
    let dims = [Dim::Symbol("batch"), 1.into(), side.clone(), side];
    let input = net.model.input("input", ElementType::F32, &dims);
    let image = Value { name: input, channels: 1, size: [SIDE, SIDE] };
    match outputs {
        Outputs::Heads => net.heads(&image),
        Outputs::TwoClassifiers => net.two_classifiers(&image),
        Outputs::NoClassifier => net.no_classifier(&image),
        Outputs::Read => net.read(&image),
        Outputs::Images => net.images(&image),
        Outputs::Segmented => net.segmented(&image),
        Outputs::Restored => net.restored(&image),
    }
    net.model.finish()
}

impl Net {
    /// Makes a value an output of this name.
    fn output(&mut self, name: &str, value: &Value) {
        self.typed_output(name, value, ElementType::F32);
    }

    fn typed_output(&mut self, name: &str, value: &Value, element: ElementType) {
        let renamed = self.model.node("Identity", name, &[&value.name], &[]);
        let mut dims = vec![Dim::Symbol("batch")];
        if element == ElementType::F32 {
            dims.push(value.channels.into());
        }
        if value.size != [1, 1] {
            dims.extend(value.size.map(Dim::from));
        }
        self.model.output(&renamed, element, &dims);
    }

    fn heads(&mut self, image: &Value) {
        let x = self.conv(image, 6, same(3, 1), 1);
        let features = self.relu(&x);
        self.output("features", &features);
        let x = self.pool("MaxPool", &features, valid(2, 2));
        let map = self.conv(&x, 4, valid(3, 1), 1);
        self.output("map", &map);
        let x = self.relu(&map);
        let x = self.flatten(&x);
        let x = self.fully_connected(&x, 12);
        let embedding = self.relu(&x);
        let x = self.fully_connected(&embedding, 4);
        let corners = self.unary("Sigmoid", &x, &[]);
        self.output("box", &corners);
        let x = self.fully_connected(&embedding, CLASSES);
        let class = self.unary("Softmax", &x, &[("axis", Attribute::Int(1))]);
        self.output("class", &class);
        self.output("embedding", &embedding);
    }

    fn two_classifiers(&mut self, image: &Value) {
        let x = self.conv(image, 6, same(3, 2), 1);
        let x = self.relu(&x);
        let flat = self.flatten(&x);
        let coarse = self.fully_connected(&flat, 3);
        let coarse = self.unary("LogSoftmax", &coarse, &[("axis", Attribute::Int(1))]);
        let x = self.conv(&x, 5, valid(3, 1), 1);
        let x = self.relu(&x);
        let flat = self.flatten(&x);
        let logits = self.fully_connected(&flat, CLASSES);
        self.output("logits", &logits);
        let probabilities = self.unary("Softmax", &logits, &[("axis", Attribute::Int(1))]);
        self.output("probabilities", &probabilities);
        let best = [("axis", Attribute::Int(1)), ("keepdims", Attribute::Int(0))];
        let best = self.unary("ArgMax", &probabilities, &best);
        self.typed_output("best", &best, ElementType::I64);
        self.output("coarse", &coarse);
    }

    fn no_classifier(&mut self, image: &Value) {
        let x = self.conv(image, 5, same(3, 1), 1);
        let x = self.relu(&x);
        let x = self.conv(&x, 1, same(3, 1), 1);
        let picture = self.unary("Sigmoid", &x, &[]);
        self.output("image", &picture);
        let y = self.conv(&x, 7, valid(3, 2), 1);
        let y = self.relu(&y);
        let level = self.global_average(&y);
        let level = self.flatten(&level);
        self.output("level", &level);
    }

    fn images(&mut self, image: &Value) {
        let x = self.conv(image, 4, same(3, 2), 1);
        let x = self.relu(&x);
        let a = self.conv(&x, 2, same(3, 1), 1);
        let a = self.unary("LogSoftmax", &a, &[("axis", Attribute::Int(1))]);
        self.output("coarse", &a);
        let b = self.resize(&x, [SIDE, SIDE]);
        let b = self.conv(&b, 3, same(3, 1), 1);
        self.output("fine", &b);
    }

    fn segmented(&mut self, image: &Value) {
        let skip = self.conv(image, 4, same(3, 1), 1);
        let skip = self.relu(&skip);
        let x = self.pool("MaxPool", &skip, valid(2, 2));
        let x = self.conv(&x, 6, same(3, 1), 1);
        let x = self.relu(&x);
        let x = self.resize(&x, [SIDE, SIDE]);
        let x = self.concat(&[&skip, &x]);
        let x = self.conv(&x, 2, same(1, 1), 1);
        let best = [("axis", Attribute::Int(1)), ("keepdims", Attribute::Int(0))];
        let x = self.unary("ArgMax", &x, &best);
        self.typed_output("mask", &x, ElementType::I64);
    }

    fn restored(&mut self, image: &Value) {
        let x = self.conv(image, 5, same(3, 2), 1);
        let x = self.relu(&x);
        let x = self.resize(&x, [SIDE, SIDE]);
        let x = self.conv(&x, 2, same(3, 1), 1);
        let x = self.unary("Sigmoid", &x, &[]);
        let x = self.flatten(&x);
        self.output("restored", &x);
    }

    fn read(&mut self, image: &Value) {
        let x = self.conv(image, 4, valid(4, 4), 1);
        let x = self.relu(&x);
        let flat = self.flatten(&x);
        self.output("fully_connected_1", &flat);
        let coarse = self.fully_connected(&flat, 3);
        self.output("1/coarse:0", &coarse);
        let fine = self.fully_connected(&coarse, CLASSES);
        self.output("type", &fine);
    }
}
