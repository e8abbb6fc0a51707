//! Reading what the windows of four pixels cover, in the order of the weights.

use core::marker::PhantomData;

use crate::Activation;

/// A position in the windows of four pixels, at the same tap of each: kernel row after kernel
/// row, each of which is contiguous in the input.
///
/// The fields are in the order in which the routines of the targets load them.
#[repr(C)]
pub struct Cursor<'a, X> {
    /// The next value of each pixel.
    next: [*const X; 4],
    /// Taps to read in this call.
    taps: usize,
    /// Taps left in the current kernel row.
    left: usize,
    /// Taps of a kernel row.
    row: usize,
    /// From the end of one kernel row to the start of the next, in values.
    skip: usize,
    /// Taps left in the whole window.
    window: usize,
    /// Where the input ends.
    #[cfg_attr(not(host), allow(dead_code))]
    end: *const X,
    x: PhantomData<&'a [X]>,
}

impl<'a, X: Activation> Cursor<'a, X> {
    /// A cursor over windows of `height` rows of `row` values, `pitch` values apart, that begin at
    /// `starts` in `x`. `None` if they are not all in `x`.
    #[inline(always)]
    pub(crate) fn new(
        x: &'a [X],
        starts: [usize; 4],
        height: usize,
        row: usize,
        pitch: usize,
    ) -> Option<Self> {
        let [a, b, c, d] = starts;
        let last = a.max(b).max(c.max(d));
        let len = height.wrapping_sub(1) * pitch + row;
        let room = x.len().checked_sub(len)?;
        if height == 0 || row == 0 || row > pitch || last > room {
            return None;
        }
        let start = x.as_ptr();
        Some(Self {
            next: starts.map(|at| start.wrapping_add(at)),
            taps: 0,
            left: row,
            row,
            skip: pitch - row,
            window: height * row,
            end: x.as_ptr_range().end,
            x: PhantomData,
        })
    }

    /// Gets the cursor ready for a routine that reads `taps` taps of each pixel, or as many as
    /// are left, and returns that number. The routine moves the cursor.
    #[inline(always)]
    pub(super) fn read(&mut self, taps: usize) -> usize {
        self.taps = taps.min(self.window);
        self.window -= self.taps;
        self.taps
    }

    /// The four windows, with their number of rows, the values of a row and those from one row to
    /// the next, if `slack` values behind every row are part of the input as well.
    #[cfg(host)]
    #[inline(always)]
    pub(super) fn window(&self, slack: usize) -> Option<([*const X; 4], [usize; 3])> {
        let pitch = self.row + self.skip;
        let rows = self.window / self.row;
        let end = self.end as usize;
        let [a, b, c, d] = self.next.map(|next| next as usize);
        let last = a.max(b).max(c.max(d)) + (rows * pitch + self.row + slack) - pitch;
        (self.left == self.row && last <= end).then_some((self.next, [rows, self.row, pitch]))
    }

    /// Calls `read` with the values of the four pixels that lie side by side, until `taps` taps
    /// are read.
    #[cfg(host)]
    pub(super) fn rows(&mut self, taps: usize, mut read: impl FnMut([&[X]; 4])) {
        self.read(taps);
        while self.taps > 0 {
            let len = self.taps.min(self.left);
            // SAFETY: a cursor stays inside the slice it was made for.
            read(self.next.map(|next| unsafe { core::slice::from_raw_parts(next, len) }));
            let mut step = len;
            self.taps -= len;
            self.left -= len;
            if self.left == 0 {
                self.left = self.row;
                step += self.skip;
            }
            self.next = self.next.map(|next| next.wrapping_add(step));
        }
    }
}
