//! MaxPool, AveragePool, their global forms, and ReduceMean and ReduceMax over height and width.

use super::*;

/// MaxPool and AveragePool.
pub(super) fn pool(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let image = node.image(reader, &[Layout::ChannelsFirst])?;
    let kernel = kernel(node, image.rank)?;
    let (window, [height, width]) = window::window(node, kernel, &image)?;
    let shape = Shape { height, width, ..image.shape };
    if node.int("storage_order", 0) != 0 {
        return Err(node.wrong("storage_order is not supported"));
    }
    reader.check_elements(node.proto, &shape.hwc())?;
    reader.check_work(node.proto, shape.size(), window.area())?;
    if node.proto.op_type == "MaxPool" {
        let operator = Operator::MaxPool2d { window };
        return reader.push_shaped(node.proto, operator, &[image.value], shape, image.view(shape));
    }
    if window.is_padded() && node.int("count_include_pad", 0) == 0 {
        let operator = Operator::AveragePool2dInside { window };
        return reader.push_shaped(node.proto, operator, &[image.value], shape, image.view(shape));
    }
    if window.is_padded() && node.int("ceil_mode", 0) != 0 {
        return Err(node.wrong(
            "counts its padding, and ceil_mode leaves windows that are not full; use floor, or \
             count_include_pad=0",
        ));
    }
    average(reader, node, image.value, window, shape, image.view(shape))
}

/// The kernel of a pooling over an image with `rank` dimensions.
pub(crate) fn kernel(node: &Cursor, rank: usize) -> Result<[usize; 2], ReadError> {
    match (node.ints("kernel_shape"), rank) {
        (Some(&[h, w]), 4) if h > 0 && w > 0 => Ok([h as usize, w as usize]),
        (Some(&[w]), 3) if w > 0 => Ok([1, w as usize]),
        (other, rank) => {
            let rank = rank - 2;
            Err(node.wrong(format!("kernel_shape {other:?}; expected {rank} sizes")))
        }
    }
}

/// GlobalAveragePool and GlobalMaxPool.
pub(super) fn global_pool(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let image = node.image(reader, &[Layout::ChannelsFirst])?;
    let pixel = Shape::flat(image.shape.channels);
    let max = node.proto.op_type == "GlobalMaxPool";
    whole(reader, node, image.value, [true, true], max, image.view(pixel))
}

/// ReduceMean and ReduceMax over height, width or both.
pub(super) fn reduce(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let view = node.view(reader, 0)?;
    let dims = view.dims();
    let axes = node.axes(reader, dims.len())?.unwrap_or_default();
    let stored = reader.image_of(view.value);
    let names = view.names(stored).unwrap_or_default();
    // The batch is no axis of the image, and the channels are none that a window slides over.
    let slides = |&axis: &usize| axis > 0 && matches!(names.get(axis), Some(None | Some(0 | 1)));
    if axes.is_empty() || !axes.iter().all(slides) {
        return Err(node.wrong(format!(
            "reduces the axes {axes:?} of the shape {dims:?}; only height and width are supported"
        )));
    }
    let over = [0, 1].map(|name| axes.iter().any(|&axis| names[axis] == Some(name)));
    let keeps = node.int("keepdims", 1) != 0;
    let left: Vec<Option<usize>> = (0..names.len())
        .filter(|axis| keeps || !axes.contains(axis))
        .map(|axis| names[axis].filter(|_| !axes.contains(&axis)))
        .collect();
    let shape = Shape {
        height: if over[0] { 1 } else { stored.height },
        width: if over[1] { 1 } else { stored.width },
        ..stored
    };
    let max = node.proto.op_type == "ReduceMax";
    whole(reader, node, view.value, over, max, |value| View::along(value, shape, &left))
}

/// A pooling whose window is the whole height, the whole width or both.
fn whole(
    reader: &mut Reader,
    node: &Cursor,
    value: usize,
    over: [bool; 2],
    max: bool,
    view: impl FnOnce(usize) -> View,
) -> Result<(), ReadError> {
    let input = reader.image_of(value);
    let size = |axis: usize, all: usize| if over[axis] { all } else { 1 };
    let kernel = [size(0, input.height), size(1, input.width)];
    if kernel[0] * kernel[1] > 1 << 16 {
        return Err(node
            .wrong(format!("over {} pixels; at most 65536 are supported", kernel[0] * kernel[1])));
    }
    let window = Window::tiling(kernel);
    let shape = Shape { height: input.height / kernel[0], width: input.width / kernel[1], ..input };
    match max {
        true => {
            let operator = Operator::MaxPool2d { window };
            reader.push_shaped(node.proto, operator, &[value], shape, view)
        }
        false => average(reader, node, value, window, shape, view),
    }
}

/// The mean of each window: its sum times the power of two just below `1 / area`, times the rest.
fn average(
    reader: &mut Reader,
    node: &Cursor,
    value: usize,
    window: Window,
    shape: Shape,
    view: impl FnOnce(usize) -> View,
) -> Result<(), ReadError> {
    let area = window.area();
    let bits = area.next_power_of_two().trailing_zeros();
    let rest = (1_u32 << bits) as f32 / area as f32;
    let operator = Operator::AveragePool2d { window, bits };
    reader.push_shaped(node.proto, operator, &[value], shape, view)?;
    if rest != 1.0 {
        let sum = node.result(reader)?;
        let operator = Operator::Affine { scale: vec![rest], shift: vec![0.0] };
        reader.push(node.proto, operator, &[sum.value], |v| sum.at(v))?;
    }
    Ok(())
}
