//! Depthwise convolution, four channels of a window at a time, by routines of the target: of windows that cover
//! three columns, and of any others.

use crate::Activation;
use crate::channels::Taps;

/// How many columns the routines for three of them have gone on at the end of a row.
const GONE: usize = if cfg!(kernels = "armv6m") { 3 } else { 0 };

/// The sums of as many channels as there are, a multiple of four: of the bias and what a window of
/// `[rows, columns]` taps makes of each.
#[inline(always)]
pub(super) fn depthwise<X: Activation>(
    x: &Taps<X>,
    weights: &Taps<i8>,
    [rows, columns]: [usize; 2],
    bias: &[i32],
    sums: &mut [i32],
) {
    let blocks = sums.len().min(bias.len()) / 4;
    let inside = x.last([rows, columns]).saturating_add(blocks * 4) <= x.values.len()
        && weights.last([rows, columns]).saturating_add(blocks * 4) <= weights.values.len();
    if rows == 0 || columns == 0 || blocks == 0 || !inside {
        return;
    }
    let wide = if columns == 3 { GONE } else { columns };
    let back = |step: usize| wide.wrapping_mul(step);
    let mut job = Job {
        x: x.values.as_ptr().cast(),
        weights: weights.values.as_ptr(),
        bias: bias.as_ptr(),
        sums: sums.as_mut_ptr(),
        steps: [x.steps[0], weights.steps[0]],
        rows: [
            x.steps[1].wrapping_sub(back(x.steps[0])),
            weights.steps[1].wrapping_sub(back(weights.steps[0])),
        ],
        row: rows,
        taps: [rows, columns],
        blocks,
    };
    // SAFETY: the routines read four values of every tap and block, which all lie in the slices, as
    // was just checked, and read and write as many sums as there are. They keep to the procedure
    // call standard.
    unsafe {
        match (X::UNSIGNED, columns == 3) {
            (true, true) => depthwise3_unsigned(&mut job),
            (false, true) => depthwise3_signed(&mut job),
            (true, false) => depthwise_unsigned(&mut job),
            (false, false) => depthwise_signed(&mut job),
        }
    }
}

/// A window, in the order in which the routines expect it.
#[repr(C)]
struct Job {
    x: *const u8,
    weights: *const i8,
    bias: *const i32,
    sums: *mut i32,
    /// Bytes from one tap to the next, of the values and of the weights.
    steps: [usize; 2],
    /// Bytes from where a row ends to where the next begins.
    rows: [usize; 2],
    /// Rows left.
    row: usize,
    taps: [usize; 2],
    blocks: usize,
}

unsafe extern "C" {
    #[link_name = symbol!("depthwise3_unsigned")]
    fn depthwise3_unsigned(job: *mut Job);
    #[link_name = symbol!("depthwise3_signed")]
    fn depthwise3_signed(job: *mut Job);
    #[link_name = symbol!("depthwise_unsigned")]
    fn depthwise_unsigned(job: *mut Job);
    #[link_name = symbol!("depthwise_signed")]
    fn depthwise_signed(job: *mut Job);
}
