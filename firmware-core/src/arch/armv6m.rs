//! Armv6-M: Cortex-M0 and M0+.
//!
//! One MULS makes two products: two pixels share a word, a0 + a1 * 2^16, and weights are stored
//! with an offset of 128, so that every product fits 16 bits and the halves stay apart. `all`
//! adds up the words and `high` their upper halves; the lower halves' sum is their difference.
//! 19 instructions make 8 multiply-accumulates. The offset is undone once per window: 128 times
//! the sum of its values.

use core::arch::global_asm;

use super::{Cursor, LayerBytes};
use crate::Activation;

/// Weights plus 128.
pub(crate) type Stored = crate::Offset;

pub(crate) const fn store(weight: i8) -> Stored {
    Stored::new(weight)
}

/// Signed activations would carry from one half of a word into the other.
pub(crate) const fn supports<X: Activation>() -> bool {
    X::UNSIGNED
}

/// Taps of one [`Patch`]: two rounds of the unrolled loop.
const TAPS: usize = 64;
/// Taps of one round: as far as LDRB's offset reaches.
const ROUND: usize = 32;

/// What the windows of four output pixels cover, [`Patch::TAPS`] taps at most: per tap pixels 0
/// and 1 in one word, 2 and 3 in the next.
#[repr(C, align(4))]
pub(crate) struct Patch {
    words: [[u32; 2]; TAPS],
    /// Of the whole window, per pixel.
    values: [u32; 4],
}

impl Patch {
    pub(crate) const TAPS: usize = TAPS;

    pub(crate) const fn new() -> Self {
        Self { words: [[0; 2]; TAPS], values: [0; 4] }
    }

    /// Starts another tile.
    #[inline(always)]
    pub(crate) fn begin(&mut self) {
        self.values = [0; 4];
    }

    /// Sets tap `at` of the four pixels.
    pub(crate) fn put(&mut self, at: usize, values: [i32; 4]) {
        let [a, b, c, d] = values.map(|value| value as u32);
        if let Some(words) = self.words.get_mut(at) {
            *words = [a | b << 16, c | d << 16];
        }
        self.add([a | b << 16, c | d << 16]);
    }

    /// Counts the sums of some taps, which fit 16 bits.
    #[inline(always)]
    fn add(&mut self, [ab, cd]: [u32; 2]) {
        for (sum, value) in
            self.values.iter_mut().zip([ab & 0xffff, ab >> 16, cd & 0xffff, cd >> 16])
        {
            *sum += value;
        }
    }

    /// Sets the first `taps` taps from where `cursor` is.
    pub(crate) fn gather<X: Activation>(&mut self, cursor: &mut Cursor<X>, taps: usize) {
        if cursor.read(taps.min(TAPS)) == 0 {
            return;
        }
        let mut sums = [0; 2];
        // SAFETY: a cursor stays inside the slice it was made for, so that the routine reads
        // nothing else; it writes `taps` pairs of words, which the patch has, and two sums. It
        // keeps to the procedure call standard.
        unsafe { inkling_gather((&raw mut *cursor).cast(), self.words.as_mut_ptr(), &mut sums) };
        self.add(sums);
    }

    /// Adds this patch, whose first `taps` taps are set, times the weights of every channel to
    /// `sums`. The weights are those of `layer` from byte `at` on, `stride` bytes per channel.
    pub(crate) fn accumulate(
        &mut self,
        taps: usize,
        layer: LayerBytes,
        at: usize,
        stride: usize,
        sums: &mut [[i32; 4]],
    ) {
        // Taps go in pairs: what follows this channel's weights counts zero.
        if let (1, Some(unused)) = (taps % 2, self.words.get_mut(taps)) {
            *unused = [0; 2];
        }
        let taps = taps.next_multiple_of(2).min(TAPS);
        let rounds = taps.div_ceil(ROUND);
        let skipped = rounds * ROUND - taps;
        let Some(last) = sums.len().checked_sub(1) else { return };
        let Some(weights) = layer.get(at, last * stride + taps) else { return };
        let job = Job {
            x: self.words.as_ptr(),
            rounds,
            step: stride.wrapping_sub(rounds * ROUND),
            end: sums.as_mut_ptr_range().end.cast(),
            skip: skipped / 2,
        };
        // SAFETY: the routine reads `taps` pairs of words of the patch, which holds that many;
        // `taps` bytes at `weights + channel * stride` for every channel, which `get` says belong
        // to the layer; and it reads and writes the elements of `sums`, of which there is at least
        // one. It keeps to the procedure call standard.
        unsafe {
            inkling_accumulate(&job, weights.wrapping_sub(skipped), sums.as_mut_ptr().cast())
        };
    }

    /// The sums of products, from what [`Patch::accumulate`] has added up: per pair of pixels
    /// `all` and `high`.
    #[inline(always)]
    pub(crate) fn finish(&self, [all01, high01, all23, high23]: [i32; 4]) -> [i32; 4] {
        let low01 = all01.wrapping_sub(high01 << 16);
        let low23 = all23.wrapping_sub(high23 << 16);
        let [a, b, c, d] = self.values.map(|value| (value * 128) as i32);
        [
            low01.wrapping_sub(a),
            high01.wrapping_sub(b),
            low23.wrapping_sub(c),
            high23.wrapping_sub(d),
        ]
    }
}

/// The invariants of one [`Patch::accumulate`], in the order in which the routine expects them.
#[repr(C)]
struct Job {
    x: *const [u32; 2],
    rounds: usize,
    /// Bytes from where one channel's last round ends to where the next one's first would begin.
    step: usize,
    end: *const i32,
    /// Pairs of taps of the first round to jump over.
    skip: usize,
}

unsafe extern "C" {
    fn inkling_gather(cursor: *mut Cursor<u8>, patch: *mut [u32; 2], sums: *mut [u32; 2]);
    fn inkling_accumulate(job: *const Job, weights: *const u8, sums: *mut i32);
    fn inkling_dot4(x: *const u8, rows: *const i8, stride: usize, sums: *mut [i32; 4]);
}

// A tap is 14 instructions. r8 and r9 add up the words, r12 is where the next one goes.
global_asm!(
    ".section .text.inkling_gather, \"ax\", %progbits",
    ".syntax unified",
    ".thumb",
    ".p2align 2",
    ".global inkling_gather",
    ".type inkling_gather, %function",
    ".thumb_func",
    "inkling_gather:",
    "push {{r4-r7, lr}}",
    "mov r4, r8",
    "mov r5, r9",
    "push {{r0, r2, r4, r5}}",
    "mov r12, r1",
    "movs r5, #0",
    "mov r8, r5",
    "mov r9, r5",
    "mov r4, r0",
    "ldm r0, {{r0-r3}}",
    "2:",                // a kernel row, or what this call takes of it
    "ldr r6, [r4, #16]", // taps
    "ldr r7, [r4, #20]", // left
    "mov r5, r6",
    "cmp r6, r7",
    "blo 3f",
    "mov r5, r7",
    "3:",
    "subs r6, r5",
    "str r6, [r4, #16]",
    "subs r7, r5",
    "str r7, [r4, #20]",
    "adds r0, r5", // indices count up to zero
    "adds r1, r5",
    "adds r2, r5",
    "adds r3, r5",
    "rsbs r4, r5, #0",
    "4:",
    "ldrb r5, [r0, r4]",
    "ldrb r6, [r1, r4]",
    "lsls r6, #16",
    "orrs r5, r6",
    "add r8, r5",
    "ldrb r6, [r2, r4]",
    "ldrb r7, [r3, r4]",
    "lsls r7, #16",
    "orrs r6, r7",
    "add r9, r6",
    "mov r7, r12",
    "stm r7!, {{r5, r6}}",
    "mov r12, r7",
    "adds r4, #1",
    "bne 4b",
    "ldr r4, [sp]", // cursor
    "ldr r7, [r4, #20]",
    "cmp r7, #0",
    "bne 5f",
    "ldr r7, [r4, #24]", // row
    "str r7, [r4, #20]",
    "ldr r7, [r4, #28]", // skip
    "adds r0, r7",
    "adds r1, r7",
    "adds r2, r7",
    "adds r3, r7",
    "5:",
    "ldr r6, [r4, #16]",
    "cmp r6, #0",
    "bne 2b",
    "stm r4!, {{r0-r3}}",
    "ldr r0, [sp, #4]", // sums
    "mov r1, r8",
    "mov r2, r9",
    "stm r0!, {{r1, r2}}",
    "pop {{r0, r2, r4, r5}}",
    "mov r8, r4",
    "mov r9, r5",
    "pop {{r4-r7, pc}}",
    ".size inkling_gather, . - inkling_gather",
);

// r0 patch, r1 weights, r2 weight, r3-r6 words, r7 rounds left, r8-r11 all and high of both pairs,
// r12 sums, lr where to jump into the first round. Two taps are 19 instructions of 2 bytes.
global_asm!(
    ".section .text.inkling_accumulate, \"ax\", %progbits",
    ".syntax unified",
    ".thumb",
    ".macro inkling_multiply word, all, high",
    "muls \\word, r2, \\word",
    "add \\all, \\word",
    "lsrs \\word, \\word, #16",
    "add \\high, \\word",
    ".endm",
    ".p2align 2",
    ".global inkling_accumulate",
    ".type inkling_accumulate, %function",
    ".thumb_func",
    "inkling_accumulate:",
    "push {{r4-r7, lr}}",
    "mov r4, r8",
    "mov r5, r9",
    "mov r6, r10",
    "mov r7, r11",
    "push {{r4-r7}}",
    "mov r12, r2",
    "ldr r3, [r0, #16]", // skip
    "movs r4, #38",
    "muls r3, r4, r3",
    "adr r4, 3f",
    "adds r3, r4",
    "adds r3, #1",
    "mov lr, r3",
    "ldm r0!, {{r3-r6}}", // x, rounds, step, end
    "sub sp, #16",
    "mov r7, sp",
    "stm r7!, {{r3-r6}}",
    "2:",
    "mov r7, r12",
    "ldm r7!, {{r3-r6}}",
    "mov r8, r3",
    "mov r9, r4",
    "mov r10, r5",
    "mov r11, r6",
    "ldr r0, [sp]",
    "ldr r7, [sp, #4]",
    "bx lr",
    ".p2align 2",
    "3:",
    ".set offset, 0",
    ".rept {pairs}",
    "ldrb r2, [r1, #offset]",
    "ldm r0!, {{r3-r6}}",
    "inkling_multiply r3, r8, r9",
    "inkling_multiply r4, r10, r11",
    "ldrb r2, [r1, #(offset + 1)]",
    "inkling_multiply r5, r8, r9",
    "inkling_multiply r6, r10, r11",
    ".set offset, offset + 2",
    ".endr",
    "adds r1, #{round}",
    "subs r7, #1",
    "beq 4f",
    "b 3b",
    "4:",
    "mov r7, r12",
    "mov r3, r8",
    "mov r4, r9",
    "mov r5, r10",
    "mov r6, r11",
    "stm r7!, {{r3-r6}}",
    "mov r12, r7",
    "ldr r3, [sp, #8]", // step
    "adds r1, r3",
    "ldr r3, [sp, #12]", // end
    "cmp r7, r3",
    "beq 5f",
    "b 2b",
    "5:",
    "add sp, #16",
    "pop {{r4-r7}}",
    "mov r8, r4",
    "mov r9, r5",
    "mov r10, r6",
    "mov r11, r7",
    "pop {{r4-r7, pc}}",
    ".size inkling_accumulate, . - inkling_accumulate",
    pairs = const ROUND / 2,
    round = const ROUND,
);

/// Four outputs of a fully connected layer: the sums of `x` times each row of weights. 15
/// instructions make four multiply-accumulates.
pub(crate) fn dot4<X: Activation>(x: &[X], rows: &[i8]) -> [i32; 4] {
    let mut sums = [0; 4];
    if X::UNSIGNED && !x.is_empty() && rows.len() == 4 * x.len() {
        let (x, stride) = (x.as_ptr().cast(), x.len());
        // SAFETY: the routine reads `stride` elements of `x` and of each of the rows, which are as
        // long, and writes the four sums. It keeps to the procedure call standard.
        unsafe { inkling_dot4(x, rows.as_ptr(), stride, &mut sums) };
    }
    sums
}

global_asm!(
    ".section .text.inkling_dot4, \"ax\", %progbits",
    ".syntax unified",
    ".thumb",
    ".p2align 2",
    ".global inkling_dot4",
    ".type inkling_dot4, %function",
    ".thumb_func",
    "inkling_dot4:",
    "push {{r3-r7, lr}}",
    "mov r4, r8",
    "mov r5, r9",
    "mov r6, r10",
    "mov r7, r11",
    "push {{r4-r7}}",
    "movs r3, #0",
    "mov r8, r3",
    "mov r9, r3",
    "mov r10, r3",
    "mov r11, r3",
    "mov r5, r2",
    "adds r0, r5", // indices count up to zero
    "adds r1, r5",
    "adds r2, r1, r5",
    "adds r3, r2, r5",
    "adds r4, r3, r5",
    "rsbs r5, r5, #0",
    "2:",
    "ldrb r6, [r0, r5]",
    "ldrsb r7, [r1, r5]",
    "muls r7, r6, r7",
    "add r8, r7",
    "ldrsb r7, [r2, r5]",
    "muls r7, r6, r7",
    "add r9, r7",
    "ldrsb r7, [r3, r5]",
    "muls r7, r6, r7",
    "add r10, r7",
    "ldrsb r7, [r4, r5]",
    "muls r7, r6, r7",
    "add r11, r7",
    "adds r5, #1",
    "bne 2b",
    "mov r0, r8",
    "mov r1, r9",
    "mov r2, r10",
    "mov r3, r11",
    "ldr r5, [sp, #16]", // sums
    "stm r5!, {{r0-r3}}",
    "pop {{r4-r7}}",
    "mov r8, r4",
    "mov r9, r5",
    "mov r10, r6",
    "mov r11, r7",
    "pop {{r3-r7, pc}}",
    ".size inkling_dot4, . - inkling_dot4",
);
