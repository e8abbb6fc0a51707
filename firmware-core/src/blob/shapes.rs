//! Whether the sizes of a layer's inputs, result and window belong together.

use super::format::{Kind, MOST_ELEMENTS};
use super::{Element, Fault, Layer, ValueInfo};
use crate::Window;
use crate::kernels::Pool2dShape;

/// A value with at least one element and not too many.
pub(super) fn is_sized(value: ValueInfo) -> bool {
    let [height, width, channels] = value.shape;
    let area = height.checked_mul(width).and_then(|area| area.checked_mul(channels));
    matches!(area, Some(1..=MOST_ELEMENTS))
}

/// The rows and columns that a window makes of `input`. All that kernels compute with it fits 32 bits:
/// nothing is larger than the padded input, and that has no more than 255 rows or columns beyond
/// each side.
pub(super) fn output_size(window: &Window, input: [usize; 2]) -> Result<[usize; 2], Fault> {
    let size = window.checked_output_size(input).map_err(|_| Fault::Window)?;
    let [top, left, bottom, right] = window.padding;
    let padded = [input[0] + top + bottom, input[1] + left + right];
    for axis in 0..2 {
        let free = padded[axis].saturating_sub(window.extent()[axis]);
        let pointless = window.kernel[axis] == 1 && window.dilation[axis] != 1;
        if window.stride[axis] > free + 1 || pointless {
            return Err(Fault::Window);
        }
    }
    Ok(size)
}

/// A convolution's rows and columns before its pooling.
pub(super) fn convolved(layer: &Layer, input: [usize; 3]) -> Result<[usize; 2], Fault> {
    output_size(&layer.window(), [input[0], input[1]])
}

/// A pooling over `input`, of which the windows make `output`.
pub(super) fn pool(window: Window, input: [usize; 3], output: [usize; 3]) -> Pool2dShape {
    Pool2dShape { input, output, window }
}

/// Whether what a layer of one input reads and computes fits together.
pub(super) fn check(layer: &Layer, input: ValueInfo, output: ValueInfo) -> Result<(), Fault> {
    let ([height, width, depth], [.., channels]) = (input.shape, output.shape);
    let size = [output.shape[0], output.shape[1]];
    let size_of = |window: Window, input: [usize; 2]| output_size(&window, input);
    let fits = match layer.kind {
        Kind::Conv2d => convolved(layer, input.shape)? == size,
        Kind::Conv2dMaxPool2d => size_of(layer.pool(), convolved(layer, input.shape)?)? == size,
        Kind::DepthwiseConv2d => channels % depth == 0 && convolved(layer, input.shape)? == size,
        Kind::GroupedConv2d => {
            let groups = usize::try_from(layer.extra()[0]).map_err(|_| Fault::Number)?;
            let whole = |channels: usize| channels.checked_rem(groups) == Some(0);
            whole(depth) && whole(channels) && convolved(layer, input.shape)? == size
        }
        Kind::MaxPool2d | Kind::AveragePool2d | Kind::AveragePool2dInside | Kind::MeanPool2d => {
            channels == depth && convolved(layer, input.shape)? == size
        }
        Kind::Pad2d => {
            let [top, left, bottom, right] = layer.window().padding;
            let size = [height + top + bottom, width + left + right];
            output.shape == [size[0], size[1], depth]
        }
        Kind::FullyConnected | Kind::Gather => true,
        Kind::LeakyRelu | Kind::PRelu | Kind::Lookup => input.len() == output.len(),
        Kind::Add | Kind::Mul | Kind::AffineAdd | Kind::AffineMul | Kind::Concat => false,
    };
    if !fits {
        return Err(Fault::Shape);
    }
    let padding = match input.element {
        Element::I8 => -128..=127,
        _ => 0..=255,
    };
    if !padding.contains(&layer.padding_value()) {
        return Err(Fault::Number);
    }
    Ok(())
}

/// Multiply-accumulates of one inference; taps that fall on padding count.
pub(super) fn macs(layer: &Layer, input: ValueInfo, output: ValueInfo, weights: usize) -> u64 {
    let pixels = match layer.kind {
        Kind::FullyConnected => 1,
        Kind::Conv2dMaxPool2d => match convolved(layer, input.shape) {
            Ok([height, width]) => height * width,
            Err(_) => 0,
        },
        _ => output.shape[0] * output.shape[1],
    };
    pixels as u64 * weights as u64
}
