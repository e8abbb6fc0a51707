//! Average pooling with the roundings of ONNX Runtime and compile-time shapes.

use core::marker::PhantomData;

use super::{Geometry, Strided};
use crate::kernels::{self, Pool2dShape};
use crate::{Activation, Checked, Checksum, FloatMean, Window};

/// Means over windows of `KH` x `KW` pixels that by default touch without overlapping, in the output's
/// scale and zero point: see [`FloatMean`]. With `WHOLE` the padding counts.
///
/// ```
/// use firmware_core::{FloatMean, FloatMeanPool2d};
/// static POOL: FloatMeanPool2d<2, 2> =
///     FloatMeanPool2d::new(FloatMean::new((0.5, 128), (0.25, 3)));
/// let mut y = [[[0xa5u8]]];
/// POOL.forward(&[[[130u8], [128]], [[133], [129]]], &mut y);
/// assert_eq!(y, [[[7]]]); // (1 + 0 + 2.5 + 0.5) / 4 / 0.25 + 3
/// ```
///
/// ```compile_fail
/// use firmware_core::{FloatMean, FloatMeanPool2d};
/// static POOL: FloatMeanPool2d<2, 2> = FloatMeanPool2d::new(FloatMean::new((0.5, 0), (0.5, 0)));
/// let mut y = [[[0u8]; 2]]; // 1 x 2, but a 2 x 2 input has one window
/// POOL.forward(&[[[1u8], [7]], [[3], [2]]], &mut y);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FloatMeanPool2d<
    const KH: usize,
    const KW: usize,
    G = Strided<KH, KW>,
    const WHOLE: bool = false,
> {
    mean: FloatMean,
    geometry: PhantomData<G>,
}

impl<const KH: usize, const KW: usize, G: Geometry, const WHOLE: bool>
    FloatMeanPool2d<KH, KW, G, WHOLE>
{
    /// The pooling.
    pub const fn new(mean: FloatMean) -> Self {
        const { assert!(KH * KW <= 1 << 14, "the sum of a window must stay below 2^48") };
        Self { mean, geometry: PhantomData }
    }

    const WINDOW: Window = Window::of::<G>([KH, KW]);

    /// The mean of every window, channel by channel.
    pub fn forward<
        X: Activation,
        Y: Activation,
        const C: usize,
        const IH: usize,
        const IW: usize,
        const OH: usize,
        const OW: usize,
    >(
        &self,
        x: &[[[X; C]; IW]; IH],
        y: &mut [[[Y; C]; OW]; OH],
    ) {
        const {
            assert!(C > 0, "a tensor has at least one channel");
            assert!(
                matches!(Self::WINDOW.output_size([IH, IW]), [h, w] if h == OH && w == OW),
                "the output's height and width must match the pooling's"
            )
        };
        let shape = Pool2dShape { input: [IH, IW, C], output: [OH, OW, C], window: Self::WINDOW };
        kernels::float_mean_pool2d(
            &shape,
            self.mean,
            WHOLE,
            x.as_flattened().as_flattened(),
            y.as_flattened_mut().as_flattened_mut(),
        );
    }
}

impl<const KH: usize, const KW: usize, G, const WHOLE: bool> Checked
    for FloatMeanPool2d<KH, KW, G, WHOLE>
{
    fn add_to(&self, sum: &mut Checksum) {
        self.mean.add_to(sum);
    }
}
