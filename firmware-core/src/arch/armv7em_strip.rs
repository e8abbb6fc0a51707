//! Windows of 3 x 3 pixels over one channel with the DSP extension, by strips of a few rows: depthwise
//! convolution, and convolution of one input channel.
//!
//! Of one channel after the other six rows are packed, two that lie above each other to a word, so that
//! SMLAD makes two taps of a column. The words of a column lie side by side: with stride 1 two of them
//! make the outputs of two rows, with stride 2 one output. A strip goes from left to right, and what it
//! makes is divided and saturated at once. Of a row that is alone it is two columns to a word, and the words
//! of a row that lie side by side (`line`). That needs no more stack than what is packed, however many rows
//! there are: of those that run row by row, in order to need little memory, as well as of whole images.

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

#[macro_use]
#[path = "armv7em_strip_assembly.rs"]
mod assembly;
#[path = "armv7em_line.rs"]
mod line;
