//! A fully connected layer's weights as the target's kernels want them, made at compile time.

use super::arranged::{Arranged, add_connected};
use super::{Chosen, Target};
use crate::{Activation, Checksum, Requantize};

/// What a target's kernels know of one output of a fully connected layer beside its weights: their sum,
/// if it asks.
pub type ConnectedSum = [SumElement; Chosen::CONNECTED_SUMS as usize];

/// Where there are no sums, nothing that is aligned as they would be.
#[cfg(any(kernels = "mve", kernels = "aarch64"))]
type SumElement = i32;
#[cfg(not(any(kernels = "mve", kernels = "aarch64")))]
type SumElement = i8;

/// The weights of a fully connected layer, in the target's order.
pub struct ConnectedWeights<const OUT: usize, const IN: usize> {
    sums: [ConnectedSum; OUT],
    weights: [[i8; IN]; OUT],
}

impl<const OUT: usize, const IN: usize> ConnectedWeights<OUT, IN> {
    pub(crate) const fn new(weights: [[i8; IN]; OUT]) -> Self {
        let mut sums = [[0; Chosen::CONNECTED_SUMS as usize]; OUT];
        let mut i = 0;
        while Chosen::CONNECTED_SUMS && i < OUT * IN {
            let sum: &mut [SumElement] = &mut sums[i / IN];
            sum[0] += weights[i / IN][i % IN] as SumElement;
            i += 1;
        }
        Self { sums, weights: connected(weights) }
    }
}

impl<const OUT: usize, const IN: usize> ConnectedWeights<OUT, IN> {
    #[inline(always)]
    fn get(&self) -> (&[i8], &[ConnectedSum]) {
        (self.weights.as_flattened(), &self.sums)
    }

    /// The accumulators, requantized and saturated.
    #[inline(always)]
    pub(crate) fn forward<X: Activation, R: Requantize, Y: Activation>(
        &self,
        x: &[X],
        bias: &[i32],
        requantize: &[R],
        y: &mut [Y],
    ) {
        Chosen::fully_connected(x, self.get(), bias, requantize, y);
    }

    /// The accumulators.
    #[inline(always)]
    pub(crate) fn logits<X: Activation>(&self, x: &[X], bias: &[i32], logits: &mut [i32]) {
        Chosen::fully_connected_logits(x, self.get(), bias, logits);
    }
}

impl<const OUT: usize, const IN: usize> Arranged for ConnectedWeights<OUT, IN> {
    fn add_weights(&self, shape: [usize; 2], sum: &mut Checksum) {
        add_connected(self.weights.as_flattened(), shape, &self.sums, sum);
    }
}

/// Weights `[out][in]` of a fully connected layer in the target's order: per four outputs
/// [`Target::GROUP`] inputs of each in turn, then what is left of each. The outputs that are left
/// over stay as they are.
const fn connected<const OUT: usize, const IN: usize>(weights: [[i8; IN]; OUT]) -> [[i8; IN]; OUT] {
    const GROUP: usize = Chosen::GROUP;
    if GROUP == 0 {
        return weights;
    }
    let grouped = IN / GROUP * GROUP;
    let mut arranged = weights;
    let mut block = 0;
    while block + 4 <= OUT {
        let mut i = 0;
        while i < 4 * grouped {
            let (group, output, input) = (i / (4 * GROUP), i / GROUP % 4, i % GROUP);
            arranged[block + i / IN][i % IN] = weights[block + output][group * GROUP + input];
            i += 1;
        }
        while i < 4 * IN {
            let (output, input) =
                ((i - 4 * grouped) / (IN - grouped), (i - 4 * grouped) % (IN - grouped));
            arranged[block + i / IN][i % IN] = weights[block + output][grouped + input];
            i += 1;
        }
        block += 4;
    }
    arranged
}
