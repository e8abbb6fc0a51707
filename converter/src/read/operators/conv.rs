//! Conv: dense, grouped and depthwise, over one or two dimensions.

use super::*;

pub(super) fn conv(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let image = node.image(reader, &[Layout::ChannelsFirst])?;
    let input = image.shape;
    let weights = node.constant(reader, 1)?;
    let (out, channels, kernel) = match (image.rank, weights.dims()) {
        (3, &[out, channels, kw]) => (out, channels, [1, kw]),
        (4, &[out, channels, kh, kw]) => (out, channels, [kh, kw]),
        (rank, dims) => {
            let expected = if rank == 3 { "[O, I, K]" } else { "[O, I, KH, KW]" };
            return Err(node.wrong(format!("weights have the shape {dims:?}; expected {expected}")));
        }
    };
    let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
    if groups == 0
        || out == 0
        || !out.is_multiple_of(groups)
        || channels.checked_mul(groups) != Some(input.channels)
    {
        return Err(node.wrong(format!(
            "weights from {groups} groups of {channels} channels to {out}; the input has {} channels",
            input.channels
        )));
    }
    if let Some(shape) = node.ints("kernel_shape")
        && !shape.iter().map(|&k| k as usize).eq(weights.dims()[2..].iter().copied())
    {
        return Err(node.wrong(format!(
            "kernel_shape {shape:?} is not that of the weights {:?}",
            weights.dims()
        )));
    }
    let (window, [height, width]) = window::window(node, kernel, &image)?;
    let shape = Shape::new(height, width, out);
    reader.check_elements(node.proto, &shape.hwc())?;
    reader.check_work(node.proto, height * width * out, kernel[0] * kernel[1] * channels)?;
    let taps = kernel[0] * kernel[1];
    let oihw = weights.floats()?;
    let mut ohwi = Vec::with_capacity(oihw.len());
    for o in 0..out {
        for position in 0..taps {
            ohwi.extend((0..channels).map(|c| oihw[(o * channels + c) * taps + position]));
        }
    }
    let bias = bias(node, reader, 2, out)?;
    let operator = Operator::Conv2d { weights: ohwi, bias, window, groups };
    reader.push_shaped(node.proto, operator, &[image.value], shape, image.view(shape))
}
