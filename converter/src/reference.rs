//! Runs the integer network on the host through the scalar kernels of `firmware-core`: the same
//! code that defines what a device computes, with shapes known at run time.

use firmware_core::kernels::{self, Conv2dShape, Pool2dShape};
use firmware_core::{Activation, LayerKind, Multiplier, Offset, Requantize, Shift, Window, argmax};

use crate::graph::Shape;
use crate::quantized::{QuantizedLayer, QuantizedNetwork, QuantizedOp, Requantization, ValueType};
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
    let image = match network.input_format.element {
        ValueType::I8 => Integers::I8(image.iter().map(|&byte| byte as i8).collect()),
        _ => Integers::U8(image.to_vec()),
    };
    let mut values = vec![image];
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
                    let shape = Conv2dShape::new(input.hwc(), convolved.hwc(), *window);
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

/// A requantization that is known at run time only.
#[derive(Clone, Copy)]
enum Requantized {
    /// With the bounds of a layer's clipping.
    Shift(Shift, [i32; 2]),
    Multiplier(Multiplier),
}

impl Requantize for Requantized {
    fn apply(self, accumulator: i32) -> i32 {
        match self {
            Self::Shift(shift, [low, high]) => shift.apply(accumulator).max(low).min(high),
            Self::Multiplier(multiplier) => multiplier.apply(accumulator),
        }
    }
}

impl Requantized {
    fn new(layer: &QuantizedLayer, bits: u8) -> Self {
        Self::Shift(Shift::new(bits), layer.clip.unwrap_or([i32::MIN, i32::MAX]))
    }

    fn all(layer: &QuantizedLayer, requantization: &Requantization) -> Vec<Self> {
        match requantization {
            Requantization::None => Vec::new(),
            Requantization::Shifts(all) => all.iter().map(|&bits| Self::new(layer, bits)).collect(),
            Requantization::Rescales(all) => {
                all.iter().map(|rescale| Self::Multiplier(rescale.kernel())).collect()
            }
        }
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
                Requantized::new(layer, *shift),
                y
            ));
        }
        QuantizedOp::Add { align, shift } => {
            let align = align.map(u32::from);
            with_elements!(x, |a| with_elements!(&values[layer.inputs[1]], |b| {
                kernels::add(align, a, b, Requantized::new(layer, *shift), y)
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
        QuantizedOp::Lookup { table } => {
            let table: Vec<Y> = table.iter().map(|&entry| Y::saturate(entry)).collect();
            if let Ok(table) = <&[Y; 256]>::try_from(&table[..]) {
                with_elements!(x, |x| kernels::lookup(table, x, y));
            }
        }
        QuantizedOp::Elementwise(function) => {
            with_elements!(x, |a| with_elements!(&values[layer.inputs[1]], |b| {
                kernels::elementwise(*function, a, b, y)
            }));
        }
        QuantizedOp::MeanPool2d { window, bounds } => {
            let shape =
                Pool2dShape { input: input.hwc(), output: layer.output.hwc(), window: *window };
            kernels::mean_pool2d(&shape, same(x), bounds.map(Y::saturate), y);
        }
        QuantizedOp::Mean { input_zero, rescale } => {
            let pixels = input.height * input.width;
            let offset = Offset::new(-input_zero * pixels as i32, rescale.kernel());
            let shape = Pool2dShape {
                input: input.hwc(),
                output: layer.output.hwc(),
                window: Window::new([input.height, input.width]),
            };
            with_elements!(x, |x| kernels::average_pool2d(&shape, x, offset, y));
        }
        QuantizedOp::Pad2d { padding, value } => {
            kernels::pad2d(input.hwc(), *padding, Y::saturate(*value), same(x), y);
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
    let shifts = Requantized::all(layer, &p.requantization);
    match &layer.op {
        QuantizedOp::Conv2d { window, groups, convolved, pool, padding_value, .. } => {
            let shape = Conv2dShape {
                padding_value: *padding_value,
                ..Conv2dShape::new(input.hwc(), convolved.hwc(), *window)
            };
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
