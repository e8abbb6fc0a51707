//! Sums over whole images, some rows at a time.

use crate::Activation;

/// Adds the pixels of `x`, `[pixel][channel]`, to the sums of their channels.
pub fn add_pixels<X: Activation>(x: &[X], sums: &mut [i32]) {
    for pixel in x.chunks_exact(sums.len().max(1)) {
        for (sum, x) in sums.iter_mut().zip(pixel) {
            *sum = sum.wrapping_add(x.to_i32());
        }
    }
}
