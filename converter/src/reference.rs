//! Runs the integer network on the host through the scalar kernels of `firmware-core`: the same
//! code that defines what a device computes, with shapes known at run time.

use firmware_core::kernels::{self, Conv2dShape, Pool2dShape};
use firmware_core::{Activation, LayerKind, Requantize, Shift, argmax};

use crate::graph::Shape;
use crate::quantized::{QuantizedLayer, QuantizedNetwork, QuantizedOp, ValueType};
use inkling_data::Dataset;
use inkling_support::parallel;

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
        let result = run_layer(network, layer, &values);
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
    logits
        .iter()
        .zip(labels)
        .filter(|(logits, label)| argmax(logits) == usize::from(**label))
        .count()
}

/// Does something with the elements of an 8-bit value; the logits are no layer's input.
macro_rules! with_elements {
    ($integers:expr, |$x:ident| $body:expr) => {
        match $integers {
            Integers::U8($x) => $body,
            Integers::I8($x) => $body,
            Integers::I32(_) => {}
        }
    };
}

fn run_layer(network: &QuantizedNetwork, layer: &QuantizedLayer, values: &[Integers]) -> Integers {
    let size = layer.output.size();
    match layer.format.element {
        ValueType::U8 => {
            let mut y = vec![0_u8; size];
            run_as(network, layer, values, &mut y, |integers| match integers {
                Integers::U8(x) => x,
                _ => &[],
            });
            Integers::U8(y)
        }
        ValueType::I8 => {
            let mut y = vec![0_i8; size];
            run_as(network, layer, values, &mut y, |integers| match integers {
                Integers::I8(x) => x,
                _ => &[],
            });
            Integers::I8(y)
        }
        ValueType::I32 => {
            let mut y = vec![0_i32; size];
            let input = network.shape(layer.input());
            with_elements!(&values[layer.input()], |x| match &layer.op {
                QuantizedOp::Conv2d { parameters: p, window, convolved, .. } => {
                    let shape = Conv2dShape {
                        input: input.hwc(),
                        output: convolved.hwc(),
                        window: *window,
                    };
                    kernels::conv2d_accumulate(&shape, x, &p.weights, &p.bias, &mut y);
                }
                QuantizedOp::FullyConnected { parameters: p } => {
                    kernels::fully_connected_logits(x, &p.weights, &p.bias, &mut y);
                }
                _ => {}
            });
            Integers::I32(y)
        }
    }
}

/// A requantization with the bounds of a layer's clipping, known at run time only.
#[derive(Clone, Copy)]
struct Clipped {
    shift: Shift,
    bounds: [i32; 2],
}

impl Requantize for Clipped {
    fn apply(self, accumulator: i32) -> i32 {
        self.shift.apply(accumulator).max(self.bounds[0]).min(self.bounds[1])
    }
}

impl Clipped {
    fn new(layer: &QuantizedLayer, bits: u8) -> Self {
        Self { shift: Shift::new(bits), bounds: layer.clip.unwrap_or([i32::MIN, i32::MAX]) }
    }
}

/// A layer whose output has the element type `Y`; `same` gives the elements of an input of that
/// type.
fn run_as<Y: Activation>(
    network: &QuantizedNetwork,
    layer: &QuantizedLayer,
    values: &[Integers],
    y: &mut [Y],
    same: impl Fn(&Integers) -> &[Y],
) {
    let input = network.shape(layer.input());
    let x = &values[layer.input()];
    match &layer.op {
        QuantizedOp::Conv2d { .. } | QuantizedOp::FullyConnected { .. } => {
            with_elements!(x, |x| weighted(layer, input, x, y));
        }
        QuantizedOp::MaxPool2d { window } => {
            let shape =
                Pool2dShape { input: input.hwc(), output: layer.output.hwc(), window: *window };
            kernels::max_pool2d(&shape, same(x), y);
        }
        QuantizedOp::AveragePool2d { window, shift, .. } => {
            let shape =
                Pool2dShape { input: input.hwc(), output: layer.output.hwc(), window: *window };
            with_elements!(x, |x| kernels::average_pool2d(
                &shape,
                x,
                Clipped::new(layer, *shift),
                y
            ));
        }
        QuantizedOp::Add { align, shift } => {
            let align = align.map(u32::from);
            with_elements!(x, |a| with_elements!(&values[layer.inputs[1]], |b| {
                kernels::add(align, a, b, Clipped::new(layer, *shift), y)
            }));
        }
        QuantizedOp::Concat => {
            let mut first = 0;
            for &value in &layer.inputs {
                let channels = network.shape(value).channels;
                kernels::concat(same(&values[value]), channels, y, layer.output.channels, first);
                first += channels;
            }
        }
        QuantizedOp::LeakyRelu { slope, bits } => {
            kernels::leaky_relu(*slope, Shift::new(*bits), same(x), y);
        }
    }
}

/// A convolution or fully connected layer with requantization.
fn weighted<X: Activation, Y: Activation>(
    layer: &QuantizedLayer,
    input: Shape,
    x: &[X],
    y: &mut [Y],
) {
    let Some(p) = layer.parameters() else { return };
    let shifts: Vec<Clipped> = p.shifts.iter().map(|&bits| Clipped::new(layer, bits)).collect();
    match &layer.op {
        QuantizedOp::Conv2d { window, groups, convolved, pool, .. } => {
            let shape =
                Conv2dShape { input: input.hwc(), output: convolved.hwc(), window: *window };
            match (pool, layer.kind()) {
                (Some(pool), _) => {
                    let pool = Pool2dShape {
                        input: convolved.hwc(),
                        output: layer.output.hwc(),
                        window: *pool,
                    };
                    kernels::conv2d_max_pool2d(&shape, &pool, x, &p.weights, &p.bias, &shifts, y);
                }
                (None, LayerKind::DepthwiseConv2d) => {
                    kernels::depthwise_conv2d(&shape, x, &p.by_tap(), &p.bias, &shifts, y);
                }
                (None, LayerKind::GroupedConv2d) => {
                    kernels::grouped_conv2d(&shape, *groups, x, &p.weights, &p.bias, &shifts, y);
                }
                (None, _) => kernels::conv2d(&shape, x, &p.weights, &p.bias, &shifts, y),
            }
        }
        _ => kernels::fully_connected(x, &p.weights, &p.bias, &shifts, y),
    }
}
