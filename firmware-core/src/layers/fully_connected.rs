//! The fully connected layer with compile-time shapes.

use crate::arch::{Chosen, Target, connected};
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
    // In the target's order.
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
        Self { weights: connected(weights), bias, requantize }
    }

    /// The accumulators.
    pub fn logits<X: Activation>(&self, x: &[X; IN]) -> [i32; OUT] {
        let mut logits = [0; OUT];
        let weights = self.weights.as_flattened();
        Chosen::fully_connected_logits(x, weights, &self.bias, &mut logits);
        logits
    }
}

impl<const OUT: usize, const IN: usize, R: Requantize> FullyConnected<OUT, IN, R> {
    /// The accumulators, requantized and saturated.
    pub fn forward<X: Activation, Y: Activation>(&self, x: &[X; IN], y: &mut [Y; OUT]) {
        let weights = self.weights.as_flattened();
        Chosen::fully_connected(x, weights, &self.bias, &self.requantize, y);
    }
}
