//! Padding as a layer of its own, for what cannot take it into its window.

use crate::Activation;

/// Puts a border of `value` around an image: rows and columns at the `[top, left, bottom, right]`.
///
/// `x` is `[height][width][channel]` as `input` says, `y` likewise and larger by the border.
pub fn pad2d<X: Activation>(
    input: [usize; 3],
    [top, left, bottom, right]: [usize; 4],
    value: X,
    x: &[X],
    y: &mut [X],
) {
    let [height, width, depth] = input;
    let mut rows = y.chunks_exact_mut(((left + width + right) * depth).max(1));
    rows.by_ref().take(top).for_each(|row| row.fill(value));
    for (x, row) in x.chunks_exact((width * depth).max(1)).take(height).zip(rows.by_ref()) {
        let (before, row) = row.split_at_mut_checked(left * depth).unwrap_or_default();
        before.fill(value);
        let (row, after) = row.split_at_mut_checked(width * depth).unwrap_or_default();
        row.iter_mut().zip(x).for_each(|(y, x)| *y = *x);
        after.fill(value);
    }
    rows.take(bottom).for_each(|row| row.fill(value));
}
