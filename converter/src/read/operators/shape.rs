//! Computations on shapes, which are done while reading.

use super::*;

/// Shape, and the Gather, Concat and Slice that exporters make of it.
pub(super) fn shape_computation(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let ints = |index: usize| -> Result<Vec<i64>, ReadError> {
        Ok(node.constant(reader, index)?.as_ints()?.to_vec())
    };
    let result = match node.proto.op_type.as_str() {
        "Shape" => match node.known(reader, 0)? {
            Known::Constant(constant) => constant.dims.iter().map(|&d| d as i64).collect(),
            Known::Value(view) => view.dims.iter().map(|&d| d as i64).collect::<Vec<_>>(),
        },
        "Gather" => {
            let data = ints(0)?;
            let indices = node.constant(reader, 1)?;
            let mut gathered = Vec::new();
            for &index in indices.as_ints()? {
                let at = if index < 0 { index + data.len() as i64 } else { index };
                let value = usize::try_from(at).ok().and_then(|at| data.get(at));
                gathered.push(*value.ok_or_else(|| {
                    node.wrong(format!("index {index} of {} elements", data.len()))
                })?);
            }
            let dims = indices.dims.clone();
            let name = node.proto.output.first().cloned().unwrap_or_default();
            reader.bind(node.proto, Known::Constant(Constant::ints(&name, dims, gathered)));
            return Ok(());
        }
        "Concat" => {
            let mut all = Vec::new();
            for index in 0..node.proto.input.len() {
                all.extend(ints(index)?);
            }
            all
        }
        _ => {
            let (data, starts, ends) = (ints(0)?, ints(1)?, ints(2)?);
            let (&[start], &[end]) = (&starts[..], &ends[..]) else {
                return Err(node.wrong("is supported for one axis of a shape only"));
            };
            let len = data.len() as i64;
            let clamp = |at: i64| (if at < 0 { at + len } else { at }).clamp(0, len) as usize;
            data.get(clamp(start)..clamp(end)).unwrap_or_default().to_vec()
        }
    };
    let name = node.proto.output.first().cloned().unwrap_or_default();
    let constant = Constant::ints(&name, vec![result.len()], result);
    reader.bind(node.proto, Known::Constant(constant));
    Ok(())
}
