//! Chooses one format per value between layers, by the squared error on calibration images. An
//! exponent that is given is taken instead.
//!
//! Values that a kernel only copies share a format with their copies: the choice is made for the
//! whole group, on the errors of all its members. A group is unsigned if none of them is ever
//! negative.

use super::{Exponents, QuantizeError};
use crate::evaluate;
use crate::graph::ValueId;
use crate::lower::{Layer, Network};
use crate::operators::FloatOp;
use crate::passes::INPUT_EXPONENT;
use crate::quantized::{ValueFormat, ValueType};
use inkling_data::Dataset;
use inkling_support::parallel;

/// How many exponents above the one that clips nothing are tried. Each doubles the resolution and
/// clips more; four bits of clipping are already far too many.
const CANDIDATES: usize = 5;

/// Exponents stay in a range in which `2^±exponent` is a normal f32 and every sum of two is too.
const EXPONENT_RANGE: std::ops::RangeInclusive<i32> = -20..=40;

/// The format of every value: the image, then each layer's result.
pub fn choose(
    network: &Network,
    calibration: &Dataset,
    given: &Exponents,
) -> Result<Vec<ValueFormat>, QuantizeError> {
    let count = network.layers.len();
    let mut peaks = vec![0_f32; count];
    for image_peaks in parallel::map(calibration.len(), |index| {
        let values = evaluate::values(network, calibration.image(index));
        values[1..]
            .iter()
            .map(|v| v.iter().fold(0_f32, |peak, x| largest(peak, x.abs())))
            .collect::<Vec<_>>()
    }) {
        peaks.iter_mut().zip(image_peaks).for_each(|(peak, p)| *peak = largest(*peak, p));
    }
    for (layer, peak) in network.layers.iter().zip(&peaks) {
        if !peak.is_finite() {
            return Err(wrong(
                layer,
                "its result is infinite or not a number on a calibration image",
            ));
        }
    }

    let groups = Groups::of(network);
    let unsigned: Vec<bool> =
        groups.each(|value| value == 0 || network.layers[value - 1].relu, |a, b| a && b);
    let peak = groups.each(|value| if value == 0 { 0.0 } else { peaks[value - 1] }, f32::max);
    let widest: Vec<i32> = peak
        .iter()
        .zip(&unsigned)
        .map(|(&peak, &unsigned)| widest_exponent(peak, unsigned))
        .collect();
    let slopes: Vec<f32> = (0..=count).map(|value| slope_behind(network, value)).collect();
    let mut errors = vec![[0_f64; CANDIDATES]; count + 1];
    // Sums in the order of the images: the same exponents whatever the number of threads.
    for image_errors in parallel::map(calibration.len(), |index| {
        let values = evaluate::values(network, calibration.image(index));
        let of_value = |value: usize| {
            let (widest, unsigned) = (widest[groups.of[value]], unsigned[groups.of[value]]);
            std::array::from_fn(|i| {
                squared_error(&values[value], widest + i as i32, unsigned, slopes[value])
            })
        };
        (1..=count).map(of_value).collect::<Vec<[f64; CANDIDATES]>>()
    }) {
        for (value, error) in (1..).zip(image_errors) {
            let sums = &mut errors[groups.of[value]];
            sums.iter_mut().zip(error).for_each(|(sum, error)| *sum += error);
        }
    }

    let mut exponents: Vec<i32> = (0..=count)
        .map(|group| {
            let best =
                (0..CANDIDATES).min_by(|&a, &b| errors[group][a].total_cmp(&errors[group][b]));
            widest[group] + best.unwrap_or(0) as i32
        })
        .collect();
    for (value, layer) in (1..).zip(&network.layers) {
        // An input may be called as a layer.
        let is_input = matches!(layer.op, FloatOp::Input(_));
        if let Some(&given) = given.get(&layer.name).filter(|_| !is_input) {
            exponents[groups.of[value]] = given;
        }
    }
    exponents[groups.of[0]] = INPUT_EXPONENT;
    limit(network, &groups, &mut exponents)?;
    let format = |value: ValueId| {
        let group = groups.of[value];
        let element = if unsigned[group] { ValueType::U8 } else { ValueType::I8 };
        ValueFormat::power_of_two(element, exponents[group])
    };
    Ok((0..=count).map(format).collect())
}

/// Which values share a format: each value's group, named by its smallest member.
struct Groups {
    of: Vec<ValueId>,
}

impl Groups {
    fn of(network: &Network) -> Self {
        let mut of: Vec<ValueId> = (0..=network.layers.len()).collect();
        for (index, layer) in network.layers.iter().enumerate() {
            if !layer.op.as_dyn().shares_format() {
                continue;
            }
            for &input in &layer.inputs {
                let (a, b) = (of[input], of[index + 1]);
                of.iter_mut()
                    .filter(|group| **group == a.max(b))
                    .for_each(|group| *group = a.min(b));
            }
        }
        Self { of }
    }

    /// One thing for each group, from its members; groups without members get any member's.
    fn each<T: Copy>(&self, member: impl Fn(ValueId) -> T, join: impl Fn(T, T) -> T) -> Vec<T> {
        let mut joined: Vec<T> = (0..self.of.len()).map(&member).collect();
        for (value, &group) in self.of.iter().enumerate() {
            joined[group] = join(joined[group], member(value));
        }
        joined
    }
}

/// Lowers exponents until every layer can reach its result's from its inputs' by shifts: what a
/// sum does not resolve, its result need not either.
fn limit(network: &Network, groups: &Groups, exponents: &mut [i32]) -> Result<(), QuantizeError> {
    loop {
        let before = exponents.to_vec();
        for (index, layer) in network.layers.iter().enumerate() {
            let output = groups.of[index + 1];
            let inputs: Vec<ValueId> = layer.inputs.iter().map(|&value| groups.of[value]).collect();
            let now: Vec<i32> = inputs.iter().map(|&group| exponents[group]).collect();
            let (input_caps, output_cap) = layer.op.as_dyn().caps(&now);
            let caps = inputs.into_iter().zip(input_caps).chain([(output, output_cap)]);
            for (group, cap) in caps {
                if group == groups.of[0] && exponents[group] > cap {
                    return Err(wrong(
                        layer,
                        "its inputs differ too much in size: by 2^15 or more",
                    ));
                }
                exponents[group] = exponents[group].min(cap);
            }
        }
        if before == exponents {
            return Ok(());
        }
    }
}

/// The larger of two, and not a number if one of them is not.
fn largest(a: f32, b: f32) -> f32 {
    if a.is_nan() || b.is_nan() { f32::NAN } else { a.max(b) }
}

fn wrong(layer: &Layer, what: &str) -> QuantizeError {
    QuantizeError::Layer { layer: layer.name.clone(), what: what.into() }
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

/// The slope by which whatever reads a value shrinks it where it is negative, and its error with
/// it: 1 unless one layer alone reads it and shrinks it.
fn slope_behind(network: &Network, value: ValueId) -> f32 {
    let mut readers = network.layers.iter().filter(|layer| layer.inputs.contains(&value));
    match (readers.next(), readers.next()) {
        (Some(layer), None) => layer.op.as_dyn().negative_slope(),
        _ => 1.0,
    }
}

/// The squared error of representing `values` at an exponent; of negative ones it counts times
/// the square of `slope`.
fn squared_error(values: &[f32], exponent: i32, unsigned: bool, slope: f32) -> f64 {
    let (low, high) = if unsigned { (0.0, 255.0) } else { (-128.0, 127.0) };
    let (scale, step) = (2_f32.powi(exponent), 2_f32.powi(-exponent));
    values
        .iter()
        .map(|&x| {
            let error = x - (x * scale).round_ties_even().clamp(low, high) * step;
            let error = if x < 0.0 { error * slope } else { error };
            f64::from(error * error)
        })
        .sum()
}
