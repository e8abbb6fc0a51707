//! Runs the integer network on the host through the scalar kernels of `firmware-core`: the same
//! code that defines what a device computes, with shapes known at run time.

use firmware_core::kernels::Pool2dShape;
use firmware_core::{
    Activation, Checked, Checksum, FloatScale, Multiplier, Requantize, Shift, Window, class_of,
};

use crate::graph::Shape;
use crate::quantized::{
    Parameters, QuantizedLayer, QuantizedNetwork, Requantization, Rescaling, ValueType,
};
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

/// Does something with the elements of an 8-bit value; the logits are no layer's input.
macro_rules! with_elements {
    ($integers:expr, |$x:ident| $body:expr) => {
        match $integers {
            $crate::reference::Integers::U8($x) => $body,
            $crate::reference::Integers::I8($x) => $body,
            $crate::reference::Integers::I32(_) => {}
        }
    };
}

/// The element types of what flows between layers.
pub trait Elements: Activation {
    /// The elements of a value of this type; none of another's.
    fn of(integers: &Integers) -> &[Self];
}

impl Elements for u8 {
    fn of(integers: &Integers) -> &[Self] {
        match integers {
            Integers::U8(elements) => elements,
            _ => &[],
        }
    }
}

impl Elements for i8 {
    fn of(integers: &Integers) -> &[Self] {
        match integers {
            Integers::I8(elements) => elements,
            _ => &[],
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
        let run = Run {
            layer,
            inputs: layer.inputs.iter().map(|&value| &values[value]).collect(),
            shapes: layer.inputs.iter().map(|&value| network.shape(value)).collect(),
        };
        let result = layer.op.as_dyn().run(&run);
        values.push(result);
    }
    values
}

/// The logits for one image.
pub fn logits(network: &QuantizedNetwork, image: &[u8]) -> Vec<i32> {
    values(network, image).last().map(Integers::to_i32).unwrap_or_default()
}

/// All outputs for one image, one behind the other.
pub fn outputs(network: &QuantizedNetwork, image: &[u8]) -> Vec<i32> {
    outputs_of(network, &values(network, image))
}

/// All outputs, one behind the other, among the values of a network.
pub fn outputs_of(network: &QuantizedNetwork, values: &[Integers]) -> Vec<i32> {
    network.outputs.iter().flat_map(|output| values[output.value].to_i32()).collect()
}

/// All outputs for every image of a data set.
pub fn all_outputs(network: &QuantizedNetwork, images: &Dataset) -> Vec<Vec<i32>> {
    parallel::map(images.len(), |index| outputs(network, images.image(index)))
}

/// The logits for every image of a data set.
pub fn all_logits(network: &QuantizedNetwork, images: &Dataset) -> Vec<Vec<i32>> {
    parallel::map(images.len(), |index| logits(network, images.image(index)))
}

/// How many images of a data set are answered with their label.
pub fn correct(logits: &[Vec<i32>], labels: &[u16]) -> usize {
    logits
        .iter()
        .zip(labels)
        .filter(|(logits, label)| class_of(logits) == usize::from(**label))
        .count()
}

/// A layer at work: what its operator needs to compute.
pub struct Run<'a> {
    pub layer: &'a QuantizedLayer,
    pub inputs: Vec<&'a Integers>,
    /// The inputs' shapes.
    pub shapes: Vec<Shape>,
}

impl Run<'_> {
    /// Room for the result.
    pub fn output(&self) -> Integers {
        let size = self.layer.output.size();
        match self.layer.format.element {
            ValueType::U8 => Integers::U8(vec![0; size]),
            ValueType::I8 => Integers::I8(vec![0; size]),
            ValueType::I32 => Integers::I32(vec![0; size]),
        }
    }

    /// A pooling from the first input to the result.
    pub fn pool2d(&self, window: Window) -> Pool2dShape {
        Pool2dShape { input: self.shapes[0].hwc(), output: self.layer.output.hwc(), window }
    }

    /// A shift to the right by `bits`, with the bounds of the layer's activation.
    pub fn shift(&self, bits: u8) -> Requantized {
        let bounds = self.layer.clip.unwrap_or([i32::MIN, i32::MAX]);
        Requantized::Shift(Shift::new(bits), bounds)
    }

    /// The requantization of every output channel; none for the logits.
    pub fn requantizations(&self, parameters: &Parameters) -> Vec<Requantized> {
        match &parameters.requantization {
            Requantization::None => Vec::new(),
            Requantization::Shifts(shifts) => shifts.iter().map(|&bits| self.shift(bits)).collect(),
            Requantization::Rescales(rescales) => {
                rescales.iter().map(|rescale| Requantized::Multiplier(rescale.kernel())).collect()
            }
            Requantization::FloatScales(rescales) => {
                rescales.iter().map(|rescale| Requantized::FloatScale(rescale.kernel())).collect()
            }
        }
    }
}

/// A requantization that is known at run time only.
#[derive(Clone, Copy)]
pub enum Requantized {
    /// With the bounds of the layer's activation.
    Shift(Shift, [i32; 2]),
    Multiplier(Multiplier),
    FloatScale(FloatScale),
}

impl From<Rescaling> for Requantized {
    fn from(rescaling: Rescaling) -> Self {
        match rescaling {
            Rescaling::Multiplier(rescale) => Self::Multiplier(rescale.kernel()),
            Rescaling::Float(rescale) => Self::FloatScale(rescale.kernel()),
        }
    }
}

/// As the type that the generated code has.
impl Checked for Requantized {
    fn add_to(&self, sum: &mut Checksum) {
        match self {
            Self::Shift(shift, _) => shift.add_to(sum),
            Self::Multiplier(multiplier) => multiplier.add_to(sum),
            Self::FloatScale(scale) => scale.add_to(sum),
        }
    }
}

impl Requantize for Requantized {
    fn apply(self, accumulator: i32) -> i32 {
        match self {
            Self::Shift(shift, [low, high]) => shift.apply(accumulator).max(low).min(high),
            Self::Multiplier(multiplier) => multiplier.apply(accumulator),
            Self::FloatScale(scale) => scale.apply(accumulator),
        }
    }
}
