//! Depthwise convolution: sixteen, eight or four channels of a tap at a time.

use core::marker::PhantomData;
use core::mem::MaybeUninit;

use crate::channels::{MOST, blocks, padding};
use crate::kernels::Conv2dShape;
use crate::window::Span;
use crate::{Activation, Requantize};

/// Depthwise convolution with as many output channels as input channels, and at least four.
#[inline(never)]
pub(super) fn depthwise_conv2d<X: Activation, Y: Activation, R: Requantize>(
    shape: &Conv2dShape,
    (x, weights): (&[X], &[i8]),
    (bias, requantize): (&[i32], &[R]),
    y: &mut [Y],
) {
    let ([in_height, in_width, depth], [height, width, _]) = (shape.input, shape.output);
    let window = &shape.window;
    let interior = window.interior([in_height, in_width], [height, width]);
    let across = window.stride[1] * depth;
    let mut buffer = MaybeUninit::uninit();
    for (first, count) in blocks(depth) {
        let bias = bias.get(first..first + count).unwrap_or_default();
        let requantize = requantize.get(first..).unwrap_or_default();
        let Some(mut whole) = Job::new(shape, bias, &mut buffer) else { return };
        let mut to = first;
        for row in 0..height {
            let [begin, inside] = interior.columns_of(row);
            let [rows, columns] = shape.patch(row, begin);
            let mut from = (rows.input * in_width + columns.input) * depth + first;
            for column in 0..width {
                let Some(y) = y.get_mut(to..to + count) else { return };
                to += depth;
                if column.wrapping_sub(begin) < inside {
                    R::apply_all(requantize, whole.sums((x, from), (weights, first)), y);
                    from += across;
                    continue;
                }
                let part = shape.patch(row, column);
                let sums = whole.edge(shape, part, (x, weights), first);
                if shape.padding_value != 0 {
                    padding(shape, part, (weights, first), sums);
                }
                R::apply_all(requantize, sums, y);
            }
        }
    }
}

/// A window, in the order in which the routines load it.
#[derive(Clone, Copy)]
#[repr(C)]
struct Job<'a> {
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
    /// From the first tap's first channel to behind the last tap's last.
    reach: [usize; 2],
    lives: PhantomData<(&'a [i32], &'a mut [i32])>,
}

impl<'a> Job<'a> {
    /// Whole windows of as many channels as there are biases, a multiple of four.
    #[inline(always)]
    fn new(
        shape: &Conv2dShape,
        bias: &'a [i32],
        buffer: &'a mut MaybeUninit<[i32; MOST]>,
    ) -> Option<Self> {
        let channels = bias.len();
        if channels == 0 || channels > MOST || channels % 4 != 0 {
            return None;
        }
        let null = (core::ptr::null(), core::ptr::null());
        let mut job = Self {
            x: null.0,
            weights: null.1,
            steps: [shape.window.dilation[1] * shape.input[2], shape.input[2]],
            rows: [0; 2],
            taps: [0; 2],
            bias: bias.as_ptr(),
            sums: buffer.as_mut_ptr().cast(),
            channels,
            reach: [0; 2],
            lives: PhantomData,
        };
        job.cover(shape, shape.window.kernel);
        Some(job)
    }

    /// Makes it one of windows that cover so many rows and columns, none of them 0.
    #[inline(always)]
    fn cover(&mut self, shape: &Conv2dShape, [rows, columns]: [usize; 2]) {
        let ([_, width, depth], window) = (shape.input, &shape.window);
        let pitches = [window.dilation[0] * width * depth, window.kernel[1] * depth];
        self.taps = [rows, columns];
        for side in 0..2 {
            let (pitch, step) = (pitches[side], self.steps[side]);
            self.rows[side] = pitch.wrapping_sub(columns * step);
            self.reach[side] = (rows - 1) * pitch + (columns - 1) * step + self.channels;
        }
    }

    /// The sums of the window whose first tap's values and weights are at these places.
    #[inline(always)]
    fn sums<X: Activation>(
        &mut self,
        (x, from): (&[X], usize),
        (weights, first): (&[i8], usize),
    ) -> &mut [i32] {
        let fits = |len: usize, at: usize, side: usize| {
            len.checked_sub(self.reach[side]).is_some_and(|last| at <= last)
        };
        if !fits(x.len(), from, 0) || !fits(weights.len(), first, 1) {
            return &mut [];
        }
        self.x = x.as_ptr().wrapping_add(from).cast();
        self.weights = weights.as_ptr().wrapping_add(first);
        // SAFETY: the routines read the values and weights of every tap and channel, which were just
        // seen to be there, and as many biases and write as many sums as there are channels. They keep
        // to the procedure call standard.
        unsafe {
            if X::UNSIGNED {
                depthwise_unsigned((&raw const *self).cast());
            } else {
                depthwise_signed((&raw const *self).cast());
            }
            core::slice::from_raw_parts_mut(self.sums, self.channels)
        }
    }

    /// The sums of a window of which this part lies on the input, from channel `first` on.
    #[inline(never)]
    fn edge<X: Activation>(
        &mut self,
        shape: &Conv2dShape,
        [rows, columns]: [Span; 2],
        (x, weights): (&[X], &[i8]),
        first: usize,
    ) -> &mut [i32] {
        let depth = shape.input[2];
        let from = (rows.input * shape.input[1] + columns.input) * depth + first;
        let tap = (rows.kernel * shape.window.kernel[1] + columns.kernel) * depth + first;
        if rows.len == 0 || columns.len == 0 {
            // SAFETY: there are as many biases as channels, and room for as many sums.
            return unsafe {
                core::ptr::copy_nonoverlapping(self.bias, self.sums, self.channels);
                core::slice::from_raw_parts_mut(self.sums, self.channels)
            };
        }
        let whole = *self;
        self.cover(shape, [rows.len, columns.len]);
        let count = self.sums((x, from), (weights, tap)).len();
        *self = whole;
        // SAFETY: so many were just written.
        unsafe { core::slice::from_raw_parts_mut(self.sums, count) }
    }
}

/// Adds to channels' sums their weights times a value.
#[inline(always)]
pub(super) fn add_weights(weights: &[i8], value: i32, sums: &mut [i32]) {
    let count = weights.len().min(sums.len());
    if count > 0 {
        // SAFETY: the routine reads `count` weights and sums, which are there, and writes as many sums.
        // It keeps to the procedure call standard.
        unsafe { add_weights_to(weights.as_ptr(), value, sums.as_mut_ptr(), count) }
    }
}

unsafe extern "C" {
    #[link_name = symbol!("mve_add_weights")]
    fn add_weights_to(weights: *const i8, value: i32, sums: *mut i32, count: usize);
    #[link_name = symbol!("mve_depthwise_unsigned")]
    fn depthwise_unsigned(job: *const Job<'static>);
    #[link_name = symbol!("mve_depthwise_signed")]
    fn depthwise_signed(job: *const Job<'static>);
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

routine!(
    symbol!("mve_add_weights"),
    "push {{r4, lr}}",
    "dlstp.32 lr, r3",
    "2:",
    "vldrb.s32 q0, [r0], #4",
    "vldrw.u32 q1, [r2]",
    "vmla.s32 q1, q0, r1",
    "vstrw.32 q1, [r2], #16",
    "letp lr, 2b",
    "pop {{r4, pc}}",
);
