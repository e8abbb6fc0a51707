//! What the windows of four pixels cover, and its products with weights of eight bits, with the DSP extension.

use super::super::{Cursor, WeightSum};
use crate::Activation;

/// Taps of one [`Patch`]: 16 groups of four.
pub(super) const TAPS: usize = 64;

/// What the windows of four output pixels cover, [`Patch::TAPS`] taps at most.
///
/// Per group of four taps a0..a3 eight words: (a0, a2) of pixels 0 to 3, then (a1, a3) of pixels
/// 0 to 3, so that one LDM brings what one pair of weights is multiplied with.
#[repr(C, align(4))]
pub struct Patch(pub(super) [[[[i16; 2]; 4]; 2]; TAPS / 4]);

impl Patch {
    pub(crate) const TAPS: usize = TAPS;

    pub(crate) const fn new() -> Self {
        Self([[[[0; 2]; 4]; 2]; TAPS / 4])
    }

    /// Sets tap `at` of the four pixels to zero.
    #[inline(never)]
    pub(super) fn clear(&mut self, at: usize) {
        if let Some(group) = self.0.get_mut(at / 4) {
            group[at % 2].iter_mut().for_each(|pair| pair[at / 2 % 2] = 0);
        }
    }

    /// Sets the first `taps` taps from where `cursor` is.
    pub(crate) fn gather<X: Activation>(&mut self, cursor: &mut Cursor<X>, taps: usize) {
        if cursor.read(taps.min(TAPS)) == 0 {
            return;
        }
        let (cursor, patch) = ((&raw mut *cursor).cast(), self.0.as_mut_ptr().cast());
        // SAFETY: a cursor stays inside the slice it was made for, so that the routines read
        // nothing else, and they write the slots of `taps` taps, which the patch has. They keep
        // to the procedure call standard.
        unsafe {
            if X::UNSIGNED {
                gather_unsigned(cursor, patch);
            } else {
                gather_signed(cursor, patch);
            }
        }
    }

    /// Adds this patch, taps `first` to `first + taps` of `total`, times the weights of every
    /// channel to `sums`.
    pub(crate) fn accumulate(
        &mut self,
        [first, taps, total]: [usize; 3],
        weights: &[i8],
        sums: &mut [[i32; 4]],
    ) {
        self.accumulate_by([first, taps, total], weights, sums, accumulate);
    }

    /// The same by one of the routines.
    #[inline(always)]
    pub(super) fn accumulate_by(
        &mut self,
        [first, taps, total]: [usize; 3],
        weights: &[i8],
        sums: &mut [[i32; 4]],
        routine: unsafe extern "C" fn(*const Job, *const i8, *mut i32),
    ) {
        // The last group is multiplied whole: what follows this channel's weights counts zero.
        for unused in taps..taps.next_multiple_of(4) {
            self.clear(unused);
        }
        let groups = taps.div_ceil(4).min(TAPS / 4);
        let Some(last) = sums.len().checked_sub(1) else { return };
        if first + last * total + groups * 4 > weights.len() {
            return;
        }
        let job = Job {
            x: self.0.as_ptr().cast(),
            step: total.wrapping_sub(groups * 4),
            end: sums.as_mut_ptr_range().end.cast(),
            skip: TAPS / 4 - groups,
        };
        // SAFETY: a routine reads `groups * 32` bytes of the patch, which holds that many;
        // `groups * 4` weights at `first + channel * total` for every channel, which are there as
        // was just checked; and it reads and writes the elements of `sums`, of which there is at
        // least one. It keeps to the procedure call standard.
        unsafe {
            routine(&job, weights.as_ptr().wrapping_add(first), sums.as_mut_ptr().cast());
        }
    }

    /// The sums of products, from what [`Patch::accumulate`] has added up.
    #[inline(always)]
    pub(crate) fn finish(sums: [i32; 4]) -> [i32; 4] {
        sums
    }

    /// What to add to a channel's sums.
    #[inline(always)]
    #[allow(clippy::extra_unused_type_parameters)] // other targets need it
    pub(crate) fn correction<X: Activation>(_: &WeightSum) -> i32 {
        0
    }
}

/// The invariants of one [`Patch::accumulate`], in the order in which the routine loads them.
#[repr(C)]
pub(super) struct Job {
    x: *const u32,
    /// Bytes from the end of one channel's weights to the start of the next channel's.
    step: usize,
    end: *const i32,
    /// Groups of the unrolled loop to jump over.
    skip: usize,
}

unsafe extern "C" {
    #[link_name = symbol!("gather_unsigned")]
    fn gather_unsigned(cursor: *mut Cursor<u8>, patch: *mut u32);
    #[link_name = symbol!("gather_signed")]
    fn gather_signed(cursor: *mut Cursor<u8>, patch: *mut u32);
    #[link_name = symbol!("accumulate")]
    fn accumulate(job: *const Job, weights: *const i8, sums: *mut i32);
}

/// One tap at a place of its group, and which one is next.
macro_rules! gather_tap {
    ($load:literal, $at:literal, $next:literal) => {
        gather_tap!($load, $at, $next, "")
    };
    ($load:literal, $at:literal, $next:literal, $then:literal) => {
        concat!(
            $load,
            " r7, [r0], #1\n",
            "strh r7, [r12, #",
            $at,
            "]\n",
            $load,
            " r7, [r1], #1\n",
            "strh r7, [r12, #4 + ",
            $at,
            "]\n",
            $load,
            " r7, [r2], #1\n",
            "strh r7, [r12, #8 + ",
            $at,
            "]\n",
            $load,
            " r7, [r3], #1\n",
            "strh r7, [r12, #12 + ",
            $at,
            "]\n",
            $then,
            "movs r5, #",
            $next,
            "\n",
            "subs lr, #1\n",
            "beq 6f",
        )
    };
}

// Whole groups of four taps at one instruction per value; single taps where a group begins in one
// kernel row and ends in the next.
macro_rules! gather {
    ($name:expr, $unpack:literal, $load:literal) => {
        routine!(
            $name,
            "push {{r0, r4-r11, lr}}",
            "mov r12, r1",
            "movs r5, #0", // phase: taps of the current group that are set
            "mov r4, r0",
            "ldm r0, {{r0-r3}}",
            "2:",                     // a kernel row, or what this call takes of it
            "ldrd r6, r7, [r4, #16]", // taps, left
            "cmp r6, r7",
            "ite lt",
            "movlt lr, r6",
            "movge lr, r7",
            "sub r6, lr",
            "sub r7, lr",
            "strd r6, r7, [r4, #16]",
            "cbnz r5, 5f",
            "3:", // whole groups
            "subs lr, #4",
            "blt 4f",
            "ldr r4, [r0], #4",
            "ldr r5, [r1], #4",
            "ldr r6, [r2], #4",
            "ldr r7, [r3], #4",
            concat!($unpack, " r8, r4"),
            concat!($unpack, " r9, r5"),
            concat!($unpack, " r10, r6"),
            concat!($unpack, " r11, r7"),
            "stm r12!, {{r8-r11}}",
            concat!($unpack, " r4, r4, ror #8"),
            concat!($unpack, " r5, r5, ror #8"),
            concat!($unpack, " r6, r6, ror #8"),
            concat!($unpack, " r7, r7, ror #8"),
            "stm r12!, {{r4-r7}}",
            "b 3b",
            "4:",
            "movs r5, #0",
            "adds lr, #4",
            "beq 6f",
            "5:", // single taps, from the one on that r5 says
            "tbb [pc, r5]",
            "50:",
            ".byte (51f - 50b) / 2, (52f - 50b) / 2, (53f - 50b) / 2, (54f - 50b) / 2",
            "51:",
            gather_tap!($load, "0", "1"),
            "52:",
            gather_tap!($load, "16", "2"),
            "53:",
            gather_tap!($load, "2", "3"),
            "54:",
            gather_tap!($load, "18", "0", "add r12, #32\n"),
            "b 3b",
            "6:", // the end of the row, of this call, or of both
            "ldr r4, [sp]",
            "ldrd r6, r7, [r4, #16]",
            "cbnz r7, 7f",
            "ldrd r7, r8, [r4, #24]", // row, skip
            "add r0, r8",
            "add r1, r8",
            "add r2, r8",
            "add r3, r8",
            "str r7, [r4, #20]",
            "7:",
            "cmp r6, #0",
            "bne 2b",
            "stm r4, {{r0-r3}}",
            "pop {{r0, r4-r11, pc}}",
        );
    };
}

gather!(symbol!("gather_unsigned"), "uxtb16", "ldrb");
gather!(symbol!("gather_signed"), "sxtb16", "ldrsb");

// Per channel: load the four sums, jump into the unrolled groups, store the sums. A group is 13
// instructions of 48 bytes.
routine!(
    symbol!("accumulate"),
    const { groups = TAPS / 4 },
    "push {{r4-r11, lr}}",
    "ldr r3, [r0, #12]", // skip
    "adr lr, 3f + 1",
    "movs r4, #48",
    "mla lr, r3, r4, lr",
    "ldm r0, {{r4-r6}}", // x, step, end
    "push {{r4-r6}}",
    "mov r0, r4",
    "2:",
    "ldm r2, {{r7-r10}}",
    "bx lr",
    ".p2align 2",
    "3:",
    ".rept {groups}",
    "ldr.w r11, [r1], #4",
    "sxtb16 r12, r11",
    "ldm.n r0!, {{r3-r6}}",
    "smlad r7, r3, r12, r7",
    "smlad r8, r4, r12, r8",
    "smlad r9, r5, r12, r9",
    "smlad r10, r6, r12, r10",
    "sxtb16 r11, r11, ror #8",
    "ldm.n r0!, {{r3-r6}}",
    "smlad r7, r3, r11, r7",
    "smlad r8, r4, r11, r8",
    "smlad r9, r5, r11, r9",
    "smlad r10, r6, r11, r10",
    ".endr",
    "stm r2!, {{r7-r10}}",
    "ldm sp, {{r0, r3, r4}}",
    "add r1, r3",
    "cmp r2, r4",
    "bne 2b",
    "add sp, #12",
    "pop {{r4-r11, pc}}",
);
