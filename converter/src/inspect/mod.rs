//! What a model is and what it would cost, before anything is converted.
//!
//! The layers, their shapes, multiply-accumulates and weights are those that a conversion gives. The
//! instructions are an estimate: see [`costs`].

pub mod boards;
pub mod costs;
mod text;

use inkling_support::table::thousands;
use serde::Serialize;

pub use boards::{BOARDS, Board};

use crate::arena::{self, ArenaPlan, Favour};
use crate::graph::{Output, SampleInput};
use crate::passes::PixelScale;
use crate::quantized::{QuantizedNetwork, Scale};
use costs::CoreCosts;

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// The file's form, such as `float ONNX`.
    pub form: String,
    /// The sample: of several inputs all, one after another.
    pub input: Value,
    /// Every input by its name.
    pub inputs: Vec<Input>,
    /// The logits, of the classifier where there are several outputs.
    pub output: Value,
    /// All outputs, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<NamedValue>,
    pub layers: Vec<Layer>,
    /// Multiply-accumulates of one inference; taps on padding count.
    pub macs: usize,
    /// Bytes of weights, biases and requantizations in flash.
    pub weight_bytes: usize,
    /// Bytes of RAM for the values between layers; the input is not in it.
    pub arena_bytes: usize,
    pub boards: Vec<Fit>,
}

/// An input or output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Value {
    /// Height, width and channels.
    pub shape: [usize; 3],
    /// `u8`, `i8` or `i32`.
    pub element: &'static str,
}

/// An input and what its bytes stand for: the byte `q` for `q · scale + offset`, with one number or one
/// for each channel.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Input {
    pub name: String,
    #[serde(flatten)]
    pub value: Value,
    pub scale: Vec<f32>,
    pub offset: Vec<f32>,
}

/// One of several outputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedValue {
    pub name: String,
    #[serde(flatten)]
    pub value: Value,
}

/// A layer, as the generated code has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Layer {
    pub name: String,
    /// The name in the file.
    pub source: String,
    pub kind: &'static str,
    pub output: Value,
    pub macs: usize,
    pub weight_bytes: usize,
    /// Bytes of what it reads and writes.
    pub in_out_bytes: usize,
}

/// Whether a model has room on a board, and how long it would take there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fit {
    pub board: &'static str,
    pub core: &'static str,
    /// Bytes that a program with this model and nothing else needs, and that there are; with the
    /// stack that a small model takes.
    pub flash_needed: usize,
    pub flash: usize,
    pub ram_needed: usize,
    pub ram: usize,
    pub fits: bool,
    /// Bytes of RAM with the deepest stack that any counted network took: wide layers need more.
    pub ram_at_most: usize,
    /// Instructions per inference, estimated; none where a kind of layer was never counted.
    pub instructions: Option<u64>,
    pub clock: u32,
}

impl Fit {
    /// What there is too little of, or `None` where the model fits.
    pub fn misfit(&self) -> Option<String> {
        let line = |what: &str, needed: usize, there: usize| {
            let (needed, there) = (thousands(needed), thousands(there));
            format!("needs {needed} bytes of {what}, {} has {there}", self.board)
        };
        if self.flash_needed > self.flash {
            Some(line("flash", self.flash_needed, self.flash))
        } else if self.ram_needed > self.ram {
            Some(line("RAM", self.ram_needed, self.ram))
        } else {
            None
        }
    }
}

/// Bytes of stack that `models/simple` needs on its boards, rounded up; `tools/mcu-report boards` says how
/// many it is on each.
const STACK: usize = 1536;

/// Bytes of flash and RAM of a program that does nothing else: vectors, start, the call.
const REST: [usize; 2] = [1024, 64];

impl Inspection {
    /// Looks at the integers that a file of this form becomes.
    pub fn new(form: &str, network: &QuantizedNetwork) -> Self {
        Self::new_for(form, network, Favour::Time)
    }

    /// The same for time or memory.
    pub fn new_for(form: &str, network: &QuantizedNetwork, favour: Favour) -> Self {
        let plan = arena::plan_for(network, favour);
        let last = network.layers.len();
        let layers = network.computed().map(|(index, layer)| Layer {
            name: layer.name.clone(),
            source: layer.source_name.clone(),
            kind: layer.kind().name(),
            output: value(network, index + 1),
            macs: layer.macs(),
            weight_bytes: layer.parameter_bytes(),
            in_out_bytes: arena::layer_bytes(network, index),
        });
        Self {
            form: form.into(),
            input: value(network, 0),
            inputs: network.inputs().into_iter().map(|input| Input::new(network, input)).collect(),
            output: value(network, last),
            outputs: outputs(network),
            layers: layers.collect(),
            macs: network.macs(),
            weight_bytes: network.parameter_bytes(),
            arena_bytes: plan.bytes,
            boards: fits(network, &plan),
        }
    }

    /// The same for inputs that were scaled like this in training; without it a byte of a network that is
    /// quantized here stands for itself over 255.
    pub fn with_pixels(mut self, pixels: &[PixelScale]) -> Self {
        for (input, pixels) in self.inputs.iter_mut().zip(pixels) {
            input.scaled(pixels);
        }
        self
    }

    /// Whether the model has room on the board called `name`, if there is one.
    pub fn on(&self, name: &str) -> Option<&Fit> {
        self.boards.iter().find(|fit| fit.board == name)
    }

    /// As JSON, with a line end.
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("numbers and names");
        json.push('\n');
        json
    }

    /// For people.
    pub fn to_text(&self) -> String {
        text::of(self)
    }
}

impl Input {
    fn new(network: &QuantizedNetwork, input: SampleInput) -> Self {
        let (scale, offset) = match network.input_format.scale {
            Scale::Affine { scale, zero } => (scale, -(zero as f32) * scale + 0.0),
            Scale::PowerOfTwo(_) => (0.0, 0.0),
        };
        let value = value(network, input.value);
        let mut new = Self { name: input.name, value, scale: vec![scale], offset: vec![offset] };
        if let Scale::PowerOfTwo(_) = network.input_format.scale {
            new.scaled(&PixelScale::default());
        }
        new
    }

    fn scaled(&mut self, pixels: &PixelScale) {
        let channels = 0..pixels.mean.count().max(pixels.deviation.count());
        let of = |channel| 1.0 / (pixels.divisor * pixels.deviation.at(channel));
        self.scale = channels.clone().map(of).collect();
        let of = |channel| -pixels.mean.at(channel) / pixels.deviation.at(channel) + 0.0;
        self.offset = channels.map(of).collect();
    }
}

fn outputs(network: &QuantizedNetwork) -> Vec<NamedValue> {
    let named = |output: &Output| NamedValue {
        name: output.name.clone(),
        value: value(network, output.value),
    };
    network.several_outputs().unwrap_or_default().iter().map(named).collect()
}

fn value(network: &QuantizedNetwork, value: usize) -> Value {
    let shape = network.shape(value);
    Value {
        shape: [shape.height, shape.width, shape.channels],
        element: network.format(value).element.rust_name(),
    }
}

fn fits(network: &QuantizedNetwork, plan: &ArenaPlan) -> Vec<Fit> {
    let (counted, unknown) = (costs::counted(), CoreCosts::default());
    let rows = plan.stream.as_ref().map_or(0, |stream| stream.cost(network));
    let more = 1.0 + rows as f64 / network.macs().max(1) as f64;
    BOARDS
        .iter()
        .map(|board| {
            let costs = counted.get(board.core).unwrap_or(&unknown);
            let sum: Option<f64> = network
                .computed()
                .map(|(_, layer)| costs::instructions(costs, network, layer))
                .sum();
            let flash_needed = network.parameter_bytes() + costs.code + REST[0];
            let output = network.output_bytes();
            let ram_needed = plan.bytes + network.input.size() + output + STACK + REST[1];
            Fit {
                board: board.name,
                core: board.core,
                flash_needed,
                flash: board.flash,
                ram_needed,
                ram: board.ram,
                ram_at_most: ram_needed - STACK + costs.stack.max(STACK),
                fits: flash_needed <= board.flash && ram_needed <= board.ram,
                instructions: sum.map(|sum| (sum * more).round() as u64),
                clock: board.clock,
            }
        })
        .collect()
}
