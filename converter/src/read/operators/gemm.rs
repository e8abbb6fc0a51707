//! Gemm and MatMul: fully connected layers, or convolutions of one pixel.

use super::*;

pub(super) fn gemm(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    if node.int("transA", 0) != 0 {
        return Err(node.wrong("transA is not supported"));
    }
    let (alpha, beta) = (node.float("alpha", 1.0), node.float("beta", 1.0));
    let mut matrix = matrix(reader, node, node.int("transB", 0) != 0)?;
    if node.view(reader, 0)?.rank() != 2 {
        return Err(node.wrong("multiplies a value that is no matrix (is a Flatten missing?)"));
    }
    matrix.weights.iter_mut().for_each(|weight| *weight *= alpha);
    let mut bias = bias(node, reader, 2, matrix.outputs)?;
    bias.iter_mut().for_each(|bias| *bias *= beta);
    multiply(reader, node, matrix, bias)
}

pub(super) fn matmul(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let matrix = matrix(reader, node, false)?;
    let bias = vec![0.0; matrix.outputs];
    multiply(reader, node, matrix, bias)
}

/// Weights `[OUT][IN]`.
struct Matrix {
    weights: Vec<f32>,
    inputs: usize,
    outputs: usize,
}

/// The constant on the right of a matrix product.
fn matrix(reader: &Reader, node: &Cursor, transposed: bool) -> Result<Matrix, ReadError> {
    node.view(reader, 0)?;
    if node.view(reader, 1).is_ok() {
        return Err(node.wrong(
            "multiplies two values, as attention does, for which there is no kernel here; use a \
             convolutional network",
        ));
    }
    let constant = node.constant(reader, 1)?;
    let &[rows, columns] = constant.dims() else {
        return Err(node.wrong(format!("multiplies by {:?}; expected a matrix", constant.dims())));
    };
    let (inputs, outputs) = if transposed { (columns, rows) } else { (rows, columns) };
    if inputs == 0 || outputs == 0 {
        return Err(node.wrong(format!("weights from {inputs} inputs to {outputs} outputs")));
    }
    let values = constant.floats()?;
    let weights = match transposed {
        true => values.to_vec(),
        false => {
            (0..outputs).flat_map(|o| (0..inputs).map(move |i| values[i * outputs + o])).collect()
        }
    };
    Ok(Matrix { weights, inputs, outputs })
}

/// The product along the value's last dimension: of all its elements a fully connected layer, of
/// the channels of every pixel a convolution.
fn multiply(
    reader: &mut Reader,
    node: &Cursor,
    matrix: Matrix,
    bias: Vec<f32>,
) -> Result<(), ReadError> {
    let view = node.view(reader, 0)?;
    let Matrix { weights, inputs, outputs } = matrix;
    let (dims, rank) = (view.dims(), view.rank());
    let wrong =
        |what: &str| Err(node.wrong(format!("multiplies {dims:?} by {inputs}×{outputs}; {what}")));
    if dims.last() != Some(&inputs) {
        return wrong("the last dimension must be as long as the weights' inputs");
    }
    if view.batch() != Some(0) {
        return wrong("expected [N, IN], with the batch first (is a Flatten missing?)");
    }
    if inputs == view.size() {
        // Elements as they are stored, whatever order the file reads them in.
        let order = view.order();
        let mut stored = vec![0.0; weights.len()];
        for (row, target) in weights.chunks(inputs).zip(stored.chunks_mut(inputs)) {
            row.iter().zip(&order).for_each(|(&weight, &at)| target[at] = weight);
        }
        let new: Vec<usize> = (1..rank - 1).collect();
        let operator = Operator::FullyConnected { weights: stored, bias };
        let shape = Shape::flat(outputs);
        reader.check_work(node.proto, outputs, inputs)?;
        return reader.push_shaped(node.proto, operator, &[view.value], shape, |value| {
            let flat = View::flat(value, outputs);
            flat.unsqueezed(&new).unwrap_or(flat)
        });
    }
    let image = match rank {
        3 | 4 => node.image(reader, &[Layout::ChannelsLast])?,
        _ => return wrong("expected a vector for each image (is a Flatten missing?)"),
    };
    let shape = Shape { channels: outputs, ..image.shape };
    reader.check_elements(node.proto, &shape.hwc())?;
    reader.check_work(node.proto, shape.size(), inputs)?;
    let operator = Operator::Conv2d { weights, bias, window: Window::new([1, 1]), groups: 1 };
    reader.push_shaped(node.proto, operator, &[image.value], shape, image.view(shape))
}
