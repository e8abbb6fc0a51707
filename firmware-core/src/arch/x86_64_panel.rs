//! What the windows of 4, 8 or 16 pooled pixels cover, with a pixel to each lane.

use super::vectors::Lanes;
use crate::Activation;

/// Bytes of a panel: what fits a first-level cache beside the weights.
const PANEL: usize = 32 * 1024;

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
    /// Values in a kernel row, and groups of them.
    pub row: usize,
    pub groups: usize,
    /// Vectors from one row of the panel to the next: where the right side begins with a whole group, rows
    /// hold both sides.
    pub width: usize,
    /// Vectors from the left side to the right one.
    pub right: usize,
}

/// For the left and the right side and every group: which bytes of a load of 16 the four pixels take.
type Order = [[[u32; 4]; 8]; 2];

impl Plan {
    /// `None` where 16 bytes are not all that the windows of four pixels cover of a row.
    pub(super) fn order<X: Activation, V: Lanes>(&self) -> Option<Order> {
        let step = self.step[1];
        if !V::SPREADS || !X::UNSIGNED || 3 * step + self.side + self.groups * V::TAPS > 16 {
            return None;
        }
        let mut order = [[[0; 4]; 8]; 2];
        for (right, order) in order.iter_mut().enumerate() {
            for (group, order) in order.iter_mut().enumerate() {
                for (pixel, word) in order.iter_mut().enumerate() {
                    let first = right * self.side + pixel * step + group * V::TAPS;
                    *word = V::ORDER.wrapping_add(first as u32 * V::ORDER_STEP);
                }
            }
        }
        Some(order)
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
struct Copied<X>([X; PIXELS * PIXELS]);

impl<X: Activation> Copied<X> {
    /// Where the first of each four pixels is.
    const QUADS: [usize; QUADS] = [0, 4 * PIXELS, 8 * PIXELS, 12 * PIXELS];

    /// 16 values from `x` plus one of `at` plus none to three times `step` on.
    ///
    /// # Safety
    ///
    /// The input must have all values from `x` to `end`.
    #[cold]
    unsafe fn new(x: *const X, at: &[usize; QUADS], step: usize, end: usize) -> Self {
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
