//! Weights of four bits, two to a byte.
//!
//! Byte `n` of a filter has weight `2 n` in its low and weight `2 n + 1` in its high four bits, each as
//! a number from -7 to 7 in two's complement. A filter, the weights of one output channel, takes whole
//! groups of eight weights, four bytes: what is left over of its last group is zero. That is the natural
//! order; a target may want another one, which it says by [`Arrangement`].

/// Weights of a group: no filter ends within one.
pub(crate) const GROUP: usize = 8;

/// The largest magnitude of a weight.
pub(crate) const LARGEST: i8 = 7;

/// Bytes of a filter of `taps` weights.
pub const fn filter_bytes(taps: usize) -> usize {
    taps.div_ceil(GROUP) * (GROUP / 2)
}

/// Makes sure of what [`Arrangement::nibble`] does, where weights are not packed.
#[cfg(host)]
pub(crate) const fn check<const A: usize, const B: usize, const C: usize, const D: usize>(
    weights: &[[[[i8; D]; C]; B]; A],
) {
    let mut i = 0;
    while i < A * B * C * D {
        Arrangement::NATURAL.nibble(weights[i / D / C / B][i / D / C % B][i / D % C][i % D]);
        i += 1;
    }
}

/// How a target wants filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrangement {
    /// Where in its group of four the byte with weights `2 n` and `2 n + 1` lies.
    pub bytes: [usize; 4],
    /// What is added to every weight of a filter: 0 for two's complement, 8 for what has no sign.
    pub bias: u8,
}

impl Arrangement {
    pub const NATURAL: Self = Self { bytes: [0, 1, 2, 3], bias: 0 };

    /// Where a weight of a filter lies: its byte, and the bits below it there.
    #[cfg_attr(host, allow(dead_code))]
    pub const fn place(&self, tap: usize) -> (usize, u32) {
        let byte = tap % GROUP / 2;
        (tap / GROUP * 4 + self.bytes[byte], (tap % 2) as u32 * 4)
    }

    /// The four bits that a weight becomes.
    ///
    /// # Panics
    ///
    /// If it is below -7 or above 7: in a `static` or a `const` that is a compile error.
    pub const fn nibble(&self, weight: i8) -> u8 {
        assert!(weight >= -LARGEST && weight <= LARGEST, "a weight of four bits is -7 to 7");
        (weight as u8).wrapping_add(self.bias) & 15
    }

    /// The weight that lies in a byte above so many bits.
    #[cfg_attr(host, allow(dead_code))]
    pub const fn weight(&self, byte: u8, bits: u32) -> i8 {
        // To the top and back, for the sign.
        (((byte >> bits).wrapping_sub(self.bias)) << 4) as i8 >> 4
    }
}

/// Makes a byte of each weight that is packed in its natural order.
#[inline(never)]
#[cfg_attr(host, allow(dead_code))]
pub(crate) fn unpack(packed: &[u8], weights: &mut [i8]) {
    for (pair, &byte) in weights.chunks_mut(2).zip(packed) {
        let both = [(byte << 4) as i8 >> 4, byte as i8 >> 4];
        pair.iter_mut().zip(both).for_each(|(weight, value)| *weight = value);
    }
}

/// Filters in their natural order, or one of them.
#[derive(Clone, Copy)]
#[cfg_attr(host, allow(dead_code))] // a host has them as bytes
pub(crate) struct Nibbles<'a>(pub &'a [u8]);

#[cfg_attr(host, allow(dead_code))]
impl<'a> Nibbles<'a> {
    /// One filter after the other, each of `taps` weights.
    #[inline(always)]
    pub fn filters(self, taps: usize) -> impl Iterator<Item = Self> {
        self.0.chunks_exact(filter_bytes(taps.max(1))).map(Self)
    }

    /// Weight number `tap`; 0 behind the last one.
    #[inline(always)]
    pub fn weight(self, tap: usize) -> i8 {
        let byte = self.0.get(tap / 2).copied().unwrap_or(0);
        // To the top and back, for the sign.
        ((byte >> (tap % 2 * 4)) << 4) as i8 >> 4
    }
}
