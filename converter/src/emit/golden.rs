//! `golden.rs`: real images with their labels and every logit, for a device's self-test.

use std::fmt::Write;

use super::Origin;
use super::rust::nested;
use crate::quantized::QuantizedNetwork;
use crate::reference;
use inkling_data::Dataset;

/// How many images a golden file has: enough for two of each digit, small enough for any flash
/// that holds a model.
pub const IMAGES: usize = 20;

/// Picks images for a golden file: in turn the first of each class, then the second, and so on.
pub fn pick(images: &Dataset) -> Dataset {
    let mut by_class: Vec<Vec<usize>> = vec![Vec::new(); images.classes];
    for (index, &label) in images.labels.iter().enumerate() {
        by_class[usize::from(label)].push(index);
    }
    let rounds = by_class.iter().map(Vec::len).max().unwrap_or(0);
    let turns =
        (0..rounds).flat_map(|round| by_class.iter().filter_map(move |class| class.get(round)));
    let indices: Vec<usize> = turns.copied().take(IMAGES).collect();
    images.subset(&indices)
}

/// The generated module for `images`.
pub fn emit(network: &QuantizedNetwork, images: &Dataset, origin: &Origin) -> String {
    let (input, classes) = (network.input, network.classes());
    let mut code = origin.header(&format!(
        "Images with label and logits, as '{}' must compute them on every device.",
        origin.name
    ));
    let _ = writeln!(
        code,
        "\n/// `(image, label, logits)`.\n\
         #[rustfmt::skip]\n\
         pub static GOLDEN: [([[[u8; {}]; {}]; {}], u8, [i32; {classes}]); {}] = [",
        input.channels,
        input.width,
        input.height,
        images.len()
    );
    for index in 0..images.len() {
        let image = images.image(index);
        code.push('(');
        nested(&mut code, image, &[input.height, input.width, input.channels]);
        let _ = write!(code, ", {}, ", images.labels[index]);
        nested(&mut code, &reference::logits(network, image), &[classes]);
        code.push_str("),\n");
    }
    code.push_str("];\n");
    code
}
