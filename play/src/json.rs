//! What the page is told, as JSON.

use std::fmt::Write;

use firmware_core::blob::{Element, Model};
use inkling_data::prepare::Prepared;

use crate::behind::Sum;

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if u32::from(letter) < 32 => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

/// Name, classes, input and layers.
pub fn model(model: &Model) -> String {
    let layers = (0..model.layers()).map(|index| {
        let (kind, bound) = model.layer(index).map_or((String::new(), 0), |layer| {
            let most = layer.inputs().next().map_or(0, |value| match model.value(value).element {
                Element::U8 => 255,
                _ => 128,
            });
            // The largest that an accumulator can become, in any channel.
            let (weights, bias) = (layer.weights(model), layer.bias(model));
            let per_channel = weights.len() / bias.len().max(1);
            let depthwise = layer.kind() == firmware_core::blob::Kind::DepthwiseConv2d;
            let largest = bias.iter().enumerate().map(|(channel, bias)| {
                let taps = (0..per_channel).map(|tap| match depthwise {
                    true => tap * bias_count(model, index) + channel,
                    false => channel * per_channel + tap,
                });
                let sum: u64 = taps.map(|at| u64::from(weights[at].unsigned_abs())).sum();
                sum * most + u64::from(bias.unsigned_abs())
            });
            (format!("{:?}", layer.kind()), largest.max().unwrap_or(0))
        });
        let value = model.value(index + 1);
        let [height, width, channels] = value.shape;
        format!(
            "{{\"kind\":{},\"shape\":[{height},{width},{channels}],\"element\":\"{:?}\",\"scale\":{},\"bound\":{bound}}}",
            quoted(&kind),
            value.element,
            value.scale
        )
    });
    let [height, width, channels] = model.input().shape;
    format!(
        "{{\"name\":{},\"labels\":{},\"input\":[{height},{width},{channels}],\"macs\":{},\"arena\":{},\"layers\":{}}}",
        quoted(model.name()),
        list(model.labels().map(quoted)),
        model.macs(),
        4 * model.arena_words(),
        list(layers)
    )
}

fn bias_count(model: &Model, layer: usize) -> usize {
    model.layer(layer).map_or(0, |layer| layer.bias(model).len())
}

/// The steps of a preparation, in words.
pub fn steps(prepared: &Prepared) -> String {
    let steps = prepared
        .steps
        .iter()
        .map(|step| format!("{{\"name\":{},\"what\":{}}}", quoted(step.name), quoted(&step.what)));
    let warnings = prepared.warnings.iter().map(|warning| quoted(warning));
    format!("{{\"steps\":{},\"warnings\":{}}}", list(steps), list(warnings))
}

/// The sum behind an output.
pub fn sum(sum: &Sum) -> String {
    let products = sum.products.iter().map(|([row, column, channel], value, weight)| {
        format!("[{row},{column},{channel},{value},{weight}]")
    });
    format!(
        "{{\"bias\":{},\"accumulator\":{},\"result\":{},\"products\":{}}}",
        sum.bias,
        sum.accumulator,
        sum.result,
        list(products)
    )
}
