//! BatchNormalization as at inference, Softmax and LogSoftmax.

use super::{Call, Tensor, axis};

/// `scale · (x − mean) / √(variance + ε) + bias`, per channel, which is dimension 1.
pub(super) fn batch_normalization(call: &Call) -> Result<Tensor, String> {
    let x = call.input(0)?;
    if call.attributes.int("training_mode", 0) != 0 {
        return Err("is in training mode".into());
    }
    let channels = x.dims.get(1).copied().ok_or("of a vector")?;
    let parameter = |index: usize| -> Result<&[f32], String> {
        match call.input(index)?.as_floats()? {
            values if values.len() == channels => Ok(values),
            values => Err(format!("{} parameters for {channels} channels", values.len())),
        }
    };
    let (gamma, beta) = (parameter(1)?, parameter(2)?);
    let (mean, variance) = (parameter(3)?, parameter(4)?);
    let epsilon = call.attributes.float("epsilon", 1e-5);
    let pixels: usize = x.dims[2..].iter().product();
    let normalized = |(at, &x): (usize, &f32)| {
        let c = at / pixels % channels;
        let deviation = (f64::from(variance[c]) + f64::from(epsilon)).sqrt();
        (f64::from(gamma[c]) * (f64::from(x) - f64::from(mean[c])) / deviation + f64::from(beta[c]))
            as f32
    };
    let y = x.as_floats()?.iter().enumerate().map(normalized).collect();
    Ok(Tensor::floats(x.dims.clone(), y))
}

/// Over one axis; before operator set 13 over all dimensions from the axis on.
pub(super) fn softmax(call: &Call) -> Result<Tensor, String> {
    let x = call.input(0)?;
    let early = call.opset < 13;
    let first = axis(call.attributes.int("axis", if early { 1 } else { -1 }), x.dims.len())?;
    let (size, inner) = match early {
        true => (x.dims[first..].iter().product::<usize>(), 1),
        false => (x.dims[first], x.dims[first + 1..].iter().product()),
    };
    let values = x.as_floats()?;
    let mut y = vec![0.0; values.len()];
    let outer = values.len() / (size * inner).max(1);
    for (o, i) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
        let at = |k: usize| (o * size + k) * inner + i;
        let peak = (0..size).map(|k| values[at(k)]).fold(f32::NEG_INFINITY, f32::max);
        let shifted = |k: usize| f64::from(values[at(k)]) - f64::from(peak);
        let sum: f64 = (0..size).map(|k| shifted(k).exp()).sum();
        for k in 0..size {
            y[at(k)] = match call.op() {
                "Softmax" => (shifted(k).exp() / sum) as f32,
                _ => (shifted(k) - sum.ln()) as f32,
            };
        }
    }
    Ok(Tensor::floats(x.dims.clone(), y))
}
