//! MaxPool, AveragePool, their global forms, and ReduceMean and ReduceMax over height and width.

use super::*;

/// MaxPool and AveragePool.
pub(super) fn pool(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let image = node.image(reader, &[Layout::ChannelsFirst])?;
    let kernel = match (node.ints("kernel_shape"), image.rank) {
        (Some(&[h, w]), 4) if h > 0 && w > 0 => [h as usize, w as usize],
        (Some(&[w]), 3) if w > 0 => [1, w as usize],
        (other, rank) => {
            let rank = rank - 2;
            return Err(node.wrong(format!("kernel_shape {other:?}; expected {rank} sizes")));
        }
    };
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
    if window.is_padded() && node.int("ceil_mode", 0) != 0 {
        return Err(node.wrong("ceil_mode leaves windows that are not full; use floor"));
    }
    if window.is_padded() && node.int("count_include_pad", 0) == 0 {
        return Err(node.wrong(
            "is padded, and leaves the padding out of its means (count_include_pad is 0); count it, \
             or drop the padding",
        ));
    }
    average(reader, node, &image, window, shape)
}

/// GlobalAveragePool and GlobalMaxPool.
pub(super) fn global_pool(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let image = node.image(reader, &[Layout::ChannelsFirst])?;
    whole(reader, node, &image, [true, true], node.proto.op_type == "GlobalMaxPool")
}

/// ReduceMean and ReduceMax over height, width or both.
pub(super) fn reduce(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let dims = node.view(reader, 0)?.dims();
    let axes = node.axes(reader, dims.len())?.unwrap_or_default();
    let image = node.image(reader, &[Layout::ChannelsFirst, Layout::ChannelsLast])?;
    let first = if image.layout == Layout::ChannelsFirst { 2 } else { 1 };
    let spatial = first..first + image.rank - 2;
    if axes.is_empty() || !axes.iter().all(|axis| spatial.contains(axis)) {
        return Err(node.wrong(format!(
            "reduces the axes {axes:?} of the shape {dims:?}; only height and width are supported"
        )));
    }
    // The width is the last of the spatial dimensions; the height is 1 where there is none.
    let width = spatial.end - 1;
    let over = [axes.iter().any(|&axis| axis != width), axes.contains(&width)];
    whole(reader, node, &image, over, node.proto.op_type == "ReduceMax")?;
    if node.int("keepdims", 1) == 0 {
        let kept = node.result(reader)?;
        let squeezed = kept.squeezed(&axes).map_err(|what| node.wrong(what))?;
        reader.bind(node.proto, Known::Value(squeezed));
    }
    Ok(())
}

/// A pooling whose window is the whole height, the whole width or both.
fn whole(
    reader: &mut Reader,
    node: &Cursor,
    image: &Image,
    over: [bool; 2],
    max: bool,
) -> Result<(), ReadError> {
    let input = image.shape;
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
            reader.push_shaped(node.proto, operator, &[image.value], shape, image.view(shape))
        }
        false => average(reader, node, image, window, shape),
    }
}

/// The mean of each window: its sum times the power of two just below `1 / area`, times the rest.
fn average(
    reader: &mut Reader,
    node: &Cursor,
    image: &Image,
    window: Window,
    shape: Shape,
) -> Result<(), ReadError> {
    let area = window.area();
    let bits = area.next_power_of_two().trailing_zeros();
    let rest = (1_u32 << bits) as f32 / area as f32;
    let operator = Operator::AveragePool2d { window, bits };
    reader.push_shaped(node.proto, operator, &[image.value], shape, image.view(shape))?;
    if rest != 1.0 {
        let sum = node.result(reader)?;
        let operator = Operator::Affine { scale: vec![rest], shift: vec![0.0] };
        reader.push(node.proto, operator, &[sum.value], |v| sum.at(v))?;
    }
    Ok(())
}
