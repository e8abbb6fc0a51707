//! Small networks of several inputs as ONNX files with random weights.

use std::fs;
use std::path::Path;

use converter::onnx::{Attribute, Dim, ElementType, ModelBuilder};
use inkling_data::Dataset;
use inkling_data::read::labels;

pub const CLASSES: usize = 4;

/// How the branches meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// A picture, three sensors over time and five numbers, each behind layers of its own.
    Concat,
    /// A picture and five numbers, added.
    Add,
    /// Two inputs of five numbers as they are, once added and once side by side.
    Bare,
    /// A picture and a second one of two channels, side by side in front of a convolution.
    Early,
    /// A picture behind a convolution and a second as it is, flattened beside five numbers.
    Flattened,
}

pub const ALL: [Join; 5] = [Join::Concat, Join::Add, Join::Bare, Join::Early, Join::Flattened];

impl Join {
    /// Names and shapes (height, width, channels) of the inputs, in the order of the file.
    pub fn inputs(self) -> &'static [(&'static str, [usize; 3])] {
        match self {
            Join::Concat => {
                &[("image", [12, 12, 1]), ("pen.movement", [1, 16, 3]), ("numbers", [1, 1, 5])]
            }
            Join::Add => &[("gather_1", [12, 12, 1]), ("numbers", [1, 1, 5])],
            Join::Bare => &[("left", [1, 1, 5]), ("right", [1, 1, 5])],
            Join::Early => &[("shape", [8, 8, 1]), ("x", [8, 8, 2])],
            Join::Flattened => &[("a", [7, 6, 1]), ("b", [3, 4, 2]), ("numbers", [1, 1, 5])],
        }
    }

    /// Values of a sample.
    pub fn size(self) -> usize {
        self.inputs().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    /// Random samples: all inputs one after another.
    pub fn samples(self, seed: u64, count: usize) -> Dataset {
        let mut rng = fastrand::Rng::with_seed(seed);
        let samples = (0..count * self.size()).map(|_| rng.u8(..)).collect();
        let classes = (0..count).map(|index| (index % CLASSES) as u16).collect();
        Dataset::new([1, 1, self.size()], samples, classes, labels::numbers(CLASSES))
    }

    /// Writes samples as arrays by the names of the inputs, and their labels, for a part of a data set.
    pub fn write_arrays(self, folder: &Path, part: &str, samples: &Dataset) {
        let mut first = 0;
        for (name, shape) in self.inputs() {
            let size: usize = shape.iter().product();
            let values = samples.images().flat_map(|sample| sample[first..first + size].to_vec());
            let dims = [&[samples.len()][..], shape].concat();
            npy(folder, &format!("{name}_{part}"), "|u1", &dims, values.collect());
            first += size;
        }
        let labels = samples.labels.iter().map(|&label| label as u8).collect();
        npy(folder, &format!("y_{part}"), "|u1", &[samples.len()], labels);
    }

    /// The file.
    pub fn onnx(self, seed: u64) -> Vec<u8> {
        let mut net = Net {
            model: ModelBuilder::new("several").with_opset(17),
            rng: fastrand::Rng::with_seed(seed),
            nodes: 0,
        };
        let inputs: Vec<String> = self
            .inputs()
            .iter()
            .map(|&(name, [height, width, channels])| {
                let dims: Vec<usize> = match (height, width) {
                    (1, 1) => vec![channels],
                    (1, _) => vec![channels, width],
                    _ => vec![channels, height, width],
                };
                let dims = dims.into_iter().map(Dim::from);
                let dims: Vec<Dim> = std::iter::once(Dim::Symbol("N")).chain(dims).collect();
                net.model.input(name, ElementType::F32, &dims)
            })
            .collect();
        let joined = match (self, &inputs[..]) {
            (Join::Concat, [image, movement, numbers]) => {
                let image = net.convolved(image, &[6, 1, 3, 3]);
                let image = net.connected(&image, 6 * 10 * 10, 7);
                let movement = net.convolved(movement, &[4, 3, 3]);
                let movement = net.connected(&movement, 4 * 14, 6);
                let numbers = net.connected(numbers, 5, 3);
                net.joined("Concat", &[&image, &movement, &numbers])
            }
            (Join::Add, [image, numbers]) => {
                let image = net.convolved(image, &[6, 1, 3, 3]);
                let image = net.connected(&image, 6 * 10 * 10, 16);
                let numbers = net.connected(numbers, 5, 16);
                let sum = net.joined("Add", &[&image, &numbers]);
                net.node("Relu", &[&sum], &[])
            }
            (Join::Bare, [left, right]) => {
                let sum = net.joined("Add", &[left, right]);
                let sum = net.connected(&sum, 5, 6);
                let both = net.joined("Concat", &[left, right]);
                net.joined("Concat", &[&sum, &both])
            }
            (Join::Early, [shape, colour]) => {
                let both = net.joined("Concat", &[shape, colour]);
                let both = net.convolved(&both, &[5, 3, 3, 3]);
                net.connected(&both, 5 * 6 * 6, 16)
            }
            (Join::Flattened, [a, b, numbers]) => {
                let a = net.convolved(a, &[3, 1, 3, 3]);
                let a = net.node("Flatten", &[&a], &[]);
                let b = net.node("Flatten", &[b], &[]);
                let numbers = net.connected(numbers, 5, 3);
                let all = net.joined("Concat", &[&a, &numbers, &b]);
                net.connected(&all, 3 * 5 * 4 + 3 + 24, 16)
            }
            _ => unreachable!("as many inputs as are declared"),
        };
        let logits = net.linear(&joined, 16, CLASSES);
        net.model.output(&logits, ElementType::F32, &[Dim::Symbol("N"), CLASSES.into()]);
        net.model.finish()
    }
}

/// Writes a NumPy array of elements `kind`, such as `<f4`.
pub fn npy(folder: &Path, name: &str, kind: &str, shape: &[usize], body: Vec<u8>) {
    let shape: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}\n");
    let length = (header.len() as u16).to_le_bytes();
    let file = [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &body].concat();
    fs::create_dir_all(folder).expect("the folder is made");
    fs::write(folder.join(format!("{name}.npy")), file).expect("is written");
}

struct Net {
    model: ModelBuilder,
    rng: fastrand::Rng,
    nodes: usize,
}

impl Net {
    fn node(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        self.nodes += 1;
        self.model.node(op, &format!("{op}_{}", self.nodes), inputs, attributes)
    }

    fn weights(&mut self, dims: &[usize], scale: f32) -> String {
        self.nodes += 1;
        let count = dims.iter().product();
        let values: Vec<f32> = (0..count).map(|_| (self.rng.f32() * 2.0 - 1.0) * scale).collect();
        self.model.initializer(&format!("weights_{}", self.nodes), dims, &values)
    }

    /// A convolution without padding, and a ReLU.
    fn convolved(&mut self, x: &str, weights: &[usize]) -> String {
        let fan_in: usize = weights[1..].iter().product();
        let w = self.weights(weights, 1.7 / (fan_in as f32).sqrt());
        let b = self.weights(&weights[..1], 0.1);
        let y = self.node("Conv", &[x, &w, &b], &[]);
        self.node("Relu", &[&y], &[])
    }

    fn linear(&mut self, x: &str, inputs: usize, outputs: usize) -> String {
        let w = self.weights(&[outputs, inputs], 1.7 / (inputs as f32).sqrt());
        let b = self.weights(&[outputs], 0.1);
        self.node("Gemm", &[x, &w, &b], &[("transB", Attribute::Int(1))])
    }

    /// Flattened, connected, and a ReLU.
    fn connected(&mut self, x: &str, inputs: usize, outputs: usize) -> String {
        let x = self.node("Flatten", &[x], &[]);
        let y = self.linear(&x, inputs, outputs);
        self.node("Relu", &[&y], &[])
    }

    fn joined(&mut self, op: &str, values: &[&str]) -> String {
        let axis = [("axis", Attribute::Int(1))];
        self.node(op, values, if op == "Concat" { &axis } else { &[] })
    }
}
