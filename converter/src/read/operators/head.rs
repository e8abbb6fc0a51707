//! What a classifier ends in: Softmax, LogSoftmax and ArgMax, over all values or over the channels of each
//! pixel. A sigmoid at the end is a function like others until the passes find it there.

use super::*;
use crate::graph::Head;

pub(super) fn head(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let view = node.view(reader, 0)?;
    let head = match node.proto.op_type.as_str() {
        "Softmax" => Head::Softmax,
        "LogSoftmax" => Head::LogSoftmax,
        _ => Head::ArgMax,
    };
    // Over one axis; Softmax before operator set 13 over all dimensions from the axis on.
    let early = reader.opset < 13 && head != Head::ArgMax;
    let default = match (head, early) {
        (Head::ArgMax, _) => 0,
        (_, true) => 1,
        (_, false) => -1,
    };
    let (dims, rank) = (view.dims(), view.rank());
    let along = axis(node.int("axis", default), rank).map_err(|what| node.wrong(what))?;
    let over: usize = if early { dims[along..].iter().product() } else { dims[along] };
    let batch = view.batch();
    if batch == Some(along) || (early && batch >= Some(along)) {
        return Err(node.wrong("is taken over the batch, not over the classes; use axis=1"));
    }
    if node.int("select_last_index", 0) != 0 {
        return Err(node.wrong("select_last_index is not supported: ties go to the first class"));
    }
    let keep = node.int("keepdims", 1) != 0;
    if over != view.size() || batch.is_none() {
        return match channels(reader, &view, along, over) {
            Some(image) => per_pixel(reader, node, head, image, !keep),
            None => Err(node.wrong(format!(
                "over axis {along} of {dims:?}; only over all values of one image, or over the channels of \
                 each pixel, is supported"
            ))),
        };
    }
    let mut result = view.clone();
    if head == Head::ArgMax {
        if !view.order().into_iter().eq(0..view.size()) {
            return Err(node.wrong(
                "counts the elements of a flattened image, which are stored in another order; end the \
                 network before it",
            ));
        }
        let gone = View::flat(view.value, 1);
        result = if keep { gone } else { gone.squeezed(&[1]).unwrap_or(gone) };
    }
    let operator = Operator::Softmax { head, per_pixel: false };
    reader.push(node.proto, operator, &[view.value], |v| result.at(v))
}

/// The image whose channels lie along the axis, if it is so.
fn channels(reader: &Reader, view: &View, along: usize, over: usize) -> Option<Image> {
    [Layout::ChannelsFirst, Layout::ChannelsLast].into_iter().find_map(|layout| {
        let shape = view.as_image(layout)?;
        let axis = match layout {
            Layout::ChannelsFirst => 1,
            Layout::ChannelsLast => view.rank() - 1,
        };
        let fits = axis == along && shape.channels == over;
        let stored = reader.image_of(view.value) == shape;
        (fits && stored).then(|| Image { value: view.value, shape, layout, rank: view.rank() })
    })
}

/// The head of the channels of every pixel, of which an ArgMax leaves one; `drop` takes their dimension away.
fn per_pixel(
    reader: &mut Reader,
    node: &Cursor,
    head: Head,
    image: Image,
    drop: bool,
) -> Result<(), ReadError> {
    let shape = match head {
        Head::ArgMax => Shape { channels: 1, ..image.shape },
        _ => image.shape,
    };
    let axis = match image.layout {
        Layout::ChannelsFirst => 1,
        Layout::ChannelsLast => image.rank - 1,
    };
    let operator = Operator::Softmax { head, per_pixel: true };
    reader.push_shaped(node.proto, operator, &[image.value], shape, |value| {
        let view = image.view(shape)(value);
        match head == Head::ArgMax && drop {
            true => view.squeezed(&[axis]).unwrap_or(view),
            false => view,
        }
    })
}

/// The logarithm of a softmax.
pub(super) fn log(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let view = node.view(reader, 0)?;
    match produced_by(reader, &view) {
        Some(Operator::Softmax { head: Head::Softmax, per_pixel }) => {
            let operator = Operator::Softmax { head: Head::LogSoftmax, per_pixel: *per_pixel };
            let logits = reader.nodes[view.value - 1].inputs[0];
            reader.push(node.proto, operator, &[logits], |v| view.at(v))
        }
        _ => Err(node.wrong("is supported right behind a Softmax only")),
    }
}

/// The operator that computes a value.
pub(super) fn produced_by<'r>(reader: &'r Reader, view: &View) -> Option<&'r Operator> {
    Some(&reader.nodes.get(view.value.checked_sub(1)?)?.operator)
}
