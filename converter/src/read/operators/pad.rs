//! Pad, as Keras exports ZeroPadding2D.

use super::*;

/// Zeros around the image. Amounts and value are attributes before operator set 11, then inputs.
pub(super) fn pad(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let image = node.image(reader, &[Layout::ChannelsFirst, Layout::ChannelsLast])?;
    let mode = node.attributes().string("mode", "constant");
    if mode != "constant" {
        return Err(node.wrong(format!("mode {mode}; only constant is supported")));
    }
    let zeros = match node.optional(reader, 2)? {
        Some(value) => value.floats()?.iter().all(|&value| value == 0.0),
        None => node.float("value", 0.0) == 0.0,
    };
    if !zeros {
        return Err(node.wrong("pads with another value than 0"));
    }
    let amounts = match node.ints("pads") {
        Some(amounts) => amounts.to_vec(),
        None => node.constant(reader, 1)?.as_ints()?.to_vec(),
    };
    let rank = image.rank;
    let axes: Vec<i64> = match node.optional(reader, 3)? {
        Some(axes) => axes.as_ints()?.to_vec(),
        None => (0..rank as i64).collect(),
    };
    if amounts.len() != 2 * axes.len() {
        return Err(node.wrong(format!("{} amounts for {} axes", amounts.len(), axes.len())));
    }
    let first_spatial = if image.layout == Layout::ChannelsFirst { 2 } else { 1 };
    let mut padding = [0; 4];
    for (i, &at) in axes.iter().enumerate() {
        let (first, last) = (amounts[i], amounts[i + axes.len()]);
        if first == 0 && last == 0 {
            continue;
        }
        let at = axis(at, rank).map_err(|what| node.wrong(what))?;
        // The height is 1 where there is none.
        let side = match at.checked_sub(first_spatial) {
            Some(side) if side < rank - 2 => side + 4 - rank,
            _ => {
                return Err(
                    node.wrong(format!("pads axis {at}; only height and width are supported"))
                );
            }
        };
        if !(0..=64).contains(&first) || !(0..=64).contains(&last) {
            return Err(
                node.wrong(format!("pads by {first} and {last}; expected sizes from 0 to 64"))
            );
        }
        (padding[side], padding[side + 2]) = (first as usize, last as usize);
    }
    let [top, left, bottom, right] = padding;
    let shape = Shape {
        height: image.shape.height + top + bottom,
        width: image.shape.width + left + right,
        ..image.shape
    };
    reader.check_elements(node.proto, &shape.hwc())?;
    let operator = Operator::Pad { before: [top, left] };
    reader.push_shaped(node.proto, operator, &[image.value], shape, image.view(shape))
}
