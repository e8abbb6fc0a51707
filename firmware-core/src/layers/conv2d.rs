//! Convolution with compile-time shapes, alone and fused with max pooling.

use core::marker::PhantomData;

use super::geometry::padding_value_fits;
use super::{Geometry, MaxPool2d, Unit};
#[cfg(any(kernels = "armv7m", kernels = "armv7em"))]
use crate::arch::rows;
use crate::arch::target;
#[cfg(not(kernels))]
use crate::kernels;
use crate::kernels::{Conv2dShape, Pool2dShape};
use crate::{Activation, Requantize, Shift, Window};
#[cfg(kernels)]
use crate::{arch::LayerBytes, tile::Tiled};

/// Convolution from `IC` to `OC` channels with windows of `KH` x `KW` pixels; `G` is its stride,
/// dilation and padding.
///
/// `R` is `()` for a convolution that ends a network and is never requantized.
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
#[repr(C, align(4))]
pub struct Conv2d<
    const OC: usize,
    const KH: usize,
    const KW: usize,
    const IC: usize,
    G = Unit,
    R = Shift,
> {
    // First, and in the order of C: see `LayerBytes`.
    weights: [[[[i8; IC]; KW]; KH]; OC],
    bias: [i32; OC],
    requantize: [R; OC],
    #[cfg(kernels)]
    weight_sums: [target::WeightSum; OC],
    #[cfg(kernels = "x86_64")]
    wide_weights: target::Arranged<OC, KH, KW, IC>,
    geometry: PhantomData<G>,
}

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
        Self {
            #[cfg(kernels)]
            weight_sums: target::weight_sums(&weights),
            #[cfg(kernels = "x86_64")]
            wide_weights: target::arrange_wide(&weights),
            weights: target::arrange(weights),
            bias,
            requantize,
            geometry: PhantomData,
        }
    }

    const WINDOW: Window = Window::of::<G>([KH, KW]);

    const fn shape(input: [usize; 3], [height, width]: [usize; 2]) -> Conv2dShape {
        Conv2dShape::of::<G>(input, [height, width, OC], [KH, KW])
    }

    #[cfg(not(kernels))]
    fn weights(&self) -> &[i8] {
        self.weights.as_flattened().as_flattened().as_flattened()
    }

    /// The layer over `x`, for the target's kernels.
    #[cfg(kernels)]
    fn tiled<'a, X: Activation>(&'a self, shape: Conv2dShape, x: &'a [X]) -> Tiled<'a, X> {
        const { assert!(core::mem::offset_of!(Self, weights) == 0, "the weights come first") };
        const { assert!(size_of::<i32>() * OC >= 3, "a group of weights ends inside the layer") };
        Tiled {
            shape,
            padded: Self::WINDOW.is_padded() || G::DILATION[1] != 1,
            layer: LayerBytes::of(self),
            weight_sums: &self.weight_sums,
            #[cfg(kernels = "x86_64")]
            wide_weights: self.wide_weights.words(),
            bias: &self.bias,
            x,
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
        let shape = Self::shape([IH, IW, IC], [OH, OW]);
        let x = x.as_flattened().as_flattened();
        let y = y.as_flattened_mut().as_flattened_mut();
        #[cfg(kernels)]
        self.tiled(shape, x).conv2d(&mut [[0; 4]; OC], |at, _, accumulator| {
            if let Some(y) = y.get_mut(at) {
                *y = accumulator;
            }
        });
        #[cfg(not(kernels))]
        kernels::conv2d_accumulate(&shape, x, self.weights(), &self.bias, y);
    }
}

impl<const OC: usize, const KH: usize, const KW: usize, const IC: usize, G: Geometry, R: Requantize>
    Conv2d<OC, KH, KW, IC, G, R>
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
        let shape = Self::shape([IH, IW, IC], [OH, OW]);
        let x = x.as_flattened().as_flattened();
        let y = y.as_flattened_mut().as_flattened_mut();
        #[cfg(kernels)]
        self.tiled(shape, x).conv2d(&mut [[0; 4]; OC], |at, channel, accumulator| {
            if let (Some(y), Some(requantize)) = (y.get_mut(at), self.requantize.get(channel)) {
                *y = Y::saturate(requantize.apply(accumulator));
            }
        });
        #[cfg(not(kernels))]
        kernels::conv2d(&shape, x, self.weights(), &self.bias, &self.requantize, y);
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
        let [height, width] = const { Self::WINDOW.output_size([IH, IW]) };
        let shape = Self::shape([IH, IW, IC], [height, width]);
        let pool = Pool2dShape {
            input: [height, width, OC],
            output: [OH, OW, OC],
            window: MaxPool2d::<PH, PW, PG>::WINDOW,
        };
        let x = x.as_flattened().as_flattened();
        let y = y.as_flattened_mut().as_flattened_mut();
        #[cfg(any(kernels = "armv7m", kernels = "armv7em"))]
        if rows::fit(&shape, &pool, self.tiled(shape, x).padded) {
            let weights = self.weights.as_flattened().as_flattened().as_flattened();
            let outputs = (self.bias.as_slice(), self.requantize.as_slice());
            rows::max_pool2d(&shape, &pool, (x, weights), outputs, y);
            return;
        }
        #[cfg(kernels)]
        self.tiled(shape, x).max_pool2d(&pool, &self.requantize, y, &mut [[0; 4]; OC]);
        #[cfg(not(kernels))]
        kernels::conv2d_max_pool2d(
            &shape,
            &pool,
            x,
            self.weights(),
            &self.bias,
            &self.requantize,
            y,
        );
    }
}
