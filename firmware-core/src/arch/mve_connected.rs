//! The fully connected layer: four outputs at a time, sixteen inputs of each in turn.

use core::arch::global_asm;
use core::mem::MaybeUninit;

use super::super::ConnectedSum;
use super::windows::{self, Patch, TAPS};
use crate::{Activation, Requantize};

/// Inputs of which the weights of four outputs lie side by side.
pub(super) const GROUP: usize = 16;

/// Outputs whose sums are there before they are requantized.
const SUMS: usize = 64;

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
    weights: (&[i8], &[ConnectedSum]),
    bias: &[i32],
    logits: &mut [i32],
) {
    connect(x, weights, bias, |first, sums| {
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
    let (inputs, outputs) = (x.len(), bias.len());
    let blocked = outputs / 4 * 4;
    let mut buffer = Sums::new();
    let mut first = 0;
    while first < outputs {
        // What is left over of blocks of four is in its natural order.
        let end = if first < blocked { blocked } else { outputs };
        let count = (end - first).min(SUMS);
        let bias = bias.get(first..first + count).unwrap_or_default();
        let weights = weights.get(first * inputs..(first + count) * inputs).unwrap_or_default();
        let sums = match weight_sums.get(first..first + count) {
            Some(weight_sums) => buffer.start::<X>(bias, weight_sums),
            None => buffer.start_without::<X>(bias, (weights, inputs)),
        };
        accumulate(x, (weights, first < blocked), sums);
        finish(first, sums);
        first += count;
    }
}

/// Adds the products of all inputs to sums, whose weights lie in blocks of four outputs or one output
/// after the other.
#[inline(never)]
fn accumulate<X: Activation>(x: &[X], (weights, blocks): (&[i8], bool), sums: &mut [i32]) {
    let inputs = x.len();
    let mut patch = Patch::new();
    for (chunk, x) in x.chunks(TAPS).enumerate() {
        let first = chunk * TAPS;
        let taps = patch.signed(x);
        if blocks {
            let weights = weights.get(4 * first..).unwrap_or_default();
            multiply(taps, (weights, inputs), sums);
        } else {
            let weights = weights.get(first..).unwrap_or_default();
            windows::multiply(taps, (weights, inputs), None, sums);
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
    let job = Job {
        sums: sums.as_mut_ptr(),
        weights: weights.as_ptr(),
        groups: [groups / 4, groups % 4],
        rest: taps.len() % GROUP,
        end: sums.as_mut_ptr().wrapping_add(blocks * 4),
        x: taps.as_ptr(),
        step: 4 * (inputs - taps.len()),
    };
    // SAFETY: the routines read the taps, four times as many weights of each block, of which the last was
    // just seen to be there, and read and write the sums. They keep to the procedure call standard.
    unsafe {
        if job.groups[0] > 0 && job.groups[1] + job.rest + job.step == 0 {
            connect_even(&job);
        } else {
            connect_any(&job);
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

    /// The same where nobody has the sums of the weights, of a multiple of four outputs or fewer.
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
            if bias.len() % 4 != 0 {
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
}

unsafe extern "C" {
    #[link_name = symbol!("mve_connect_even")]
    fn connect_even(job: *const Job);
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
