//! What kernels need of vectors of 128 bits, which are here and there taken in twos; a file per extension
//! provides it.
//!
//! Every function is unsafe for one reason: the processor must have the extension, and loads read
//! as many values as they say. All are inlined into functions that are compiled for the extension.

use super::panel::QUADS;
use crate::Activation;

/// Values of a [`Vector`].
pub(super) const WIDEST: usize = 8;

/// Vectors of 16-bit values, and of 32-bit sums of pairs of products.
///
/// # Safety
///
/// The processor must have the extension; pointers must be good for `LANES` values.
pub(super) trait Vector: Copy {
    const LANES: usize;
    unsafe fn zero() -> Self;
    unsafe fn i16(values: *const i16) -> Self;
    unsafe fn i8(values: *const i8) -> Self;
    unsafe fn u8(values: *const u8) -> Self;
    /// `sum` plus the products of `a` and `b`, pairs added.
    unsafe fn multiply(sum: Self, a: Self, b: Self) -> Self;
    /// The four vectors' sums.
    unsafe fn reduce(sums: [Self; 4]) -> [i32; 4];
}

/// Vectors with a 32-bit sum of products to each lane, and in the operands `TAPS` values.
///
/// # Safety
///
/// The processor must have the extension.
pub(super) trait Lanes: Copy {
    /// Lanes, each of them for a pixel.
    const PIXELS: usize;
    /// Values of an operand's lane: four of 8 bits or two of 16.
    const TAPS: usize;
    unsafe fn zero() -> Self;
    /// Whether values of 8 bits are signed. Those that are not lie 128 lower in the operands.
    const SIGNED: bool = false;
    /// The same `TAPS` values or weights in every lane.
    unsafe fn broadcast(taps: *const i32) -> Self;
    /// `TAPS` weights for every lane, of [`Target::SIDE_BY_SIDE`](crate::arch::Target::SIDE_BY_SIDE).
    #[inline(always)]
    unsafe fn side_by_side(weights: *const i32) -> Self {
        unsafe { weights.cast::<Self>().read_unaligned() }
    }
    /// `sum` plus, in every lane, the products of values `x` and weights `w`, which are the same in every
    /// lane.
    unsafe fn multiply(sum: Self, x: Self, w: Self) -> Self;
    /// The same where it is the values that are the same in every lane.
    #[inline(always)]
    unsafe fn multiply_same(sum: Self, x: Self, w: Self) -> Self {
        unsafe { Self::multiply(sum, x, w) }
    }
    /// Whether there are `four` and `multiply_number`.
    const FOURS: bool = false;
    /// Four times as many values as [`Lanes::broadcast`] takes.
    #[inline(always)]
    unsafe fn four(values: *const i32) -> Self {
        unsafe { Self::broadcast(values) }
    }
    /// [`Lanes::multiply_same`] with the `NUMBER`th of what `four` has loaded.
    #[inline(always)]
    unsafe fn multiply_number<const NUMBER: i32>(sum: Self, x: Self, w: Self) -> Self {
        unsafe { Self::multiply_same(sum, x, w) }
    }
    /// The larger one of every lane.
    unsafe fn max(a: Self, b: Self) -> Self;
    /// The first, second, third and fourth `TAPS` values of every pixel. Pixels come in fours, each
    /// of which begins at `x` plus one of `at`, `step` values apart; 4 * `TAPS` values of each must
    /// be readable.
    unsafe fn columns<X: Activation>(x: *const X, at: &[usize; QUADS], step: usize) -> [Self; 4];
    /// Whether there are `load` and `spread`, for values that are never negative.
    const SPREADS: bool;
    /// The 16 bytes at `x` plus each of `at`, as many as the vector has.
    unsafe fn load(x: *const u8, at: &[usize; QUADS]) -> Self;
    /// The bytes of each four in the order in which a word of `order` numbers them, for each pixel.
    unsafe fn spread(values: Self, order: &[u32; 4]) -> Self;
    /// The numbers of the first `TAPS` bytes, and what makes them the numbers of those one behind.
    const ORDER: u32;
    const ORDER_STEP: u32;
}

/// Vectors with a 32-bit sum to each of eight channels, of taps that come in pairs.
///
/// # Safety
///
/// The processor must have the extension; pointers must be good for eight values.
pub(super) trait Pairs: Lanes {
    /// What is multiplied: a value, or what it is widened to.
    type Element<X: Activation>: Copy;
    /// The weights of two taps.
    type Weights: Copy;
    fn element<X: Activation>(x: X) -> Self::Element<X>;
    /// Weights of zero.
    unsafe fn none() -> Self::Weights;
    /// The weights of two taps; zero for a null pointer.
    unsafe fn weights(taps: [*const i8; 2]) -> Self::Weights;
    /// `sum` plus, in every lane, the products of the values of two taps and their weights.
    unsafe fn multiply_pair<X: Activation>(
        sum: Self,
        x: [*const Self::Element<X>; 2],
        weights: Self::Weights,
    ) -> Self;
}
