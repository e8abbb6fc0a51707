//! Relu, Clip, LeakyRelu and what changes nothing: element by element.

use crate::pb::tensor_proto::DataType;

use super::*;
use crate::graph::Head;

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
            let low = low.unwrap_or(f32::NEG_INFINITY);
            let high = high.unwrap_or(f32::INFINITY);
            if low.is_nan() || high.is_nan() || low > high {
                return Err(node.wrong(format!("the bounds {low} and {high} leave nothing")));
            }
            unary(reader, node, Operator::Function(functions::Clip { low, high }.into()))
        }
    }
}

/// Min and Max of a value and a constant; the minimum of a ReLU is ReLU6 as Keras exports it.
pub(super) fn bound(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let (value, constant) = match node.known(reader, 0)? {
        Known::Value(_) => (0, 1),
        Known::Constant(_) => (1, 0),
    };
    let view = node.view(reader, value)?;
    let constant = node.constant(reader, constant)?;
    let behind_relu = view.value > 0 && reader.nodes[view.value - 1].operator == Operator::Relu;
    let operator = match (node.proto.op_type.as_str(), constant.floats()?) {
        (_, &[bound]) if node.proto.input.len() != 2 || bound.is_nan() => None,
        ("Min", &[ceiling]) if ceiling > 0.0 && behind_relu => Some(Operator::Clip { ceiling }),
        ("Max", &[0.0]) => Some(Operator::Relu),
        ("Min", &[high]) => {
            Some(Operator::Function(functions::Clip { low: f32::NEG_INFINITY, high }.into()))
        }
        (_, &[low]) => {
            Some(Operator::Function(functions::Clip { low, high: f32::INFINITY }.into()))
        }
        _ => None,
    };
    let what = "is supported for one value and one constant, as in ReLU6";
    let operator = operator.ok_or_else(|| node.wrong(what))?;
    reader.push(node.proto, operator, &[view.value], |v| view.at(v))
}

pub(super) fn leaky_relu(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let operator = match node.float("alpha", 0.01) {
        slope if slope.is_nan() => return Err(node.wrong("the slope is not a number")),
        slope => leaky(slope),
    };
    unary(reader, node, operator)
}

/// A slope for all elements, or one for each channel.
pub(super) fn prelu(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let (view, slopes) = (node.view(reader, 0)?, node.constant(reader, 1)?);
    let (dims, slopes) = (slopes.dims(), slopes.floats()?);
    if slopes.iter().any(|slope| !slope.is_finite()) {
        return Err(node.wrong("a slope is infinite or not a number"));
    }
    let (view, slopes) = arithmetic::per_channel(reader, node, view, dims, slopes)?;
    let operator = match slopes[..] {
        [slope] => leaky(slope),
        _ => Operator::PRelu { slopes },
    };
    reader.push(node.proto, operator, &[view.value], |value| view.at(value))
}

/// A ReLU that leaks; with a slope from 0 to 1 it is a layer of its own.
fn leaky(slope: f32) -> Operator {
    match slope {
        0.0 => Operator::Relu,
        1.0 => Operator::Identity,
        slope if slope > 0.0 && slope < 1.0 => Operator::LeakyRelu { slope },
        slope => Operator::Function(functions::Bent { slope }.into()),
    }
}

/// Pow with a whole constant exponent.
pub(super) fn power(reader: &mut Reader, node: &Cursor) -> Result<(), ReadError> {
    let exponent = node.constant(reader, 1)?;
    let exponent = match (exponent.tensor.as_floats(), exponent.tensor.as_ints()) {
        (Ok(&[exponent]), _) => f64::from(exponent),
        (_, Ok(&[exponent])) => exponent as f64,
        _ => return Err(node.wrong("an exponent for each element; expected one for all")),
    };
    let operator = match exponent {
        1.0 => Operator::Identity,
        2.0..=8.0 if exponent.fract() == 0.0 => {
            Operator::Function(functions::Power { exponent: exponent as u8 }.into())
        }
        _ => return Err(node.wrong(format!("the exponent {exponent}; expected one from 1 to 8"))),
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
        // The place of the largest is an integer already.
        Some(DataType::Int32 | DataType::Int64)
            if matches!(
                head::produced_by(reader, &view),
                Some(Operator::Softmax { head: Head::ArgMax, .. })
            ) =>
        {
            reader.bind(node.proto, Known::Value(view));
            Ok(())
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
