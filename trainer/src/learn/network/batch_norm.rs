//! Batch normalization (Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training
//! by Reducing Internal Covariate Shift").
//!
//! While training, mean and variance are those of the worker's own part of the batch, each image
//! with its weight in the loss; images without weight, which fill up a short part, do not count.
//! Every step moves the running mean and variance towards the means of the parts', each part with
//! its weight. At inference the running ones take their place, and the converter folds them into
//! the layer in front.

use std::fmt;

use converter::onnx::Attribute;

use super::{Backward, Context, Gradients, ImageWeights, Initial, Layer, Parameter, Role, Shape};
use crate::learn::export::Export;
use crate::learn::graph::{Graph, Value};

/// Keeps the variance away from zero.
const EPSILON: f32 = 1e-5;

/// `γ · (x − mean) / √(variance + 10⁻⁵) + β`, per channel; the variance is the mean squared
/// deviation.
#[derive(Clone, Debug)]
pub struct BatchNorm;

/// The mean over positions and images of `x: [channels · positions, batch]`, for each channel: `[channels,
/// 1]`. An image counts in proportion to its `share: [1, batch]`, which holds 1 / positions already.
fn weighted_mean(graph: &mut Graph, x: &Value, share: &Value, channels: usize) -> Value {
    let of_images = graph.sum_positions(x, channels);
    graph.gemm((&of_images, false), (share, true), None)
}

/// `1 / √(variance + ε)`.
fn inverse_deviation(graph: &mut Graph, variance: &Value) -> Value {
    let epsilon = graph.constant(&[1, 1], &[EPSILON]);
    let sum = graph.add(variance, &epsilon);
    let deviation = graph.unary("Sqrt", &sum);
    let one = graph.constant(&[1, 1], &[1f32]);
    graph.div(&one, &deviation)
}

impl BatchNorm {
    fn train<'a>(
        graph: &mut Graph,
        context: &Context,
        weights: &ImageWeights,
    ) -> (Value, Backward<'a>) {
        let (channels, positions) = context.shapes[0].channels();
        let batch = graph.batch();
        let (rows, columns) = ([channels * positions, batch], [channels, positions * batch]);
        let [gamma, beta, running_mean, running_variance] =
            [0, 1, 2, 3].map(|index| graph.reshape(&context.parameters[index], &[channels, 1]));
        let x = &context.inputs[0];
        let part_of_image = graph.constant(&[1, 1], &[1.0 / positions as f32]);
        let share = graph.mul(&weights.images, &part_of_image);
        let mean = weighted_mean(graph, x, &share, channels);
        let x = graph.reshape(x, &columns);
        let centered = graph.sub(&x, &mean);
        let squares = graph.square(&centered);
        let variance = weighted_mean(graph, &squares, &share, channels);
        let inverse = inverse_deviation(graph, &variance);
        let scale = graph.mul(&gamma, &inverse);
        let y = graph.line(&centered, &scale, &beta);
        let y = graph.reshape(&y, &rows);

        let part = weights.part.clone();
        let backward: Backward<'a> = Box::new(move |graph, dy, wanted| {
            let sum = |graph: &mut Graph, x: &Value| {
                let of_images = graph.sum_positions(x, channels);
                graph.reduce_sum(&of_images, 1)
            };
            let d_beta = sum(graph, dy);
            let dy = graph.reshape(dy, &columns);
            let products = graph.mul(&dy, &centered);
            let products = sum(graph, &products);
            let d_gamma = graph.mul(&products, &inverse);

            // dx = scale · dy − w · scale · (Σdy + x̂ · Σ(dy · x̂)), where w is the share of the element
            // in mean and variance, and x̂ the centered element times the inverse deviation.
            let input = wanted[0].then(|| {
                let slope = graph.mul(&d_gamma, &inverse);
                let [slope, start] = [slope, d_beta.clone()].map(|value| graph.mul(&value, &scale));
                let pull = graph.line(&centered, &slope, &start);
                let pull = graph.reshape(&pull, &rows);
                let pull = graph.mul(&pull, &share);
                let pull = graph.reshape(&pull, &columns);
                let straight = graph.mul(&dy, &scale);
                let dx = graph.sub(&straight, &pull);
                graph.reshape(&dx, &rows)
            });
            // What the statistics have in the place of a gradient.
            let mut distance = |running: &Value, of_batch: &Value| {
                let distance = graph.sub(running, of_batch);
                graph.mul(&distance, &part)
            };
            let mean = distance(&running_mean, &mean);
            let variance = distance(&running_variance, &variance);
            let parameters = [d_gamma, d_beta, mean, variance];
            let parameters =
                parameters.iter().map(|value| graph.reshape(value, &[channels])).collect();
            Gradients { inputs: vec![input], parameters }
        });
        (y, backward)
    }

    fn infer<'a>(graph: &mut Graph, context: &Context) -> (Value, Backward<'a>) {
        let (channels, positions) = context.shapes[0].channels();
        let batch = graph.batch();
        let [gamma, beta, mean, variance] =
            [0, 1, 2, 3].map(|index| graph.reshape(&context.parameters[index], &[channels, 1]));
        let inverse = inverse_deviation(graph, &variance);
        let scale = graph.mul(&gamma, &inverse);
        let x = graph.reshape(&context.inputs[0], &[channels, positions * batch]);
        let centered = graph.sub(&x, &mean);
        let y = graph.line(&centered, &scale, &beta);
        let y = graph.reshape(&y, &[channels * positions, batch]);
        (y, Box::new(|_, _, _| unreachable!("an inference graph has no backward pass")))
    }
}

impl Layer for BatchNorm {
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(inputs[0])
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<Parameter> {
        let (channels, _) = inputs[0].channels();
        let trained = Role::Trained { decays: false };
        [
            ("scale", 1.0, trained),
            ("shift", 0.0, trained),
            ("mean", 0.0, Role::Statistic),
            ("variance", 1.0, Role::Statistic),
        ]
        .map(|(name, value, role)| Parameter {
            name,
            shape: vec![channels],
            initial: Initial::Constant(value),
            role,
        })
        .into()
    }

    fn forward<'a>(&'a self, graph: &mut Graph, context: &Context) -> (Value, Backward<'a>) {
        match context.image_weights {
            Some(weights) => Self::train(graph, context, weights),
            None => Self::infer(graph, context),
        }
    }

    fn export(
        &self,
        export: &mut Export,
        inputs: &[&str],
        parameters: &[&[f32]],
        shapes: &[Shape],
    ) -> String {
        let tensors = export.parameters(&self.parameters(shapes), parameters);
        let operands: Vec<&str> =
            inputs.iter().copied().chain(tensors.iter().map(String::as_str)).collect();
        let epsilon = ("epsilon", Attribute::Float(EPSILON));
        export.node("BatchNormalization", &operands, &[epsilon])
    }
}

impl fmt::Display for BatchNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch_norm")
    }
}
