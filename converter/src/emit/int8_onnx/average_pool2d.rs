//! `average_pool2d`: QLinearConv in which every channel has a kernel of ones.

use super::*;

impl Emitter<'_> {
    pub(super) fn average_pool2d(
        &mut self,
        layer: &QuantizedLayer,
        window: &Window,
        bits: u32,
        input: Shape,
    ) -> String {
        let channels = input.channels;
        let ones = Parameters {
            weights: vec![1; channels * window.kernel[0] * window.kernel[1]],
            bias: vec![0; channels],
            weight_exponents: vec![bits as i32; channels],
            requantization: Requantization::None,
        };
        self.linear_conv(layer, &ones, window, channels, [input, layer.output])
    }
}
