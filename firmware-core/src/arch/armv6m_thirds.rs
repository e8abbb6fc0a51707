//! Convolution of `thirds.rs` on Armv6-M: 8 instructions make 4 multiply-accumulates.
//!
//! Only loads without a sign take an offset, so weights are stored 128 too large ([`Target::BIASED`]), and
//! sums begin with -128 times the total of all values.
//!
//! [`Target::BIASED`]: crate::arch::Target::BIASED

use crate::arch::thirds::{End, Pass, TAPS, TOTALS, WORDS};

/// Taps that LDRB's offset reaches.
const REACH: usize = TAPS / 2;

/// Multiplies the patch, taps `first` to `first + taps` of `total`, with the weights of every channel.
pub(in crate::arch) fn accumulate(
    patch: &[u32],
    [first, taps, total]: [usize; 3],
    pass: Pass,
    weights: &[i8],
    sums: &mut [[i32; 4]],
) {
    let taps = taps.min(TAPS);
    let Some(last) = sums.len().checked_sub(1) else { return };
    let totals = patch.get(WORDS - TOTALS..).and_then(|totals| totals.first_chunk::<TOTALS>());
    let Some(totals) = totals else { return };
    if first + last * total + taps > weights.len() {
        return;
    }
    // Where the unrolled taps are entered, and how far they move the weights.
    let skipped = TAPS - taps;
    let (enter, back, moved) = match skipped < REACH {
        true => (skipped * TAP_BYTES, skipped, REACH),
        false => (skipped * TAP_BYTES + 2, skipped - REACH, 0),
    };
    let job = Job {
        x: patch.as_ptr(),
        begin: totals.map(|total| (total << 7).wrapping_neg()),
        enter,
        step: total.wrapping_sub(moved),
        end: sums.as_mut_ptr_range().end.cast(),
        resumes: pass.resumes.into(),
        leaves: match pass.end {
            End::Words => 0,
            End::Sums => 1,
            End::Added => 2,
        },
    };
    let weights = weights.as_ptr().wrapping_add(first).wrapping_sub(back);
    // SAFETY: the routine reads three words of the patch for each of `taps`, which holds that many;
    // `taps` weights at `first + channel * total` for every channel, which are there as was just
    // checked; and it reads and writes the elements of `sums`, of which there is at least one. It
    // keeps to the procedure call standard.
    unsafe { accumulate_all(&job, weights, sums.as_mut_ptr().cast()) };
}

/// The invariants of one [`accumulate`], in the order in which the routine expects them.
#[repr(C)]
struct Job {
    x: *const u32,
    /// What the words of every channel begin with.
    begin: [u32; TOTALS],
    /// Bytes of the unrolled taps to jump over.
    enter: usize,
    /// Bytes from where one channel's last tap ends to where the next one's first would begin.
    step: usize,
    end: *const i32,
    /// As in [`Pass`], and 0 for words, 1 for sums, 2 for sums that are added.
    resumes: usize,
    leaves: usize,
}

/// Eight instructions.
const TAP_BYTES: usize = 16;

unsafe extern "C" {
    #[link_name = symbol!("accumulate_thirds")]
    fn accumulate_all(job: *const Job, weights: *const i8, sums: *mut i32);
}

// r0-r2 and r12 the pixels, r3 where the next tap goes, r4 counts up to zero, r8 a pixel, r9-r11 totals,
// lr the cursor. On the stack where the totals go. A tap is 18 instructions.
macro_rules! gather {
    ($name:expr, $load:literal, $down:literal) => {
        routine!(
            $name,
            const { totals = WORDS - TOTALS },
            "push {{r4-r7, lr}}",
            "mov r4, r8",
            "mov r5, r9",
            "mov r6, r10",
            "mov r7, r11",
            "push {{r4-r7}}",
            "mov lr, r0",
            "movs r3, r1",
            "movs r4, #{totals}",
            "lsls r4, r4, #2",
            "adds r4, r1",
            "push {{r4}}",
            "movs r5, #0",
            "mov r9, r5",
            "mov r10, r5",
            "mov r11, r5",
            "ldr r4, [r0, #12]",
            "mov r12, r4",
            "ldm r0, {{r0-r2}}",
            "2:", // a kernel row, or what this call takes of it
            "mov r4, lr",
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
            "add r12, r5",
            "rsbs r4, r5, #0",
            "4:",
            concat!($load, " r6, [r1, r4]"),
            concat!($load, " r7, [r2, r4]"),
            "mov r5, r12",
            concat!($load, " r5, [r5, r4]"),
            "mov r8, r5",
            concat!($load, " r5, [r0, r4]"),
            "lsls r6, r6, #16",
            "adds r7, r6",
            "lsls r6, r6, #8",
            "adds r5, r6",
            concat!($down, " r6, r6, #16"),
            "add r6, r8",
            "add r9, r5",
            "add r10, r6",
            "add r11, r7",
            "stm r3!, {{r5-r7}}",
            "adds r4, #1",
            "bne 4b",
            "mov r4, lr",
            "ldr r7, [r4, #20]",
            "cmp r7, #0",
            "bne 5f",
            "ldr r7, [r4, #24]", // row
            "str r7, [r4, #20]",
            "ldr r7, [r4, #28]", // skip
            "adds r0, r7",
            "adds r1, r7",
            "adds r2, r7",
            "add r12, r7",
            "5:",
            "ldr r6, [r4, #16]",
            "cmp r6, #0",
            "bne 2b",
            "mov r3, r12",
            "stm r4!, {{r0-r3}}",
            "pop {{r0}}",
            "mov r1, r9",
            "mov r2, r10",
            "mov r3, r11",
            "stm r0!, {{r1-r3}}",
            "pop {{r4-r7}}",
            "mov r8, r4",
            "mov r9, r5",
            "mov r10, r6",
            "mov r11, r7",
            "pop {{r4-r7, pc}}",
        );
    };
}

gather!(symbol!("gather_thirds_unsigned"), "ldrb", "lsrs");
gather!(symbol!("gather_thirds_signed"), "ldrsb", "asrs");

/// Makes sums of the words in r6, r7 and r8, in the order of the patch: pixels 0 to 3 in r3-r6.
macro_rules! apart {
    () => {
        "lsls r3, r6, #8
        asrs r3, r3, #8
        subs r6, r6, r3
        lsrs r6, r6, #8
        mov r4, r8
        subs r4, r4, r6
        lsls r5, r4, #8
        asrs r5, r5, #8
        subs r4, r4, r5
        adds r4, r4, r6
        lsrs r4, r4, #8
        subs r7, r7, r4
        lsls r6, r7, #8
        asrs r6, r6, #8
        subs r7, r7, r6
        adds r4, r4, r7
        asrs r4, r4, #8"
    };
}

/// As many taps as the offset reaches.
macro_rules! taps {
    () => {
        ".set offset, 0
        .rept {reach}
        ldrb r2, [r1, #offset]
        ldm r0!, {{r3-r5}}
        muls r3, r2, r3
        muls r4, r2, r4
        muls r5, r2, r5
        adds r6, r3
        adds r7, r4
        add r8, r5
        .set offset, offset + 1
        .endr"
    };
}

// r0 patch, r1 weights, r2 weight, r3-r5 products, r6-r8 words, r9-r11 what they begin with, r12 the
// patch's first word, lr where a channel begins. On the stack: sums, where to enter the taps, step, end,
// where to leave them. A tap is 8 instructions of 2 bytes.
routine!(
    symbol!("accumulate_thirds"),
    const { reach = REACH },
    "push {{r4-r7, lr}}",
    "mov r4, r8",
    "mov r5, r9",
    "mov r6, r10",
    "mov r7, r11",
    "push {{r4-r7}}",
    "ldm r0!, {{r3-r6}}",
    "mov r12, r3",
    "mov r9, r4",
    "mov r10, r5",
    "mov r11, r6",
    "ldm r0!, {{r3-r7}}", // enter, step, end, resumes, leaves
    "adr r0, 4f",
    "adds r3, r0",
    "adds r3, #1",
    "cmp r7, #1",
    "adr r0, 5f",
    "blo 1f",
    "adr r0, 6f",
    "beq 1f",
    "adr r0, 7f",
    "1:",
    "adds r7, r0, #1",
    "push {{r2-r5, r7}}",
    "cmp r6, #0",
    "adr r0, 2f",
    "beq 1f",
    "adr r0, 3f",
    "1:",
    "adds r0, #1",
    "mov lr, r0",
    "bx lr",
    ".p2align 2",
    "2:", // a channel
    "mov r6, r9",
    "mov r7, r10",
    "mov r8, r11",
    "mov r0, r12",
    "ldr r2, [sp, #4]",
    "bx r2",
    ".p2align 2",
    "3:", // one that goes on
    "mov r6, r9",
    "mov r7, r10",
    "mov r8, r11",
    "ldr r2, [sp]",
    "ldm r2!, {{r3-r5}}",
    "add r8, r3",
    "adds r6, r4",
    "adds r7, r5",
    "mov r0, r12",
    "ldr r2, [sp, #4]",
    "bx r2",
    ".p2align 2",
    "4:",
    taps!(),
    "adds r1, #{reach}",
    taps!(),
    "ldr r2, [sp, #16]",
    "bx r2",
    ".p2align 2",
    "5:", // leave words
    "ldr r2, [sp]",
    "mov r5, r8",
    "stm r2!, {{r5-r7}}",
    "adds r2, #4",
    "b 8f",
    ".p2align 2",
    "7:", // leave sums, added to those that are there
    apart!(),
    "ldr r2, [sp]",
    "ldr r7, [r2]",
    "adds r3, r7",
    "ldr r7, [r2, #4]",
    "adds r4, r7",
    "ldr r7, [r2, #8]",
    "adds r5, r7",
    "ldr r7, [r2, #12]",
    "adds r6, r7",
    "stm r2!, {{r3-r6}}",
    "b 8f",
    ".p2align 2",
    "6:", // leave sums
    apart!(),
    "ldr r2, [sp]",
    "stm r2!, {{r3-r6}}",
    "8:",
    "str r2, [sp]",
    "ldr r3, [sp, #8]", // step
    "adds r1, r3",
    "ldr r3, [sp, #12]", // end
    "cmp r2, r3",
    "beq 9f",
    "bx lr",
    "9:",
    "add sp, #20",
    "pop {{r4-r7}}",
    "mov r8, r4",
    "mov r9, r5",
    "mov r10, r6",
    "mov r11, r7",
    "pop {{r4-r7, pc}}",
);
