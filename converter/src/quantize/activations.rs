//! Chooses one exponent per value between layers, by the squared error on calibration images.

use super::QuantizeError;
use crate::dataset::Dataset;
use crate::evaluate;
use crate::lower::{LayerOp, Network};
use crate::parallel;
use crate::passes::INPUT_EXPONENT;
use crate::quantized::{ValueFormat, ValueType};

/// How many exponents above the one that clips nothing are tried. Each doubles the resolution and
/// clips more; four bits of clipping are already far too many.
const CANDIDATES: usize = 5;

/// Exponents stay in a range in which `2^±exponent` is a normal f32 and every sum of two is too.
const EXPONENT_RANGE: std::ops::RangeInclusive<i32> = -20..=40;

/// The format of every value: the image, then each layer's result.
pub fn choose(network: &Network, calibration: &Dataset) -> Result<Vec<ValueFormat>, QuantizeError> {
    let count = network.layers.len();
    let mut peaks = vec![0_f32; count];
    for image_peaks in parallel::map(calibration.len(), |index| {
        let values = evaluate::values(network, calibration.image(index));
        values[1..].iter().map(|v| v.iter().fold(0_f32, |peak, x| peak.max(x.abs()))).collect::<Vec<_>>()
    }) {
        peaks.iter_mut().zip(image_peaks).for_each(|(peak, p)| *peak = peak.max(p));
    }
    for (layer, peak) in network.layers.iter().zip(&peaks) {
        if !peak.is_finite() {
            let what = "its result is infinite or not a number on a calibration image".into();
            return Err(QuantizeError::Layer { layer: layer.name.clone(), what });
        }
    }

    let widest: Vec<i32> =
        network.layers.iter().zip(&peaks).map(|(layer, &peak)| widest_exponent(peak, layer.relu)).collect();
    let mut errors = vec![[0_f64; CANDIDATES]; count];
    // Sums in the order of the images: the same exponents whatever the number of threads.
    for image_errors in parallel::map(calibration.len(), |index| {
        let values = evaluate::values(network, calibration.image(index));
        let layers = network.layers.iter().zip(&widest).zip(&values[1..]);
        layers
            .map(|((layer, &widest), values)| {
                std::array::from_fn(|i| squared_error(values, widest + i as i32, layer.relu))
            })
            .collect::<Vec<[f64; CANDIDATES]>>()
    }) {
        for (sums, image) in errors.iter_mut().zip(image_errors) {
            sums.iter_mut().zip(image).for_each(|(sum, error)| *sum += error);
        }
    }

    let mut formats = vec![ValueFormat { element: ValueType::U8, exponent: INPUT_EXPONENT }];
    for (index, layer) in network.layers.iter().enumerate() {
        let best = (0..CANDIDATES).min_by(|&a, &b| errors[index][a].total_cmp(&errors[index][b]));
        let chosen = widest[index] + best.unwrap_or(0) as i32;
        let element = if layer.relu { ValueType::U8 } else { ValueType::I8 };
        formats.push(match layer.op {
            // Pooling passes its input on as it is.
            LayerOp::MaxPool2d { .. } => formats[layer.input],
            _ => ValueFormat { element, exponent: chosen },
        });
    }
    Ok(formats)
}

/// The largest exponent at which `peak` is not clipped.
fn widest_exponent(peak: f32, relu: bool) -> i32 {
    if peak == 0.0 {
        return 0;
    }
    let largest: f64 = if relu { 255.0 } else { 127.0 };
    let exponent = (largest / f64::from(peak)).log2().floor() as i32;
    exponent.clamp(*EXPONENT_RANGE.start(), EXPONENT_RANGE.end() - CANDIDATES as i32)
}

/// The squared error of representing `values` at an exponent.
fn squared_error(values: &[f32], exponent: i32, relu: bool) -> f64 {
    let (low, high) = if relu { (0.0, 255.0) } else { (-128.0, 127.0) };
    let (scale, step) = (2_f32.powi(exponent), 2_f32.powi(-exponent));
    values
        .iter()
        .map(|&x| {
            let error = x - (x * scale).round_ties_even().clamp(low, high) * step;
            f64::from(error * error)
        })
        .sum()
}
