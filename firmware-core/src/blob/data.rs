//! What a layer's data consists of.

use bytemuck::must_cast_slice;

use super::format::{Kind, REQUANTIZATION};
use super::{Element, Layer, Layout, Stored, ValueInfo};

/// Takes what comes next from a layer's data.
pub(super) struct Reader<'a>(pub &'a [u32]);

impl<'a> Reader<'a> {
    fn words(&mut self, count: usize) -> Option<&'a [u32]> {
        let taken = self.0.get(..count)?;
        self.0 = self.0.get(count..)?;
        Some(taken)
    }

    pub(super) fn i32s(&mut self, count: usize) -> Option<&'a [i32]> {
        Some(must_cast_slice(self.words(count)?))
    }

    pub(super) fn i8s(&mut self, count: usize) -> Option<&'a [i8]> {
        must_cast_slice(self.words(count.div_ceil(4))?).get(..count)
    }

    pub(super) fn u8s(&mut self, count: usize) -> Option<&'a [u8]> {
        must_cast_slice(self.words(count.div_ceil(4))?).get(..count)
    }

    pub(super) fn u16s(&mut self, count: usize) -> Option<&'a [u16]> {
        must_cast_slice(self.words(count.div_ceil(2))?).get(..count)
    }

    pub(super) fn i16s(&mut self, count: usize) -> Option<&'a [i16]> {
        must_cast_slice(self.words(count.div_ceil(2))?).get(..count)
    }

    pub(super) fn stored(&mut self, count: usize) -> Option<&'a [Stored]> {
        let words = self.words(count.checked_mul(REQUANTIZATION)?)?;
        bytemuck::try_cast_slice(words).ok()
    }

    pub(super) fn one_stored(&mut self) -> Option<Stored> {
        self.stored(1)?.first().copied()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }
}

/// Weights, and what there is for each output channel.
pub(super) struct Parameters<'a> {
    pub bias: &'a [i32],
    /// None for accumulators.
    pub requantize: &'a [Stored],
    /// None where the layout has none.
    pub sums: &'a [i32],
    /// With the layout's tail.
    pub weights: &'a [i8],
    tail: usize,
}

impl<'a> Parameters<'a> {
    /// The parameters of a layer that reads a value of the shape `input`; `None` for other kinds, and
    /// if the data is not as long as the shapes say.
    pub(super) fn of(layer: &Layer<'a>, input: [usize; 3], output: ValueInfo) -> Option<Self> {
        let [height, width, depth] = input;
        let [.., channels] = output.shape;
        let [kernel_height, kernel_width] = layer.window().kernel;
        let area = kernel_height.checked_mul(kernel_width)?;
        let (channels, taps, is_dense) = match layer.kind {
            Kind::Conv2d | Kind::Conv2dMaxPool2d => (channels, area.checked_mul(depth)?, true),
            Kind::DepthwiseConv2d => (channels, area, false),
            Kind::GroupedConv2d => {
                let groups = usize::try_from(layer.extra()[0]).ok()?;
                (channels, area.checked_mul(depth.checked_div(groups)?)?, false)
            }
            Kind::FullyConnected => {
                (output.len(), height.checked_mul(width)?.checked_mul(depth)?, false)
            }
            _ => return None,
        };
        let (sums, tail) = match is_dense {
            true => (Layout::NATIVE.sums != 0, Layout::NATIVE.tail),
            false => (false, 0),
        };
        let weights = channels.checked_mul(taps)?.checked_add(tail.into())?;
        let mut data = Reader(layer.data);
        let parameters = Self {
            bias: data.i32s(channels)?,
            requantize: data.stored(if output.element == Element::I32 { 0 } else { channels })?,
            sums: data.i32s(if sums { channels } else { 0 })?,
            weights: data.i8s(weights)?,
            tail: tail.into(),
        };
        data.is_at_end().then_some(parameters)
    }

    /// Weights without the tail.
    pub(super) fn taps(&self) -> usize {
        self.weights.len().saturating_sub(self.tail)
    }
}

/// The two terms of a [`Kind::AffineAdd`], as [`Term`](crate::Term) wants them.
pub(super) fn terms(data: &[i32]) -> [(i32, i8, i16); 2] {
    let term = |at: usize| {
        let word = |n: usize| data.get(at + n).copied().unwrap_or(0);
        (word(0), word(1) as i8, (word(1) >> 16) as i16)
    };
    [term(0), term(2)]
}
