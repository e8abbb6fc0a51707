//! Grouped convolution with compile-time shapes.

use core::marker::PhantomData;

use super::geometry::padding_value_fits;
use super::{Geometry, Unit};
use crate::kernels::{self, Conv2dShape};
use crate::{Activation, Checked, Checksum, Requantize, Shift, Window};

/// Convolution to `OC` channels with windows of `KH` x `KW` pixels in groups of `GC` input
/// channels; `G` is its stride, dilation and padding.
///
/// ```
/// use firmware_core::{GroupedConv2d, Shift};
/// // Two groups of two channels, one output each.
/// static CONV: GroupedConv2d<2, 1, 1, 2> =
///     GroupedConv2d::new([[[[1, 1]]], [[[1, -1]]]], [0; 2], [Shift::new(0); 2]);
/// let mut y = [[[0xa5u8; 2]]];
/// CONV.forward(&[[[1u8, 2, 7, 4]]], &mut y);
/// assert_eq!(y, [[[3, 3]]]);
/// ```
///
/// ```compile_fail
/// use firmware_core::{GroupedConv2d, Shift};
/// static CONV: GroupedConv2d<2, 1, 1, 2> =
///     GroupedConv2d::new([[[[1, 1]]], [[[1, -1]]]], [0; 2], [Shift::new(0); 2]);
/// CONV.forward(&[[[1u8; 3]]], &mut [[[0u8; 2]]]); // three channels are no groups of two
/// ```
pub struct GroupedConv2d<
    const OC: usize,
    const KH: usize,
    const KW: usize,
    const GC: usize,
    G = Unit,
    R = Shift,
> {
    pub(super) weights: [[[[i8; GC]; KW]; KH]; OC],
    pub(super) bias: [i32; OC],
    pub(super) requantize: [R; OC],
    geometry: PhantomData<G>,
}

impl<const OC: usize, const KH: usize, const KW: usize, const GC: usize, G: Geometry, R: Copy>
    GroupedConv2d<OC, KH, KW, GC, G, R>
{
    /// Weights `[out][kernel row][kernel column][channel in the group]`; per output channel a
    /// bias, at the accumulator's exponent, and a requantization.
    pub const fn new(
        weights: [[[[i8; GC]; KW]; KH]; OC],
        bias: [i32; OC],
        requantize: [R; OC],
    ) -> Self {
        const {
            assert!(GC > 0 && OC > 0, "a convolution has at least one input and one output channel")
        };
        Self { weights, bias, requantize, geometry: PhantomData }
    }

    pub(super) const WINDOW: Window = Window::of::<G>([KH, KW]);

    const fn shape(input: [usize; 3], [height, width]: [usize; 2]) -> Conv2dShape {
        Conv2dShape::of::<G>(input, [height, width, OC], [KH, KW])
    }
}

impl<const OC: usize, const KH: usize, const KW: usize, const GC: usize, G: Geometry, R: Requantize>
    GroupedConv2d<OC, KH, KW, GC, G, R>
{
    /// The accumulators, requantized and saturated.
    pub fn forward<
        X: Activation,
        Y: Activation,
        const IC: usize,
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
            assert!(IC > 0 && IC % GC == 0, "the input channels must fill whole groups");
            assert!(OC % (IC / GC) == 0, "every group must have as many output channels");
            assert!(
                matches!(Self::WINDOW.output_size([IH, IW]), [h, w] if h == OH && w == OW),
                "the output's height and width must match the convolution's"
            )
        };
        let shape = Self::shape([IH, IW, IC], [OH, OW]);
        kernels::grouped_conv2d(
            &shape,
            IC / GC,
            x.as_flattened().as_flattened(),
            self.weights.as_flattened().as_flattened().as_flattened(),
            &self.bias,
            &self.requantize,
            y.as_flattened_mut().as_flattened_mut(),
        );
    }
}

impl<const OC: usize, const KH: usize, const KW: usize, const GC: usize, G, R: Checked> Checked
    for GroupedConv2d<OC, KH, KW, GC, G, R>
{
    fn add_to(&self, sum: &mut Checksum) {
        self.weights.add_to(sum);
        self.bias.add_to(sum);
        self.requantize.add_to(sum);
    }
}
