//! Concat of values; of shapes, see `shape`.

use super::*;

/// Concat of values along their channels.
pub(super) fn concat(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let count = node.proto.input.len();
    let views: Vec<View> =
        (0..count).map(|index| node.view(reader, index)).collect::<Result<_, _>>()?;
    let Some(first) = views.first() else { return Err(node.wrong("has no input")) };
    let channel_axis = match first.layout {
        Layout::Nchw | Layout::Flat => 1,
        Layout::Nhwc => 3,
    };
    let rank = first.dims.len() as i64;
    let axis = node.int("axis", 0);
    if (if axis < 0 { axis + rank } else { axis }) != channel_axis as i64 {
        return Err(node.wrong(format!("along axis {axis}; only along the channels is supported")));
    }
    let mut dims = first.dims.clone();
    dims[channel_axis] = 0;
    for view in &views {
        let mut rest = view.dims.clone();
        let channels = rest.get(channel_axis).copied().unwrap_or(0);
        dims[channel_axis] += channels;
        if let Some(size) = rest.get_mut(channel_axis) {
            *size = first.dims[channel_axis];
        }
        if rest != first.dims || view.layout != first.layout {
            return Err(node.wrong(format!(
                "joins the shapes {:?} and {:?}; only the channels may differ",
                first.dims, view.dims
            )));
        }
    }
    let values: Vec<_> = views.iter().map(|view| view.value).collect();
    let layout = first.layout;
    match values[..] {
        [value] => {
            let view = View { value, dims, layout };
            reader.bind(node.proto, Known::Value(view));
            Ok(())
        }
        _ => {
            reader.push(node.proto, Operator::Concat, &values, |value| View { value, dims, layout })
        }
    }
}
