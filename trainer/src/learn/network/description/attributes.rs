//! The kinds of layers as files name them, and their attributes.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Deserializer, SeqAccess, Visitor};
use toml::Table;

use super::super::{
    Add, AveragePool2d, BatchNorm, BoundedRelu, Concat, Conv2d, Dropout, Flatten, FullyConnected,
    GlobalAveragePool, HardSwish, Layer, LeakyRelu, MaxPool2d, Relu, Sigmoid, Window, ZeroPad2d,
};
use crate::learn::toml_error::plain;

/// The layer kinds as files name them.
pub(super) const KINDS: [&str; 16] = [
    "add",
    "average_pool2d",
    "batch_norm",
    "concat",
    "conv2d",
    "dropout",
    "flatten",
    "fully_connected",
    "global_average_pool",
    "hard_swish",
    "leaky_relu",
    "max_pool2d",
    "relu",
    "relu6",
    "sigmoid",
    "zero_pad2d",
];

/// The largest kernel, stride or padding, and the most channels or outputs: larger ones are
/// mistakes, and their products would pass what a computer can count.
const LARGEST_SIDE: usize = 1 << 12;
const MOST_CHANNELS: usize = 1 << 16;

/// One layer from its attributes; without `classes` only the attributes are checked.
pub(super) fn layer(
    kind: &str,
    attributes: &Table,
    classes: Option<usize>,
) -> Result<Box<dyn Layer>, String> {
    fn read<T: DeserializeOwned>(attributes: &Table) -> Result<T, String> {
        let read = attributes.clone().try_into();
        read.map_err(|error: toml::de::Error| plain(error.message()))
    }
    let none = |layer: Box<dyn Layer>| match attributes.keys().next() {
        None => Ok(layer),
        Some(key) => Err(format!("has no attribute {key:?}; it takes none: remove it")),
    };
    Ok(match kind {
        "add" => none(Box::new(Add))?,
        "average_pool2d" => {
            Box::new(AveragePool2d { window: read::<Pooling>(attributes)?.window() })
        }
        "batch_norm" => none(Box::new(BatchNorm))?,
        "concat" => none(Box::new(Concat))?,
        "conv2d" => {
            let Convolution { channels, kernel, stride, padding, groups, bias } = read(attributes)?;
            let window = Window {
                stride: stride.0,
                padding: [padding.0[0], padding.0[1], padding.0[0], padding.0[1]],
                ..Window::new(kernel.0)
            };
            Box::new(Conv2d { out_channels: channels, window, groups, bias })
        }
        "dropout" => Box::new(Dropout { rate: read::<Rate>(attributes)?.rate }),
        "flatten" => none(Box::new(Flatten))?,
        "fully_connected" => {
            let outputs = read::<Outputs>(attributes)?.outputs;
            Box::new(FullyConnected { outputs: outputs.or(classes).unwrap_or(2) })
        }
        "global_average_pool" => none(Box::new(GlobalAveragePool))?,
        "hard_swish" => none(Box::new(HardSwish))?,
        "leaky_relu" => Box::new(LeakyRelu { slope: read::<Slope>(attributes)?.slope }),
        "max_pool2d" => Box::new(MaxPool2d { window: read::<Pooling>(attributes)?.window() }),
        "relu" => none(Box::new(Relu))?,
        "relu6" => none(Box::new(BoundedRelu::RELU6))?,
        "sigmoid" => none(Box::new(Sigmoid))?,
        "zero_pad2d" => {
            let Padding { before, after } = read(attributes)?;
            Box::new(ZeroPad2d { before: before.0, after: after.0 })
        }
        _ => return Err("is of a kind that does not exist".to_string()),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Convolution {
    #[serde(deserialize_with = "channels")]
    channels: usize,
    kernel: Pair,
    #[serde(default = "Pair::one")]
    stride: Pair,
    #[serde(default)]
    padding: Pair,
    #[serde(default = "one", deserialize_with = "channels")]
    groups: usize,
    #[serde(default = "yes")]
    bias: bool,
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pooling {
    kernel: Pair,
    stride: Option<Pair>,
}

impl Pooling {
    fn window(&self) -> Window {
        let stride = self.stride.as_ref().unwrap_or(&self.kernel);
        Window { stride: stride.0, ..Window::new(self.kernel.0) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Padding {
    #[serde(default)]
    before: Pair,
    #[serde(default)]
    after: Pair,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rate {
    rate: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Slope {
    slope: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outputs {
    #[serde(default, deserialize_with = "some_channels")]
    outputs: Option<usize>,
}

/// A number of channels.
fn channels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let number = i64::deserialize(deserializer)?;
    let fits = usize::try_from(number).ok().filter(|number| *number <= MOST_CHANNELS);
    fits.ok_or_else(|| {
        de::Error::custom(format!("{number} is not a whole number from 0 to {MOST_CHANNELS}"))
    })
}

fn some_channels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    channels(deserializer).map(Some)
}

/// Vertical and horizontal: one number for both, or a list of two.
#[derive(Default)]
struct Pair([usize; 2]);

impl Pair {
    fn one() -> Self {
        Self([1, 1])
    }
}

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl<'de> Visitor<'de> for Numbers {
            type Value = Pair;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "a whole number, or [vertical, horizontal]")
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Pair, E> {
                side(value).map(|side| Pair([side; 2]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Pair, A::Error> {
                let mut pair = [0; 2];
                for (index, place) in pair.iter_mut().enumerate() {
                    let missing = || de::Error::invalid_length(index, &self);
                    *place = side(list.next_element()?.ok_or_else(missing)?)?;
                }
                match list.next_element::<de::IgnoredAny>()? {
                    None => Ok(Pair(pair)),
                    Some(_) => Err(de::Error::invalid_length(3, &self)),
                }
            }
        }
        deserializer.deserialize_any(Numbers)
    }
}

fn side<E: de::Error>(number: i64) -> Result<usize, E> {
    let fits = usize::try_from(number).ok().filter(|side| *side <= LARGEST_SIDE);
    fits.ok_or_else(|| {
        E::custom(format!("{number} is not a whole number from 0 to {LARGEST_SIDE}"))
    })
}
