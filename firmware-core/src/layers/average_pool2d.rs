//! Average pooling with compile-time shapes.

use core::marker::PhantomData;

use super::{Geometry, Strided};
use crate::channels;
use crate::kernels::{self, Pool2dShape};
use crate::{Activation, Checked, Checksum, Requantize, Shift, Window};

/// Sums over windows of `KH` x `KW` pixels that by default touch without overlapping, requantized.
///
/// A mean divides by the window's area. The requantization divides by a power of two; what is
/// left of the factor belongs into the weights of the next layer.
///
/// ```
/// use firmware_core::{AveragePool2d, Shift};
/// static POOL: AveragePool2d<2, 2> = AveragePool2d::new(Shift::new(2));
/// let mut y = [[[0xa5]]];
/// POOL.forward(&[[[1u8], [7]], [[3], [3]]], &mut y);
/// assert_eq!(y, [[[4u8]]]); // 3.5, to the even neighbour
/// ```
///
/// ```compile_fail
/// use firmware_core::{AveragePool2d, Shift};
/// static POOL: AveragePool2d<2, 2> = AveragePool2d::new(Shift::new(2));
/// let mut y = [[[0u8]; 2]]; // 1 x 2, but a 2 x 2 input has one window
/// POOL.forward(&[[[1u8], [7]], [[3], [2]]], &mut y);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AveragePool2d<const KH: usize, const KW: usize, G = Strided<KH, KW>, R = Shift> {
    pub(super) requantize: R,
    geometry: PhantomData<G>,
}

impl<const KH: usize, const KW: usize, G: Geometry, R: Requantize> AveragePool2d<KH, KW, G, R> {
    /// The pooling; all channels are requantized alike.
    pub const fn new(requantize: R) -> Self {
        const { assert!(KH * KW <= 1 << 16, "the sum of a window must stay below 2^24") };
        Self { requantize, geometry: PhantomData }
    }

    pub(super) const WINDOW: Window = Window::of::<G>([KH, KW]);

    /// The sums, requantized and saturated.
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
        let (x, y) = (x.as_flattened().as_flattened(), y.as_flattened_mut().as_flattened_mut());
        if const { C >= 4 } {
            channels::average_pool2d(&shape, x, self.requantize, y);
        } else {
            kernels::average_pool2d(&shape, x, self.requantize, y);
        }
    }
}

impl<const KH: usize, const KW: usize, G, R: Checked> Checked for AveragePool2d<KH, KW, G, R> {
    fn add_to(&self, sum: &mut Checksum) {
        self.requantize.add_to(sum);
    }
}
