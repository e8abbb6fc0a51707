//! What a classifier ends in: Softmax, LogSoftmax and ArgMax. A sigmoid at the end is a function like others
//! until the passes find it there.

use super::*;
use crate::graph::Head;

pub(super) fn head(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let view = node.view(reader, 0)?;
    let head = match node.proto.op_type.as_str() {
        "Softmax" => Head::Softmax,
        "LogSoftmax" => Head::LogSoftmax,
        _ => Head::ArgMax,
    };
    // Over one axis; Softmax before operator set 13 over all dimensions from the axis on.
    let early = reader.opset < 13 && head != Head::ArgMax;
    let default = match (head, early) {
        (Head::ArgMax, _) => 0,
        (_, true) => 1,
        (_, false) => -1,
    };
    let (dims, rank) = (view.dims(), view.rank());
    let along = axis(node.int("axis", default), rank).map_err(|what| node.wrong(what))?;
    let over: usize = if early { dims[along..].iter().product() } else { dims[along] };
    let batch = view.batch();
    if batch == Some(along) || (early && batch >= Some(along)) {
        return Err(node.wrong("is taken over the batch, not over the classes; use axis=1"));
    }
    if over != view.size() || batch.is_none() {
        return Err(node.wrong(format!(
            "over axis {along} of {dims:?}; only over all values of one image is supported"
        )));
    }
    if node.int("select_last_index", 0) != 0 {
        return Err(node.wrong("select_last_index is not supported: ties go to the first class"));
    }
    let mut result = view.clone();
    if head == Head::ArgMax {
        let gone = View::flat(view.value, 1);
        result =
            if node.int("keepdims", 1) == 0 { gone.squeezed(&[1]).unwrap_or(gone) } else { gone };
    }
    reader.push(node.proto, Operator::Softmax(head), &[view.value], |v| result.at(v))
}
