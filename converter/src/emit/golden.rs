//! `golden.rs`: real images with their labels and every logit, for a device's self-test.

use std::fmt::Write;

use super::Origin;
use super::rust::{array_type, nested};
use crate::quantized::{QuantizedNetwork, ValueType};
use crate::reference;
use inkling_data::Dataset;

/// How many images a golden file has: enough for two of each digit, small enough for any flash
/// that holds a model.
pub const IMAGES: usize = 20;

/// Picks images for a golden file: in turn the first of each class, then the second, and so on.
pub fn pick(images: &Dataset) -> Dataset {
    let mut by_class: Vec<Vec<usize>> = vec![Vec::new(); images.classes()];
    for (index, &label) in images.labels.iter().enumerate() {
        by_class[usize::from(label)].push(index);
    }
    let rounds = by_class.iter().map(Vec::len).max().unwrap_or(0);
    let turns =
        (0..rounds).flat_map(|round| by_class.iter().filter_map(move |class| class.get(round)));
    let indices: Vec<usize> = turns.copied().take(IMAGES).collect();
    images.subset(&indices)
}

/// An image, its label and the logits that every device must compute, those of all outputs.
pub struct Sample {
    pub image: Vec<u8>,
    pub label: u16,
    pub logits: Vec<i32>,
}

/// The picked images with their logits.
pub fn samples(network: &QuantizedNetwork, images: &Dataset) -> Vec<Sample> {
    let picked = pick(images);
    (0..picked.len())
        .map(|index| {
            let image = picked.image(index).to_vec();
            let logits = reference::outputs(network, &image);
            Sample { image, label: picked.labels[index], logits }
        })
        .collect()
}

/// The generated module for `samples`.
pub fn emit(network: &QuantizedNetwork, samples: &[Sample], origin: &Origin) -> String {
    let (input, outputs) = (network.input, network.output_size());
    let pixel = network.input_format.element;
    let logit = match network.several_outputs() {
        None => network.format(network.layers.len()).element,
        Some(_) => ValueType::I32,
    };
    let label = if network.classes() <= 256 { "u8" } else { "u16" };
    let mut code = origin.header(&format!(
        "Images with label and logits, as '{}' must compute them on every device.",
        origin.name
    ));
    // Several inputs lie one after another in a sample.
    let (image, sample, dims) = match network.first_layer() {
        0 => ("image", array_type(pixel.rust_name(), input), input.hwc().to_vec()),
        _ => ("sample", format!("[{}; {}]", pixel.rust_name(), input.size()), vec![input.size()]),
    };
    let _ = writeln!(
        code,
        "\n/// `({image}, label, logits)`.\n\
         #[rustfmt::skip]\n\
         pub static GOLDEN: [({sample}, {label}, [{}; {outputs}]); {}] = [",
        logit.rust_name(),
        samples.len()
    );
    for Sample { image, label: class, logits } in samples {
        code.push('(');
        match pixel {
            ValueType::I8 => {
                let image: Vec<i8> = image.iter().map(|&byte| byte as i8).collect();
                nested(&mut code, &image, &dims);
            }
            _ => nested(&mut code, image, &dims),
        }
        let _ = write!(code, ", {class}, ");
        nested(&mut code, logits, &[outputs]);
        code.push_str("),\n");
    }
    code.push_str("];\n");
    code
}
