//! Weights of four bits with the DSP extension: 25 instructions make 32 multiply-accumulates of a
//! convolution, one less than with eight bits.
//!
//! AND with a shifted operand takes one weight of a group of eight from each half of their word, at the
//! top of its half, where it is 2^12 times as large and has its sign. Sums are shifted right by 12 bits at
//! their end: those of a patch, and of 256 inputs, fit 32 bits before.

use super::super::Cursor;
use super::super::nibbles::{NibbleSum, by_rows, last_group};
use super::{Patch, TAPS};
use crate::Activation;
use crate::nibbles::{Arrangement, GROUP, filter_bytes};

/// The halves of a word of bytes 0 1 2 3 have bytes 0 2 and 1 3 of the natural order, as the values of a
/// patch lie in pairs of every second one.
pub(super) const ARRANGEMENT: Arrangement =
    Arrangement { bytes: [0, 2, 1, 3], ..Arrangement::NATURAL };

/// Outputs of a fully connected layer that lie side by side.
pub(super) const ROWS: usize = 4;

/// Bits by which sums are shifted right.
const SCALE: u32 = 12;

/// Inputs of which the sums fit: 256 * 255 * 7 * 2^12 is below 2^31.
const MOST_INPUTS: usize = 256;

impl Patch {
    /// Sets the first `taps` taps from where `cursor` is.
    pub(crate) fn gather_for_nibbles<X: Activation>(
        &mut self,
        cursor: &mut Cursor<X>,
        taps: usize,
    ) {
        self.gather(cursor, taps);
    }

    /// Adds this patch, taps `first` to `first + taps` of `total`, times the weights of every
    /// channel to `sums`. `first` is a multiple of eight.
    pub(crate) fn accumulate_nibbles(
        &mut self,
        [first, taps, total]: [usize; 3],
        weights: &[u8],
        sums: &mut [[i32; 4]],
    ) {
        // The last group is multiplied whole.
        for unused in taps..taps.next_multiple_of(GROUP) {
            self.clear(unused);
        }
        let groups = taps.div_ceil(GROUP).min(TAPS / GROUP);
        let (first, len) = (first / 2, filter_bytes(total));
        let Some(last) = sums.len().checked_sub(1) else { return };
        if first + last * len + groups * 4 > weights.len() {
            return;
        }
        let job = Job {
            x: self.0.as_ptr().cast(),
            step: len.wrapping_sub(groups * 4),
            end: sums.as_mut_ptr_range().end.cast(),
            skip: TAPS / GROUP - groups,
        };
        // SAFETY: the routine reads `groups * 64` bytes of the patch, which holds that many;
        // `groups * 4` bytes at `first + channel * len` for every channel, which are there as was just
        // checked; and it reads and writes the elements of `sums`, of which there is at least one. It
        // keeps to the procedure call standard.
        unsafe {
            accumulate(&job, weights.as_ptr().wrapping_add(first), sums.as_mut_ptr().cast());
        }
    }

    /// The sums of products, from what [`Patch::accumulate_nibbles`] has added up.
    #[inline(always)]
    pub(crate) fn finish_nibbles(sums: [i32; 4]) -> [i32; 4] {
        sums
    }

    /// What to add to a channel's sums.
    #[inline(always)]
    #[allow(clippy::extra_unused_type_parameters)] // other targets need it
    pub(crate) fn nibbles_correction<X: Activation>(_: &NibbleSum) -> i32 {
        0
    }
}

/// The invariants of one [`Patch::accumulate_nibbles`], in the order in which the routine loads them.
#[repr(C)]
struct Job {
    x: *const u32,
    /// Bytes from the end of one channel's weights to the start of the next channel's.
    step: usize,
    end: *const i32,
    /// Groups of the unrolled loop to jump over.
    skip: usize,
}

unsafe extern "C" {
    #[link_name = symbol!("accumulate_nibbles")]
    fn accumulate(job: *const Job, weights: *const u8, sums: *mut i32);
}

// Per channel: clear the four sums, jump into the unrolled groups, add the sums. A group is 25
// instructions of 92 bytes. lr is the mask of the tops of both halves.
routine!(
    symbol!("accumulate_nibbles"),
    const { groups = TAPS / GROUP, scale = SCALE },
    "push {{r4-r11, lr}}",
    "ldr r3, [r0, #12]", // skip
    "adr lr, 3f + 1",
    "movs r4, #92",
    "mla r7, r3, r4, lr",
    "ldm r0, {{r4-r6}}", // x, step, end
    "push {{r4-r7}}",
    "mov lr, #0xf000f000",
    "mov r0, r4",
    "2:",
    "ldr r3, [sp, #12]",
    "movs r7, #0",
    "mov r8, r7",
    "mov r9, r7",
    "mov r10, r7",
    "bx r3",
    ".p2align 2",
    "3:",
    ".rept {groups}",
    "ldr.w r11, [r1], #4",
    ".irp bits, 12, 8, 4, 0",
    "and.w r12, lr, r11, lsl #\\bits",
    "ldm.n r0!, {{r3-r6}}",
    "smlad r7, r3, r12, r7",
    "smlad r8, r4, r12, r8",
    "smlad r9, r5, r12, r9",
    "smlad r10, r6, r12, r10",
    ".endr",
    ".endr",
    "ldm r2, {{r3-r6}}",
    "add r3, r3, r7, asr #{scale}",
    "add r4, r4, r8, asr #{scale}",
    "add r5, r5, r9, asr #{scale}",
    "add r6, r6, r10, asr #{scale}",
    "stm r2!, {{r3-r6}}",
    "ldm sp, {{r0, r3, r4}}",
    "add r1, r3",
    "cmp r2, r4",
    "bne 2b",
    "add sp, #16",
    "pop {{r4-r11, pc}}",
);

/// A fully connected layer.
#[inline(always)]
pub(super) fn connect<X: Activation, R: Copy, Y>(
    x: &[X],
    weights: &[u8],
    channels: (&[i32], &[R]),
    finish: impl Fn(R, i32) -> Y,
    y: &mut [Y],
) {
    by_rows::<ROWS, _, _, _>(x, weights, channels, finish, y, dot4);
}

unsafe extern "C" {
    #[link_name = symbol!("dot4_nibbles_unsigned")]
    fn dot4_unsigned(x: *const u8, weights: *const u8, sums: *mut [i32; 4], groups: usize);
    #[link_name = symbol!("dot4_nibbles_signed")]
    fn dot4_signed(x: *const u8, weights: *const u8, sums: *mut [i32; 4], groups: usize);
}

/// Four outputs: the sums of `x` times the weights of each.
#[inline(never)]
fn dot4<X: Activation>(x: &[X], weights: &[u8]) -> [i32; 4] {
    let mut sums = [0; 4];
    let len = filter_bytes(MOST_INPUTS) * ROWS;
    for (x, weights) in x.chunks(MOST_INPUTS).zip(weights.chunks(len)) {
        add(x, weights, &mut sums);
        let whole = x.len() / GROUP * GROUP;
        if whole < x.len() {
            let weights = weights.get(filter_bytes(whole) * ROWS..).unwrap_or_default();
            add(&last_group(x), weights, &mut sums);
        }
    }
    sums
}

/// Adds whole groups of at most [`MOST_INPUTS`] inputs.
fn add<X: Activation>(x: &[X], weights: &[u8], sums: &mut [i32; 4]) {
    let groups = x.len().min(MOST_INPUTS) / GROUP;
    if groups == 0 || weights.len() < groups * 4 * ROWS {
        return;
    }
    let (x, weights) = (x.as_ptr().cast(), weights.as_ptr());
    // SAFETY: the routines read `groups * 8` values and as many weights of each of four outputs, which
    // are there as was just checked, and add to the four sums. They keep to the procedure call standard.
    unsafe {
        if X::UNSIGNED {
            dot4_unsigned(x, weights, sums, groups);
        } else {
            dot4_signed(x, weights, sums, groups);
        }
    }
}

// r0 values, r1 weights, r2, r3, r8 and r12 a group of values, r4-r7 sums, r9 the weights of an output,
// r10 two of them, r11 mask, lr groups left. A group is 44 instructions for 32 multiply-accumulates.
macro_rules! dot4 {
    ($name:expr, $unpack:literal) => {
        routine!(
            $name,
            const { scale = SCALE },
            "push {{r2, r4-r11, lr}}",
            "mov lr, r3",
            "mov r11, #0xf000f000",
            "movs r4, #0",
            "movs r5, #0",
            "movs r6, #0",
            "movs r7, #0",
            "2:",
            "ldr r8, [r0], #4",
            "ldr r9, [r0], #4",
            concat!($unpack, " r2, r8"),
            concat!($unpack, " r3, r8, ror #8"),
            concat!($unpack, " r12, r9"),
            concat!($unpack, " r8, r9, ror #8"),
            ".irp sum, r4, r5, r6, r7",
            "ldr r9, [r1], #4",
            "and r10, r11, r9, lsl #12",
            "smlad \\sum, r2, r10, \\sum",
            "and r10, r11, r9, lsl #8",
            "smlad \\sum, r3, r10, \\sum",
            "and r10, r11, r9, lsl #4",
            "smlad \\sum, r12, r10, \\sum",
            "and r10, r11, r9",
            "smlad \\sum, r8, r10, \\sum",
            ".endr",
            "subs lr, #1",
            "bne 2b",
            "pop {{r2}}",
            "ldm r2, {{r8-r11}}",
            "add r8, r8, r4, asr #{scale}",
            "add r9, r9, r5, asr #{scale}",
            "add r10, r10, r6, asr #{scale}",
            "add r11, r11, r7, asr #{scale}",
            "stm r2, {{r8-r11}}",
            "pop {{r4-r11, pc}}",
        );
    };
}

dot4!(symbol!("dot4_nibbles_unsigned"), "uxtb16");
dot4!(symbol!("dot4_nibbles_signed"), "sxtb16");
