//! The forward pass and the loss by definition: naive loops in f64.

use trainer::learn::network::Network;

use crate::networks::{Listed, Spec};
use crate::part::Part;

/// Mean and mean squared deviation of a channel over all positions of all images, by their weights.
pub fn moments(
    images: &[Vec<f64>],
    weights: &[f64],
    channels: usize,
    channel: usize,
) -> (f64, f64) {
    let positions = images[0].len() / channels;
    let total = weights.iter().sum::<f64>() * positions as f64;
    let mean_of = |f: &dyn Fn(f64) -> f64| {
        let mut sum = 0.0;
        for (image, weight) in images.iter().zip(weights) {
            let values = &image[channel * positions..(channel + 1) * positions];
            sum += weight * values.iter().map(|&x| f(x)).sum::<f64>();
        }
        sum / total
    };
    let mean = mean_of(&|x| x);
    (mean, mean_of(&|x| (x - mean) * (x - mean)))
}

/// The loss of a part by definition.
pub fn naive_loss(specs: &[Listed], network: &Network, parameters: &[f64], part: &Part) -> f64 {
    let values = naive_values(specs, network, parameters, part);
    let mut loss = 0.0;
    for (column, logits) in values.last().expect("there are layers").iter().enumerate() {
        let log_sum = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
        for (class, logit) in logits.iter().enumerate() {
            loss -= f64::from(part.targets[class * part.batch + column]) * (logit - log_sum);
        }
    }
    loss
}

/// All values while training, the image first: for each the activations of every image.
pub fn naive_values(
    specs: &[Listed],
    network: &Network,
    parameters: &[f64],
    part: &Part,
) -> Vec<Vec<Vec<f64>>> {
    naive(specs, network, parameters, part, true)
}

/// The logits of every image at inference.
pub fn naive_inference(
    specs: &[Listed],
    network: &Network,
    parameters: &[f64],
    part: &Part,
) -> Vec<Vec<f64>> {
    naive(specs, network, parameters, part, false).pop().expect("there are layers")
}

pub fn naive(
    specs: &[Listed],
    network: &Network,
    mut parameters: &[f64],
    part: &Part,
    training: bool,
) -> Vec<Vec<Vec<f64>>> {
    let pixels: usize = network.input.iter().product();
    let image = |column: usize| -> Vec<f64> {
        (0..pixels).map(|row| f64::from(part.images[row * part.batch + column])).collect()
    };
    let weights = part.weights(network);
    let mut values: Vec<Vec<Vec<f64>>> = vec![(0..part.batch).map(image).collect()];
    let mut shapes = vec![network.input];
    let mut noise_row = 0;
    for (spec, inputs) in specs {
        let shape = shapes[inputs[0]];
        let mut take = |count: usize| {
            let (taken, rest) = parameters.split_at(count);
            parameters = rest;
            taken
        };
        let channels = shape[0];
        let mut result = values[inputs[0]].clone();
        let mut output = shape;
        match *spec {
            Spec::Norm => {
                let [gamma, beta, mean, variance] = [0; 4].map(|_| take(channels));
                let positions = shape[1] * shape[2];
                for channel in 0..channels {
                    let (mean, variance) = match training {
                        true => moments(&result, &weights, channels, channel),
                        false => (mean[channel], variance[channel]),
                    };
                    let scale = gamma[channel] / (variance + 1e-5).sqrt();
                    for image in &mut result {
                        for x in &mut image[channel * positions..(channel + 1) * positions] {
                            *x = (*x - mean) * scale + beta[channel];
                        }
                    }
                }
            }
            Spec::Dropout(rate) => {
                let rows = result[0].len();
                for (column, image) in result.iter_mut().enumerate().filter(|_| training) {
                    for (row, x) in image.iter_mut().enumerate() {
                        let drawn = part.noise[(noise_row + row) * part.batch + column];
                        *x = if drawn < 1.0 - rate { *x / (1.0 - f64::from(rate)) } else { 0.0 };
                    }
                }
                noise_row += rows;
            }
            Spec::Add | Spec::Concat => {
                for &other in &inputs[1..] {
                    for (image, other) in result.iter_mut().zip(&values[other]) {
                        match spec {
                            Spec::Add => image.iter_mut().zip(other).for_each(|(x, o)| *x += o),
                            _ => image.extend(other),
                        }
                    }
                }
                if *spec == Spec::Concat {
                    output[0] = inputs.iter().map(|&input| shapes[input][0]).sum();
                }
            }
            Spec::Full(outputs) => {
                let (weights, biases) = (take(outputs * result[0].len()), take(outputs));
                for image in &mut result {
                    let dot =
                        |row: &[f64]| row.iter().zip(&*image).map(|(w, x)| w * x).sum::<f64>();
                    let rows = weights.chunks(image.len()).zip(biases);
                    *image = rows.map(|(row, bias)| dot(row) + bias).collect();
                }
                output = [outputs, 1, 1];
            }
            Spec::Conv(out, groups, [kernel, ..], bias) => {
                let weights = take(out * channels / groups * kernel[0] * kernel[1]);
                let biases = if bias { take(out).to_vec() } else { vec![0.0; out] };
                for image in &mut result {
                    (*image, output) = naive_conv(*spec, weights, &biases, shape, image);
                }
            }
            _ => {
                for image in &mut result {
                    (*image, output) = naive_one(*spec, shape, image);
                }
            }
        }
        values.push(result);
        shapes.push(output);
    }
    assert!(parameters.is_empty(), "parameters are left over");
    values
}

pub fn naive_conv(
    spec: Spec,
    weights: &[f64],
    biases: &[f64],
    [channels, height, width]: [usize; 3],
    x: &[f64],
) -> (Vec<f64>, [usize; 3]) {
    let Spec::Conv(out, groups, [kernel, stride, padding], _) = spec else { unreachable!() };
    let rows = (height + 2 * padding[0] - kernel[0]) / stride[0] + 1;
    let columns = (width + 2 * padding[1] - kernel[1]) / stride[1] + 1;
    let read = channels / groups;
    let mut y = Vec::new();
    for o in 0..out {
        let first = o / (out / groups) * read;
        for row in 0..rows {
            for column in 0..columns {
                let mut sum = biases[o];
                for c in 0..read {
                    for down in 0..kernel[0] {
                        for right in 0..kernel[1] {
                            let top = row * stride[0] + down;
                            let left = column * stride[1] + right;
                            let inside = (padding[0]..height + padding[0]).contains(&top)
                                && (padding[1]..width + padding[1]).contains(&left);
                            if inside {
                                let (top, left) = (top - padding[0], left - padding[1]);
                                let pixel = x[((first + c) * height + top) * width + left];
                                let tap = (c * kernel[0] + down) * kernel[1] + right;
                                sum += weights[o * read * kernel[0] * kernel[1] + tap] * pixel;
                            }
                        }
                    }
                }
                y.push(sum);
            }
        }
    }
    (y, [out, rows, columns])
}

/// The kinds without parameters that look at one image by itself.
pub fn naive_one(
    spec: Spec,
    [channels, height, width]: [usize; 3],
    x: &[f64],
) -> (Vec<f64>, [usize; 3]) {
    let same = [channels, height, width];
    let map = |f: &dyn Fn(f64) -> f64| (x.iter().map(|&x| f(x)).collect(), same);
    match spec {
        Spec::Relu => map(&|x| x.max(0.0)),
        Spec::Relu6 => map(&|x| x.clamp(0.0, 6.0)),
        Spec::HardSwish => map(&|x| x * (x + 3.0).clamp(0.0, 6.0) / 6.0),
        Spec::Sigmoid => map(&|x| 1.0 / (1.0 + (-x).exp())),
        Spec::Leaky(slope) => map(&|x| if x > 0.0 { x } else { f64::from(slope) * x }),
        Spec::Flatten => (x.to_vec(), [x.len(), 1, 1]),
        Spec::Pad(before, after) => {
            let [rows, columns] = [height + before[0] + after[0], width + before[1] + after[1]];
            let mut y = vec![0.0; channels * rows * columns];
            for c in 0..channels {
                for row in 0..height {
                    for column in 0..width {
                        let (down, right) = (row + before[0], column + before[1]);
                        y[(c * rows + down) * columns + right] =
                            x[(c * height + row) * width + column];
                    }
                }
            }
            (y, [channels, rows, columns])
        }
        Spec::GlobalAverage => {
            let mean = |map: &[f64]| map.iter().sum::<f64>() / map.len() as f64;
            (x.chunks(height * width).map(mean).collect(), [channels, 1, 1])
        }
        Spec::Pool(kernel, stride) | Spec::Average(kernel, stride) => {
            let rows = (height - kernel[0]) / stride[0] + 1;
            let columns = (width - kernel[1]) / stride[1] + 1;
            let mut y = Vec::new();
            for c in 0..channels {
                for row in 0..rows {
                    for column in 0..columns {
                        let window = (0..kernel[0] * kernel[1]).map(|tap| {
                            let (down, right) = (tap / kernel[1], tap % kernel[1]);
                            let (row, column) =
                                (row * stride[0] + down, column * stride[1] + right);
                            x[(c * height + row) * width + column]
                        });
                        y.push(match spec {
                            Spec::Pool(..) => window.fold(f64::MIN, f64::max),
                            _ => window.sum::<f64>() / (kernel[0] * kernel[1]) as f64,
                        });
                    }
                }
            }
            (y, [channels, rows, columns])
        }
        _ => unreachable!("has parameters, several inputs or looks at several images"),
    }
}
