//! Lets the graph take raw pixels: the device's input is the byte `q`, read as `q · 2⁻⁸`.

use crate::graph::{Graph, Node, Operator};

/// What the model was trained on: `x = (pixel / divisor − mean) / deviation`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PixelScale {
    /// 255 for pixels scaled to 0…1, 1 for raw pixels.
    pub divisor: f32,
    pub mean: f32,
    pub deviation: f32,
}

impl Default for PixelScale {
    fn default() -> Self {
        Self { divisor: 255.0, mean: 0.0, deviation: 1.0 }
    }
}

/// The exponent of the input image: a pixel `q` stands for `q · 2⁻⁸`.
pub const INPUT_EXPONENT: i32 = 8;

/// Puts an affine node in front, from `q · 2⁻⁸` to what the model was trained on; folding takes
/// it into the first layer.
pub fn run(graph: &mut Graph, pixels: &PixelScale) {
    let scale = 256.0 / (f64::from(pixels.divisor) * f64::from(pixels.deviation));
    let shift = -f64::from(pixels.mean) / f64::from(pixels.deviation);
    graph.nodes.iter_mut().flat_map(|node| &mut node.inputs).for_each(|value| *value += 1);
    graph.output += 1;
    graph.nodes.insert(
        0,
        Node {
            name: "input".into(),
            operator: Operator::Affine { scale: vec![scale as f32], shift: vec![shift as f32] },
            inputs: vec![0],
            output: graph.input,
        },
    );
    // Readers of the image now read the scaled image, which is value 1: all were moved up by one.
    debug_assert!(graph.nodes[1..].iter().all(|node| !node.inputs.contains(&0)));
}
