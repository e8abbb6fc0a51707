//! Activations as tables of 256 entries, in the fixed-point arithmetic of TensorFlow Lite for
//! Microcontrollers.
//!
//! Sigmoid and tanh are evaluated there with gemmlowp's fixed-point functions: a number with `i`
//! integer bits is an `i32` in units of 2^(i - 31).

use super::rescale::factor;
use crate::quantized::Factor;

/// A function of an int8 value with an int8 result, in the order of the values' bytes: 0 to 127, then -128 to -1.
pub fn table(function: impl Fn(i32) -> i32) -> Vec<i32> {
    (0..=255_u8).map(|byte| function(i32::from(byte as i8)).clamp(-128, 127)).collect()
}

/// `x * factor`, rounded twice.
pub fn multiply(x: i32, factor: Factor) -> i32 {
    let left = u32::from(factor.exponent.max(0).unsigned_abs());
    let high = high_mul(x.wrapping_shl(left), factor.multiplier);
    divide_by_power(high, u32::from(factor.exponent.min(0).unsigned_abs()))
}

/// The high half of the doubled product, rounded to nearest.
fn high_mul(a: i32, b: i32) -> i32 {
    let product = i64::from(a) * i64::from(b);
    ((product + (1 << 30)) >> 31).clamp(i32::MIN.into(), i32::MAX.into()) as i32
}

/// `x / 2^bits`, rounded half away from zero.
fn divide_by_power(x: i32, bits: u32) -> i32 {
    let half = (1_i64 << bits) >> 1;
    let nudged = i64::from(x) + half - i64::from(x < 0 && bits > 0);
    (nudged >> bits) as i32
}

/// `x * 2^bits`, saturated.
fn multiply_by_power(x: i32, bits: u32) -> i32 {
    (i64::from(x) << bits).clamp(i32::MIN.into(), i32::MAX.into()) as i32
}

/// exp(a) for -1/4 <= a < 0, without integer bits: a Taylor series around -1/8.
fn exp_near_zero(a: i32) -> i32 {
    const EXP_OF_MINUS_EIGHTH: i32 = 1_895_147_668;
    const THIRD: i32 = 715_827_883;
    let x = a + (1 << 28);
    let x2 = high_mul(x, x);
    let x3 = high_mul(x2, x);
    let x4 = high_mul(x2, x2);
    let cubic = high_mul(divide_by_power(x4, 2) + x3, THIRD);
    let series = x + divide_by_power(cubic + x2, 1);
    EXP_OF_MINUS_EIGHTH + high_mul(EXP_OF_MINUS_EIGHTH, series)
}

/// exp(a) for a <= 0 with `integer_bits` of at most 5; the result has none.
fn exp_of_negative(a: i32, integer_bits: u32) -> i32 {
    // exp(-2^n), n from -2 on.
    const POWERS: [i32; 7] =
        [1_672_461_947, 1_302_514_674, 790_015_084, 290_630_308, 39_332_535, 720_401, 242];
    if a == 0 {
        return i32::MAX;
    }
    let quarter = 1 << (31 - integer_bits - 2);
    let below_quarter = (a & (quarter - 1)) - quarter;
    let mut result = exp_near_zero(multiply_by_power(below_quarter, integer_bits));
    let quarters = below_quarter.wrapping_sub(a) / quarter;
    for (bit, power) in POWERS.iter().enumerate().take(integer_bits as usize + 2) {
        if quarters >> bit & 1 == 1 {
            result = high_mul(result, *power);
        }
    }
    result
}

/// 1 / ((1 + a) / 2) for 0 <= a <= 1 by Newton and Raphson, with two integer bits.
fn reciprocal_of_half(a: i32) -> i32 {
    const RATIO_48_17: i32 = 1_515_870_810;
    const MINUS_32_17: i32 = -1_010_580_540;
    const ONE: i32 = 1 << 29;
    // Rounded half away from zero; the sum is never negative.
    let half = ((i64::from(a) + i64::from(i32::MAX) + 1) / 2) as i32;
    let mut x = RATIO_48_17 + high_mul(half, MINUS_32_17);
    for _ in 0..3 {
        let error = ONE - high_mul(half, x);
        x += multiply_by_power(high_mul(x, error), 2);
    }
    x
}

/// 1 / (1 + exp(-a)) for `a` with 4 integer bits.
fn sigmoid(a: i32) -> i32 {
    if a == 0 {
        return 1 << 30;
    }
    let positive = multiply_by_power(reciprocal_of_half(exp_of_negative(-a.abs(), 4)), 1);
    if a > 0 { positive } else { i32::MAX - positive }
}

/// tanh(a) for `a` with 4 integer bits.
fn tanh(a: i32) -> i32 {
    if a == 0 {
        return 0;
    }
    // exp(-2 |a|): the same integer with one more integer bit.
    let reciprocal = reciprocal_of_half(exp_of_negative(-a.abs(), 5));
    let magnitude = multiply_by_power(reciprocal - (1 << 29), 2);
    if a > 0 { magnitude } else { -magnitude }
}

/// The integer bits of the argument of sigmoid and tanh.
const INTEGER_BITS: i32 = 4;

/// `function` of an int8 value of the given scale and zero point, with `bits` fractional bits; what
/// is beyond its argument's range is `extremes`.
fn saturating(
    scale: f32,
    zero: i32,
    function: impl Fn(i32) -> i32,
    bits: u32,
    extremes: [i32; 2],
) -> Option<Vec<i32>> {
    let real = f64::from(scale) * f64::from(1 << (31 - INTEGER_BITS));
    let factor = factor(real)?;
    let largest = f64::from((1 << INTEGER_BITS) - 1) * 2_f64.powi(31 - INTEGER_BITS);
    let radius = (largest / 2_f64.powi(factor.exponent.into())).floor() as i32;
    Some(table(|x| {
        let x = x - zero;
        if x <= -radius {
            extremes[0]
        } else if x >= radius {
            extremes[1]
        } else {
            divide_by_power(function(multiply(x, factor)), 31 - bits)
                - if bits == 8 { 128 } else { 0 }
        }
    }))
}

/// LOGISTIC: the output has scale 1/256 and zero point -128. `None` for a scale that is too large.
pub fn logistic_table(scale: f32, zero: i32) -> Option<Vec<i32>> {
    saturating(scale, zero, sigmoid, 8, [-128, 127])
}

/// TANH: the output has scale 1/128 and zero point 0. `None` for a scale that is too large.
pub fn tanh_table(scale: f32, zero: i32) -> Option<Vec<i32>> {
    saturating(scale, zero, tanh, 7, [-128, 127])
}

/// HARD_SWISH, which computes in 16 bits. `None` where the output's scale is too small for that.
pub fn hard_swish_table(
    (input_scale, input_zero): (f32, i32),
    (output_scale, output_zero): (f32, i32),
) -> Option<Vec<i32>> {
    // In f32, as there.
    let fine_scale = (1.0_f32 / 128.0) * input_scale;
    let to_output = factor((fine_scale / output_scale).into())?;
    let to_ramp = factor((fine_scale / (3.0_f32 / 32768.0)).into())?;
    if to_output.exponent > 0 {
        return None;
    }
    let saturate = |x: i32| x.clamp(i16::MIN.into(), i16::MAX.into());
    let short = |factor: Factor| (factor.multiplier.saturating_add(1 << 15) >> 16).min(0x7fff);
    // The high half of the doubled product of two 16-bit numbers, rounded to nearest.
    let high = |a: i32, b: i32| saturate((a * b + (1 << 14)) >> 15);
    let shifted =
        |x: i32, bits: i8| saturate((i64::from(x) << bits.min(31)).clamp(-1 << 20, 1 << 20) as i32);
    Some(table(|x| {
        let fine = (x - input_zero) << 7;
        let value = high(fine, short(to_output));
        let mut ramp = fine;
        if to_ramp.exponent > 0 {
            ramp = shifted(ramp, to_ramp.exponent - 1);
        }
        ramp = high(ramp, short(to_ramp));
        if to_ramp.exponent > 0 {
            ramp = shifted(ramp, 1);
        }
        if to_ramp.exponent < 0 {
            ramp = divide_by_power(ramp, u32::from(to_ramp.exponent.unsigned_abs()));
        }
        let ramp = (ramp + (1 << 15)) >> 1;
        // Towards zero.
        let product = saturate(ramp * value / (1 << 15));
        divide_by_power(product, u32::from(to_output.exponent.unsigned_abs())) + output_zero
    }))
}
