//! Folds batch norm, separate biases and pixel scaling into the weights beside them.

use super::{PassError, exchange};
use crate::graph::{FlattenOrder, Graph, Operator, Shape};

pub fn run(graph: &mut Graph) -> Result<(), PassError> {
    while let Some(index) =
        graph.nodes.iter().position(|node| matches!(node.operator, Operator::Affine { .. }))
    {
        fold(graph, index)?;
    }
    Ok(())
}

/// Brings the affine node at `index` one step nearer to its end.
fn fold(graph: &mut Graph, index: usize) -> Result<(), PassError> {
    let Operator::Affine { scale, shift } = graph.nodes[index].operator.clone() else { return Ok(()) };
    if scale.iter().all(|&s| s == 1.0) && shift.iter().all(|&s| s == 0.0) {
        graph.bypass(index);
        return Ok(());
    }
    if fold_into_producer(graph, index, &scale, &shift) {
        graph.bypass(index);
        return Ok(());
    }
    let shape = graph.nodes[index].output;
    let Some(consumer) = graph.only_consumer(index + 1) else {
        let what = if graph.output == index + 1 {
            "the network must end in a fully connected layer or a convolution, which this can be folded into"
        } else {
            "cannot be folded into a layer: it follows none, and not exactly one node reads it"
        };
        return Err(PassError::at(graph, index, what));
    };
    let padded_shift = |window: &firmware_core::Window, output: Shape| {
        let reaches = |axis: usize, size: usize, outputs: usize| {
            window.padding[axis] > 0
                || (outputs - 1) * window.stride[axis] + window.kernel[axis] > size
        };
        shift.iter().any(|&s| s != 0.0)
            && (reaches(0, shape.height, output.height) || reaches(1, shape.width, output.width))
    };
    let output = graph.nodes[consumer].output;
    match &mut graph.nodes[consumer].operator {
        Operator::Conv2d { window, .. } if padded_shift(window, output) => Err(PassError::at(
            graph,
            index,
            "shifts the input of a padded convolution, where the padding would have to shift too; \
             move the shift behind the convolution or drop the padding",
        )),
        Operator::Conv2d { weights, bias, .. } => {
            fold_ahead(weights, bias, &scale, &shift);
            graph.bypass(index);
            Ok(())
        }
        Operator::FullyConnected { weights, bias } => {
            fold_ahead(weights, bias, &scale, &shift);
            graph.bypass(index);
            Ok(())
        }
        Operator::Flatten { order } => {
            let order = *order;
            let expand = |values: &[f32]| expand(values, shape, order);
            graph.nodes[index].operator =
                Operator::Affine { scale: expand(&scale), shift: expand(&shift) };
            exchange(graph, index, consumer);
            Ok(())
        }
        Operator::MaxPool2d { .. } if scale.iter().all(|&s| s > 0.0) => {
            exchange(graph, index, consumer);
            Ok(())
        }
        Operator::Relu if scale.iter().all(|&s| s > 0.0) && shift.iter().all(|&s| s == 0.0) => {
            exchange(graph, index, consumer);
            Ok(())
        }
        other => {
            let what = format!("cannot be folded into the {} that reads it", other.name());
            Err(PassError::at(graph, index, what))
        }
    }
}

/// Folds into the layer (or affine node) that the node at `index` reads, if nothing else does.
fn fold_into_producer(graph: &mut Graph, index: usize, scale: &[f32], shift: &[f32]) -> bool {
    let value = graph.nodes[index].inputs[0];
    if value == 0 || graph.only_consumer(value) != Some(index) {
        return false;
    }
    let at = |values: &[f32], channel: usize| values[if values.len() == 1 { 0 } else { channel }];
    match &mut graph.nodes[value - 1].operator {
        Operator::Conv2d { weights, bias, .. } | Operator::FullyConnected { weights, bias } => {
            let taps = weights.len() / bias.len().max(1);
            for (channel, (taps, bias)) in weights.chunks_mut(taps.max(1)).zip(bias).enumerate() {
                taps.iter_mut().for_each(|weight| *weight *= at(scale, channel));
                *bias = *bias * at(scale, channel) + at(shift, channel);
            }
            true
        }
        Operator::Affine { scale: first_scale, shift: first_shift } => {
            let channels = scale.len().max(first_scale.len());
            let composed_shift =
                (0..channels).map(|c| at(first_shift, c) * at(scale, c) + at(shift, c)).collect();
            *first_scale = (0..channels).map(|c| at(first_scale, c) * at(scale, c)).collect();
            *first_shift = composed_shift;
            true
        }
        _ => false,
    }
}

/// Folds into the layer that follows: weights `[out][…][in]`, `scale` and `shift` per input.
fn fold_ahead(weights: &mut [f32], bias: &mut [f32], scale: &[f32], shift: &[f32]) {
    let taps = weights.len() / bias.len().max(1);
    for (taps, bias) in weights.chunks_mut(taps.max(1)).zip(bias) {
        for (tap, weight) in taps.iter_mut().enumerate() {
            *bias += *weight * shift[tap % shift.len()];
            *weight *= scale[tap % scale.len()];
        }
    }
}

/// Per-channel values as one value per element of the flattened tensor.
fn expand(values: &[f32], shape: Shape, order: FlattenOrder) -> Vec<f32> {
    if values.len() == 1 {
        return values.to_vec();
    }
    let pixels = shape.height * shape.width;
    (0..shape.size())
        .map(|element| match order {
            FlattenOrder::Chw => values[element / pixels],
            FlattenOrder::Hwc => values[element % shape.channels],
        })
        .collect()
}
