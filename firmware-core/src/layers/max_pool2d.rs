//! Max pooling with compile-time shapes.

use core::marker::PhantomData;

use super::{Geometry, Strided};
use crate::arch::{Chosen, Target};
use crate::kernels::Pool2dShape;
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

    pub(super) const WINDOW: Window = Window::of::<G>([KH, KW]);

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
            assert!(
                matches!(Self::WINDOW.output_size([IH, IW]), [h, w] if h == OH && w == OW),
                "the output's height and width must match the pooling's"
            )
        };
        let shape = Pool2dShape { input: [IH, IW, C], output: [OH, OW, C], window: Self::WINDOW };
        Chosen::max_pool2d(
            &shape,
            x.as_flattened().as_flattened(),
            y.as_flattened_mut().as_flattened_mut(),
        );
    }
}
