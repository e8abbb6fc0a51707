//! Weights of four bits as the target's kernels want them, packed at compile time.

use super::arranged::{Arranged, add_packed, add_packed_rows};
use super::storage::{ConvolutionFilters, ConvolutionStorage, DepthwiseStorage};
#[cfg(kernels)]
use super::storage::{Copies, room};
use super::weights::{Weights, sums};
#[cfg(kernels)]
use super::{Begin, Cursor, Patch};
use super::{Chosen, Target};
#[cfg(kernels)]
use crate::kernels;
use crate::kernels::{Filters, requantized};
use crate::nibbles::{Arrangement, Nibbles, filter_bytes, unpack};
use crate::{Activation, Checked, Checksum, Requantize};

/// Bytes where kernels may load words.
#[repr(C, align(4))]
struct Words<const BYTES: usize>([u8; BYTES]);

/// The sum of an output channel's weights, if the target asks for it.
pub type NibbleSum = [i32; Chosen::NIBBLE_SUMS as usize];

/// A convolution's weights, filter after filter in the target's arrangement; those of
/// [`Target::BLOCK`] filters byte by byte in turn, the filters that are left over by themselves.
pub struct PackedConvolution<const OC: usize, const BYTES: usize> {
    sums: [NibbleSum; OC],
    bytes: Words<BYTES>,
}

impl<const OC: usize, const BYTES: usize> PackedConvolution<OC, BYTES> {
    #[allow(clippy::modulo_one)]
    pub(crate) const fn new<const KH: usize, const KW: usize, const IC: usize>(
        weights: [[[[i8; IC]; KW]; KH]; OC],
    ) -> Self {
        const BLOCK: usize = Chosen::BLOCK;
        const ORDER: Arrangement = Chosen::NIBBLES;
        let (taps, len) = (KH * KW * IC, filter_bytes(KH * KW * IC));
        let mut bytes = [0x11 * ORDER.nibble(0); BYTES];
        let mut i = 0;
        while i < OC * taps {
            let (channel, tap) = (i / taps, i % taps);
            let weight = weights[channel][tap / IC / KW][tap / IC % KW][tap % IC];
            let (byte, bits) = ORDER.place(tap);
            let at = if channel < OC / BLOCK * BLOCK {
                (channel / BLOCK * len + byte) * BLOCK + channel % BLOCK
            } else {
                channel * len + byte
            };
            bytes[at] = put(bytes[at], ORDER.nibble(weight), bits);
            i += 1;
        }
        Self { sums: sums(&weights), bytes: Words(bytes) }
    }
}

/// A byte with four of its bits replaced.
const fn put(byte: u8, nibble: u8, bits: u32) -> u8 {
    byte & !(15 << bits) | nibble << bits
}

/// A convolution's weights without their sizes.
#[derive(Clone, Copy)]
pub struct Packed<'a> {
    bytes: &'a [u8],
    #[cfg_attr(not(kernels), allow(dead_code))]
    sums: &'a [NibbleSum],
}

impl<const OC: usize, const BYTES: usize> ConvolutionStorage for PackedConvolution<OC, BYTES> {
    type Filters<'a> = Packed<'a>;

    #[inline(always)]
    fn get(&self) -> Packed<'_> {
        Packed { bytes: &self.bytes.0, sums: &self.sums }
    }
}

impl<const OC: usize, const BYTES: usize> Arranged for PackedConvolution<OC, BYTES> {
    fn add_weights(&self, shape: [usize; 2], sum: &mut Checksum) {
        add_packed(&self.bytes.0, shape, &self.sums, sum);
    }
}

impl ConvolutionFilters for Packed<'_> {
    const GROUP: usize = crate::nibbles::GROUP;
    #[cfg(kernels)]
    const TAPS: usize = Patch::TAPS;
    #[cfg(kernels)]
    type Copies<X: Activation> = Copies<X, { 4 * room(Patch::TAPS) }>;
    #[cfg(kernels)]
    const BEGIN: Begin = Chosen::NIBBLES_BEGIN;
    #[cfg(kernels)]
    type Sum = NibbleSum;

    #[inline(always)]
    fn scalar(self) -> impl Filters {
        Nibbles(self.bytes)
    }

    #[inline(always)]
    fn eight_bits(&self) -> Option<Weights<'_>> {
        None
    }

    #[cfg(kernels)]
    #[inline(always)]
    fn sums(&self) -> &[NibbleSum] {
        self.sums
    }

    #[cfg(kernels)]
    #[inline(always)]
    fn part(&self, first: usize, count: usize, taps: usize) -> Self {
        let bytes = self.bytes.get(first * filter_bytes(taps)..).unwrap_or_default();
        Self { bytes, sums: self.sums.get(first..first + count).unwrap_or_default() }
    }

    #[cfg(kernels)]
    #[inline(always)]
    fn gather<X: Activation>(patch: &mut Patch, cursor: &mut Cursor<X>, taps: usize) {
        patch.gather_for_nibbles(cursor, taps);
    }

    #[cfg(kernels)]
    #[inline(always)]
    fn accumulate(&self, patch: &mut Patch, place: [usize; 3], sums: &mut [[i32; 4]]) {
        patch.accumulate_nibbles(place, self.bytes, sums);
    }

    #[cfg(kernels)]
    const ONE: bool = false;

    #[cfg(kernels)]
    #[inline(always)]
    fn accumulate_one(&self, patch: &mut Patch, place: [usize; 3], sums: &mut [[i32; 4]]) {
        self.accumulate(patch, place, sums);
    }

    #[cfg(kernels)]
    #[inline(always)]
    fn finish(sums: [i32; 4]) -> [i32; 4] {
        Patch::finish_nibbles(sums)
    }

    #[cfg(kernels)]
    #[inline(always)]
    fn correction<X: Activation>(sum: &NibbleSum) -> i32 {
        Patch::nibbles_correction::<X>(sum)
    }
}

/// Bytes of a row of a fully connected layer that lie together, where rows lie side by side.
pub(super) const RUN: usize = if Chosen::NIBBLE_ROWS == 2 { 2 } else { 4 };

/// The weights of a fully connected layer: those of [`Target::NIBBLE_ROWS`] outputs side by side, some
/// bytes of each in turn; the outputs that are left over in their natural order.
pub struct PackedConnected<const BYTES: usize>(Words<BYTES>);

impl<const BYTES: usize> PackedConnected<BYTES> {
    // Where it is 1, nothing is left over.
    #[allow(clippy::modulo_one)]
    pub(crate) const fn new<const OUT: usize, const IN: usize>(weights: [[i8; IN]; OUT]) -> Self {
        const ROWS: usize = Chosen::NIBBLE_ROWS;
        const ORDER: Arrangement = Chosen::NIBBLES;
        let len = filter_bytes(IN);
        let blocked = OUT / ROWS * ROWS;
        let mut bytes = [0; BYTES];
        let mut i = 0;
        // Whole groups, so that what is behind the last weight of a row is a zero too.
        while i < OUT * len * 2 {
            let (output, input) = (i / (len * 2), i % (len * 2));
            let weight = if input < IN { weights[output][input] } else { 0 };
            if output < blocked {
                let (byte, bits) = ORDER.place(input);
                let row = output % ROWS;
                let at = output / ROWS * ROWS * len + (byte / RUN * ROWS + row) * RUN + byte % RUN;
                bytes[at] = put(bytes[at], ORDER.nibble(weight), bits);
            } else {
                let (byte, bits) = Arrangement::NATURAL.place(input);
                let at = output * len + byte;
                bytes[at] = put(bytes[at], Arrangement::NATURAL.nibble(weight), bits);
            }
            i += 1;
        }
        Self(Words(bytes))
    }
}

impl<const BYTES: usize> PackedConnected<BYTES> {
    /// The accumulators, requantized and saturated.
    #[inline(always)]
    pub(crate) fn forward<X: Activation, R: Requantize, Y: Activation>(
        &self,
        x: &[X],
        bias: &[i32],
        requantize: &[R],
        y: &mut [Y],
    ) {
        Chosen::connect_nibbles(x, &self.0.0, (bias, requantize), requantized, y);
    }

    /// The accumulators.
    #[inline(always)]
    pub(crate) fn logits<X: Activation>(&self, x: &[X], bias: &[i32], logits: &mut [i32]) {
        Chosen::connect_nibbles(x, &self.0.0, (bias, bias), |_, sum| sum, logits);
    }
}

impl<const BYTES: usize> Arranged for PackedConnected<BYTES> {
    fn add_weights(&self, shape: [usize; 2], sum: &mut Checksum) {
        add_packed_rows(&self.0.0, shape, sum);
    }
}

/// The weights of a depthwise convolution in their natural order. They are unpacked onto the stack once
/// for all rows that are computed: nothing else is as short, and it takes as many bytes as there are
/// weights.
pub struct PackedDepthwise<const OC: usize, const KH: usize, const KW: usize, const BYTES: usize>(
    Words<BYTES>,
);

impl<const OC: usize, const KH: usize, const KW: usize, const BYTES: usize>
    PackedDepthwise<OC, KH, KW, BYTES>
{
    pub(crate) const fn new(weights: [[[i8; OC]; KW]; KH]) -> Self {
        const ORDER: Arrangement = Arrangement::NATURAL;
        let mut bytes = [0; BYTES];
        let mut i = 0;
        while i < KH * KW * OC {
            let (byte, bits) = ORDER.place(i);
            let weight = weights[i / OC / KW][i / OC % KW][i % OC];
            bytes[byte] = put(bytes[byte], ORDER.nibble(weight), bits);
            i += 1;
        }
        Self(Words(bytes))
    }
}

/// The weights of a depthwise convolution, unpacked.
pub struct Unpacked<const OC: usize, const KH: usize, const KW: usize>([[[i8; OC]; KW]; KH]);

impl<const OC: usize, const KH: usize, const KW: usize> AsRef<[i8]> for Unpacked<OC, KH, KW> {
    #[inline(always)]
    fn as_ref(&self) -> &[i8] {
        self.0.as_flattened().as_flattened()
    }
}

impl<const OC: usize, const KH: usize, const KW: usize, const BYTES: usize> DepthwiseStorage
    for PackedDepthwise<OC, KH, KW, BYTES>
{
    type Unpacked<'a> = Unpacked<OC, KH, KW>;

    #[inline(always)]
    fn unpacked(&self) -> Unpacked<OC, KH, KW> {
        let mut weights = [[[0; OC]; KW]; KH];
        unpack(&self.0.0, weights.as_flattened_mut().as_flattened_mut());
        Unpacked(weights)
    }
}

impl<const OC: usize, const KH: usize, const KW: usize, const BYTES: usize> Arranged
    for PackedDepthwise<OC, KH, KW, BYTES>
{
    fn add_weights(&self, _: [usize; 2], sum: &mut Checksum) {
        for tap in 0..OC * KH * KW {
            Nibbles(&self.0.0).weight(tap).add_to(sum);
        }
    }
}

/// A fully connected layer by blocks of `ROWS` outputs, of which `dot` makes the sums; what is left over
/// of them is computed in the natural order.
#[cfg(kernels)]
#[inline(always)]
pub(super) fn by_rows<const ROWS: usize, X: Activation, R: Copy, Y>(
    x: &[X],
    weights: &[u8],
    (bias, requantize): (&[i32], &[R]),
    finish: impl Fn(R, i32) -> Y,
    y: &mut [Y],
    dot: impl Fn(&[X], &[u8]) -> [i32; ROWS],
) {
    let len = ROWS * filter_bytes(x.len());
    let channels = bias.chunks_exact(ROWS).zip(requantize.chunks_exact(ROWS));
    let blocks = weights.chunks_exact(len.max(1)).zip(channels);
    for (y, (weights, (bias, requantize))) in y.chunks_exact_mut(ROWS).zip(blocks) {
        let channels = bias.iter().zip(requantize).zip(dot(x, weights));
        for (y, ((bias, requantize), sum)) in y.iter_mut().zip(channels) {
            *y = finish(*requantize, bias.wrapping_add(sum));
        }
    }
    let first = y.len() / ROWS * ROWS;
    if first == y.len() {
        return;
    }
    let weights = Nibbles(weights.get(first / ROWS * len..).unwrap_or_default());
    let (bias, requantize) = (bias.get(first..), requantize.get(first..));
    let (bias, requantize) = (bias.unwrap_or_default(), requantize.unwrap_or_default());
    let y = y.get_mut(first..).unwrap_or_default();
    kernels::connect(x, weights, bias, requantize, finish, y);
}

/// The last inputs of a fully connected layer, which fill no whole group, with zeros behind them.
#[cfg(kernels)]
#[inline(always)]
pub(super) fn last_group<X: Activation>(x: &[X]) -> [X; crate::nibbles::GROUP] {
    let mut group = [X::saturate(0); crate::nibbles::GROUP];
    let rest = x.get(x.len() / group.len() * group.len()..).unwrap_or_default();
    group.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    group
}
