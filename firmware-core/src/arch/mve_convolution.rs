//! Convolution, one output pixel after the other: what its window covers is copied, with what lies on
//! the padding, and multiplied with the weights of all channels.

use core::mem::MaybeUninit;

use super::super::{Convolution, Weights};
use super::elements;
use super::windows::{Patch, Products, Rows, TAPS, Windows, multiply, start};
use crate::kernels::Pool2dShape;
use crate::window::{Axis, Span};
use crate::{Activation, Requantize};

impl<'a, X, R, W> Convolution<'a, X, R, W> {
    /// The same with its weights in a form that is known.
    #[inline(always)]
    pub(super) fn with<'b>(&'b self, weights: Weights<'b>) -> Convolution<'b, X, R> {
        let Convolution { shape, interior, x, bias, requantize, place, .. } = *self;
        Convolution { shape, interior, x, weights, bias, requantize, place }
    }
}

/// Splits what every channel has four words of.
#[inline(always)]
fn split(scratch: &mut [[i32; 4]]) -> [&mut [i32]; 3] {
    let channels = scratch.len();
    let words = scratch.as_flattened_mut();
    let (first, rest) = words.split_at_mut_checked(channels).unwrap_or_default();
    let (second, rest) = rest.split_at_mut_checked(channels).unwrap_or_default();
    [first, second, rest.get_mut(..channels).unwrap_or_default()]
}

/// Convolution; `finish` makes the outputs of a pixel from its sums.
#[inline(never)]
pub(super) fn conv2d<X: Activation, R, Y>(
    convolution: &Convolution<X, R>,
    scratch: &mut [[i32; 4]],
    finish: impl Fn(&[i32], &mut [Y]),
    y: &mut [Y],
) {
    let [sums, starts, _] = split(scratch);
    let Convolution { shape, interior, x, weights, bias, .. } = convolution;
    let to = (starts.as_mut_ptr(), starts.len());
    if !start::<X>(bias, weights.sums, to) {
        return;
    }
    let [height, width, depth] = shape.output;
    let taps = convolution.taps();
    let mut bytes = MaybeUninit::uninit();
    let mut patch = Patch::over(&mut bytes);
    if convolution.is_pointwise() && taps <= TAPS {
        // As many pixels as fit.
        let pixels = TAPS / taps.max(1);
        let (x, y) = (x.chunks(pixels * taps), y.chunks_mut(pixels * depth));
        for (x, y) in x.zip(y) {
            let all = patch.signed(x);
            let first = all.get(..taps).unwrap_or_default();
            let products = Products::new(first, (weights.bytes, taps), Some(starts), sums);
            let Some(mut products) = products else { return };
            for (taps, y) in all.chunks_exact(taps).zip(y.chunks_exact_mut(depth)) {
                finish(products.sums_of(taps), y);
            }
        }
        return;
    }
    patch.clear(taps);
    let plain = convolution.is_plain();
    for (row, y) in y.chunks_exact_mut((width * depth).max(1)).enumerate().take(height) {
        let mut pixels = y.chunks_exact_mut(depth).enumerate();
        let [first, count] = if plain { interior.columns_of(row) } else { [0, 0] };
        for (column, y) in pixels.by_ref().take(first) {
            convolution.parts([row, column], &mut patch, starts, sums);
            finish(sums, y);
        }
        let windows =
            Windows::new::<X>(&mut patch, convolution.rows(), weights.bytes, starts, sums);
        if let (Some(mut windows), 1..) = (windows, count) {
            let mut from = convolution.start_of([row, first]);
            for (_, y) in pixels.by_ref().take(count) {
                finish(windows.sums(x, from), y);
                from += shape.window.stride[1] * shape.input[2];
            }
        }
        for (column, y) in pixels {
            convolution.parts([row, column], &mut patch, starts, sums);
            finish(sums, y);
        }
    }
}

/// Convolution and max pooling: the largest sums of each window of the pooling are requantized.
#[inline(never)]
pub(super) fn max_pool2d<X: Activation, R: Requantize, Y: Activation>(
    convolution: &Convolution<X, R>,
    pool: &Pool2dShape,
    scratch: &mut [[i32; 4]],
    y: &mut [Y],
) {
    let [sums, starts, largest] = split(scratch);
    let to = (starts.as_mut_ptr(), starts.len());
    if !start::<X>(convolution.bias, convolution.weights.sums, to) {
        return;
    }
    let [_, width, depth] = pool.output;
    let [down, across] = pool.window.dilation;
    let mut bytes = MaybeUninit::uninit();
    let mut patch = Patch::over(&mut bytes);
    patch.clear(convolution.taps());
    let span = |row: usize, column: usize| {
        let rows = pool.window.span(Axis::Rows, row, pool.input[0]);
        [rows, pool.window.span(Axis::Columns, column, pool.input[1])]
    };
    let places = (0..pool.output[0]).flat_map(|row| (0..width).map(move |column| [row, column]));
    let pixels = y.chunks_exact_mut(depth.max(1)).zip(places);
    if convolution.lies_inside() {
        let rows = convolution.rows();
        let windows = Windows::new::<X>(&mut patch, rows, convolution.weights.bytes, starts, sums);
        let Some(mut windows) = windows else { return };
        // From one window to the next below and beside it.
        let [_, in_width, channels] = convolution.shape.input;
        let stride = convolution.shape.window.stride;
        let steps = [down * stride[0] * in_width * channels, across * stride[1] * channels];
        for (y, [row, column]) in pixels {
            let [rows, columns] = span(row, column);
            let mut line = convolution.start_of([rows.input, columns.input]);
            largest.iter_mut().for_each(|largest| *largest = i32::MIN);
            for _ in 0..rows.len {
                let mut from = line;
                for _ in 0..columns.len {
                    elements::largest(windows.sums(convolution.x, from), largest);
                    from += steps[1];
                }
                line += steps[0];
            }
            R::apply_all(convolution.requantize, largest, y);
        }
        return;
    }
    for (y, [row, column]) in pixels {
        let [rows, columns] = span(row, column);
        let mut first = true;
        for row in (0..rows.len).map(|row| rows.input + row * down) {
            for column in (0..columns.len).map(|column| columns.input + column * across) {
                if first {
                    convolution.window_sums([row, column], &mut patch, starts, largest);
                } else {
                    convolution.window_sums([row, column], &mut patch, starts, sums);
                    elements::largest(sums, largest);
                }
                first = false;
            }
        }
        R::apply_all(convolution.requantize, largest, y);
    }
}

/// A part of a window: from which row, column and channel on, and how many of each. Taps of a part lie
/// side by side in the window.
#[derive(Clone, Copy)]
struct Part {
    first: [usize; 3],
    count: [usize; 3],
}

impl<X: Activation, R> Convolution<'_, X, R> {
    /// Taps of a window.
    fn taps(&self) -> usize {
        let [height, width] = self.shape.window.kernel;
        height * width * self.shape.input[2]
    }

    /// Whether every pixel is computed of one pixel, the one in its place.
    fn is_pointwise(&self) -> bool {
        let [input, output] = [self.shape.input, self.shape.output];
        self.shape.window.kernel == [1, 1] && input[..2] == output[..2]
    }

    /// Whether all windows lie on the input, [`is_plain`](Self::is_plain).
    fn lies_inside(&self) -> bool {
        let [height, width, _] = self.shape.output;
        let interior = self.interior;
        self.is_plain() && interior.rows == [0, height] && interior.columns == [0, width]
    }

    /// Whether a window has no gaps in its rows and fits into a patch.
    fn is_plain(&self) -> bool {
        self.taps() <= TAPS && self.shape.window.dilation[1] == 1
    }

    /// The rows of a window that lies on the input.
    fn rows(&self) -> Rows {
        let [_, width, depth] = self.shape.input;
        let window = &self.shape.window;
        let len = window.kernel[1] * depth;
        let pitch = width * depth * window.dilation[0];
        Rows { to: 0, rows: window.kernel[0], len, pitch, patch_pitch: len }
    }

    /// Where the window of an output pixel begins, if it lies on the input.
    #[inline(always)]
    fn start_of(&self, [row, column]: [usize; 2]) -> usize {
        let [_, width, depth] = self.shape.input;
        let [down, across] = self.shape.window.stride;
        let [top, left, ..] = self.shape.window.padding;
        let pixel = (row * down).wrapping_sub(top).wrapping_mul(width);
        pixel.wrapping_add((column * across).wrapping_sub(left)).wrapping_mul(depth)
    }

    /// The sums of all channels for the window of an output pixel.
    #[inline(always)]
    fn window_sums(
        &self,
        [row, column]: [usize; 2],
        patch: &mut Patch,
        starts: &[i32],
        sums: &mut [i32],
    ) {
        let taps = self.taps();
        if !self.is_plain() || !self.interior.contains(row, column) {
            return self.parts([row, column], patch, starts, sums);
        }
        patch.copy(self.x, self.start_of([row, column]), self.rows());
        multiply(patch.get(taps), (self.weights.bytes, taps), Some(starts), sums);
    }

    /// The same for a window that reaches beyond the input, has gaps in its rows or is too large.
    #[inline(never)]
    fn parts(&self, pixel: [usize; 2], patch: &mut Patch, starts: &[i32], sums: &mut [i32]) {
        let depth = self.shape.input[2];
        let [height, width] = self.shape.window.kernel;
        let row = width * depth;
        // Whole rows, whole columns of a row, or channels of a pixel.
        let most = if row <= TAPS {
            [TAPS / row.max(1), width, depth]
        } else if depth <= TAPS {
            [1, TAPS / depth.max(1), depth]
        } else {
            [1, 1, TAPS]
        };
        let mut starts = Some(starts);
        for first_row in (0..height).step_by(most[0]) {
            for first_column in (0..width).step_by(most[1]) {
                for first_channel in (0..depth).step_by(most[2]) {
                    let first = [first_row, first_column, first_channel];
                    let left = [height - first_row, width - first_column, depth - first_channel];
                    let count = [0, 1, 2].map(|axis| left[axis].min(most[axis]));
                    self.stage_part(pixel, Part { first, count }, patch);
                    let at = first_row * row + first_column * depth + first_channel;
                    let weights = self.weights.bytes.get(at..).unwrap_or_default();
                    let taps = patch.get(count.iter().product());
                    multiply(taps, (weights, height * row), starts.take(), sums);
                }
            }
        }
    }

    /// Copies a part of a window.
    #[inline(always)]
    fn stage_part(&self, [row, column]: [usize; 2], part: Part, patch: &mut Patch) {
        let [_, width, depth] = self.shape.input;
        let [down, right] = self.shape.window.dilation;
        let [rows, columns] = self.shape.patch(row, column);
        let Part { first, count } = part;
        // Of the rows and columns on the input those of this part: first tap, first position, number.
        let on = |span: Span, axis: usize, step: usize| {
            let begin = span.kernel.max(first[axis]);
            let end = (span.kernel + span.len).min(first[axis] + count[axis]);
            (
                begin - first[axis],
                span.input + (begin - span.kernel) * step,
                end.saturating_sub(begin),
            )
        };
        let (to_row, from_row, rows) = on(rows, 0, down);
        let (to_column, from_column, columns) = on(columns, 1, right);
        let pixel = count[2];
        let patch_pitch = count[1] * pixel;
        if rows * columns < count[0] * count[1] {
            patch.fill::<X>(count[0] * patch_pitch, X::saturate(self.shape.padding_value).to_i32());
        }
        if rows == 0 || columns == 0 {
            return;
        }
        let from = (from_row * width + from_column) * depth + first[2];
        let to = to_row * patch_pitch + to_column * pixel;
        let pitch = down * width * depth;
        // Pixels side by side are as one.
        let (runs, len) = if right == 1 { (1, columns * pixel) } else { (columns, pixel) };
        for run in 0..runs {
            let (from, to) = (from + run * right * depth, to + run * pixel);
            patch.copy(self.x, from, Rows { to, rows, len, pitch, patch_pitch });
        }
    }
}
