//! Convolution four output pixels at a time, over the kernels in `arch`.
//!
//! What the windows of four pixels cover is packed once and multiplied with the weights of every
//! output channel. The four pixels are the pooling window, or four neighbours in a row.

use crate::arch::{LayerBytes, target::Patch};
use crate::kernels::{Conv2dShape, Pool2dShape};
use crate::window::Window;
use crate::{Activation, Requantize};

/// Whether pooling over `window` fits a tile.
pub(crate) const fn pools(window: &Window) -> bool {
    window.kernel[0] * window.kernel[1] <= 4
}

/// A convolution and where its weights are: at the start of `layer`.
pub(crate) struct Tiled<'a, X> {
    pub shape: Conv2dShape,
    pub padded: bool,
    pub layer: LayerBytes<'a>,
    pub x: &'a [X],
}

impl<X: Activation> Tiled<'_, X> {
    /// Sums of products of the windows at `pixels` (row, column), for every channel.
    #[inline(always)]
    fn sums<const OC: usize>(&self, patch: &mut Patch, pixels: [[usize; 2]; 4]) -> [[i32; 4]; OC] {
        let row_taps = self.shape.window.kernel[1] * self.shape.input[2];
        let taps = self.shape.window.kernel[0] * row_taps;
        let mut sums = [[0; 4]; OC];
        let mut done = 0;
        while done < taps {
            let chunk = (taps - done).min(Patch::TAPS);
            let mut at = 0;
            while at < chunk {
                let (row, column) = ((done + at) / row_taps, (done + at) % row_taps);
                let len = (row_taps - column).min(chunk - at);
                if self.padded {
                    for i in 0..len {
                        patch.put(at + i, pixels.map(|pixel| self.tap(pixel, row, column + i)));
                    }
                } else {
                    patch.extend(at, pixels.map(|pixel| self.taps(pixel, row, column, len)));
                }
                at += len;
            }
            patch.accumulate(chunk, self.layer, done, taps, &mut sums);
            done += chunk;
        }
        for sums in &mut sums {
            *sums = patch.finish(*sums);
        }
        sums
    }

    /// `len` values that the window of a pixel covers, from its kernel row `row`.
    #[inline(always)]
    fn taps(&self, [oy, ox]: [usize; 2], row: usize, column: usize, len: usize) -> &[X] {
        let [_, width, depth] = self.shape.input;
        let [sh, sw] = self.shape.window.stride;
        let start = ((oy * sh + row) * width + ox * sw) * depth + column;
        self.x.get(start..start + len).unwrap_or_default()
    }

    /// One value that the window of a pixel covers; zero on the padding.
    #[inline(always)]
    fn tap(&self, [oy, ox]: [usize; 2], row: usize, column: usize) -> i32 {
        let [height, width, depth] = self.shape.input;
        let Window { stride: [sh, sw], padding: [top, left], .. } = self.shape.window;
        // Left of the image or above it wraps around to a huge position.
        let iy = (oy * sh + row).wrapping_sub(top);
        let ix = (ox * sw + column / depth).wrapping_sub(left);
        if iy >= height || ix >= width {
            return 0;
        }
        self.x.get((iy * width + ix) * depth + column % depth).map_or(0, |x| x.to_i32())
    }

    /// Calls `output(position, channel, sum)` for every element of the convolution's output.
    #[inline(always)]
    pub(crate) fn conv2d<const OC: usize>(&self, mut output: impl FnMut(usize, usize, i32)) {
        let [height, width, _] = self.shape.output;
        let mut patch = Patch::new();
        for oy in 0..height {
            for ox in (0..width).step_by(4) {
                // Pixels past the end of the row repeat the last one.
                let pixels = [0, 1, 2, 3].map(|i| [oy, (ox + i).min(width - 1)]);
                for (channel, sums) in self.sums::<OC>(&mut patch, pixels).into_iter().enumerate() {
                    for ([oy, ox], sum) in pixels.into_iter().zip(sums) {
                        output(oy * width + ox, channel, sum);
                    }
                }
            }
        }
    }

    /// Convolution and max pooling into `y`, `[height][width][channel]`.
    #[inline(always)]
    pub(crate) fn max_pool2d<Y: Activation, R: Requantize, const OC: usize>(
        &self,
        pool: &Pool2dShape,
        bias: &[i32; OC],
        requantize: &[R; OC],
        y: &mut [Y],
    ) {
        let [height, width, _] = pool.output;
        let mut patch = Patch::new();
        let mut y = y.chunks_exact_mut(OC);
        for py in 0..height {
            for (px, y) in y.by_ref().take(width).enumerate() {
                let [rows, columns] = pool.patch(py, px);
                // A window of fewer pixels repeats its last one.
                let pixels = [0, 1, 2, 3].map(|i| {
                    let i = i.min((rows.len * columns.len).saturating_sub(1));
                    [rows.input + i / columns.len.max(1), columns.input + i % columns.len.max(1)]
                });
                let sums = self.sums::<OC>(&mut patch, pixels);
                for (((y, sums), bias), requantize) in
                    y.iter_mut().zip(sums).zip(bias).zip(requantize)
                {
                    let [a, b, c, d] = sums;
                    let largest = a.max(b).max(c.max(d));
                    *y = Y::saturate(requantize.apply(bias.wrapping_add(largest)));
                }
            }
        }
    }
}
