//! Two-dimensional convolution, alone and fused with the max pooling that follows it.

use super::{Filter, Filters, Pool2dShape, accumulated, requantized};
use crate::layers::Geometry;
use crate::window::{Axis, Span};
use crate::{Activation, Requantize, Window};

/// The shape of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dShape {
    /// Height, width and channels of the input.
    pub input: [usize; 3],
    /// Height, width and channels of the output.
    pub output: [usize; 3],
    /// How the window lies on the input.
    pub window: Window,
    /// What is read on the padding: 0, or the zero point of a model that has one.
    pub padding_value: i32,
}

impl Conv2dShape {
    /// A convolution with zeros on its padding.
    pub const fn new(input: [usize; 3], output: [usize; 3], window: Window) -> Self {
        Self { input, output, window, padding_value: 0 }
    }

    /// A convolution with windows of `kernel` (height and width) that move and are padded as `G`
    /// says.
    pub const fn of<G: Geometry>(
        input: [usize; 3],
        output: [usize; 3],
        kernel: [usize; 2],
    ) -> Self {
        Self { input, output, window: Window::of::<G>(kernel), padding_value: G::PADDING_VALUE }
    }

    /// Weights per output channel.
    fn taps(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1] * self.input[2]
    }

    /// Where window (`oy`, `ox`) lies on the input.
    pub(crate) fn patch(&self, oy: usize, ox: usize) -> [Span; 2] {
        [
            self.window.span(Axis::Rows, oy, self.input[0]),
            self.window.span(Axis::Columns, ox, self.input[1]),
        ]
    }

    /// The pixels of the input that a window covers, in runs that are contiguous in both: first
    /// pixel, first tap, and how many.
    #[inline(always)]
    pub(super) fn runs(
        &self,
        [rows, columns]: [Span; 2],
    ) -> impl Iterator<Item = (usize, usize, usize)> {
        let [_, width, _] = self.input;
        let [_, kernel_width] = self.window.kernel;
        let [down, right] = self.window.dilation;
        let (runs, len) = if right == 1 { (1, columns.len) } else { (columns.len, 1) };
        (0..rows.len).flat_map(move |row| {
            let pixel = (rows.input + row * down) * width + columns.input;
            let tap = (rows.kernel + row) * kernel_width + columns.kernel;
            (0..runs).map(move |run| (pixel + run * right, tap + run, len))
        })
    }

    /// What the padding adds to the sum of a window: its value times the weights that lie on it,
    /// of which tap number n has `weight(n)`.
    #[inline(always)]
    pub(super) fn padding_sum(
        &self,
        [rows, columns]: [Span; 2],
        weight: impl Fn(usize) -> i32,
    ) -> i32 {
        if self.padding_value == 0 {
            return 0;
        }
        let [height, width] = self.window.kernel;
        let on = |span: Span, at: usize| (span.kernel..span.kernel + span.len).contains(&at);
        let mut sum = 0i32;
        for row in 0..height {
            for column in 0..width {
                if !(on(rows, row) && on(columns, column)) {
                    sum = sum.wrapping_add(weight(row * width + column));
                }
            }
        }
        sum.wrapping_mul(self.padding_value)
    }

    /// The sum of products of one window and the weights of one output channel.
    #[inline]
    fn window_sum<X: Activation>(&self, patch: [Span; 2], x: &[X], filter: impl Filter) -> i32 {
        let depth = self.input[2];
        let mut sum = self.padding_sum(patch, |tap| filter.sum(tap * depth, depth));
        for (pixel, tap, len) in self.runs(patch) {
            let x = x.get(pixel * depth..(pixel + len) * depth).unwrap_or_default();
            sum = sum.wrapping_add(filter.dot(tap * depth, x));
        }
        sum
    }
}

/// Convolution, requantized and saturated.
///
/// `x` is `[height][width][in]`, `weights` `[out][kernel row][kernel column][in]`, `bias` and
/// `requantize` one per output channel, `y` `[height][width][out]`.
pub fn conv2d<X: Activation, Y: Activation, R: Requantize>(
    shape: &Conv2dShape,
    x: &[X],
    weights: &[i8],
    bias: &[i32],
    requantize: &[R],
    y: &mut [Y],
) {
    convolve(shape, x, weights, bias, requantize, requantized, y);
}

/// Convolution that ends a network: `y` receives the accumulators, `[height][width][out]`.
pub fn conv2d_accumulate<X: Activation>(
    shape: &Conv2dShape,
    x: &[X],
    weights: &[i8],
    bias: &[i32],
    y: &mut [i32],
) {
    convolve(shape, x, weights, bias, bias, accumulated, y);
}

/// Convolution; `finish` makes an output of its channel's requantization and an accumulator.
#[inline(always)]
pub(crate) fn convolve<X: Activation, R: Copy, Y>(
    shape: &Conv2dShape,
    x: &[X],
    weights: impl Filters,
    bias: &[i32],
    requantize: &[R],
    finish: impl Fn(R, i32) -> Y,
    y: &mut [Y],
) {
    let [_, width, depth] = shape.output;
    let mut pixels = y.chunks_exact_mut(depth.max(1));
    for oy in 0..shape.output[0] {
        for (ox, pixel) in pixels.by_ref().take(width).enumerate() {
            let patch = shape.patch(oy, ox);
            let channels = weights.filters(shape.taps()).zip(bias).zip(requantize);
            for (y, ((filter, bias), requantize)) in pixel.iter_mut().zip(channels) {
                *y = finish(*requantize, bias.wrapping_add(shape.window_sum(patch, x, filter)));
            }
        }
    }
}

/// Convolution and the max pooling of its output in one pass: the largest accumulator of each
/// pooling window is requantized, once.
///
/// The integers are those of [`conv2d`] followed by [`max_pool2d`](super::max_pool2d), since
/// requantization and saturation are monotonic. The convolution's output is never stored.
///
/// `pool.input` must be `shape.output`; `y` is `pool.output`.
#[allow(clippy::too_many_arguments)] // two shapes, five tensors
pub fn conv2d_max_pool2d<X: Activation, Y: Activation, R: Requantize>(
    shape: &Conv2dShape,
    pool: &Pool2dShape,
    x: &[X],
    weights: &[i8],
    bias: &[i32],
    requantize: &[R],
    y: &mut [Y],
) {
    convolve_max_pool2d((shape, pool), x, weights, bias, requantize, y);
}

/// The same, however the weights are stored.
#[inline(always)]
pub(crate) fn convolve_max_pool2d<X: Activation, Y: Activation, R: Requantize>(
    (shape, pool): (&Conv2dShape, &Pool2dShape),
    x: &[X],
    weights: impl Filters,
    bias: &[i32],
    requantize: &[R],
    y: &mut [Y],
) {
    let [_, width, depth] = pool.output;
    let [down, right] = pool.window.dilation;
    let mut pixels = y.chunks_exact_mut(depth.max(1));
    for py in 0..pool.output[0] {
        for (px, pixel) in pixels.by_ref().take(width).enumerate() {
            let [rows, columns] = pool.patch(py, px);
            let channels = weights.filters(shape.taps()).zip(bias).zip(requantize);
            for (y, ((filter, bias), requantize)) in pixel.iter_mut().zip(channels) {
                let mut largest = i32::MIN;
                for oy in (0..rows.len).map(|row| rows.input + row * down) {
                    for ox in (0..columns.len).map(|column| columns.input + column * right) {
                        let sum = shape.window_sum(shape.patch(oy, ox), x, filter);
                        largest = largest.max(bias.wrapping_add(sum));
                    }
                }
                *y = Y::saturate(requantize.apply(largest));
            }
        }
    }
}
