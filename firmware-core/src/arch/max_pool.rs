//! Max pooling of several channels at a time: of each window's pixels one after the other, what is larger is kept.

use crate::Activation;
use crate::kernels::Pool2dShape;

#[cfg(kernels = "armv7em")]
#[path = "armv7em_larger.rs"]
mod assembly;
#[cfg(kernels = "mve")]
#[path = "mve_larger.rs"]
mod assembly;

/// [`kernels::max_pool2d`](crate::kernels::max_pool2d)
#[inline(never)]
pub(super) fn max_pool2d<X: Activation>(shape: &Pool2dShape, x: &[X], y: &mut [X]) {
    let ([_, in_width, depth], [_, width, _]) = (shape.input, shape.output);
    let [down, right] = shape.window.dilation;
    let [mut row, mut column] = [0, 0];
    for pixel in y.chunks_exact_mut(depth.max(1)) {
        let [rows, columns] = shape.patch(row, column);
        pixel.fill(X::MIN);
        let first = (rows.input * in_width + columns.input) * depth;
        for tap in 0..rows.len {
            let mut from = first + tap * down * in_width * depth;
            for _ in 0..columns.len {
                if let Some(x) = x.get(from..).and_then(|x| x.get(..depth)) {
                    keep_larger(x, pixel);
                }
                from += right * depth;
            }
        }
        column += 1;
        if column == width {
            (row, column) = (row + 1, 0);
        }
    }
}

/// Keeps in `y` what is larger, of as many elements as both have.
#[inline(always)]
fn keep_larger<X: Activation>(x: &[X], y: &mut [X]) {
    let count = x.len().min(y.len());
    let whole = count / assembly::TOGETHER * assembly::TOGETHER;
    if whole > 0 {
        let (x, y) = (x.as_ptr().cast(), y.as_mut_ptr().cast());
        // SAFETY: the routines read `whole` bytes of both, a multiple of what they take together and not none, and write
        // as many. They keep to the procedure call standard.
        unsafe {
            if X::UNSIGNED {
                assembly::larger_unsigned(x, y, whole);
            } else {
                assembly::larger_signed(x, y, whole);
            }
        }
    }
    let left = x.iter().zip(y).skip(whole);
    left.for_each(|(x, y)| *y = (*y).max(*x));
}
