//! Depthwise convolution for cores without vectors: the portable loops, checked once per window.

use crate::Activation;
use crate::channels::Taps;

/// The sums of as many channels as there are, a multiple of four: of the bias and what a window of
/// `[rows, columns]` taps makes of each.
#[inline(always)]
pub(super) fn depthwise<X: Activation>(
    x: &Taps<X>,
    weights: &Taps<i8>,
    taps: [usize; 2],
    bias: &[i32],
    sums: &mut [i32],
) {
    let channels = sums.len() / 4 * 4;
    if x.last(taps) + channels > x.values.len()
        || weights.last(taps) + channels > weights.values.len()
    {
        return;
    }
    let blocks = sums.chunks_exact_mut(4).zip(bias.chunks_exact(4));
    for (block, (sums, bias)) in blocks.enumerate() {
        let (Some(sums), Some(bias)) = (sums.first_chunk_mut::<4>(), bias.first_chunk()) else {
            return;
        };
        let (from, of) = (x.values.as_ptr(), weights.values.as_ptr());
        let (from, of) = (from.wrapping_add(block * 4), of.wrapping_add(block * 4));
        // SAFETY: four values of every tap and block lie in the slices, as was just checked.
        *sums = unsafe { window((from, x.steps), (of, weights.steps), taps, *bias) };
    }
}

/// # Safety
///
/// Four values and four weights of every tap must be there.
#[inline(always)]
unsafe fn window<X: Activation>(
    (mut x_row, x_steps): (*const X, [usize; 2]),
    (mut weight_row, weight_steps): (*const i8, [usize; 2]),
    [rows, columns]: [usize; 2],
    [mut a, mut b, mut c, mut d]: [i32; 4],
) -> [i32; 4] {
    for _ in 0..rows {
        let (mut x, mut weights) = (x_row, weight_row);
        for _ in 0..columns {
            // SAFETY: the caller says that they are there.
            let product = |channel: usize| unsafe {
                (*x.add(channel)).to_i32() * i32::from(*weights.add(channel))
            };
            a = a.wrapping_add(product(0));
            b = b.wrapping_add(product(1));
            c = c.wrapping_add(product(2));
            d = d.wrapping_add(product(3));
            x = x.wrapping_add(x_steps[0]);
            weights = weights.wrapping_add(weight_steps[0]);
        }
        x_row = x_row.wrapping_add(x_steps[1]);
        weight_row = weight_row.wrapping_add(weight_steps[1]);
    }
    [a, b, c, d]
}
