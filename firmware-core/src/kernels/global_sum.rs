//! Sums over whole images, some rows at a time.

use crate::Activation;

/// Adds the pixels of `x`, `[pixel][channel]`, to the sums of their channels.
pub fn add_pixels<X: Activation>(x: &[X], sums: &mut [i32]) {
    let depth = sums.len().max(1);
    // Four at a time, for which a sum is loaded and stored once.
    let mut fours = x.chunks_exact(4 * depth);
    for four in fours.by_ref() {
        let (upper, lower) = four.split_at(2 * depth);
        let ((a, b), (c, d)) = (upper.split_at(depth), lower.split_at(depth));
        let pixels = a.iter().zip(b).zip(c.iter().zip(d));
        for (sum, ((a, b), (c, d))) in sums.iter_mut().zip(pixels) {
            let [a, b, c, d] = [a, b, c, d].map(|value| value.to_i32());
            *sum = sum.wrapping_add(a + b + c + d);
        }
    }
    for pixel in fours.remainder().chunks_exact(depth) {
        for (sum, x) in sums.iter_mut().zip(pixel) {
            *sum = sum.wrapping_add(x.to_i32());
        }
    }
}
