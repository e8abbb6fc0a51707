//! Depthwise convolution with the DSP extension: four channels of a tap in one load, 10
//! instructions for four multiply-accumulates.

use crate::Activation;
use crate::channels::Taps;

/// The sums of as many channels as there are, a multiple of four: of the bias and what a window of
/// `[rows, columns]` taps makes of each.
#[inline(always)]
pub(super) fn depthwise<X: Activation>(
    x: &Taps<X>,
    weights: &Taps<i8>,
    [rows, columns]: [usize; 2],
    bias: &[i32],
    sums: &mut [i32],
) {
    let blocks = sums.len().min(bias.len()) / 4;
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
        bias: bias.as_ptr(),
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
    bias: *const i32,
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
// lr what is left of rows or of columns.
macro_rules! depthwise {
    ($name:expr, { $($rows:expr,)* }, { $($row:expr,)* }, { $($next:expr,)* }) => {
        routine!(
            $name,
            "push {{r4-r11, lr}}",
            "mov r12, r0",
            "2:", // four channels
            "ldm r12, {{r0-r2}}",
            "ldm r2!, {{r4-r7}}",
            "str r2, [r12, #8]",
            "ldrd r2, r3, [r12, #16]",
            $($rows,)*
            "3:", // a row
            $($row,)*
            "ldrd r8, r9, [r12, #24]",
            "add r0, r8",
            "add r1, r9",
            $($next,)*
            "bne 3b",
            "ldm r12, {{r0-r3}}",
            "adds r0, #4",
            "adds r1, #4",
            "stm r3!, {{r4-r7}}",
            "stm r12, {{r0-r3}}",
            "ldr r8, [r12, #44]", // blocks
            "subs r8, #1",
            "str r8, [r12, #44]",
            "bne 2b",
            "pop {{r4-r11, pc}}",
        );
    };
}

macro_rules! depthwise3 {
    ($name:expr, $unpack:literal) => {
        depthwise!(
            $name,
            { "ldr lr, [r12, #36]", }, // rows
            {
            "ldr r8, [r0]",
            "ldr r10, [r1]",
            tap!($unpack),
            "ldr r8, [r0, r2]",
            "ldr r10, [r1, r3]",
            tap!($unpack),
            "ldr r8, [r0, r2, lsl #1]",
            "ldr r10, [r1, r3, lsl #1]",
            tap!($unpack),
            },
            { "subs lr, #1", }
        );
    };
}

macro_rules! depthwise_any {
    ($name:expr, $unpack:literal) => {
        depthwise!(
            $name,
            {
            "ldr r8, [r12, #36]", // rows
            "str r8, [r12, #32]",
            },
            {
            "ldr lr, [r12, #40]", // columns
            "4:",
            "ldr r8, [r0]",
            "ldr r10, [r1]",
            "add r0, r2",
            "add r1, r3",
            tap!($unpack),
            "subs lr, #1",
            "bne 4b",
            },
            {
            "ldr r10, [r12, #32]",
            "subs r10, #1",
            "str r10, [r12, #32]",
            }
        );
    };
}

depthwise3!(symbol!("depthwise3_unsigned"), "uxtb16");
depthwise3!(symbol!("depthwise3_signed"), "sxtb16");
depthwise_any!(symbol!("depthwise_unsigned"), "uxtb16");
depthwise_any!(symbol!("depthwise_signed"), "sxtb16");
