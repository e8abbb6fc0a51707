//! Max pooling with compile-time shapes.

use core::marker::PhantomData;

use super::{Geometry, Strided};
use crate::kernels::{self, Pool2dShape};
use crate::window::output_size;
use crate::{Activation, Window};

/// Max pooling over windows of `KH` x `KW` pixels that by default touch without overlapping.
///
/// ```
/// use firmware_core::MaxPool2d;
/// static POOL: MaxPool2d<2, 2> = MaxPool2d::new();
/// let mut y = [[[0xa5]]];
/// POOL.forward(&[[[1u8], [7]], [[3], [2]]], &mut y);
/// assert_eq!(y, [[[7]]]);
/// ```
///
/// ```compile_fail
/// use firmware_core::MaxPool2d;
/// static POOL: MaxPool2d<2, 2> = MaxPool2d::new();
/// let mut y = [[[0u8]; 2]]; // 1 x 2, but a 2 x 2 input has one window
/// POOL.forward(&[[[1u8], [7]], [[3], [2]]], &mut y);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct MaxPool2d<const KH: usize, const KW: usize, G = Strided<KH, KW>>(PhantomData<G>);

impl<const KH: usize, const KW: usize, G: Geometry> MaxPool2d<KH, KW, G> {
    /// The pooling; it has no state.
    pub const fn new() -> Self {
        Self(PhantomData)
    }

    /// Windows along the rows and columns of an input of `height` x `width`.
    pub(super) const fn output(height: usize, width: usize) -> [usize; 2] {
        [
            output_size(height, KH, G::STRIDE[0], G::PADDING[0], G::PADDING[2]),
            output_size(width, KW, G::STRIDE[1], G::PADDING[1], G::PADDING[3]),
        ]
    }

    pub(super) const WINDOW: Window =
        Window { kernel: [KH, KW], stride: G::STRIDE, padding: [G::PADDING[0], G::PADDING[1]] };

    /// The largest value of every window, channel by channel.
    pub fn forward<
        X: Activation,
        const C: usize,
        const IH: usize,
        const IW: usize,
        const OH: usize,
        const OW: usize,
    >(
        &self,
        x: &[[[X; C]; IW]; IH],
        y: &mut [[[X; C]; OW]; OH],
    ) {
        const { assert!(C > 0, "a tensor has at least one channel") };
        const {
            let [height, width] = Self::output(IH, IW);
            assert!(
                OH == height && OW == width,
                "the output's height and width must match the pooling's"
            )
        };
        let shape = Pool2dShape { input: [IH, IW, C], output: [OH, OW, C], window: Self::WINDOW };
        kernels::max_pool2d(
            &shape,
            x.as_flattened().as_flattened(),
            y.as_flattened_mut().as_flattened_mut(),
        );
    }
}
