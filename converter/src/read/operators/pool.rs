//! MaxPool, AveragePool, their global forms, and ReduceMean and ReduceMax over height and width.

use super::*;
use crate::graph::ValueId;

/// MaxPool and AveragePool.
pub(super) fn pool(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let (view, input) = image(node, reader)?;
    let kernel = match node.ints("kernel_shape") {
        Some(&[h, w]) if (1..=64).contains(&h) && (1..=64).contains(&w) => [h as usize, w as usize],
        other => {
            return Err(
                node.wrong(format!("kernel_shape {other:?}; expected two sizes from 1 to 64"))
            );
        }
    };
    let (window, [height, width]) = window(node, kernel, input)?;
    let shape = Shape::new(height, width, input.channels);
    let next = |value: ValueId| View::nchw(value, shape);
    if node.proto.op_type == "MaxPool" {
        return reader.push(node.proto, Operator::MaxPool2d { window }, &[view.value], next);
    }
    if window.is_padded() && node.int("count_include_pad", 0) == 0 {
        return Err(node.wrong(
            "is padded, and leaves the padding out of its means (count_include_pad is 0); count it, \
             or drop the padding",
        ));
    }
    average(reader, node, &view, window, next)
}

/// GlobalAveragePool and GlobalMaxPool.
pub(super) fn global_pool(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let (view, input) = image(node, reader)?;
    let shape = Shape::flat(input.channels);
    whole(reader, node, &view, node.proto.op_type == "GlobalMaxPool", |v| View::nchw(v, shape))
}

/// ReduceMean and ReduceMax over height and width.
pub(super) fn reduce(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let view = node.view(reader, 0)?;
    let rank = view.dims.len() as i64;
    let axes = node.axes(reader)?.unwrap_or_default();
    let mut positive: Vec<i64> = axes.iter().map(|&a| if a < 0 { a + rank } else { a }).collect();
    positive.sort_unstable();
    let spatial = match view.layout {
        Layout::Nchw => [2, 3],
        Layout::Nhwc => [1, 2],
        Layout::Flat => return Err(node.wrong("reduces a vector; expected an image")),
    };
    if positive != spatial {
        return Err(node.wrong(format!(
            "reduces the axes {axes:?} of the shape {:?}; only height and width together are supported",
            view.dims
        )));
    }
    let channels = view.shape()?.channels;
    let mut dims = view.dims.clone();
    spatial.iter().for_each(|&axis| dims[axis as usize] = 1);
    let layout = view.layout;
    let next = |value: ValueId| match node.int("keepdims", 1) {
        0 => View::flat(value, channels),
        _ => View { value, dims, layout },
    };
    whole(reader, node, &view, node.proto.op_type == "ReduceMax", next)
}

/// A pooling whose window is the whole image.
fn whole(
    reader: &mut Reader,
    node: &Cursor,
    view: &View,
    max: bool,
    next: impl FnOnce(ValueId) -> View,
) -> Result<(), ReadError> {
    let input = view.shape()?;
    let kernel = [input.height, input.width];
    if input.height * input.width > 1 << 16 {
        return Err(node
            .wrong(format!("over {} pixels; at most 65536 are supported", kernel[0] * kernel[1])));
    }
    let window = Window::tiling(kernel);
    match max {
        true => reader.push(node.proto, Operator::MaxPool2d { window }, &[view.value], next),
        false => average(reader, node, view, window, next),
    }
}

/// The mean of each window: its sum times the power of two just below `1 / area`, times the rest.
fn average(
    reader: &mut Reader,
    node: &Cursor,
    view: &View,
    window: Window,
    next: impl FnOnce(ValueId) -> View,
) -> Result<(), ReadError> {
    let area = window.kernel[0] * window.kernel[1];
    let bits = area.next_power_of_two().trailing_zeros();
    let rest = (1_u32 << bits) as f32 / area as f32;
    reader.push(node.proto, Operator::AveragePool2d { window, bits }, &[view.value], next)?;
    if rest != 1.0
        && let Known::Value(sum) = node.result(reader)?
    {
        let operator = Operator::Affine { scale: vec![rest], shift: vec![0.0] };
        reader.push(node.proto, operator, &[sum.value], |v| sum.at(v))?;
    }
    Ok(())
}
