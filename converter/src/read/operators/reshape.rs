//! Flatten, Reshape, Squeeze, Unsqueeze and Transpose: other views of the same elements.

use super::*;
use crate::interpreter::shape::reshaped_dims;

pub(super) fn transpose(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let view = node.raw_view(reader, 0)?;
    let backwards: Vec<i64> = (0..view.rank() as i64).rev().collect();
    let perm = node.ints("perm").unwrap_or(&backwards);
    let next = view.transposed(perm).map_err(|what| node.wrong(what))?;
    reader.bind(node.proto, Known::Value(next));
    Ok(())
}

/// Flatten and Reshape.
pub(super) fn reshape(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let view = node.raw_view(reader, 0)?;
    let target = match node.proto.op_type.as_str() {
        "Flatten" => None,
        _ => Some(node.constant(reader, 1)?),
    };
    let target = target.as_ref().map(|constant| constant.as_ints()).transpose()?;
    let next = reshaped(node, &view, target)?;
    reader.bind(node.proto, Known::Value(next));
    Ok(())
}

/// What Flatten, or Reshape with its `target`, makes of a view.
pub(crate) fn reshaped(
    node: &Cursor,
    view: &View,
    target: Option<&[i64]>,
) -> Result<View, ReadError> {
    let old = view.dims();
    let dims = match target {
        None => {
            let split = node.int("axis", 1);
            let split =
                if split == old.len() as i64 { Ok(old.len()) } else { axis(split, old.len()) };
            let split = split.map_err(|what| node.wrong(what))?;
            vec![old[..split].iter().product(), old[split..].iter().product()]
        }
        Some(target) => {
            let allow_zero = node.int("allowzero", 0) != 0;
            let mut dims =
                reshaped_dims(&old, target, allow_zero).map_err(|what| node.wrong(what))?;
            // A batch fixed at export is one image here.
            if dims.iter().product::<usize>() != view.size() && dims.len() > 1 && dims[0] > 1 {
                dims[0] = 1;
            }
            if dims.iter().product::<usize>() != view.size() {
                let size = view.size();
                return Err(
                    node.wrong(format!("{target:?} does not hold the {size} elements of {old:?}"))
                );
            }
            dims
        }
    };
    view.reshaped(&dims).ok_or_else(|| {
        node.wrong(format!("from {old:?} to {dims:?}: no kernel moves elements like this"))
    })
}

/// Squeeze and Unsqueeze.
pub(super) fn squeeze(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let view = node.raw_view(reader, 0)?;
    let (dims, rank) = (view.dims(), view.rank());
    let next = match node.proto.op_type.as_str() {
        "Squeeze" => {
            let gone = match node.axes(reader, rank)? {
                Some(axes) => axes,
                // The batch counts as more than one image, and stays.
                None => (0..rank).filter(|&i| dims[i] == 1 && view.batch() != Some(i)).collect(),
            };
            view.squeezed(&gone)
        }
        _ => {
            let count = match (node.ints("axes"), node.optional(reader, 1)?) {
                (Some(axes), _) => axes.len(),
                (None, Some(axes)) => axes.tensor.len(),
                (None, None) => return Err(node.wrong("axes are missing")),
            };
            view.unsqueezed(&node.axes(reader, rank + count)?.unwrap_or_default())
        }
    };
    reader.bind(node.proto, Known::Value(next.map_err(|what| node.wrong(what))?));
    Ok(())
}
