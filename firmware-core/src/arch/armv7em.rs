//! Cores with the DSP extension: Cortex-M4 and M7, and Armv8-M cores that have it.
//!
//! SMLAD multiplies two pairs of 16-bit values and adds both products: 13 instructions make 16
//! multiply-accumulates, where the scalar loop needs about 70. Both sides are unpacked alike,
//! bytes 0 and 2 of a word into one pair and bytes 1 and 3 into the other, so weights stay in
//! their natural order.

use core::arch::{asm, global_asm};

use super::LayerBytes;
use crate::Activation;

/// Weights as they are.
pub(crate) type Stored = i8;

pub(crate) const fn store(weight: i8) -> Stored {
    weight
}

/// Every kind of activation has a kernel here.
pub(crate) const fn supports<X: Activation>() -> bool {
    true
}

/// Taps of one [`Patch`]: 16 groups of four.
const TAPS: usize = 64;

/// What the windows of four output pixels cover, [`Patch::TAPS`] taps at most.
///
/// Per group of four taps a0..a3 eight words: (a0, a2) of pixels 0 to 3, then (a1, a3) of pixels
/// 0 to 3, so that one LDM brings what one pair of weights is multiplied with.
#[repr(C, align(4))]
pub(crate) struct Patch([[[[i16; 2]; 4]; 2]; TAPS / 4]);

impl Patch {
    pub(crate) const TAPS: usize = TAPS;

    pub(crate) const fn new() -> Self {
        Self([[[[0; 2]; 4]; 2]; TAPS / 4])
    }

    /// Sets tap `at` of the four pixels.
    #[inline(always)]
    pub(crate) fn put(&mut self, at: usize, values: [i32; 4]) {
        if let Some(group) = self.0.get_mut(at / 4) {
            for (pair, value) in group[at % 2].iter_mut().zip(values) {
                pair[at / 2 % 2] = value as i16;
            }
        }
    }

    /// Sets the taps from `at` on of the four pixels.
    #[inline(always)]
    pub(crate) fn extend<X: Activation>(&mut self, mut at: usize, pixels: [&[X]; 4]) {
        let [mut a, mut b, mut c, mut d] = pixels;
        // Single taps up to the next group.
        while at % 4 != 0 {
            let (Some((a0, a1)), Some((b0, b1)), Some((c0, c1)), Some((d0, d1))) =
                (a.split_first(), b.split_first(), c.split_first(), d.split_first())
            else {
                return;
            };
            self.put(at, [a0.to_i32(), b0.to_i32(), c0.to_i32(), d0.to_i32()]);
            (a, b, c, d) = (a1, b1, c1, d1);
            at += 1;
        }
        let words = |x: &[X]| word(x.first_chunk::<4>());
        for group in self.0.iter_mut().skip(at / 4) {
            let (Some(wa), Some(wb), Some(wc), Some(wd)) = (words(a), words(b), words(c), words(d))
            else {
                break;
            };
            for (pixel, word) in [wa, wb, wc, wd].into_iter().enumerate() {
                group[0][pixel] = pair(unpack::<X>(word));
                group[1][pixel] = pair(unpack_odd::<X>(word));
            }
            (a, b, c, d) = (rest(a), rest(b), rest(c), rest(d));
            at += 4;
        }
        for (((a, b), c), d) in a.iter().zip(b).zip(c).zip(d) {
            self.put(at, [a.to_i32(), b.to_i32(), c.to_i32(), d.to_i32()]);
            at += 1;
        }
    }

    /// Adds this patch, whose first `taps` taps are set, times the weights of every channel to
    /// `sums`. The weights are those of `layer` from byte `at` on, `stride` bytes per channel.
    #[inline(always)]
    pub(crate) fn accumulate(
        &mut self,
        taps: usize,
        layer: LayerBytes,
        at: usize,
        stride: usize,
        sums: &mut [[i32; 4]],
    ) {
        // The last group is multiplied whole: what follows this channel's weights counts zero.
        for unused in taps..taps.next_multiple_of(4) {
            self.put(unused, [0; 4]);
        }
        let groups = taps.div_ceil(4).min(TAPS / 4);
        let Some(last) = sums.len().checked_sub(1) else { return };
        let Some(weights) = layer.get(at, last * stride + groups * 4) else { return };
        let job = Job {
            x: self.0.as_ptr().cast(),
            step: stride.wrapping_sub(groups * 4),
            end: sums.as_mut_ptr_range().end.cast(),
            skip: TAPS / 4 - groups,
        };
        // SAFETY: the routine reads `groups * 32` bytes of the patch, which holds that many;
        // `groups * 4` bytes at `weights + channel * stride` for every channel, which `get` says
        // belong to the layer; and it reads and writes the elements of `sums`, of which there is
        // at least one. It keeps to the procedure call standard.
        unsafe { inkling_accumulate(&job, weights, sums.as_mut_ptr().cast()) };
    }

    /// The sums of products, from what [`Patch::accumulate`] has added up.
    #[inline(always)]
    pub(crate) fn finish(&self, sums: [i32; 4]) -> [i32; 4] {
        sums
    }
}

/// The invariants of one [`Patch::accumulate`], in the order in which the routine loads them.
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
    fn inkling_accumulate(job: *const Job, weights: *const u8, sums: *mut i32);
}

// Per channel: load the four sums, jump into the unrolled groups, store the sums. A group is 13
// instructions of 48 bytes.
global_asm!(
    ".section .text.inkling_accumulate, \"ax\", %progbits",
    ".syntax unified",
    ".thumb",
    ".p2align 2",
    ".global inkling_accumulate",
    ".type inkling_accumulate, %function",
    ".thumb_func",
    "inkling_accumulate:",
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
    ".size inkling_accumulate, . - inkling_accumulate",
    groups = const TAPS / 4,
);

/// Four outputs of a fully connected layer: the sums of `x` times each row of weights.
///
/// Five instructions for four multiply-accumulates, and three to unpack `x` for all four rows.
#[inline(always)]
pub(crate) fn dot4<X: Activation>(x: &[X], rows: [&[Stored]; 4]) -> [i32; 4] {
    let mut sums = [0; 4];
    let [mut a, mut b, mut c, mut d] = rows;
    let mut x = x;
    while let (Some(wx), Some(wa), Some(wb), Some(wc), Some(wd)) = (
        word(x.first_chunk()),
        word(a.first_chunk()),
        word(b.first_chunk()),
        word(c.first_chunk()),
        word(d.first_chunk()),
    ) {
        let (even, odd) = (unpack::<X>(wx), unpack_odd::<X>(wx));
        for (sum, w) in sums.iter_mut().zip([wa, wb, wc, wd]) {
            *sum = smlad(even, unpack::<i8>(w), *sum);
            *sum = smlad(odd, unpack_odd::<i8>(w), *sum);
        }
        x = rest(x);
        (a, b, c, d) = (rest(a), rest(b), rest(c), rest(d));
    }
    for (sum, row) in sums.iter_mut().zip([a, b, c, d]) {
        for (x, w) in x.iter().zip(row) {
            *sum = sum.wrapping_add(x.to_i32() * i32::from(*w));
        }
    }
    sums
}

#[inline(always)]
fn word<X: Activation>(bytes: Option<&[X; 4]>) -> Option<u32> {
    bytes.map(|bytes| u32::from_le_bytes(bytemuck::must_cast(*bytes)))
}

#[inline(always)]
fn rest<X>(x: &[X]) -> &[X] {
    x.get(4..).unwrap_or_default()
}

#[inline(always)]
fn pair(word: u32) -> [i16; 2] {
    bytemuck::must_cast(word)
}

/// Bytes 0 and 2, widened to 16 bits.
#[inline(always)]
fn unpack<X: Activation>(word: u32) -> u32 {
    if X::MIN.to_i32() == 0 {
        return word & 0x00ff_00ff;
    }
    let halves;
    // SAFETY: computes a register from a register.
    unsafe {
        asm!("sxtb16 {}, {}", out(reg) halves, in(reg) word, options(pure, nomem, nostack, preserves_flags))
    };
    halves
}

/// Bytes 1 and 3, widened to 16 bits.
#[inline(always)]
fn unpack_odd<X: Activation>(word: u32) -> u32 {
    if X::MIN.to_i32() == 0 {
        return (word >> 8) & 0x00ff_00ff;
    }
    let halves;
    // SAFETY: computes a register from a register.
    unsafe {
        asm!("sxtb16 {}, {}, ror #8", out(reg) halves, in(reg) word, options(pure, nomem, nostack, preserves_flags));
    }
    halves
}

/// `sum` plus the products of both pairs of 16-bit halves.
#[inline(always)]
fn smlad(x: u32, w: u32, sum: i32) -> i32 {
    let result;
    // SAFETY: computes a register from registers. It sets the Q flag on overflow; nothing reads it.
    unsafe {
        asm!("smlad {}, {}, {}, {}", out(reg) result, in(reg) x, in(reg) w, in(reg) sum, options(pure, nomem, nostack));
    }
    result
}
