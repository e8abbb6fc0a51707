//! Concat of values.

use super::*;

/// Concat of values along their channels.
pub(super) fn concat(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let count = node.proto.input.len();
    let views: Vec<View> =
        (0..count).map(|index| node.view(reader, index)).collect::<Result<_, _>>()?;
    let Some(first) = views.first() else { return Err(node.wrong("has no input")) };
    let rank = first.rank();
    let along = axis(node.int("axis", 0), rank).map_err(|what| node.wrong(what))?;
    if count == 1 {
        let view = first.clone();
        reader.bind(node.proto, Known::Value(view));
        return Ok(());
    }
    // Vectors are images of one pixel.
    let layout = match (rank, along) {
        (2, 1) => None,
        (3 | 4, 1) => Some(Layout::ChannelsFirst),
        (3 | 4, along) if along == rank - 1 => Some(Layout::ChannelsLast),
        _ => {
            return Err(
                node.wrong(format!("along axis {along}; only along the channels is supported"))
            );
        }
    };
    let (mut values, mut joined) = (Vec::new(), None::<Shape>);
    for view in views {
        let dims = view.dims();
        let view = if layout.is_none() { reader.as_vector(node.proto, view)? } else { view };
        let shape = match layout {
            Some(layout) => view.as_image(layout),
            None => (view == View::flat(view.value, view.size())).then(|| Shape::flat(view.size())),
        };
        let shape =
            shape.filter(|shape| *shape == reader.image_of(view.value)).ok_or_else(|| {
                let hint = match layout {
                    None => "; put a fully connected layer between Flatten and Concat",
                    Some(_) => "",
                };
                node.wrong(format!("joins {dims:?}, which are not in the order of an image{hint}"))
            })?;
        let same = joined.is_none_or(|j| (j.height, j.width) == (shape.height, shape.width));
        if !same {
            return Err(node.wrong(format!("joins {dims:?}; only the channels may differ")));
        }
        let channels = joined.map_or(0, |joined| joined.channels) + shape.channels;
        reader.check_elements(node.proto, &[shape.height, shape.width, channels])?;
        joined = Some(Shape { channels, ..shape });
        values.push(view.value);
    }
    let shape = joined.unwrap_or(Shape::flat(0));
    reader.push_shaped(node.proto, Operator::Concat, &values, shape, |value| match layout {
        Some(layout) => View::image(value, shape, layout, rank),
        None => View::flat(value, shape.channels),
    })
}
