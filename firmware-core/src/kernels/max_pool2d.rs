//! Two-dimensional max pooling.

use crate::window::{Axis, Span};
use crate::{Activation, Window};

/// The shape of a pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool2dShape {
    /// Height, width and channels of the input.
    pub input: [usize; 3],
    /// Height, width and channels of the output; the channels are the input's.
    pub output: [usize; 3],
    /// How the window lies on the input. What lies on the padding is left out.
    pub window: Window,
}

impl Pool2dShape {
    /// Where window (`oy`, `ox`) lies on the input.
    #[inline(always)]
    pub(crate) fn patch(&self, oy: usize, ox: usize) -> [Span; 2] {
        [
            self.window.span(Axis::Rows, oy, self.input[0]),
            self.window.span(Axis::Columns, ox, self.input[1]),
        ]
    }
}

/// The largest value of each window, channel by channel. Input and output share one exponent.
///
/// `x` is `[height][width][channel]`, `y` likewise.
pub fn max_pool2d<X: Activation>(shape: &Pool2dShape, x: &[X], y: &mut [X]) {
    let [_, in_width, depth] = shape.input;
    let [out_height, out_width, _] = shape.output;
    let [down, right] = shape.window.dilation;
    let mut pixels = y.chunks_exact_mut(depth.max(1));
    for oy in 0..out_height {
        for (ox, pixel) in pixels.by_ref().take(out_width).enumerate() {
            let [rows, columns] = shape.patch(oy, ox);
            pixel.fill(X::MIN);
            for row in 0..rows.len {
                let iy = rows.input + row * down;
                let row = x.get((iy * in_width + columns.input) * depth..).unwrap_or_default();
                let pixels = row.chunks_exact(depth.max(1)).step_by(right.max(1));
                for candidates in pixels.take(columns.len) {
                    for (y, x) in pixel.iter_mut().zip(candidates) {
                        *y = (*y).max(*x);
                    }
                }
            }
        }
    }
}
