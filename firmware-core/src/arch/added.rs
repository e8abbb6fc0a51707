//! Sums of two values with scales of their own, as TensorFlow Lite for Microcontrollers computes them.
//!
//! The term of the larger scale has the factor one half, which is exact: it is shifted to its place. The other one, 21
//! bits to the left, is below 2^30, and the upper half of its product with the multiplier is that of the doubled product
//! that is asked for. Dividing by a power of two rounds halves away from zero, so half a unit is added, less one to what
//! is negative. The output's zero point, as many bits to the left, is added with its half unit.

use crate::affine::{self, HEADROOM};
use crate::{Activation, Multiplier, Term};

#[cfg(not(kernels = "riscv32"))]
#[path = "armv7m_added.rs"]
mod assembly;
#[cfg(kernels = "riscv32")]
use super::target::added as assembly;

/// [`Target::add_scaled`](super::Target::add_scaled)
#[inline(always)]
pub(super) fn add_scaled<A: Activation, B: Activation, Y: Activation>(
    terms: [Term; 2],
    values: (&[A], &[B]),
    requantize: Multiplier,
    y: &mut [Y],
) {
    if !several(terms, values, requantize, y) {
        affine::add_scaled(terms, values, requantize, y);
    }
}

/// The same for signed bytes, or false where a term or the output is another than this file's.
#[inline(never)]
fn several<A: Activation, B: Activation, Y: Activation>(
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
    let bounds = [requantize.low, requantize.high];
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
        bounds: bounds.map(i32::from),
    };
    if count > 0 {
        // SAFETY: the routine reads `count` bytes of both and writes as many, of which there is at least one. It keeps
        // to the procedure call standard.
        unsafe { assembly::added(&job) };
    }
    // Most outputs have no closer bounds than their type's, to which one instruction of Arm's keeps them.
    if cfg!(not(kernels = "riscv32")) && bounds != [i8::MIN, i8::MAX] {
        let [low, high] = bounds.map(|bound| Y::saturate(bound.into()));
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
pub(super) struct Job {
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
    bounds: [i32; 2],
}
