//! Kernel, stride, dilation and padding of a node's windows.

use firmware_core::WindowError;

use super::*;

/// The largest kernel, stride or padding.
const LARGEST: i64 = 64;

/// The window of a node over an image of two dimensions, or of one whose height is 1, and the size
/// of its output. Sizes of one dimension come as `[1, K]`.
pub(crate) fn window(
    node: &Cursor,
    kernel: [usize; 2],
    image: &Image,
) -> Result<(Window, [usize; 2]), ReadError> {
    let spatial = image.rank - 2;
    let input = image.shape;
    let pair = |name: &str, least: i64| -> Result<[usize; 2], ReadError> {
        match node.ints(name) {
            None => Ok([1, 1]),
            Some(sizes)
                if sizes.len() == spatial
                    && sizes.iter().all(|s| (least..=LARGEST).contains(s)) =>
            {
                let last = sizes[spatial - 1] as usize;
                Ok([if spatial == 1 { 1 } else { sizes[0] as usize }, last])
            }
            Some(other) => Err(node.wrong(format!(
                "{name} {other:?}; expected {spatial} sizes from {least} to {LARGEST}"
            ))),
        }
    };
    let (stride, dilation) = (pair("strides", 1)?, pair("dilations", 1)?);
    if kernel.iter().any(|&k| !(1..=LARGEST as usize).contains(&k)) {
        return Err(node.wrong(format!("a kernel {kernel:?}; expected sizes from 1 to {LARGEST}")));
    }
    let size = [input.height, input.width];
    let extent = Window { dilation, ..Window::new(kernel) }.extent();
    let auto_pad = node.attributes().string("auto_pad", "NOTSET");
    let mut pads: [usize; 4] = match auto_pad.as_str() {
        "" | "NOTSET" => match (node.ints("pads"), spatial) {
            (None, _) => [0; 4],
            (Some(pads), _) if pads.iter().any(|p| !(0..=LARGEST).contains(p)) => {
                return Err(
                    node.wrong(format!("pads {pads:?}; expected sizes from 0 to {LARGEST}"))
                );
            }
            (Some(&[t, l, b, r]), 2) => [t, l, b, r].map(|pad| pad as usize),
            (Some(&[l, r]), 1) => [0, l as usize, 0, r as usize],
            (Some(pads), _) => {
                return Err(node.wrong(format!("pads {pads:?}; expected {} sizes", 2 * spatial)));
            }
        },
        "VALID" => [0; 4],
        same @ ("SAME_UPPER" | "SAME_LOWER") => {
            let mut pads = [0; 4];
            for axis in 0..2 {
                let outputs = size[axis].div_ceil(stride[axis]);
                let total =
                    ((outputs - 1) * stride[axis] + extent[axis]).saturating_sub(size[axis]);
                let less = total / 2;
                let begin = if same == "SAME_UPPER" { less } else { total - less };
                pads[axis] = begin;
                pads[axis + 2] = total - begin;
            }
            pads
        }
        other => return Err(node.wrong(format!("auto_pad {other} is not supported"))),
    };
    if node.int("ceil_mode", 0) != 0 {
        // One more window where some input is left, unless it would start in the padding: the
        // same as more padding at the end.
        for axis in 0..2 {
            let padded = size[axis] + pads[axis] + pads[axis + 2];
            let left = padded.saturating_sub(extent[axis]) % stride[axis];
            let last = padded.saturating_sub(extent[axis]) / stride[axis] + 1;
            if left > 0 && last * stride[axis] < size[axis] + pads[axis] {
                pads[axis + 2] += stride[axis] - left;
            }
        }
    }
    let window = Window { kernel, stride, dilation, padding: pads };
    let output = window.checked_output_size(size).map_err(|error| {
        node.wrong(match error {
            WindowError::Padding => {
                format!("padding {pads:?} reaches the kernel's size {kernel:?}")
            }
            WindowError::TooLarge => {
                format!("the kernel {kernel:?} is larger than its input {input}")
            }
            WindowError::Empty => error.to_string(),
        })
    })?;
    // What no window reaches is no padding, wherever it is asked later.
    Ok((window.trimmed(size, output), output))
}
