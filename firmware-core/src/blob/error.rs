//! What can be wrong with a blob.

use core::fmt;

/// Why a blob is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobError {
    /// It does not begin at a multiple of four bytes.
    Alignment,
    /// It is shorter than it says, or no whole number of words.
    Truncated,
    /// It is no blob.
    Magic,
    /// It is of another version of the format, which it names.
    Version(u32),
    /// Its weights lie in the order of another target's kernels.
    Layout,
    /// Its bytes are not those that were written.
    Checksum,
    /// The header or the names are wrong.
    Header,
    /// What layer number `.0` says does not fit.
    Layer(usize, Fault),
    /// The processor is big-endian.
    Endianness,
}

/// What does not fit in a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The kind of layer is not known, or not among those that the program takes.
    Kind,
    /// Its inputs are not values that exist, or not as many as the kind reads.
    Inputs,
    /// An element type that is not known or not possible here.
    Element,
    /// The sizes of inputs, result and window do not belong together, or are too large.
    Shape,
    /// The window.
    Window,
    /// The data has not the length that the shapes ask for.
    Data,
    /// A number is out of its range.
    Number,
    /// The result lies outside of the arena, or on a value that is still needed.
    Arena,
}

impl fmt::Display for BlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Alignment => "the blob must begin at a multiple of 4 bytes",
            Self::Truncated => "the blob is not as long as it says",
            Self::Magic => "this is no blob of a model",
            Self::Version(version) => {
                return write!(f, "the blob has version {version}; this program reads version 1");
            }
            Self::Layout => {
                return write!(
                    f,
                    "the blob's weights lie in another order than the kernels here take; write it \
                     with `--kernels {}`",
                    crate::blob::LAYOUT_NAME
                );
            }
            Self::Checksum => "the blob was changed or damaged: its checksum is wrong",
            Self::Header => "the blob's header contradicts itself",
            Self::Layer(layer, fault) => {
                let what = match fault {
                    Fault::Kind => "is of a kind that this program does not have",
                    Fault::Inputs => "reads values that there are not",
                    Fault::Element => "has an element type that does not fit",
                    Fault::Shape => "has sizes that do not fit",
                    Fault::Window => "has a window that does not fit",
                    Fault::Data => "has data of another length than its sizes ask for",
                    Fault::Number => "has a number out of its range",
                    Fault::Arena => "writes where it must not",
                };
                return write!(f, "layer {layer} of the blob {what}");
            }
            Self::Endianness => "blobs are for little-endian processors",
        };
        f.write_str(text)
    }
}

impl core::error::Error for BlobError {}

/// Why an inference was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InferError {
    /// The input has not [`Model::input`](super::Model::input)'s number of elements.
    Input,
    /// The arena has less than [`Model::arena_words`](super::Model::arena_words) words.
    Arena,
}

impl fmt::Display for InferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "the input has another number of elements than the model's",
            Self::Arena => "the arena has less words than the model needs",
        })
    }
}

impl core::error::Error for InferError {}
