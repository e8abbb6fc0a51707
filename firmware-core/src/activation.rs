//! What flows between layers: one byte per value, without a zero point.

use bytemuck::Pod;

use crate::arch::{Chosen, Target};

mod sealed {
    pub trait Sealed {}
    impl Sealed for u8 {}
    impl Sealed for i8 {}
}

/// An activation: `u8` after a ReLU (and for the input image), `i8` where it can be negative.
///
/// Its value is the integer times 2^-exponent, with one exponent per tensor and no zero point.
pub trait Activation: sealed::Sealed + Pod + Ord + core::fmt::Debug {
    /// Least value.
    const MIN: Self;
    /// Whether it is never negative.
    const UNSIGNED: bool;
    /// The integer, widened to the accumulator's type.
    fn to_i32(self) -> i32;
    /// The nearest representable value: 0..=255 for `u8`, which is the ReLU as well, and
    /// -128..=127 for `i8`.
    fn saturate(value: i32) -> Self;
}

impl Activation for u8 {
    const MIN: Self = u8::MIN;
    const UNSIGNED: bool = true;

    #[inline(always)]
    fn to_i32(self) -> i32 {
        i32::from(self)
    }

    #[inline(always)]
    fn saturate(value: i32) -> Self {
        Chosen::unsigned(value)
    }
}

impl Activation for i8 {
    const MIN: Self = i8::MIN;
    const UNSIGNED: bool = false;

    #[inline(always)]
    fn to_i32(self) -> i32 {
        i32::from(self)
    }

    #[inline(always)]
    fn saturate(value: i32) -> Self {
        Chosen::signed(value)
    }
}
