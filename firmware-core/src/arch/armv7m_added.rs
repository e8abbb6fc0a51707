//! Sums of two values with scales of their own, as TensorFlow Lite for Microcontrollers computes them, on Armv7-M and
//! later: 15 instructions each, of a signed byte and another.
//!
//! The term of the larger scale has the factor one half, which is exact: it is shifted to its place. The other one, 21
//! bits to the left, is below 2^30 and its doubled product's upper half rounded by one instruction with the DSP
//! extension; dividing by a power of two rounds halves away from zero, so half a unit is added, less one to what is
//! negative. The output's zero point, as many bits to the left, is added with its half unit.

use crate::affine::HEADROOM;
use crate::{Activation, Multiplier, Term};

/// [`Target::add_scaled`](super::Target::add_scaled) of signed bytes, or false where a term or the output is another
/// than this file's.
#[inline(never)]
pub(super) fn add_scaled<A: Activation, B: Activation, Y: Activation>(
    terms: [Term; 2],
    (a, b): (&[A], &[B]),
    requantize: Multiplier,
    y: &mut [Y],
) -> bool {
    let count = y.len().min(a.len()).min(b.len());
    if A::UNSIGNED || B::UNSIGNED || Y::UNSIGNED {
        return false;
    }
    let (a, b) = (a.as_ptr().cast(), b.as_ptr().cast());
    let (exact, other, x) = match terms.map(is_exact) {
        [true, _] => (terms[0], terms[1], [a, b]),
        [_, true] => (terms[1], terms[0], [b, a]),
        _ => return false,
    };
    let [Some((half, bits)), Some((unit, output_bits))] =
        [other.exponent, requantize.exponent].map(division)
    else {
        return false;
    };
    if output_bits > MOST_BITS {
        return false;
    }
    let zero = |term: Term, bits: u32| i32::from(term.zero) << bits;
    let job = Job {
        x,
        y: y.as_mut_ptr().cast(),
        end: y.as_mut_ptr().wrapping_add(count).cast(),
        zero: zero(other, HEADROOM + 1),
        multiplier: other.multiplier,
        half,
        bits,
        // Twice the sum, whose exact term is shifted by 19.
        offset: -zero(exact, HEADROOM),
        output_multiplier: requantize.multiplier,
        output_offset: unit + (i32::from(requantize.zero) << output_bits),
        output_bits,
    };
    if count > 0 {
        // SAFETY: the routine reads `count` bytes of both and writes as many, of which there is at least one. It keeps
        // to the procedure call standard.
        unsafe { added(&job) };
    }
    let [low, high] = [requantize.low, requantize.high];
    if [low, high] != [i8::MIN, i8::MAX] {
        let [low, high] = [low, high].map(|bound| Y::saturate(bound.into()));
        y.iter_mut().take(count).for_each(|y| *y = (*y).max(low).min(high));
    }
    true
}

/// Most bits by which a sum is shifted right, so that the output's zero point fits in front of them.
const MOST_BITS: u32 = 22;

/// Whether a term's factor is one half.
#[inline(always)]
fn is_exact(term: Term) -> bool {
    (term.multiplier, term.exponent) == (1 << 30, 0)
}

/// Half a unit and the bits of a division, if it is one.
#[inline(always)]
fn division(exponent: i8) -> Option<(i32, u32)> {
    let bits = u32::from(exponent.unsigned_abs());
    (exponent < 0 && bits < 32).then(|| (1 << (bits - 1), bits))
}

/// In the order in which the routine loads it.
#[repr(C)]
struct Job {
    /// The exact term's values and the other's.
    x: [*const u8; 2],
    y: *mut u8,
    end: *mut u8,
    /// Of the other term: its zero point 21 bits to the left, its multiplier, half a unit and bits.
    zero: i32,
    multiplier: i32,
    half: i32,
    bits: u32,
    /// What twice the sum lacks.
    offset: i32,
    /// Of the output; its zero point and half a unit are one number.
    output_multiplier: i32,
    output_offset: i32,
    output_bits: u32,
}

unsafe extern "C" {
    #[link_name = symbol!("added")]
    fn added(job: *const Job);
}

/// The upper half of the product of r12 and a multiplier, rounded half up; lr may change.
#[cfg(not(kernels = "armv7m"))]
macro_rules! upper {
    ($multiplier:literal) => {
        concat!("smmulr r12, r12, ", $multiplier)
    };
}
#[cfg(kernels = "armv7m")]
macro_rules! upper {
    ($multiplier:literal) => {
        concat!("smull lr, r12, r12, ", $multiplier, "\nadds lr, #0x80000000\nadc r12, r12, #0")
    };
}

// r0 and r1 values, r2 sums, r3 the last one's end, r4-r11 the rest of the job, r12 a sum, lr a value.
routine!(
    symbol!("added"),
    "push {{r4-r11, lr}}",
    "ldm r0, {{r0-r11}}",
    "2:",
    "ldrsb r12, [r1], #1",
    "rsb r12, r4, r12, lsl #21",
    upper!("r5"),
    "add r12, r12, r12, asr #31",
    "add r12, r6",
    "asr r12, r7",
    "ldrsb lr, [r0], #1",
    "add r12, r12, lr, lsl #19",
    "add r12, r8, r12, lsl #1",
    upper!("r9"),
    "add r12, r12, r12, asr #31",
    "add r12, r10",
    "asr r12, r11",
    "ssat r12, #8, r12",
    "strb r12, [r2], #1",
    "cmp r2, r3",
    "bne 2b",
    "pop {{r4-r11, pc}}",
);
