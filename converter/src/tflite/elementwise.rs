//! Layers that compute value by value, or that only move values.

use super::TfliteError;
use super::builtin::Builtin;
use super::file::{Affine, Element, Operator};
use super::import::{Import, Value};
use super::rescale::{bounds, factor};
use super::tables::{hard_swish_table, logistic_table, multiply, table, tanh_table};
use crate::graph::Shape;
use crate::operators::IntegerOp;
use crate::operators::affine_add::AffineAdd;
use crate::operators::affine_mean::AffineMean;
use crate::operators::affine_mul::AffineMul;
use crate::operators::concat::Concat;
use crate::operators::lookup::QuantizedLookup;
use crate::operators::pad2d::Pad2d;
use crate::quantized::{Factor, QuantizedLayer, Rescale, Rescaling, ValueType};

/// The bits that ADD shifts its terms left by.
const HEADROOM: i32 = 20;

/// ADD or MUL, with all numbers known.
enum Combination {
    Add(AffineAdd),
    Mul(AffineMul),
}

impl Combination {
    fn of(&self, a: i32, b: i32) -> i32 {
        match self {
            Self::Add(add) => add.of(a, b),
            Self::Mul(mul) => mul.of(a, b),
        }
    }

    fn swap(&mut self) {
        match self {
            Self::Add(add) => add.swap(),
            Self::Mul(mul) => mul.swap(),
        }
    }
}

impl From<Combination> for IntegerOp {
    fn from(combination: Combination) -> Self {
        match combination {
            Combination::Add(add) => add.into(),
            Combination::Mul(mul) => mul.into(),
        }
    }
}

impl Import<'_> {
    pub(super) fn sum_or_product(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        let output = self.affine_of(operator)?;
        let bounds = bounds(operator.activation(0)?, output.scale, output.zero);
        let operand = |number| -> Result<(Option<Value>, Affine), TfliteError> {
            let value = self.known_value(operator, number)?;
            Ok((value, self.input(operator, number)?.affine()?))
        };
        let (mut operands, mut affines) = ([None; 2], [output; 2]);
        for number in 0..2 {
            (operands[number], affines[number]) = operand(number)?;
        }
        let mut combination = match operator.builtin {
            Builtin::ADD => sum(operator, affines, output, bounds)?,
            _ => product(operator, affines, output, bounds)?,
        };
        match operands {
            [Some(a), Some(b)] => {
                let (mut inputs, mut shapes) = ([a, b], [a.shape, b.shape]);
                // The one that is repeated comes second; both functions are symmetric.
                if shapes[0].size() < shapes[1].size() {
                    inputs.reverse();
                    shapes.reverse();
                    combination.swap();
                }
                let repeats = shapes[1] == Shape::flat(shapes[0].channels);
                if shapes[0] != shapes[1] && !repeats {
                    return Err(operator.error(format!(
                        "{} and {}: the second must have the shape of the first, or one pixel",
                        shapes[0], shapes[1]
                    )));
                }
                let [a, b] = inputs;
                let ids = vec![self.spatial(operator, a)?, self.spatial(operator, b)?];
                self.push(operator, combination, ids, shapes[0])
            }
            [Some(value), None] | [None, Some(value)] => {
                let first = operands[0].is_some();
                let constant = self.input(operator, usize::from(first))?;
                let constants = constant.i8s()?;
                let [constant] = constants[..] else {
                    return Err(operator.error(format!(
                        "a constant of {} elements is not supported; one is",
                        constants.len()
                    )));
                };
                let function = |x: i32| match first {
                    true => combination.of(x, constant.into()),
                    false => combination.of(constant.into(), x),
                };
                self.lookup(operator, value, table(function))
            }
            [None, None] => Err(operator.error("both inputs are constants")),
        }
    }

    /// A layer that is a table.
    fn lookup(
        &mut self,
        operator: &Operator,
        value: Value,
        table: Vec<i32>,
    ) -> Result<(), TfliteError> {
        let id = self.spatial(operator, value)?;
        // Two tables in a row are one.
        if let Some(QuantizedLayer {
            op: IntegerOp::Lookup(QuantizedLookup { entries: first }),
            ..
        }) = self.only_for(operator, value)
        {
            let entry = |&byte: &i16| table[usize::from(byte as u8)];
            let table: Vec<i32> = first.iter().map(entry).collect();
            return self.extend(operator, looked_up(&table), value.shape);
        }
        self.push(operator, looked_up(&table), vec![id], value.shape)
    }

    pub(super) fn activation(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        let value = self.value(operator, 0)?;
        let (input, output) = (value.affine, self.affine_of(operator)?);
        let fixed = |scale: f32, zero: i32| match output == (Affine { scale, zero }) {
            true => Ok(()),
            false => Err(operator.error(format!(
                "its result has scale {} and zero point {}, not {scale} and {zero}",
                output.scale, output.zero
            ))),
        };
        let ratio = |real: f64| {
            factor(real).ok_or_else(|| operator.error(format!("scales with a ratio of {real:e}")))
        };
        let plain = f64::from(input.scale) / f64::from(output.scale);
        let rescaled = |x: i32, factor: Factor| multiply(x - input.zero, factor) + output.zero;
        let entries = match operator.builtin {
            Builtin::QUANTIZE => {
                let factor = ratio(plain)?;
                let input = value.element;
                let bytes = 0..=255_u8;
                let values = bytes.map(|byte| match input {
                    ValueType::U8 => i32::from(byte),
                    _ => i32::from(byte as i8),
                });
                let [low, high] = match self.output(operator)?.element {
                    Element::U8 => [0, 255],
                    _ => [-128, 127],
                };
                Some(values.map(|x| rescaled(x, factor).clamp(low, high)).collect())
            }
            Builtin::RELU => {
                let factor = ratio(plain)?;
                Some(table(|x| rescaled(x, factor).max(output.zero)))
            }
            // Not rescaled: input and output share their scale.
            Builtin::RELU6 => {
                let six = (6.0 / input.scale).round().clamp(0.0, 1e6) as i32 + input.zero;
                Some(table(|x| x.max(input.zero).min(six)))
            }
            Builtin::LEAKY_RELU => {
                let slope = operator.options.map_or(Ok(0.0), |options| options.f32(0))?;
                let real = f64::from(input.scale) * f64::from(slope) / f64::from(output.scale);
                let (identity, leak) = (ratio(plain)?, ratio(real)?);
                Some(table(|x| rescaled(x, if x >= input.zero { identity } else { leak })))
            }
            Builtin::LOGISTIC => {
                fixed(1.0 / 256.0, -128)?;
                logistic_table(input.scale, input.zero)
            }
            Builtin::TANH => {
                fixed(1.0 / 128.0, 0)?;
                tanh_table(input.scale, input.zero)
            }
            _ => hard_swish_table((input.scale, input.zero), (output.scale, output.zero)),
        };
        let entries = entries.ok_or_else(|| {
            operator.error(format!(
                "scales {} and {} are beyond its fixed-point arithmetic",
                input.scale, output.scale
            ))
        })?;
        self.lookup(operator, value, entries)
    }

    pub(super) fn concatenation(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        let axis = operator.options.map_or(Ok(0), |options| options.i32(0, 0))?;
        let rank = self.output(operator)?.shape.len();
        if axis != -1 && usize::try_from(axis).ok() != rank.checked_sub(1) {
            return Err(operator.error(format!("axis {axis} is not the one of the channels")));
        }
        if operator.activation(1)? != super::file::Activation::None {
            return Err(operator.error("a fused activation is not supported here"));
        }
        let output = self.affine_of(operator)?;
        let mut ids = Vec::new();
        let mut shape: Option<Shape> = None;
        for number in 0..operator.inputs.len() {
            let value = self.value(operator, number)?;
            if value.affine != output {
                return Err(operator.error(format!(
                    "input {number} has another scale or zero point than the result"
                )));
            }
            ids.push(self.spatial(operator, value)?);
            let channels = shape.map_or(0, |shape| shape.channels);
            match shape {
                Some(shape)
                    if [shape.height, shape.width] != [value.shape.height, value.shape.width] =>
                {
                    return Err(operator.error(format!("{shape} and {} do not join", value.shape)));
                }
                _ => {
                    shape = Some(Shape { channels: channels + value.shape.channels, ..value.shape })
                }
            }
        }
        let shape = shape.ok_or_else(|| operator.error("it joins nothing"))?;
        self.push(operator, Concat, ids, shape)
    }

    pub(super) fn mean(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        let value = self.value(operator, 0)?;
        let id = self.spatial(operator, value)?;
        let axes = self.input(operator, 1)?.i32s()?;
        let rank = self.input(operator, 0)?.shape.len() as i32;
        let mut axes: Vec<i32> = axes.iter().map(|a| if *a < 0 { a + rank } else { *a }).collect();
        axes.sort_unstable();
        if !((rank == 4 && axes == [1, 2]) || (rank == 3 && axes == [1])) {
            return Err(operator.error(format!("axes {axes:?} are not those of the pixels")));
        }
        let pixels = value.shape.height * value.shape.width;
        if pixels > 1 << 16 {
            return Err(operator.error(format!("{pixels} pixels are too many")));
        }
        let (input, output) = (value.affine, self.affine_of(operator)?);
        let real = f64::from(input.scale) / f64::from(output.scale);
        let factor = mean_factor(real, pixels)
            .ok_or_else(|| operator.error(format!("scales with a ratio of {real:e}")))?;
        let rescale =
            Rescaling::Multiplier(Rescale { factor, zero: output.zero, bounds: [-128, 127] });
        let op = AffineMean { input_zero: input.zero, rescale };
        self.push(operator, op, vec![id], Shape::flat(value.shape.channels))
    }

    pub(super) fn pad(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        let value = self.value(operator, 0)?;
        let id = self.spatial(operator, value)?;
        let amounts = self.input(operator, 1)?.i32s()?;
        let rank = self.input(operator, 0)?.shape.len();
        let amounts: Option<Vec<usize>> =
            amounts.iter().map(|&amount| usize::try_from(amount).ok()).collect();
        let amounts = amounts.filter(|amounts| amounts.len() == 2 * rank).unwrap_or_default();
        let border = match (rank, &amounts[..]) {
            (4, &[0, 0, top, bottom, left, right, 0, 0]) => [top, left, bottom, right],
            (3, &[0, 0, left, right, 0, 0]) => [0, left, 0, right],
            _ => return Err(operator.error("only height and width can be padded")),
        };
        let output = self.affine_of(operator)?;
        let constant = match self.optional_input(operator, 2)? {
            Some(tensor) => i32::from(*tensor.i8s()?.first().unwrap_or(&0)),
            None => output.zero,
        };
        let [top, left, bottom, right] = border.map(|amount| amount.min(1 << 24));
        let shape = Shape {
            height: value.shape.height + top + bottom,
            width: value.shape.width + left + right,
            ..value.shape
        };
        // A window without padding that alone reads the result pads by itself.
        if value.border == [0; 4]
            && constant == output.zero
            && value.affine == output
            && let Some(consumer) = self.only_consumer(operator)?
            && matches!(consumer.builtin, Builtin::CONV_2D | Builtin::DEPTHWISE_CONV_2D)
            && consumer.option(0)? == 1
            && let [_, height, width, _] = self.input(consumer, 1)?.shape[..]
            && top.max(bottom) < height
            && left.max(right) < width
        {
            return self.alias(operator, Value { border, ..value });
        }
        self.push(operator, Pad2d { padding: border, value: constant }, vec![id], shape)
    }
}

/// The factor of MEAN, which divides the multiplier by the number of pixels as an integer.
fn mean_factor(real: f64, pixels: usize) -> Option<Factor> {
    let factor = factor(real)?;
    let shift = (i64::from(pixels.ilog2())).min(31 + i64::from(factor.exponent));
    let multiplier = (i64::from(factor.multiplier) << shift) / pixels as i64;
    let exponent = i64::from(factor.exponent) - shift;
    Some(Factor { multiplier: i32::try_from(multiplier).ok()?, exponent: exponent as i8 })
}

fn sum(
    operator: &Operator,
    [a, b]: [Affine; 2],
    output: Affine,
    bounds: [i32; 2],
) -> Result<Combination, TfliteError> {
    let twice = 2.0 * f64::from(a.scale.max(b.scale));
    let part = |real: f64| {
        factor(real)
            .filter(|factor| factor.exponent <= 0)
            .ok_or_else(|| operator.error(format!("scales with a ratio of {real:e}")))
    };
    let factor = part(twice / (f64::from(1 << HEADROOM) * f64::from(output.scale)))?;
    Ok(Combination::Add(AffineAdd {
        terms: [
            (part(f64::from(a.scale) / twice)?, a.zero),
            (part(f64::from(b.scale) / twice)?, b.zero),
        ],
        rescale: Rescale { factor, zero: output.zero, bounds },
    }))
}

fn product(
    operator: &Operator,
    [a, b]: [Affine; 2],
    output: Affine,
    bounds: [i32; 2],
) -> Result<Combination, TfliteError> {
    let real = f64::from(a.scale) * f64::from(b.scale) / f64::from(output.scale);
    // 255 * 255 shifted left must fit 32 bits.
    let factor = factor(real)
        .filter(|factor| factor.exponent <= 14)
        .ok_or_else(|| operator.error(format!("scales with a ratio of {real:e}")))?;
    Ok(Combination::Mul(AffineMul {
        zeros: [a.zero, b.zero],
        rescale: Rescaling::Multiplier(Rescale { factor, zero: output.zero, bounds }),
    }))
}

/// The operator that looks results up; what lies beyond both 8-bit types saturates in either.
fn looked_up(table: &[i32]) -> QuantizedLookup {
    let entry = |&entry: &i32| entry.clamp(i8::MIN.into(), u8::MAX.into()) as i16;
    QuantizedLookup { entries: table.iter().map(entry).collect() }
}
