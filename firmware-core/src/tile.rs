//! Convolution four output pixels at a time, over the kernels in `arch`.
//!
//! What the windows of a tile of 2 x 2 pixels cover is packed once and multiplied with the weights
//! of every output channel. Pooling takes the largest of a tile's sums, and of several tiles where a
//! window has more than 2 x 2 pixels. Shapes are known at run time here, so that all layers of a
//! model share this code.

use crate::arch::target::{Patch, WeightSum, correction};
#[cfg(kernels = "x86_64")]
use crate::arch::target::{Pooled, max_pool2d};
use crate::arch::{Cursor, LayerBytes};
use crate::kernels::{Conv2dShape, Pool2dShape};
use crate::window::{Axis, Window};
use crate::{Activation, Requantize};

/// A convolution and where its weights are: at the start of `layer`.
pub(crate) struct Tiled<'a, X> {
    pub shape: Conv2dShape,
    pub padded: bool,
    pub layer: LayerBytes<'a>,
    pub weight_sums: &'a [WeightSum],
    pub bias: &'a [i32],
    #[cfg(kernels = "x86_64")]
    pub wide_weights: [&'a [i32]; 2],
    pub x: &'a [X],
}

impl<X: Activation> Tiled<'_, X> {
    /// The windows at two rows and two columns of the output, without padding.
    #[inline(always)]
    fn cursor(&self, rows: [usize; 2], columns: [usize; 2]) -> Option<Cursor<'_, X>> {
        let [_, width, depth] = self.shape.input;
        let Window { kernel, stride, dilation, .. } = self.shape.window;
        let (row, pitch) = (kernel[1] * depth, width * depth);
        let rows = rows.map(|row| row * (stride[0] * pitch));
        let columns = columns.map(|column| column * (stride[1] * depth));
        Cursor::new(self.x, rows, columns, kernel[0], row, pitch * dilation[0])
    }

    /// Sums of products of the windows at two rows and two columns of the output, row by row: one
    /// quadruple per channel.
    #[inline(never)]
    fn sums<const PADDED: bool>(
        &self,
        patch: &mut Patch,
        rows: [usize; 2],
        columns: [usize; 2],
        sums: &mut [[i32; 4]],
    ) {
        if PADDED {
            return self.padded_sums(patch, rows, columns, sums);
        }
        let Some(mut cursor) = self.cursor(rows, columns) else { return };
        let taps = self.shape.window.kernel[0] * self.shape.window.kernel[1] * self.shape.input[2];
        sums.as_flattened_mut().fill(0);
        let mut done = 0;
        while done < taps {
            let chunk = (taps - done).min(Patch::TAPS);
            patch.gather(&mut cursor, chunk);
            patch.accumulate([done, chunk, taps], self.layer, sums);
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
        sums.as_flattened_mut().fill(0);
        let mut done = 0;
        while done < taps {
            let chunk = (taps - done).min(Patch::TAPS);
            for at in 0..chunk {
                let tap = done + at;
                patch.put::<X>(
                    at,
                    pixels.map(|pixel| self.tap(pixel, tap / row.max(1), tap % row.max(1))),
                );
            }
            patch.accumulate([done, chunk, taps], self.layer, sums);
            done += chunk;
        }
    }

    /// One value that the window of a pixel covers.
    fn tap(&self, [oy, ox]: [usize; 2], row: usize, column: usize) -> i32 {
        let [height, width, depth] = self.shape.input;
        let window = &self.shape.window;
        let iy = window.position(Axis::Rows, oy, row, height);
        let ix = window.position(Axis::Columns, ox, column / depth.max(1), width);
        let (Some(iy), Some(ix)) = (iy, ix) else { return self.shape.padding_value };
        self.x.get((iy * width + ix) * depth + column % depth.max(1)).map_or(0, |x| x.to_i32())
    }

    /// Calls `output(index, channel, accumulator)` for every element of the convolution's
    /// output, for some more than once. `sums` has one element per output channel.
    #[inline(always)]
    pub(crate) fn conv2d(&self, sums: &mut [[i32; 4]], output: impl FnMut(usize, usize, i32)) {
        // Known at compile time where this is inlined: only what the layer needs is linked.
        match self.padded {
            false => self.conv2d_of::<false>(sums, output),
            true => self.conv2d_of::<true>(sums, output),
        }
    }

    #[inline(always)]
    fn conv2d_of<const PADDED: bool>(
        &self,
        sums: &mut [[i32; 4]],
        mut output: impl FnMut(usize, usize, i32),
    ) {
        let [height, width, depth] = self.shape.output;
        let mut patch = Patch::new();
        for top in (0..height).step_by(2) {
            // A tile that would reach beyond the output repeats its last row or column.
            let bottom = (top + 1).min(height - 1);
            for left in (0..width).step_by(2) {
                let right = (left + 1).min(width - 1);
                self.sums::<PADDED>(&mut patch, [top, bottom], [left, right], sums);
                let positions = [top, bottom].map(|row| [row * width + left, row * width + right]);
                let channels = sums.iter().zip(self.bias).zip(self.weight_sums).enumerate();
                for (channel, ((sums, bias), weights)) in channels {
                    let bias = bias.wrapping_add(correction::<X>(*weights));
                    for (position, sum) in positions.as_flattened().iter().zip(Patch::finish(*sums))
                    {
                        output(position * depth + channel, channel, bias.wrapping_add(sum));
                    }
                }
            }
        }
    }

    /// Convolution and max pooling into `y`, `[height][width][channel]`. `sums` has one element
    /// per output channel.
    #[inline(always)]
    pub(crate) fn max_pool2d<Y: Activation, R: Requantize>(
        &self,
        pool: &Pool2dShape,
        requantize: &[R],
        y: &mut [Y],
        sums: &mut [[i32; 4]],
    ) {
        #[cfg(kernels = "x86_64")]
        if max_pool2d(
            &Pooled {
                shape: &self.shape,
                pool,
                x: self.x,
                weights: self.wide_weights,
                bias: self.bias,
                requantize,
            },
            y,
        ) {
            return;
        }
        let [height, width] = pool.window.extent();
        let fits_tile = height <= 2 && width <= 2;
        match (self.padded, fits_tile) {
            (false, true) => self.max_pool2d_of::<Y, R, false, true>(pool, requantize, y, sums),
            (false, false) => self.max_pool2d_of::<Y, R, false, false>(pool, requantize, y, sums),
            (true, true) => self.max_pool2d_of::<Y, R, true, true>(pool, requantize, y, sums),
            (true, false) => self.max_pool2d_of::<Y, R, true, false>(pool, requantize, y, sums),
        }
    }

    #[inline(never)]
    fn max_pool2d_of<Y: Activation, R: Requantize, const PADDED: bool, const FITS_TILE: bool>(
        &self,
        pool: &Pool2dShape,
        requantize: &[R],
        y: &mut [Y],
        sums: &mut [[i32; 4]],
    ) {
        let [_, width, depth] = pool.output;
        let mut patch = Patch::new();
        for (py, y) in y.chunks_exact_mut((width * depth).max(1)).enumerate() {
            let rows = pool.window.span(Axis::Rows, py, pool.input[0]);
            for (px, y) in y.chunks_exact_mut(depth.max(1)).enumerate() {
                let columns = pool.window.span(Axis::Columns, px, pool.input[1]);
                if FITS_TILE {
                    let rows = [rows.input, (rows.input + rows.len).saturating_sub(1)];
                    let columns = [columns.input, (columns.input + columns.len).saturating_sub(1)];
                    self.sums::<PADDED>(&mut patch, rows, columns, sums);
                    self.largest::<Y, R, false>(sums, requantize, y);
                    continue;
                }
                // Several tiles; those at the bottom and at the right may repeat pixels.
                y.fill(Y::MIN);
                let [down, across] = pool.window.dilation;
                for top in (0..rows.len).step_by(2) {
                    let bottom = (top + 1).min(rows.len - 1);
                    for left in (0..columns.len).step_by(2) {
                        let right = (left + 1).min(columns.len - 1);
                        let rows = [top, bottom].map(|row| rows.input + row * down);
                        let columns = [left, right].map(|column| columns.input + column * across);
                        self.sums::<PADDED>(&mut patch, rows, columns, sums);
                        self.largest::<Y, R, true>(sums, requantize, y);
                    }
                }
            }
        }
    }

    /// Requantizes the largest of the four sums of every channel; `MERGE` keeps what is larger in
    /// `y` already.
    #[inline(never)]
    fn largest<Y: Activation, R: Requantize, const MERGE: bool>(
        &self,
        sums: &[[i32; 4]],
        requantize: &[R],
        y: &mut [Y],
    ) {
        let channels = sums.iter().zip(self.bias).zip(self.weight_sums).zip(requantize);
        for (y, (((sums, bias), weights), requantize)) in y.iter_mut().zip(channels) {
            let [a, b, c, d] = Patch::finish(*sums);
            let largest = a.max(b).max(c.max(d)).wrapping_add(correction::<X>(*weights));
            let largest = Y::saturate(requantize.apply(bias.wrapping_add(largest)));
            *y = if MERGE { largest.max(*y) } else { largest };
        }
    }
}
