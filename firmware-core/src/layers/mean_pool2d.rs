//! Average pooling with an exact division and compile-time shapes.

use core::marker::PhantomData;

use super::{Geometry, Strided};
use crate::kernels::{self, Pool2dShape};
use crate::{Activation, Window};

/// Means over windows of `KH` x `KW` pixels that by default touch without overlapping, rounded half
/// away from zero and kept between `LOW` and `HIGH`. Padding does not count.
///
/// ```
/// use firmware_core::MeanPool2d;
/// let mut y = [[[0xa5u8 as i8]]];
/// MeanPool2d::<2, 2>::new().forward(&[[[-1i8], [-7]], [[-3], [-3]]], &mut y);
/// assert_eq!(y, [[[-4]]]); // -3.5
/// ```
///
/// ```compile_fail
/// use firmware_core::MeanPool2d;
/// let mut y = [[[0i8]; 2]]; // 1 x 2, but a 2 x 2 input has one window
/// MeanPool2d::<2, 2>::new().forward(&[[[1i8], [7]], [[3], [2]]], &mut y);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct MeanPool2d<
    const KH: usize,
    const KW: usize,
    G = Strided<KH, KW>,
    const LOW: i32 = { i32::MIN },
    const HIGH: i32 = { i32::MAX },
>(PhantomData<G>);

impl<const KH: usize, const KW: usize, G: Geometry, const LOW: i32, const HIGH: i32>
    MeanPool2d<KH, KW, G, LOW, HIGH>
{
    /// The pooling; it has no state.
    pub const fn new() -> Self {
        const { assert!(LOW <= HIGH, "the lower bound lies above the upper one") };
        const { assert!(KH * KW <= 1 << 16, "the sum of a window must stay below 2^24") };
        Self(PhantomData)
    }

    pub(super) const WINDOW: Window = Window::of::<G>([KH, KW]);

    /// The mean of every window, channel by channel.
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
        const {
            assert!(C > 0, "a tensor has at least one channel");
            assert!(
                matches!(Self::WINDOW.output_size([IH, IW]), [h, w] if h == OH && w == OW),
                "the output's height and width must match the pooling's"
            )
        };
        let shape = Pool2dShape { input: [IH, IW, C], output: [OH, OW, C], window: Self::WINDOW };
        kernels::mean_pool2d(
            &shape,
            x.as_flattened().as_flattened(),
            [X::saturate(LOW), X::saturate(HIGH)],
            y.as_flattened_mut().as_flattened_mut(),
        );
    }
}
