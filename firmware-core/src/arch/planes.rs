//! Armv7-M and later: lines of `lines.rs`, four products to an instruction.
//!
//! The products are those of `rows.rs`: two neighbouring pixels in one operand of SMLAL and two
//! neighbouring weights in the other make what three outputs need. The lines of a channel lie one
//! behind the other, two pixels to a word, so that one pass goes over many of them; what it makes
//! where one line ends and the next begins is not used.

use core::mem::offset_of;

use super::copy;
use super::lines::{self, Axis, Lines, TAPS, Weights};
use crate::{Activation, Shift};

#[path = "planes_outputs.rs"]
mod outputs;

/// Words of the lines of input that are there at a time, and of the sums made of them: no more than convolutions of a
/// few channels take of the stack for sums and a patch.
const WORDS: usize = 116;
const SUMS: usize = 77;
/// Where the products meet: see `rows.rs`.
const B: u32 = 21;
/// Half the range of the sums at the bottom and at the top.
const SIDE: u64 = 1 << 19;
/// Half the range of the sum in the middle.
const MIDDLE: u64 = 1 << 20;

/// Lines of input and what is made of them: for each word the sums, too large by `MIDDLE`, of the
/// windows that begin with its first pixel and with the one in front of that.
#[repr(C)]
pub(super) struct Plane {
    // One more word is read than there are, and nothing of it is used.
    lines: [i32; WORDS + 1],
    first: [i32; SUMS],
    before: [i32; SUMS],
}

impl lines::Plane for Plane {
    const LEAST: [usize; 2] = [5, 12];
    const FEWEST: usize = 1;

    #[inline(always)]
    fn words(along: &Axis, stride: usize) -> [usize; 2] {
        let Axis { input, output, before, .. } = *along;
        // Two pixels to a word. With stride 1 the last of an odd number of outputs is complete only one word
        // later: where its last pixel is padding and lines begin with some, the next line's will do.
        let padded = before > 0 && output + 1 >= before + input;
        let behind = usize::from(output % 2 == 1 && !padded);
        let words = if stride == 1 { output / 2 + 1 + behind } else { output + 1 };
        [words; 2]
    }

    #[inline(always)]
    fn has_room(lines: &Lines, count: usize) -> bool {
        let under = lines.under(count);
        under * lines.pitch <= WORDS && (under - TAPS + 1) * lines.pitch <= SUMS
    }

    #[inline(always)]
    fn new<X: Activation>(lines: &Lines) -> Self {
        let padding = X::saturate(lines.padding).to_i32();
        let sums = [0; SUMS];
        Self { lines: [pair(padding, padding); WORDS + 1], first: sums, before: sums }
    }

    #[inline(always)]
    fn correction<X: Activation>(_: &Weights) -> i32 {
        -(MIDDLE as i32)
    }

    // Where a line is padded, every line in its place is.
    #[inline(never)]
    fn pack<X: Activation>(
        &mut self,
        lines: &Lines,
        x: &[X],
        first: usize,
        [from, to]: [usize; 2],
    ) {
        let Lines { across, along, pitch, .. } = *lines;
        let padding = X::saturate(lines.padding).to_i32();
        let ([begin, end], at) = lines.inside(first, [from, to]);
        for padded in [from..begin, end..to] {
            let words = self.lines.get_mut(padded.start * pitch..padded.end * pitch);
            words.unwrap_or_default().iter_mut().for_each(|word| *word = pair(padding, padding));
        }
        let words = self.lines.get_mut(begin * pitch..end * pitch);
        let (Some(words), Some(x)) = (words, x.get(at..)) else { return };
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
            edges: head | (((pixels - head) % 2) << 1),
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

    #[inline(never)]
    fn compute(&mut self, lines: &Lines, weights: &Weights, count: usize) {
        let Lines { along, stride, pitch, .. } = *lines;
        let (calls, steps) = if stride == 1 { (1, count * pitch) } else { (count, along.output) };
        if steps == 0 || !Self::has_room(lines, count) {
            return;
        }
        let sums = SIDE | MIDDLE << B | SIDE << (2 * B);
        let start = self.lines.as_ptr();
        let mut job = Job {
            rows: [0, 1, 2].map(|row| start.wrapping_add(row * pitch)),
            weights: weights.map(|[a, b, c]| [pair(b, a), pair(0, c)]),
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

    #[inline(never)]
    fn finish<Y>(&self, lines: &Lines, count: usize, finish: impl Fn(i32) -> Y, y: &mut [Y]) {
        let Lines { across, along, stride, pitch, .. } = *lines;
        if y.len() <= (count - 1) * across.y_step + (along.output - 1) * along.y_step
            || !Self::has_room(lines, count)
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

    #[inline(never)]
    fn divide<Y: Activation>(
        &self,
        lines: &Lines,
        count: usize,
        by: (i32, Shift),
        y: &mut [Y],
    ) -> bool {
        let Lines { across, along, .. } = *lines;
        let room = y.len() > (count - 1) * across.y_step + (along.output - 1) * along.y_step;
        if room && Self::has_room(lines, count) {
            // SAFETY: the last pixel of the last line was just seen to lie in `y`, and `count` lines of
            // sums are there, `before` right behind `first`.
            unsafe { outputs::divide(lines, (self.first.as_ptr(), count), by, y.as_mut_ptr()) };
        }
        true
    }

    #[inline(always)]
    fn keep(&mut self, lines: &Lines, from: usize, count: usize) {
        let (from, count) = (from * lines.pitch, count * lines.pitch);
        copy::slide_down(self.lines.get_mut(..from + count).unwrap_or_default(), from);
    }
}

/// Two pixels to a word.
#[inline(always)]
const fn pair(first: i32, second: i32) -> i32 {
    first.wrapping_add(second << B)
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
    weights: [[i32; 2]; TAPS],
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
        routine!(
            $name,
            const { $($operand = $operand),* },
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
        routine!(
            $name,
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
        );
    };
}

pack!(symbol!("pack_unsigned"), "ldrb");
pack!(symbol!("pack_signed"), "ldrsb");
