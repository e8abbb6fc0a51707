//! Fills in what a conversion knows of a model.

use inkling_support::digest::sha256;
use serde_json::Map;

use super::{
    Element, InputRecord, Meaning, ModelRecord, OutputRecord, PreparationRecord, SourceRecord,
};
use crate::graph::{Head, SampleInput};
use crate::passes::PixelScale;
use crate::quantized::QuantizedNetwork;

/// The record that a float file carries: what `base` says, with the inputs that the file has and how
/// each takes its bytes. Of several inputs each keeps what `base` says of the one of its name.
pub(crate) fn float_model(
    mut base: ModelRecord,
    inputs: &[SampleInput],
    pixels: &[PixelScale],
) -> ModelRecord {
    let before = std::mem::take(&mut base.inputs);
    let record = |(input, pixels): (&SampleInput, &PixelScale)| {
        let SampleInput { name, shape, .. } = input;
        let known = before.iter().find(|before| inputs.len() == 1 || before.name == *name).cloned();
        let (preparation, other) =
            known.map_or_else(Default::default, |before| (before.preparation, before.other));
        let channels = 0..pixels.mean.count().max(pixels.deviation.count());
        let per_channel = |of: &dyn Fn(usize) -> f32| channels.clone().map(of).collect();
        InputRecord {
            name: name.clone(),
            shape: shape.hwc(),
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
        }
    };
    let inputs = inputs.iter().zip(pixels).map(record).collect();
    ModelRecord { inputs, outputs: Vec::new(), source: None, ..base }
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
    let hidden = network.computed().filter(|(index, _)| index + 1 < last);
    let exponents = hidden.map(|(_, layer)| (layer.source_name.clone(), layer.format.exponent()));
    ModelRecord {
        outputs: vec![logits],
        exponents: exponents.collect(),
        source: Some(SourceRecord { file: "float.onnx".into(), sha256: sha256([float_onnx]) }),
        ..of_float
    }
}
