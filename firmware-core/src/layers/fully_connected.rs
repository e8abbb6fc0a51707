//! The fully connected layer with compile-time shapes.

#[cfg(not(host))]
use crate::arch::PackedConnected;
use crate::arch::{Arranged, ConnectedWeights, EightBits, FourBits, Storage};
#[cfg(host)]
use crate::nibbles::check as check_four_bits;
use crate::nibbles::filter_bytes;
use crate::{Activation, Checked, Checksum, Requantize, Shift};

/// `OUT` weighted sums of `IN` inputs.
///
/// `R` is `()` for the layer that ends a network and is never requantized; `S` is how its weights are
/// stored.
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
#[cfg_attr(host, repr(C, align(64)))]
pub struct FullyConnected<const OUT: usize, const IN: usize, R = Shift, S: Storage = EightBits> {
    weights: S::Connected<OUT, IN>,
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
        Self { weights: ConnectedWeights::new(weights), bias, requantize }
    }
}

impl<const OUT: usize, const IN: usize, const BYTES: usize>
    FullyConnected<OUT, IN, (), FourBits<BYTES>>
{
    /// The layer that ends a network, with weights from -7 to 7.
    pub const fn four_bit_logits_only(weights: [[i8; IN]; OUT], bias: [i32; OUT]) -> Self {
        Self::four_bits(weights, bias, [(); OUT])
    }
}

impl<const OUT: usize, const IN: usize, R: Copy, const BYTES: usize>
    FullyConnected<OUT, IN, R, FourBits<BYTES>>
{
    /// As [`FullyConnected::new`], with weights from -7 to 7, which take [`filter_bytes`] for each
    /// output.
    ///
    /// ```
    /// use firmware_core::{FourBits, FullyConnected};
    /// static LAST: FullyConnected<1, 2, (), FourBits<4>> =
    ///     FullyConnected::four_bit_logits_only([[-7, 5]], [-9]);
    /// assert_eq!(LAST.logits(&[2u8, 1]), [-18]);
    /// ```
    ///
    /// # Panics
    ///
    /// If a weight is below -7 or above 7: in a `static` that is a compile error.
    pub const fn four_bits(
        weights: [[i8; IN]; OUT],
        bias: [i32; OUT],
        requantize: [R; OUT],
    ) -> Self {
        const {
            assert!(IN > 0 && OUT > 0, "a layer has at least one input and one output");
            assert!(BYTES == OUT * filter_bytes(IN), "rows take whole groups of weights")
        };
        #[cfg(host)]
        check_four_bits(&[[weights]]);
        #[cfg(host)]
        let weights = ConnectedWeights::new(weights);
        #[cfg(not(host))]
        let weights = PackedConnected::new(weights);
        Self { weights, bias, requantize }
    }
}

/// The kernels of a storage. Each storage has methods of its own, because the compiler makes better code
/// of calls that it can see through before it knows the sizes.
macro_rules! kernels {
    ($storage:ty $(, const $bytes:ident)?) => {
        impl<const OUT: usize, const IN: usize, R: Copy $(, const $bytes: usize)?>
            FullyConnected<OUT, IN, R, $storage>
        {
            /// The accumulators.
            pub fn logits<X: Activation>(&self, x: &[X; IN]) -> [i32; OUT] {
                let mut logits = [0; OUT];
                self.weights.logits(x, &self.bias, &mut logits);
                logits
            }
        }

        impl<const OUT: usize, const IN: usize, R: Requantize $(, const $bytes: usize)?>
            FullyConnected<OUT, IN, R, $storage>
        {
            /// The accumulators, requantized and saturated.
            pub fn forward<X: Activation, Y: Activation>(&self, x: &[X; IN], y: &mut [Y; OUT]) {
                self.weights.forward(x, &self.bias, &self.requantize, y);
            }
        }
    };
}

kernels!(EightBits);
kernels!(FourBits<BYTES>, const BYTES);

impl<const OUT: usize, const IN: usize, R: Checked, S: Storage> Checked
    for FullyConnected<OUT, IN, R, S>
{
    fn add_to(&self, sum: &mut Checksum) {
        self.weights.add_weights([OUT, IN], sum);
        self.bias.add_to(sum);
        self.requantize.add_to(sum);
    }
}
