//! What moves elements and changes none: Slice, Split, Gather, nearest Resize, DepthToSpace, and
//! shuffled channels.

use super::*;
use crate::interpreter::{self, Tensor};
use crate::limits::elements;
use crate::operators::gather::Gather;

/// A node over one value whose result has some of its elements in another order.
pub(super) fn movement(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let view = node.view(reader, 0)?;
    let mut constants = Vec::new();
    for index in 1..node.proto.input.len() {
        constants.push(node.optional(reader, index)?);
    }
    let constants = constants.iter().map(|constant| constant.as_ref().map(|c| c.tensor.as_ref()));
    let mut outputs = Vec::new();
    for (dims, places) in moved(node, reader.opset, &view, constants.collect())? {
        outputs.push(arranged(reader, node, &view, &dims, &places)?);
    }
    for (name, output) in node.proto.output.iter().zip(outputs) {
        reader.known.insert(name.clone(), Known::Value(output));
    }
    Ok(())
}

/// For each result of a node over a value the dimensions, and the places of its elements: what the node's own
/// definition makes of the numbers of the elements. `constants` are its other inputs.
pub(crate) fn moved(
    node: &Cursor,
    opset: i64,
    view: &View,
    constants: Vec<Option<&Tensor>>,
) -> Result<Vec<(Vec<usize>, Vec<usize>)>, ReadError> {
    if matches!(node.proto.op_type.as_str(), "Resize" | "Upsample") {
        let mode = node.attributes().string("mode", "nearest");
        if mode != "nearest" {
            return Err(node.wrong(format!("mode {mode} is not supported; use nearest")));
        }
    }
    let places = view.order();
    // Every number below 2^24 is a float; limits keep values far smaller.
    let numbers = (0..places.len()).map(|number| number as f32).collect();
    let numbers = Tensor::floats(view.dims(), numbers);
    let mut inputs = vec![Some(&numbers)];
    inputs.extend(constants);
    let results =
        interpreter::evaluate(node.proto, opset, inputs).map_err(|what| node.wrong(what))?;
    let mut outputs = Vec::new();
    for result in results {
        let moved: Vec<usize> = match result.as_floats() {
            Ok(numbers) => numbers.iter().map(|&number| places[number as usize]).collect(),
            Err(what) => return Err(node.wrong(what)),
        };
        if result.dims.len() != view.rank() {
            return Err(node.wrong("takes a dimension away; keep it, and squeeze it afterwards"));
        }
        outputs.push((result.dims.clone(), moved));
    }
    Ok(outputs)
}

/// A view of an image whose elements are in another order than its storage, as one that has been
/// stored anew; `None` if no rows, columns and channels can be picked for that.
pub(super) fn stored_anew(reader: &mut Reader, node: &Cursor, view: &View) -> Option<View> {
    if view.rank() < 3 {
        return None;
    }
    arranged(reader, node, view, &view.dims(), &view.order()).ok()
}

/// Stores the elements of a value that lie at `places`, in a file's order under the dimensions
/// `dims`.
fn arranged(
    reader: &mut Reader,
    node: &Cursor,
    view: &View,
    dims: &[usize],
    places: &[usize],
) -> Result<View, ReadError> {
    let input = reader.image_of(view.value);
    let (gather, result) = gathered(node, view, input, dims, places)?;
    let shape = gather.output();
    reader.check_elements(node.proto, &shape.hwc())?;
    let operator = Operator::Gather(gather);
    reader.push_shaped(node.proto, operator, &[view.value], shape, |value| result.at(value))?;
    Ok(result.at(reader.nodes.len()))
}

/// What picks the elements at `places` of a value that is stored as `input`, and how the file sees them under
/// the dimensions `dims`.
pub(crate) fn gathered(
    node: &Cursor,
    view: &View,
    input: Shape,
    dims: &[usize],
    places: &[usize],
) -> Result<(Gather, View), ReadError> {
    if view.batch() != Some(0) {
        return Err(node.wrong("its first dimension is not the batch"));
    }
    let last = view.as_image(Layout::ChannelsLast).is_some()
        && view.as_image(Layout::ChannelsFirst).is_none();
    let (shape, result) = match *dims {
        [1, size] => (Shape::flat(size), View::flat(0, size)),
        [1, a, b] | [1, a, b, _] => {
            let c = dims.get(3).copied();
            let shape = match (last, c) {
                (false, Some(c)) => Shape::new(b, c, a),
                (true, Some(c)) => Shape::new(a, b, c),
                (false, None) => Shape::new(1, b, a),
                (true, None) => Shape::new(1, a, b),
            };
            let layout = if last { Layout::ChannelsLast } else { Layout::ChannelsFirst };
            (shape, View::image(0, shape, layout, dims.len()))
        }
        _ => {
            return Err(node.wrong(format!("gives {dims:?}; expected one image or one vector")));
        }
    };
    elements(&shape.hwc()).map_err(|what| node.wrong(what))?;
    if shape.size() == 0 {
        return Err(node.wrong(format!("gives {dims:?}, which is empty")));
    }
    // From the file's order to that of the storage.
    let mut stored = vec![0; places.len()];
    for (at, &place) in result.order().into_iter().zip(places) {
        stored[at] = place;
    }
    let gather = Gather::of_places(input, shape, &stored).ok_or_else(|| {
        node.wrong(format!(
            "moves elements of {:?} to {dims:?} in a way that is no choice of rows, columns and \
             channels",
            view.dims()
        ))
    })?;
    Ok((gather, result))
}
