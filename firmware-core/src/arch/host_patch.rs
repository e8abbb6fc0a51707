//! Convolution over values that were widened to 16 bits, for what no other kernel of a host takes: two
//! channels share the loads of four pixels. And what fully connected layers share.

use super::vectors::{Vector, WIDEST};
use crate::Activation;
use crate::arch::{Cursor, WeightSum};

/// Taps of one [`Patch`].
pub(super) const TAPS: usize = 512;

/// What the windows of four output pixels cover, [`Patch::TAPS`] taps at most.
#[repr(C, align(64))]
pub struct Patch([[i16; TAPS]; 4]);

impl Patch {
    pub(crate) const TAPS: usize = TAPS;

    pub(crate) const fn new() -> Self {
        Self([[0; TAPS]; 4])
    }

    /// Sets the first `taps` taps from where `cursor` is.
    #[inline(always)]
    pub(crate) fn gather<X: Activation>(&mut self, cursor: &mut Cursor<X>, taps: usize) {
        // Eight values at a time; the next row comes on top of what is too much.
        if let (true, Some((x, [rows, row, pitch]))) = (taps + 8 <= TAPS, cursor.window(7)) {
            if rows * row == taps {
                for (x, pixel) in x.into_iter().zip(&mut self.0) {
                    for y in 0..rows {
                        for i in (0..row).step_by(8) {
                            // SAFETY: `y * row + i` is less than `taps`, so that the patch has
                            // eight values from there on; and `window` says that seven values
                            // behind every row belong to the input.
                            unsafe {
                                let x = x.add(y * pitch + i).cast::<[X; 8]>().read_unaligned();
                                let to = pixel.as_mut_ptr().add(y * row + i).cast::<[i16; 8]>();
                                to.write_unaligned(x.map(|x| x.to_i32() as i16));
                            }
                        }
                    }
                }
                cursor.read(taps);
                return;
            }
        }
        let mut at = 0;
        cursor.rows(taps.min(TAPS), |pixels| {
            let len = pixels[0].len();
            for (pixel, values) in self.0.iter_mut().zip(pixels) {
                for (tap, value) in pixel.iter_mut().skip(at).zip(values) {
                    *tap = value.to_i32() as i16;
                }
            }
            at += len;
        });
    }

    /// Adds this patch, taps `first` to `first + taps` of `total`, times the weights of every
    /// channel to `sums`.
    pub(crate) fn accumulate(
        &mut self,
        [first, taps, total]: [usize; 3],
        weights: &[i8],
        sums: &mut [[i32; 4]],
    ) {
        // Whole vectors are multiplied: what follows a channel's weights counts zero.
        let padded = taps.next_multiple_of(WIDEST).min(TAPS);
        for pixel in &mut self.0 {
            pixel.get_mut(taps..padded).unwrap_or_default().fill(0);
        }
        // Channels behind whose weights there is enough that may be loaded: all where these are a layer's
        // constants, nearly all of what was stored.
        let room = weights.len().checked_sub(first + padded);
        let whole = room.map_or(0, |room| room / total.max(1) + 1).min(sums.len());
        let (sums, others) = sums.split_at_mut_checked(whole).unwrap_or_default();
        let start = weights.as_ptr().wrapping_add(first);
        // SAFETY: `padded` is a multiple of every vector's length and no more than the patch has, and
        // there are as many weights from the first tap of each of these channels on.
        unsafe { super::accumulate(&self.0, padded, start, total, sums) };
        for (channel, sums) in others.iter_mut().enumerate() {
            let at = first + (whole + channel) * total;
            let mut copy = [0; TAPS];
            let weights = weights.get(at..at + taps).unwrap_or_default();
            copy.iter_mut().zip(weights).for_each(|(to, weight)| *to = *weight);
            let sums = core::slice::from_mut(sums);
            // SAFETY: the same for one channel, of which the copy has as many weights as the patch.
            unsafe { super::accumulate(&self.0, padded, copy.as_ptr(), TAPS, sums) };
        }
    }

    /// The sums of products, from what [`Patch::accumulate`] has added up.
    #[inline(always)]
    pub(crate) fn finish(sums: [i32; 4]) -> [i32; 4] {
        sums
    }

    /// What to add to a channel's sums.
    #[inline(always)]
    #[allow(clippy::extra_unused_type_parameters)] // other targets need it
    pub(crate) fn correction<X: Activation>(_: &WeightSum) -> i32 {
        0
    }
}

/// Adds the patch times the weights of every channel to `sums`.
///
/// # Safety
///
/// The processor must have the extension; `taps` must be a multiple of `LANES` and at most `TAPS`;
/// each channel's weights, `stride` bytes apart, must be good for `taps` bytes.
#[inline(always)]
pub(super) unsafe fn accumulate<V: Vector>(
    patch: &[[i16; TAPS]; 4],
    taps: usize,
    weights: *const i8,
    stride: usize,
    sums: &mut [[i32; 4]],
) {
    let mut channel = 0;
    while channel < sums.len() {
        // The second of the last pair is the first again where the number of channels is odd.
        let second = if channel + 1 < sums.len() { channel + 1 } else { channel };
        // SAFETY: as the caller promises.
        unsafe {
            let a = weights.add(channel * stride);
            let b = weights.add(second * stride);
            let (mut sums_a, mut sums_b) = ([V::zero(); 4], [V::zero(); 4]);
            let mut tap = 0;
            while tap < taps {
                let (wa, wb) = (V::i8(a.add(tap)), V::i8(b.add(tap)));
                for ((pixel, sum_a), sum_b) in patch.iter().zip(&mut sums_a).zip(&mut sums_b) {
                    let x = V::i16(pixel.as_ptr().add(tap));
                    *sum_a = V::multiply(*sum_a, x, wa);
                    *sum_b = V::multiply(*sum_b, x, wb);
                }
                tap += V::LANES;
            }
            // Both are read before either is written: they may be the same.
            let old = [channel, second].map(|channel| *sums.get_unchecked(channel));
            let new = [V::reduce(sums_a), V::reduce(sums_b)];
            *sums.get_unchecked_mut(channel) = add(old[0], new[0]);
            *sums.get_unchecked_mut(second) = add(old[1], new[1]);
        }
        channel += 2;
    }
}

#[inline(always)]
fn add(a: [i32; 4], b: [i32; 4]) -> [i32; 4] {
    [0, 1, 2, 3].map(|n| a[n].wrapping_add(b[n]))
}

/// The sums of products of `x` and each of four rows.
///
/// # Safety
///
/// The processor must have the extension; `rows` must be four times as long as `x`.
#[inline(always)]
pub(super) unsafe fn dot4_with<X: Activation, V: Vector>(x: &[X], rows: &[i8]) -> [i32; 4] {
    let stride = x.len();
    let whole = stride / V::LANES * V::LANES;
    let mut result;
    // SAFETY: all vectors lie within `whole` values of `x` and of each row.
    unsafe {
        let mut sums = [V::zero(); 4];
        let mut at = 0;
        while at < whole {
            let x = if X::UNSIGNED {
                V::u8(x.as_ptr().add(at).cast())
            } else {
                V::i8(x.as_ptr().add(at).cast())
            };
            for (row, sum) in sums.iter_mut().enumerate() {
                *sum = V::multiply(*sum, x, V::i8(rows.as_ptr().add(row * stride + at)));
            }
            at += V::LANES;
        }
        result = V::reduce(sums);
    }
    for (sum, row) in result.iter_mut().zip(rows.chunks_exact(stride.max(1))) {
        for (x, w) in x.iter().zip(row).skip(whole) {
            *sum = sum.wrapping_add(x.to_i32() * i32::from(*w));
        }
    }
    result
}
