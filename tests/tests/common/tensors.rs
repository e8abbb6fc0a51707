//! Random tensors and windows, and the arithmetic of firmware-core from its definition in `i64`.

use firmware_core::{Activation, Shift, Window};
use proptest::prelude::*;

/// A pseudo-random source for tensors; proptest chooses and shrinks its seed and the shapes.
pub struct Source(pub u64);

impl Source {
    pub fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A byte; one in four is an extreme.
    pub fn byte(&mut self) -> u8 {
        let r = self.next();
        if r & 3 == 0 {
            [0, 1, 127, 128, 129, 254, 255, 2][(r >> 2) as usize & 7]
        } else {
            (r >> 8) as u8
        }
    }

    pub fn activations<X: Activation>(&mut self, len: usize) -> Vec<X> {
        (0..len).map(|_| activation(self.byte())).collect()
    }

    pub fn weights(&mut self, len: usize) -> Vec<i8> {
        (0..len).map(|_| self.byte() as i8).collect()
    }

    /// Biases of every size up to the converter's bound.
    pub fn biases(&mut self, len: usize) -> Vec<i32> {
        (0..len).map(|_| ((self.next() as i32) >> 8) >> (self.next() % 24)).collect()
    }

    pub fn shifts(&mut self, len: usize) -> Vec<Shift> {
        (0..len).map(|_| Shift::new((self.next() % 18) as u8)).collect()
    }
}

/// The activation with this bit pattern.
pub fn activation<X: Activation>(byte: u8) -> X {
    X::saturate(if X::MIN.to_i32() < 0 { i32::from(byte as i8) } else { i32::from(byte) })
}

pub fn untouched<Y: Activation>() -> Y {
    activation(0xa5)
}

/// acc / 2^bits rounded half to even, from the definition.
pub fn round_half_even(accumulator: i64, bits: u8) -> i64 {
    let divisor = 1i64 << bits;
    let (floor, remainder) = (accumulator.div_euclid(divisor), accumulator.rem_euclid(divisor));
    match (2 * remainder).cmp(&divisor) {
        std::cmp::Ordering::Less => floor,
        std::cmp::Ordering::Greater => floor + 1,
        std::cmp::Ordering::Equal => floor + floor.rem_euclid(2),
    }
}

pub fn requantized<Y: Activation>(accumulator: i64, shift: Shift) -> Y {
    let (low, high) = if Y::MIN.to_i32() < 0 { (-128, 127) } else { (0, 255) };
    Y::saturate(round_half_even(accumulator, shift.bits()).clamp(low, high) as i32)
}

/// Any window on an input of up to 9 x 9 pixels, with padding on all four sides: the sizes of its
/// input and its output, and the window.
pub fn placement() -> impl Strategy<Value = ([usize; 2], [usize; 2], Window)> {
    let axis =
        (1usize..=5, 1usize..=9, 1usize..=3, prop_oneof![3 => Just(1usize), 1 => 2usize..=3])
            .prop_flat_map(|(kernel, size, stride, dilation)| {
                let extent = (kernel - 1) * dilation + 1;
                (Just((kernel, size, stride, dilation)), 0..extent, 0..extent)
            })
            .prop_filter("the window fits", |((kernel, size, _, dilation), before, after)| {
                (kernel - 1) * dilation < size + before + after
            });
    (axis.clone(), axis).prop_map(|(rows, columns)| {
        let ((kh, height, sh, dh), top, bottom) = rows;
        let ((kw, width, sw, dw), left, right) = columns;
        let window = Window {
            kernel: [kh, kw],
            stride: [sh, sw],
            dilation: [dh, dw],
            padding: [top, left, bottom, right],
        };
        let output = [
            (height + top + bottom - (kh - 1) * dh - 1) / sh + 1,
            (width + left + right - (kw - 1) * dw - 1) / sw + 1,
        ];
        assert_eq!(window.checked_output_size([height, width]), Ok(output));
        ([height, width], output, window)
    })
}

/// What a convolution reads on its padding: mostly 0, or any activation.
pub fn padding_value() -> impl Strategy<Value = i32> {
    prop_oneof![Just(0), -128..=127]
}

/// `[OC][KH][KW][IC]` from a flat slice.
pub fn ohwi<const OC: usize, const KH: usize, const KW: usize, const IC: usize>(
    flat: &[i8],
) -> [[[[i8; IC]; KW]; KH]; OC] {
    let mut weights = [[[[0; IC]; KW]; KH]; OC];
    weights.as_flattened_mut().as_flattened_mut().as_flattened_mut().copy_from_slice(flat);
    weights
}

/// `[H][W][C]` from a flat slice.
pub fn hwc<X: Activation, const H: usize, const W: usize, const C: usize>(
    flat: &[X],
) -> Box<[[[X; C]; W]; H]> {
    let mut x = Box::new([[[untouched(); C]; W]; H]);
    x.as_flattened_mut().as_flattened_mut().copy_from_slice(flat);
    x
}
