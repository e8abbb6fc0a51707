//! Convolution with compile-time shapes, alone and fused with max pooling.

use core::marker::PhantomData;

use super::{Geometry, MaxPool2d, Unit};
#[cfg(any(kernels = "armv7m", kernels = "armv7em"))]
use crate::arch::rows;
use crate::arch::target;
#[cfg(not(kernels))]
use crate::kernels;
use crate::kernels::{Conv2dShape, Pool2dShape};
use crate::window::output_size;
use crate::{Activation, Requantize, Shift, Window};
#[cfg(kernels)]
use crate::{arch::LayerBytes, tile::Tiled};

/// Convolution from `IC` to `OC` channels with windows of `KH` x `KW` pixels; `G` is its stride
/// and zero padding.
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

    const WINDOW: Window =
        Window { kernel: [KH, KW], stride: G::STRIDE, padding: [G::PADDING[0], G::PADDING[1]] };

    /// Height and width of the output for an input of `height` x `width`.
    const fn output(height: usize, width: usize) -> [usize; 2] {
        [
            output_size(height, KH, G::STRIDE[0], G::PADDING[0], G::PADDING[2]),
            output_size(width, KW, G::STRIDE[1], G::PADDING[1], G::PADDING[3]),
        ]
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
        let [top, left, bottom, right] = G::PADDING;
        Tiled {
            shape,
            padded: top + left + bottom + right > 0,
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
            let [height, width] = Self::output(IH, IW);
            assert!(
                OH == height && OW == width,
                "the output's height and width must match the convolution's"
            )
        };
        let shape = Conv2dShape { input: [IH, IW, IC], output: [OH, OW, OC], window: Self::WINDOW };
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
            let [height, width] = Self::output(IH, IW);
            assert!(
                OH == height && OW == width,
                "the output's height and width must match the convolution's"
            )
        };
        let shape = Conv2dShape { input: [IH, IW, IC], output: [OH, OW, OC], window: Self::WINDOW };
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
            let [height, width] = Self::output(IH, IW);
            let [height, width] = MaxPool2d::<PH, PW, PG>::output(height, width);
            assert!(
                OH == height && OW == width,
                "the output's height and width must match the pooling's"
            )
        };
        let [height, width] = const { Self::output(IH, IW) };
        let shape =
            Conv2dShape { input: [IH, IW, IC], output: [height, width, OC], window: Self::WINDOW };
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
