//! Networks that go on from a trained model.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use converter::Converter;
use converter::graph::Shape;
use converter::lower::Network as LoweredNetwork;
use converter::operators::FloatOp;
use converter::passes::PixelScale;
use inkling_data::{Dataset, shape_text};
use inkling_support::console;

use super::line::Beginning;
use crate::learn::network::{self, Network};
use inkling_data::random::{Purpose, Random};

/// A trained model and how to go on from it.
pub struct Pretrained {
    /// The ONNX file.
    pub path: PathBuf,
    /// How its training scaled pixels.
    pub pixels: PixelScale,
    /// Begin with a new last layer even if it has an output for each class.
    pub new_head: bool,
    /// The names of its classes, where they are known.
    pub labels: Vec<String>,
    pub rates: Rates,
}

/// How fast the layers with weights learn, as factors of the recipe's rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// So many of the first layers keep their weights.
    pub frozen: usize,
    /// The factor from each layer to the one before it; 1 for all alike.
    pub decay: f32,
}

impl Rates {
    /// The factor of each parameter of `network`.
    pub fn factors(self, network: &Network) -> Vec<f32> {
        let layers = network.layers.iter().filter(|placed| placed.is_trained()).count();
        let mut factors = Vec::with_capacity(network.parameter_count());
        let mut index = 0;
        for placed in &network.layers {
            let factor = if index < self.frozen {
                0.0
            } else {
                self.decay.powi((layers - 1).saturating_sub(index) as i32)
            };
            index += usize::from(placed.is_trained());
            let count: usize = placed.parameters.iter().map(|p| p.elements()).sum();
            factors.extend(std::iter::repeat_n(factor, count));
        }
        factors
    }
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the first {} layers frozen, rates times {} per layer", self.frozen, self.decay)
    }
}

impl fmt::Display for Pretrained {
    /// As the command line of `trainer finetune` has it, so that a model card can say it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = PixelScale::default();
        write!(f, "{}", self.path.display())?;
        for (option, value, default) in [
            ("--freeze", self.rates.frozen.to_string(), 0.to_string()),
            ("--layer-decay", self.rates.decay.to_string(), 1.to_string()),
            ("--pixel-divisor", self.pixels.divisor.to_string(), plain.divisor.to_string()),
            ("--mean", self.pixels.mean.to_string(), plain.mean.to_string()),
            ("--deviation", self.pixels.deviation.to_string(), plain.deviation.to_string()),
        ] {
            if value != default {
                write!(f, " {option} {value}")?;
            }
        }
        if self.new_head { write!(f, " --new-head") } else { Ok(()) }
    }
}

impl Pretrained {
    /// Reads the model for the images and classes of `images`; a last layer of another size is
    /// replaced by a new one, drawn by `seed`.
    ///
    /// # Errors
    ///
    /// Names the file: what cannot be read, is not trainable or takes other images.
    pub(super) fn beginning(&self, images: &Dataset, seed: u64) -> Result<Beginning> {
        self.read(images, seed).with_context(|| self.path.display().to_string())
    }

    fn read(&self, images: &Dataset, seed: u64) -> Result<Beginning> {
        let onnx = std::fs::read(&self.path).context("cannot be read")?;
        let mut lowered =
            Converter::new("model", &onnx).pixel_scale(self.pixels.clone()).lower()?;
        let inputs = lowered.inputs();
        if inputs.len() > 1 {
            let own = inputs.iter().map(|input| (&input.name[..], input.shape.hwc()));
            let given = images.inputs.iter().map(|input| (&input.name[..], input.shape));
            let names: Vec<&str> = inputs.iter().map(|input| &input.name[..]).collect();
            ensure!(
                own.eq(given),
                "the model takes the inputs {}, the data have others or in other shapes",
                names.join(", ")
            );
        }
        ensure!(
            lowered.outputs.len() == 1,
            "the model has {} outputs, and what is trained has one: export it with the output that is to be \
             trained",
            lowered.outputs.len()
        );
        ensure!(
            lowered.gives_vector(),
            "the model returns an image, and what is trained has one output for each class"
        );
        let input = lowered.input;
        ensure!(
            input == Shape::new(images.height(), images.width(), images.channels()),
            "the model takes images of {input}, the data has {} (height×width×channels); --size \
             gives pictures another size",
            shape_text(images.shape)
        );
        if self.new_head || lowered.classes() != images.classes() {
            replace_head(&mut lowered, images.classes(), seed)?;
        } else if self.labels.len() == images.classes() && self.labels != images.names {
            self.adopt_head(&mut lowered, &images.names);
        }
        let readout = network::read("model", &lowered)?;
        let layers = readout.network.layers.iter().filter(|placed| placed.is_trained()).count();
        ensure!(
            self.rates.frozen < layers,
            "--freeze {}: the model has {layers} layers with weights, and at least one must learn",
            self.rates.frozen
        );
        let rates = (self.rates != Rates { frozen: 0, decay: 1.0 }).then_some(self.rates);
        Ok(Beginning { network: readout.network, parameters: readout.parameters, rates })
    }
}

impl Pretrained {
    /// Makes the last layer one for the classes `names`, which are others than the model's or have
    /// another order. A class that the model knows keeps its weights.
    fn adopt_head(&self, lowered: &mut LoweredNetwork, names: &[String]) {
        let place = |name: &String| self.labels.iter().position(|own| own == name);
        let Some(order) = names.iter().map(place).collect::<Option<Vec<usize>>>() else {
            console::note(format_args!(
                "note: the model's classes are {}, those of the data {}; its last layer goes on to \
                 learn them in this order, and --new-head begins with a new one",
                self.labels.join(", "),
                names.join(", ")
            ));
            return;
        };
        let (weights, bias) = match lowered.layers.last_mut().map(|layer| &mut layer.op) {
            Some(FloatOp::FullyConnected(layer)) => (&mut layer.weights, &mut layer.bias),
            Some(FloatOp::Conv2d(layer)) => (&mut layer.weights, &mut layer.bias),
            _ => return,
        };
        let taps = weights.len() / bias.len().max(1);
        *weights = order.iter().flat_map(|&old| &weights[old * taps..][..taps]).copied().collect();
        *bias = order.iter().map(|&old| bias[old]).collect();
    }
}

/// Gives the network a new last layer with an output for each of `classes`.
fn replace_head(lowered: &mut LoweredNetwork, classes: usize, seed: u64) -> Result<()> {
    let last = lowered.layers.last_mut().context("has no layers")?;
    let (weights, bias) = match &mut last.op {
        FloatOp::FullyConnected(layer) => (&mut layer.weights, &mut layer.bias),
        FloatOp::Conv2d(layer) => {
            layer.convolved.channels = classes;
            (&mut layer.weights, &mut layer.bias)
        }
        _ => bail!("layer '{}', the last one, has no weights to replace", last.name),
    };
    let inputs = weights.len() / bias.len().max(1);
    // As a new network's; see `Network::initial_parameters`.
    let bound = 1.0 / (inputs.max(1) as f32).sqrt();
    let mut random = Random::new(seed, Purpose::Weights, 0);
    let mut draw = |count: usize| (0..count).map(|_| random.between(-bound, bound)).collect();
    *weights = draw(classes * inputs);
    *bias = draw(classes);
    last.output.channels = classes;
    Ok(())
}
