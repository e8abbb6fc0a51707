//! What a model says about itself.

/// The layout of generated models that this crate understands. It changes when a model that was
/// generated before would not compile, or would compute something else; each model compares it with
/// its own while it is compiled.
pub const MODEL_SCHEMA: u32 = 2;

/// A model's identity, shapes and cost. A generated model carries one as its `INFO`.
///
/// Fields may be added: who makes one himself ends it with `..ModelInfo::DEFAULT`, as generated
/// models do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// The network's name.
    pub name: &'static str,
    /// SHA-256 of the float ONNX file the model was converted from.
    pub source_sha256: [u8; 32],
    /// Height, width and channels of the image.
    pub input: [usize; 3],
    /// Number of logits.
    pub classes: usize,
    /// Bytes of arena one inference needs.
    pub arena_bytes: usize,
    /// Bytes of weights, biases and requantizations.
    pub weight_bytes: usize,
    /// Multiply-accumulates per image.
    pub macs: usize,
    /// A logit's value is its integer times 2^-`logit_exponent`.
    pub logit_exponent: i32,
    /// The layers, in the order they run.
    pub layers: &'static [LayerInfo],
}

impl ModelInfo {
    /// A model without a name or layers.
    pub const DEFAULT: Self = Self {
        name: "",
        source_sha256: [0; 32],
        input: [0; 3],
        classes: 0,
        arena_bytes: 0,
        weight_bytes: 0,
        macs: 0,
        logit_exponent: 0,
        layers: &[],
    };
}

/// One layer of a [`ModelInfo`]. Fields may be added, as there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerInfo {
    /// The layer's name in the model, such as `conv1`.
    pub name: &'static str,
    /// What it computes.
    pub kind: LayerKind,
    /// Height, width and channels of its output; a fully connected layer has height and width 1.
    pub output: [usize; 3],
    /// Multiply-accumulates per image.
    pub macs: usize,
    /// Bytes of weights, biases and requantizations.
    pub weight_bytes: usize,
    /// An input's value is its integer times 2^-`input_exponent`; of several inputs, the first
    /// one's.
    pub input_exponent: i32,
    /// An output's value is its integer times 2^-`output_exponent`.
    pub output_exponent: i32,
}

impl LayerInfo {
    /// A layer without a name or values.
    pub const DEFAULT: Self = Self {
        name: "",
        kind: LayerKind::Conv2d,
        output: [0; 3],
        macs: 0,
        weight_bytes: 0,
        input_exponent: 0,
        output_exponent: 0,
    };
}

/// The kernel a layer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayerKind {
    /// [`kernels::conv2d`](crate::kernels::conv2d)
    Conv2d,
    /// [`kernels::conv2d_max_pool2d`](crate::kernels::conv2d_max_pool2d)
    Conv2dMaxPool2d,
    /// [`kernels::max_pool2d`](crate::kernels::max_pool2d)
    MaxPool2d,
    /// [`kernels::fully_connected`](crate::kernels::fully_connected)
    FullyConnected,
    /// [`kernels::depthwise_conv2d`](crate::kernels::depthwise_conv2d)
    DepthwiseConv2d,
    /// [`kernels::grouped_conv2d`](crate::kernels::grouped_conv2d)
    GroupedConv2d,
    /// [`kernels::average_pool2d`](crate::kernels::average_pool2d)
    AveragePool2d,
    /// [`kernels::add`](crate::kernels::add)
    Add,
    /// [`kernels::concat`](crate::kernels::concat)
    Concat,
    /// [`kernels::leaky_relu`](crate::kernels::leaky_relu)
    LeakyRelu,
    /// [`kernels::lookup`](crate::kernels::lookup)
    Lookup,
    /// [`kernels::elementwise`](crate::kernels::elementwise) of [`AffineAdd`](crate::AffineAdd) or
    /// [`FloatAdd`](crate::FloatAdd)
    AffineAdd,
    /// [`kernels::elementwise`](crate::kernels::elementwise) of [`AffineMul`](crate::AffineMul)
    AffineMul,
    /// [`kernels::mean_pool2d`](crate::kernels::mean_pool2d)
    MeanPool2d,
    /// [`kernels::pad2d`](crate::kernels::pad2d)
    Pad2d,
    /// [`kernels::elementwise`](crate::kernels::elementwise) of [`Product`](crate::Product)
    Mul,
    /// [`kernels::gather`](crate::kernels::gather)
    Gather,
    /// [`kernels::prelu`](crate::kernels::prelu)
    PRelu,
    /// [`kernels::average_pool2d_inside`](crate::kernels::average_pool2d_inside)
    AveragePool2dInside,
    /// [`kernels::float_mean_pool2d`](crate::kernels::float_mean_pool2d)
    FloatMeanPool2d,
}

impl LayerKind {
    /// The kernel's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conv2d => "conv2d",
            Self::Conv2dMaxPool2d => "conv2d_max_pool2d",
            Self::MaxPool2d => "max_pool2d",
            Self::FullyConnected => "fully_connected",
            Self::DepthwiseConv2d => "depthwise_conv2d",
            Self::GroupedConv2d => "grouped_conv2d",
            Self::AveragePool2d => "average_pool2d",
            Self::Add => "add",
            Self::Concat => "concat",
            Self::LeakyRelu => "leaky_relu",
            Self::Lookup => "lookup",
            Self::AffineAdd => "affine_add",
            Self::AffineMul => "affine_mul",
            Self::MeanPool2d => "mean_pool2d",
            Self::Pad2d => "pad2d",
            Self::Mul => "mul",
            Self::Gather => "gather",
            Self::PRelu => "prelu",
            Self::AveragePool2dInside => "average_pool2d_inside",
            Self::FloatMeanPool2d => "float_mean_pool2d",
        }
    }
}
