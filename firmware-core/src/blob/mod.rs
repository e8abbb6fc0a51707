//! A model as data: it can be replaced in the field, or be loaded by a program that does not know it.
//!
//! `converter … --emit blob` writes `model.blob`. [`Model::load`] checks it once: checksum, version,
//! every shape, every length and every place in memory. What it returns can be trusted: inference
//! never reads or writes outside of what is its own, whatever the blob holds. The layers call the
//! kernels that generated code calls, and give the same integers.
//!
//! ```no_run
//! use firmware_core::blob::{Model, Values};
//! # fn f(bytes: &[u8], image: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! let model = Model::load(bytes)?; // at a multiple of four bytes
//! let mut arena = vec![0; model.arena_words()]; // on a device: static, of a fixed size
//! let logits = model.infer(image, &mut arena, &mut ())?;
//! println!("{:?} of {:?}", logits.argmax(), model.labels().collect::<Vec<_>>());
//! # Ok(())
//! # }
//! ```
//!
//! To see the integers of every layer give [`Model::infer`] a [`Watch`] in place of `()`: it is called
//! with each layer's number and values. [`Model::layer`] says what the layer is.
//!
//! Weights lie in the order that the kernels of a target take ([`Layout`]), so a blob is for one family
//! of cores, or portable. A processor in flash must see it at a multiple of four bytes.

mod check;
mod data;
mod error;
pub mod format;
mod layout;
mod run;
mod shapes;
mod values;

pub use crate::crc32::crc32;
pub use error::{BlobError, Fault, InferError};
pub use format::{Element, Kind};
pub use layout::{LAYOUTS, Layout};
pub use values::{Values, Watch};

pub use crate::arch::Stored;

use crate::Window;
use format::{HEADER, RECORD, halves, header, record};

/// The name of the layout that this program takes: what `--kernels` must say.
pub const LAYOUT_NAME: &str = if Layout::NATIVE.to_word() == Layout::PORTABLE.to_word() {
    "portable"
} else {
    crate::KERNELS
};

/// Shape, type and scale of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValueInfo {
    /// Height, width and channels.
    pub shape: [usize; 3],
    /// The type of its integers.
    pub element: Element,
    /// The integer `q` stands for `(q - zero) * scale`.
    pub scale: f32,
    /// See `scale`.
    pub zero: i32,
}

impl ValueInfo {
    /// The number of elements.
    pub const fn len(&self) -> usize {
        let [height, width, channels] = self.shape;
        height * width * channels
    }

    /// Whether it has no element, which a loaded model's never are.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    const fn bytes(&self) -> usize {
        self.len() * self.element.bytes()
    }
}

/// Every kind of layer, on activations of both types.
pub const EVERYTHING: u32 = u32::MAX;

/// Activations that can be negative, in the `KINDS` of a [`Model`].
pub const SIGNED: u32 = 1 << 31;

/// The `KINDS` of a [`Model`] that takes these kinds of layers, on unsigned activations.
pub const fn kinds(kinds: &[Kind]) -> u32 {
    let (mut set, mut rest) = (0, kinds);
    while let [kind, after @ ..] = rest {
        set |= kind.bit();
        rest = after;
    }
    set
}

/// A blob that was checked.
///
/// `KINDS` says for what it is: a program that will only ever load models of some kinds of layers links
/// no others, and refuses them.
///
/// ```
/// use firmware_core::blob::{BlobError, Kind, Model, kinds};
/// type Small<'a> = Model<'a, { kinds(&[Kind::Conv2d, Kind::Conv2dMaxPool2d, Kind::FullyConnected]) }>;
/// assert!(matches!(Small::load_only(&[0; 10]), Err(BlobError::Truncated)));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Model<'a, const KINDS: u32 = EVERYTHING> {
    words: &'a [u32],
    records: &'a [[u32; RECORD]],
    /// Words that the values need, and scratch behind them.
    arena: [usize; 2],
    macs: u64,
}

/// One layer of a [`Model`].
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    kind: Kind,
    record: &'a [u32; RECORD],
    /// The inputs' numbers, and what follows them.
    inputs: &'a [u16],
    data: &'a [u32],
}

impl<'a> Model<'a> {
    /// [`Model::load_only`] of every kind of layer.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn load(blob: &'a [u8]) -> Result<Self, BlobError> {
        Self::load_only(blob)
    }
}

impl<'a, const KINDS: u32> Model<'a, KINDS> {
    /// Checks a blob. It must begin at a multiple of four bytes; what lies behind its end is not
    /// looked at, so that it may be given a whole sector of flash.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with it. Afterwards nothing can fail but [`Model::infer`], if it is lent too
    /// little.
    pub fn load_only(blob: &'a [u8]) -> Result<Self, BlobError> {
        let Model { words, records, arena, macs } = check::load(blob, KINDS)?;
        Ok(Self { words, records, arena, macs })
    }

    /// Whether the blob still is what it was when it was loaded, by its checksum: flash can lose bits.
    pub fn verify(&self) -> bool {
        check::checksum_holds(self.words)
    }

    /// The network's name.
    pub fn name(&self) -> &'a str {
        self.names().next().unwrap_or_default()
    }

    /// Names of the classes in the order of the outputs; none where nobody has named them.
    pub fn labels(&self) -> impl Iterator<Item = &'a str> + use<'a, KINDS> {
        self.names().skip(1)
    }

    fn names(&self) -> impl Iterator<Item = &'a str> + use<'a, KINDS> {
        let names = check::names(self.words).unwrap_or_default();
        names.split_terminator('\0')
    }

    /// SHA-256 of the file that the model was converted from.
    pub fn source_sha256(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let words = self.words.iter().skip(header::SOURCE);
        for (bytes, word) in bytes.chunks_exact_mut(4).zip(words) {
            bytes.iter_mut().zip(word.to_le_bytes()).for_each(|(to, from)| *to = from);
        }
        bytes
    }

    /// The input: the image.
    pub fn input(&self) -> ValueInfo {
        self.value(0)
    }

    /// The output: the logits, if its elements are `I32`.
    pub fn output(&self) -> ValueInfo {
        self.value(self.records.len())
    }

    /// Value 0 is the input, value `layer + 1` what layer number `layer` computes; the output for a
    /// number beyond the last one.
    pub fn value(&self, value: usize) -> ValueInfo {
        let layer = value.min(self.records.len()).checked_sub(1);
        match layer.and_then(|layer| self.records.get(layer)) {
            None => {
                let word = |at: usize| self.words.get(header::INPUT + at).copied().unwrap_or(0);
                let element = Element::of((word(1) >> 16) as u8).unwrap_or(Element::U8);
                value_info([word(0), word(1), word(2), word(3)], element)
            }
            Some(record) => self.of_record(record),
        }
    }

    /// What the layer with this record computes.
    fn of_record(&self, record: &[u32; RECORD]) -> ValueInfo {
        let element = Element::of(record[record::KIND].to_le_bytes()[1]);
        let [size, channels] = [record[record::OUTPUT], record[record::OUTPUT + 1]];
        let [scale, zero] = [record[record::SCALE], record[record::SCALE + 1]];
        value_info([size, channels, scale, zero], element.unwrap_or(Element::U8))
    }

    /// The number of layers.
    pub fn layers(&self) -> usize {
        self.records.len()
    }

    /// Layer number `index`, of [`Model::layers`].
    pub fn layer(&self, index: usize) -> Option<Layer<'a>> {
        check::layer(self.words, self.records.get(index)?).ok()
    }

    /// Words of 32 bits that [`Model::infer`] needs.
    pub fn arena_words(&self) -> usize {
        let [values, scratch] = self.arena;
        values + scratch
    }

    /// Multiply-accumulates of one inference.
    pub fn macs(&self) -> u64 {
        self.macs
    }
}

fn value_info([size, channels, scale, zero]: [u32; 4], element: Element) -> ValueInfo {
    let ([height, width], [channels, _]) = (halves(size), halves(channels));
    ValueInfo {
        shape: [height, width, channels],
        element,
        scale: f32::from_bits(scale),
        zero: zero as i32,
    }
}

impl<'a> Layer<'a> {
    /// What it computes.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The values that it reads; see [`Model::value`].
    pub fn inputs(&self) -> impl Iterator<Item = usize> + use<'a> {
        self.inputs.iter().map(|value| usize::from(*value))
    }

    /// How the windows of a convolution or a pooling lie on its input; of a [`Kind::Pad2d`] the border.
    pub fn window(&self) -> Window {
        self.window_at(record::WINDOW)
    }

    /// The windows of the pooling in a [`Kind::Conv2dMaxPool2d`].
    pub fn pool(&self) -> Window {
        self.window_at(record::POOL)
    }

    /// Weights of a convolution or a fully connected layer in the order of the blob's layout: in a
    /// portable one `[out][kernel row][kernel column][in]`, `[out][in]`, or `[kernel row][kernel
    /// column][out]` of a depthwise one. Empty for other kinds.
    pub fn weights<const K: u32>(&self, model: &Model<'a, K>) -> &'a [i8] {
        self.parameters(model).map_or(&[], |parameters| parameters.weights)
    }

    /// One bias per output channel, at the accumulators' scale. Empty for other kinds.
    pub fn bias<const K: u32>(&self, model: &Model<'a, K>) -> &'a [i32] {
        self.parameters(model).map_or(&[], |parameters| parameters.bias)
    }

    fn parameters<const K: u32>(&self, model: &Model<'a, K>) -> Option<data::Parameters<'a>> {
        let input = model.value(self.inputs().next()?);
        data::Parameters::of(self, input.shape, model.of_record(self.record))
    }

    fn window_at(&self, at: usize) -> Window {
        let word = |n: usize| self.record.get(at + n).copied().unwrap_or(0);
        format::window([word(0), word(1), word(2), word(3)])
    }

    fn in_place(&self) -> bool {
        self.record[record::KIND].to_le_bytes()[2] != 0
    }

    fn offset(&self) -> usize {
        self.record[record::OFFSET] as usize
    }

    fn padding_value(&self) -> i32 {
        i32::from((self.record[record::OUTPUT + 1] >> 16) as i16)
    }

    fn extra(&self) -> [i32; 2] {
        [self.record[record::EXTRA] as i32, self.record[record::EXTRA + 1] as i32]
    }
}

const _: () = assert!(HEADER == header::SOURCE + 8 && RECORD == record::EXTRA + 2);
