//! How weights are stored: a type parameter of the layers that have them, so that a firmware links what
//! its layers need and nothing is decided while it runs.

use super::arranged::Arranged;
#[cfg(not(host))]
use super::nibbles::{PackedConnected, PackedConvolution, PackedDepthwise};
use super::weights::{ConvolutionWeights, Weights};
use super::weights_connected::ConnectedWeights;
use super::weights_depthwise::DepthwiseWeights;
#[cfg(kernels)]
use super::{Begin, Cursor, Patch};
#[cfg(kernels)]
use crate::Activation;
use crate::kernels::Filters;

/// How a layer's weights are stored: [`EightBits`] or [`FourBits`].
pub trait Storage: Sealed {
    #[doc(hidden)]
    type Convolution<const OC: usize, const KH: usize, const KW: usize, const IC: usize>: ConvolutionStorage
        + Arranged;
    #[doc(hidden)]
    type Connected<const OUT: usize, const IN: usize>: Arranged;
    #[doc(hidden)]
    type Depthwise<const OC: usize, const KH: usize, const KW: usize>: DepthwiseStorage + Arranged;
}

/// Weights of eight bits, a byte each: -127 to 127, and -128 where others quantized them.
pub enum EightBits {}

/// Weights from -7 to 7, two to a byte; `BYTES` is what they take: for each output channel, or for all
/// of them of a depthwise convolution, whole groups of eight weights, four bytes
/// ([`filter_bytes`](crate::layers::filter_bytes)).
///
/// On hosts, where flash is no matter, the compiler unpacks them.
pub enum FourBits<const BYTES: usize> {}

impl Storage for EightBits {
    type Convolution<const OC: usize, const KH: usize, const KW: usize, const IC: usize> =
        ConvolutionWeights<OC, KH, KW, IC>;
    type Connected<const OUT: usize, const IN: usize> = ConnectedWeights<OUT, IN>;
    type Depthwise<const OC: usize, const KH: usize, const KW: usize> =
        DepthwiseWeights<OC, KH, KW>;
}

#[cfg(not(host))]
impl<const BYTES: usize> Storage for FourBits<BYTES> {
    type Convolution<const OC: usize, const KH: usize, const KW: usize, const IC: usize> =
        PackedConvolution<OC, BYTES>;
    type Connected<const OUT: usize, const IN: usize> = PackedConnected<BYTES>;
    type Depthwise<const OC: usize, const KH: usize, const KW: usize> =
        PackedDepthwise<OC, KH, KW, BYTES>;
}

#[cfg(host)]
impl<const BYTES: usize> Storage for FourBits<BYTES> {
    type Convolution<const OC: usize, const KH: usize, const KW: usize, const IC: usize> =
        ConvolutionWeights<OC, KH, KW, IC>;
    type Connected<const OUT: usize, const IN: usize> = ConnectedWeights<OUT, IN>;
    type Depthwise<const OC: usize, const KH: usize, const KW: usize> =
        DepthwiseWeights<OC, KH, KW>;
}

/// What nobody else implements.
pub trait Sealed {}
impl Sealed for EightBits {}
impl<const BYTES: usize> Sealed for FourBits<BYTES> {}

/// A convolution's weights in flash.
pub trait ConvolutionStorage {
    type Filters<'a>: ConvolutionFilters
    where
        Self: 'a;

    fn get(&self) -> Self::Filters<'_>;
}

/// Copies of what four windows have in a patch, each of which begins at a word.
#[cfg(kernels)]
#[repr(C, align(4))]
pub struct Copies<X, const LEN: usize>([X; LEN]);

#[cfg(kernels)]
impl<X: Activation, const LEN: usize> Default for Copies<X, LEN> {
    #[inline(always)]
    fn default() -> Self {
        Self([X::MIN; LEN])
    }
}

#[cfg(kernels)]
impl<X, const LEN: usize> AsMut<[X]> for Copies<X, LEN> {
    #[inline(always)]
    fn as_mut(&mut self) -> &mut [X] {
        &mut self.0
    }
}

/// Values from one copy of `taps` taps to the next.
#[cfg(kernels)]
pub const fn room(taps: usize) -> usize {
    taps.next_multiple_of(4)
}

/// The same without its sizes, as kernels take it.
pub trait ConvolutionFilters: Copy {
    /// Taps that a kernel takes at once: the first tap of every patch is a multiple of it.
    #[cfg_attr(not(kernels), allow(dead_code))]
    const GROUP: usize;

    /// Taps of a patch, at most.
    #[cfg(kernels)]
    const TAPS: usize;

    /// Room for copies of the most taps of a patch.
    #[cfg(kernels)]
    type Copies<X: Activation>: Default + AsMut<[X]>;

    /// What sums must be before [`ConvolutionFilters::accumulate`] of a window's first patch.
    #[cfg(kernels)]
    const BEGIN: Begin;

    /// What lies beside the weights of an output channel.
    #[cfg(kernels)]
    type Sum;

    /// For the scalar kernels, on targets that have the weights in their natural order.
    fn scalar(self) -> impl Filters;

    /// The weights, if each has a byte.
    #[cfg_attr(not(kernels), allow(dead_code))]
    fn eight_bits(&self) -> Option<Weights<'_>>;

    /// One element per output channel.
    #[cfg(kernels)]
    fn sums(&self) -> &[Self::Sum];

    /// Those of `count` output channels from `first` on, a multiple of [`Target::BLOCK`], of `taps` taps
    /// each; for kernels that ask for nothing but bytes and sums.
    ///
    /// [`Target::BLOCK`]: super::Target::BLOCK
    #[cfg(all(kernels, not(host)))]
    fn part(&self, first: usize, count: usize, taps: usize) -> Self;

    /// Sets the first `taps` taps of a patch from where `cursor` is.
    #[cfg(kernels)]
    fn gather<X: Activation>(patch: &mut Patch, cursor: &mut Cursor<X>, taps: usize);

    /// Adds a patch, taps `first` to `first + taps` of `total`, times the weights of every channel to
    /// `sums`.
    #[cfg(kernels)]
    fn accumulate(&self, patch: &mut Patch, place: [usize; 3], sums: &mut [[i32; 4]]);

    /// Whether [`ConvolutionFilters::accumulate_one`] takes less than that.
    #[cfg(kernels)]
    const ONE: bool;

    /// [`ConvolutionFilters::accumulate`] where the four pixels of a patch are one.
    #[cfg(kernels)]
    fn accumulate_one(&self, patch: &mut Patch, place: [usize; 3], sums: &mut [[i32; 4]]);

    /// The sums of products, from what was added up.
    #[cfg(kernels)]
    fn finish(sums: [i32; 4]) -> [i32; 4];

    /// What to add to a channel's sums.
    #[cfg(kernels)]
    fn correction<X: Activation>(sum: &Self::Sum) -> i32;
}

/// The weights of a depthwise convolution in flash.
pub trait DepthwiseStorage {
    type Unpacked<'a>: AsRef<[i8]>
    where
        Self: 'a;

    /// The weights `[kernel row][kernel column][out]`, a byte each.
    fn unpacked(&self) -> Self::Unpacked<'_>;
}
