//! Add, Sub, Mul and Div.

use super::*;

/// Add, Sub, Mul or Div of a value and a constant per channel, or of two shape constants; Add and
/// Sum of two values.
pub(super) fn arithmetic(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let op = node.proto.op_type.as_str();
    if node.proto.input.len() != 2 {
        return Err(node.wrong(format!("{} inputs; expected two", node.proto.input.len())));
    }
    let (left, right) = (node.known(reader, 0)?.clone(), node.known(reader, 1)?.clone());
    let (view, constant, swapped) = match (left, right) {
        (Known::Value(view), Known::Constant(constant)) => (view, constant, false),
        (Known::Constant(constant), Known::Value(view)) => (view, constant, true),
        (Known::Value(left), Known::Value(right)) => return add_values(reader, node, left, right),
        (Known::Constant(left), Known::Constant(right)) => {
            let folded = fold_ints(op, &left, &right)
                .ok_or_else(|| node.wrong("of these two constants is not supported"))?;
            reader.bind(node.proto, Known::Constant(folded));
            return Ok(());
        }
    };
    let channels = view.shape()?.channels;
    let values = per_channel(node, &view, &constant, channels)?;
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
    let next = view.clone();
    reader.push(node.proto, Operator::Affine { scale, shift }, &[view.value], |v| next.at(v))
}

/// The sum of two values, as at the end of a residual block.
fn add_values(
    reader: &mut Reader,
    node: &Cursor,
    left: View,
    right: View,
) -> Result<(), ReadError> {
    let op = node.proto.op_type.as_str();
    if op != "Add" && op != "Sum" {
        return Err(
            node.wrong("both inputs depend on the image; of two values only Add is supported")
        );
    }
    if (&left.dims, left.layout) != (&right.dims, right.layout) {
        return Err(node.wrong(format!(
            "adds values of the shapes {:?} and {:?}; expected the same shape",
            left.dims, right.dims
        )));
    }
    if left.value == right.value {
        let twice = Operator::Affine { scale: vec![2.0], shift: vec![0.0] };
        return reader.push(node.proto, twice, &[left.value], |v| left.at(v));
    }
    reader.push(node.proto, Operator::Add, &[left.value, right.value], |v| left.at(v))
}

/// A constant that broadcasts along the channels, as one element or one per channel.
fn per_channel(
    node: &Cursor,
    view: &View,
    constant: &Constant,
    channels: usize,
) -> Result<Vec<f32>, ReadError> {
    let values = constant.floats()?;
    if values.len() == 1 {
        return Ok(values.to_vec());
    }
    // Aligned to the right, as ONNX broadcasts.
    let from_end = match view.layout {
        Layout::Nchw => 3,
        Layout::Nhwc | Layout::Flat => 1,
    };
    let at = constant.dims.len().checked_sub(from_end);
    let lies_on_channels = at.is_some_and(|at| {
        constant.dims.iter().enumerate().all(|(i, &dim)| dim == if i == at { channels } else { 1 })
    });
    match lies_on_channels {
        true => Ok(values.to_vec()),
        false => Err(node.wrong(format!(
            "a constant of shape {:?} against a value of shape {:?}; one element or one per \
             channel is supported",
            constant.dims, view.dims
        ))),
    }
}

fn fold_ints(op: &str, left: &Constant, right: &Constant) -> Option<Constant> {
    let (left_ints, right_ints) = (left.as_ints().ok()?, right.as_ints().ok()?);
    let count = left_ints.len().max(right_ints.len());
    if ![1, count].contains(&left_ints.len()) || ![1, count].contains(&right_ints.len()) {
        return None;
    }
    let at = |ints: &[i64], i: usize| ints[if ints.len() == 1 { 0 } else { i }];
    let values = (0..count).map(|i| {
        let (a, b) = (at(left_ints, i), at(right_ints, i));
        match op {
            "Add" => a.checked_add(b),
            "Sub" => a.checked_sub(b),
            "Mul" => a.checked_mul(b),
            "Div" => a.checked_div(b),
            _ => None,
        }
    });
    let dims = if left_ints.len() == count { left.dims.clone() } else { right.dims.clone() };
    Some(Constant::ints(&left.name, dims, values.collect::<Option<_>>()?))
}
