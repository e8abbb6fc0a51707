//! Convolution with compile-time shapes, alone and fused with max pooling.

use core::marker::PhantomData;

use super::geometry::padding_value_fits;
use super::{Geometry, MaxPool2d, Unit};
#[cfg(not(host))]
use crate::arch::PackedConvolution;
use crate::arch::{
    Arranged, Chosen, Convolution, ConvolutionStorage, ConvolutionWeights, EightBits, FourBits,
    Storage, Target, Whole,
};
use crate::channels;
use crate::kernels::{Conv2dShape, Pool2dShape, accumulated};
#[cfg(host)]
use crate::nibbles::check as check_four_bits;
use crate::nibbles::filter_bytes;
use crate::{Activation, Checked, Checksum, Requantize, Shift, Window};

/// Scratch for the sums of `OC` output channels, or of as many of them as the target computes at a time.
#[inline(always)]
pub(super) fn with_sums<const OC: usize>(compute: impl FnOnce(&mut [[i32; 4]])) {
    const { assert!(channels::MOST / Chosen::BLOCK * Chosen::BLOCK == channels::MOST, "whole blocks") };
    if const { Chosen::IN_PARTS && OC > channels::MOST } {
        compute(&mut [[0; 4]; channels::MOST]);
    } else {
        compute(&mut [[0; 4]; OC]);
    }
}

/// Convolution from `IC` to `OC` channels with windows of `KH` x `KW` pixels; `G` is its stride,
/// dilation and padding.
///
/// `R` is `()` for a convolution that ends a network and is never requantized; `S` is how its weights
/// are stored.
///
/// ```
/// use firmware_core::{Conv2d, MaxPool2d, Shift};
/// static CONV: Conv2d<1, 1, 2, 1> = Conv2d::new([[[[1], [-1]]]], [3], [Shift::new(1)]);
/// static POOL: MaxPool2d<1, 2> = MaxPool2d::new();
/// let x = [[[9u8], [2], [8]]];
/// let mut y = [[[0xa5u8]; 2]];
/// CONV.forward(&x, &mut y);
/// assert_eq!(y, [[[5], [0]]]); // (9 - 2 + 3) / 2, and (2 - 8 + 3) / 2 is below zero
/// let mut pooled = [[[0xa5u8]]];
/// CONV.forward_max_pool2d(&POOL, &x, &mut pooled);
/// assert_eq!(pooled, [[[5]]]);
/// ```
///
/// ```compile_fail
/// use firmware_core::{Conv2d, Shift};
/// static CONV: Conv2d<1, 1, 2, 1> = Conv2d::new([[[[1], [-1]]]], [3], [Shift::new(1)]);
/// let mut y = [[[0u8]; 3]]; // three columns, but only two windows fit on three pixels
/// CONV.forward(&[[[9u8], [2], [8]]], &mut y);
/// ```
pub struct Conv2d<
    const OC: usize,
    const KH: usize,
    const KW: usize,
    const IC: usize,
    G = Unit,
    R = Shift,
    S: Storage = EightBits,
> {
    pub(super) weights: S::Convolution<OC, KH, KW, IC>,
    pub(super) bias: [i32; OC],
    pub(super) requantize: [R; OC],
    geometry: PhantomData<G>,
}

/// The weights of a convolution as kernels take them.
type Filters<'a, S, const OC: usize, const KH: usize, const KW: usize, const IC: usize> =
    <<S as Storage>::Convolution<OC, KH, KW, IC> as ConvolutionStorage>::Filters<'a>;

impl<const OC: usize, const KH: usize, const KW: usize, const IC: usize, G: Geometry>
    Conv2d<OC, KH, KW, IC, G, ()>
{
    /// The convolution that ends a network: weights `[out][kernel row][kernel column][in]`, and
    /// one bias per output channel at the logits' exponent.
    pub const fn logits_only(weights: [[[[i8; IC]; KW]; KH]; OC], bias: [i32; OC]) -> Self {
        Self::new(weights, bias, [(); OC])
    }
}

impl<const OC: usize, const KH: usize, const KW: usize, const IC: usize, G: Geometry, R: Copy>
    Conv2d<OC, KH, KW, IC, G, R>
{
    /// Weights `[out][kernel row][kernel column][in]`; per output channel a bias, at the
    /// accumulator's exponent, and a requantization.
    pub const fn new(
        weights: [[[[i8; IC]; KW]; KH]; OC],
        bias: [i32; OC],
        requantize: [R; OC],
    ) -> Self {
        const {
            assert!(IC > 0 && OC > 0, "a convolution has at least one input and one output channel")
        };
        Self { weights: ConvolutionWeights::new(weights), bias, requantize, geometry: PhantomData }
    }
}

impl<
    const OC: usize,
    const KH: usize,
    const KW: usize,
    const IC: usize,
    G: Geometry,
    const BYTES: usize,
> Conv2d<OC, KH, KW, IC, G, (), FourBits<BYTES>>
{
    /// The convolution that ends a network, with weights from -7 to 7.
    pub const fn four_bit_logits_only(
        weights: [[[[i8; IC]; KW]; KH]; OC],
        bias: [i32; OC],
    ) -> Self {
        Self::four_bits(weights, bias, [(); OC])
    }
}

impl<
    const OC: usize,
    const KH: usize,
    const KW: usize,
    const IC: usize,
    G: Geometry,
    R: Copy,
    const BYTES: usize,
> Conv2d<OC, KH, KW, IC, G, R, FourBits<BYTES>>
{
    /// As [`Conv2d::new`], with weights from -7 to 7, which take [`filter_bytes`] for each output
    /// channel.
    ///
    /// ```
    /// use firmware_core::{Conv2d, FourBits, Shift, Unit};
    /// static CONV: Conv2d<1, 1, 2, 1, Unit, Shift, FourBits<4>> =
    ///     Conv2d::four_bits([[[[1], [-7]]]], [3], [Shift::new(0)]);
    /// let mut y = [[[0xa5u8]]];
    /// CONV.forward(&[[[9u8], [1]]], &mut y);
    /// assert_eq!(y, [[[5]]]); // 9 - 7 + 3
    /// ```
    ///
    /// # Panics
    ///
    /// If a weight is below -7 or above 7: in a `static` that is a compile error.
    ///
    /// ```compile_fail
    /// use firmware_core::{Conv2d, FourBits, Shift, Unit};
    /// static CONV: Conv2d<1, 1, 2, 1, Unit, Shift, FourBits<4>> =
    ///     Conv2d::four_bits([[[[1], [-8]]]], [3], [Shift::new(0)]);
    /// ```
    pub const fn four_bits(
        weights: [[[[i8; IC]; KW]; KH]; OC],
        bias: [i32; OC],
        requantize: [R; OC],
    ) -> Self {
        const {
            assert!(
                IC > 0 && OC > 0,
                "a convolution has at least one input and one output channel"
            );
            assert!(
                BYTES == OC * filter_bytes(KH * KW * IC),
                "filters take whole groups of weights"
            )
        };
        #[cfg(host)]
        check_four_bits(&weights);
        #[cfg(host)]
        let weights = ConvolutionWeights::new(weights);
        #[cfg(not(host))]
        let weights = PackedConvolution::new(weights);
        Self { weights, bias, requantize, geometry: PhantomData }
    }
}

impl<
    const OC: usize,
    const KH: usize,
    const KW: usize,
    const IC: usize,
    G: Geometry,
    R: Copy,
    S: Storage,
> Conv2d<OC, KH, KW, IC, G, R, S>
{
    pub(super) const WINDOW: Window = Window::of::<G>([KH, KW]);

    /// Whether some window may reach beyond the input or have gaps between its pixels.
    pub(super) const STAGED: bool = Self::WINDOW.is_padded() || G::DILATION[1] != 1;

    /// The layer over an input of `IH` x `IW` pixels.
    #[inline(always)]
    fn over<'a, X: Activation, const IH: usize, const IW: usize>(
        &'a self,
        x: &'a [[[X; IC]; IW]; IH],
    ) -> Convolution<'a, X, R, Filters<'a, S, OC, KH, KW, IC>> {
        const {
            assert!(padding_value_fits::<G, X>(), "an activation must be able to be what is padded")
        };
        // References to constants: nothing is copied, and the compiler sees through them.
        let shape = const {
            let [height, width] = Self::WINDOW.output_size([IH, IW]);
            &Conv2dShape::of::<G>([IH, IW, IC], [height, width, OC], [KH, KW])
        };
        let interior =
            const { &Self::WINDOW.interior([IH, IW], Self::WINDOW.output_size([IH, IW])) };
        Convolution {
            shape,
            interior,
            x: x.as_flattened().as_flattened(),
            weights: self.weights.get(),
            bias: &self.bias,
            requantize: &self.requantize,
            place: Whole,
        }
    }

    /// The accumulators.
    pub fn accumulate<
        X: Activation,
        const IH: usize,
        const IW: usize,
        const OH: usize,
        const OW: usize,
    >(
        &self,
        x: &[[[X; IC]; IW]; IH],
        y: &mut [[[i32; OC]; OW]; OH],
    ) {
        const {
            assert!(
                padding_value_fits::<G, X>(),
                "an activation must be able to be what is padded"
            );
            assert!(
                matches!(Self::WINDOW.output_size([IH, IW]), [h, w] if h == OH && w == OW),
                "the output's height and width must match the convolution's"
            )
        };
        let y = y.as_flattened_mut().as_flattened_mut();
        with_sums::<OC>(|sums| Chosen::conv2d(&self.over(x), Self::STAGED, sums, accumulated, y));
    }
}

impl<
    const OC: usize,
    const KH: usize,
    const KW: usize,
    const IC: usize,
    G: Geometry,
    R: Requantize,
    S: Storage,
> Conv2d<OC, KH, KW, IC, G, R, S>
{
    /// The accumulators, requantized and saturated.
    pub fn forward<
        X: Activation,
        Y: Activation,
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
                matches!(Self::WINDOW.output_size([IH, IW]), [h, w] if h == OH && w == OW),
                "the output's height and width must match the convolution's"
            )
        };
        let y = y.as_flattened_mut().as_flattened_mut();
        with_sums::<OC>(|sums| Chosen::convolve(&self.over(x), Self::STAGED, sums, y));
    }

    /// Convolution and pooling in one pass; `y` is the pooled output, and the integers are those
    /// of [`Conv2d::forward`] followed by [`MaxPool2d::forward`].
    pub fn forward_max_pool2d<
        X: Activation,
        Y: Activation,
        PG: Geometry,
        const PH: usize,
        const PW: usize,
        const IH: usize,
        const IW: usize,
        const OH: usize,
        const OW: usize,
    >(
        &self,
        _pool: &MaxPool2d<PH, PW, PG>,
        x: &[[[X; IC]; IW]; IH],
        y: &mut [[[Y; OC]; OW]; OH],
    ) {
        const {
            assert!(
                padding_value_fits::<G, X>(),
                "an activation must be able to be what is padded"
            );
            let convolved = Self::WINDOW.output_size([IH, IW]);
            let pooled = MaxPool2d::<PH, PW, PG>::WINDOW.output_size(convolved);
            assert!(
                matches!(pooled, [h, w] if h == OH && w == OW),
                "the output's height and width must match the pooling's"
            )
        };
        let convolution = self.over(x);
        let pool = const {
            let [height, width] = Self::WINDOW.output_size([IH, IW]);
            &Pool2dShape {
                input: [height, width, OC],
                output: [OH, OW, OC],
                window: MaxPool2d::<PH, PW, PG>::WINDOW,
            }
        };
        let y = y.as_flattened_mut().as_flattened_mut();
        with_sums::<OC>(|sums| {
            Chosen::conv2d_max_pool2d(&convolution, Self::STAGED, pool, sums, y);
        });
    }
}

impl<const OC: usize, const KH: usize, const KW: usize, const IC: usize, G, R: Checked, S: Storage>
    Checked for Conv2d<OC, KH, KW, IC, G, R, S>
{
    fn add_to(&self, sum: &mut Checksum) {
        self.weights.add_weights([OC, KH * KW * IC], sum);
        self.bias.add_to(sum);
        self.requantize.add_to(sum);
    }
}
