//! Depthwise convolution with compile-time shapes.

use core::marker::PhantomData;

use super::geometry::padding_value_fits;
use super::{Geometry, Unit};
#[cfg(not(host))]
use crate::arch::PackedDepthwise;
use crate::arch::{Arranged, DepthwiseStorage, DepthwiseWeights, EightBits, FourBits, Storage};
use crate::channels;
use crate::kernels::{self, Conv2dShape};
#[cfg(host)]
use crate::nibbles::check as check_four_bits;
use crate::nibbles::filter_bytes;
use crate::{Activation, Checked, Checksum, Requantize, Shift, Window};

/// Convolution with windows of `KH` x `KW` pixels in which each of the `OC` output channels reads
/// one input channel; `G` is its stride, dilation and padding, `S` how its weights are stored.
///
/// With twice as many output channels as input channels, outputs 0 and 1 read input 0, and so on.
///
/// ```
/// use firmware_core::{DepthwiseConv2d, Shift};
/// static CONV: DepthwiseConv2d<2, 1, 2> =
///     DepthwiseConv2d::new([[[1, 0], [1, 3]]], [0, -1], [Shift::new(1), Shift::new(0)]);
/// let x = [[[9u8, 1], [3, 2]]];
/// let mut y = [[[0xa5u8; 2]]];
/// CONV.forward(&x, &mut y);
/// assert_eq!(y, [[[6, 5]]]); // (9 + 3) / 2 and 3 * 2 - 1
/// ```
///
/// ```compile_fail
/// use firmware_core::{DepthwiseConv2d, Shift};
/// static CONV: DepthwiseConv2d<3, 1, 1> = DepthwiseConv2d::new([[[1; 3]]], [0; 3], [Shift::new(0); 3]);
/// CONV.forward(&[[[9u8, 1]]], &mut [[[0u8; 3]]]); // three channels cannot share two
/// ```
pub struct DepthwiseConv2d<
    const OC: usize,
    const KH: usize,
    const KW: usize,
    G = Unit,
    R = Shift,
    S: Storage = EightBits,
> {
    pub(super) weights: S::Depthwise<OC, KH, KW>,
    pub(super) bias: [i32; OC],
    pub(super) requantize: [R; OC],
    geometry: PhantomData<G>,
}

impl<const OC: usize, const KH: usize, const KW: usize, G: Geometry, R: Copy>
    DepthwiseConv2d<OC, KH, KW, G, R>
{
    /// Weights `[kernel row][kernel column][out]`; per output channel a bias, at the
    /// accumulator's exponent, and a requantization.
    pub const fn new(weights: [[[i8; OC]; KW]; KH], bias: [i32; OC], requantize: [R; OC]) -> Self {
        const { assert!(OC > 0, "a convolution has at least one output channel") };
        Self { weights: DepthwiseWeights(weights), bias, requantize, geometry: PhantomData }
    }
}

impl<const OC: usize, const KH: usize, const KW: usize, G: Geometry, R: Copy, const BYTES: usize>
    DepthwiseConv2d<OC, KH, KW, G, R, FourBits<BYTES>>
{
    /// As [`DepthwiseConv2d::new`], with weights from -7 to 7. They take [`filter_bytes`] for all of them
    /// together, and a byte each on the stack while the layer runs.
    ///
    /// ```
    /// use firmware_core::{DepthwiseConv2d, FourBits, Shift, Unit};
    /// static CONV: DepthwiseConv2d<2, 1, 2, Unit, Shift, FourBits<4>> =
    ///     DepthwiseConv2d::four_bits([[[1, 0], [1, -7]]], [0, 30], [Shift::new(1), Shift::new(0)]);
    /// let mut y = [[[0xa5u8; 2]]];
    /// CONV.forward(&[[[9u8, 1], [3, 2]]], &mut y);
    /// assert_eq!(y, [[[6, 16]]]); // (9 + 3) / 2 and 30 - 7 * 2
    /// ```
    ///
    /// # Panics
    ///
    /// If a weight is below -7 or above 7: in a `static` that is a compile error.
    pub const fn four_bits(
        weights: [[[i8; OC]; KW]; KH],
        bias: [i32; OC],
        requantize: [R; OC],
    ) -> Self {
        const {
            assert!(OC > 0, "a convolution has at least one output channel");
            assert!(BYTES == filter_bytes(KH * KW * OC), "weights take whole groups")
        };
        #[cfg(host)]
        check_four_bits(&[weights]);
        #[cfg(host)]
        let weights = DepthwiseWeights(weights);
        #[cfg(not(host))]
        let weights = PackedDepthwise::new(weights);
        Self { weights, bias, requantize, geometry: PhantomData }
    }
}

impl<const OC: usize, const KH: usize, const KW: usize, G: Geometry, R, S: Storage>
    DepthwiseConv2d<OC, KH, KW, G, R, S>
{
    pub(super) const WINDOW: Window = Window::of::<G>([KH, KW]);

    const fn shape(input: [usize; 3], [height, width]: [usize; 2]) -> Conv2dShape {
        Conv2dShape::of::<G>(input, [height, width, OC], [KH, KW])
    }
}

impl<const OC: usize, const KH: usize, const KW: usize, G: Geometry, R: Requantize, S: Storage>
    DepthwiseConv2d<OC, KH, KW, G, R, S>
{
    /// The accumulators, requantized and saturated.
    pub fn forward<
        X: Activation,
        Y: Activation,
        const IC: usize,
        const IH: usize,
        const IW: usize,
        const OH: usize,
        const OW: usize,
    >(
        &self,
        x: &[[[X; IC]; IW]; IH],
        y: &mut [[[Y; OC]; OW]; OH],
    ) {
        const {
            assert!(
                padding_value_fits::<G, X>(),
                "an activation must be able to be what is padded"
            );
            assert!(
                IC > 0 && OC % IC == 0,
                "the output channels must be a multiple of the input channels"
            );
            assert!(
                matches!(Self::WINDOW.output_size([IH, IW]), [h, w] if h == OH && w == OW),
                "the output's height and width must match the convolution's"
            )
        };
        let shape = Self::shape([IH, IW, IC], [OH, OW]);
        let (x, y) = (x.as_flattened().as_flattened(), y.as_flattened_mut().as_flattened_mut());
        let weights = self.weights.unpacked();
        let weights = weights.as_ref();
        if const { OC == IC && OC >= 4 } {
            channels::depthwise_conv2d(&shape, x, weights, &self.bias, &self.requantize, y);
        } else {
            kernels::depthwise_conv2d(&shape, x, weights, &self.bias, &self.requantize, y);
        }
    }
}

impl<const OC: usize, const KH: usize, const KW: usize, G, R: Checked, S: Storage> Checked
    for DepthwiseConv2d<OC, KH, KW, G, R, S>
{
    fn add_to(&self, sum: &mut Checksum) {
        self.weights.add_weights([1, KH * KW * OC], sum);
        self.bias.add_to(sum);
        self.requantize.add_to(sum);
    }
}
