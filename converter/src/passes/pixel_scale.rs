//! Lets the graph take raw pixels: the device's input is the byte `q`, read as `q · 2⁻⁸`.

use super::PassError;
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

impl PixelScale {
    /// Pixels as they are, from 0 to 255.
    pub const RAW: Self = Self { divisor: 1.0, mean: 0.0, deviation: 1.0 };
}

/// A scale up to which a file brings raw pixels into a range of its own: 255 times this is 8.
const LARGEST_RESCALING: f32 = 1.0 / 32.0;

/// How far from zero, in units of its input, a file may move pixels that are scaled already.
const LARGEST_MEAN: f32 = 8.0;

/// The scale with which pixels are given to the file: the `given` one, or what the file says of
/// itself, with a word about it; else `pixel / 255`.
///
/// A file that takes integers takes the pixels as they are. So does one whose first nodes rescale
/// its input as only pixels from 0 to 255 need it, such as a division by 255.
///
/// # Errors
///
/// A given scale for a file that takes integers.
pub fn choose(
    graph: &Graph,
    given: Option<PixelScale>,
) -> Result<(PixelScale, Option<String>), PassError> {
    match given {
        Some(given) if graph.raw_pixels && given != PixelScale::RAW => Err(PassError::Input {
            what: "takes integers, which are the pixels as they are; leave the pixel scale away \
                   (--pixel-divisor, --mean, --deviation)"
                .into(),
        }),
        Some(given) => Ok((given, None)),
        None if graph.raw_pixels => {
            let note = "the file takes integers, so pixels are given to it as they are (0 to 255)";
            Ok((PixelScale::RAW, Some(note.into())))
        }
        None => match rescaling(graph) {
            Some(node) => {
                let note = format!(
                    "node '{node}' rescales the file's input as pixels from 0 to 255 need it, so they \
                     are given to it as they are; if it takes pixel / 255, say --pixel-divisor 255"
                );
                Ok((PixelScale::RAW, Some(note)))
            }
            None => Ok((PixelScale::default(), None)),
        },
    }
}

/// The last node of those that alone read the input and rescale it as only raw pixels need it.
fn rescaling(graph: &Graph) -> Option<&str> {
    let (mut value, mut node) = (0, None);
    let (mut scale, mut shift) = (1_f32, 0_f32);
    while let Some(next) = graph.only_consumer(value) {
        match &graph.nodes[next].operator {
            Operator::Identity => {}
            Operator::Affine { scale: s, shift: t } => {
                let peak = |values: &[f32]| values.iter().fold(0_f32, |peak, x| peak.max(x.abs()));
                shift = shift * peak(s) + peak(t);
                scale *= peak(s);
                node = Some(graph.nodes[next].name.as_str());
            }
            _ => break,
        }
        value = next + 1;
    }
    node.filter(|_| scale > 0.0 && (scale <= LARGEST_RESCALING || shift > LARGEST_MEAN * scale))
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

#[cfg(test)]
mod tests {
    use super::super::testing::{fully_connected, graph, names};
    use super::*;
    use crate::graph::Shape;

    #[test]
    fn every_reader_of_the_image_gets_the_scaled_one() {
        let four = Shape::flat(4);
        let mut graph =
            graph(four, &[(fully_connected(4, 4), &[0], four), (Operator::Add, &[0, 1], four)]);
        let pixels = PixelScale { divisor: 255.0, mean: 0.5, deviation: 0.25 };
        run(&mut graph, &pixels);
        assert_eq!(names(&graph), ["affine", "fully_connected", "add"]);
        assert_eq!((&graph.nodes[2].inputs[..], graph.output), (&[1, 2][..], 3));
        let Operator::Affine { scale, shift } = &graph.nodes[0].operator else { panic!() };
        // A pixel q is read as q / 256.
        assert!((scale[0] - 256.0 / 255.0 / 0.25).abs() < 1e-5, "{scale:?}");
        assert_eq!(shift[..], [-2.0]);
    }
}
