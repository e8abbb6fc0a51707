//! The inputs of a file: their dimensions, what they mean, and how a sample is brought into them.

use crate::pb;
use crate::pb::tensor_proto::DataType;

use super::file::File;
use super::view::{Layout, View};
use super::{ReadError, is_standard};
use crate::graph::Shape;
use crate::interpreter::{Tensor, Values, attributes::Attributes, axis};
use crate::limits::elements;

/// The largest batch that a file may fix.
const LARGEST_BATCH: i64 = 1024;

/// The most bytes that several inputs have together: a device counts them in 16 bits.
const MOST_BYTES: usize = u16::MAX as usize;

/// An input as the file declares it.
#[derive(Clone, Debug)]
pub struct Input {
    pub name: String,
    /// Images that the file takes at once; `None` where the caller chooses.
    pub batch: Option<usize>,
    pub element: DataType,
    /// How the file sees an image.
    pub view: View,
    pub shape: Shape,
}

impl Input {
    /// Finds the only input of a file.
    ///
    /// # Errors
    ///
    /// None or several inputs; as [`Input::all`].
    pub fn of(file: &File) -> Result<Self, ReadError> {
        let inputs: Vec<_> = file.inputs().collect();
        match inputs[..] {
            [input] => Self::declared(file, input),
            _ => Err(wrong_number(&inputs, "expected one, the image")),
        }
    }

    /// Finds the inputs of a file, in its order; of several, number `n` is value `n + 1` of a graph.
    ///
    /// # Errors
    ///
    /// No input; one that is no batch of images, time series or vectors of fixed size; several whose
    /// batches, sizes or names do not go together.
    pub fn all(file: &File) -> Result<Vec<Self>, ReadError> {
        let declared: Vec<_> = file.inputs().collect();
        let mut inputs = Vec::new();
        for input in &declared {
            inputs.push(Self::declared(file, input)?);
        }
        if let [_, _, ..] = inputs[..] {
            go_together(&mut inputs)?;
        }
        match inputs.is_empty() {
            true => Err(wrong_number(&declared, "expected at least one, the image")),
            false => Ok(inputs),
        }
    }

    fn declared(file: &File, input: &pb::ValueInfoProto) -> Result<Self, ReadError> {
        let wrong = |what: String| ReadError::Graph(format!("input '{}': {what}", input.name));
        let Some(pb::type_proto::Value::TensorType(tensor)) =
            input.r#type.as_ref().and_then(|kind| kind.value.as_ref())
        else {
            return Err(wrong("has no shape; export it with one".into()));
        };
        let declared = tensor.shape.as_ref();
        let declared = declared.ok_or_else(|| wrong("has no shape; export it with one".into()))?;
        let (batch, dims) = sizes(declared).map_err(wrong)?;
        let element = DataType::try_from(tensor.elem_type).unwrap_or(DataType::Undefined);
        let integer = match element {
            DataType::Float => false,
            DataType::Uint8 | DataType::Int32 | DataType::Int64 => true,
            other => {
                let other = other.as_str_name();
                return Err(wrong(format!(
                    "elements of the type {other}; expected floats or UINT8"
                )));
            }
        };
        let (mut view, shape) = match (&dims[..], meaning(file, &input.name, &dims)) {
            (&[size], _) => (View::flat(0, size), Shape::flat(size)),
            (&[channels, width], Some(Layout::ChannelsFirst)) => {
                let shape = Shape::new(1, width, channels);
                (View::channels_first(0, shape, 3), shape)
            }
            (&[height, width], _) => {
                let shape = Shape::new(height, width, 1);
                (View::rows(0, shape), shape)
            }
            (&[height, width, channels], Some(Layout::ChannelsLast)) => {
                let shape = Shape::new(height, width, channels);
                (View::channels_last(0, shape, 4), shape)
            }
            (&[channels, height, width], _) => {
                let shape = Shape::new(height, width, channels);
                (View::channels_first(0, shape, 4), shape)
            }
            _ => {
                return Err(wrong(format!(
                    "{} dimensions; expected [N, C, H, W], [N, H, W, C], [N, H, W], [N, C, T] or \
                     [N, pixels]",
                    dims.len() + 1
                )));
            }
        };
        view.integer = integer;
        Ok(Self { name: input.name.clone(), batch, element, view, shape })
    }

    /// The file's input for `images`, each height × width × channels of this input.
    pub fn tensor(&self, images: &[Vec<f32>]) -> Tensor {
        let order = self.view.order();
        let pixels = images.iter().flat_map(|image| order.iter().map(|&at| image[at]));
        let mut dims = self.view.dims();
        dims[0] = images.len();
        match self.element {
            DataType::Float => Tensor::floats(dims, pixels.collect()),
            element => {
                let values = Values::Int(pixels.map(|pixel| pixel as i64).collect());
                Tensor { dims, element, values }
            }
        }
    }
}

fn wrong_number(inputs: &[&pb::ValueInfoProto], expected: &str) -> ReadError {
    let names: Vec<_> = inputs.iter().map(|input| input.name.as_str()).collect();
    ReadError::Graph(format!("{} inputs ({}); {expected}", inputs.len(), names.join(", ")))
}

/// Checks several inputs and gives all of them one batch and each its value.
fn go_together(inputs: &mut [Input]) -> Result<(), ReadError> {
    let batch = inputs.iter().find_map(|input| input.batch);
    let bytes: usize = inputs.iter().map(|input| input.shape.size()).sum();
    if bytes > MOST_BYTES {
        return Err(ReadError::Graph(format!(
            "its {} inputs have {bytes} values together; {MOST_BYTES} are the most",
            inputs.len()
        )));
    }
    for (number, input) in inputs.iter_mut().enumerate() {
        let wrong = |what: String| Err(ReadError::Graph(format!("input '{}': {what}", input.name)));
        if input.batch.is_some_and(|own| batch != Some(own)) {
            return wrong("its batch is another than that of an input before it".into());
        }
        if input.name == "logits" {
            return wrong("int8.onnx calls its output so; give the input another name".into());
        }
        input.batch = batch;
        input.view = input.view.at(number + 1);
    }
    Ok(())
}

/// The batch and the other dimensions.
fn sizes(shape: &pb::TensorShapeProto) -> Result<(Option<usize>, Vec<usize>), String> {
    use pb::tensor_shape_proto::dimension::Value;
    let size = |dim: &pb::tensor_shape_proto::Dimension| match dim.value {
        Some(Value::DimValue(size)) => Some(size),
        _ => None,
    };
    let (first, rest) = shape.dim.split_first().ok_or("is a scalar; expected a batch of images")?;
    let batch = match size(first) {
        // Exporters write 0 and -1 for what they do not know.
        None | Some(..=0) => None,
        Some(batch @ ..=LARGEST_BATCH) => Some(batch as usize),
        Some(batch) => {
            return Err(format!(
                "a batch of {batch} images; export with a dynamic batch, or with one image"
            ));
        }
    };
    let dims: Option<Vec<usize>> = rest
        .iter()
        .map(|dim| size(dim).filter(|&size| size > 0).and_then(|size| usize::try_from(size).ok()))
        .collect();
    let dims = dims.ok_or(
        "only the first dimension (the batch) may be dynamic; export with a fixed image size",
    )?;
    elements(&[&[batch.unwrap_or(1)], &dims[..]].concat())?;
    Ok((batch, dims))
}

/// What the nodes that read the input make of its dimensions: `None` where they do not say.
fn meaning(file: &File, input: &str, dims: &[usize]) -> Option<Layout> {
    let rank = dims.len() + 1;
    // Names of the input as operators turn it, each with the input's dimension that each of its own is.
    let mut seen: Vec<(&str, Vec<Option<usize>>)> = vec![(input, (0..rank).map(Some).collect())];
    // What a Transpose alone lets suppose.
    let mut supposed = None;
    for node in &file.graph.node {
        let read = |(name, _): &&(&str, Vec<Option<usize>>)| node.input.iter().any(|i| i == name);
        let Some((_, order)) = seen.iter().find(read).filter(|_| is_standard(&node.domain)) else {
            continue;
        };
        let turned = match node.op_type.as_str() {
            "Conv" | "MaxPool" | "AveragePool" | "GlobalMaxPool" | "GlobalAveragePool"
            | "BatchNormalization" => match order.get(1) {
                Some(Some(1)) => return Some(Layout::ChannelsFirst),
                Some(Some(axis)) if *axis == rank - 1 => return Some(Layout::ChannelsLast),
                _ => return None,
            },
            "Transpose" => {
                let perm = Attributes(node).ints("perm").unwrap_or_default();
                supposed = supposed.or(match perm {
                    [0, 3, 1, 2] => Some(Layout::ChannelsLast),
                    [0, 2, 3, 1] | [0, 2, 1] => Some(Layout::ChannelsFirst),
                    _ => None,
                });
                let place = |&at: &i64| order.get(usize::try_from(at).ok()?).copied();
                perm.iter().map(place).collect::<Option<Vec<_>>>()
            }
            "Unsqueeze" => unsqueezed(file, node, order),
            "Reshape" => reshaped(file, node, order, dims),
            "Add" | "Sub" | "Mul" | "Div" | "Cast" | "Identity" | "Relu" | "Clip" | "Dropout"
            | "Pad" => Some(order.clone()),
            _ => None,
        };
        if let (Some(turned), Some(output)) = (turned, node.output.first()) {
            seen.push((output, turned));
        }
    }
    if supposed.is_some() {
        return supposed;
    }
    // Where channels are last, they are few; of what is one place, all are channels.
    match dims {
        [_, 1, 1] => None,
        [first, _, last] if *last <= 4 && *first > 4 => Some(Layout::ChannelsLast),
        _ => None,
    }
}

/// The dimensions behind an Unsqueeze.
fn unsqueezed(
    file: &File,
    node: &pb::NodeProto,
    order: &[Option<usize>],
) -> Option<Vec<Option<usize>>> {
    let axes = match Attributes(node).ints("axes") {
        Some(axes) => axes.to_vec(),
        None => constant(file, node, 1)?,
    };
    let rank = order.len() + axes.len();
    let axes: Option<Vec<usize>> = axes.iter().map(|&at| axis(at, rank).ok()).collect();
    let (axes, mut old) = (axes?, order.iter());
    let place = |at| if axes.contains(&at) { Some(None) } else { old.next().copied() };
    (0..rank).map(place).collect()
}

/// The dimensions behind a Reshape that only adds some of a single element.
fn reshaped(
    file: &File,
    node: &pb::NodeProto,
    order: &[Option<usize>],
    dims: &[usize],
) -> Option<Vec<Option<usize>>> {
    let mut old = order.iter().peekable();
    let size = |at: &Option<usize>| at.and_then(|at| dims.get(at.checked_sub(1)?).copied());
    let place = |target: &i64| match (old.peek(), *target) {
        (Some(at), 1) if !matches!(size(at), None | Some(1)) => Some(None),
        (Some(at), target) => {
            let fits = target <= 0 || size(at).is_none_or(|size| size as i64 == target);
            fits.then(|| old.next().copied()).flatten()
        }
        (None, 1) => Some(None),
        (None, _) => None,
    };
    let turned = constant(file, node, 1)?.iter().map(place).collect::<Option<Vec<_>>>()?;
    old.next().is_none().then_some(turned)
}

/// The integers of a node's input that is stored in the file.
fn constant(file: &File, node: &pb::NodeProto, index: usize) -> Option<Vec<i64>> {
    let name = node.input.get(index)?;
    let stored = file.graph.initializer.iter().find(|tensor| tensor.name == *name).cloned();
    let made =
        |node: &&pb::NodeProto| node.op_type == "Constant" && node.output.first() == Some(name);
    let stored = stored.or_else(|| {
        let node = file.graph.node.iter().find(made)?;
        node.attribute.iter().find(|attribute| attribute.name == "value")?.t.clone()
    });
    Tensor::from_proto(&stored?).ok()?.as_ints().ok().map(<[i64]>::to_vec)
}
