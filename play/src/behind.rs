//! The sum behind one output of a layer with weights, product by product.

use firmware_core::blob::{Kind, Layer, Model};

/// A bias and products whose sum is an accumulator.
pub struct Sum {
    pub bias: i32,
    /// Row, column and channel of the input, its integer, and the weight.
    pub products: Vec<([usize; 3], i32, i32)>,
    pub accumulator: i64,
    /// What became of it: the layer's output.
    pub result: i32,
}

/// The sum behind element number `index` of layer number `layer`. Where the layer pools, that of the
/// largest accumulator in the window.
///
/// # Errors
///
/// One line if the layer has no weights, or padding that is not zero.
pub fn sum(model: &Model, values: &[Vec<i32>], layer: usize, index: usize) -> Result<Sum, String> {
    let of = model.layer(layer).ok_or("there is no such layer")?;
    let result = values.get(layer + 1).and_then(|values| values.get(index).copied());
    let result = result.ok_or("nothing is computed yet")?;
    let input = of.inputs().next().and_then(|value| Some((model.value(value), values.get(value)?)));
    let (info, input) = input.ok_or("nothing is computed yet")?;
    if of.weights(model).is_empty() {
        return Err("this layer has no weights: it only picks, adds or looks up".into());
    }
    if info.zero != 0 {
        return Err("this model has zero points, which its biases hold: no plain sum".into());
    }
    let [_, width, channels] = model.value(layer + 1).shape;
    let (place, channel) = (index / channels, index % channels);
    let [row, column] = [place / width, place % width];
    let at = |row, column| one(model, &of, info.shape, input, [row, column, channel], result);
    if of.kind() != Kind::Conv2dMaxPool2d {
        return Ok(at(row, column));
    }
    let pool = of.pool();
    let convolved = of.window().output_size([info.shape[0], info.shape[1]]);
    let mut best: Option<Sum> = None;
    for y in 0..pool.kernel[0] {
        for x in 0..pool.kernel[1] {
            let [row, column] = [
                (row * pool.stride[0] + y * pool.dilation[0]).checked_sub(pool.padding[0]),
                (column * pool.stride[1] + x * pool.dilation[1]).checked_sub(pool.padding[1]),
            ];
            let (Some(row), Some(column)) = (row, column) else { continue };
            if row >= convolved[0] || column >= convolved[1] {
                continue;
            }
            let sum = at(row, column);
            if best.as_ref().is_none_or(|best| sum.accumulator > best.accumulator) {
                best = Some(sum);
            }
        }
    }
    best.ok_or_else(|| "the window of the pooling lies on padding only".into())
}

fn one(
    model: &Model,
    layer: &Layer,
    [height, width, depth]: [usize; 3],
    input: &[i32],
    [row, column, channel]: [usize; 3],
    result: i32,
) -> Sum {
    let (weights, biases) = (layer.weights(model), layer.bias(model));
    let bias = biases.get(channel).copied().unwrap_or(0);
    let mut products = Vec::new();
    let mut push = |at: [usize; 3], weight: usize| {
        let value = input.get((at[0] * width + at[1]) * depth + at[2]).copied().unwrap_or(0);
        products.push((at, value, weights.get(weight).map_or(0, |&weight| weight.into())));
    };
    if layer.kind() == Kind::FullyConnected {
        for at in 0..height * width * depth {
            let place = at / depth;
            push([place / width, place % width, at % depth], channel * height * width * depth + at);
        }
    } else {
        let (window, outputs) = (layer.window(), biases.len().max(1));
        let [rows, columns] = window.kernel;
        let depthwise = layer.kind() == Kind::DepthwiseConv2d;
        let inputs = weights.len() / (outputs * rows * columns).max(1);
        // Channels of a group: those of the first, second, … outputs of as many.
        let first = channel / (outputs * inputs / depth.max(1)).max(1) * inputs;
        for y in 0..rows {
            for x in 0..columns {
                let from = [
                    (row * window.stride[0] + y * window.dilation[0])
                        .checked_sub(window.padding[0]),
                    (column * window.stride[1] + x * window.dilation[1])
                        .checked_sub(window.padding[1]),
                ];
                let [Some(from_row), Some(from_column)] = from else { continue };
                if from_row >= height || from_column >= width {
                    continue;
                }
                for c in 0..inputs {
                    let weight = if depthwise {
                        (y * columns + x) * outputs + channel
                    } else {
                        ((channel * rows + y) * columns + x) * inputs + c
                    };
                    push([from_row, from_column, first + c], weight);
                }
            }
        }
    }
    let products_sum: i64 =
        products.iter().map(|(_, value, weight)| i64::from(value * weight)).sum();
    Sum { bias, accumulator: i64::from(bias) + products_sum, products, result }
}
