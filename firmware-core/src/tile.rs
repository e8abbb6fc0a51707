//! Convolution four output pixels at a time, over the kernels in `arch`.
//!
//! What the windows of a tile of 2 x 2 pixels cover is packed once and multiplied with the weights
//! of every output channel. Pooling over 2 x 2 pixels then needs nothing but the tile. Shapes are
//! known at run time here, so that all layers of a model share this code.

use crate::arch::{Cursor, LayerBytes, target::Patch};
use crate::kernels::{Conv2dShape, Pool2dShape};
use crate::window::{Axis, Window};
use crate::{Activation, Requantize};

/// Whether pooling over `window` fits a tile.
pub(crate) const fn pools(window: &Window) -> bool {
    window.kernel[0] <= 2 && window.kernel[1] <= 2
}

/// A convolution and where its weights are: at the start of `layer`.
pub(crate) struct Tiled<'a, X> {
    pub shape: Conv2dShape,
    pub padded: bool,
    pub layer: LayerBytes<'a>,
    pub x: &'a [X],
}

impl<X: Activation> Tiled<'_, X> {
    /// Sums of products of the windows at two rows and two columns of the output, row by row: one
    /// quadruple per channel.
    fn sums(
        &self,
        patch: &mut Patch,
        rows: [usize; 2],
        columns: [usize; 2],
        sums: &mut [[i32; 4]],
    ) {
        if self.padded {
            return self.padded_sums(patch, rows, columns, sums);
        }
        let [_, width, depth] = self.shape.input;
        let Window { kernel, stride, .. } = self.shape.window;
        let (row, pitch) = (kernel[1] * depth, width * depth);
        let rows = rows.map(|row| row * (stride[0] * pitch));
        let columns = columns.map(|column| column * (stride[1] * depth));
        let Some(mut cursor) = Cursor::new(self.x, rows, columns, kernel[0], row, pitch) else {
            return;
        };
        let taps = kernel[0] * row;
        patch.begin();
        sums.fill([0; 4]);
        let mut done = 0;
        while done < taps {
            let chunk = (taps - done).min(Patch::TAPS);
            patch.gather(&mut cursor, chunk);
            patch.accumulate(chunk, self.layer, done, taps, sums);
            done += chunk;
        }
    }

    #[inline(never)]
    fn padded_sums(
        &self,
        patch: &mut Patch,
        rows: [usize; 2],
        columns: [usize; 2],
        sums: &mut [[i32; 4]],
    ) {
        let [top, bottom] = rows;
        let [left, right] = columns;
        let pixels = [[top, left], [top, right], [bottom, left], [bottom, right]];
        let row = self.shape.window.kernel[1] * self.shape.input[2];
        let taps = self.shape.window.kernel[0] * row;
        patch.begin();
        sums.fill([0; 4]);
        let mut done = 0;
        while done < taps {
            let chunk = (taps - done).min(Patch::TAPS);
            for at in 0..chunk {
                let tap = done + at;
                patch.put(
                    at,
                    pixels.map(|pixel| self.tap(pixel, tap / row.max(1), tap % row.max(1))),
                );
            }
            patch.accumulate(chunk, self.layer, done, taps, sums);
            done += chunk;
        }
    }

    /// One value that the window of a pixel covers; zero on the padding.
    fn tap(&self, [oy, ox]: [usize; 2], row: usize, column: usize) -> i32 {
        let [height, width, depth] = self.shape.input;
        let Window { stride: [sh, sw], padding: [top, left], .. } = self.shape.window;
        // Left of the image or above it wraps around to a huge position.
        let iy = (oy * sh + row).wrapping_sub(top);
        let ix = (ox * sw + column / depth.max(1)).wrapping_sub(left);
        if iy >= height || ix >= width {
            return 0;
        }
        self.x.get((iy * width + ix) * depth + column % depth.max(1)).map_or(0, |x| x.to_i32())
    }

    /// Calls `output(position, channel, sum)` for every element of the convolution's output, for
    /// some more than once. `sums` has one element per output channel.
    #[inline(always)]
    pub(crate) fn conv2d(&self, sums: &mut [[i32; 4]], mut output: impl FnMut(usize, usize, i32)) {
        let [height, width, _] = self.shape.output;
        let mut patch = Patch::new();
        for top in (0..height).step_by(2) {
            // A tile that would reach beyond the output repeats its last row or column.
            let bottom = (top + 1).min(height - 1);
            for left in (0..width).step_by(2) {
                let right = (left + 1).min(width - 1);
                self.sums(&mut patch, [top, bottom], [left, right], sums);
                let positions = [top, bottom].map(|row| [row * width + left, row * width + right]);
                for (channel, sums) in sums.iter().enumerate() {
                    let sums = patch.finish(*sums);
                    for (position, sum) in positions.as_flattened().iter().zip(sums) {
                        output(*position, channel, sum);
                    }
                }
            }
        }
    }

    /// Convolution and max pooling into `y`, `[height][width][channel]`. `sums` has one element
    /// per output channel.
    #[inline(never)]
    pub(crate) fn max_pool2d<Y: Activation, R: Requantize>(
        &self,
        pool: &Pool2dShape,
        bias: &[i32],
        requantize: &[R],
        y: &mut [Y],
        sums: &mut [[i32; 4]],
    ) {
        let [_, width, depth] = pool.output;
        let mut patch = Patch::new();
        for (py, y) in y.chunks_exact_mut((width * depth).max(1)).enumerate() {
            let rows = pool.window.span(Axis::Rows, py, pool.input[0]);
            let rows = [rows.input, (rows.input + rows.len).saturating_sub(1)];
            for (px, y) in y.chunks_exact_mut(depth.max(1)).enumerate() {
                let columns = pool.window.span(Axis::Columns, px, pool.input[1]);
                let columns = [columns.input, (columns.input + columns.len).saturating_sub(1)];
                self.sums(&mut patch, rows, columns, sums);
                largest(&patch, sums, bias, requantize, y);
            }
        }
    }
}

/// Requantizes the largest of the four sums of every channel.
#[inline(never)]
fn largest<Y: Activation, R: Requantize>(
    patch: &Patch,
    sums: &[[i32; 4]],
    bias: &[i32],
    requantize: &[R],
    y: &mut [Y],
) {
    for (((y, sums), bias), requantize) in y.iter_mut().zip(sums).zip(bias).zip(requantize) {
        let [a, b, c, d] = patch.finish(*sums);
        let largest = a.max(b).max(c.max(d));
        *y = Y::saturate(requantize.apply(bias.wrapping_add(largest)));
    }
}
