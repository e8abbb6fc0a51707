//! Elements of an image, picked by row, column and channel.

use crate::Activation;

/// Element `[i][j][k]` of `y` is element `[rows[i]][columns[j]][channels[k]]` of `x`, whose height,
/// width and channels are `input`; `places` are rows, columns and channels.
pub fn gather<X: Activation>(
    [_, width, depth]: [usize; 3],
    [rows, columns, channels]: [&[u16]; 3],
    x: &[X],
    y: &mut [X],
) {
    let mut pixels = y.chunks_exact_mut(channels.len().max(1));
    for &row in rows {
        for (&column, pixel) in columns.iter().zip(pixels.by_ref()) {
            let start = (usize::from(row) * width + usize::from(column)) * depth;
            let picked = x.get(start..).unwrap_or_default();
            for (y, &channel) in pixel.iter_mut().zip(channels) {
                if let Some(x) = picked.get(usize::from(channel)) {
                    *y = *x;
                }
            }
        }
    }
}
