//! Cores with the DSP extension: Cortex-M4 and M7, and Armv8-M cores that have it.
//!
//! SMLAD multiplies two pairs of 16-bit values and adds both products: 13 instructions make 16
//! multiply-accumulates, where the scalar loop needs about 70. Both sides are unpacked alike,
//! bytes 0 and 2 of a word into one pair and bytes 1 and 3 into the other, so weights stay in
//! their natural order.

use super::{
    Begin, ConnectedSum, Convolution, ConvolutionFilters, Cursor, Target, WeightSum, by_four,
    depthwise_blocks, divide, lines, planes::Plane, rows,
};
use crate::channels::Taps;
use crate::kernels::{Conv2dShape, Pool2dShape, requantized};
use crate::nibbles::Arrangement;
use crate::{Activation, Requantize};

pub(crate) enum Chosen {}

impl Target for Chosen {
    const NAME: &'static str = "armv7em";
    // Taps go in groups of four.
    const TAIL: usize = 3;
    const GROUP: usize = 4;
    const BEGIN: Begin = Begin::Biases;
    const IN_PARTS: bool = true;
    const NIBBLES_BEGIN: Begin = Begin::Biases;
    const NIBBLES: Arrangement = nibbles::ARRANGEMENT;
    const NIBBLE_ROWS: usize = nibbles::ROWS;

    #[inline(always)]
    fn slide(cells: &mut [u32], step: usize) {
        slide::slide(cells, step);
    }

    #[inline(always)]
    fn divide(value: i32, bits: u32) -> i32 {
        divide::divide(value, bits)
    }

    const ONE: bool = true;

    #[inline(always)]
    fn accumulate_one(patch: &mut Patch, place: [usize; 3], weights: &[i8], sums: &mut [[i32; 4]]) {
        patch.accumulate_by(place, weights, sums, one::accumulate);
    }

    #[inline(always)]
    fn spread(bias: &[i32], sums: &mut [[i32; 4]]) {
        outputs::spread(bias, sums);
    }

    #[inline(always)]
    fn convolve<X: Activation, R: Requantize, W: ConvolutionFilters, Y: Activation>(
        convolution: &Convolution<X, R, W>,
        staged: bool,
        sums: &mut [[i32; 4]],
        y: &mut [Y],
    ) {
        let Convolution { shape, x, bias, requantize, .. } = convolution;
        let finish = outputs::Requantized::by::<R, Y>(requantize);
        let weights = convolution.weights.eight_bits();
        let one = shape.input[2] == 1 && strip::fit(shape);
        let shifts = outputs::Requantized::shifts::<R, Y>(requantize);
        let done = match weights {
            Some(weights) if one => {
                by_strips(shape, (x, weights.bytes), (bias, requantize), finish, y)
            }
            _ => false,
        };
        if done {
            return;
        }
        if shifts.is_none() && lines::fit::<Plane>(shape) {
            return Self::conv2d(convolution, staged, sums, requantized, y);
        }
        convolution.conv2d(staged, sums, finish, y);
    }

    #[inline(always)]
    fn conv2d<X: Activation, R: Copy, W: ConvolutionFilters, Y>(
        convolution: &Convolution<X, R, W>,
        staged: bool,
        sums: &mut [[i32; 4]],
        finish: impl Fn(R, i32) -> Y + Copy,
        y: &mut [Y],
    ) {
        let Convolution { shape, x, bias, requantize, .. } = convolution;
        if let (true, Some(weights)) =
            (lines::fit::<Plane>(shape), convolution.weights.eight_bits())
        {
            let (inputs, channels) = ((*x, weights.bytes), (*bias, *requantize));
            return lines::conv2d::<Plane, _, _, _>(shape, inputs, channels, finish, y);
        }
        convolution.conv2d(staged, sums, finish, y);
    }

    #[inline(always)]
    fn conv2d_max_pool2d<X: Activation, R: Requantize, W: ConvolutionFilters, Y: Activation>(
        convolution: &Convolution<X, R, W>,
        staged: bool,
        pool: &Pool2dShape,
        sums: &mut [[i32; 4]],
        y: &mut [Y],
    ) {
        let Convolution { shape, x, weights, bias, requantize, .. } = convolution;
        if rows::fit(shape, pool) {
            if let Some(weights) = weights.eight_bits() {
                let shapes = (*shape, pool);
                return rows::max_pool2d(shapes, (x, weights.bytes), (bias, requantize), y);
            }
        }
        convolution.max_pool2d(staged, pool, sums, y);
    }

    #[inline(always)]
    fn depthwise_conv2d<X: Activation, Y: Activation, R: Requantize>(
        shape: &Conv2dShape,
        inputs: (&[X], &[i8]),
        channels: (&[i32], &[R]),
        y: &mut [Y],
    ) -> bool {
        let by = outputs::Requantized::by::<R, Y>(channels.1);
        let done = strip::fit(shape) && by_strips(shape, inputs, channels, by, y);
        // Where shifts are known by their type, lines are not linked.
        if done || outputs::Requantized::shifts::<R, Y>(channels.1).is_some() {
            return done;
        }
        lines::depthwise_conv2d::<Plane, _, _, _>(shape, inputs, channels, y)
    }

    #[inline(always)]
    fn depthwise<X: Activation>(
        x: &Taps<X>,
        weights: &Taps<i8>,
        taps: [usize; 2],
        bias: &[i32],
        sums: &mut [i32],
    ) {
        depthwise_blocks::depthwise(x, weights, taps, bias, sums);
    }

    #[inline(always)]
    fn fully_connected<X: Activation, R: Requantize, Y: Activation>(
        x: &[X],
        (weights, _): (&[i8], &[ConnectedSum]),
        bias: &[i32],
        requantize: &[R],
        y: &mut [Y],
    ) {
        by_four::fully_connected(x, weights, (bias, requantize), requantized, y, dot4);
    }

    #[inline(always)]
    fn fully_connected_logits<X: Activation>(
        x: &[X],
        (weights, _): (&[i8], &[ConnectedSum]),
        bias: &[i32],
        logits: &mut [i32],
    ) {
        by_four::fully_connected(x, weights, (bias, bias), |_, sum| sum, logits, dot4);
    }

    #[inline(always)]
    fn connect_nibbles<X: Activation, R: Copy, Y>(
        x: &[X],
        weights: &[u8],
        channels: (&[i32], &[R]),
        finish: impl Fn(R, i32) -> Y,
        y: &mut [Y],
    ) {
        nibbles::connect(x, weights, channels, finish, y);
    }
}

/// A convolution that strips [`fit`](strip::fit), if its outputs are made as they make them; else false, and nothing
/// done.
#[inline(always)]
fn by_strips<X: Activation, Y: Activation, R: Requantize>(
    shape: &Conv2dShape,
    inputs: (&[X], &[i8]),
    (bias, requantize): (&[i32], &[R]),
    by: outputs::Requantized,
    y: &mut [Y],
) -> bool {
    if let Some((shifts, bounds)) = outputs::Requantized::shifts::<R, Y>(requantize) {
        let done = strip::convolve(shape, inputs, (bias, shifts), y);
        if let (true, Some(bounds)) = (done, bounds) {
            outputs::clip(bounds, y, shape.output.iter().product());
        }
        return done;
    }
    match by.multipliers(requantize) {
        Some(multipliers) => strip::convolve(shape, inputs, (bias, multipliers), y),
        None => false,
    }
}

#[path = "armv7em_depthwise.rs"]
mod depthwise;
#[path = "armv7em_nibbles.rs"]
mod nibbles;
#[path = "armv7em_one.rs"]
mod one;
#[path = "armv7em_outputs.rs"]
mod outputs;
#[path = "armv7em_slide.rs"]
mod slide;
#[path = "armv7em_strip.rs"]
mod strip;

/// Taps of one [`Patch`]: 16 groups of four.
const TAPS: usize = 64;

/// What the windows of four output pixels cover, [`Patch::TAPS`] taps at most.
///
/// Per group of four taps a0..a3 eight words: (a0, a2) of pixels 0 to 3, then (a1, a3) of pixels
/// 0 to 3, so that one LDM brings what one pair of weights is multiplied with.
#[repr(C, align(4))]
pub struct Patch([[[[i16; 2]; 4]; 2]; TAPS / 4]);

impl Patch {
    pub(crate) const TAPS: usize = TAPS;

    pub(crate) const fn new() -> Self {
        Self([[[[0; 2]; 4]; 2]; TAPS / 4])
    }

    /// Sets tap `at` of the four pixels to zero.
    #[inline(never)]
    fn clear(&mut self, at: usize) {
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
    fn accumulate_by(
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
struct Job {
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

/// Four outputs of a fully connected layer: the sums of `x` times the weights of each, which lie
/// in groups of four.
fn dot4<X: Activation>(x: &[X], weights: &[i8]) -> [i32; 4] {
    let mut sums = [0; 4];
    let groups = x.len() / 4;
    if weights.len() != 4 * x.len() {
        return sums;
    }
    if groups > 0 {
        let (x, weights) = (x.as_ptr().cast(), weights.as_ptr());
        // SAFETY: the routines read `groups * 4` bytes of `x` and `groups * 16` of the weights, and
        // write the four sums. They keep to the procedure call standard.
        unsafe {
            if X::UNSIGNED {
                dot4_unsigned(x, weights, &mut sums, groups);
            } else {
                dot4_signed(x, weights, &mut sums, groups);
            }
        }
    }
    let rest = x.get(groups * 4..).unwrap_or_default();
    let rows = weights.get(groups * 16..).unwrap_or_default().chunks_exact(rest.len().max(1));
    for (sum, row) in sums.iter_mut().zip(rows) {
        for (x, weight) in rest.iter().zip(row) {
            *sum += x.to_i32() * i32::from(*weight);
        }
    }
    sums
}

unsafe extern "C" {
    #[link_name = symbol!("dot4_unsigned")]
    fn dot4_unsigned(x: *const u8, weights: *const i8, sums: *mut [i32; 4], groups: usize);
    #[link_name = symbol!("dot4_signed")]
    fn dot4_signed(x: *const u8, weights: *const i8, sums: *mut [i32; 4], groups: usize);
}

// r0 values, r1 weights, r2 and r3 a group of values, r4-r7 sums, r8-r11 the weights of the four
// outputs, lr groups left. A group is 20 instructions for 16 multiply-accumulates, and 2 for two
// of them or one.
macro_rules! dot4 {
    ($name:expr, $unpack:literal) => {
        routine!(
            $name,
            "push {{r2, r4-r11, lr}}",
            "mov lr, r3",
            "movs r4, #0",
            "movs r5, #0",
            "movs r6, #0",
            "movs r7, #0",
            "lsls r2, r3, #31",
            "beq 2f",
            "add lr, #1", // an odd number: begin in the middle
            "b 3f",
            "2:",
            dot4_group!($unpack),
            "3:",
            dot4_group!($unpack),
            "subs lr, #2",
            "bne 2b",
            "pop {{r2}}",
            "stm r2!, {{r4-r7}}",
            "pop {{r4-r11, pc}}",
        );
    };
}

macro_rules! dot4_group {
    ($unpack:literal) => {
        concat!(
            "ldr r3, [r0], #4\n",
            "ldm r1!, {{r8-r11}}\n",
            $unpack,
            " r2, r3\n",
            $unpack,
            " r3, r3, ror #8\n",
            "sxtb16 r12, r8\n",
            "smlad r4, r2, r12, r4\n",
            "sxtb16 r8, r8, ror #8\n",
            "smlad r4, r3, r8, r4\n",
            "sxtb16 r12, r9\n",
            "smlad r5, r2, r12, r5\n",
            "sxtb16 r9, r9, ror #8\n",
            "smlad r5, r3, r9, r5\n",
            "sxtb16 r12, r10\n",
            "smlad r6, r2, r12, r6\n",
            "sxtb16 r10, r10, ror #8\n",
            "smlad r6, r3, r10, r6\n",
            "sxtb16 r12, r11\n",
            "smlad r7, r2, r12, r7\n",
            "sxtb16 r11, r11, ror #8\n",
            "smlad r7, r3, r11, r7",
        )
    };
}

dot4!(symbol!("dot4_unsigned"), "uxtb16");
dot4!(symbol!("dot4_signed"), "sxtb16");
