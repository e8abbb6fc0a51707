//! The weights of all output channels as the scalar kernels read them, however they are stored.

use super::dot;
use crate::Activation;
use crate::nibbles::Nibbles;

/// The filters of a layer, one for each output channel.
pub trait Filters: Copy {
    /// The weights of one output channel.
    type Filter: Filter;

    /// The filters, each of `taps` weights.
    fn filters(self, taps: usize) -> impl Iterator<Item = Self::Filter>;
}

/// The weights of one output channel, `[kernel row][kernel column][in]` or `[in]`.
pub trait Filter: Copy {
    /// The sum of products of `x` and the weights from number `first` on, as far as there are any.
    fn dot<X: Activation>(self, first: usize, x: &[X]) -> i32;

    /// The same from the first one on.
    #[inline(always)]
    fn dot_all<X: Activation>(self, x: &[X]) -> i32 {
        self.dot(0, x)
    }

    /// The sum of `count` weights from number `first` on.
    fn sum(self, first: usize, count: usize) -> i32;
}

impl<'a> Filters for &'a [i8] {
    type Filter = &'a [i8];

    #[inline(always)]
    fn filters(self, taps: usize) -> impl Iterator<Item = &'a [i8]> {
        self.chunks_exact(taps.max(1))
    }
}

impl Filter for &[i8] {
    #[inline(always)]
    fn dot<X: Activation>(self, first: usize, x: &[X]) -> i32 {
        dot(x, self.get(first..).unwrap_or_default())
    }

    #[inline(always)]
    fn dot_all<X: Activation>(self, x: &[X]) -> i32 {
        dot(x, self)
    }

    #[inline(always)]
    fn sum(self, first: usize, count: usize) -> i32 {
        let weights = self.get(first..first + count).unwrap_or_default();
        weights.iter().map(|weight| i32::from(*weight)).sum()
    }
}

impl<'a> Filters for Nibbles<'a> {
    type Filter = Self;

    #[inline(always)]
    fn filters(self, taps: usize) -> impl Iterator<Item = Self> {
        Nibbles::filters(self, taps)
    }
}

impl Filter for Nibbles<'_> {
    #[inline(always)]
    fn dot<X: Activation>(self, first: usize, x: &[X]) -> i32 {
        x.iter().enumerate().fold(0, |sum: i32, (at, x)| {
            sum.wrapping_add(x.to_i32() * i32::from(self.weight(first + at)))
        })
    }

    #[inline(always)]
    fn sum(self, first: usize, count: usize) -> i32 {
        (first..first + count).map(|at| i32::from(self.weight(at))).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Activation;
    use crate::kernels::{Conv2dShape, Pool2dShape, connect, convolve, convolve_max_pool2d};
    use crate::nibbles::{Arrangement, filter_bytes, unpack};
    use crate::{Requantize, Shift, Window};
    use std::vec;
    use std::vec::Vec;

    /// Filters of `taps` weights in their natural order.
    fn packed(weights: &[i8], taps: usize) -> Vec<u8> {
        let mut bytes = vec![0; weights.len() / taps * filter_bytes(taps)];
        for (i, &weight) in weights.iter().enumerate() {
            let (byte, bits) = Arrangement::NATURAL.place(i % taps);
            bytes[i / taps * filter_bytes(taps) + byte] |=
                Arrangement::NATURAL.nibble(weight) << bits;
        }
        bytes
    }

    fn finish(requantize: Shift, sum: i32) -> i8 {
        i8::saturate(requantize.apply(sum))
    }

    #[test]
    fn storage_changes_no_integer() {
        let number = |i: usize| ((i * 2_654_435_761) >> 7) % 251;
        let x: Vec<u8> = (0..7 * 6 * 3).map(|i| number(i) as u8).collect();
        let mut window = Window::new([3, 2]);
        window.padding = [1, 0, 1, 1];
        for padding_value in [0, 9] {
            let output = window.output_size([7, 6]);
            let shape = Conv2dShape {
                padding_value,
                ..Conv2dShape::new([7, 6, 3], [output[0], output[1], 5], window)
            };
            let weights: Vec<i8> = (0..5 * 18).map(|i| (number(i) % 15) as i8 - 7).collect();
            let bytes = packed(&weights, 18);
            let (bias, requantize) = ([3, -40, 500, 0, 1], [Shift::new(3); 5]);
            let size = output[0] * output[1] * 5;
            let (mut got, mut want) = (vec![0; size], vec![1; size]);
            convolve(&shape, &x, Nibbles(&bytes), &bias, &requantize, finish, &mut got);
            convolve(&shape, &x, &weights[..], &bias, &requantize, finish, &mut want);
            assert_eq!(got, want);

            let pool = Pool2dShape {
                input: [output[0], output[1], 5],
                output: [output[0] / 2, output[1] / 2, 5],
                window: Window { stride: [2, 2], ..Window::new([2, 2]) },
            };
            let size = pool.output.iter().product();
            let (mut got, mut want) = (vec![0i8; size], vec![1i8; size]);
            convolve_max_pool2d((&shape, &pool), &x, Nibbles(&bytes), &bias, &requantize, &mut got);
            convolve_max_pool2d((&shape, &pool), &x, &weights[..], &bias, &requantize, &mut want);
            assert_eq!(got, want);
        }

        let weights: Vec<i8> = (0..5 * x.len()).map(|i| (number(i) % 15) as i8 - 7).collect();
        let bytes = packed(&weights, x.len());
        let (bias, requantize) = ([3, -40, 500, 0, 1], [Shift::new(6); 5]);
        let (mut got, mut want) = ([0i8; 5], [1i8; 5]);
        connect(&x, Nibbles(&bytes), &bias, &requantize, finish, &mut got);
        connect(&x, &weights[..], &bias, &requantize, finish, &mut want);
        assert_eq!(got, want);
    }

    #[test]
    fn unpacking_gives_what_was_packed() {
        for count in 1..20 {
            let weights: Vec<i8> = (0..count).map(|i| (i * 5 % 15) as i8 - 7).collect();
            let mut got = vec![0; weights.len()];
            unpack(&packed(&weights, weights.len()), &mut got);
            assert_eq!(got, weights);
        }
    }
}
