//! The outputs of `planes.rs` where a channel's requantization is a shift.

use super::SUMS;
use crate::arch::lines::Lines;
use crate::{Activation, Shift};

/// Outputs of `count` lines of `sums`: with the bias added, divided by a power of two, rounded half to
/// even, and saturated. Whether a line's outputs lie in `y`, and its sums in `sums`, the caller has seen
/// to.
///
/// # Safety
///
/// `count` lines of sums, `first` and behind it `before`, begin at `sums`, and the outputs of as many
/// lines lie in what `y` points into.
pub(super) unsafe fn divide<Y: Activation>(
    lines: &Lines,
    (sums, count): (*const i32, usize),
    (bias, shift): (i32, Shift),
    y: *mut Y,
) {
    let Lines { across, along, stride, pitch, .. } = *lines;
    let (pairs, step) = (along.output / 2, along.y_step);
    let read = if stride == 1 { 4 * pairs } else { 8 * pairs };
    let job = Job {
        sums,
        y: y.cast(),
        step,
        bias,
        bits: shift.bits().into(),
        count,
        pairs,
        odd: along.output % 2,
        next: [
            (4 * stride * pitch).wrapping_sub(read),
            across.y_step.wrapping_sub(2 * pairs * step),
        ],
    };
    // SAFETY: the routines read and write what the caller says is there. They keep to the procedure call
    // standard.
    unsafe {
        match (Y::UNSIGNED, stride == 1) {
            (true, true) => divide_unsigned(&job),
            (true, false) => divide_by_two_unsigned(&job),
            (false, true) => divide_signed(&job),
            (false, false) => divide_by_two_signed(&job),
        }
    }
}

/// What [`divide`] computes, in the order in which the routines load it.
#[repr(C)]
struct Job {
    sums: *const i32,
    y: *mut u8,
    /// From one output of a line to the next.
    step: usize,
    bias: i32,
    bits: u32,
    /// Lines.
    count: usize,
    /// Pairs of outputs of a line.
    pairs: usize,
    odd: usize,
    /// Bytes from behind the last pair of a line to the first of the next, of sums and of outputs.
    next: [usize; 2],
}

unsafe extern "C" {
    #[link_name = symbol!("divide_line_unsigned")]
    fn divide_unsigned(job: *const Job);
    #[link_name = symbol!("divide_line_signed")]
    fn divide_signed(job: *const Job);
    #[link_name = symbol!("divide_line_by_two_unsigned")]
    fn divide_by_two_unsigned(job: *const Job);
    #[link_name = symbol!("divide_line_by_two_signed")]
    fn divide_by_two_signed(job: *const Job);
}

/// An output of a sum: see `divide.rs`.
macro_rules! divide {
    ($saturate:ident, $sum:literal) => {
        concat!(
            "add ",
            $sum,
            ", r8\n",
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
            saturate!($saturate, $sum),
        )
    };
}

/// What one instruction does with the DSP extension, which is not needed for it.
macro_rules! saturate {
    (unsigned, $sum:literal) => {
        concat!("usat ", $sum, ", #8, ", $sum)
    };
    (signed, $sum:literal) => {
        concat!("ssat ", $sum, ", #8, ", $sum)
    };
}

// r0 sums, r1 pairs left, r2 outputs, r3 from output to output, r5 what is below the quotient, r6 and r7
// sums, r8 bias, r9 lines left, r10 bits, r11 31 less them, r12 the largest number, lr job. A pair is 19
// instructions.
macro_rules! divide_line {
    ($name:expr, const { $($gap:ident = $value:expr)? }, $saturate:ident, $second:expr) => {
        routine!(
            $name,
            const { $($gap = $value)? },
            "push {{r4-r11, lr}}",
            "mov lr, r0",
            "ldm lr, {{r0, r2, r3, r8, r10}}",
            "ldr r9, [lr, #20]",
            "rsb r11, r10, #31",
            "mvn r12, #0x80000000",
            "2:", // a line
            "ldr r1, [lr, #24]",
            "cbz r1, 4f",
            "3:",
            "ldr r6, [r0], #4",
            $second,
            divide!($saturate, "r6"),
            divide!($saturate, "r7"),
            "strb r6, [r2]",
            "strb r7, [r2, r3]",
            "add r2, r2, r3, lsl #1",
            "subs r1, #1",
            "bne 3b",
            "4:",
            "ldr r1, [lr, #28]",
            "cbz r1, 5f",
            "ldr r6, [r0]",
            divide!($saturate, "r6"),
            "strb r6, [r2]",
            "5:",
            "ldrd r6, r7, [lr, #32]",
            "add r0, r6",
            "add r2, r7",
            "subs r9, #1",
            "bne 2b",
            "pop {{r4-r11, pc}}",
        );
    };
}

divide_line!(
    symbol!("divide_line_unsigned"),
    const { gap = 4 * SUMS },
    unsigned,
    "ldr r7, [r0, #{gap}]"
);
divide_line!(
    symbol!("divide_line_signed"),
    const { gap = 4 * SUMS },
    signed,
    "ldr r7, [r0, #{gap}]"
);
divide_line!(symbol!("divide_line_by_two_unsigned"), const {}, unsigned, "ldr r7, [r0], #4");
divide_line!(symbol!("divide_line_by_two_signed"), const {}, signed, "ldr r7, [r0], #4");
