//! Sums and the outputs made of them with the DSP extension, where one instruction saturates.

use crate::arch::{Finish, Place};
use crate::kernels::requantized;
use crate::{Activation, Requantize, Shift};

/// Outputs that are requantized.
#[derive(Clone, Copy)]
pub(super) struct Requantized;

impl<R: Requantize, Y: Activation> Finish<R, Y> for Requantized {
    #[inline(always)]
    fn one(self, requantize: R, sum: i32) -> Y {
        requantized(requantize, sum)
    }

    #[inline(always)]
    fn four(self, requantize: &[R], sums: &[[i32; 4]], place: impl Place, y: &mut [Y]) -> bool {
        let Some(shifts) = R::shifts(requantize) else { return false };
        divide_four(shifts, sums, place, y);
        true
    }
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
    let (channels, first) = (sums.len(), place.first());
    let depth = place.depth(channels);
    if channels == 0 || shifts.len() != channels || first + channels > depth || y.len() < 4 * depth
    {
        return;
    }
    let (shifts, y) = (shifts.as_ptr().cast(), y.as_mut_ptr().wrapping_add(first).cast());
    let sums = sums.as_ptr_range();
    let job = Job { sums: sums.start.cast(), shifts, y, depth, end: sums.end.cast() };
    // SAFETY: the routines read `channels` quadruples of sums and as many shifts, which are bytes, and write
    // as many outputs of four pixels, which are bytes too: that all are there was just checked. They keep
    // to the procedure call standard.
    unsafe {
        if Y::UNSIGNED {
            divide_four_unsigned(&job);
        } else {
            divide_four_signed(&job);
        }
    }
}

/// What [`divide_four`] computes, in the order in which the routines load it.
#[repr(C)]
struct Job {
    sums: *const i32,
    shifts: *const u8,
    y: *mut u8,
    depth: usize,
    /// Where the sums end.
    end: *const i32,
}

unsafe extern "C" {
    #[link_name = symbol!("spread")]
    fn spread_all(bias: *const i32, sums: *mut i32, channels: usize);
    #[link_name = symbol!("divide_four_unsigned")]
    fn divide_four_unsigned(job: *const Job);
    #[link_name = symbol!("divide_four_signed")]
    fn divide_four_signed(job: *const Job);
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
