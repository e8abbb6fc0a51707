//! From the scales in a file to the integers that TensorFlow Lite for Microcontrollers makes of
//! them, in the same floats.

use super::file::Activation;
use crate::quantized::Factor;

/// Largest exponent of a [`Factor`]: no factor of a useful model comes near it.
const MAX_EXPONENT: i32 = 30;

/// The nearest factor; `None` for what is negative, no number or too large for one. A number
/// below 2^-32 becomes 0.
pub fn factor(real: f64) -> Option<Factor> {
    if real == 0.0 {
        return Some(Factor { multiplier: 0, exponent: 0 });
    }
    if !(real.is_finite() && real > 0.0) {
        return None;
    }
    let (mantissa, mut exponent) = split(real);
    // Half away from zero, as the C library's `round`.
    let mut multiplier = (mantissa * 2_f64.powi(31)).round() as i64;
    if multiplier == 1 << 31 {
        multiplier >>= 1;
        exponent += 1;
    }
    if exponent < -31 {
        return Some(Factor { multiplier: 0, exponent: 0 });
    }
    if exponent > MAX_EXPONENT {
        return None;
    }
    Some(Factor { multiplier: i32::try_from(multiplier).ok()?, exponent: exponent as i8 })
}

/// `real` as mantissa in 0.5..1 times a power of two, like the C library's `frexp`.
fn split(real: f64) -> (f64, i32) {
    const EXPONENT: u64 = 0x7ff << 52;
    let bits = real.to_bits();
    match (bits & EXPONENT) >> 52 {
        // Subnormal: far below what a factor can be.
        0 => {
            let (mantissa, exponent) = split(real * 2_f64.powi(64));
            (mantissa, exponent - 64)
        }
        biased => (f64::from_bits(bits & !EXPONENT | 1022 << 52), biased as i32 - 1022),
    }
}

/// The least and greatest value that an activation lets through, in the output's integers.
pub fn bounds(activation: Activation, scale: f32, zero: i32) -> [i32; 2] {
    // Divided and rounded in f32, half away from zero.
    let quantized = |real: f32| {
        let steps = (real / scale).round().clamp(-1e9, 1e9) as i32;
        zero.saturating_add(steps)
    };
    let [low, high] = match activation {
        Activation::None => [i32::MIN, i32::MAX],
        Activation::Relu => [quantized(0.0), i32::MAX],
        Activation::Relu6 => [quantized(0.0), quantized(6.0)],
        Activation::ReluN1To1 => [quantized(-1.0), quantized(1.0)],
    };
    [low.clamp(-128, 127), high.clamp(-128, 127)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors() {
        let factor = |real| super::factor(real).map(|f| (f.multiplier, f.exponent));
        assert_eq!(factor(0.5), Some((1 << 30, 0)));
        assert_eq!(factor(1.0), Some((1 << 30, 1)));
        assert_eq!(factor(0.75), Some((3 << 29, 0)));
        assert_eq!(factor(0.75 / 1024.0), Some((3 << 29, -10)));
        // Rounds up to a power of two.
        assert_eq!(factor(1.0 - f64::EPSILON / 2.0), Some((1 << 30, 1)));
        assert_eq!(factor(2_f64.powi(-32)), Some((1 << 30, -31)));
        assert_eq!(factor(2_f64.powi(-33)), Some((0, 0)));
        assert_eq!(factor(f64::MIN_POSITIVE / 8.0), Some((0, 0)));
        assert_eq!(factor(0.0), Some((0, 0)));
        for wrong in [-1.0, f64::NAN, f64::INFINITY, 2_f64.powi(40)] {
            assert_eq!(factor(wrong), None);
        }
    }

    #[test]
    fn bounds_of_activations() {
        assert_eq!(bounds(Activation::None, 0.1, 3), [-128, 127]);
        assert_eq!(bounds(Activation::Relu, 0.1, -128), [-128, 127]);
        assert_eq!(bounds(Activation::Relu, 0.1, 3), [3, 127]);
        assert_eq!(bounds(Activation::Relu6, 0.1, -128), [-128, -68]);
        assert_eq!(bounds(Activation::Relu6, 0.01, -128), [-128, 127]);
        assert_eq!(bounds(Activation::ReluN1To1, 0.1, 0), [-10, 10]);
    }
}
