//! A network described in a TOML file.
//!
//! ```toml
//! name = "mine"
//!
//! [[layer]]
//! kind = "conv2d"
//! channels = 8
//! kernel = 3            # or [height, width], as are stride and padding
//! padding = 1
//! bias = false
//!
//! [[layer]]
//! kind = "batch_norm"
//! name = "norm"         # by default the kind and a number
//!
//! [[layer]]
//! kind = "add"
//! inputs = ["norm", "conv2d1"]   # by default the layer before; "image" is the network's input
//! ```
//!
//! A network of several inputs names each, and the layers that read them do so by these names:
//!
//! ```toml
//! [[input]]
//! name = "picture"
//! shape = [28, 28, 1]   # height, width, channels; by default as the data are
//!
//! [[input]]
//! name = "sensors"
//! ```
//!
//! | kind | attributes |
//! |---|---|
//! | `conv2d` | `channels`, `kernel`; `stride` (1), `padding` (0), `groups` (1), `bias` (true), `bits` of its weights in integers: 4 or 8 |
//! | `max_pool2d`, `average_pool2d` | `kernel`; `stride` (the kernel) |
//! | `global_average_pool`, `flatten`, `batch_norm`, `relu`, `relu6`, `hard_swish`, `sigmoid` | none |
//! | `leaky_relu` | `slope` |
//! | `dropout` | `rate` |
//! | `add`, `concat` | none; `inputs` names two layers or more |
//! | `fully_connected` | `outputs` (one per class), `bits` |
//! | `zero_pad2d` | `before` (0), `after` (0) |

mod attributes;

use std::fs;
use std::ops::Range;
use std::path::Path;

use converter::quantize::check_bits;
use inkling_data::read::{self, Wanted};
use inkling_data::{Dataset, shape_problem};
use inkling_support::names;
use serde::Deserialize;
use toml::{Table, Value};

use super::{IMAGE, Input, Network, Node, PRESETS};
use crate::learn::toml_error::toml_error;
use attributes::{KINDS, layer};

/// The kinds whose weights may have few bits.
const WEIGHTED: [&str; 2] = ["conv2d", "fully_connected"];

/// The longest description and the most layers that are read.
const LONGEST: usize = 1 << 20;
const MOST_LAYERS: usize = 1 << 10;

/// A network for images of any size and any number of classes.
#[derive(Clone, Debug)]
pub struct Description {
    /// What the network calls itself.
    pub name: String,
    /// The preset's name or the file's path: what has to be typed to get it again.
    pub source: String,
    /// Several, or none where the input is the image.
    pub inputs: Vec<ListedInput>,
    layers: Vec<ListedLayer>,
}

/// One of several inputs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedInput {
    pub name: String,
    /// Height, width and channels, where the network decides them.
    pub shape: Option<[usize; 3]>,
}

#[derive(Clone, Debug)]
struct ListedLayer {
    name: String,
    kind: String,
    /// Numbers of values, as in [`Node`].
    inputs: Vec<usize>,
    /// Of its weights, where somebody chose.
    bits: Option<u8>,
    attributes: Table,
}

impl Description {
    /// The preset of that name, or the network in that file.
    ///
    /// # Errors
    ///
    /// No such preset or file; a file that is no description of a network.
    pub fn named(name: &str) -> Result<Self, DescriptionError> {
        if let Some((_, text)) = PRESETS.iter().find(|(preset, _)| *preset == name) {
            return Self::parse(name, text);
        }
        let path = Path::new(name);
        if path.extension().is_none_or(|extension| extension != "toml") {
            return Err(DescriptionError::Unknown { name: name.to_string() });
        }
        let unreadable = |error: String| DescriptionError::Read { path: name.to_string(), error };
        let length = fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
        if length > LONGEST as u64 {
            return Err(unreadable(format!("{length} bytes; at most {LONGEST} are read")));
        }
        let text = fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        Self::parse(name, &text)
    }

    /// Reads a description; `source` names it in errors.
    ///
    /// # Errors
    ///
    /// What is wrong, and in which layer or line.
    pub fn parse(source: &str, text: &str) -> Result<Self, DescriptionError> {
        parse(source, text)
            .map_err(|what| DescriptionError::Wrong { name: source.to_string(), what })
    }

    /// The network for images of `input` (channels, height, width) and so many classes.
    ///
    /// # Errors
    ///
    /// A layer that does not fit what it reads.
    pub fn build(&self, input: [usize; 3], classes: usize) -> Result<Network, DescriptionError> {
        if !self.inputs.is_empty() {
            let what = format!("takes the inputs {}, but the data have one", self.input_names());
            return Err(DescriptionError::Wrong { name: self.source.clone(), what });
        }
        self.build_with(Vec::new(), input, classes)
    }

    /// The network for the samples and the classes of `images`, of one input or of several.
    ///
    /// # Errors
    ///
    /// As [`Description::build`]; samples of other inputs.
    pub fn build_for(&self, images: &Dataset) -> Result<Network, DescriptionError> {
        let [height, width, channels] = images.shape;
        if images.inputs.is_empty() {
            return self.build([channels, height, width], images.classes());
        }
        let wrong = |what: String| DescriptionError::Wrong { name: self.source.clone(), what };
        if !self.inputs.iter().map(|input| &input.name).eq(images.inputs.iter().map(|i| &i.name)) {
            let data: Vec<&str> = images.inputs.iter().map(|input| &input.name[..]).collect();
            let (data, own) = (data.join(", "), self.input_names());
            return Err(wrong(format!("takes the inputs {own}, but the data have {data}")));
        }
        let node =
            |(name, [height, width, channels], places): (&str, [usize; 3], Range<usize>)| Node {
                name: name.to_string(),
                layer: Box::new(Input { first: places.start, shape: [channels, height, width] }),
                inputs: vec![0],
            };
        let nodes = images.parts().into_iter().map(node).collect();
        self.build_with(nodes, [channels, height, width], images.classes())
    }

    /// What data must have for each of several inputs, read by `options`.
    pub fn wanted(&self, options: &read::Options) -> Vec<Wanted> {
        let wanted = |input: &ListedInput| {
            let mut options = read::Options { inputs: Vec::new(), ..options.clone() };
            if let Some([height, width, channels]) = input.shape {
                options.pictures.size = Some([height, width]);
                options.pictures.grey |= channels == 1;
            }
            Wanted { name: input.name.clone(), shape: input.shape, options }
        };
        self.inputs.iter().map(wanted).collect()
    }

    fn input_names(&self) -> String {
        let names: Vec<&str> = self.inputs.iter().map(|input| &input.name[..]).collect();
        if names.is_empty() { "none by name".into() } else { names.join(", ") }
    }

    /// The network whose first nodes are there already.
    fn build_with(
        &self,
        mut nodes: Vec<Node>,
        input: [usize; 3],
        classes: usize,
    ) -> Result<Network, DescriptionError> {
        let wrong = |what: String| DescriptionError::Wrong { name: self.source.clone(), what };
        for listed in &self.layers {
            let layer = layer(&listed.kind, &listed.attributes, Some(classes))
                .map_err(|what| wrong(listed.error(&what)))?;
            let (name, inputs) = (listed.name.clone(), listed.inputs.clone());
            nodes.push(Node { name, layer, inputs });
        }
        let mut network = Network::new(&self.name, input, nodes)
            .map_err(|error| wrong(format!("on images of {}: {error}", shown(input))))?;
        let chosen =
            self.layers.iter().filter_map(|listed| Some((listed.name.clone(), listed.bits?)));
        network.bits = chosen.collect();
        if network.classes() != classes {
            let last = self.layers.last().expect("a network has layers");
            return Err(wrong(last.error(&format!(
                "gives {} outputs, but the data has {classes} classes; leave outputs away to get \
                 one per class",
                network.classes()
            ))));
        }
        Ok(network)
    }
}

fn shown([channels, height, width]: [usize; 3]) -> String {
    format!("{channels}×{height}×{width}")
}

impl ListedLayer {
    fn error(&self, what: &str) -> String {
        format!("layer {} ({}): {what}", self.name, self.kind)
    }
}

/// A file, before its layers are looked at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    #[serde(default)]
    input: Vec<ListedInput>,
    #[serde(default)]
    layer: Vec<Table>,
}

fn parse(source: &str, text: &str) -> Result<Description, String> {
    if text.len() > LONGEST {
        return Err(format!("is {} bytes long; at most {LONGEST} are read", text.len()));
    }
    let file: File = toml::from_str(text).map_err(|error| toml_error(text, &error))?;
    check_name(&file.name).map_err(|what| format!("the network's name {what}"))?;
    if file.layer.is_empty() {
        return Err("describes no layer; begin each with a line [[layer]]".to_string());
    }
    if file.layer.len() > MOST_LAYERS {
        return Err(format!("has {} layers; at most {MOST_LAYERS} are read", file.layer.len()));
    }
    check_inputs(&file.input)?;
    let mut layers: Vec<ListedLayer> = Vec::new();
    for (index, mut table) in file.layer.into_iter().enumerate() {
        let place = format!("layer {} of the file", index + 1);
        let text = |table: &mut Table, key: &str| match table.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("{place}: {key} must be a text in quotes")),
        };
        let kinds = || KINDS.join(", ");
        let kind = text(&mut table, "kind")?.ok_or_else(|| {
            format!("{place}: has no kind; add kind = \"…\" with one of {}", kinds())
        })?;
        if !KINDS.contains(&kind.as_str()) {
            return Err(format!("{place}: there is no kind {kind:?}; there are {}", kinds()));
        }
        let number = 1 + layers.iter().filter(|layer| layer.kind == kind).count();
        let name = text(&mut table, "name")?.unwrap_or_else(|| format!("{kind}{number}"));
        check_name(&name).map_err(|what| format!("{place}: the name {what}"))?;
        let is_input = file.input.iter().any(|input| input.name == name);
        if name == IMAGE || is_input || layers.iter().any(|layer| layer.name == name) {
            return Err(format!("{place}: the name {name:?} is taken; choose another"));
        }
        let read = table.remove("inputs");
        let bits = if WEIGHTED.contains(&kind.as_str()) { table.remove("bits") } else { None };
        let mut listed =
            ListedLayer { name, kind, inputs: Vec::new(), bits: None, attributes: table };
        if let Some(number) = bits {
            let bits = number.as_integer().and_then(|bits| u8::try_from(bits).ok());
            let checked = bits.ok_or_else(|| format!("weights have 4 or 8 bits, not {number}"));
            let checked = checked.and_then(check_bits).map_err(|what| listed.error(&what))?;
            listed.bits = Some(checked);
        }
        listed.inputs = match read {
            Some(read) => {
                inputs(&read, &file.input, &layers).map_err(|what| listed.error(&what))?
            }
            None if index == 0 && !file.input.is_empty() => {
                let what = format!(
                    "does not say which of the inputs it reads; add inputs = [{:?}]",
                    file.input[0].name
                );
                return Err(listed.error(&what));
            }
            None => vec![file.input.len() + index],
        };
        // Attributes are checked before any image is known, as if there were two classes.
        layer(&listed.kind, &listed.attributes, None).map_err(|what| listed.error(&what))?;
        layers.push(listed);
    }
    Ok(Description { name: file.name, source: source.to_string(), inputs: file.input, layers })
}

/// Checks what a file says of its inputs.
fn check_inputs(inputs: &[ListedInput]) -> Result<(), String> {
    if let [one] = inputs {
        return Err(format!(
            "names one input, {:?}; the only input needs no name: remove [[input]]",
            one.name
        ));
    }
    for (index, ListedInput { name, shape }) in inputs.iter().enumerate() {
        check_name(name).map_err(|what| format!("input {}: the name {what}", index + 1))?;
        if inputs[..index].iter().any(|other| other.name == *name) {
            return Err(format!("two inputs are called {name:?}"));
        }
        if let Some(what) = shape.and_then(shape_problem) {
            return Err(format!("input {name:?}: {what}"));
        }
    }
    Ok(())
}

/// The numbers of the values that `inputs` names.
fn inputs(
    read: &Value,
    inputs: &[ListedInput],
    layers: &[ListedLayer],
) -> Result<Vec<usize>, String> {
    let wrong =
        || "inputs must be a list of layer names such as [\"conv2d1\", \"image\"]".to_string();
    let number = |name: &Value| {
        let name = name.as_str().ok_or_else(wrong)?;
        if name == IMAGE && inputs.is_empty() {
            return Ok(0);
        }
        let named = inputs.iter().map(|input| &input.name);
        let mut named = named.chain(layers.iter().map(|layer| &layer.name));
        // Without several inputs value 0 is the image.
        named.position(|own| own == name).map(|index| index + 1).ok_or_else(|| {
            format!("reads {name:?}, but no layer before it has that name; layers are named by name = \"…\"")
        })
    };
    read.as_array().ok_or_else(wrong)?.iter().map(number).collect()
}

/// Names end up in files and in code.
fn check_name(name: &str) -> Result<(), String> {
    names::check(name).map_err(|what| format!("{name:?} does not fit; {what}"))
}

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    #[error(
        "no network is called {name:?}; there are {}, and the path of a file of your own ends in \
         .toml",
        super::presets::names()
    )]
    Unknown { name: String },
    #[error("{path}: cannot be read: {error}")]
    Read { path: String, error: String },
    #[error("network {name}: {what}")]
    Wrong { name: String, what: String },
}
