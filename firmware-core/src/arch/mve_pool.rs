//! Average pooling: sixteen or four channels of a pixel at a time.

use core::mem::MaybeUninit;

use crate::channels::{MOST, blocks};
use crate::kernels::{self, Pool2dShape};
use crate::{Activation, Requantize};

/// [`kernels::average_pool2d`](crate::kernels::average_pool2d) for at least four channels.
#[inline(never)]
pub(super) fn average_pool2d<X: Activation, Y: Activation, R: Requantize>(
    shape: &Pool2dShape,
    x: &[X],
    requantize: R,
    y: &mut [Y],
) {
    let ([_, in_width, depth], [_, width, _]) = (shape.input, shape.output);
    let [down, right] = shape.window.dilation;
    let (step, pitch) = (right * depth, down * in_width * depth);
    let mut buffer = MaybeUninit::uninit();
    let [mut row, mut column] = [0, 0];
    for y in y.chunks_exact_mut(depth.max(1)) {
        let [rows, columns] = shape.patch(row, column);
        let x = x.get((rows.input * in_width + columns.input) * depth..).unwrap_or_default();
        for (first, count) in blocks(depth) {
            let x = x.get(first..).unwrap_or_default();
            let sums = sums(x, [rows.len, columns.len], [pitch, step], (&mut buffer, count));
            R::apply_all(&[requantize], sums, y.get_mut(first..).unwrap_or_default());
        }
        column += 1;
        if column == width {
            (row, column) = (row + 1, 0);
        }
    }
}

/// [`kernels::add_pixels`]
#[inline(never)]
pub(super) fn add_pixels<X: Activation>(x: &[X], all: &mut [i32]) {
    let depth = all.len();
    if depth % 4 != 0 || depth == 0 {
        return kernels::add_pixels(x, all);
    }
    let mut buffer = MaybeUninit::uninit();
    for (block, all) in all.chunks_mut(MOST).enumerate() {
        let x = x.get(block * MOST..).unwrap_or_default();
        let taps = [1, x.len().div_ceil(depth)];
        let new = sums(x, taps, [0, depth], (&mut buffer, all.len()));
        for (sum, new) in all.iter_mut().zip(new) {
            *sum = sum.wrapping_add(*new);
        }
    }
}

/// The sums of `count` channels, a multiple of four, over rows and columns of pixels that are so far from
/// each other.
#[inline(always)]
fn sums<'a, X: Activation>(
    x: &[X],
    [rows, columns]: [usize; 2],
    [pitch, step]: [usize; 2],
    (buffer, count): (&'a mut MaybeUninit<[i32; MOST]>, usize),
) -> &'a [i32] {
    let channels = count.min(MOST) / 4 * 4;
    let reach = rows.wrapping_sub(1) * pitch + columns.wrapping_sub(1) * step + channels;
    let job = Job {
        x: x.as_ptr().cast(),
        sums: buffer.as_mut_ptr().cast(),
        step,
        row: pitch.wrapping_sub(columns * step),
        // A window on nothing but padding has no sum.
        taps: if rows == 0 || columns == 0 || reach > x.len() { [0; 2] } else { [rows, columns] },
        channels,
    };
    // SAFETY: the routines read the channels of so many pixels, which were just seen to be there, and
    // write as many sums; so these have a value. They keep to the procedure call standard.
    unsafe {
        if X::UNSIGNED {
            pool_unsigned(&job);
        } else {
            pool_signed(&job);
        }
        core::slice::from_raw_parts(job.sums, channels)
    }
}

/// In the order in which the routines load it.
#[repr(C)]
struct Job {
    x: *const u8,
    sums: *mut i32,
    /// Bytes from one pixel to the next, and from where a row ends to where the next begins.
    step: usize,
    row: usize,
    taps: [usize; 2],
    channels: usize,
}

unsafe extern "C" {
    #[link_name = symbol!("mve_pool_unsigned")]
    fn pool_unsigned(job: *const Job);
    #[link_name = symbol!("mve_pool_signed")]
    fn pool_signed(job: *const Job);
}

/// A block of channels: how many, what begins their sums, what adds a pixel and what stores the sums.
macro_rules! block {
    ($channels:literal, { $($zero:expr,)* }, { $($pixel:expr,)* }, { $($sums:expr,)* }) => {
        concat!(
            $($zero, "\n",)*
            "mov r7, r0\n",
            "movs r8, r4\n",
            "beq 5f\n",
            "3:\n",
            "dls lr, r5\n",
            "4:\n",
            $($pixel, "\n",)*
            "add r7, r2\n",
            "le lr, 4b\n",
            "add r7, r3\n",
            "subs r8, #1\n",
            "bne 3b\n",
            "5:\n",
            $($sums, "\n",)*
            "add r0, #", $channels, "\n",
            "sub r6, #", $channels, "\n",
        )
    };
}

// r0 the first pixel, r1 sums, r2 from pixel to pixel, r3 from row to row, r4 rows, r5 columns, r6
// channels left, r7 pixels, r8 rows left, lr columns left.
macro_rules! pool {
    ($name:expr, $load:literal) => {
        routine!(
            $name,
            "push {{r4-r8, lr}}",
            "vpush {{d8-d9}}",
            "ldm r0, {{r0-r6}}",
            "2:",
            "cmp r6, #16",
            "blt 6f",
            block!(
                "16",
                {
                "vmov.i32 q0, #0",
                "vmov.i32 q1, #0",
                "vmov.i32 q2, #0",
                "vmov.i32 q3, #0",
                },
                {
                concat!("vldrb.", $load, " q4, [r7]"),
                "vadd.i32 q0, q0, q4",
                concat!("vldrb.", $load, " q4, [r7, #4]"),
                "vadd.i32 q1, q1, q4",
                concat!("vldrb.", $load, " q4, [r7, #8]"),
                "vadd.i32 q2, q2, q4",
                concat!("vldrb.", $load, " q4, [r7, #12]"),
                "vadd.i32 q3, q3, q4",
                },
                {
                "vstrw.32 q0, [r1], #16",
                "vstrw.32 q1, [r1], #16",
                "vstrw.32 q2, [r1], #16",
                "vstrw.32 q3, [r1], #16",
                }
            ),
            "b 2b",
            "6:",
            "cmp r6, #4",
            "blt 7f",
            block!(
                "4",
                { "vmov.i32 q0, #0", },
                { concat!("vldrb.", $load, " q4, [r7]"), "vadd.i32 q0, q0, q4", },
                { "vstrw.32 q0, [r1], #16", }
            ),
            "b 6b",
            "7:",
            "vpop {{d8-d9}}",
            "pop {{r4-r8, pc}}",
        );
    };
}

pool!(symbol!("mve_pool_unsigned"), "u32");
pool!(symbol!("mve_pool_signed"), "s32");
