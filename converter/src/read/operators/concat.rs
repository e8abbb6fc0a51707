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
    if View::joined(&views, along, 0).is_some() {
        return vectors(reader, node, views, along);
    }
    let layout = match (rank, along) {
        (3 | 4, 1) => Layout::ChannelsFirst,
        (3 | 4, along) if along == rank - 1 => Layout::ChannelsLast,
        _ => {
            return Err(
                node.wrong(format!("along axis {along}; only along the channels is supported"))
            );
        }
    };
    let (mut values, mut joined) = (Vec::new(), None::<Shape>);
    for view in views {
        let dims = view.dims();
        let shape = view.as_image(layout).filter(|shape| *shape == reader.image_of(view.value));
        let shape = shape.ok_or_else(|| {
            node.wrong(format!("joins {dims:?}, which are not in the order of an image"))
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
    reader.push_shaped(node.proto, Operator::Concat, &values, shape, |value| {
        View::image(value, shape, layout, rank)
    })
}

/// Concat of vectors, each as it is stored: of a flattened image row by row, whatever order the file
/// flattens it in.
fn vectors(
    reader: &mut Reader,
    node: &Cursor,
    views: Vec<View>,
    along: usize,
) -> Result<(), ReadError> {
    let size = views.iter().map(View::size).sum();
    reader.check_elements(node.proto, &[1, 1, size])?;
    let views: Vec<View> = views
        .into_iter()
        .map(|view| reader.as_vector(node.proto, view))
        .collect::<Result<_, _>>()?;
    let values: Vec<_> = views.iter().map(|view| view.value).collect();
    reader.push_shaped(node.proto, Operator::Concat, &values, Shape::flat(size), |value| {
        View::joined(&views, along, value).unwrap_or(View::flat(value, size))
    })
}
