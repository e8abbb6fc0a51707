//! Fills in what a conversion knows of a model.

use inkling_support::digest::sha256;
use serde_json::Map;

use super::{
    Element, InputRecord, Meaning, ModelRecord, OutputRecord, PreparationRecord, SourceRecord,
};
use crate::graph::{Head, Shape};
use crate::passes::PixelScale;
use crate::quantized::QuantizedNetwork;

/// The record that a float file carries: what `base` says, with the input that the file has.
pub(crate) fn float_model(base: ModelRecord, input: Shape, pixels: &PixelScale) -> ModelRecord {
    let before = base.inputs.into_iter().next();
    let (preparation, other) = match before {
        Some(before) => (before.preparation, before.other),
        None => Default::default(),
    };
    let channels = 0..pixels.mean.count().max(pixels.deviation.count());
    let per_channel = |of: &dyn Fn(usize) -> f32| channels.clone().map(of).collect();
    let image = InputRecord {
        name: "image".into(),
        shape: [input.height, input.width, input.channels],
        element: Element::U8,
        scale: per_channel(&|c| 1.0 / (pixels.divisor * pixels.deviation.at(c))),
        offset: per_channel(&|c| -pixels.mean.at(c) / pixels.deviation.at(c) + 0.0),
        preparation: PreparationRecord {
            divisor: Some(pixels.divisor),
            mean: Some(pixels.mean.clone()),
            deviation: Some(pixels.deviation.clone()),
            ..preparation
        },
        other,
    };
    ModelRecord { inputs: vec![image], outputs: Vec::new(), source: None, ..base }
}

/// The record of the whole model: with its integers, and the file that they were made of.
pub(crate) fn model(
    of_float: ModelRecord,
    network: &QuantizedNetwork,
    head: Head,
    float_onnx: &[u8],
) -> ModelRecord {
    let last = network.layers.len();
    // A single output tells two classes apart where the file or the labels say so.
    let estimates = network.classes() == 1 && head == Head::Logits && of_float.labels.len() != 2;
    let logits = OutputRecord {
        name: "logits".into(),
        shape: vec![network.classes()],
        element: Element::I32,
        scale: 2f64.powi(-network.format(last).exponent()),
        offset: 0.0,
        meaning: if estimates { Meaning::Values } else { Meaning::Logits },
        other: Map::new(),
    };
    // The last layer's exponent follows from those before it and from its weights.
    let hidden = network.layers.iter().take(last.saturating_sub(1));
    let exponents = hidden.map(|layer| (layer.source_name.clone(), layer.format.exponent()));
    ModelRecord {
        outputs: vec![logits],
        exponents: exponents.collect(),
        source: Some(SourceRecord { file: "float.onnx".into(), sha256: sha256([float_onnx]) }),
        ..of_float
    }
}
