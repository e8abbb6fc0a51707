//! Relu, Clip, LeakyRelu and what changes nothing: element by element.

use crate::pb::tensor_proto::DataType;

use super::*;

/// Clip from 0 upwards: ReLU, or ReLU6 and its like. Bounds are attributes before operator set
/// 11, then inputs.
pub(super) fn clip(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let bound = |name: &str, index: usize| -> Result<Option<f32>, ReadError> {
        let Some(bound) = node.optional(reader, index)? else {
            return Ok(node.attributes().get(name).map(|bound| bound.f));
        };
        match bound.tensor.as_floats() {
            Ok(&[bound]) => Ok(Some(bound)),
            Ok(many) => {
                Err(node.wrong(format!("a bound with {} elements; expected one", many.len())))
            }
            Err(what) => Err(node.wrong(what)),
        }
    };
    let low = bound("min", 1)?.filter(|&low| low > f32::MIN);
    let high = bound("max", 2)?.filter(|&high| high < f32::MAX);
    match (low, high) {
        (None, None) => unary(reader, node, Operator::Identity),
        (Some(0.0), None) => unary(reader, node, Operator::Relu),
        (Some(0.0), Some(ceiling)) if ceiling > 0.0 => {
            unary(reader, node, Operator::Clip { ceiling })
        }
        (low, high) => {
            let shown =
                |bound: Option<f32>| bound.map_or("none".to_string(), |bound| bound.to_string());
            Err(node.wrong(format!(
                "bounds {} and {}; only a lower bound of 0 and a positive upper one are supported: \
                 use ReLU or ReLU6",
                shown(low),
                shown(high)
            )))
        }
    }
}

/// The minimum of a ReLU and a constant: ReLU6 as Keras exports it.
pub(super) fn min(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let (value, constant) = match node.known(reader, 0)? {
        Known::Value(_) => (0, 1),
        Known::Constant(_) => (1, 0),
    };
    let view = node.view(reader, value)?;
    let constant = node.constant(reader, constant)?;
    let behind_relu = view.value > 0 && reader.nodes[view.value - 1].operator == Operator::Relu;
    match constant.floats()? {
        &[ceiling] if ceiling > 0.0 && behind_relu && node.proto.input.len() == 2 => {
            reader.push(node.proto, Operator::Clip { ceiling }, &[view.value], |v| view.at(v))
        }
        _ => {
            Err(node.wrong("is supported with a ReLU and one positive constant only, as in ReLU6"))
        }
    }
}

pub(super) fn leaky_relu(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let operator = match node.float("alpha", 0.01) {
        0.0 => Operator::Relu,
        1.0 => Operator::Identity,
        slope if slope > 0.0 && slope < 1.0 => Operator::LeakyRelu { slope },
        slope => return Err(node.wrong(format!("slope {slope}; expected one from 0 to 1"))),
    };
    unary(reader, node, operator)
}

pub(super) fn unary(
    reader: &mut Reader,
    node: &Cursor,
    operator: Operator,
) -> Result<(), ReadError> {
    let view = node.view(reader, 0)?;
    let next = view.clone();
    reader.push(node.proto, operator, &[view.value], |value| next.at(value))
}

pub(super) fn identity(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let view = node.raw_view(reader, 0)?;
    let next = view.clone();
    reader.push(node.proto, Operator::Identity, &[view.value], |value| next.at(value))
}

/// Dropout, which is the identity once training is over.
pub(super) fn dropout(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    if let Some(training) = node.optional(reader, 2)?
        && training.as_ints()?.iter().any(|&training| training != 0)
    {
        return Err(node.wrong("is in training mode; export the model for inference"));
    }
    identity(reader, node)
}

/// Casts that change no value: between floats, and from pixels to floats.
pub(super) fn cast(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let mut view = node.raw_view(reader, 0)?;
    let to = i32::try_from(node.int("to", 0)).ok().and_then(|to| DataType::try_from(to).ok());
    match to {
        Some(DataType::Float | DataType::Float16 | DataType::Bfloat16 | DataType::Double) => {
            view.integer = false;
            let next = view.clone();
            reader.push(node.proto, Operator::Identity, &[view.value], |value| next.at(value))
        }
        to => {
            let to = to.map_or("an unknown type".to_string(), |to| to.as_str_name());
            Err(node.wrong(format!(
                "casts what depends on the image to {to}, which changes its values; remove it \
                 before the export"
            )))
        }
    }
}
