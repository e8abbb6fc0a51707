//! Add, Sub, Mul and Div.

use super::*;
use crate::interpreter::{broadcast, broadcast_strides, places};

/// Add, Sub, Mul or Div of a value and a constant; Add and Sum of two values, Sub of two.
pub(super) fn arithmetic(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let op = node.proto.op_type.as_str();
    match (op, node.proto.input.len()) {
        ("Sum", 1) => return activation::identity(reader, node),
        (_, 2) => {}
        (_, count) => return Err(node.wrong(format!("{count} inputs; expected two"))),
    }
    let (value, constant, swapped) = match (node.known(reader, 0)?, node.known(reader, 1)?) {
        (Known::Value(_), Known::Value(_)) => return two_values(reader, node),
        (Known::Value(_), _) => (0, 1, false),
        _ => (1, 0, true),
    };
    let (view, constant) = (node.view(reader, value)?, node.constant(reader, constant)?);
    let (view, values) = per_channel(reader, node, view, constant.dims(), constant.floats()?)?;
    let ones = vec![1.0; values.len()];
    let zeros = vec![0.0; values.len()];
    let negated = || values.iter().map(|value| -value).collect::<Vec<_>>();
    let (scale, shift) = match (op, swapped) {
        ("Add" | "Sum", _) => (ones, values),
        ("Sub", false) => (ones, negated()),
        ("Sub", true) => (ones.iter().map(|one| -one).collect(), values),
        ("Mul", _) => (values, zeros),
        ("Div", false) if values.iter().all(|&value| value != 0.0) => {
            (values.iter().map(|value| 1.0 / value).collect(), zeros)
        }
        _ => return Err(node.wrong("divides by zero or by a value")),
    };
    affine(reader, node, &view, scale, shift)
}

/// Adds a scale and a shift per channel.
pub(super) fn affine(
    reader: &mut Reader,
    node: &Cursor,
    view: &View,
    scale: Vec<f32>,
    shift: Vec<f32>,
) -> Result<(), ReadError> {
    if scale.iter().chain(&shift).any(|value| !value.is_finite()) {
        return Err(node.wrong("its scale or shift is infinite or not a number"));
    }
    reader.push(node.proto, Operator::Affine { scale, shift }, &[view.value], |v| view.at(v))
}

/// The sum of two values, as at the end of a residual block, or their product.
fn two_values(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let op = node.proto.op_type.as_str();
    let (left, right) = (node.view(reader, 0)?, node.view(reader, 1)?);
    if op == "Mul" {
        return multiply(reader, node, left, right);
    }
    if !matches!(op, "Add" | "Sum") {
        return Err(node.wrong(
            "both inputs depend on the image; of two values only Add and Mul are supported",
        ));
    }
    if left.at(0) != right.at(0) || reader.image_of(left.value) != reader.image_of(right.value) {
        return Err(node.wrong(format!(
            "adds values of the shapes {:?} and {:?}; expected the same shape and order",
            left.dims(),
            right.dims()
        )));
    }
    if left.value == right.value {
        return affine(reader, node, &left, vec![2.0], vec![0.0]);
    }
    reader.push(node.proto, Operator::Add, &[left.value, right.value], |v| left.at(v))
}

/// The product of two values of one shape, or of an image and a value for each channel, as in
/// squeeze-and-excite.
fn multiply(reader: &mut Reader, node: &Cursor, left: View, right: View) -> Result<(), ReadError> {
    let (image, factor) = if left.size() < right.size() { (right, left) } else { (left, right) };
    let stored = [&image, &factor].map(|view| reader.image_of(view.value));
    let same = image.at(0) == factor.at(0) && stored[0] == stored[1];
    let per_channel = [Layout::ChannelsFirst, Layout::ChannelsLast].into_iter().any(|layout| {
        let shapes = [image.as_image(layout), factor.as_image(layout)];
        image.rank() == factor.rank()
            && shapes == stored.map(Some)
            && stored[1] == Shape::flat(stored[0].channels)
    });
    if !same && !per_channel {
        return Err(node.wrong(format!(
            "multiplies values of the shapes {:?} and {:?}; expected the same shape and order, or \
             one value for each channel",
            image.dims(),
            factor.dims()
        )));
    }
    reader.push(node.proto, Operator::Mul, &[image.value, factor.value], |v| image.at(v))
}

/// A constant that broadcasts to a value, as one element or one for each channel of the value that
/// is returned: where it has one for each element, that is the vector of all of them.
pub(super) fn per_channel(
    reader: &mut Reader,
    node: &Cursor,
    view: View,
    dims: &[usize],
    values: &[f32],
) -> Result<(View, Vec<f32>), ReadError> {
    if values.len() == 1 && dims.len() <= view.rank() {
        return Ok((view, values.to_vec()));
    }
    let of = view.dims();
    if !broadcast(dims, &of).is_ok_and(|joined| joined == of) {
        return Err(node.wrong(format!(
            "a constant of shape {dims:?} against a value of shape {of:?}; it must broadcast to it"
        )));
    }
    let mut spread = vec![0.0; view.size()];
    let constants = places(&of, &broadcast_strides(dims, &of)).map(|at| values[at]);
    view.order().into_iter().zip(constants).for_each(|(at, value)| spread[at] = value);
    let channels = reader.image_of(view.value).channels;
    let (first, rest) = spread.split_at(channels);
    if rest.chunks(channels).all(|pixel| pixel == first) {
        let first = first.to_vec();
        return Ok((view, first));
    }
    let view = reader.as_vector(node.proto, view)?;
    Ok((view, spread))
}
