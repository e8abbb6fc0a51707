//! Gemm and MatMul: fully connected layers.

use super::*;

pub(super) fn gemm(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    if node.int("transA", 0) != 0 {
        return Err(node.wrong("transA is not supported"));
    }
    let (alpha, beta) = (node.float("alpha", 1.0), node.float("beta", 1.0));
    let transposed = node.int("transB", 0) != 0;
    let mut operator = fully_connected(reader, node, transposed)?;
    if let Operator::FullyConnected { weights, bias: zeros } = &mut operator {
        weights.iter_mut().for_each(|weight| *weight *= alpha);
        *zeros = bias(node, reader, 2, zeros.len())?;
        zeros.iter_mut().for_each(|bias| *bias *= beta);
    }
    push_fully_connected(reader, node, operator)
}

pub(super) fn matmul(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let operator = fully_connected(reader, node, false)?;
    push_fully_connected(reader, node, operator)
}

/// The weights of a matrix product, `[OUT][IN]`, with a bias of zeros.
fn fully_connected(
    reader: &Reader,
    node: &Cursor,
    transposed: bool,
) -> Result<Operator, ReadError> {
    let view = node.view(reader, 0)?;
    let weights = node.constant(reader, 1)?;
    let (&[rows, columns], Layout::Flat) = (&weights.dims[..], view.layout) else {
        return Err(node.wrong(format!(
            "multiplies shapes {:?} and {:?}; expected [N, IN] and a matrix (is a Flatten missing?)",
            view.dims, weights.dims
        )));
    };
    let (inputs, outputs) = if transposed { (columns, rows) } else { (rows, columns) };
    if view.dims[1] != inputs {
        return Err(
            node.wrong(format!("weights expect {inputs} inputs, the value has {}", view.dims[1]))
        );
    }
    let values = weights.floats()?;
    let weights = match transposed {
        true => values.to_vec(),
        false => {
            (0..outputs).flat_map(|o| (0..inputs).map(move |i| values[i * outputs + o])).collect()
        }
    };
    Ok(Operator::FullyConnected { weights, bias: vec![0.0; outputs] })
}

fn push_fully_connected(
    reader: &mut Reader,
    node: &Cursor,
    operator: Operator,
) -> Result<(), ReadError> {
    let Operator::FullyConnected { bias, .. } = &operator else { return Ok(()) };
    let (value, outputs) = (node.view(reader, 0)?.value, bias.len());
    reader.push(node.proto, operator, &[value], |value| View::flat(value, outputs))
}
