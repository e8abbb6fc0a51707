//! Chooses one exponent per output channel for the weights, by squared error among those that
//! keep the accumulator in bounds, and rounds weights and biases.

use super::bound::ACCUMULATOR_BOUND;
use super::{QuantizeError, largest_weight};
use crate::quantized::{Parameters, Requantization, ValueFormat};

/// How many exponents around the widest one are tried: finer ones clip, coarser ones are there
/// for channels whose accumulator would not fit.
const FINER: i32 = 2;
const COARSER: i32 = 16;

/// Quantizes a layer to weights of `bits`. With `target` every channel has its own exponent and a shift to the
/// target's; without, the layer computes the logits and all channels share one exponent, so that
/// their accumulators can be compared.
pub fn quantize(
    layer: &str,
    (weights, bias): (&[f32], &[f32]),
    bits: u8,
    input: ValueFormat,
    target: Option<ValueFormat>,
) -> Result<Parameters, QuantizeError> {
    let largest = f64::from(largest_weight(bits));
    let taps = (weights.len() / bias.len().max(1)).max(1);
    let channels: Vec<(&[f32], f32)> = weights.chunks(taps).zip(bias.iter().copied()).collect();
    let exponents = match target {
        Some(target) => {
            let choose = |(channel, &(weights, bias)): (usize, &(&[f32], f32))| {
                let allowed = target.exponent() - input.exponent()
                    ..=target.exponent() - input.exponent() + 31;
                best_exponent(&[(weights, bias)], largest, input, allowed)
                    .ok_or_else(|| refused((layer, channel), weights, bias, largest, input))
            };
            channels.iter().enumerate().map(choose).collect::<Result<Vec<_>, _>>()?
        }
        None => {
            let one = best_exponent(&channels, largest, input, -60..=60).ok_or_else(|| {
                let (weights, bias) = channels[0];
                refused((layer, 0), weights, bias, largest, input)
            })?;
            vec![one; channels.len()]
        }
    };
    let mut parameters = Parameters {
        weights: Vec::with_capacity(weights.len()),
        bias: Vec::with_capacity(bias.len()),
        bits,
        weight_exponents: exponents.clone(),
        requantization: Requantization::None,
    };
    let mut shifts = Vec::new();
    for (&(weights, bias), exponent) in channels.iter().zip(exponents) {
        parameters
            .weights
            .extend(weights.iter().map(|&w| round_weight(w, exponent, largest) as i8));
        parameters.bias.push(round_bias(bias, input.exponent() + exponent) as i32);
        if let Some(target) = target {
            shifts.push((input.exponent() + exponent - target.exponent()) as u8);
        }
    }
    if target.is_some() {
        parameters.requantization = Requantization::Shifts(shifts);
    }
    Ok(parameters)
}

fn round_weight(weight: f32, exponent: i32, largest: f64) -> f64 {
    (f64::from(weight) * 2_f64.powi(exponent)).round_ties_even().clamp(-largest, largest)
}

fn round_bias(bias: f32, exponent: i32) -> f64 {
    (f64::from(bias) * 2_f64.powi(exponent)).round_ties_even()
}

/// The exponent with the smallest squared error over `channels` among those that are allowed and
/// keep every channel's accumulator in bounds.
fn best_exponent(
    channels: &[(&[f32], f32)],
    largest: f64,
    input: ValueFormat,
    allowed: std::ops::RangeInclusive<i32>,
) -> Option<i32> {
    let peak =
        channels.iter().flat_map(|(weights, _)| *weights).fold(0_f32, |peak, w| peak.max(w.abs()));
    let bias = channels.iter().fold(0_f32, |peak, (_, bias)| peak.max(bias.abs()));
    // A channel without weights is its bias: as many bits for it as the bound leaves.
    let widest = match peak {
        0.0 if bias == 0.0 => *allowed.start(),
        0.0 => {
            (ACCUMULATOR_BOUND as f64 / 2.0 / f64::from(bias)).log2().floor() as i32
                - input.exponent()
        }
        peak => (largest / f64::from(peak)).log2().floor() as i32,
    };
    let widest = widest.clamp(*allowed.start(), *allowed.end());
    let lowest = (widest - COARSER).max(*allowed.start());
    let highest = (widest + FINER).min(*allowed.end());
    let mut best: Option<(f64, i32)> = None;
    // From fine to coarse; an equal error keeps the finer, which serves the bias.
    for exponent in (lowest..=highest).rev() {
        if channels.iter().any(|&(weights, bias)| {
            reach(weights, bias, exponent, largest, input) >= ACCUMULATOR_BOUND as f64
        }) {
            continue;
        }
        let step = 2_f64.powi(-exponent);
        let error: f64 = channels
            .iter()
            .flat_map(|(weights, _)| *weights)
            .map(|&w| (f64::from(w) - round_weight(w, exponent, largest) * step).powi(2))
            .sum();
        if best.is_none_or(|(smallest, _)| error < smallest) {
            best = Some((error, exponent));
        }
    }
    best.map(|(_, exponent)| exponent)
}

/// `Σ|w|·max(x) + |b|` of a channel at an exponent.
fn reach(weights: &[f32], bias: f32, exponent: i32, largest: f64, input: ValueFormat) -> f64 {
    let sum: f64 = weights.iter().map(|&w| round_weight(w, exponent, largest).abs()).sum();
    sum * input.element.largest() as f64 + round_bias(bias, input.exponent() + exponent).abs()
}

fn refused(
    (layer, channel): (&str, usize),
    weights: &[f32],
    bias: f32,
    largest: f64,
    input: ValueFormat,
) -> QuantizeError {
    let peak = weights.iter().fold(0_f32, |peak, w| peak.max(w.abs())).max(f32::MIN_POSITIVE);
    let exponent = (largest / f64::from(peak)).log2().floor() as i32;
    let bound = format!("{:.0}", reach(weights, bias, exponent.min(60), largest, input));
    QuantizeError::Accumulator { layer: layer.into(), channel, bound }
}
