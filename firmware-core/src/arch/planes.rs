//! Armv7-M and later: windows of 3 x 3 pixels over one channel, four products to an instruction.
//!
//! The products are those of `rows.rs`: two neighbouring pixels in one operand of SMLAL and two
//! neighbouring weights in the other make what three outputs need. The lines of a channel lie one
//! behind the other, two pixels to a word and with their padding, so that one pass goes over many
//! of them; what it makes where one line ends and the next begins is not used. Lines are the rows
//! or the columns of the image, whichever are longer.

use core::arch::global_asm;
use core::mem::offset_of;

use crate::kernels::Conv2dShape;
use crate::{Activation, Requantize};

/// Words of the lines of input that are there at a time, and of the sums made of them.
const WORDS: usize = 128;
const SUMS: usize = 84;
/// Where the products meet: see `rows.rs`.
const B: u32 = 21;
/// Half the range of the sums at the bottom and at the top.
const SIDE: u64 = 1 << 19;
/// Half the range of the sum in the middle.
const MIDDLE: u64 = 1 << 20;
/// Taps of a window along each axis.
const TAPS: usize = 3;

/// One axis of a convolution.
#[derive(Clone, Copy)]
struct Axis {
    /// Pixels of the input and of the output.
    input: usize,
    output: usize,
    /// Padding in front of the input.
    before: usize,
    /// Values from one pixel to the next, of the input and of the output.
    x_step: usize,
    y_step: usize,
    /// From one tap of a channel to the next.
    weight_step: usize,
}

/// A convolution by lines.
#[derive(Clone, Copy)]
struct Lines {
    /// From line to line, and along a line.
    across: Axis,
    along: Axis,
    stride: usize,
    /// Words of a line.
    pitch: usize,
    padding: i32,
}

impl Lines {
    /// The convolution of channels that lie `x_step` values apart in one pixel and the next, and
    /// whose weights lie `weight_step` apart in one tap and the next. `None` if it is none for this
    /// file.
    #[inline(always)]
    fn new(shape: &Conv2dShape, weight_step: usize) -> Option<Self> {
        let window = &shape.window;
        let [top, left, ..] = window.padding;
        let stride = window.stride[0];
        if window.kernel != [TAPS; 2]
            || window.dilation != [1; 2]
            || window.stride[1] != stride
            || !(1..=2).contains(&stride)
            || top >= TAPS
            || left >= TAPS
        {
            return None;
        }
        let ([height, width, x_step], [rows, columns, y_step]) = (shape.input, shape.output);
        let vertical = Axis {
            input: height,
            output: rows,
            before: top,
            x_step: width * x_step,
            y_step: columns * y_step,
            weight_step: TAPS * weight_step,
        };
        let horizontal =
            Axis { input: width, output: columns, before: left, x_step, y_step, weight_step };
        let (across, along) =
            if rows > columns { (horizontal, vertical) } else { (vertical, horizontal) };
        // Two pixels to a word. With stride 1 the last output may be complete only one word later.
        let pitch = if stride == 1 { along.output / 2 + 1 } else { along.output + 1 };
        // Short lines are not worth it.
        let least = if stride == 1 { 6 } else { 12 };
        let fits =
            across.output >= 4 && along.output >= least && TAPS * pitch <= WORDS && pitch <= SUMS;
        fits.then_some(Self { across, along, stride, pitch, padding: shape.padding_value })
    }

    /// Lines of output that are computed at a time.
    fn band(&self) -> usize {
        let (lines, sums) = (WORDS / self.pitch - TAPS, SUMS / self.pitch - 1);
        lines.min(sums) / self.stride + 1
    }
}

/// Whether a convolution of one channel is computed here.
#[inline(always)]
pub(super) fn fit(shape: &Conv2dShape) -> bool {
    shape.input[2] == 1 && Lines::new(shape, 1).is_some()
}

/// Lines of input and what is made of them: for each word the sums, too large by `MIDDLE`, of the
/// windows that begin with its first pixel and with the one in front of that.
#[repr(C)]
struct Plane {
    // One more word is read than there are, and nothing of it is used.
    lines: [i32; WORDS + 1],
    first: [i32; SUMS],
    before: [i32; SUMS],
}

impl Plane {
    /// Nothing but padding.
    fn new<X: Activation>(lines: &Lines) -> Self {
        let padding = X::saturate(lines.padding).to_i32();
        let sums = [0; SUMS];
        Self { lines: [pair(padding, padding); WORDS + 1], first: sums, before: sums }
    }

    /// Packs lines `from..to` of those that the outputs from line `first` on read. `x` is the
    /// channel's first value. Where a line is padded, every line in its place is.
    #[inline(never)]
    fn pack<X: Activation>(
        &mut self,
        lines: &Lines,
        x: &[X],
        first: usize,
        [from, to]: [usize; 2],
    ) {
        let Lines { across, along, stride, pitch, .. } = *lines;
        let padding = X::saturate(lines.padding).to_i32();
        // The lines that lie on the input.
        let top = first * stride;
        let [begin, end] = [across.before, across.before + across.input]
            .map(|line| line.saturating_sub(top).clamp(from, to));
        for padded in [from..begin, end..to] {
            let words = self.lines.get_mut(padded.start * pitch..padded.end * pitch);
            words.unwrap_or_default().iter_mut().for_each(|word| *word = pair(padding, padding));
        }
        let (Some(words), Some(x)) = (
            self.lines.get_mut(begin * pitch..end * pitch),
            x.get((top + begin).wrapping_sub(across.before) * across.x_step..),
        ) else {
            return;
        };
        // Of the pixels of a line those for which there are words: some windows do not reach the end.
        let pixels = along.input.min(2 * pitch - along.before);
        let count = end - begin;
        if count == 0 || x.len() <= (count - 1) * across.x_step + (pixels - 1) * along.x_step {
            return;
        }
        let head = along.before % 2;
        let job = PackJob {
            step: along.x_step,
            pairs: (pixels - head) / 2,
            next: across.x_step.wrapping_sub(pixels * along.x_step),
            gap: 4 * (pitch - (head + pixels).div_ceil(2)),
            lines: count,
            padding,
            edges: head | (pixels - head) % 2 << 1,
        };
        let words = words.as_mut_ptr().wrapping_add(along.before / 2);
        // SAFETY: the routines read `pixels` values of each of `count` lines, of which the last was
        // just seen to lie in `x`, and write the words that those and the pixels beside them make,
        // for which there are words, `pitch` of each line. They keep to the procedure call standard.
        unsafe {
            if X::UNSIGNED {
                pack_unsigned(&job, x.as_ptr().cast(), words);
            } else {
                pack_signed(&job, x.as_ptr().cast(), words);
            }
        }
    }

    /// Computes `count` lines of output with the weights of a channel.
    #[inline(never)]
    fn compute(&mut self, lines: &Lines, weights: [i32; 2 * TAPS], count: usize) {
        let Lines { along, stride, pitch, .. } = *lines;
        let (calls, steps) = if stride == 1 { (1, count * pitch) } else { (count, along.output) };
        let last = (count - 1) * stride;
        if steps == 0 || (last + TAPS) * pitch > WORDS || (last + 1) * pitch > SUMS {
            return;
        }
        let sums = SIDE | MIDDLE << B | SIDE << (2 * B);
        let start = self.lines.as_ptr();
        let mut job = Job {
            rows: [0, 1, 2].map(|row| start.wrapping_add(row * pitch)),
            weights,
            sums: [sums as u32, (sums >> 32) as u32],
            end: start.wrapping_add(steps),
            steps,
        };
        for _ in 0..calls {
            // SAFETY: the routines read the words from each row's start on and one more, which end
            // where the last row does or a word behind it, and write as many words of `first` and
            // `before` in the same places: that the rows are in `lines` was just checked. They keep
            // to the procedure call standard.
            unsafe {
                if stride == 1 {
                    plane(&job);
                } else {
                    plane_by_two(&job);
                }
            }
            job.rows = job.rows.map(|row| row.wrapping_add(stride * pitch));
            job.end = job.end.wrapping_add(stride * pitch);
        }
    }

    /// Makes outputs of `count` lines of sums.
    #[inline(never)]
    fn finish<Y>(&self, lines: &Lines, count: usize, finish: impl Fn(i32) -> Y, y: &mut [Y]) {
        let Lines { across, along, stride, pitch, .. } = *lines;
        if y.len() <= (count - 1) * across.y_step + (along.output - 1) * along.y_step
            || ((count - 1) * stride + 1) * pitch > SUMS
        {
            return;
        }
        let (step, outputs) = (along.y_step, along.output);
        let mut line = y.as_mut_ptr();
        let (mut first, mut before) = (self.first.as_ptr(), self.before.as_ptr());
        for _ in 0..count {
            let (mut to, mut at) = (line, 0);
            // SAFETY: the last pixel of the last line was just seen to lie in `y`, and `count` lines
            // of sums are there, in which the output with number `at` is word `at` or `at / 2`, or
            // with an odd number word `at / 2 + 1`, which is at most `pitch`.
            unsafe {
                if stride == 1 {
                    while at < outputs / 2 {
                        let second = to.wrapping_add(step);
                        *to = finish(*first.wrapping_add(at));
                        at += 1;
                        *second = finish(*before.wrapping_add(at));
                        to = second.wrapping_add(step);
                    }
                    if outputs % 2 == 1 {
                        *to = finish(*first.wrapping_add(at));
                    }
                } else {
                    while at < outputs {
                        *to = finish(*first.wrapping_add(at));
                        to = to.wrapping_add(step);
                        at += 1;
                    }
                }
            }
            line = line.wrapping_add(across.y_step);
            first = first.wrapping_add(stride * pitch);
            before = before.wrapping_add(stride * pitch);
        }
    }

    /// Moves to the front what the next outputs read of the lines under `count` ones, and returns
    /// how many lines that is.
    #[inline(always)]
    fn keep(&mut self, lines: &Lines, count: usize) -> usize {
        let Lines { stride, pitch, .. } = *lines;
        let kept = TAPS - stride;
        let from = count * stride * pitch;
        if from + kept * pitch <= WORDS {
            let words = self.lines.as_mut_ptr();
            // SAFETY: both ranges are in `lines`, as was just checked.
            unsafe { core::ptr::copy(words.wrapping_add(from), words, kept * pitch) };
        }
        kept
    }
}

/// Two pixels to a word.
#[inline(always)]
const fn pair(first: i32, second: i32) -> i32 {
    first.wrapping_add(second << B)
}

/// The weights of a channel in pairs.
#[inline(never)]
fn pairs(lines: &Lines, weights: &[i8]) -> [i32; 2 * TAPS] {
    let weight = |line: usize, tap: usize| {
        let at = line * lines.across.weight_step + tap * lines.along.weight_step;
        i32::from(weights.get(at).copied().unwrap_or_default())
    };
    let mut pairs = [0; 2 * TAPS];
    for (line, pairs) in pairs.chunks_exact_mut(2).enumerate() {
        pairs[0] = pair(weight(line, 1), weight(line, 0));
        pairs[1] = pair(0, weight(line, 2));
    }
    pairs
}

/// Depthwise convolution with as many output channels as input channels. False if it is none for
/// this file, and nothing done.
#[inline(never)]
pub(super) fn depthwise_conv2d<X: Activation, Y: Activation, R: Requantize>(
    shape: &Conv2dShape,
    (x, weights): (&[X], &[i8]),
    (bias, requantize): (&[i32], &[R]),
    y: &mut [Y],
) -> bool {
    let Some(lines) = Lines::new(shape, shape.output[2]) else { return false };
    let mut plane = Plane::new::<X>(&lines);
    let band = lines.band();
    for (channel, (&bias, &requantize)) in bias.iter().zip(requantize).enumerate() {
        let x = x.get(channel..).unwrap_or_default();
        let weights = pairs(&lines, weights.get(channel..).unwrap_or_default());
        let bias = bias.wrapping_sub(MIDDLE as i32);
        let (mut done, mut kept) = (0, 0);
        while done < lines.across.output {
            let count = band.min(lines.across.output - done);
            plane.pack(&lines, x, done, [kept, (count - 1) * lines.stride + TAPS]);
            plane.compute(&lines, weights, count);
            let y = y.get_mut(done * lines.across.y_step + channel..).unwrap_or_default();
            let finish = move |sum: i32| Y::saturate(requantize.apply(bias.wrapping_add(sum)));
            plane.finish(&lines, count, finish, y);
            kept = plane.keep(&lines, count);
            done += count;
        }
    }
    true
}

/// Convolution of one input channel, for shapes that [`fit`].
#[inline(never)]
pub(super) fn conv2d<X: Activation, R: Copy, Y>(
    shape: &Conv2dShape,
    (x, weights): (&[X], &[i8]),
    (bias, requantize): (&[i32], &[R]),
    finish: impl Fn(R, i32) -> Y + Copy,
    y: &mut [Y],
) {
    let Some(lines) = Lines::new(shape, 1) else { return };
    let mut plane = Plane::new::<X>(&lines);
    let band = lines.band();
    let (mut done, mut kept) = (0, 0);
    while done < lines.across.output {
        let count = band.min(lines.across.output - done);
        plane.pack(&lines, x, done, [kept, (count - 1) * lines.stride + TAPS]);
        let channels = weights.chunks_exact(TAPS * TAPS).zip(bias).zip(requantize);
        for (channel, ((weights, &bias), &requantize)) in channels.enumerate() {
            plane.compute(&lines, pairs(&lines, weights), count);
            let y = y.get_mut(done * lines.across.y_step + channel..).unwrap_or_default();
            let bias = bias.wrapping_sub(MIDDLE as i32);
            plane.finish(&lines, count, move |sum| finish(requantize, bias.wrapping_add(sum)), y);
        }
        kept = plane.keep(&lines, count);
        done += count;
    }
}

/// Lines to pack, in the order in which the routines load it.
#[repr(C)]
struct PackJob {
    /// Values from one pixel to the next.
    step: usize,
    /// Pairs of pixels in each line.
    pairs: usize,
    /// From the end of a line to the start of the next.
    next: usize,
    /// Bytes from behind the last word of a line to the first of the next.
    gap: usize,
    lines: usize,
    padding: i32,
    /// Bit 0: a line begins in the middle of a word. Bit 1: it ends in one.
    edges: usize,
}

/// One pass, in the order in which the routines load it.
#[repr(C)]
struct Job {
    rows: [*const i32; TAPS],
    weights: [i32; 2 * TAPS],
    /// What the sums start with.
    sums: [u32; 2],
    /// Where the first row ends.
    end: *const i32,
    steps: usize,
}

unsafe extern "C" {
    #[link_name = symbol!("plane")]
    fn plane(job: *const Job);
    #[link_name = symbol!("plane_by_two")]
    fn plane_by_two(job: *const Job);
    #[link_name = symbol!("pack_unsigned")]
    fn pack_unsigned(job: *const PackJob, x: *const u8, words: *mut i32);
    #[link_name = symbol!("pack_signed")]
    fn pack_signed(job: *const PackJob, x: *const u8, words: *mut i32);
}

/// Bytes from the word behind the one at which a window begins to the sums of it.
const FIRST: usize = offset_of!(Plane, first) - size_of::<i32>();
const BEFORE: usize = offset_of!(Plane, before) - size_of::<i32>();

// r0-r2 rows, r3-r8 weights, r9 and r10 pixels, r11 and r12 the sum, lr what is known of the output
// that begins in front of the next word. On the stack what the sum starts with and the end.
macro_rules! plane {
    ($name:expr, $step:expr, $($operand:ident),*) => {
        global_asm!(
            concat!(".section .text.", $name, ", \"ax\", %progbits"),
            ".syntax unified",
            ".thumb",
            ".p2align 2",
            concat!(".global ", $name),
            concat!(".type ", $name, ", %function"),
            ".thumb_func",
            concat!($name, ":"),
            "push {{r4-r11, lr}}",
            "add r3, r0, #36",
            "ldm r3, {{r4-r7}}",
            "push {{r4-r6}}",
            "mov lr, #0",
            "lsls r7, #31",
            "ldm r0, {{r0-r8}}",
            "bne 3f", // an odd number: begin in the middle
            "2:",
            $step,
            "3:",
            $step,
            "ldr r9, [sp, #8]",
            "cmp r0, r9",
            "bne 2b",
            "add sp, #12",
            "pop {{r4-r11, pc}}",
            concat!(".size ", $name, ", . - ", $name),
            $($operand = const $operand,)*
        );
    };
}

/// The sum of what begins with a word, in r11 and r12.
macro_rules! multiply {
    () => {
        "ldrd r11, r12, [sp]
        ldrd r9, r10, [r0], #4
        smlal r11, r12, r9, r3
        smlal r11, r12, r10, r4
        ldrd r9, r10, [r1], #4
        smlal r11, r12, r9, r5
        smlal r11, r12, r10, r6
        ldrd r9, r10, [r2], #4
        smlal r11, r12, r9, r7
        smlal r11, r12, r10, r8
        lsr r10, r11, #21
        bfi r10, r12, #11, #10
        str r10, [r0, #{FIRST}]
        "
    };
}

plane!(
    symbol!("plane"),
    concat!(
        multiply!(),
        "ubfx r9, r11, #0, #21
        add r9, lr
        str r9, [r0, #{BEFORE}]
        lsr lr, r12, #10"
    ),
    FIRST,
    BEFORE
);
plane!(symbol!("plane_by_two"), multiply!(), FIRST);

// r1 values, r2 words, r3 from pixel to pixel, r4 pairs, r5 from line to line, r6 the same of words,
// r7 lines left, r8 padding, r9 edges, r10-r12 and r0 pixels, lr pairs left.
macro_rules! pack {
    ($name:expr, $load:literal) => {
        global_asm!(
            concat!(".section .text.", $name, ", \"ax\", %progbits"),
            ".syntax unified",
            ".thumb",
            ".p2align 2",
            concat!(".global ", $name),
            concat!(".type ", $name, ", %function"),
            ".thumb_func",
            concat!($name, ":"),
            "push {{r4-r11, lr}}",
            "ldm r0, {{r3-r9}}",
            "2:", // a line
            "lsls r0, r9, #31",
            "beq 3f",
            concat!($load, " r10, [r1]"),
            "add r1, r3",
            "add r10, r8, r10, lsl #21",
            "str r10, [r2], #4",
            "3:",
            "subs lr, r4, #2",
            "blt 5f",
            "4:", // two pairs
            concat!($load, " r10, [r1]"),
            concat!($load, " r11, [r1, r3]"),
            concat!($load, " r12, [r1, r3, lsl #1]"),
            "add r1, r1, r3, lsl #1",
            concat!($load, " r0, [r1, r3]"),
            "add r1, r1, r3, lsl #1",
            "add r10, r10, r11, lsl #21",
            "add r12, r12, r0, lsl #21",
            "strd r10, r12, [r2], #8",
            "subs lr, #2",
            "bge 4b",
            "5:",
            "lsls r0, r4, #31",
            "beq 6f",
            concat!($load, " r10, [r1]"),
            concat!($load, " r11, [r1, r3]"),
            "add r1, r1, r3, lsl #1",
            "add r10, r10, r11, lsl #21",
            "str r10, [r2], #4",
            "6:",
            "lsls r0, r9, #30",
            "bpl 7f",
            concat!($load, " r10, [r1]"),
            "add r1, r3",
            "add r10, r10, r8, lsl #21",
            "str r10, [r2], #4",
            "7:",
            "add r1, r5",
            "add r2, r6",
            "subs r7, #1",
            "bne 2b",
            "pop {{r4-r11, pc}}",
            concat!(".size ", $name, ", . - ", $name),
        );
    };
}

pack!(symbol!("pack_unsigned"), "ldrb");
pack!(symbol!("pack_signed"), "ldrsb");
