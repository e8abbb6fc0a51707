//! Runs the integer network on the host through the scalar kernels of `firmware-core`: the same
//! code that defines what a device computes, with shapes known at run time.

use firmware_core::kernels::{self, Conv2dShape, Pool2dShape};
use firmware_core::{Activation, Shift, argmax};

use crate::dataset::Dataset;
use crate::graph::Shape;
use crate::parallel;
use crate::quantized::{Parameters, QuantizedLayer, QuantizedNetwork, QuantizedOp, ValueType};

/// The integers of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Integers {
    U8(Vec<u8>),
    I8(Vec<i8>),
    I32(Vec<i32>),
}

impl Integers {
    pub fn to_i32(&self) -> Vec<i32> {
        match self {
            Integers::U8(values) => values.iter().map(|&x| x.into()).collect(),
            Integers::I8(values) => values.iter().map(|&x| x.into()).collect(),
            Integers::I32(values) => values.clone(),
        }
    }
}

/// Every value of the network for one image: the image first, the logits last.
pub fn values(network: &QuantizedNetwork, image: &[u8]) -> Vec<Integers> {
    let mut values = vec![Integers::U8(image.to_vec())];
    for layer in &network.layers {
        let shape = network.shape(layer.input);
        let result = match &values[layer.input] {
            Integers::U8(x) => run_layer(layer, shape, x, Integers::U8),
            Integers::I8(x) => run_layer(layer, shape, x, Integers::I8),
            // Only the last layer computes i32, and nothing reads it.
            Integers::I32(x) => Integers::I32(x.clone()),
        };
        values.push(result);
    }
    values
}

/// The logits for one image.
pub fn logits(network: &QuantizedNetwork, image: &[u8]) -> Vec<i32> {
    values(network, image).last().map(Integers::to_i32).unwrap_or_default()
}

/// The logits for every image of a data set.
pub fn all_logits(network: &QuantizedNetwork, images: &Dataset) -> Vec<Vec<i32>> {
    parallel::map(images.len(), |index| logits(network, images.image(index)))
}

/// How many images of a data set have their label's logit as the first largest.
pub fn correct(logits: &[Vec<i32>], labels: &[u8]) -> usize {
    logits.iter().zip(labels).filter(|(logits, label)| argmax(logits) == usize::from(**label)).count()
}

fn run_layer<X: Activation>(
    layer: &QuantizedLayer,
    input: Shape,
    x: &[X],
    same: impl Fn(Vec<X>) -> Integers,
) -> Integers {
    let size = layer.output.size();
    if let QuantizedOp::MaxPool2d { window } = layer.op {
        let shape = Pool2dShape { input: input.hwc(), output: layer.output.hwc(), window };
        let mut y = vec![X::saturate(0); size];
        kernels::max_pool2d(&shape, x, &mut y);
        return same(y);
    }
    match layer.format.element {
        ValueType::U8 => {
            let mut y = vec![0_u8; size];
            weighted(layer, input, x, &mut y);
            Integers::U8(y)
        }
        ValueType::I8 => {
            let mut y = vec![0_i8; size];
            weighted(layer, input, x, &mut y);
            Integers::I8(y)
        }
        ValueType::I32 => {
            let mut y = vec![0_i32; size];
            match &layer.op {
                QuantizedOp::Conv2d { parameters: p, window, convolved, .. } => {
                    let shape = Conv2dShape { input: input.hwc(), output: convolved.hwc(), window: *window };
                    kernels::conv2d_accumulate(&shape, x, &p.weights, &p.bias, &mut y);
                }
                QuantizedOp::FullyConnected { parameters: p } => {
                    kernels::fully_connected_logits(x, &p.weights, &p.bias, &mut y);
                }
                QuantizedOp::MaxPool2d { .. } => {}
            }
            Integers::I32(y)
        }
    }
}

/// A convolution or fully connected layer with requantization.
fn weighted<X: Activation, Y: Activation>(layer: &QuantizedLayer, input: Shape, x: &[X], y: &mut [Y]) {
    let shifts = |p: &Parameters| p.shifts.iter().map(|&bits| Shift::new(bits)).collect::<Vec<_>>();
    match &layer.op {
        QuantizedOp::Conv2d { parameters: p, window, convolved, pool } => {
            let shape = Conv2dShape { input: input.hwc(), output: convolved.hwc(), window: *window };
            match pool {
                None => kernels::conv2d(&shape, x, &p.weights, &p.bias, &shifts(p), y),
                Some(pool) => {
                    let pool = Pool2dShape { input: convolved.hwc(), output: layer.output.hwc(), window: *pool };
                    kernels::conv2d_max_pool2d(&shape, &pool, x, &p.weights, &p.bias, &shifts(p), y);
                }
            }
        }
        QuantizedOp::FullyConnected { parameters: p } => {
            kernels::fully_connected(x, &p.weights, &p.bias, &shifts(p), y);
        }
        QuantizedOp::MaxPool2d { .. } => {}
    }
}
