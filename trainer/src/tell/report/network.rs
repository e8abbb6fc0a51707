//! A network as a graph: inline SVG, as wide as a phone. A box per layer in the order of their
//! computation, and a line to each from what it reads.

use std::fmt::Write;

use converter::graph::Shape;
use converter::quantized::QuantizedNetwork;
use inkling_support::table::thousands;

use super::escape;
use super::plot::COLOURS;

const WIDTH: usize = 270;
const HEIGHT: usize = 44;
const STEP: usize = 60;
/// Between two lines that pass layers at the side.
const LANE: usize = 11;

/// A layer; value 0 is the input, layer `i` of a list computes value `i + 1`.
struct Layer {
    name: String,
    kind: String,
    /// Of what it computes.
    shape: String,
    /// Bytes of weights, biases and requantizations.
    bytes: usize,
    /// Multiply-accumulates.
    macs: usize,
    /// The values that it reads.
    inputs: Vec<usize>,
}

/// The layers of a network with shapes (height × width × channels), branches, bytes and
/// multiply-accumulates.
pub fn network(network: &QuantizedNetwork) -> String {
    let shape = |value: usize| {
        let Shape { height, width, channels } = network.shape(value);
        format!("{height}×{width}×{channels} {}", network.format(value).element.rust_name())
    };
    let layers: Vec<Layer> = network
        .layers
        .iter()
        .enumerate()
        .map(|(index, layer)| Layer {
            name: layer.source_name.clone(),
            kind: match layer.is_input() {
                true => "input".to_string(),
                false => layer.kind().name().to_string(),
            },
            shape: shape(index + 1),
            bytes: layer.parameter_bytes(),
            macs: layer.macs(),
            inputs: layer.inputs.clone(),
        })
        .collect();
    draw(&shape(0), &layers)
}

fn draw(input: &str, layers: &[Layer]) -> String {
    let lanes = lanes(layers);
    let most = lanes.iter().map(|(.., lane)| lane + 1).max().unwrap_or(0);
    let (width, height) = (WIDTH + 14 + LANE * most + 6, STEP * layers.len() + HEIGHT + 4);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
         aria-label=\"the layers of the network\">"
    );
    let all = layers.iter().map(|layer| layer.macs).max().unwrap_or(0).max(1);
    box_of(&mut svg, 0, "image", input, 0.0);
    for (index, layer) in layers.iter().enumerate() {
        let mut costs = layer.shape.clone();
        if layer.bytes > 0 {
            let unit = if layer.bytes == 1 { "byte" } else { "bytes" };
            let _ = write!(costs, " · {} {unit}", thousands(layer.bytes));
        }
        if layer.macs > 0 {
            let _ = write!(costs, " · {} MACs", thousands(layer.macs));
        }
        let name = match layer.name == layer.kind {
            true => layer.name.clone(),
            false => format!("{} · {}", layer.name, layer.kind),
        };
        box_of(&mut svg, index + 1, &name, &costs, layer.macs as f64 / all as f64);
        if layer.inputs.contains(&index) {
            let (x, from) = (WIDTH / 2, 2 + STEP * index + HEIGHT);
            let to = 2 + STEP * (index + 1);
            arrow(&mut svg, &format!("M{x} {from}V{}", to - 1), [x, to], [4, 6]);
        }
    }
    for (from, to, lane) in lanes {
        let side = WIDTH + 14 + LANE * lane;
        let [start, end] = [from, to].map(|value| 2 + STEP * value + HEIGHT / 2);
        // What begins and what ends at the same box do not touch.
        let (start, end) = (start + 8, end - 8);
        let right = WIDTH + 2;
        let path = format!(
            "M{right} {start}H{}q6 0 6 6V{}q0 6 -6 6H{right}",
            side.saturating_sub(6),
            end - 6
        );
        let _ = write!(svg, "<path class=\"edge\" d=\"{path}\"/>");
        let _ = write!(svg, "<path d=\"M{right} {end}l7 -4v8z\" style=\"fill:var(--soft)\"/>");
    }
    svg + "</svg>"
}

/// What does not come from the layer just before: from which value to which, and how far at the side
/// its line passes, so that no two share a place.
fn lanes(layers: &[Layer]) -> Vec<(usize, usize, usize)> {
    let mut lanes: Vec<(usize, usize, usize)> = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        for &from in layer.inputs.iter().filter(|&&input| input != index) {
            let to = index + 1;
            let taken = |lane: usize| {
                lanes.iter().any(|&(start, end, own)| own == lane && from < end && start < to)
            };
            let lane = (0..).find(|&lane| !taken(lane)).unwrap_or(0);
            lanes.push((from, to, lane));
        }
    }
    lanes
}

/// A box with two lines of text; the bar at its bottom is as long as the layer's part of the work.
fn box_of(svg: &mut String, place: usize, name: &str, what: &str, work: f64) {
    let top = 2 + STEP * place;
    let _ = write!(
        svg,
        "<rect class=\"box\" x=\"2\" y=\"{top}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"5\"/>\
         <text class=\"name\" x=\"10\" y=\"{}\">{}</text><text x=\"10\" y=\"{}\">{}</text>",
        top + 17,
        escape(name),
        top + 33,
        escape(what)
    );
    if work > 0.0 {
        let _ = write!(
            svg,
            "<rect x=\"4\" y=\"{}\" width=\"{:.1}\" height=\"3\" fill=\"{}\"/>",
            top + HEIGHT - 4,
            work * (WIDTH - 4) as f64,
            COLOURS[0]
        );
    }
}

fn arrow(svg: &mut String, path: &str, [x, y]: [usize; 2], [half, length]: [usize; 2]) {
    let _ = write!(
        svg,
        "<path class=\"edge\" d=\"{path}\"/><path d=\"M{x} {y}l-{half} -{length}h{}z\" \
         style=\"fill:var(--soft)\"/>",
        2 * half
    );
}

#[cfg(test)]
mod tests {
    use super::{Layer, lanes};

    #[test]
    fn lines_at_the_side_share_no_place() {
        let layer = |inputs: &[usize]| Layer {
            name: String::new(),
            kind: String::new(),
            shape: String::new(),
            bytes: 0,
            macs: 0,
            inputs: inputs.to_vec(),
        };
        let network = [&[0][..], &[1], &[2, 1], &[3, 0], &[4, 3]].map(layer);
        // 1→3 and 3→5 follow each other; 0→4 passes both.
        assert_eq!(lanes(&network), [(1, 3, 0), (0, 4, 1), (3, 5, 0)]);
    }
}
