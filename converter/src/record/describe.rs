//! Fills in what a conversion knows of a model.

use inkling_support::digest::sha256;
use serde_json::Map;

use super::{
    Element, InputRecord, Meaning, ModelRecord, OutputRecord, PreparationRecord, SourceRecord,
};
use crate::emit::outputs::onnx_names;
use crate::graph::{Head, SampleInput};
use crate::passes::PixelScale;
use crate::quantized::{QuantizedNetwork, ValueType};

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
    float_onnx: &[u8],
) -> ModelRecord {
    let last = network.layers.len();
    let names = match network.several_outputs() {
        None if network.gives_vector() => vec!["logits".to_string()],
        _ => onnx_names(network),
    };
    let outputs = network.outputs.iter().zip(names).map(|(output, name)| {
        let (shape, format) = (network.shape(output.value), network.format(output.value));
        // A single output tells two classes apart where the file or the labels say so.
        let vector = shape.height * shape.width == 1;
        let named =
            output.value == last && vector && (shape.size() > 1 || of_float.labels.len() == 2);
        OutputRecord {
            name,
            shape: match shape.height * shape.width {
                1 => vec![shape.channels],
                _ => shape.hwc().to_vec(),
            },
            element: match format.element {
                ValueType::U8 => Element::U8,
                ValueType::I8 => Element::I8,
                ValueType::I32 => Element::I32,
            },
            scale: 2f64.powi(-format.exponent()),
            offset: 0.0,
            meaning: match output.head {
                Head::Logits if !named => Meaning::Values,
                _ => Meaning::Logits,
            },
            other: Map::new(),
        }
    });
    let outputs = outputs.collect();
    // The exponent of accumulators follows from those before them and from the weights.
    let hidden = network.computed().map(|(_, layer)| layer);
    let hidden = hidden.filter(|layer| layer.format.element != ValueType::I32);
    let exponents = hidden.map(|layer| (layer.source_name.clone(), layer.format.exponent()));
    ModelRecord {
        outputs,
        exponents: exponents.collect(),
        source: Some(SourceRecord { file: "float.onnx".into(), sha256: sha256([float_onnx]) }),
        ..of_float
    }
}
