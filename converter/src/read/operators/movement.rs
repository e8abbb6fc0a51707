//! What moves elements and changes none: Slice, Split, Gather, nearest Resize, DepthToSpace, and
//! shuffled channels.

use super::*;
use crate::interpreter::{self, Tensor};
use crate::operators::gather::Gather;

/// A node over one value whose result has some of its elements in another order: which, the node's
/// own definition says when it is given the numbers of the elements.
pub(super) fn movement(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let view = node.view(reader, 0)?;
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
    let mut constants = vec![None];
    for index in 1..node.proto.input.len() {
        constants.push(node.optional(reader, index)?);
    }
    let mut inputs = vec![Some(&numbers)];
    inputs.extend(constants[1..].iter().map(|c| c.as_ref().map(|c| c.tensor.as_ref())));
    let results =
        interpreter::evaluate(node.proto, reader.opset, inputs).map_err(|what| node.wrong(what))?;
    let mut outputs = Vec::new();
    for result in results {
        let moved: Vec<usize> = match result.as_floats() {
            Ok(numbers) => numbers.iter().map(|&number| places[number as usize]).collect(),
            Err(what) => return Err(node.wrong(what)),
        };
        if result.dims.len() != view.rank() {
            return Err(node.wrong("takes a dimension away; keep it, and squeeze it afterwards"));
        }
        outputs.push(arranged(reader, node, &view, &result.dims, &moved)?);
    }
    for (name, output) in node.proto.output.iter().zip(outputs) {
        reader.known.insert(name.clone(), Known::Value(output));
    }
    Ok(())
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
    if view.batch() != Some(0) {
        return Err(node.wrong("its first dimension is not the batch"));
    }
    let last = view.as_image(Layout::ChannelsLast).is_some()
        && view.as_image(Layout::ChannelsFirst).is_none();
    let (shape, result): (Shape, Box<dyn Fn(usize) -> View>) = match *dims {
        [1, size] => (Shape::flat(size), Box::new(move |value| View::flat(value, size))),
        [1, a, b] | [1, a, b, _] => {
            let c = dims.get(3).copied();
            let shape = match (last, c) {
                (false, Some(c)) => Shape::new(b, c, a),
                (true, Some(c)) => Shape::new(a, b, c),
                (false, None) => Shape::new(1, b, a),
                (true, None) => Shape::new(1, a, b),
            };
            let layout = if last { Layout::ChannelsLast } else { Layout::ChannelsFirst };
            let rank = dims.len();
            (shape, Box::new(move |value| View::image(value, shape, layout, rank)))
        }
        _ => {
            return Err(node.wrong(format!("gives {dims:?}; expected one image or one vector")));
        }
    };
    reader.check_elements(node.proto, &shape.hwc())?;
    if shape.size() == 0 {
        return Err(node.wrong(format!("gives {dims:?}, which is empty")));
    }
    // From the file's order to that of the storage.
    let mut stored = vec![0; places.len()];
    for (at, &place) in result(0).order().into_iter().zip(places) {
        stored[at] = place;
    }
    let input = reader.image_of(view.value);
    let gather = Gather::of_places(input, shape, &stored).ok_or_else(|| {
        node.wrong(format!(
            "moves elements of {:?} to {dims:?} in a way that is no choice of rows, columns and \
             channels",
            view.dims()
        ))
    })?;
    let operator = Operator::Gather(gather);
    reader.push_shaped(node.proto, operator, &[view.value], shape, &result)?;
    Ok(result(reader.nodes.len()))
}
