//! Depthwise convolution with the DSP extension: four channels of a tap in one load, 10
//! instructions for four multiply-accumulates.

use core::arch::global_asm;

use crate::Activation;
use crate::channels::Taps;

/// Adds what a window makes of as many channels as there are `sums`, a multiple of four.
#[inline(always)]
pub(super) fn depthwise<X: Activation>(
    x: &Taps<X>,
    weights: &Taps<i8>,
    [rows, columns]: [usize; 2],
    sums: &mut [i32],
) {
    let blocks = sums.len() / 4;
    let inside = x.last([rows, columns]).saturating_add(blocks * 4) <= x.values.len()
        && weights.last([rows, columns]).saturating_add(blocks * 4) <= weights.values.len();
    if rows == 0 || columns == 0 || blocks == 0 || !inside {
        return;
    }
    let wide = if columns == 3 { 0 } else { columns };
    let back = |step: usize| wide.wrapping_mul(step);
    let mut job = Job {
        x: x.values.as_ptr().cast(),
        weights: weights.values.as_ptr(),
        sums: sums.as_mut_ptr(),
        steps: [x.steps[0], weights.steps[0]],
        rows: [
            x.steps[1].wrapping_sub(back(x.steps[0])),
            weights.steps[1].wrapping_sub(back(weights.steps[0])),
        ],
        row: rows,
        taps: [rows, columns],
        blocks,
    };
    // SAFETY: the routines read four values of every tap and block, which all lie in the slices, as
    // was just checked, and read and write as many sums as there are. They keep to the procedure
    // call standard.
    unsafe {
        match (X::UNSIGNED, columns == 3) {
            (true, true) => depthwise3_unsigned(&mut job),
            (false, true) => depthwise3_signed(&mut job),
            (true, false) => depthwise_unsigned(&mut job),
            (false, false) => depthwise_signed(&mut job),
        }
    }
}

/// A window, in the order in which the routines expect it.
#[repr(C)]
struct Job {
    x: *const u8,
    weights: *const i8,
    sums: *mut i32,
    /// Bytes from one tap to the next, of the values and of the weights.
    steps: [usize; 2],
    /// Bytes from where a row ends to where the next begins.
    rows: [usize; 2],
    /// Rows left.
    row: usize,
    taps: [usize; 2],
    blocks: usize,
}

unsafe extern "C" {
    #[link_name = symbol!("depthwise3_unsigned")]
    fn depthwise3_unsigned(job: *mut Job);
    #[link_name = symbol!("depthwise3_signed")]
    fn depthwise3_signed(job: *mut Job);
    #[link_name = symbol!("depthwise_unsigned")]
    fn depthwise_unsigned(job: *mut Job);
    #[link_name = symbol!("depthwise_signed")]
    fn depthwise_signed(job: *mut Job);
}

/// Four channels of a tap, whose values are in r8 and whose weights in r10.
macro_rules! tap {
    ($unpack:literal) => {
        concat!(
            $unpack,
            " r9, r8\n",
            "sxtb16 r11, r10\n",
            "smlabb r4, r9, r11, r4\n",
            "smlatt r6, r9, r11, r6\n",
            $unpack,
            " r9, r8, ror #8\n",
            "sxtb16 r11, r10, ror #8\n",
            "smlabb r5, r9, r11, r5\n",
            "smlatt r7, r9, r11, r7",
        )
    };
}

// r0 values, r1 weights, r2 and r3 from one tap to the next, r4-r7 sums, r8-r11 a tap, r12 the job,
// lr columns left.
macro_rules! depthwise {
    ($name:expr, $($row:expr,)*) => {
        global_asm!(
            concat!(".section .text.", $name, ", \"ax\", %progbits"),
            syntax!(),
            ".thumb",
            ".p2align 2",
            concat!(".global ", $name),
            concat!(".type ", $name, ", %function"),
            ".thumb_func",
            concat!($name, ":"),
            "push {{r4-r11, lr}}",
            "mov r12, r0",
            "2:", // four channels
            "ldm r12, {{r0-r1, r8}}",
            "ldm r8, {{r4-r7}}",
            "ldrd r2, r3, [r12, #12]",
            "ldr r8, [r12, #32]", // rows
            "str r8, [r12, #28]",
            "3:", // a row
            $($row,)*
            "ldrd r8, r9, [r12, #20]",
            "ldr r10, [r12, #28]",
            "add r0, r8",
            "add r1, r9",
            "subs r10, #1",
            "str r10, [r12, #28]",
            "bne 3b",
            "ldm r12, {{r0-r1, r8}}",
            "adds r0, #4",
            "adds r1, #4",
            "stm r8!, {{r4-r7}}",
            "stm r12, {{r0-r1, r8}}",
            "ldr r8, [r12, #40]", // blocks
            "subs r8, #1",
            "str r8, [r12, #40]",
            "bne 2b",
            "pop {{r4-r11, pc}}",
            concat!(".size ", $name, ", . - ", $name),
        );
    };
}

macro_rules! depthwise3 {
    ($name:expr, $unpack:literal) => {
        depthwise!(
            $name,
            "ldr r8, [r0]",
            "ldr r10, [r1]",
            tap!($unpack),
            "ldr r8, [r0, r2]",
            "ldr r10, [r1, r3]",
            tap!($unpack),
            "ldr r8, [r0, r2, lsl #1]",
            "ldr r10, [r1, r3, lsl #1]",
            tap!($unpack),
        );
    };
}

macro_rules! depthwise_any {
    ($name:expr, $unpack:literal) => {
        depthwise!(
            $name,
            "ldr lr, [r12, #36]", // columns
            "4:",
            "ldr r8, [r0]",
            "ldr r10, [r1]",
            "add r0, r2",
            "add r1, r3",
            tap!($unpack),
            "subs lr, #1",
            "bne 4b",
        );
    };
}

depthwise3!(symbol!("depthwise3_unsigned"), "uxtb16");
depthwise3!(symbol!("depthwise3_signed"), "sxtb16");
depthwise_any!(symbol!("depthwise_unsigned"), "uxtb16");
depthwise_any!(symbol!("depthwise_signed"), "sxtb16");
