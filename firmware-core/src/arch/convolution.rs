//! A convolution as kernels are given it, and what runs one whose weights are known at run time only.

#[cfg(not(all(host, kernels = "x86_64")))]
use super::Chosen;
#[cfg(all(host, not(kernels = "x86_64")))]
use super::ConvolutionFilters;
#[cfg(host)]
use super::Target;
use super::Weights;
use crate::kernels::Conv2dShape;
#[cfg(all(host, not(kernels = "x86_64")))]
use crate::kernels::{self, Pool2dShape};
use crate::window::Interior;
#[cfg(all(host, not(kernels = "x86_64")))]
use crate::{Activation, Requantize};

/// A convolution, its weights and its input.
pub(crate) struct Convolution<'a, X, R, W = Weights<'a>, P = Whole> {
    pub shape: &'a Conv2dShape,
    /// The windows that lie on the input, of all rows and columns of them.
    #[cfg_attr(not(kernels), allow(dead_code))]
    pub interior: &'a Interior,
    pub x: &'a [X],
    pub weights: W,
    /// One per output channel, as are the requantizations.
    pub bias: &'a [i32],
    pub requantize: &'a [R],
    /// The output channels that they are for.
    #[cfg_attr(not(kernels), allow(dead_code))]
    pub place: P,
}

/// Which of the output channels of a pixel a convolution computes: of a whole known at compile time, of a part
/// where the target computes it [in parts](super::Target::IN_PARTS).
#[cfg_attr(not(kernels), allow(dead_code))]
pub(crate) trait Place: Copy {
    /// The first of them.
    fn first(self) -> usize;

    /// How many a pixel has, if these are `channels`.
    #[allow(dead_code)] // not every target asks
    fn depth(self, channels: usize) -> usize;
}

/// All output channels.
#[derive(Clone, Copy)]
pub(crate) struct Whole;

impl Place for Whole {
    #[inline(always)]
    fn first(self) -> usize {
        0
    }

    #[inline(always)]
    fn depth(self, channels: usize) -> usize {
        channels
    }
}

/// Those from `first` on of `depth`.
#[derive(Clone, Copy)]
#[cfg_attr(any(not(kernels), host), allow(dead_code))]
pub(crate) struct Part {
    pub first: usize,
    pub depth: usize,
}

impl Place for Part {
    #[inline(always)]
    fn first(self) -> usize {
        self.first
    }

    #[inline(always)]
    fn depth(self, _: usize) -> usize {
        self.depth
    }
}

/// What runs convolutions whose weights are known at run time only: the target's kernels, unless they
/// want the weights in several orders at once.
#[cfg(not(host))]
pub(crate) type Convolving = Chosen;

/// The portable kernels, or on other hosts those that take the weights in their natural order.
#[cfg(host)]
pub(crate) enum Convolving {}

#[cfg(kernels = "x86_64")]
impl Target for Convolving {
    const NAME: &'static str = "portable";
}

#[cfg(all(host, not(kernels = "x86_64")))]
impl Target for Convolving {
    const NAME: &'static str = Chosen::NAME;

    #[inline(always)]
    fn conv2d<X: Activation, R: Copy, W: ConvolutionFilters, Y>(
        convolution: &Convolution<X, R, W>,
        staged: bool,
        sums: &mut [[i32; 4]],
        finish: impl Fn(R, i32) -> Y + Copy,
        y: &mut [Y],
    ) {
        if convolution.weights.sums().len() == convolution.shape.output[2] {
            return convolution.conv2d(staged, sums, finish, y);
        }
        let Convolution { shape, x, weights, bias, requantize, .. } = convolution;
        kernels::convolve(shape, x, weights.scalar(), bias, requantize, finish, y);
    }

    #[inline(always)]
    fn conv2d_max_pool2d<X: Activation, R: Requantize, W: ConvolutionFilters, Y: Activation>(
        convolution: &Convolution<X, R, W>,
        staged: bool,
        pool: &Pool2dShape,
        sums: &mut [[i32; 4]],
        y: &mut [Y],
    ) {
        if convolution.weights.sums().len() == convolution.shape.output[2] {
            return convolution.max_pool2d(staged, pool, sums, y);
        }
        let Convolution { shape, x, weights, bias, requantize, .. } = convolution;
        let (shapes, weights) = ((*shape, pool), weights.scalar());
        kernels::convolve_max_pool2d(shapes, x, weights, bias, requantize, y);
    }
}
