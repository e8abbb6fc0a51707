//! What a model costs and how close it is to its float source, layer by layer.

use std::fmt::Write;

use super::{Origin, outputs};
use crate::arena::{self, ArenaPlan};
use crate::evaluate;
use crate::graph::{SampleInput, Shape};
use crate::lower::Network;
use crate::quantize::{ACCUMULATOR_BOUND, USUAL_BITS, largest_sum};
use crate::quantized::{QuantizedNetwork, Scale, ValueFormat};
use crate::reference;
use inkling_data::Dataset;
use inkling_support::markdown::code;
use inkling_support::parallel;

/// Figures of a conversion.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// For each layer the root of its mean squared error against float, relative to the root
    /// mean square of the float values.
    pub relative_errors: Vec<f64>,
    /// Images over which the errors were taken.
    pub images: usize,
    pub arena_bytes: usize,
    /// The same in words.
    pub arena: String,
    pub weight_bytes: usize,
    pub macs: usize,
}

impl Report {
    /// Compares the integers with the float network on `images`.
    pub fn measure(
        float: &Network,
        network: &QuantizedNetwork,
        plan: &ArenaPlan,
        images: &Dataset,
    ) -> Self {
        let per_image = parallel::map(images.len(), |index| {
            let image = images.image(index);
            let (float_values, integers) =
                (evaluate::values(float, image), reference::values(network, image));
            let layers = float_values.iter().zip(&integers).enumerate().skip(1);
            layers
                .map(|(value, (floats, integers))| {
                    let step = 2_f64.powi(-network.format(value).exponent());
                    floats.iter().zip(integers.to_i32()).fold(
                        (0.0, 0.0),
                        |(error, power), (&x, q)| {
                            let x = f64::from(x);
                            (error + (x - f64::from(q) * step).powi(2), power + x * x)
                        },
                    )
                })
                .collect::<Vec<(f64, f64)>>()
        });
        let mut sums = vec![(0.0, 0.0); network.layers.len()];
        for image in per_image {
            sums.iter_mut().zip(image).for_each(|(sum, (error, power))| {
                *sum = (sum.0 + error, sum.1 + power);
            });
        }
        let relative =
            |(error, power): (f64, f64)| if power > 0.0 { (error / power).sqrt() } else { 0.0 };
        Self {
            relative_errors: sums.into_iter().map(relative).collect(),
            images: images.len(),
            arena_bytes: plan.bytes,
            arena: plan.describe(network),
            weight_bytes: network.parameter_bytes(),
            macs: network.macs(),
        }
    }
}

/// The layers with shapes and cost, as a Markdown table.
pub fn layer_table(network: &QuantizedNetwork) -> String {
    let (grids, sums) = match network.input_format.scale {
        Scale::PowerOfTwo(_) => ("exponents", true),
        Scale::Affine { .. } => ("scale and zero point", false),
    };
    let mut table = format!(
        "| layer | output | MACs | weight bytes | in+out bytes | {grids} in → out |{}\n|---|---|--:|--:|--:|---|{}\n",
        if sums { " largest accumulator |" } else { "" },
        if sums { "--:|" } else { "" },
    );
    for (index, layer) in network.computed() {
        let inputs: Vec<String> =
            layer.inputs.iter().map(|&value| grid(network.format(value))).collect();
        let reach = largest_sum(network, layer).map_or(" – |".to_string(), |reach| {
            format!(" {:.3} × 2^24 |", reach as f64 / ACCUMULATOR_BOUND as f64)
        });
        let pooled = if layer.kind() == firmware_core::LayerKind::Conv2dMaxPool2d {
            " + max_pool2d"
        } else {
            ""
        };
        let bits = match layer.parameters() {
            Some(parameters) if parameters.bits != USUAL_BITS => {
                format!(", weights of {} bits", parameters.bits)
            }
            _ => String::new(),
        };
        let _ = writeln!(
            table,
            "| {}{pooled}{bits} | {} {} | {} | {} | {} | {} → {} |{}",
            layer.name,
            layer.output,
            layer.format.element.rust_name(),
            layer.macs(),
            layer.parameter_bytes(),
            arena::layer_bytes(network, index),
            inputs.join(", "),
            grid(layer.format),
            if sums { reach } else { String::new() },
        );
    }
    table
}

/// What a network gives.
pub(crate) fn outputs(network: &QuantizedNetwork) -> String {
    let Some(outputs) = network.several_outputs() else {
        let exponent = network.format(network.layers.len()).exponent();
        if let (false, [output]) = (network.gives_vector(), &network.outputs[..]) {
            let (shape, format) = (network.shape(output.value), network.format(output.value));
            let meaning = outputs::meaning(network, output, "q");
            return format!("output: {shape} {}, {meaning}", format.element.rust_name());
        }
        return format!(
            "output: {} i32 logits, real value `logit · 2^-{exponent}`",
            network.classes()
        );
    };
    let names = outputs::onnx_names(network);
    let lines = outputs.iter().zip(names).map(|(output, name)| {
        let classifies = match output.value == network.layers.len() && network.gives_vector() {
            true => ", the classifier's",
            false => "",
        };
        let (shape, element) = (network.shape(output.value), network.format(output.value).element);
        let meaning = outputs::meaning(network, output, "q");
        format!("\n  - {}{classifies}: {shape} {}, {meaning}", code(&name), element.rust_name())
    });
    format!("outputs:{}", lines.collect::<String>())
}

/// What the integers of a value stand for, in short.
fn grid(format: ValueFormat) -> String {
    match format.scale {
        Scale::PowerOfTwo(exponent) => exponent.to_string(),
        Scale::Affine { scale, zero } => format!("{scale:.4} at {zero}"),
    }
}

/// The report as Markdown, the body of a model card.
pub fn markdown(network: &QuantizedNetwork, report: &Report, origin: &Origin) -> String {
    let (inputs, borrowed) = match &network.inputs()[..] {
        [input] => {
            let Shape { height, width, channels } = input.shape;
            (format!("Input: {height}×{width}×{channels} u8, 0 is background"), "the image")
        }
        several => {
            let shape = |input: &SampleInput| {
                let Shape { height, width, channels } = input.shape;
                format!("{} {height}×{width}×{channels}", code(&input.name))
            };
            let shapes: Vec<String> = several.iter().map(shape).collect();
            (format!("Inputs: {} u8", shapes.join(", ")), "the inputs")
        }
    };
    let mut text = format!(
        "- {inputs}; {}\n\
         - Weights, biases and shifts: {} bytes of flash; arena: {} ({borrowed}, {} bytes, \
         {}); {} multiply-accumulates per image\n\
         - Source: `float.onnx`, SHA-256 `{}`\n\
         - Made by: {}\n\n",
        outputs(network),
        report.weight_bytes,
        report.arena,
        network.input.size(),
        if network.first_layer() == 0 { "is borrowed" } else { "are borrowed" },
        report.macs,
        origin.sha256_hex(),
        code(&origin.command),
    );
    text.push_str(&layer_table(network));
    let _ = write!(
        text,
        "\nError of each layer against float, relative to the float values' root mean square, over \
         {} calibration images: ",
        report.images
    );
    let errors: Vec<String> = network
        .computed()
        .map(|(index, layer)| (layer, report.relative_errors[index]))
        .map(|(layer, error)| format!("{} {:.2} %", layer.name, error * 100.0))
        .collect();
    let _ = writeln!(text, "{}.", errors.join(", "));
    text
}
