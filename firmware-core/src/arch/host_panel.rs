//! What the windows of 4, 8 or 16 pooled pixels cover, with a pixel to each lane.

use super::vectors::Lanes;
use crate::Activation;
use crate::kernels::{Conv2dShape, Pool2dShape};

/// Bytes of a panel: what fits a first-level cache beside the weights.
pub(super) const PANEL: usize = 32 * 1024;

/// Pixels of the widest vector.
pub(super) const PIXELS: usize = 16;

/// Times four pixels.
pub(super) const QUADS: usize = PIXELS / 4;

/// Where things are, in values of the input and vectors of the panel.
pub(super) struct Plan {
    /// From one pooled pixel to the one below, and to the one on the right.
    pub step: [usize; 2],
    /// From the left pixels under a pooled one to the right ones, and input rows from the upper
    /// ones to the lower ones.
    pub side: usize,
    pub below: usize,
    /// Rows of the input under a pooled pixel, and from one row to the next.
    pub rows: usize,
    pub pitch: usize,
    /// Groups of values in a kernel row.
    pub groups: usize,
    /// Vectors from one row of the panel to the next: where the right side begins with a whole group, rows
    /// hold both sides.
    pub width: usize,
    /// Vectors from the left side to the right one.
    pub right: usize,
    /// Values that the windows reach in the input, words of all weights, and outputs.
    pub inputs: usize,
    pub words: usize,
    pub outputs: usize,
}

/// For the left and the right side and every group: which bytes of a load of 16 the four pixels take.
pub(super) type Order = [[[u32; 4]; 8]; 2];

/// The order of what the windows of four pixels cover of a row, which begin `step` values apart and, for the
/// right side, `side` values behind those. `None` where 16 bytes are not all of it.
fn spreading<X: Activation, V: Lanes>(step: usize, side: usize, groups: usize) -> Option<Order> {
    if !V::SPREADS || !X::UNSIGNED || 3 * step + side + groups * V::TAPS > 16 {
        return None;
    }
    let mut order = [[[0; 4]; 8]; 2];
    for (right, order) in order.iter_mut().enumerate() {
        for (group, order) in order.iter_mut().enumerate() {
            for (pixel, word) in order.iter_mut().enumerate() {
                let first = right * side + pixel * step + group * V::TAPS;
                *word = V::ORDER.wrapping_add(first as u32 * V::ORDER_STEP);
            }
        }
    }
    Some(order)
}

impl Plan {
    /// Of a convolution and its pooling, for vectors of `size` bytes with `taps` values to a lane. `None` where
    /// a window needs padding or is pooled with more than 2 x 2 others, or where a panel does not fit.
    pub(super) fn new(
        shape: &Conv2dShape,
        pool: &Pool2dShape,
        taps: usize,
        size: usize,
    ) -> Option<Self> {
        let [_, width, depth] = shape.input;
        let [height, columns, channels] = pool.output;
        let ([kernel_rows, kernel_columns], [sy, sx]) = (shape.window.kernel, shape.window.stride);
        let ([ph, pw], [py, px]) = (pool.window.kernel, pool.window.stride);
        let plain = !shape.window.is_padded()
            && !pool.window.is_padded()
            && [shape.window.dilation, pool.window.dilation] == [[1; 2]; 2]
            && [ph, pw].iter().all(|size| (1..=2).contains(size))
            && [height, columns, kernel_rows, kernel_columns, depth].iter().all(|&size| size > 0);
        if !plain {
            return None;
        }
        let pitch = width * depth;
        let groups = (kernel_columns * depth).div_ceil(taps);
        let rows = (ph - 1) * sy + kernel_rows;
        let side = (pw - 1) * sx * depth;
        // Only where windows are packed by columns, that is, are long.
        let both = side % taps == 0 && side / taps <= groups && groups > 4;
        let (width, right) =
            if both { (groups + side / taps, side / taps) } else { (groups, rows * groups) };
        let step = [py * sy * pitch, px * sx * depth];
        let row = kernel_columns * depth;
        let last = (height - 1) * step[0] + (columns - 1) * step[1];
        let plan = Self {
            step,
            side,
            below: (ph - 1) * sy,
            rows,
            pitch,
            groups,
            width,
            right,
            inputs: last + (rows - 1) * pitch + side + row,
            words: channels * kernel_rows * groups,
            outputs: height * columns * channels,
        };
        // A window that would reach beyond the right side asks for padding there.
        let fits = (columns - 1) * step[1] + side + row <= pitch
            && rows * 2 * groups * size <= size_of::<Panel>();
        fits.then_some(plan)
    }

    /// [`spreading`], for the windows under four pixels.
    pub(super) fn order<X: Activation, V: Lanes>(&self) -> Option<Order> {
        spreading::<X, V>(self.step[1], self.side, self.groups)
    }

    /// Fills the panel, `[left or right][row][group]`, or `[row][group]` where rows hold both sides, for the
    /// pixels of `block`.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`; the windows must be part of `x`, and the panel
    /// good for two sides of `rows` rows of `groups` vectors.
    #[inline(always)]
    pub(super) unsafe fn pack<X: Activation, V: Lanes>(
        &self,
        x: &[X],
        order: &Option<Order>,
        block: &Block,
        panel: *mut V,
    ) {
        let (first, end) = (x.as_ptr(), x.as_ptr_range().end as usize);
        let last = block.at[QUADS - 1];
        let step = self.step[1];
        if let Some(order) = order {
            // All that the windows of four pixels cover is in one load.
            for row in 0..self.rows {
                // SAFETY: windows are part of `x`, and the panel has room for all groups.
                unsafe {
                    let x = first.add(row * self.pitch);
                    let values = if x as usize + last + 16 <= end {
                        V::load(x.cast(), &block.at)
                    } else {
                        let copy = Copied::new(x, &block.at, 0, end);
                        V::load(copy.0.as_ptr().cast(), &Copied::<X>::QUADS)
                    };
                    for (right, order) in order.iter().enumerate() {
                        let to = panel.add((right * self.rows + row) * self.groups);
                        for (group, order) in order.iter().enumerate().take(self.groups) {
                            to.add(group).write(V::spread(values, order));
                        }
                    }
                }
            }
            return;
        }
        let mut to = panel;
        // Rows with both sides are longer.
        let sides = if self.right < self.width { 1 } else { 2 };
        for side in [0, self.side].into_iter().take(sides) {
            for row in 0..self.rows {
                // SAFETY: as above.
                unsafe {
                    let x = first.add(row * self.pitch + side);
                    for group in (0..self.width).step_by(4) {
                        let x = x.add(group * V::TAPS);
                        let columns = if x as usize + last + 3 * step + 4 * V::TAPS <= end {
                            V::columns(x, &block.at, step)
                        } else {
                            let copy = Copied::new(x, &block.at, step, end);
                            V::columns(copy.0.as_ptr(), &Copied::<X>::QUADS, PIXELS)
                        };
                        for column in columns.into_iter().take(self.width - group) {
                            to.write(column);
                            to = to.add(1);
                        }
                    }
                }
            }
        }
    }

    /// For `N` channels the largest of the four sums under each pixel in the panel, which begin with `starts`.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`; the panel must be full, and `weights` and `starts` be those
    /// of `N` channels.
    #[inline(always)]
    pub(super) unsafe fn largest<V: Lanes, const N: usize>(
        &self,
        panel: *const V,
        mut weights: *const i32,
        starts: *const i32,
    ) -> [V; N] {
        let rows = self.rows - self.below;
        let taps = rows * self.groups;
        // SAFETY: as the caller promises.
        unsafe {
            let lower = self.below * self.width;
            let right = self.right;
            let mut sums = [[V::zero(); 4]; N];
            for n in 0..N {
                sums[n] = [V::broadcast(starts.add(n)); 4];
            }
            let mut line = panel;
            // One loop where rows lie one behind the other.
            let (lines, groups) = match self.width == self.groups {
                true => (1, taps),
                false => (rows, self.groups),
            };
            for _ in 0..lines {
                let mut x = [line, line.add(right), line.add(lower), line.add(lower + right)];
                let mut left = groups;
                // Two at a time where a group is little work: a loop's own instructions count.
                while V::PIXELS <= 8 && left >= 2 {
                    add_tap(&mut sums, x, weights, 0, taps);
                    add_tap(&mut sums, x, weights, 1, taps);
                    x = x.map(|x| x.wrapping_add(2));
                    weights = weights.add(2);
                    left -= 2;
                }
                for group in 0..left {
                    add_tap(&mut sums, x, weights, group, taps);
                }
                weights = weights.add(left);
                line = line.add(self.width);
            }
            // Not a closure: those do not inherit the caller's extensions.
            let mut largest = [V::zero(); N];
            for n in 0..N {
                let [a, b, c, d] = sums[n];
                largest[n] = V::max(V::max(a, b), V::max(c, d));
            }
            largest
        }
    }
}

/// Adds the products of group number `group` of the values at four places and of each channel's weights,
/// which lie `next` words apart.
///
/// # Safety
///
/// The processor must have the extension of `V`, and all pointers be good for a vector or a word.
#[inline(always)]
unsafe fn add_tap<V: Lanes, const N: usize>(
    sums: &mut [[V; 4]; N],
    x: [*const V; 4],
    weights: *const i32,
    group: usize,
    next: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let mut w = [V::zero(); N];
        for n in 0..N {
            w[n] = V::broadcast(weights.add(n * next + group));
        }
        for pixel in 0..4 {
            let x = x[pixel].add(group).read();
            for n in 0..N {
                sums[n][pixel] = V::multiply(sums[n][pixel], x, w[n]);
            }
        }
    }
}

/// Some pixels of the output, in fours that lie side by side.
#[derive(Default)]
pub(super) struct Block {
    /// Where the window of each four's first pixel begins in the input.
    pub at: [usize; QUADS],
    /// Each four's first pixel in the output.
    pub y: [usize; QUADS],
    /// How many of each four, if not more, are part of the output.
    pub count: [usize; QUADS],
}

impl Block {
    /// Sets number `quad`, of those there are.
    #[inline(always)]
    pub(super) fn set(&mut self, quad: usize, at: usize, y: usize, count: usize) {
        let quad = quad % QUADS;
        (self.at[quad], self.y[quad], self.count[quad]) = (at, y, count);
    }
}

/// What 16 pixels need of the very end of the input; what lies behind it counts zero.
pub(super) struct Copied<X>(pub(super) [X; PIXELS * PIXELS]);

impl<X: Activation> Copied<X> {
    /// Where the first of each four pixels is.
    pub(super) const QUADS: [usize; QUADS] = [0, 4 * PIXELS, 8 * PIXELS, 12 * PIXELS];

    /// 16 values from `x` plus one of `at` plus none to three times `step` on.
    ///
    /// # Safety
    ///
    /// The input must have all values from `x` to `end`.
    #[cold]
    pub(super) unsafe fn new(x: *const X, at: &[usize; QUADS], step: usize, end: usize) -> Self {
        let mut copy = [X::saturate(0); PIXELS * PIXELS];
        for (i, copy) in copy.as_chunks_mut::<PIXELS>().0.iter_mut().enumerate() {
            let x = x.wrapping_add(at[i / 4] + i % 4 * step);
            let len = end.saturating_sub(x as usize);
            // SAFETY: `len` values from `x` on are part of the input. Nearly always all 16 are, and
            // that many are copied without a call.
            unsafe {
                if len >= PIXELS {
                    *copy = x.cast::<[X; PIXELS]>().read_unaligned();
                } else {
                    x.copy_to_nonoverlapping(copy.as_mut_ptr(), len);
                }
            }
        }
        Self(copy)
    }
}

/// Memory for the panel, aligned for every vector.
#[repr(C, align(64))]
pub(super) struct Panel([u8; PANEL]);
