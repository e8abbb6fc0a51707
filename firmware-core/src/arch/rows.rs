//! Armv7-M and later: convolution of one input channel, four products to an instruction.
//!
//! SMLAL multiplies 32 bits by 32 and adds to 64. Two neighbouring pixels in one operand, x0 + x1 B,
//! and two neighbouring weights in the other, w1 + w0 B, with B = 2^21, make
//!
//! ```text
//! x0 w1  +  (x0 w0 + x1 w1) B  +  x1 w0 B^2
//! ```
//!
//! and all of it is of use: the middle belongs to the output at x0, the top to the output right
//! of it, the bottom to the output left of it. So three SMLAL make a row of a 5 x 5 kernel for two
//! outputs. The three sums stay apart as long as they fit their 21 or 22 bits; starting each at
//! half its range keeps them positive, so that nothing borrows.
//!
//! Two rows of output are made in one go, and their maxima over 2 x 2 pixels with them.

use super::weights::stored;
use crate::kernels::{Conv2dShape, Pool2dShape};
use crate::{Activation, Requantize};

/// Most kernel rows, and most pairs of kernel columns.
const ROWS: usize = 7;
const PAIRS: usize = 3;
/// Words for the strip of input under two output rows, the maxima and the weights of one channel.
const WORDS: usize = 128;
/// Where the products meet: see the module's documentation.
const B: u32 = 21;
/// Half the range of the sum at the bottom and at the top.
const SIDE: u64 = 1 << 19;
/// Half the range of the sum in the middle.
const MIDDLE: u64 = 1 << 20;

/// Whether a convolution and the pooling after it can be computed here.
#[inline(always)]
pub(super) const fn fit(shape: &Conv2dShape, pool: &Pool2dShape) -> bool {
    let [rows, columns] = shape.window.kernel;
    let pairs = columns.div_ceil(2);
    let words = pitch(shape.input[1]) * (rows + 2) + rows * PAIRS;
    shape.input[2] == 1
        && !shape.window.is_padded()
        && shape.window.stride[0] == 1
        && shape.window.stride[1] == 1
        && pool.window.kernel[0] == 2
        && pool.window.kernel[1] == 2
        && pool.window.stride[0] == 2
        && pool.window.stride[1] == 2
        && shape.window.dilation[0] == 1
        && shape.window.dilation[1] == 1
        && !pool.window.is_padded()
        && pool.window.dilation[0] == 1
        && pool.window.dilation[1] == 1
        && rows >= 2
        && rows <= ROWS
        && pairs <= PAIRS
        // At most 128 * 255 a product: the sums at the bottom and at the top, then the middle.
        && rows * pairs <= 16
        && rows * columns <= 32
        && words <= WORDS
}

/// Words of one row of the strip: two pixels each, and the window of the last pair of outputs.
const fn pitch(width: usize) -> usize {
    width.div_ceil(2) + 1
}

/// The convolution and its pooling, for shapes that [`fit`]; `y` is `[height][width][channel]`.
#[inline(never)]
pub(super) fn max_pool2d<X: Activation, R: Requantize, Y: Activation>(
    (shape, pool): (&Conv2dShape, &Pool2dShape),
    (x, weights): (&[X], &[i8]),
    (bias, requantize): (&[i32], &[R]),
    y: &mut [Y],
) {
    let width = shape.input[1].max(1);
    let [kernel_rows, kernel_columns] = shape.window.kernel.map(|size| size.max(1));
    let [_, out_width, depth] = pool.output.map(|size| size.max(1));
    let pitch = pitch(width);
    // The strip, then one more row, whose word n + 1 receives the maximum of window n, then the
    // weights.
    let (maxima, packed) = ((kernel_rows + 1) * pitch, (kernel_rows + 2) * pitch);
    if packed + kernel_rows * PAIRS > WORDS {
        return;
    }
    let mut words = [0; WORDS];
    for (py, y) in y.chunks_exact_mut((out_width * depth).max(1)).enumerate() {
        let x = x.get(py * 2 * width..).unwrap_or_default();
        let strip = words.chunks_exact_mut(pitch.max(1)).take(kernel_rows + 1);
        for (words, x) in strip.zip(x.chunks_exact(width)) {
            pack(words, x, X::to_i32, [0, B]);
        }
        let taps = (kernel_rows * kernel_columns).max(1);
        let channels = weights.chunks_exact(taps).zip(bias).zip(requantize);
        for (channel, ((weights, &bias), &requantize)) in channels.enumerate() {
            let rows = words.get_mut(packed..).unwrap_or_default().chunks_exact_mut(PAIRS);
            for (words, weights) in rows.zip(weights.chunks_exact(kernel_columns)) {
                pack(words, weights, |weight| stored(weight).into(), [B, 0]);
            }
            let strip = words.as_mut_ptr();
            let mut job = Job {
                carried: [0; 3],
                back: 4usize.wrapping_sub(kernel_rows * pitch * 4),
                weights: strip.wrapping_add(packed),
                end: strip.wrapping_add(out_width + 1),
                sums: SIDE | MIDDLE << B | SIDE << (2 * B),
                strip,
                pitch: pitch * 4,
                skip: ROWS - kernel_rows,
            };
            // SAFETY: the routine reads three words from each place of each of the strip's rows
            // and the weights, and writes words 0 to `out_width` of the row after the strip, all
            // of which are in `words`: that they fit was checked above. It keeps to the procedure
            // call standard.
            unsafe { run_rows(&mut job) };
            let maxima = words.iter().skip(maxima + 1);
            for (y, largest) in y.iter_mut().skip(channel).step_by(depth).zip(maxima) {
                let accumulator = bias.wrapping_add(largest - MIDDLE as i32);
                *y = Y::saturate(requantize.apply(accumulator));
            }
        }
    }
}

/// Packs values in pairs: the first of a pair times 2^`first`, the second times 2^`second`.
#[inline(never)] // small, in a model that counts its bytes of flash
fn pack<T: Copy>(
    words: &mut [i32],
    values: &[T],
    to_i32: impl Fn(T) -> i32,
    [first, second]: [u32; 2],
) {
    let mut values = values.iter().map(|value| to_i32(*value));
    for word in words {
        let Some(value) = values.next() else { return };
        *word = value.wrapping_shl(first);
        let Some(value) = values.next() else { return };
        *word = word.wrapping_add(value.wrapping_shl(second));
    }
}

/// One channel of one strip, in the order in which the routine expects it.
#[repr(C)]
struct Job {
    /// The maximum of the last pair of outputs that is complete in both rows, and what is known
    /// of the outputs right of it.
    carried: [i32; 3],
    /// Bytes from the last kernel row of one place to the first of the next.
    back: usize,
    weights: *const i32,
    /// Where the last place ends.
    end: *const i32,
    /// What the sums start with.
    sums: u64,
    strip: *mut i32,
    /// Bytes of a row of the strip.
    pitch: usize,
    /// Kernel rows to leave out of `ROWS`.
    skip: usize,
}

unsafe extern "C" {
    #[link_name = symbol!("rows")]
    fn run_rows(job: *mut Job);
}

// r0 strip, r1 weights, r2 pitch, r3-r4 and r5-r6 the sums of both rows, r7-r9 pixels, r10-r12
// weights, lr where to jump into the unrolled kernel rows, of 38 bytes each. The start of the job
// goes to the stack.
routine!(
    symbol!("rows"),
    const { rows = ROWS - 1 },
    concat!(".macro ", symbol!("multiply"), " low, high"),
    "smlal \\low, \\high, r7, r10",
    "smlal \\low, \\high, r8, r11",
    "smlal \\low, \\high, r9, r12",
    ".endm",
    "push {{r4-r11, lr}}",
    "ldr r3, [r0, #40]", // skip
    "adr lr, 3f + 1",
    "movs r4, #38",
    "mla lr, r3, r4, lr",
    "mov r12, r0",
    "ldm r12!, {{r4-r11}}",
    "push {{r4-r11}}",
    "mov r1, r8",
    "ldrd r0, r2, [r12]", // strip, pitch
    "2:",
    "ldrd r3, r4, [sp, #24]",
    "ldrd r5, r6, [sp, #24]",
    // The first row of the strip is under the upper row of outputs only.
    "ldm.w r0, {{r7-r9}}",
    "add r0, r2",
    "ldm.w r1, {{r10-r12}}",
    concat!(symbol!("multiply"), " r3, r4"),
    "bx lr",
    ".p2align 2",
    "3:",
    ".rept {rows}",
    "ldm.w r0, {{r7-r9}}",
    "add.n r0, r2",
    "ldm.w r1!, {{r10-r12}}",
    concat!(symbol!("multiply"), " r5, r6"),
    "ldm.w r1, {{r10-r12}}",
    concat!(symbol!("multiply"), " r3, r4"),
    ".endr",
    // And the last under the lower one.
    "ldm.w r0, {{r7-r9}}",
    "ldm.w r1, {{r10-r12}}",
    concat!(symbol!("multiply"), " r5, r6"),
    // The outputs right of the last pair are complete now.
    "ldm.w sp, {{r7-r9}}",
    "ubfx r10, r3, #0, #21",
    "add r8, r10",
    "ubfx r10, r5, #0, #21",
    "add r9, r10",
    "cmp r8, r9",
    "it lt",
    "movlt r8, r9",
    "cmp r7, r8",
    "it lt",
    "movlt r7, r8",
    "str r7, [r0, r2]",
    "lsr r10, r3, #21",
    "orr r10, r10, r4, lsl #11",
    "ubfx r10, r10, #0, #21",
    "lsr r11, r5, #21",
    "orr r11, r11, r6, lsl #11",
    "ubfx r11, r11, #0, #21",
    "cmp r10, r11",
    "it lt",
    "movlt r10, r11",
    "lsr r11, r4, #10",
    "lsr r12, r6, #10",
    "stm.w sp, {{r10-r12}}",
    "ldrd r7, r1, [sp, #12]", // back, weights
    "ldr r8, [sp, #20]",      // end
    "add r0, r7",
    "cmp r0, r8",
    "bne 2b",
    "add sp, #32",
    "pop {{r4-r11, pc}}",
);
