//! Conv: dense, grouped and depthwise.

use super::*;

pub(super) fn conv(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let (view, input) = image(node, reader)?;
    let weights = node.constant(reader, 1)?;
    let &[out, channels, kh, kw] = &weights.dims[..] else {
        return Err(node
            .wrong(format!("weights have the shape {:?}; expected [O, I, KH, KW]", weights.dims)));
    };
    let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
    if groups == 0
        || !out.is_multiple_of(groups)
        || channels.checked_mul(groups) != Some(input.channels)
    {
        return Err(node.wrong(format!(
            "weights from {groups} groups of {channels} channels to {out}; the input has {} channels",
            input.channels
        )));
    }
    let (window, [height, width]) = window(node, [kh, kw], input)?;
    let oihw = weights.floats()?;
    let mut ohwi = Vec::with_capacity(oihw.len());
    for o in 0..out {
        for position in 0..kh * kw {
            ohwi.extend((0..channels).map(|c| oihw[(o * channels + c) * kh * kw + position]));
        }
    }
    let bias = bias(node, reader, 2, out)?;
    let operator = Operator::Conv2d { weights: ohwi, bias, window, groups };
    let shape = Shape::new(height, width, out);
    reader.push(node.proto, operator, &[view.value], |value| View::nchw(value, shape))
}
