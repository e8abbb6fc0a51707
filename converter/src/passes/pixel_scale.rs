//! Lets the graph take raw pixels: the device's input is the byte `q`, read as `q · 2⁻⁸`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::PassError;
use crate::graph::{Graph, Node, Operator, ValueId};

/// What the model was trained on: `x = (pixel / divisor − mean) / deviation`.
#[derive(Clone, Debug, PartialEq)]
pub struct PixelScale {
    /// 255 for pixels scaled to 0…1, 1 for raw pixels.
    pub divisor: f32,
    pub mean: PerChannel,
    pub deviation: PerChannel,
}

impl Default for PixelScale {
    fn default() -> Self {
        Self { divisor: 255.0, mean: 0.0.into(), deviation: 1.0.into() }
    }
}

impl PixelScale {
    /// Pixels as they are, from 0 to 255.
    pub fn raw() -> Self {
        Self { divisor: 1.0, ..Self::default() }
    }

    /// Whether there is such a scale.
    ///
    /// # Errors
    ///
    /// One line that names the options.
    pub fn check(&self) -> Result<(), String> {
        let positive = |x: f32| x.is_normal() && x > 0.0;
        let deviations = self.deviation.0.iter().all(|&x| positive(x));
        match positive(self.divisor) && deviations && self.mean.0.iter().all(|x| x.is_finite()) {
            true => Ok(()),
            false => {
                Err("--pixel-divisor and --deviation must be above 0 and --mean finite".into())
            }
        }
    }

    /// What is subtracted and divided by in each of `channels` channels, if there are as many.
    ///
    /// # Errors
    ///
    /// One line that says how many there are instead.
    fn of_channels(&self, channels: usize) -> Result<(), PassError> {
        for (option, values) in [("--mean", &self.mean), ("--deviation", &self.deviation)] {
            let count = values.0.len();
            if count != 1 && count != channels {
                let what = format!(
                    "has {channels} channels, {option} {count} numbers; give one for all or one for each"
                );
                return Err(PassError::Input { what });
            }
        }
        Ok(())
    }
}

/// A number for all channels, or one for each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Numbers", into = "Numbers")]
pub struct PerChannel(Vec<f32>);

/// As JSON has them.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Numbers {
    One(f32),
    Each(Vec<f32>),
}

impl From<Numbers> for PerChannel {
    fn from(numbers: Numbers) -> Self {
        match numbers {
            Numbers::One(number) => number.into(),
            Numbers::Each(numbers) => Self(numbers),
        }
    }
}

impl From<PerChannel> for Numbers {
    fn from(PerChannel(numbers): PerChannel) -> Self {
        match numbers[..] {
            [number] => Self::One(number),
            _ => Self::Each(numbers),
        }
    }
}

impl From<f32> for PerChannel {
    fn from(number: f32) -> Self {
        Self(vec![number])
    }
}

impl From<Vec<f32>> for PerChannel {
    fn from(numbers: Vec<f32>) -> Self {
        Self(numbers)
    }
}

impl FromStr for PerChannel {
    type Err = String;

    /// Reads one number, or several between commas.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let text = text.trim();
            text.parse().map_err(|_| {
                format!(
                    "{text:?} is no number; give one, or one for each channel: 0.485,0.456,0.406"
                )
            })
        };
        text.split(',').map(number).collect::<Result<Vec<f32>, _>>().map(Self)
    }
}

impl fmt::Display for PerChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(f32::to_string).collect();
        f.write_str(&texts.join(","))
    }
}

impl PerChannel {
    /// The number of channel `channel`.
    ///
    /// # Panics
    ///
    /// When there is neither one for all nor one for it.
    pub fn at(&self, channel: usize) -> f32 {
        match self.0[..] {
            [number] => number,
            _ => self.0[channel],
        }
    }

    /// One number for all, or the number of channels that there are numbers for.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// A scale up to which a file brings raw pixels into a range of its own: 255 times this is 8.
const LARGEST_RESCALING: f32 = 1.0 / 32.0;

/// How far from zero, in units of its input, a file may move pixels that are scaled already.
const LARGEST_MEAN: f32 = 8.0;

/// The scale with which pixels are given to each input of the file: the `given` one, of which one
/// serves all inputs, or what the file says of itself, with a word about it; else `pixel / 255`.
///
/// A file that takes integers takes the pixels as they are. So does one whose first nodes rescale
/// its input as only pixels from 0 to 255 need it, such as a division by 255.
///
/// # Errors
///
/// A given scale for an input that takes integers.
pub fn choose(
    graph: &Graph,
    given: &[PixelScale],
) -> Result<(Vec<PixelScale>, Vec<String>), PassError> {
    let (mut scales, mut notes) = (Vec::new(), Vec::new());
    for (number, value) in graph.inputs().enumerate() {
        let given = given.get(number).or(given.first().filter(|_| given.len() == 1));
        let raw = graph.raw_pixels.get(number).copied().unwrap_or_default();
        let (scale, note) = choose_for(graph, value, raw, given)?;
        scales.push(scale);
        notes.extend(note.map(|note| match value {
            0 => note,
            value => format!("input '{}': {note}", graph.nodes[value - 1].name),
        }));
    }
    Ok((scales, notes))
}

/// The same for the input that is value `input`; `raw` if the file takes integers there.
fn choose_for(
    graph: &Graph,
    input: ValueId,
    raw: bool,
    given: Option<&PixelScale>,
) -> Result<(PixelScale, Option<String>), PassError> {
    let of_input = |error: PassError| match (input, error) {
        (1.., PassError::Input { what }) => {
            PassError::NamedInput { name: graph.nodes[input - 1].name.clone(), what }
        }
        (_, error) => error,
    };
    match given {
        Some(given) if raw && *given != PixelScale::raw() => Err(of_input(PassError::Input {
            what: "takes integers, which are the pixels as they are; leave the pixel scale away \
                   (--pixel-divisor, --mean, --deviation)"
                .into(),
        })),
        Some(given) => given
            .of_channels(graph.shape(input).channels)
            .map(|()| (given.clone(), None))
            .map_err(of_input),
        None if raw => {
            let note = "the file takes integers, so pixels are given to it as they are (0 to 255)";
            Ok((PixelScale::raw(), Some(note.into())))
        }
        None => match rescaling(graph, input) {
            Some(node) => {
                let note = format!(
                    "node '{node}' rescales the file's input as pixels from 0 to 255 need it, so they \
                     are given to it as they are; if it takes pixel / 255, say --pixel-divisor 255"
                );
                Ok((PixelScale::raw(), Some(note)))
            }
            None => Ok((PixelScale::default(), None)),
        },
    }
}

/// The last node of those that alone read the input and rescale it as only raw pixels need it.
fn rescaling(graph: &Graph, input: ValueId) -> Option<&str> {
    let (mut value, mut node) = (input, None);
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

/// Puts an affine node behind each input, from `q · 2⁻⁸` to what the model was trained on; folding
/// takes it into the first layers.
pub fn run(graph: &mut Graph, pixels: &[PixelScale]) {
    let inputs = graph.inputs();
    for (number, pixels) in pixels.iter().enumerate().take(inputs.len()) {
        // Those behind the inputs before it moved nothing: they stand behind all inputs.
        let input = inputs.start + number;
        let name = match input {
            0 => "input".to_string(),
            input => format!("{} (scaled)", graph.nodes[input - 1].name),
        };
        let place = inputs.end - 1 + number;
        scale_input(graph, [input, place], name, pixels);
    }
}

/// Puts the affine node of the input that is value `input` in front of node `place`.
fn scale_input(graph: &mut Graph, [input, place]: [usize; 2], name: String, pixels: &PixelScale) {
    let channels = 0..pixels.mean.count().max(pixels.deviation.count());
    let scale = |c: usize| 256.0 / (f64::from(pixels.divisor) * f64::from(pixels.deviation.at(c)));
    let shift = |c: usize| -f64::from(pixels.mean.at(c)) / f64::from(pixels.deviation.at(c));
    let of_all = |of: &dyn Fn(usize) -> f64| channels.clone().map(|c| of(c) as f32).collect();
    let (scale, shift): (Vec<f32>, Vec<f32>) = (of_all(&scale), of_all(&shift));
    let output = graph.shape(input);
    // Readers of the input read the scaled one; what is computed behind moves up by one.
    let moved = |value: &mut ValueId| {
        if *value == input {
            *value = place + 1;
        } else if *value > place {
            *value += 1;
        }
    };
    let readers = graph.nodes.iter_mut().filter(|node| !node.is_input());
    readers.flat_map(|node| &mut node.inputs).for_each(moved);
    graph.outputs.iter_mut().for_each(|output| moved(&mut output.value));
    let operator = Operator::Affine { scale, shift };
    graph.nodes.insert(place, Node { name, operator, inputs: vec![input], output });
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
        let pixels = PixelScale { divisor: 255.0, mean: 0.5.into(), deviation: 0.25.into() };
        run(&mut graph, &[pixels]);
        assert_eq!(names(&graph), ["affine", "fully_connected", "add"]);
        assert_eq!((&graph.nodes[2].inputs[..], graph.outputs[0].value), (&[1, 2][..], 3));
        let Operator::Affine { scale, shift } = &graph.nodes[0].operator else { panic!() };
        // A pixel q is read as q / 256.
        assert!((scale[0] - 256.0 / 255.0 / 0.25).abs() < 1e-5, "{scale:?}");
        assert_eq!(shift[..], [-2.0]);
    }
    #[test]
    fn each_of_several_inputs_has_a_scale_of_its_own() {
        let [two, four] = [2, 4].map(Shape::flat);
        let mut graph = graph(
            Shape::flat(6),
            &[
                (Operator::Input { first: 0 }, &[0], two),
                (Operator::Input { first: 2 }, &[0], four),
                (fully_connected(2, 4), &[1], four),
                (Operator::Add, &[3, 2], four),
            ],
        );
        graph.raw_pixels = vec![false; 2];
        let given = [PixelScale::default(), PixelScale::raw()];
        let (pixels, notes) = choose(&graph, &given).expect("it fits");
        assert_eq!((&pixels[..], notes.len()), (&given[..], 0));
        run(&mut graph, &pixels);
        assert_eq!(names(&graph), ["input", "input", "affine", "affine", "fully_connected", "add"]);
        let inputs: Vec<_> = graph.nodes.iter().map(|node| node.inputs.clone()).collect();
        assert_eq!(inputs, [vec![0], vec![0], vec![1], vec![2], vec![3], vec![5, 4]]);
        assert_eq!(graph.outputs[0].value, 6);
    }
}
