//! The fully connected layer with compile-time shapes.

#[cfg(kernels)]
use crate::arch::target;
use crate::kernels;
use crate::{Activation, Requantize, Shift};

/// `OUT` weighted sums of `IN` inputs.
///
/// `R` is `()` for the layer that ends a network and is never requantized.
///
/// ```
/// use firmware_core::{FullyConnected, Shift};
/// static HIDDEN: FullyConnected<2, 3> =
///     FullyConnected::new([[1, 2, 3], [-1, -2, -3]], [4, 0], [Shift::new(1), Shift::new(0)]);
/// static LAST: FullyConnected<1, 2, ()> = FullyConnected::logits_only([[1, 1]], [-9]);
/// let mut hidden = [0xa5; 2];
/// HIDDEN.forward(&[1u8, 1, 1], &mut hidden);
/// assert_eq!(hidden, [5u8, 0]);
/// assert_eq!(LAST.logits(&hidden), [-4]);
/// ```
///
/// ```compile_fail
/// use firmware_core::{FullyConnected, Shift};
/// static HIDDEN: FullyConnected<2, 3> = FullyConnected::new([[0; 3]; 2], [0; 2], [Shift::new(0); 2]);
/// HIDDEN.forward(&[1u8; 4], &mut [0u8; 2]); // four inputs instead of three
/// ```
// Whole vectors of weights, which come first, then lie in one cache line.
#[cfg_attr(kernels = "x86_64", repr(C, align(64)))]
pub struct FullyConnected<const OUT: usize, const IN: usize, R = Shift> {
    weights: [[i8; IN]; OUT],
    bias: [i32; OUT],
    requantize: [R; OUT],
}

impl<const OUT: usize, const IN: usize> FullyConnected<OUT, IN, ()> {
    /// The layer that ends a network: weights `[out][in]`, and one bias per output at the logits'
    /// exponent.
    pub const fn logits_only(weights: [[i8; IN]; OUT], bias: [i32; OUT]) -> Self {
        Self::new(weights, bias, [(); OUT])
    }
}

impl<const OUT: usize, const IN: usize, R: Copy> FullyConnected<OUT, IN, R> {
    /// Weights `[out][in]`; per output a bias, at the accumulator's exponent, and a
    /// requantization.
    pub const fn new(weights: [[i8; IN]; OUT], bias: [i32; OUT], requantize: [R; OUT]) -> Self {
        const { assert!(IN > 0 && OUT > 0, "a layer has at least one input and one output") };
        Self { weights, bias, requantize }
    }

    /// Calls `output(index, sum of products)` for every output, if there are four.
    #[cfg(kernels)]
    #[inline(always)]
    fn by_four<X: Activation>(&self, x: &[X; IN], mut output: impl FnMut(usize, i32)) -> bool {
        if OUT < 4 {
            return false;
        }
        for first in (0..OUT).step_by(4) {
            // The last four overlap the ones before where OUT is no multiple of four.
            let first = first.min(OUT - 4);
            let rows = self.weights.get(first..).and_then(|rows| rows.first_chunk::<4>());
            let Some(rows) = rows else { return false };
            let sums = target::dot4(x, rows.as_flattened());
            for (i, sum) in sums.into_iter().enumerate() {
                output(first + i, sum);
            }
        }
        true
    }

    /// The accumulators.
    pub fn logits<X: Activation>(&self, x: &[X; IN]) -> [i32; OUT] {
        let mut logits = [0; OUT];
        #[cfg(kernels)]
        if self.by_four(x, |output, sum| {
            if let (Some(y), Some(bias)) = (logits.get_mut(output), self.bias.get(output)) {
                *y = bias.wrapping_add(sum);
            }
        }) {
            return logits;
        }
        kernels::fully_connected_logits(x, self.weights.as_flattened(), &self.bias, &mut logits);
        logits
    }
}

impl<const OUT: usize, const IN: usize, R: Requantize> FullyConnected<OUT, IN, R> {
    /// The accumulators, requantized and saturated.
    pub fn forward<X: Activation, Y: Activation>(&self, x: &[X; IN], y: &mut [Y; OUT]) {
        #[cfg(kernels = "x86_64")]
        if target::fully_connected(x, self.weights.as_flattened(), &self.bias, &self.requantize, y)
        {
            return;
        }
        #[cfg(kernels)]
        if self.by_four(x, |output, sum| {
            let channel = (self.bias.get(output), self.requantize.get(output));
            if let (Some(y), (Some(bias), Some(requantize))) = (y.get_mut(output), channel) {
                *y = Y::saturate(requantize.apply(bias.wrapping_add(sum)));
            }
        }) {
            return;
        }
        kernels::fully_connected(x, self.weights.as_flattened(), &self.bias, &self.requantize, y);
    }
}
