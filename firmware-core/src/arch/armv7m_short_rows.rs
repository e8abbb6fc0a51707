//! Depthwise windows of 3 x 3 over rows of three to five pixels, on cores that multiply one pair of values at a time.
//!
//! The sums of a whole row of output stay in registers, and each input is loaded once for a kernel row: nothing is
//! packed, which takes longer than the products do where a row is short and few rows are there at a time. The column
//! of padding on either side has no products.

use crate::kernels::{Conv2dShape, requantized};
use crate::{Activation, Requantize, Shift};

/// Taps of a window along each axis.
const TAPS: usize = 3;

/// Pixels of the longest row.
const MOST: usize = 5;

/// Rows of sums that are there at a time where no routine finishes them.
const ROWS: usize = 6;

/// Depthwise convolution with as many output channels as input channels. False if it is none for this file, and
/// nothing done.
#[inline(never)]
pub(super) fn depthwise_conv2d<X: Activation, Y: Activation, R: Requantize>(
    shape: &Conv2dShape,
    (x, weights): (&[X], &[i8]),
    (bias, requantize): (&[i32], &[R]),
    y: &mut [Y],
) -> bool {
    let ([height, width, depth], [rows, columns, _]) = (shape.input, shape.output);
    let window = &shape.window;
    let [top, left, ..] = window.padding;
    if window.kernel != [TAPS; 2]
        || (window.dilation, window.stride) != ([1; 2], [1; 2])
        || (columns, left) != (width, 1)
        || !(3..=MOST).contains(&width)
        || shape.padding_value != 0
        || top >= TAPS
        || rows > height + top
        || x.len() < height * width * depth
        || weights.len() < TAPS * TAPS * depth
        || y.len() < rows * width * depth
    {
        return false;
    }
    for (channel, (&bias, &requantize)) in bias.iter().zip(requantize).enumerate().take(depth) {
        let shift = R::shifts(core::slice::from_ref(&requantize)).and_then(<[Shift]>::first);
        let mut row = 0;
        while row < rows {
            // Rows of output whose windows have the same rows on the input.
            let above = top.saturating_sub(row);
            let begin = (row + above).saturating_sub(top);
            let taps = (TAPS - above).min(height.saturating_sub(begin));
            let inside = (height + top).saturating_sub(row + TAPS - 1);
            let count = if above > 0 || inside == 0 { 1 } else { inside }.min(rows - row);
            let mut job = Job {
                x: x.as_ptr().wrapping_add(begin * width * depth + channel).cast(),
                weights: weights.as_ptr().wrapping_add(above * TAPS * depth + channel),
                y: y.as_mut_ptr().wrapping_add(row * width * depth + channel).cast(),
                taps,
                count,
                bias,
                bits: [0, 31],
                step: depth,
            };
            // SAFETY: the routines read the channel of `taps` rows of the input and of the kernel for each of `count`
            // rows, which lie in the slices as was just checked, and write the channel of as many rows of output, or
            // their sums, for which there is room. They keep to the procedure call standard.
            unsafe {
                match shift {
                    Some(shift) => {
                        let bits = u32::from(shift.bits());
                        job.bits = [bits, 31 - bits];
                        divided::<X, Y>(width, &job);
                    }
                    None => {
                        let count = count.min(ROWS);
                        let mut sums = [0; ROWS * MOST];
                        (job.y, job.count) = (sums.as_mut_ptr().cast(), count);
                        summed::<X>(width, &job);
                        let first = row * width * depth + channel;
                        let outputs = y.get_mut(first..).unwrap_or_default();
                        let outputs = outputs.iter_mut().step_by(depth);
                        for (y, sum) in outputs.zip(&sums).take(count * width) {
                            *y = requantized(requantize, *sum);
                        }
                        row += count;
                        continue;
                    }
                }
            }
            row += count;
        }
    }
    true
}

/// Some rows of a channel, in the order in which the routines load it.
#[repr(C)]
struct Job {
    /// The first value, weight and output.
    x: *const u8,
    weights: *const i8,
    y: *mut u8,
    /// Rows of the window that lie on the input.
    taps: usize,
    /// Rows of output.
    count: usize,
    bias: i32,
    /// Bits to the right, and 31 less them.
    bits: [u32; 2],
    /// Values from one pixel to the next.
    step: usize,
}

/// The outputs of sums that a shift divides.
///
/// # Safety
///
/// As [`Job`] says, there must be everything that a row of `width` pixels reads and writes.
unsafe fn divided<X: Activation, Y: Activation>(width: usize, job: &Job) {
    // SAFETY: as the caller promises.
    unsafe {
        match (X::UNSIGNED, Y::UNSIGNED, width) {
            (true, true, 3) => three_uu(job),
            (true, true, 4) => four_uu(job),
            (true, true, _) => five_uu(job),
            (true, false, 3) => three_us(job),
            (true, false, 4) => four_us(job),
            (true, false, _) => five_us(job),
            (false, true, 3) => three_su(job),
            (false, true, 4) => four_su(job),
            (false, true, _) => five_su(job),
            (false, false, 3) => three_ss(job),
            (false, false, 4) => four_ss(job),
            (false, false, _) => five_ss(job),
        }
    }
}

/// The sums, row by row.
///
/// # Safety
///
/// As [`divided`].
unsafe fn summed<X: Activation>(width: usize, job: &Job) {
    // SAFETY: as the caller promises.
    unsafe {
        match (X::UNSIGNED, width) {
            (true, 3) => three_u(job),
            (true, 4) => four_u(job),
            (true, _) => five_u(job),
            (false, 3) => three_s(job),
            (false, 4) => four_s(job),
            (false, _) => five_s(job),
        }
    }
}

/// A product of the value in r12.
macro_rules! mla {
    ($sum:literal, $weight:literal) => {
        concat!("mla ", $sum, ", r12, ", $weight, ", ", $sum, "\n")
    };
}

/// A pixel, and its products for the outputs to its left, of its own and to its right: the first one's, those of one in
/// between and the last one's.
macro_rules! first {
    ($load:literal) => {
        concat!($load, " r12, [r0]\n", mla!("r5", "r3"), mla!("r6", "r2"))
    };
}

macro_rules! between {
    ($load:literal, $at:literal, $left:literal, $own:literal, $right:literal) => {
        concat!($load, " r12, ", $at, "\n", mla!($left, "r4"), mla!($own, "r3"), mla!($right, "r2"))
    };
}

macro_rules! last {
    ($load:literal, $at:literal, $left:literal, $own:literal) => {
        concat!($load, " r12, ", $at, "\n", mla!($left, "r4"), mla!($own, "r3"))
    };
}

/// The products of rows of each length with a row of weights.
macro_rules! three {
    ($load:literal) => {
        concat!(
            first!($load),
            between!($load, "[r0, r1]", "r5", "r6", "r7"),
            last!($load, "[r0, r1, lsl #1]", "r6", "r7")
        )
    };
}

macro_rules! four {
    ($load:literal) => {
        concat!(
            first!($load),
            between!($load, "[r0, r1]", "r5", "r6", "r7"),
            between!($load, "[r0, r1, lsl #1]", "r6", "r7", "r8"),
            last!($load, "[r0, r10]", "r7", "r8")
        )
    };
}

macro_rules! five {
    ($load:literal) => {
        concat!(
            first!($load),
            between!($load, "[r0, r1]", "r5", "r6", "r7"),
            between!($load, "[r0, r1, lsl #1]", "r6", "r7", "r8"),
            between!($load, "[r0, r10]", "r7", "r8", "r9"),
            last!($load, "[r0, r1, lsl #2]", "r8", "r9")
        )
    };
}

/// An output: a sum divided as in `divide.rs`, saturated and stored.
macro_rules! output {
    ($saturate:literal, $sum:literal, $at:literal) => {
        concat!(
            "lsl r12, ",
            $sum,
            ", r3\n",
            "asr ",
            $sum,
            ", ",
            $sum,
            ", r2\n",
            "cmn r4, r12, ror #31\n",
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
            $at,
            "\n",
        )
    };
}

/// The outputs of a row.
macro_rules! outputs {
    ($saturate:literal, $($sum:literal $at:literal),*) => {
        concat!(
            "ldrd r2, r3, [sp, #24]\n",
            "mvn r4, #0x80000000\n",
            $(output!($saturate, $sum, $at),)*
        )
    };
}

/// What a routine does for each row of output; `next` moves a pointer to the next row of pixels.
macro_rules! rows {
    ($name:expr, $pixels:expr, $next:literal, $bias:expr, $outputs:expr, $done:literal) => {
        routine!(
            $name,
            "push {{r4-r11, lr}}",
            "ldm r0, {{r1-r9}}",
            "push {{r2-r9}}",
            "mov r0, r1",
            "mov r1, r9",
            "add r10, r1, r1, lsl #1",
            "2:", // a row of output
            "push {{r0}}",
            "ldr r11, [sp, #4]",
            "ldr lr, [sp, #12]",
            "ldr r5, [sp, #20]",
            $bias,
            "3:", // a kernel row
            "ldrsb r2, [r11]",
            "ldrsb r3, [r11, r1]",
            "ldrsb r4, [r11, r1, lsl #1]",
            "add r11, r10",
            $pixels,
            $next,
            "subs lr, #1",
            "bne 3b",
            "ldr r0, [sp, #8]",
            $outputs,
            $done,
            "str r0, [sp, #8]",
            "ldr r12, [sp, #16]",
            "pop {{r0}}",
            $next,
            "subs r12, #1",
            "str r12, [sp, #12]",
            "bne 2b",
            "add sp, #32",
            "pop {{r4-r11, pc}}",
        );
    };
}

/// The outputs of each length.
macro_rules! three_outputs {
    ($saturate:literal) => {
        outputs!($saturate, "r5" "[r0]", "r6" "[r0, r1]", "r7" "[r0, r1, lsl #1]")
    };
}

macro_rules! four_outputs {
    ($saturate:literal) => {
        outputs!(
            $saturate,
            "r5" "[r0]",
            "r6" "[r0, r1]",
            "r7" "[r0, r1, lsl #1]",
            "r8" "[r0, r10]"
        )
    };
}

macro_rules! five_outputs {
    ($saturate:literal) => {
        outputs!(
            $saturate,
            "r5" "[r0]",
            "r6" "[r0, r1]",
            "r7" "[r0, r1, lsl #1]",
            "r8" "[r0, r10]",
            "r9" "[r0, r1, lsl #2]"
        )
    };
}

// r0 pixels, then outputs, r1 from one to the next, r2-r4 weights, then bits, 31 less them and the largest number,
// r5-r9 sums, r10 three times r1, r11 weights, r12 a pixel, lr kernel rows left. On the stack the job without where the pixels begin,
// and while a row is computed that in front of it.
macro_rules! short_rows {
    ($pixels:ident, $outputs:ident, $next:literal, $bias:literal, $sums:literal,
     $($divided:ident $name:literal $load:literal $saturate:literal),*;
     $($summed:ident $symbol:literal $with:literal),*) => {
        unsafe extern "C" {
            $(#[link_name = symbol!($name)]
            fn $divided(job: *const Job);)*
            $(#[link_name = symbol!($symbol)]
            fn $summed(job: *const Job);)*
        }
        $(rows!(symbol!($name), $pixels!($load), $next, $bias, $outputs!($saturate), $next);)*
        $(rows!(symbol!($symbol), $pixels!($with), $next, $bias, $sums, "");)*
    };
}

short_rows!(
    three,
    three_outputs,
    "add r0, r10",
    "mov r6, r5\nmov r7, r5",
    "stm r0!, {{r5-r7}}",
    three_uu "short_three_uu" "ldrb" "usat",
    three_us "short_three_us" "ldrb" "ssat",
    three_su "short_three_su" "ldrsb" "usat",
    three_ss "short_three_ss" "ldrsb" "ssat";
    three_u "short_three_u" "ldrb",
    three_s "short_three_s" "ldrsb"
);
short_rows!(
    four,
    four_outputs,
    "add r0, r0, r1, lsl #2",
    "mov r6, r5\nmov r7, r5\nmov r8, r5",
    "stm r0!, {{r5-r8}}",
    four_uu "short_four_uu" "ldrb" "usat",
    four_us "short_four_us" "ldrb" "ssat",
    four_su "short_four_su" "ldrsb" "usat",
    four_ss "short_four_ss" "ldrsb" "ssat";
    four_u "short_four_u" "ldrb",
    four_s "short_four_s" "ldrsb"
);
short_rows!(
    five,
    five_outputs,
    "add r0, r0, r1, lsl #2\nadd r0, r1",
    "mov r6, r5\nmov r7, r5\nmov r8, r5\nmov r9, r5",
    "stm r0!, {{r5-r9}}",
    five_uu "short_five_uu" "ldrb" "usat",
    five_us "short_five_us" "ldrb" "ssat",
    five_su "short_five_su" "ldrsb" "usat",
    five_ss "short_five_ss" "ldrsb" "ssat";
    five_u "short_five_u" "ldrb",
    five_s "short_five_s" "ldrsb"
);
