//! Depthwise convolution: sixteen, eight or four channels of a tap at a time.

use core::arch::global_asm;

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
    let channels = sums.len().min(bias.len()) / 4 * 4;
    let inside = x.last([rows, columns]).saturating_add(channels) <= x.values.len()
        && weights.last([rows, columns]).saturating_add(channels) <= weights.values.len();
    if rows == 0 || columns == 0 || channels == 0 || !inside {
        return;
    }
    let job = Job {
        x: x.values.as_ptr().cast(),
        weights: weights.values.as_ptr(),
        steps: [x.steps[0], weights.steps[0]],
        rows: [
            x.steps[1].wrapping_sub(columns.wrapping_mul(x.steps[0])),
            weights.steps[1].wrapping_sub(columns.wrapping_mul(weights.steps[0])),
        ],
        taps: [rows, columns],
        bias: bias.as_ptr(),
        sums: sums.as_mut_ptr(),
        channels,
    };
    // SAFETY: the routines read the values and weights of every tap and channel, which all lie in the
    // slices, as was just checked, and read and write as many sums as there are channels. They keep to
    // the procedure call standard.
    unsafe {
        if X::UNSIGNED {
            depthwise_unsigned(&job);
        } else {
            depthwise_signed(&job);
        }
    }
}

/// A window, in the order in which the routines load it.
#[repr(C)]
struct Job {
    x: *const u8,
    weights: *const i8,
    /// Bytes from one tap to the next, of the values and of the weights.
    steps: [usize; 2],
    /// Bytes from where a row ends to where the next begins.
    rows: [usize; 2],
    taps: [usize; 2],
    bias: *const i32,
    sums: *mut i32,
    channels: usize,
}

unsafe extern "C" {
    #[link_name = symbol!("mve_depthwise_unsigned")]
    fn depthwise_unsigned(job: *const Job);
    #[link_name = symbol!("mve_depthwise_signed")]
    fn depthwise_signed(job: *const Job);
}

/// Eight channels of a tap, from byte `at` on: those with an even number and those with an odd one have
/// their sums apart.
macro_rules! tap8 {
    ($load:literal, $at:literal, $even:literal, $odd:literal) => {
        concat!(
            "vldrb.",
            $load,
            "16 q4, [r0, #",
            $at,
            "]\n",
            "vldrb.s16 q5, [r1, #",
            $at,
            "]\n",
            "vmullb.s16 q6, q4, q5\n",
            "vadd.i32 ",
            $even,
            ", ",
            $even,
            ", q6\n",
            "vmullt.s16 q6, q4, q5\n",
            "vadd.i32 ",
            $odd,
            ", ",
            $odd,
            ", q6",
        )
    };
}

/// A block of channels: label numbers, bytes, what brings the biases, what a tap is, what stores the
/// sums.
macro_rules! block {
    ($channels:literal, { $($bias:expr,)* }, { $($tap:expr,)* }, { $($sums:expr,)* }) => {
        concat!(
            $($bias, "\n",)*
            "ldrd r0, r1, [sp]\n",
            "mov r11, r6\n",
            "3:\n",
            "dls lr, r7\n",
            "4:\n",
            $($tap, "\n",)*
            "add r0, r2\n",
            "add r1, r3\n",
            "le lr, 4b\n",
            "add r0, r4\n",
            "add r1, r5\n",
            "subs r11, #1\n",
            "bne 3b\n",
            $($sums, "\n",)*
            "ldrd r0, r1, [sp]\n",
            "add r0, #", $channels, "\n",
            "add r1, #", $channels, "\n",
            "strd r0, r1, [sp]\n",
            "sub r10, #", $channels, "\n",
        )
    };
}

// r0 values, r1 weights, r2 and r3 from one tap to the next, r4 and r5 from one row to the next, r6 rows,
// r7 columns, r8 biases, r9 sums, r10 channels left, r11 rows left, lr columns left.
macro_rules! depthwise {
    ($name:expr, $load:literal) => {
        routine!(
            $name,
            "push {{r4-r11, lr}}",
            "vpush {{d8-d13}}",
            "ldm r0, {{r0-r10}}",
            "push {{r0, r1}}",
            "2:",
            "cmp r10, #16",
            "blt 5f",
            block!(
                "16",
                {
                "vld20.32 {{q0, q1}}, [r8]",
                "vld21.32 {{q0, q1}}, [r8]!",
                "vld20.32 {{q2, q3}}, [r8]",
                "vld21.32 {{q2, q3}}, [r8]!",
                },
                { tap8!($load, "0", "q0", "q1"), tap8!($load, "8", "q2", "q3"), },
                {
                "vst20.32 {{q0, q1}}, [r9]",
                "vst21.32 {{q0, q1}}, [r9]!",
                "vst20.32 {{q2, q3}}, [r9]",
                "vst21.32 {{q2, q3}}, [r9]!",
                }
            ),
            "b 2b",
            "5:",
            "cmp r10, #8",
            "blt 6f",
            block!(
                "8",
                { "vld20.32 {{q0, q1}}, [r8]", "vld21.32 {{q0, q1}}, [r8]!", },
                { tap8!($load, "0", "q0", "q1"), },
                { "vst20.32 {{q0, q1}}, [r9]", "vst21.32 {{q0, q1}}, [r9]!", }
            ),
            "6:",
            "cmp r10, #4",
            "blt 7f",
            block!(
                "4",
                { "vldrw.u32 q0, [r8]", },
                {
                concat!("vldrb.", $load, "32 q4, [r0]"),
                "vldrb.s32 q5, [r1]",
                "vmul.i32 q4, q4, q5",
                "vadd.i32 q0, q0, q4",
                },
                { "vstrw.32 q0, [r9]", }
            ),
            "7:",
            "add sp, #8",
            "vpop {{d8-d13}}",
            "pop {{r4-r11, pc}}",
        );
    };
}

depthwise!(symbol!("mve_depthwise_unsigned"), "u");
depthwise!(symbol!("mve_depthwise_signed"), "s");
