//! The fully connected layer: four outputs at a time, sixteen inputs of each in turn.

use core::mem::MaybeUninit;

use super::super::ConnectedSum;
use super::windows::{self, Patch, TAPS};
use crate::{Activation, Requantize};

/// Inputs of which the weights of four outputs lie side by side.
pub(super) const GROUP: usize = 16;

/// Outputs whose sums are there before they are requantized.
const SUMS: usize = 128;

/// Fully connected.
#[inline(always)]
pub(super) fn fully_connected<X: Activation, R: Requantize, Y: Activation>(
    x: &[X],
    weights: (&[i8], &[ConnectedSum]),
    bias: &[i32],
    requantize: &[R],
    y: &mut [Y],
) {
    connect(x, weights, bias, |first, sums| {
        let requantize = requantize.get(first..).unwrap_or_default();
        R::apply_all(requantize, sums, y.get_mut(first..).unwrap_or_default());
    });
}

/// Fully connected, without requantization.
#[inline(always)]
pub(super) fn logits<X: Activation>(
    x: &[X],
    (weights, weight_sums): (&[i8], &[ConnectedSum]),
    bias: &[i32],
    logits: &mut [i32],
) {
    if weight_sums.len() >= logits.len() {
        let to = (logits.as_mut_ptr(), logits.len());
        windows::start::<X>(bias, weight_sums, to);
        return accumulate(x, weights, logits);
    }
    connect(x, (weights, weight_sums), bias, |first, sums| {
        let logits = logits.iter_mut().skip(first);
        logits.zip(sums).for_each(|(logit, sum)| *logit = *sum);
    });
}

/// Calls `finish` with the sums of outputs from some number on, until there are those of all.
#[inline(always)]
fn connect<X: Activation>(
    x: &[X],
    (weights, weight_sums): (&[i8], &[ConnectedSum]),
    bias: &[i32],
    mut finish: impl FnMut(usize, &[i32]),
) {
    let inputs = x.len();
    let mut buffer = Sums::new();
    let mut first = 0;
    for bias in bias.chunks(SUMS) {
        let weights = weights.get(first * inputs..).unwrap_or_default();
        let sums = match weight_sums.get(first..first + bias.len()) {
            Some(weight_sums) => buffer.start::<X>(bias, weight_sums),
            None => buffer.start_without::<X>(bias, (weights, inputs)),
        };
        accumulate(x, weights, sums);
        finish(first, sums);
        first += bias.len();
    }
}

/// Adds the products of all inputs to sums. What is left over of blocks of four is in its natural order.
#[inline(never)]
fn accumulate<X: Activation>(x: &[X], weights: &[i8], sums: &mut [i32]) {
    let inputs = x.len();
    let blocked = sums.len() / 4 * 4;
    let (sums, last) = sums.split_at_mut_checked(blocked).unwrap_or_default();
    let mut bytes = MaybeUninit::uninit();
    let mut patch = Patch::over(&mut bytes);
    for (chunk, x) in x.chunks(TAPS).enumerate() {
        let first = chunk * TAPS;
        let taps = patch.signed(x);
        multiply(taps, (weights.get(4 * first..).unwrap_or_default(), inputs), sums);
        if !last.is_empty() {
            let weights = weights.get(blocked * inputs + first..).unwrap_or_default();
            windows::multiply(taps, (weights, inputs), None, last);
        }
    }
}

/// Adds products to the sums of a multiple of four outputs; `weights` begin with those of the first of
/// `taps`, which are some of `inputs`.
#[inline(always)]
fn multiply(taps: &[i8], (weights, inputs): (&[i8], usize), sums: &mut [i32]) {
    let blocks = sums.len() / 4;
    if blocks == 0 || (blocks - 1) * 4 * inputs + 4 * taps.len() > weights.len() {
        return;
    }
    let groups = taps.len() / GROUP;
    let mut job = Job {
        sums: sums.as_mut_ptr(),
        weights: weights.as_ptr(),
        groups: [groups / 4, groups % 4],
        rest: taps.len() % GROUP,
        end: sums.as_mut_ptr().wrapping_add(blocks * 4),
        x: taps.as_ptr(),
        step: 4 * (inputs - taps.len()),
        block: 4 * inputs,
    };
    // SAFETY: the routines read the taps, four times as many weights of each block, of which the last was
    // just seen to be there, and read and write the sums. They keep to the procedure call standard.
    unsafe {
        if job.groups[0] == 0 || job.groups[1] + job.rest + job.step > 0 {
            return connect_any(&job);
        }
        if blocks > 1 {
            let end = sums.as_mut_ptr().wrapping_add(blocks / 2 * 8);
            job.end = end;
            connect_eight(&job);
            job.sums = end;
            job.weights = job.weights.wrapping_add(blocks / 2 * 8 * inputs);
            job.end = sums.as_mut_ptr().wrapping_add(blocks * 4);
        }
        if blocks % 2 == 1 {
            connect_even(&job);
        }
    }
}

/// Sums of outputs.
struct Sums(MaybeUninit<[i32; SUMS]>);

impl Sums {
    #[inline(always)]
    const fn new() -> Self {
        Self(MaybeUninit::uninit())
    }

    /// What outputs' sums start with.
    #[inline(always)]
    fn start<X: Activation>(&mut self, bias: &[i32], weight_sums: &[ConnectedSum]) -> &mut [i32] {
        let count = bias.len().min(SUMS);
        let start = self.0.as_mut_ptr().cast();
        if !windows::start::<X>(bias, weight_sums, (start, count)) {
            return &mut [];
        }
        // SAFETY: `count` elements were written, which `SUMS` is not less than.
        unsafe { core::slice::from_raw_parts_mut(start, count) }
    }

    /// The same where nobody has the sums of the weights, which begin with these outputs'. Those that
    /// are left over of blocks of four are the last of all.
    #[inline(never)]
    fn start_without<X: Activation>(
        &mut self,
        bias: &[i32],
        (weights, inputs): (&[i8], usize),
    ) -> &mut [i32] {
        let mut sums = [[0]; SUMS];
        let grouped = inputs / GROUP * GROUP;
        let rest = inputs - grouped;
        for (output, [sum]) in sums.iter_mut().enumerate().take(bias.len()) {
            let row = weights.get(output * inputs..).unwrap_or_default();
            let block = weights.get(output / 4 * 4 * inputs..).unwrap_or_default();
            let add = |weights: &[i8]| weights.iter().fold(0, |sum, w| sum + i32::from(*w));
            if output >= bias.len() / 4 * 4 {
                *sum = add(row.get(..inputs).unwrap_or_default());
                continue;
            }
            let turns = block.get(..4 * grouped).unwrap_or_default().chunks_exact(GROUP);
            *sum = turns.skip(output % 4).step_by(4).fold(0, |sum, group| sum + add(group));
            let at = 4 * grouped + output % 4 * rest;
            *sum += add(block.get(at..at + rest).unwrap_or_default());
        }
        self.start::<X>(bias, &sums)
    }
}

/// In the order in which the routines load it.
#[repr(C)]
struct Job {
    sums: *mut i32,
    weights: *const i8,
    /// Groups of inputs: by four, and what is left.
    groups: [usize; 2],
    /// Inputs behind the last group.
    rest: usize,
    end: *mut i32,
    x: *const i8,
    /// From the end of the taps' weights to the next block.
    step: usize,
    /// Bytes of a block of four outputs.
    block: usize,
}

unsafe extern "C" {
    #[link_name = symbol!("mve_connect_even")]
    fn connect_even(job: *const Job);
    #[link_name = symbol!("mve_connect_eight")]
    fn connect_eight(job: *const Job);
    #[link_name = symbol!("mve_connect_any")]
    fn connect_any(job: *const Job);
}

/// A group of inputs, which are in q0 then, for four outputs.
macro_rules! group {
    () => {
        "vldrb.u8 q0, [r1], #16
        vldrb.u8 q1, [r3], #64
        vmladava.s8 r0, q0, q1
        vldrb.u8 q2, [r3, #-48]
        vmladava.s8 r2, q0, q2
        vldrb.u8 q1, [r3, #-32]
        vmladava.s8 r4, q0, q1
        vldrb.u8 q2, [r3, #-16]
        vmladava.s8 r6, q0, q2
        "
    };
}

/// Loads a job: r12 sums, r3 weights, r5 and r7 groups, r8 inputs left, r9 the end of the sums, r10
/// inputs, r11 the step.
macro_rules! load {
    () => {
        "push {{r4-r11, lr}}
        ldr r12, [r0], #4
        ldr r3, [r0], #4
        ldm r0!, {{r5, r7, r8, r9, r10, r11}}
        "
    };
}

routine!(
    symbol!("mve_connect_even"),
    load!(),
    "2:",
    "ldm r12, {{r0, r2, r4, r6}}",
    "mov r1, r10",
    "dls lr, r5",
    "3:",
    group!(),
    group!(),
    group!(),
    group!(),
    "le lr, 3b",
    "stm r12!, {{r0, r2, r4, r6}}",
    "cmp r12, r9",
    "bne 2b",
    "pop {{r4-r11, pc}}",
);

/// A group of inputs for the outputs of two blocks, whose weights are at r3 and r5.
macro_rules! wide_group {
    () => {
        concat!(
            group!(),
            "vldrb.u8 q1, [r5], #64
            vmladava.s8 r8, q0, q1
            vldrb.u8 q2, [r5, #-48]
            vmladava.s8 r10, q0, q2
            vldrb.u8 q1, [r5, #-32]
            vmladava.s8 r12, q0, q1
            vldrb.u8 q2, [r5, #-16]
            vmladava.s8 lr, q0, q2
            "
        )
    };
}

// Two blocks at a time, which takes all registers that VMLADAVA can add to: r0, r2, r4, r6, r8, r10, r12
// and lr sums, r1 inputs, r3 and r5 weights, r7 groups left, r9 where the sums are, r11 the first input.
// On the stack the bytes of a block, the groups, and where the sums end.
routine!(
    symbol!("mve_connect_eight"),
    "push {{r4-r11, lr}}",
    "ldr r1, [r0, #32]",
    "ldr r2, [r0, #8]",
    "ldr r3, [r0, #20]",
    "push {{r1-r3}}",
    "ldr r11, [r0, #24]",
    "ldrd r9, r3, [r0]",
    "2:",
    "ldrd r5, r7, [sp]",
    "mov r1, r11",
    "add r5, r3",
    "ldm r9, {{r0, r2, r4, r6, r8, r10, r12, lr}}",
    "3:",
    wide_group!(),
    wide_group!(),
    wide_group!(),
    wide_group!(),
    "subs r7, #1",
    "bne 3b",
    "stm r9!, {{r0, r2, r4, r6, r8, r10, r12, lr}}",
    "mov r3, r5",
    "ldr r7, [sp, #8]",
    "cmp r9, r7",
    "bne 2b",
    "add sp, #12",
    "pop {{r4-r11, pc}}",
);

routine!(
    symbol!("mve_connect_any"),
    load!(),
    "2:",
    "ldm r12, {{r0, r2, r4, r6}}",
    "mov r1, r10",
    "wls lr, r5, 4f",
    "3:",
    group!(),
    group!(),
    group!(),
    group!(),
    "le lr, 3b",
    "4:",
    "wls lr, r7, 6f",
    "5:",
    group!(),
    "le lr, 5b",
    "6:",
    "cmp r8, #0",
    "beq 7f",
    "vctp.8 r8",
    "vpstt",
    "vldrbt.u8 q0, [r1]",
    "vldrbt.u8 q1, [r3]",
    "add r3, r8",
    "vpstt",
    "vmladavat.s8 r0, q0, q1",
    "vldrbt.u8 q1, [r3]",
    "add r3, r8",
    "vpstt",
    "vmladavat.s8 r2, q0, q1",
    "vldrbt.u8 q1, [r3]",
    "add r3, r8",
    "vpstt",
    "vmladavat.s8 r4, q0, q1",
    "vldrbt.u8 q1, [r3]",
    "add r3, r8",
    "vpst",
    "vmladavat.s8 r6, q0, q1",
    "7:",
    "add r3, r11",
    "stm r12!, {{r0, r2, r4, r6}}",
    "cmp r12, r9",
    "bne 2b",
    "pop {{r4-r11, pc}}",
);
