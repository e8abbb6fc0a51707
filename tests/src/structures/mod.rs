//! Small networks of the structures that people use, as ONNX files with random weights: residual
//! and dense blocks, depthwise and grouped convolutions, average pooling, bounded and leaky ReLU.

mod blocks;
mod net;
pub mod outputs;

use converter::onnx::{Dim, ElementType, ModelBuilder};

use net::{Net, Value};

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
    /// Flattened images and vectors joined, with a function behind a flatten and one behind the joint.
    Joined,
}

pub const ALL: [Structure; 14] = [
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
    Structure::Joined,
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
        Structure::Joined => net.joined(image),
    };
    net.model.output(&logits, ElementType::F32, &[Dim::Symbol("batch"), CLASSES.into()]);
    net.model.finish()
}
