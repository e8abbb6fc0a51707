//! Flatten, Reshape, Squeeze, Unsqueeze and Transpose: other views of the same elements.

use super::*;

pub(super) fn transpose(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    if let Known::Constant(constant) = node.known(reader, 0)? {
        let (perm, dims) = (node.ints("perm"), &constant.dims);
        let (&[rows, columns], None | Some(&[1, 0])) = (&dims[..], perm) else {
            return Err(node.wrong("of a constant: only a matrix is supported"));
        };
        let values = constant.floats()?;
        let turned = (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c]));
        let turned = Constant {
            name: constant.name.clone(),
            dims: vec![columns, rows],
            values: Values::Float(turned.collect()),
        };
        reader.bind(node.proto, Known::Constant(turned));
        return Ok(());
    }
    let view = node.view(reader, 0)?;
    let perm = node.ints("perm").unwrap_or(&[]);
    let next = view.transposed(perm).ok_or_else(|| {
        node.wrong(format!(
            "perm {perm:?} of the shape {:?}; only [N,C,H,W] ↔ [N,H,W,C] is supported",
            view.dims
        ))
    })?;
    reader.bind(node.proto, Known::Value(next));
    Ok(())
}

/// Flatten, Reshape, Squeeze and Unsqueeze.
pub(super) fn reshape(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let known = node.known(reader, 0)?.clone();
    let old = match &known {
        Known::Constant(constant) => constant.dims.clone(),
        Known::Value(view) => view.dims.clone(),
    };
    let dims = new_dims(reader, node, &old)?;
    let view = match known {
        Known::Constant(constant) => {
            reader.bind(node.proto, Known::Constant(Constant { dims, ..constant }));
            return Ok(());
        }
        Known::Value(view) => view,
    };
    if let Some(next) = view.relabelled(&dims) {
        reader.bind(node.proto, Known::Value(next));
        return Ok(());
    }
    match dims[..] {
        [1, size] => {
            let order = view.flatten_order();
            reader.push(node.proto, Operator::Flatten { order }, &[view.value], |v| {
                View::flat(v, size)
            })
        }
        // Pixels that came as a vector become the image that they are.
        [1, 1, height, width] if view.layout == Layout::Flat && view.value == 0 => {
            reader.input = Shape::new(height, width, 1);
            reader.bind(node.proto, Known::Value(View { value: 0, dims, layout: Layout::Nchw }));
            Ok(())
        }
        [1, height, width, 1] if view.layout == Layout::Flat && view.value == 0 => {
            reader.input = Shape::new(height, width, 1);
            reader.bind(node.proto, Known::Value(View { value: 0, dims, layout: Layout::Nhwc }));
            Ok(())
        }
        _ => Err(node.wrong(format!(
            "from {:?} to {dims:?}; only flattening to [N, K] is supported",
            view.dims
        ))),
    }
}

/// The dimensions after a reshape of `old`.
fn new_dims(reader: &Reader, node: &Cursor, old: &[usize]) -> Result<Vec<usize>, ReadError> {
    let rank = old.len() as i64;
    let axis = |axis: i64, rank: i64| -> Result<usize, ReadError> {
        let positive = if axis < 0 { axis + rank } else { axis };
        match (0..=rank).contains(&positive) {
            true => Ok(positive as usize),
            false => Err(node.wrong(format!("axis {axis} of a value with {rank} dimensions"))),
        }
    };
    let size: usize = old.iter().product();
    match node.proto.op_type.as_str() {
        "Flatten" => {
            let split = axis(node.int("axis", 1), rank)?;
            let first: usize = old[..split].iter().product();
            Ok(vec![first, size / first.max(1)])
        }
        "Squeeze" => match node.axes(reader)? {
            None => Ok(old.iter().copied().filter(|&dim| dim != 1).collect()),
            Some(axes) => {
                let axes = axes.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
                Ok(old
                    .iter()
                    .enumerate()
                    .filter(|(i, _)| !axes.contains(i))
                    .map(|(_, &d)| d)
                    .collect())
            }
        },
        "Unsqueeze" => {
            let axes = node.axes(reader)?.unwrap_or_default();
            let new_rank = rank + axes.len() as i64;
            let mut axes =
                axes.iter().map(|&a| axis(a, new_rank)).collect::<Result<Vec<_>, _>>()?;
            axes.sort_unstable();
            let mut dims = old.to_vec();
            for axis in axes {
                if axis > dims.len() {
                    return Err(node.wrong("axes out of range"));
                }
                dims.insert(axis, 1);
            }
            Ok(dims)
        }
        _ => {
            let target = node.constant(reader, 1)?;
            let target = target.as_ints()?;
            let mut dims = Vec::new();
            for (i, &dim) in target.iter().enumerate() {
                dims.push(match dim {
                    0 if node.int("allowzero", 0) == 0 => *old
                        .get(i)
                        .ok_or_else(|| node.wrong("a 0 beyond the input's dimensions"))?,
                    -1 => 0,
                    dim if dim > 0 => dim as usize,
                    dim => return Err(node.wrong(format!("dimension {dim}"))),
                });
            }
            let rest: usize = dims.iter().filter(|&&dim| dim != 0).product();
            dims.iter_mut().filter(|dim| **dim == 0).for_each(|dim| *dim = size / rest.max(1));
            // A batch fixed at export is one image here.
            if dims.iter().product::<usize>() != size && dims.len() > 1 && dims[0] > 1 {
                dims[0] = 1;
            }
            match dims.iter().product::<usize>() == size {
                true => Ok(dims),
                false => {
                    Err(node
                        .wrong(format!("{target:?} does not hold the {size} elements of {old:?}")))
                }
            }
        }
    }
}
