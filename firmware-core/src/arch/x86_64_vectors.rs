//! What the host's kernels need of a vector; a file per extension provides it.
//!
//! Every function is unsafe for one reason: the processor must have the extension, and loads read
//! as many values as they say. All are inlined into functions that are compiled for the extension.

use super::panel::{PIXELS, QUADS};
use crate::Activation;

/// Values of the widest vector.
pub(super) const WIDEST: usize = 32;

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
    /// Output channels that lie side by side in the weights of these vectors: see
    /// [`Target::SIDE_BY_SIDE`](crate::arch::Target::SIDE_BY_SIDE).
    const BLOCK: usize;
    /// Whether the weights must be [`gentle`](crate::arch::stacked): pairs of products are added in 16 bits.
    const GENTLE: bool = false;
    unsafe fn zero() -> Self;
    /// As many words as there are lanes.
    unsafe fn words(words: *const i32) -> Self;
    /// To each lane a value of each of the first `ROWS` rows, one to `TAPS` of them; what else is in a lane
    /// is of no account.
    unsafe fn stack<X: Activation, const ROWS: usize>(rows: [*const X; 4]) -> Self;
    /// The same weights in every lane.
    unsafe fn broadcast(weights: *const i32) -> Self;
    /// `sum` plus, in every lane, the products of values `x` and weights `w`.
    unsafe fn multiply(sum: Self, x: Self, w: Self) -> Self;
    /// The larger one of every lane.
    unsafe fn max(a: Self, b: Self) -> Self;
    /// What a [`Rounding`](super::outputs::Rounding) does: `sum` divided by 2^`bits`, one less where
    /// `sum & mask` is `tie`. (SSE2 divides all lanes by what is said of the first.)
    unsafe fn round(sum: Self, mask: Self, tie: Self, bits: Self) -> Self;
    /// The first `count` lanes' words, and zeros in the others.
    #[inline(always)]
    unsafe fn first_words(words: *const i32, count: usize) -> Self {
        // SAFETY: as the caller promises; a vector has no more lanes.
        unsafe {
            let mut all = [0i32; PIXELS];
            for n in 0..count.min(Self::PIXELS) {
                all[n] = words.add(n).read_unaligned();
            }
            Self::words(all.as_ptr())
        }
    }
    /// The same of bytes, as words.
    #[inline(always)]
    unsafe fn first_bytes(bytes: *const u8, count: usize) -> Self {
        // SAFETY: as the caller promises; a vector has no more lanes.
        unsafe {
            let mut all = [0i32; PIXELS];
            for n in 0..count.min(Self::PIXELS) {
                all[n] = i32::from(bytes.add(n).read());
            }
            Self::words(all.as_ptr())
        }
    }
    /// Of biases and of bits that are shifted out what a [`Rounding`](super::outputs::Rounding) has: start, mask
    /// and tie.
    #[inline(always)]
    unsafe fn division(bias: Self, bits: Self) -> [Self; 3] {
        // SAFETY: as the caller promises; a vector has no more lanes.
        unsafe {
            let [mut start, mut mask, mut tie, mut all] = [[0i32; PIXELS]; 4];
            start.as_mut_ptr().cast::<Self>().write_unaligned(bias);
            all.as_mut_ptr().cast::<Self>().write_unaligned(bits);
            for n in 0..Self::PIXELS {
                let divides = -i32::from(all[n] != 0);
                tie[n] = 1i32.wrapping_shl(all[n].cast_unsigned());
                start[n] = start[n].wrapping_add((tie[n] >> 1) & divides);
                mask[n] = tie[n].wrapping_mul(2).wrapping_sub(1) & divides;
            }
            [Self::words(start.as_ptr()), Self::words(mask.as_ptr()), Self::words(tie.as_ptr())]
        }
    }
    /// Whether a lane's word is no positive number up to `limit` nor the complement of one.
    #[inline(always)]
    unsafe fn exceeds(words: Self, limit: i32) -> bool {
        // SAFETY: a vector has no more lanes.
        unsafe {
            let mut all = [0i32; PIXELS];
            all.as_mut_ptr().cast::<Self>().write_unaligned(words);
            all.iter().any(|word| (*word).max(!*word) > limit)
        }
    }
    /// The integers next to the products of `sum` and the `f32` that lanes of `factors` have, from halves the even
    /// one, as Rust assumes of every processor's rounding: sums must be exact as `f32`, and what they give be an `i32`.
    unsafe fn scale(sum: Self, factors: Self) -> Self;
    /// The four vectors' words, one vector after the other, saturated to bytes and kept between two bounds.
    unsafe fn narrow<Y: Activation>(four: [Self; 4], bounds: [i32; 2], to: *mut u8);
    /// The same, each vector's bytes to a place of its own.
    unsafe fn scatter<Y: Activation>(four: [Self; 4], bounds: [i32; 2], to: [*mut u8; 4]);
    /// The same, where a word of the result has the four bytes of a lane.
    unsafe fn gather<Y: Activation>(four: [Self; 4], bounds: [i32; 2]) -> Self;
    /// The first, second, third and fourth `TAPS` values of every pixel. Pixels come in fours, each
    /// of which begins at `x` plus one of `at`, `step` values apart; 4 * `TAPS` values of each must
    /// be readable.
    unsafe fn columns<X: Activation>(x: *const X, at: &[usize; QUADS], step: usize) -> [Self; 4];
    /// In each lane the lowest `bits` of `lower`, and above them what is lowest in `upper`.
    unsafe fn pile(lower: Self, upper: Self, bits: u32) -> Self;
    /// Of each four lanes of `a` the larger one of the first two and of the last two, then the same of `b`.
    unsafe fn pairs(a: Self, b: Self) -> Self;
    /// Whether there are the next three.
    const DOUBLES: bool = false;
    /// Two words of weights or values, in turn in the lanes.
    unsafe fn broadcast_two(words: *const i32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self::broadcast(words) }
    }
    /// Of each four lanes the words of the first two of `a`, each with that of `b` behind it; and of the other two.
    unsafe fn zip(a: Self, b: Self) -> [Self; 2] {
        [a, b]
    }
    /// `start` plus, in every lane, what the two lanes add up to that [`Lanes::zip`] makes of it.
    unsafe fn add_neighbours(start: Self, _zipped: [Self; 2]) -> Self {
        start
    }
    /// Whether there are `load` and `spread`, for values that are never negative.
    const SPREADS: bool;
    /// The 16 bytes at `x` plus each of `at`, as many as the vector has.
    unsafe fn load(x: *const u8, at: &[usize; QUADS]) -> Self;
    /// The bytes of each four in the order in which a word of `order` numbers them, for each pixel.
    unsafe fn spread(values: Self, order: &[u32; 4]) -> Self;
    /// The numbers of the first `TAPS` bytes, and what makes them the numbers of those one behind.
    const ORDER: u32;
    const ORDER_STEP: u32;
    /// The 16 bytes at `x` for each of the first eight pixels, and those `second` behind for the others if there
    /// are more.
    unsafe fn load_twice(x: *const u8, second: usize) -> Self;
    /// Of each eight pixels' 16 bytes the ones that a pixel's word of `order` numbers.
    unsafe fn arrange(values: Self, order: &[u32; 8]) -> Self;
    /// Whether there are `load_rows` and `pick`.
    const PICKS: bool = false;
    /// The [`ROW`] bytes from `x` on, and those `second` behind them. Those behind `end` are zeros.
    unsafe fn load_rows(_x: *const u8, _second: usize, _end: usize) -> [[Self; 2]; 2] {
        // SAFETY: as the caller promises.
        unsafe { [[Self::zero(); 2]; 2] }
    }
    /// Two words of each pixel: the pairs of bytes that the two halves of `order` number, `behind` further on, of
    /// the first row for the first eight pixels and of the second for the others.
    unsafe fn pick(rows: &[[Self; 2]; 2], _order: &[u16; 32], _behind: usize) -> [Self; 2] {
        rows[0]
    }
}

/// Bytes of a row that [`Lanes::load_rows`] loads.
pub(super) const ROW: usize = 128;
