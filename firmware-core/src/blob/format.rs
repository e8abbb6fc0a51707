//! Where everything lies in a blob: the one description that its reader and its writer share.
//!
//! A blob is a sequence of 32-bit words, little-endian: a header of [`HEADER`] words, a record of
//! [`RECORD`] words for each layer, the data of the layers, the names, and at the end the CRC-32 of
//! everything before it. All places are counted in words from the beginning.
//!
//! Value 0 is the input, value `i + 1` what layer `i` computes; a layer reads earlier values.

use crate::Window;
use crate::arch::Stored;

/// The first two words.
pub const MAGIC: [u32; 2] = [u32::from_le_bytes(*b"inkl"), u32::from_le_bytes(*b"blob")];

/// The version that is written and read.
pub const VERSION: u32 = 1;

/// Words of the header.
pub const HEADER: usize = 21;

/// Words of a layer's record.
pub const RECORD: usize = 18;

/// Words of a requantization.
pub const REQUANTIZATION: usize = size_of::<Stored>() / 4;

/// Most elements of a value, so that no product of sizes can wrap on a 32-bit core.
pub const MOST_ELEMENTS: usize = 1 << 22;

/// Most bytes of activation memory.
pub const MOST_ARENA: usize = 1 << 28;

/// Most layers.
pub const MOST_LAYERS: usize = 1024;

/// Words of the header.
pub mod header {
    /// Two words: see [`MAGIC`](super::MAGIC).
    pub const MAGIC: usize = 0;
    /// See [`VERSION`](super::VERSION).
    pub const VERSION: usize = 2;
    /// The bytes of [`Layout`](crate::blob::Layout).
    pub const LAYOUT: usize = 3;
    /// Bytes of the whole blob.
    pub const LENGTH: usize = 4;
    /// Bytes of activation memory.
    pub const ARENA: usize = 5;
    /// Number of layers, and of labels in the upper half.
    pub const COUNTS: usize = 6;
    /// The input: height and width, channels and element type, `f32` scale, zero point.
    pub const INPUT: usize = 7;
    /// Where the names lie, and their bytes: the network's and the labels, UTF-8, each ended by a 0.
    pub const NAMES: usize = 11;
    /// Eight words: SHA-256 of the file that the model was converted from.
    pub const SOURCE: usize = 13;
}

/// Words of a layer's record.
pub mod record {
    /// From the lowest byte: kind, element type of the result, 1 where the result takes an input's
    /// place, number of inputs.
    pub const KIND: usize = 0;
    /// The result: height and width, channels and in the upper half what lies on the padding.
    pub const OUTPUT: usize = 1;
    /// Where the result lies in the arena, in bytes.
    pub const OFFSET: usize = 3;
    /// What the result's integers stand for: `f32` scale and zero point.
    pub const SCALE: usize = 4;
    /// Where the data lies, and how many words it has: first the inputs' numbers, two to a word.
    pub const DATA: usize = 6;
    /// Four words: kernel, stride and dilation (rows, columns in the upper half), and the padding's
    /// four bytes.
    pub const WINDOW: usize = 8;
    /// The same of the pooling that follows in the layer.
    pub const POOL: usize = 12;
    /// Two numbers whose meaning is the kind's.
    pub const EXTRA: usize = 16;
}

/// The element type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Element {
    /// Eight bits, never negative.
    U8 = 0,
    /// Eight bits.
    I8 = 1,
    /// Accumulators, which only the last layer gives.
    I32 = 2,
}

impl Element {
    pub(super) const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::U8,
            1 => Self::I8,
            2 => Self::I32,
            _ => return None,
        })
    }

    /// Bytes of one element.
    pub const fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I32 => 4,
        }
    }
}

/// What a layer computes, and what its data holds behind its inputs. `C` is the number of output
/// channels; what is not a number of words is filled up with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Biases `[i32; C]`; unless the result is `I32`, C requantizations; sums of the weights
    /// `[i32; C]` if the layout has them; weights `[C][kernel][in]` in the layout's order, with its
    /// tail.
    Conv2d = 0,
    /// The same, with a pooling behind it; it has zeros on its padding.
    Conv2dMaxPool2d = 1,
    /// Biases, requantizations, weights `[kernel][C]`.
    DepthwiseConv2d = 2,
    /// Biases, requantizations, weights `[C][kernel][in / groups]`; extra: groups.
    GroupedConv2d = 3,
    /// Biases; unless the result is `I32`, requantizations; weights `[C][in]` in the layout's order.
    FullyConnected = 4,
    /// Nothing.
    MaxPool2d = 5,
    /// A requantization; extra: what is added to the sum before.
    AveragePool2d = 6,
    /// A requantization, and the reciprocals `[i32; pixels of the window]`.
    AveragePool2dInside = 7,
    /// Nothing; extra: least and greatest result.
    MeanPool2d = 8,
    /// A requantization; extra: by how many bits each input is shifted left. In place of the second.
    Add = 9,
    /// A requantization. In place of the first.
    Mul = 10,
    /// For each input a word with the multiplier and one with the exponent (lowest byte) and in the
    /// upper half the zero point; a requantization. In place of the first.
    AffineAdd = 11,
    /// A requantization; extra: the zero points of the inputs. In place of the first.
    AffineMul = 12,
    /// Nothing. All inputs are of the result's type, and have its rows and columns, unless it is a vector.
    Concat = 13,
    /// Nothing; extra: slope and bits. In place.
    LeakyRelu = 14,
    /// C requantizations, slopes `[i16; C]`. In place.
    PRelu = 15,
    /// 256 entries. In place.
    Lookup = 16,
    /// Rows, columns and channels that are picked, `u16` one behind the other.
    Gather = 17,
    /// Nothing; the window's padding is the border, and what lies on the padding its value.
    Pad2d = 18,
}

impl Kind {
    pub(super) const fn of(byte: u8) -> Option<Self> {
        const ALL: [Kind; 19] = [
            Kind::Conv2d,
            Kind::Conv2dMaxPool2d,
            Kind::DepthwiseConv2d,
            Kind::GroupedConv2d,
            Kind::FullyConnected,
            Kind::MaxPool2d,
            Kind::AveragePool2d,
            Kind::AveragePool2dInside,
            Kind::MeanPool2d,
            Kind::Add,
            Kind::Mul,
            Kind::AffineAdd,
            Kind::AffineMul,
            Kind::Concat,
            Kind::LeakyRelu,
            Kind::PRelu,
            Kind::Lookup,
            Kind::Gather,
            Kind::Pad2d,
        ];
        if (byte as usize) < ALL.len() { Some(ALL[byte as usize]) } else { None }
    }

    /// Its bit in the `KINDS` of a [`Model`](super::Model).
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// The input, by number, whose place the result may take.
    pub(super) const fn place(self) -> Option<usize> {
        match self {
            Self::Add => Some(1),
            Self::Mul
            | Self::AffineAdd
            | Self::AffineMul
            | Self::LeakyRelu
            | Self::PRelu
            | Self::Lookup => Some(0),
            _ => None,
        }
    }

    /// Whether it reads two values; [`Kind::Concat`] reads any number.
    pub(super) const fn reads_two(self) -> bool {
        matches!(self, Self::Add | Self::Mul | Self::AffineAdd | Self::AffineMul)
    }

    /// The name of the kernel.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conv2d => "conv2d",
            Self::Conv2dMaxPool2d => "conv2d_max_pool2d",
            Self::DepthwiseConv2d => "depthwise_conv2d",
            Self::GroupedConv2d => "grouped_conv2d",
            Self::FullyConnected => "fully_connected",
            Self::MaxPool2d => "max_pool2d",
            Self::AveragePool2d => "average_pool2d",
            Self::AveragePool2dInside => "average_pool2d_inside",
            Self::MeanPool2d => "mean_pool2d",
            Self::Add => "add",
            Self::Mul => "mul",
            Self::AffineAdd => "affine_add",
            Self::AffineMul => "affine_mul",
            Self::Concat => "concat",
            Self::LeakyRelu => "leaky_relu",
            Self::PRelu => "prelu",
            Self::Lookup => "lookup",
            Self::Gather => "gather",
            Self::Pad2d => "pad2d",
        }
    }
}

/// The two halves of a word.
pub(super) const fn halves(word: u32) -> [usize; 2] {
    [(word & 0xffff) as usize, (word >> 16) as usize]
}

/// A window of four words.
pub(super) const fn window([kernel, stride, dilation, padding]: [u32; 4]) -> Window {
    let [top, left, bottom, right] = padding.to_le_bytes();
    Window {
        kernel: halves(kernel),
        stride: halves(stride),
        dilation: halves(dilation),
        padding: [top as usize, left as usize, bottom as usize, right as usize],
    }
}
