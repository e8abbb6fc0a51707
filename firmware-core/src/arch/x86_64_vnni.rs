//! AVX-512 with VNNI: 64 multiply-accumulates of bytes in one instruction, straight from the input.
//!
//! A vector holds 16 output channels; four taps that lie side by side in the input are broadcast
//! to all of them. Kernel rows are filled up to whole groups of four with weights of zero, so that
//! nothing is packed at run time.

use core::arch::x86_64::*;

use super::Tile;
use crate::{Activation, Requantize};

/// Output channels of a vector.
const CHANNELS: usize = 16;

/// Where the weight of output channel `o`, kernel row `y` and place `i` in that row goes, in bytes,
/// for kernels of `height` rows of `row` values.
const fn place(o: usize, y: usize, i: usize, height: usize, row: usize) -> usize {
    let group = (o / CHANNELS * height + y) * row.div_ceil(4) + i / 4;
    (group * CHANNELS + o % CHANNELS) * 4 + i % 4
}

/// Bytes of the arranged weights.
pub(super) const fn size(channels: usize, height: usize, row: usize) -> usize {
    channels.div_ceil(CHANNELS) * height * row.div_ceil(4) * CHANNELS * 4
}

/// Room for the arranged weights: four bytes per weight, which is enough but for tiny kernels.
pub(crate) type Arranged<const OC: usize, const KH: usize, const KW: usize, const IC: usize> =
    [[[[[i8; 4]; IC]; KW]; KH]; OC];

/// Vector by vector of channels, kernel row by kernel row, group by group of four taps.
pub(crate) const fn arrange<const OC: usize, const KH: usize, const KW: usize, const IC: usize>(
    weights: &[[[[i8; IC]; KW]; KH]; OC],
) -> Arranged<OC, KH, KW, IC> {
    let mut arranged = [[[[[0; 4]; IC]; KW]; KH]; OC];
    if size(OC, KH, KW * IC) > OC * KH * KW * IC * 4 {
        return arranged;
    }
    let mut n = 0;
    while n < OC * KH * KW * IC {
        let [o, y, x, c] = [n / IC / KW / KH, n / IC / KW % KH, n / IC % KW, n % IC];
        let to = place(o, y, x * IC + c, KH, KW * IC);
        let [i, byte] = [to / 4, to % 4];
        let slot = &mut arranged[i / IC / KW / KH][i / IC / KW % KH][i / IC % KW][i % IC];
        slot[byte] = weights[o][y][x][c];
        n += 1;
    }
    arranged
}

/// The largest of the four pixels' accumulators for every channel, requantized.
///
/// # Safety
///
/// The processor must have the extensions. `tile.x` must be good for `height` rows of `row` bytes
/// rounded up to a multiple of four, `pitch` bytes apart; `tile.weights` must be as [`arrange`]
/// makes them, for as many channels as `y` has.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
pub(super) unsafe fn largest<Y: Activation, R: Requantize>(
    tile: &Tile,
    bias: &[i32],
    requantize: &[R],
    y: &mut [Y],
) {
    let groups = tile.row.div_ceil(4);
    let vector = tile.height * groups;
    let mut weights: *const __m512i = tile.weights.cast();
    let mut done = 0;
    while done < y.len() {
        let mut largest = [0; 2 * CHANNELS];
        let pair = y.len() - done > CHANNELS;
        // SAFETY: as the caller promises; `largest` has room for two vectors.
        unsafe {
            if pair {
                let [a, b] = sums::<2>(tile, weights, vector);
                _mm512_storeu_si512(largest.as_mut_ptr().cast(), a);
                _mm512_storeu_si512(largest.as_mut_ptr().add(CHANNELS).cast(), b);
            } else {
                let [a] = sums::<1>(tile, weights, vector);
                _mm512_storeu_si512(largest.as_mut_ptr().cast(), a);
            }
            weights = weights.add(if pair { 2 } else { 1 } * vector);
        }
        let end = y.len().min(done + if pair { 2 } else { 1 } * CHANNELS);
        let (Some(y), Some(bias), Some(requantize)) =
            (y.get_mut(done..end), bias.get(done..end), requantize.get(done..end))
        else {
            return;
        };
        for (((y, largest), bias), requantize) in
            y.iter_mut().zip(&largest).zip(bias).zip(requantize)
        {
            *y = Y::saturate(requantize.apply(bias.wrapping_add(*largest)));
        }
        done = end;
    }
}

/// The largest of the four pixels' sums of products, for `N` vectors of channels.
///
/// # Safety
///
/// As [`largest`]; `weights` are those of the first of these vectors, `vector` groups each.
#[inline(always)]
unsafe fn sums<const N: usize>(
    tile: &Tile,
    weights: *const __m512i,
    vector: usize,
) -> [__m512i; N] {
    let groups = tile.row.div_ceil(4);
    // SAFETY: as the caller promises.
    unsafe {
        let mut sums = [[_mm512_setzero_si512(); 4]; N];
        let mut x = tile.x;
        let mut group = 0;
        for _ in 0..tile.height {
            for i in 0..groups {
                let mut w = [_mm512_setzero_si512(); N];
                for (n, w) in w.iter_mut().enumerate() {
                    *w = _mm512_loadu_si512(weights.add(n * vector + group));
                }
                for pixel in 0..4 {
                    let four = x[pixel].cast::<i32>().add(i).read_unaligned();
                    let four = _mm512_set1_epi32(four);
                    for n in 0..N {
                        sums[n][pixel] = _mm512_dpbusd_epi32(sums[n][pixel], four, w[n]);
                    }
                }
                group += 1;
            }
            for x in &mut x {
                *x = x.wrapping_add(tile.pitch);
            }
        }
        let mut largest = [_mm512_setzero_si512(); N];
        for n in 0..N {
            let [a, b, c, d] = sums[n];
            largest[n] = _mm512_max_epi32(_mm512_max_epi32(a, b), _mm512_max_epi32(c, d));
        }
        largest
    }
}
