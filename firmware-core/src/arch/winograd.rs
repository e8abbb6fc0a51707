//! Weights for Winograd's convolution F(2 x 2, 3 x 3), made at compile time.
//!
//! Four outputs, a tile of two rows and two columns, take 16 products for each input channel rather than 36. The
//! weights are transformed with twice the usual matrix, so that they are integers: the outputs come out four times as
//! large.

use super::stacked::{TABLES, Table};

/// Weights of an output channel and an input channel, transformed.
pub(crate) const POINTS: usize = 16;

/// Largest of the transformed weights, up to a sign.
#[cfg(test)]
const LARGEST: i32 = 9 * 128;

/// Output channels whose weights lie side by side.
pub(crate) const CHANNELS: usize = 4;

/// Whether weights of this shape are transformed: two of neighbouring input channels share a word.
pub(crate) const fn is_transformed([channels, rows, columns, depth]: [usize; 4]) -> bool {
    rows == 3 && columns == 3 && depth > 0 && depth % 2 == 0 && channels % CHANNELS == 0
}

/// In which word the weight of an output channel and an input channel at a point is.
const fn place([o, point, c]: [usize; 3], depth: usize) -> usize {
    ((o / CHANNELS * POINTS + point) * (depth / 2) + c / 2) * CHANNELS + o % CHANNELS
}

/// `[[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]]` times three weights.
const fn line([a, b, c]: [i32; 3]) -> [i32; 4] {
    [2 * a, a + b + c, a - b + c, 2 * c]
}

/// The weights of one input channel, rows and columns transformed: 16 bits are enough for each.
const fn tile([above, middle, below]: [[i32; 3]; 3]) -> [[i32; 4]; 4] {
    let [above, middle, below] = [line(above), line(middle), line(below)];
    let mut points = [[0; 4]; 4];
    let mut x = 0;
    while x < 4 {
        let column = line([above[x], middle[x], below[x]]);
        let mut y = 0;
        while y < 4 {
            points[y][x] = column[y];
            y += 1;
        }
        x += 1;
    }
    points
}

/// The transformed weights `[block of output channels][point][pair of input channels][output channel]` in words
/// of two, zeros behind them.
const fn transformed<const OC: usize, const KH: usize, const KW: usize, const IC: usize>(
    weights: &[[[[i8; IC]; KW]; KH]; OC],
) -> Table<OC, KH, KW, IC> {
    let mut table = [[[[0; IC]; KW]; KH]; OC];
    let mut i = 0;
    while i < OC * IC {
        let [o, c] = [i / IC, i % IC];
        let mut taps = [[0; 3]; 3];
        let mut at = 0;
        while at < 9 {
            taps[at / 3][at % 3] = weights[o][at / 3][at % 3][c] as i32;
            at += 1;
        }
        let points = tile(taps);
        let mut point = 0;
        while point < POINTS {
            let n = place([o, point, c], IC);
            let value = (points[point / 4][point % 4] & 0xffff) << (c % 2 * 16);
            table[n / IC / KW / KH][n / IC / KW % KH][n / IC % KW][n % IC] |= value;
            point += 1;
        }
        i += 1;
    }
    table
}

/// The tables of [`stacked`](super::stacked), with the transformed weights in the place of words of two: where
/// there are some, no kernel rows share such words.
pub(super) const fn with_transformed<
    const OC: usize,
    const KH: usize,
    const KW: usize,
    const IC: usize,
>(
    mut stacked: [Table<OC, KH, KW, IC>; TABLES],
    weights: &[[[[i8; IC]; KW]; KH]; OC],
) -> [Table<OC, KH, KW, IC>; TABLES] {
    let tables: &mut [_] = &mut stacked;
    if let ([_, pairs], true) = (tables, is_transformed([OC, KH, KW, IC])) {
        *pairs = transformed(weights);
    }
    stacked
}

/// Whether `found` is what [`transformed`] makes of the weights of channels with so many inputs each.
pub(super) fn are_transformed(weights: &[i8], depth: usize, found: &[i32]) -> bool {
    let channels = weights.chunks_exact((9 * depth).max(1));
    channels.enumerate().all(|(o, weights)| {
        let tap = |at: usize, c: usize| weights.get(at * depth + c).map_or(0, |&w| i32::from(w));
        (0..depth).all(|c| {
            let taps = [0, 1, 2].map(|y| [0, 1, 2].map(|x| tap(3 * y + x, c)));
            let points = tile(taps);
            points.as_flattened().iter().enumerate().all(|(point, value)| {
                let word = found.get(place([o, point, c], depth));
                word.is_some_and(|word| i32::from((word >> (c % 2 * 16)) as i16) == *value)
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{LARGEST, tile};
    #[cfg(kernels = "x86_64")]
    use crate::{
        Checksum,
        arch::{Arranged, ConvolutionWeights},
    };

    #[test]
    fn transformed_weights_have_16_bits() {
        // Every point is largest for some choice of the extremes.
        for choice in 0..1 << 9 {
            let tap = |n: usize| if choice >> n & 1 == 1 { 127 } else { -128 };
            let taps = [0, 1, 2].map(|y| [0, 1, 2].map(|x| tap(3 * y + x)));
            assert!(tile(taps).as_flattened().iter().all(|point| point.abs() <= LARGEST));
        }
    }

    #[cfg(kernels = "x86_64")]
    #[test]
    fn a_lost_bit_in_transformed_weights_is_noticed() {
        let weights = || {
            let mut weights = [[[[0i8; 6]; 3]; 3]; 8];
            let all = weights.as_flattened_mut().as_flattened_mut().as_flattened_mut();
            all.iter_mut().enumerate().for_each(|(n, weight)| *weight = (n * 37 % 255) as u8 as i8);
            ConvolutionWeights::new(weights)
        };
        let is_consistent = |weights: &ConvolutionWeights<8, 3, 3, 6>| {
            let mut sum = Checksum::new();
            weights.add_weights([8, 54], &mut sum);
            sum.value().is_some()
        };
        assert!(is_consistent(&weights()));
        let noticed = (0..8 * 54).filter(|&place| {
            let mut spoiled = weights();
            let words = spoiled.stacked[1].as_flattened_mut().as_flattened_mut();
            words.as_flattened_mut().iter_mut().skip(place).take(1).for_each(|word| *word ^= 1);
            !is_consistent(&spoiled)
        });
        // Sixteen points of each two input channels.
        assert_eq!(noticed.count(), 8 * 16 * 3);
    }
}
