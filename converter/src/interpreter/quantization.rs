//! QuantizeLinear and DequantizeLinear, per tensor and per axis.

use crate::pb::tensor_proto::DataType;

use super::{Call, Tensor, Values, axis};

/// For each element of `x`, which of `count` scales is its own.
fn channel(call: &Call, x: &Tensor, count: usize) -> Result<impl Fn(usize) -> usize, String> {
    if call.attributes.int("block_size", 0) != 0 {
        return Err("scales by blocks".into());
    }
    let (size, inner) = match count {
        1 => (1, 1),
        _ => {
            let along = axis(call.attributes.int("axis", 1), x.dims.len())?;
            (x.dims[along], x.dims[along + 1..].iter().product())
        }
    };
    match size == count {
        true => Ok(move |at: usize| at / inner % size),
        false => Err(format!("{count} scales for {size} channels")),
    }
}

/// `(x − zero point) · scale`.
pub(super) fn dequantize_linear(call: &Call) -> Result<Tensor, String> {
    let (x, scale) = (call.input(0)?, call.input(1)?.as_floats()?);
    let zero = call.optional(2).map(Tensor::as_ints).transpose()?;
    if zero.is_some_and(|zero| zero.len() != scale.len()) {
        return Err("as many zero points as scales are expected".into());
    }
    let of = channel(call, x, scale.len())?;
    let value = |(at, &x): (usize, &i64)| {
        let c = of(at);
        x.saturating_sub(zero.map_or(0, |zero| zero[c])) as f32 * scale[c]
    };
    Ok(Tensor::floats(x.dims.clone(), x.as_ints()?.iter().enumerate().map(value).collect()))
}

/// `x / scale + zero point`, rounded half to even and saturated.
pub(super) fn quantize_linear(call: &Call) -> Result<Tensor, String> {
    let (x, scale) = (call.input(0)?, call.input(1)?.as_floats()?);
    let element = call.optional(2).map_or(DataType::Uint8, |zero| zero.element);
    let (low, high) = match element {
        DataType::Uint8 => (0, 255),
        DataType::Int8 => (-128, 127),
        DataType::Uint16 => (0, 65535),
        DataType::Int16 => (-32768, 32767),
        other => return Err(format!("to {}", other.as_str_name())),
    };
    let zero = call.optional(2).map(Tensor::as_ints).transpose()?;
    if zero.is_some_and(|zero| zero.len() != scale.len()) {
        return Err("as many zero points as scales are expected".into());
    }
    let of = channel(call, x, scale.len())?;
    let value = |(at, &x): (usize, &f32)| {
        let c = of(at);
        let rounded = (x / scale[c]).round_ties_even() as i64;
        rounded.saturating_add(zero.map_or(0, |zero| zero[c])).clamp(low, high)
    };
    let values = x.as_floats()?.iter().enumerate().map(value).collect();
    Ok(Tensor { dims: x.dims.clone(), element, values: Values::Int(values) })
}
