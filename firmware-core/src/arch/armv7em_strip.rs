//! Windows of 3 x 3 pixels over one channel with the DSP extension, by strips of a few rows: depthwise
//! convolution, and convolution of one input channel.
//!
//! Of one channel after the other six rows are packed, two that lie above each other to a word, so that
//! SMLAD makes two taps of a column. The words of a column lie side by side: with stride 1 two of them
//! make the outputs of two rows, with stride 2 one output. A strip goes from left to right, and what it
//! makes is divided and saturated at once. Of a row that is alone it is two columns to a word, and the words
//! of a row that lie side by side (`line`). That needs no more stack than what is packed, however many rows
//! there are: of those that run row by row, in order to need little memory, as well as of whole images.

use core::mem::offset_of;

use crate::kernels::Conv2dShape;
use crate::{Activation, Multiplier, Shift};

/// Taps of a window along each axis.
const TAPS: usize = 3;
/// Rows of input under a strip, and words of a column of it.
const ROWS: usize = 6;
const PAIRS: usize = ROWS / 2;
/// Columns that are packed at a time, and those of a row that is alone.
const COLUMNS: usize = 26;
const ALONE: usize = COLUMNS * ROWS / TAPS;
/// Most rows of padding: as many above as below.
const PADDED: usize = 2 * (TAPS - 1);

/// Whether a convolution is one for this file.
#[inline(always)]
pub(super) fn fit(shape: &Conv2dShape) -> bool {
    let window = &shape.window;
    window.kernel == [TAPS; 2]
        && window.dilation == [1; 2]
        && window.stride[0] == window.stride[1]
        && (1..=2).contains(&window.stride[0])
        && window.padding.iter().all(|&padding| padding < TAPS)
}

/// How sums become outputs.
pub(super) trait Requantization {
    /// By multipliers as [`Requantized::multipliers`](super::outputs::Requantized::multipliers) has them.
    const MULTIPLIES: bool;
}

impl Requantization for Shift {
    const MULTIPLIES: bool = false;
}

impl Requantization for Multiplier {
    const MULTIPLIES: bool = true;
}

/// Convolution of shapes that [`fit`]: of one input channel with weights `[out][row][column]`, else
/// depthwise, of as many channels, with weights `[row][column][channel]`. False if something is missing
/// that the shape needs, and nothing done.
#[inline(never)]
pub(super) fn convolve<X: Activation, Y: Activation, R: Requantization>(
    shape: &Conv2dShape,
    (x, weights): (&[X], &[i8]),
    (bias, requantize): (&[i32], &[R]),
    y: &mut [Y],
) -> bool {
    let ([height, width, depth], [rows, columns, channels]) = (shape.input, shape.output);
    let ([top, left, ..], stride) = (shape.window.padding, shape.window.stride[0]);
    // Of a window on nothing but padding no row and no column is there.
    let reach = [rows, columns].map(|windows| windows.saturating_sub(1) * stride);
    if !fit(shape)
        || (depth != 1 && depth != channels)
        || reach[0] >= top + height
        || reach[1] >= left + width
        || x.len() < height * width * depth
        || y.len() < rows * columns * channels
        || weights.len() < TAPS * TAPS * channels
        || bias.len() < channels
        || requantize.len() < channels
        || channels == 0
        || (R::MULTIPLIES && Y::UNSIGNED)
    {
        return false;
    }
    let padding = X::saturate(shape.padding_value).to_i32() & 0xffff;
    let mut first = 0;
    while first < rows {
        let alone = rows - first == 1;
        let (band, tile) = match (stride, alone) {
            (1, false) => (ROWS - 2, COLUMNS - 2),
            (_, false) => (ROWS / 2 - 1, COLUMNS / 2 - 1),
            (1, true) => (1, ALONE - 2),
            (_, true) => (1, ALONE / 2 - 2),
        };
        // Pixels of the plane from one column to the next and from one row to the next.
        let [right, down] = if alone { [1, ALONE] } else { [ROWS, 1] };
        let count = band.min(rows - first);
        // Rows in front of the input's first, and the number of the first under the strip.
        let above = top.saturating_sub(first * stride);
        let start = (first * stride).saturating_sub(top);
        let row = |at: usize| at.saturating_sub(above).min(height - 1 - start);
        for column in (0..columns).step_by(tile) {
            let outputs = tile.min(columns - column);
            let mut plane = [padding | padding << 16; COLUMNS * PAIRS];
            let plane = plane.as_mut_ptr().cast::<u16>();
            let before = left.saturating_sub(column * stride);
            let from = (column * stride).saturating_sub(left);
            let real = ((outputs - 1) * stride + TAPS - before).min(width - from);
            let packed = plane.wrapping_add(before * right);
            let mut pads = [packed; PADDED];
            let mut padded = 0;
            for at in 0..(count - 1) * stride + TAPS {
                let outside = at < above || start + at - above >= height;
                if let (true, Some(pad)) = (outside, pads.get_mut(padded)) {
                    *pad = pad.wrapping_add(at * down);
                    padded += 1;
                }
            }
            let at = (first * columns + column) * channels;
            // Rows that are not wanted are written where the first is, before that.
            let y_row = |row: usize| if row < count { row * columns * channels } else { 0 };
            // Of a row that is alone pairs of outputs, and what is left.
            let [even, odd] = [outputs & !1, (outputs & 1) * channels];
            let (windows, [step, second], later) = match (alone, even) {
                (false, _) => (outputs * ROWS, [channels, y_row(1)], [y_row(2), y_row(3)]),
                (true, 0) => (2, [0; 2], [0; 2]),
                (true, _) => (even, [2 * channels, channels], [odd, 0]),
            };
            let [across, along] = if depth == 1 { [TAPS, 1] } else { [TAPS * channels, channels] };
            let mut job = Job {
                x: x.as_ptr().wrapping_add((start * width + from) * depth).cast(),
                rows: [1, 2, 3, 4, 5].map(|at| row(at) * width * depth),
                depth,
                packed,
                end: packed.wrapping_add(real * right),
                padded,
                pads,
                padding,
                channels,
                weights: weights.as_ptr(),
                bias: bias.as_ptr(),
                requantize: requantize.as_ptr().cast(),
                y: y.as_mut_ptr().wrapping_add(at).cast(),
                plane,
                weight_steps: if alone { [across, along] } else { [along, across] },
                next: if depth == 1 { TAPS * TAPS } else { 1 },
                later,
                step,
                done: plane.wrapping_add(windows * stride),
                second,
            };
            let kind = (stride == 1, alone);
            // SAFETY: the routines read, of every channel, `real` columns of rows of the input, of which
            // none lies behind its last, and its weights, bias and shift; they write the columns of
            // `plane` from `packed` to `end`, which are at most `COLUMNS`, and outputs of the rows and
            // columns that there are. That all of that is there was checked above. Where what was packed
            // is for all channels, the second call goes on from the second of them and packs nothing.
            // They keep to the procedure call standard.
            unsafe {
                if depth == 1 && channels > 1 {
                    job.channels = 1;
                    run::<X, Y, R>(kind, &mut job);
                    (job.packed, job.channels) = (job.end, channels - 1);
                }
                run::<X, Y, R>(kind, &mut job);
            }
        }
        first += count;
    }
    true
}

/// The routine for the types; of `kind`: with stride 1, and of a row that is alone.
///
/// # Safety
///
/// That of the routines: what they read and write must be there.
#[inline(always)]
unsafe fn run<X: Activation, Y: Activation, R: Requantization>(kind: (bool, bool), job: &mut Job) {
    // SAFETY: the caller's.
    unsafe {
        if R::MULTIPLIES {
            return match (X::UNSIGNED, kind) {
                (true, (true, false)) => strip_um(job),
                (false, (true, false)) => strip_sm(job),
                (true, (false, false)) => strip_by_two_um(job),
                (false, (false, false)) => strip_by_two_sm(job),
                (true, (true, true)) => line::line_um(job),
                (false, (true, true)) => line::line_sm(job),
                (true, (false, true)) => line::line_by_two_um(job),
                (false, (false, true)) => line::line_by_two_sm(job),
            };
        }
        match ((X::UNSIGNED, Y::UNSIGNED), kind) {
            ((true, true), (true, false)) => strip_uu(job),
            ((true, false), (true, false)) => strip_us(job),
            ((false, true), (true, false)) => strip_su(job),
            ((false, false), (true, false)) => strip_ss(job),
            ((true, true), (false, false)) => strip_by_two_uu(job),
            ((true, false), (false, false)) => strip_by_two_us(job),
            ((false, true), (false, false)) => strip_by_two_su(job),
            ((false, false), (false, false)) => strip_by_two_ss(job),
            ((true, true), (true, true)) => line::line_uu(job),
            ((true, false), (true, true)) => line::line_us(job),
            ((false, true), (true, true)) => line::line_su(job),
            ((false, false), (true, true)) => line::line_ss(job),
            ((true, true), (false, true)) => line::line_by_two_uu(job),
            ((true, false), (false, true)) => line::line_by_two_us(job),
            ((false, true), (false, true)) => line::line_by_two_su(job),
            ((false, false), (false, true)) => line::line_by_two_ss(job),
        }
    }
}

/// A strip, in the order in which the routines load it.
#[repr(C)]
struct Job {
    /// The channel's first value under the strip.
    x: *const u8,
    /// From there to those of the other rows; padded ones are read, too, as their neighbour.
    rows: [usize; ROWS - 1],
    /// From pixel to pixel.
    depth: usize,
    /// Where the columns begin that lie on the input, and where they end.
    packed: *mut u16,
    end: *mut u16,
    /// How many rows are padded, where the first pixel of each is, and with what.
    padded: usize,
    pads: [*mut u16; PADDED],
    padding: i32,
    /// Channels left.
    channels: usize,
    weights: *const i8,
    bias: *const i32,
    /// A shift or a multiplier of each.
    requantize: *const u8,
    y: *mut u8,
    plane: *const u16,
    /// From one weight of a channel to the one beside it, across the pairs and along them.
    weight_steps: [usize; 2],
    /// From a channel's weights to the next one's.
    next: usize,
    /// From the first row's output to those of the third and the fourth; 0 if there is none. Of a row that
    /// is alone how far from the last one the output is that is left behind pairs; 0 if none is.
    later: [usize; 2],
    /// From output to output, or from pair to pair.
    step: usize,
    /// Where the window begins behind the last one.
    done: *const u16,
    /// From the first output to the one that is made with it.
    second: usize,
}

unsafe extern "C" {
    #[link_name = symbol!("strip_uu")]
    fn strip_uu(job: *mut Job);
    #[link_name = symbol!("strip_us")]
    fn strip_us(job: *mut Job);
    #[link_name = symbol!("strip_su")]
    fn strip_su(job: *mut Job);
    #[link_name = symbol!("strip_ss")]
    fn strip_ss(job: *mut Job);
    #[link_name = symbol!("strip_by_two_uu")]
    fn strip_by_two_uu(job: *mut Job);
    #[link_name = symbol!("strip_by_two_us")]
    fn strip_by_two_us(job: *mut Job);
    #[link_name = symbol!("strip_by_two_su")]
    fn strip_by_two_su(job: *mut Job);
    #[link_name = symbol!("strip_by_two_ss")]
    fn strip_by_two_ss(job: *mut Job);
    #[link_name = symbol!("strip_um")]
    fn strip_um(job: *mut Job);
    #[link_name = symbol!("strip_sm")]
    fn strip_sm(job: *mut Job);
    #[link_name = symbol!("strip_by_two_um")]
    fn strip_by_two_um(job: *mut Job);
    #[link_name = symbol!("strip_by_two_sm")]
    fn strip_by_two_sm(job: *mut Job);
}

/// Two outputs of the sums r10 and r11: divided by a power of two, rounded half to even (`divide.rs`), and saturated;
/// or multiplied as `armv7em_outputs.rs` says.
macro_rules! requantize {
    (unsigned) => {
        requantize!("usat")
    };
    (signed) => {
        requantize!("ssat")
    };
    (multiplied) => {
        "ldr r6, [sp, #32]
        smmlar r10, r10, r12, r10
        smmlar r11, r11, r12, r11
        add r10, r10, r10, asr #31
        asrs r10, r10, lr
        adc r10, r10, r6
        add r11, r11, r11, asr #31
        asrs r11, r11, lr
        adc r11, r11, r6
        ssat r10, #8, r10
        ssat r11, #8, r11
        "
    };
    ($saturate:literal) => {
        concat!(
            "mvn r6, #0x80000000
            lsl r7, r10, lr
            asr r10, r10, r12
            cmn r6, r7, ror #31
            adc r10, r10, #0
            lsl r7, r11, lr
            asr r11, r11, r12
            cmn r6, r7, ror #31
            adc r11, r11, #0\n",
            $saturate,
            " r10, #8, r10\n",
            $saturate,
            " r11, #8, r11\n",
        )
    };
}

/// Takes what requantizes the outputs of a channel from r4: r12 its bits and lr 31 less them, or r12 the doubled
/// multiplier, lr bits, and the zero point on the stack.
macro_rules! parameters {
    (multiplied) => {
        "ldrd r10, r11, [r4], #8
        lsl r12, r10, #1
        sbfx r10, r11, #8, #8
        str r10, [sp, #32]
        sxtb r11, r11
        rsb lr, r11, #0"
    };
    ($shifted:ident) => {
        "ldrb r12, [r4], #1
        rsb lr, r12, #31"
    };
}

/// Bytes on the stack.
macro_rules! frame {
    (multiplied) => {
        "40"
    };
    ($shifted:ident) => {
        "32"
    };
}

/// What a column of the window makes of four rows: the sums of two outputs above each other.
macro_rules! column {
    ($at:literal, $upper:literal, $lower:literal) => {
        concat!(
            "ldrd r6, r7, [r0, #",
            $at,
            "]\n",
            "smlad r10, r6, ",
            $upper,
            ", r10\n",
            "smlabt r10, r7, ",
            $lower,
            ", r10\n",
            "smlatb r11, r6, ",
            $upper,
            ", r11\n",
            "smlad r11, r7, ",
            $lower,
            ", r11\n",
        )
    };
}

/// The same of five rows with stride 2.
macro_rules! column_by_two {
    ($at:literal, $third:literal, $upper:literal, $lower:literal) => {
        concat!(
            "ldrd r6, r7, [r0, #",
            $at,
            "]\n",
            "smlad r10, r6, ",
            $upper,
            ", r10\n",
            "smlabt r10, r7, ",
            $lower,
            ", r10\n",
            "smlad r11, r7, ",
            $upper,
            ", r11\n",
            "ldr r6, [r0, #",
            $third,
            "]\n",
            "smlabt r11, r6, ",
            $lower,
            ", r11\n",
        )
    };
}

// At first r0 is the job, r1 values, r2-r6 from the first row to the others, r7 from pixel to pixel, r8 and
// r9 words and their end, r10-r12 and lr pixels. Then r0 words, r1 outputs, r2-r5, r8 and r9 weights, a
// column's first two and last two in a word each, r6 and r7 pixels, r10 and r11 sums, r12 and lr `parameters`. On
// the stack the bias, twice, what the job has from `later` on, the job, and a zero point.
macro_rules! strip {
    ($name:literal, $how:ident, { $($pack:expr,)* }, $right:literal, { $($outputs:expr,)* }) => {
        routine!(
            symbol!($name),
            const {
                packed = offset_of!(Job, packed),
                padded = offset_of!(Job, padded),
                pads = offset_of!(Job, pads),
                padding = offset_of!(Job, padding),
                channels = offset_of!(Job, channels),
                later = offset_of!(Job, later)
            },
            "push {{r4-r11, lr}}",
            concat!("sub sp, #", frame!($how)),
            "str r0, [sp, #28]",
            "add r1, r0, #{later}",
            "ldm r1, {{r1-r5}}",
            "add r6, sp, #8",
            "stm r6, {{r1-r5}}",
            "2:", // a channel
            "ldm r0, {{r1-r9}}",
            "cmp r8, r9",
            "beq 6f", // all is packed
            "3:",
            $($pack,)*
            "cmp r8, r9",
            "bne 3b",
            "ldr r1, [r0, #{padded}]",
            "cbz r1, 6f",
            "ldr r2, [r0, #{packed}]",
            "sub r9, r2",
            "add r2, r0, #{pads}",
            "ldr r4, [r0, #{padding}]",
            "4:", // a row of padding
            "ldr r3, [r2], #4",
            "add r5, r3, r9",
            "5:",
            concat!("strh r4, [r3], #", $right),
            "cmp r3, r5",
            "bne 5b",
            "subs r1, #1",
            "bne 4b",
            "6:",
            // The channel's place, and the next one's.
            "ldr r1, [r0]",
            "adds r1, #1",
            "str r1, [r0]",
            "add r3, r0, #{channels}",
            // Channels, weights, bias, shifts or multipliers, y, plane, steps of the weights.
            "ldm r3, {{r0-r2, r4-r9}}",
            "ldr lr, [r2], #4",
            "strd lr, lr, [sp]",
            parameters!($how),
            "subs r0, #1",
            "mov r10, r1",
            "add r1, r9",
            "mov r11, r5",
            "adds r5, #1",
            "stm r3, {{r0-r2, r4-r5}}",
            "mov r0, r6",
            "mov r1, r11",
            "ldrsb r2, [r10]",
            "ldrsb r3, [r10, r8]",
            "ldrsb r4, [r10, r8, lsl #1]",
            "add r10, r7",
            "pkhbt r2, r2, r3, lsl #16",
            "pkhbt r3, r3, r4, lsl #16",
            "ldrsb r4, [r10]",
            "ldrsb r5, [r10, r8]",
            "ldrsb r6, [r10, r8, lsl #1]",
            "add r10, r7",
            "pkhbt r4, r4, r5, lsl #16",
            "pkhbt r5, r5, r6, lsl #16",
            "ldrsb r6, [r10]",
            "ldrsb r9, [r10, r8]",
            "ldrsb r10, [r10, r8, lsl #1]",
            "pkhbt r8, r6, r9, lsl #16",
            "pkhbt r9, r9, r10, lsl #16",
            $($outputs,)*
            "ldr r0, [sp, #28]",
            "ldr r1, [r0, #{channels}]",
            "cmp r1, #0",
            "bne 2b",
            concat!("add sp, #", frame!($how)),
            "pop {{r4-r11, pc}}",
        );
    };
}

/// Six rows of a column.
macro_rules! columns {
    ($name:literal, $load:literal, $how:ident, $($outputs:expr),*) => {
        strip!(
            $name,
            $how,
            {
            concat!($load, " r10, [r1]"),
            concat!($load, " r11, [r1, r2]"),
            concat!($load, " r12, [r1, r4]"),
            concat!($load, " lr, [r1, r6]"),
            "pkhbt r10, r10, r11, lsl #16",
            concat!($load, " r11, [r1, r3]"),
            "pkhbt r11, r11, r12, lsl #16",
            concat!($load, " r12, [r1, r5]"),
            "pkhbt r12, r12, lr, lsl #16",
            "add r1, r7",
            "stm r8!, {{r10-r12}}",
            },
            12,
            { $($outputs,)* }
        );
    };
}

/// The outputs of a channel: two or four rows.
macro_rules! by_one {
    ($name:literal, $load:literal, $how:ident) => {
        columns!(
            $name,
            $load,
            $how,
            "7:",
            "ldr r6, [sp, #8]",
            "cbz r6, 8f",
            "ldrd r10, r11, [sp]",
            column!(4, "r2", "r3"),
            column!(16, "r4", "r5"),
            column!(28, "r8", "r9"),
            requantize!($how),
            "ldrd r6, r7, [sp, #8]",
            "strb r11, [r1, r7]",
            "strb r10, [r1, r6]",
            "8:",
            "ldrd r10, r11, [sp]",
            column!(0, "r2", "r3"),
            column!(12, "r4", "r5"),
            column!(24, "r8", "r9"),
            requantize!($how),
            "ldr r6, [sp, #24]",
            "strb r11, [r1, r6]",
            "strb r10, [r1]",
            "ldrd r6, r7, [sp, #16]",
            "add r1, r6",
            "adds r0, #12",
            "cmp r0, r7",
            "bne 7b"
        );
    };
}

/// The outputs of a channel: two rows.
macro_rules! by_two {
    ($name:literal, $load:literal, $how:ident) => {
        columns!(
            $name,
            $load,
            $how,
            "7:",
            "ldrd r10, r11, [sp]",
            column_by_two!(0, 8, "r2", "r3"),
            column_by_two!(12, 20, "r4", "r5"),
            column_by_two!(24, 32, "r8", "r9"),
            requantize!($how),
            "ldr r6, [sp, #24]",
            "strb r11, [r1, r6]",
            "strb r10, [r1]",
            "ldrd r6, r7, [sp, #16]",
            "add r1, r6",
            "adds r0, #24",
            "cmp r0, r7",
            "bne 7b"
        );
    };
}

by_one!("strip_uu", "ldrb", unsigned);
by_one!("strip_us", "ldrb", signed);
by_one!("strip_su", "ldrsb", unsigned);
by_one!("strip_ss", "ldrsb", signed);
by_two!("strip_by_two_uu", "ldrb", unsigned);
by_two!("strip_by_two_us", "ldrb", signed);
by_two!("strip_by_two_su", "ldrsb", unsigned);
by_two!("strip_by_two_ss", "ldrsb", signed);
by_one!("strip_um", "ldrb", multiplied);
by_one!("strip_sm", "ldrsb", multiplied);
by_two!("strip_by_two_um", "ldrb", multiplied);
by_two!("strip_by_two_sm", "ldrsb", multiplied);

#[path = "armv7em_line.rs"]
mod line;
