//! Average pooling that leaves its padding out, with compile-time shapes.

use core::marker::PhantomData;

use super::{Geometry, Strided};
use crate::kernels::{self, Pool2dShape};
use crate::{Activation, Checked, Checksum, Requantize, Shift, Window};

/// Means over windows of `KH` x `KW` pixels, `AREA` in all, without what lies on the padding.
///
/// ```
/// use firmware_core::{AveragePool2dInside, Shift, Strided};
/// static POOL: AveragePool2dInside<2, 1, 2, Strided<1, 2, 0, 1, 0, 0>> =
///     AveragePool2dInside::new([4, 2], Shift::new(2));
/// let mut y = [[[0xa5u8]; 2]];
/// POOL.forward(&[[[10u8], [7], [4]]], &mut y);
/// assert_eq!(y, [[[10], [6]]]); // one pixel, and 5.5 to the even neighbour
/// ```
///
/// ```compile_fail
/// use firmware_core::{AveragePool2dInside, Shift};
/// static POOL: AveragePool2dInside<1, 1, 2> = AveragePool2dInside::new([2], Shift::new(1)); // two pixels
/// POOL.forward(&[[[10u8], [7]]], &mut [[[0u8]]]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AveragePool2dInside<
    const AREA: usize,
    const KH: usize,
    const KW: usize,
    G = Strided<KH, KW>,
    R = Shift,
> {
    reciprocals: [i32; AREA],
    requantize: R,
    geometry: PhantomData<G>,
}

impl<const AREA: usize, const KH: usize, const KW: usize, G: Geometry, R: Requantize>
    AveragePool2dInside<AREA, KH, KW, G, R>
{
    const WINDOW: Window = Window::of::<G>([KH, KW]);

    /// The factors of windows with one pixel on the input, with two, and so on.
    pub const fn new(reciprocals: [i32; AREA], requantize: R) -> Self {
        const { assert!(AREA == KH * KW, "a factor for each number of pixels") };
        Self { reciprocals, requantize, geometry: PhantomData }
    }

    /// The means, requantized and saturated.
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
        kernels::average_pool2d_inside(
            &Pool2dShape { input: [IH, IW, C], output: [OH, OW, C], window: Self::WINDOW },
            x.as_flattened().as_flattened(),
            &self.reciprocals,
            self.requantize,
            y.as_flattened_mut().as_flattened_mut(),
        );
    }
}

impl<const AREA: usize, const KH: usize, const KW: usize, G, R: Checked> Checked
    for AveragePool2dInside<AREA, KH, KW, G, R>
{
    fn add_to(&self, sum: &mut Checksum) {
        self.reciprocals.add_to(sum);
        self.requantize.add_to(sum);
    }
}
