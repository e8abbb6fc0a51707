//! Gemm and MatMul.

use super::{Call, Tensor, broadcast, broadcast_strides, places};
use crate::limits::{OPERATIONS, elements};

/// `alpha · A · B + beta · C`, with A and B transposed where asked.
pub(super) fn gemm(call: &Call) -> Result<Tensor, String> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    let (&[a_rows, a_columns], &[b_rows, b_columns]) = (&a.dims[..], &b.dims[..]) else {
        return Err(format!("multiplies {:?} and {:?}; expected matrices", a.dims, b.dims));
    };
    let transposed = |name: &str| call.attributes.int(name, 0) != 0;
    let (trans_a, trans_b) = (transposed("transA"), transposed("transB"));
    let (rows, depth) = if trans_a { (a_columns, a_rows) } else { (a_rows, a_columns) };
    let (b_depth, columns) = if trans_b { (b_columns, b_rows) } else { (b_rows, b_columns) };
    if depth != b_depth {
        return Err(format!("multiplies {rows}×{depth} and {b_depth}×{columns}"));
    }
    let a_strides = if trans_a { [1, a_columns] } else { [a_columns, 1] };
    let b_strides = if trans_b { [1, b_columns] } else { [b_columns, 1] };
    let sizes = [rows, depth, columns];
    let mut y = product(sizes, (a.as_floats()?, a_strides), (b.as_floats()?, b_strides))?;
    let alpha = call.attributes.float("alpha", 1.0);
    y.iter_mut().for_each(|value| *value *= alpha);
    if let Some(c) = call.optional(2) {
        let (beta, values) = (call.attributes.float("beta", 1.0), c.as_floats()?);
        if broadcast(&c.dims, &[rows, columns])? != [rows, columns] {
            return Err(format!("adds {:?} to {rows}×{columns}", c.dims));
        }
        let at = places(&[rows, columns], &broadcast_strides(&c.dims, &[rows, columns]));
        y.iter_mut().zip(at).for_each(|(y, at)| *y += beta * values[at]);
    }
    Ok(Tensor::floats(vec![rows, columns], y))
}

/// The product of the last two dimensions; the others broadcast.
pub(super) fn matmul(call: &Call) -> Result<Tensor, String> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    if a.dims.is_empty() || b.dims.is_empty() {
        return Err("multiplies a scalar".into());
    }
    // A vector is a matrix of one row on the left, of one column on the right.
    let a_dims = if a.dims.len() == 1 { vec![1, a.dims[0]] } else { a.dims.clone() };
    let b_dims = if b.dims.len() == 1 { vec![b.dims[0], 1] } else { b.dims.clone() };
    let (a_batch, a_matrix) = a_dims.split_at(a_dims.len() - 2);
    let (b_batch, b_matrix) = b_dims.split_at(b_dims.len() - 2);
    let (&[rows, depth], &[b_depth, columns]) = (a_matrix, b_matrix) else {
        return Err("expected matrices".into());
    };
    if depth != b_depth {
        return Err(format!("multiplies {:?} and {:?}", a.dims, b.dims));
    }
    let batch = broadcast(a_batch, b_batch)?;
    elements(&[&batch[..], &[rows, columns]].concat())?;
    let (a_values, b_values) = (a.as_floats()?, b.as_floats()?);
    let batches = places(&batch, &broadcast_strides(a_batch, &batch))
        .zip(places(&batch, &broadcast_strides(b_batch, &batch)));
    let mut y = Vec::new();
    for (a_at, b_at) in batches {
        let a = &a_values[a_at * rows * depth..];
        let b = &b_values[b_at * depth * columns..];
        y.extend(product([rows, depth, columns], (a, [depth, 1]), (b, [columns, 1]))?);
    }
    let mut dims = batch;
    if a.dims.len() > 1 {
        dims.push(rows);
    }
    if b.dims.len() > 1 {
        dims.push(columns);
    }
    Ok(Tensor::floats(dims, y))
}

/// A matrix product; each matrix comes with the strides of its rows and columns.
fn product(
    [rows, depth, columns]: [usize; 3],
    (a, a_strides): (&[f32], [usize; 2]),
    (b, b_strides): (&[f32], [usize; 2]),
) -> Result<Vec<f32>, String> {
    if elements(&[rows, columns])?.checked_mul(depth).is_none_or(|all| all > OPERATIONS) {
        return Err(format!("{rows}×{depth} times {depth}×{columns} is too much work"));
    }
    let mut y = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        for column in 0..columns {
            let terms = (0..depth).map(|k| {
                let a = a[row * a_strides[0] + k * a_strides[1]];
                f64::from(a) * f64::from(b[k * b_strides[0] + column * b_strides[1]])
            });
            y.push(terms.sum::<f64>() as f32);
        }
    }
    Ok(y)
}
