//! Some rows of a convolution's input with its padding, so that no kernel knows of any.

use core::mem::MaybeUninit;

use crate::Activation;
use crate::kernels::Conv2dShape;

/// Bytes of a strip: what fits a first-level cache beside some weights.
const BYTES: usize = 24 * 1024;
/// Bytes behind the last value that may be loaded.
const SLACK: usize = 8;

/// Room for rows of values `E`, of at most two bytes.
#[repr(C, align(64))]
pub(super) struct Strip(MaybeUninit<[u64; BYTES / 8]>);

/// How rows lie in a strip.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    /// Values from one row to the next: all columns that windows cover.
    pub pitch: usize,
    /// Rows of output for which a strip has room.
    pub outputs: usize,
}

impl Strip {
    pub(super) const fn new() -> Self {
        Self(MaybeUninit::uninit())
    }

    /// How rows of values of `size` bytes lie; `None` where not even the windows of one row of output fit.
    pub(super) fn rows(shape: &Conv2dShape, size: usize) -> Option<Rows> {
        let [_, columns] = shape.window.extent();
        let [down, right] = shape.window.stride;
        let [height, width, _] = shape.output;
        let pitch = (width.checked_sub(1)? * right + columns) * shape.input[2];
        let rows = (BYTES - SLACK).checked_div(pitch * size)?;
        let [extent, _] = shape.window.extent();
        let outputs = rows.checked_sub(extent)?.checked_div(down)? + 1;
        Some(Rows { pitch, outputs: outputs.min(height) })
    }

    /// Fills the strip with what the windows of `outputs` rows of output cover, from row `first` on, and
    /// returns it. `outputs` must be no more than [`Strip::rows`] says, for values of this size.
    #[inline(always)]
    pub(super) fn fill<X: Activation, E: Copy>(
        &mut self,
        shape: &Conv2dShape,
        x: &[X],
        rows: Rows,
        [first, outputs]: [usize; 2],
        convert: impl Fn(X) -> E,
    ) -> *const E {
        let [height, width, depth] = shape.input;
        let [top, left, ..] = shape.window.padding;
        let start = self.0.as_mut_ptr().cast::<MaybeUninit<E>>();
        // SAFETY: the strip has these elements, aligned for any of at most eight bytes, and they need
        // not be initialized.
        let all = unsafe { core::slice::from_raw_parts_mut(start, BYTES / size_of::<E>()) };
        let padding = convert(X::saturate(shape.padding_value));
        let set = |to: &mut [MaybeUninit<E>]| to.iter_mut().for_each(|to| _ = to.write(padding));
        let count = outputs.saturating_sub(1) * shape.window.stride[0] + shape.window.extent()[0];
        let (on, behind) = all.split_at_mut_checked(count * rows.pitch).unwrap_or_default();
        for (row, to) in on.chunks_exact_mut(rows.pitch.max(1)).enumerate() {
            let row = (first * shape.window.stride[0] + row).wrapping_sub(top);
            let line = match row < height {
                true => x.get(row * width * depth..(row + 1) * width * depth),
                false => None,
            };
            let line = line.unwrap_or_default();
            let before = match line {
                [] => to.len(),
                _ => (left * depth).min(to.len()),
            };
            let (front, to) = to.split_at_mut_checked(before).unwrap_or_default();
            set(front);
            let (to, back) = to.split_at_mut_checked(line.len().min(to.len())).unwrap_or_default();
            to.iter_mut().zip(line).for_each(|(to, x)| _ = to.write(convert(*x)));
            set(back);
        }
        set(behind.get_mut(..SLACK / size_of::<E>()).unwrap_or_default());
        start.cast_const().cast()
    }
}
