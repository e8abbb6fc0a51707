//! Pad, as Keras exports ZeroPadding2D.

use super::*;

/// Zeros around the image.
pub(super) fn pad(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let view = node.view(reader, 0)?;
    let mode = node.attribute("mode").map(|a| String::from_utf8_lossy(&a.s).into_owned());
    if !matches!(mode.as_deref(), None | Some("constant")) {
        return Err(
            node.wrong(format!("mode {}; only constant is supported", mode.unwrap_or_default()))
        );
    }
    if let Some(value) = node.optional(reader, 2)?
        && value.floats()?.iter().any(|&value| value != 0.0)
    {
        return Err(node.wrong("pads with another value than 0"));
    }
    let amounts = node.constant(reader, 1)?;
    let amounts = amounts.as_ints()?;
    let rank = view.dims.len();
    let axes: Vec<i64> = match node.optional(reader, 3)? {
        Some(axes) => axes.as_ints()?.to_vec(),
        None => (0..rank as i64).collect(),
    };
    if amounts.len() != 2 * axes.len() {
        return Err(node.wrong(format!("{} amounts for {} axes", amounts.len(), axes.len())));
    }
    let (vertical, horizontal) = match view.layout {
        Layout::Nchw => (2, 3),
        Layout::Nhwc => (1, 2),
        Layout::Flat => return Err(node.wrong("pads a vector; expected an image")),
    };
    let mut dims = view.dims.clone();
    let mut before = [0; 2];
    for (i, &axis) in axes.iter().enumerate() {
        let (first, last) = (amounts[i], amounts[i + axes.len()]);
        let axis = if axis < 0 { axis + rank as i64 } else { axis };
        if first == 0 && last == 0 {
            continue;
        }
        let side = match axis {
            axis if axis == vertical => 0,
            axis if axis == horizontal => 1,
            _ => {
                return Err(
                    node.wrong(format!("pads axis {axis}; only height and width are supported"))
                );
            }
        };
        if !(0..=64).contains(&first) || !(0..=64).contains(&last) {
            return Err(
                node.wrong(format!("pads by {first} and {last}; expected sizes from 0 to 64"))
            );
        }
        before[side] = first as usize;
        dims[axis as usize] += (first + last) as usize;
    }
    let layout = view.layout;
    reader.push(node.proto, Operator::Pad { before }, &[view.value], |value| View {
        value,
        dims,
        layout,
    })
}
