//! Sums and the outputs made of them with the DSP extension, where one instruction saturates.

use crate::arch::{Finish, Place};
use crate::kernels::requantized;
use crate::{Activation, Multiplier, Requantize, Shift};

/// Outputs that are requantized.
#[derive(Clone, Copy)]
pub(super) struct Requantized {
    /// By multipliers that are [`plain`].
    plain: bool,
}

impl Requantized {
    /// By `all`, each for a channel, outputs of type `Y`.
    #[inline(always)]
    pub fn by<R: Requantize, Y: Activation>(all: &[R]) -> Self {
        let multipliers = if Y::UNSIGNED { None } else { R::as_multipliers(all) };
        Self { plain: multipliers.is_some_and(plain) }
    }

    /// All as shifts, and the bounds of their results, if those are closer than the type's and kept by [`clip`].
    #[inline(always)]
    pub fn shifts<R: Requantize, Y: Activation>(all: &[R]) -> Option<(&[Shift], Option<Bounds>)> {
        let (shifts, [low, high]) = R::as_shifts(all)?;
        let [least, most] = [i32::MIN, i32::MAX].map(|bound| Y::saturate(bound).to_i32());
        match (low <= least && most <= high, Y::UNSIGNED) {
            (true, _) => Some((shifts, None)),
            (_, true) => Some((shifts, Some([low, high].map(|bound| bound.clamp(0, 255) as u8)))),
            _ => None,
        }
    }

    /// All, if they are plain multipliers.
    #[inline(always)]
    pub fn multipliers<R: Requantize>(self, all: &[R]) -> Option<&[Multiplier]> {
        if self.plain { R::as_multipliers(all) } else { None }
    }
}

impl<R: Requantize, Y: Activation> Finish<R, Y> for Requantized {
    #[inline(always)]
    fn one(self, requantize: R, sum: i32) -> Y {
        requantized(requantize, sum)
    }

    #[inline(always)]
    fn four(self, requantize: &[R], sums: &[[i32; 4]], place: impl Place, y: &mut [Y]) -> bool {
        if let Some((shifts, bounds)) = Self::shifts::<R, Y>(requantize) {
            divide_four(shifts, sums, place, y);
            if let Some(bounds) = bounds {
                let (channels, depth) = (sums.len(), place.depth(sums.len()));
                for pixel in y.chunks_mut(depth.max(1)).take(4) {
                    clip(bounds, pixel.get_mut(place.first()..).unwrap_or_default(), channels);
                }
            }
            return true;
        }
        match self.multipliers(requantize) {
            Some(multipliers) => {
                multiply_four(multipliers, sums, place, y);
                true
            }
            None => false,
        }
    }
}

/// The least and the largest value of what has no sign.
pub(super) type Bounds = [u8; 2];

/// Keeps the first `count` elements of `y`, of a type without a sign, between two bounds.
#[inline(never)]
pub(super) fn clip<Y: Activation>([low, high]: Bounds, y: &mut [Y], count: usize) {
    let Some(y) = y.get_mut(..count) else { return };
    let (words, rest) = y.split_at_mut_checked(count / 4 * 4).unwrap_or_default();
    if let (1.., true) = (words.len(), Y::UNSIGNED) {
        let each = |byte: u8| u32::from_ne_bytes([byte; 4]);
        // SAFETY: the routine reads and writes so many words, of which there is one, and an element is a byte. It keeps
        // to the procedure call standard.
        unsafe {
            clip_words(words.as_mut_ptr().cast(), words.len() / 4, each(u8::MAX - high), each(low))
        };
    }
    for y in rest {
        *y = Y::saturate(y.to_i32().max(low.into()).min(high.into()));
    }
}

/// Whether all are as those of imported models usually are, of numbers from 1/2 on, bounded by nothing but the type
/// `i8`, and with something to shift right: what the routines here and in `armv7em_strip.rs` compute.
///
/// The high half of the doubled product, rounded, is what SMMLAR makes of `x * (2m - 2^32) + x * 2^32`: of a doubled
/// multiplier of which the highest bit counts as a sign. Halves go up where a right shift leaves them in the carry, and
/// away from zero if of a negative number 1 is taken away first.
#[inline(never)]
fn plain(multipliers: &[Multiplier]) -> bool {
    multipliers.iter().all(|one| {
        one.multiplier >= 1 << 30 && one.exponent < 0 && one.low == i8::MIN && one.high == i8::MAX
    })
}

/// Each channel's bias as the sums of four pixels.
pub(super) fn spread(bias: &[i32], sums: &mut [[i32; 4]]) {
    let channels = sums.len().min(bias.len());
    if channels > 0 {
        // SAFETY: the routine reads as many biases and writes as many quadruples of sums as there are.
        // It keeps to the procedure call standard.
        unsafe { spread_all(bias.as_ptr(), sums.as_mut_ptr().cast(), channels) };
    }
}

/// The outputs in their place of four pixels that lie side by side in `y`: their sums divided by powers of two,
/// rounded half to even, and saturated.
#[inline(never)]
fn divide_four<Y: Activation>(shifts: &[Shift], sums: &[[i32; 4]], place: impl Place, y: &mut [Y]) {
    let Some(job) = Job::new(shifts, sums, place, y) else { return };
    // SAFETY: the routines read as many quadruples of sums and shifts, which are bytes, as the job has, and write
    // as many outputs of four pixels, which are bytes too. They keep to the procedure call standard.
    unsafe {
        if Y::UNSIGNED {
            divide_four_unsigned(&job);
        } else {
            divide_four_signed(&job);
        }
    }
}

/// The same of sums times multipliers that are [`plain`], for signed outputs.
#[inline(never)]
fn multiply_four<Y: Activation>(
    multipliers: &[Multiplier],
    sums: &[[i32; 4]],
    place: impl Place,
    y: &mut [Y],
) {
    let Some(job) = Job::new(multipliers, sums, place, y) else { return };
    // SAFETY: as above, with multipliers, which are `repr(C)`, instead of shifts.
    unsafe { multiply_four_signed(&job) };
}

/// What the routines compute, in the order in which they load it.
#[repr(C)]
struct Job<R> {
    sums: *const i32,
    requantize: *const R,
    y: *mut u8,
    depth: usize,
    /// Where the sums end.
    end: *const i32,
}

impl<R> Job<R> {
    /// `None` if there is no channel, or something is not there for each of them.
    #[inline(always)]
    fn new<Y: Activation>(
        requantize: &[R],
        sums: &[[i32; 4]],
        place: impl Place,
        y: &mut [Y],
    ) -> Option<Self> {
        let (channels, first) = (sums.len(), place.first());
        let depth = place.depth(channels);
        if channels == 0
            || requantize.len() != channels
            || first + channels > depth
            || y.len() < 4 * depth
        {
            return None;
        }
        let y = y.as_mut_ptr().wrapping_add(first).cast();
        let sums = sums.as_ptr_range();
        let requantize = requantize.as_ptr();
        Some(Self { sums: sums.start.cast(), requantize, y, depth, end: sums.end.cast() })
    }
}

unsafe extern "C" {
    #[link_name = symbol!("spread")]
    fn spread_all(bias: *const i32, sums: *mut i32, channels: usize);
    #[link_name = symbol!("divide_four_unsigned")]
    fn divide_four_unsigned(job: *const Job<Shift>);
    #[link_name = symbol!("divide_four_signed")]
    fn divide_four_signed(job: *const Job<Shift>);
    #[link_name = symbol!("clip_words")]
    fn clip_words(y: *mut u8, words: usize, above: u32, low: u32);
    #[link_name = symbol!("multiply_four_signed")]
    fn multiply_four_signed(job: *const Job<Multiplier>);
}

// Two channels are 7 instructions.
routine!(
    symbol!("spread"),
    "lsls r3, r2, #31",
    "beq 2f",
    "ldr r3, [r0], #4",
    "strd r3, r3, [r1], #8",
    "strd r3, r3, [r1], #8",
    "subs r2, #1",
    "beq 3f",
    "2:",
    "ldrd r3, r12, [r0], #8",
    "strd r3, r3, [r1], #8",
    "strd r3, r3, [r1], #8",
    "strd r12, r12, [r1], #8",
    "strd r12, r12, [r1], #8",
    "subs r2, #2",
    "bne 2b",
    "3:",
    "bx lr",
);

/// An output of a sum: see `divide.rs`.
macro_rules! divide {
    ($saturate:literal, $sum:literal, $to:literal) => {
        concat!(
            "lsl r5, ",
            $sum,
            ", r11\n",
            "asr ",
            $sum,
            ", ",
            $sum,
            ", r10\n",
            "cmn r12, r5, ror #31\n",
            "adc ",
            $sum,
            ", ",
            $sum,
            ", #0\n",
            $saturate,
            " ",
            $sum,
            ", #8, ",
            $sum,
            "\n",
            "strb ",
            $sum,
            ", ",
            $to,
        )
    };
}

// r0 sums, r1 shifts, r2 the first pixel, r3 from pixel to pixel, r4 the last pixel, r5 what is below the
// quotient, r6-r9 sums, r10 bits, r11 31 less them, r12 the largest number, lr where the sums end. A
// channel is 29 instructions.
macro_rules! divide_four {
    ($name:expr, $saturate:literal) => {
        routine!(
            $name,
            "push {{r4-r11, lr}}",
            "ldr lr, [r0, #16]",
            "ldm r0, {{r0-r3}}",
            "add r4, r3, r3, lsl #1",
            "add r4, r2",
            "mvn r12, #0x80000000",
            "2:",
            "ldm r0!, {{r6-r9}}",
            "ldrb r10, [r1], #1",
            "rsb r11, r10, #31",
            divide!($saturate, "r7", "[r2, r3]"),
            divide!($saturate, "r8", "[r2, r3, lsl #1]"),
            divide!($saturate, "r6", "[r2], #1"),
            divide!($saturate, "r9", "[r4], #1"),
            "cmp r0, lr",
            "bne 2b",
            "pop {{r4-r11, pc}}",
        );
    };
}

divide_four!(symbol!("divide_four_unsigned"), "usat");
divide_four!(symbol!("divide_four_signed"), "ssat");

/// An output of a sum: see [`plain`].
macro_rules! multiply {
    ($sum:literal, $to:literal) => {
        concat!(
            "smmlar ",
            $sum,
            ", ",
            $sum,
            ", r10, ",
            $sum,
            "\n",
            "add ",
            $sum,
            ", ",
            $sum,
            ", ",
            $sum,
            ", asr #31\n",
            "asrs ",
            $sum,
            ", ",
            $sum,
            ", r5\n",
            "adc ",
            $sum,
            ", ",
            $sum,
            ", r11\n",
            "ssat ",
            $sum,
            ", #8, ",
            $sum,
            "\n",
            "strb ",
            $sum,
            ", ",
            $to,
        )
    };
}

// r0 sums, r1 multipliers, r2 the first pixel, r3 from pixel to pixel, r4 the last pixel, r5 bits, r6-r9 sums, r10 the
// doubled multiplier, r11 the zero point, lr where the sums end. A channel is 32 instructions.
routine!(
    symbol!("multiply_four_signed"),
    "push {{r4-r11, lr}}",
    "ldr lr, [r0, #16]",
    "ldm r0, {{r0-r3}}",
    "add r4, r3, r3, lsl #1",
    "add r4, r2",
    "2:",
    "ldm r0!, {{r6-r9}}",
    "ldrd r10, r11, [r1], #8",
    "lsl r10, r10, #1",
    "sxtb r5, r11",
    "rsbs r5, r5, #0",
    "sbfx r11, r11, #8, #8",
    multiply!("r7", "[r2, r3]"),
    multiply!("r8", "[r2, r3, lsl #1]"),
    multiply!("r6", "[r2], #1"),
    multiply!("r9", "[r4], #1"),
    "cmp r0, lr",
    "bne 2b",
    "pop {{r4-r11, pc}}",
);

// Four bytes: those that are too large saturate at 255 if as much is added as lies above the largest, those that are
// too small at 0 if the least is taken away.
routine!(
    symbol!("clip_words"),
    "2:",
    "ldr r12, [r0]",
    "uqadd8 r12, r12, r2",
    "uqsub8 r12, r12, r2",
    "uqsub8 r12, r12, r3",
    "uqadd8 r12, r12, r3",
    "str r12, [r0], #4",
    "subs r1, #1",
    "bne 2b",
    "bx lr",
);
