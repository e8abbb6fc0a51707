//! One reading function per ONNX operator; operators of one kind share a file.

mod activation;
mod arithmetic;
mod batch_normalization;
mod concat;
mod conv;
mod gemm;
mod head;
pub(crate) mod movement;
mod pad;
pub(crate) mod pool;
pub(crate) mod reshape;
pub(crate) mod window;

use crate::pb;

use super::constant::Constant;
use super::view::{Layout, View};
use super::{Known, ReadError, Reader, fold, is_standard, node_name};
use crate::graph::{Operator, Shape};
use crate::interpreter::attributes::{self, Attributes};
use crate::interpreter::axis;
use crate::operators::functions;
use firmware_core::Window;

/// The operators that [`read_node`] knows on what depends on the image, beside functions.
const SUPPORTED: &[&str] = &[
    "Add",
    "ArgMax",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Conv",
    "Div",
    "DepthToSpace",
    "Dropout",
    "Flatten",
    "Gather",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Identity",
    "LeakyRelu",
    "Log",
    "LogSoftmax",
    "MatMul",
    "Max",
    "MaxPool",
    "Min",
    "Mul",
    "Pad",
    "PRelu",
    "Pow",
    "ReduceMax",
    "ReduceMean",
    "Relu",
    "Reshape",
    "Resize (nearest)",
    "Slice",
    "Softmax",
    "Split",
    "Squeeze",
    "Sub",
    "Sum",
    "Transpose",
    "Unsqueeze",
    "Upsample (nearest)",
];

/// The operators that are read, for the error that names them.
fn supported() -> String {
    let functions = functions::READ.iter().map(|(name, _)| *name);
    let mut names: Vec<&str> = SUPPORTED.iter().copied().chain(functions).collect();
    names.sort_unstable();
    names.join(", ")
}

/// A node with its context for errors.
pub struct Cursor<'a> {
    pub proto: &'a pb::NodeProto,
}

impl<'a> Cursor<'a> {
    pub fn wrong(&self, what: impl Into<String>) -> ReadError {
        ReadError::Node {
            node: node_name(self.proto).to_string(),
            op: self.proto.op_type.clone(),
            what: what.into(),
        }
    }

    pub fn attributes(&self) -> Attributes<'a> {
        Attributes(self.proto)
    }

    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.attributes().int(name, default)
    }

    pub fn float(&self, name: &str, default: f32) -> f32 {
        self.attributes().float(name, default)
    }

    pub fn ints(&self, name: &str) -> Option<&'a [i64]> {
        self.attributes().ints(name)
    }

    fn known<'r>(&self, reader: &'r Reader, index: usize) -> Result<&'r Known, ReadError> {
        let name = self
            .input_name(index)
            .ok_or_else(|| self.wrong(format!("input {index} is missing")))?;
        reader
            .known
            .get(name)
            .ok_or_else(|| self.wrong(format!("input '{name}' is computed by no earlier node")))
    }

    pub fn input_name(&self, index: usize) -> Option<&'a str> {
        self.proto.input.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// A value that depends on the image, as the file sees it; integers too.
    fn raw_view(&self, reader: &Reader, index: usize) -> Result<View, ReadError> {
        match self.known(reader, index)? {
            Known::Value(view) => Ok(view.clone()),
            Known::Constant(_) => Err(self.wrong(format!(
                "input {index} is a constant; expected a value computed from the image"
            ))),
        }
    }

    /// A value that depends on the image, in floats.
    fn view(&self, reader: &Reader, index: usize) -> Result<View, ReadError> {
        let view = self.raw_view(reader, index)?;
        match view.integer {
            true => {
                Err(self.wrong("computes with integers of the image; cast them to floats first"))
            }
            false => Ok(view),
        }
    }

    /// A value that is an image, with its layout.
    fn image(&self, reader: &mut Reader, layouts: &[Layout]) -> Result<Image, ReadError> {
        let mut view = self.view(reader, 0)?;
        let is_image = |view: &View| layouts.iter().any(|&layout| view.as_image(layout).is_some());
        if !is_image(&view)
            && let Some(anew) = movement::stored_anew(reader, self, &view)
        {
            view = anew;
        }
        let found = layouts.iter().find_map(|&layout| Some((layout, view.as_image(layout)?)));
        let Some((layout, shape)) = found else {
            return Err(self.wrong(format!(
                "reads {:?}, which are not the channels, rows and columns of an image in this \
                 order; no kernel moves elements here",
                view.dims()
            )));
        };
        let stored = reader.image_of(view.value) == shape || reader.relabel(view.value, shape);
        match stored {
            true => Ok(Image { value: view.value, shape, layout, rank: view.rank() }),
            false => Err(self.wrong(format!(
                "reads {:?} out of a value of the shape {}; no kernel does that",
                view.dims(),
                reader.image_of(view.value)
            ))),
        }
    }

    fn constant(&self, reader: &Reader, index: usize) -> Result<Constant, ReadError> {
        match self.known(reader, index)? {
            Known::Constant(constant) => Ok(constant.clone()),
            Known::Value(_) => {
                Err(self.wrong(format!("input {index} depends on the image; expected a constant")))
            }
        }
    }

    /// An input that may be left out.
    fn optional(&self, reader: &Reader, index: usize) -> Result<Option<Constant>, ReadError> {
        self.input_name(index).map(|_| self.constant(reader, index)).transpose()
    }

    /// The axes of Squeeze, Unsqueeze and the like, counted from the front: an attribute in early
    /// operator sets, then an input.
    fn axes(&self, reader: &Reader, rank: usize) -> Result<Option<Vec<usize>>, ReadError> {
        let axes = match (self.ints("axes"), self.optional(reader, 1)?) {
            (Some(axes), _) => axes.to_vec(),
            (None, Some(axes)) => axes.as_ints()?.to_vec(),
            (None, None) => return Ok(None),
        };
        let axes = axes.iter().map(|&a| axis(a, rank)).collect::<Result<_, _>>();
        axes.map(Some).map_err(|what| self.wrong(what))
    }

    /// What the node's first output was bound to.
    fn result(&self, reader: &Reader) -> Result<View, ReadError> {
        match self.proto.output.first().and_then(|output| reader.known.get(output)) {
            Some(Known::Value(view)) => Ok(view.clone()),
            _ => Err(self.wrong("has no output")),
        }
    }
}

/// A value that is an image, and how the file lays it out.
pub(crate) struct Image {
    pub value: usize,
    pub shape: Shape,
    pub layout: Layout,
    pub rank: usize,
}

impl Image {
    /// The view of another image in the same layout.
    fn view(&self, shape: Shape) -> impl Fn(usize) -> View {
        let (layout, rank) = (self.layout, self.rank);
        move |value| View::image(value, shape, layout, rank)
    }
}

/// Reads one node of the file.
pub(super) fn read_node(reader: &mut Reader, proto: &pb::NodeProto) -> Result<(), ReadError> {
    let node = &Cursor { proto };
    if !is_standard(&proto.domain) {
        let op = format!("{}.{}", proto.domain, proto.op_type);
        return Err(ReadError::Operator { node: node_name(proto).into(), hint: hint(proto), op });
    }
    attributes::check(proto).or_else(|what| match is_known(&proto.op_type) {
        true => Err(node.wrong(what)),
        // The operator itself is what is not known.
        false => Ok(()),
    })?;
    if fold::fold(reader, proto)? {
        return Ok(());
    }
    match proto.op_type.as_str() {
        "Conv" => conv::conv(reader, node),
        "Gemm" => gemm::gemm(reader, node),
        "MatMul" => gemm::matmul(reader, node),
        "Add" | "Sub" | "Mul" | "Div" | "Sum" => arithmetic::arithmetic(reader, node),
        "BatchNormalization" => batch_normalization::batch_normalization(reader, node),
        "MaxPool" | "AveragePool" => pool::pool(reader, node),
        "GlobalMaxPool" | "GlobalAveragePool" => pool::global_pool(reader, node),
        "ReduceMax" | "ReduceMean" => pool::reduce(reader, node),
        "Pad" => pad::pad(reader, node),
        "Relu" => activation::unary(reader, node, Operator::Relu),
        "Clip" => activation::clip(reader, node),
        "Min" | "Max" => activation::bound(reader, node),
        "Pow" => activation::power(reader, node),
        "Slice" | "Split" | "Gather" | "Resize" | "Upsample" | "DepthToSpace" => {
            movement::movement(reader, node)
        }
        "LeakyRelu" => activation::leaky_relu(reader, node),
        "PRelu" => activation::prelu(reader, node),
        "Identity" => activation::identity(reader, node),
        "Dropout" => activation::dropout(reader, node),
        "Cast" => activation::cast(reader, node),
        "Softmax" | "LogSoftmax" | "ArgMax" => head::head(reader, node),
        "Log" => head::log(reader, node),
        "Flatten" | "Reshape" => reshape::reshape(reader, node),
        "Squeeze" | "Unsqueeze" => reshape::squeeze(reader, node),
        "Transpose" => reshape::transpose(reader, node),
        "Concat" => concat::concat(reader, node),
        op => match functions::READ.iter().find(|(name, _)| *name == op) {
            Some((_, read)) => {
                let function = read(node)?;
                activation::unary(reader, node, Operator::Function(function))
            }
            None => Err(ReadError::Operator {
                node: node_name(proto).into(),
                hint: hint(proto),
                op: op.into(),
            }),
        },
    }
}

fn is_known(op: &str) -> bool {
    crate::interpreter::computes(op)
        || SUPPORTED.iter().any(|known| known.split(' ').next() == Some(op))
        || functions::READ.iter().any(|(name, _)| *name == op)
}

/// What to do about an operator that is not read.
fn hint(proto: &pb::NodeProto) -> String {
    let quantized = ["QuantizeLinear", "DequantizeLinear", "QLinearConv", "QGemm", "ConvInteger"];
    match proto.op_type.as_str() {
        op if quantized.contains(&op) || op.starts_with("QLinear") || op == "MatMulInteger" => {
            "the model is already quantized; convert the float model that it was made from".into()
        }
        "GRU" | "LSTM" | "RNN" | "Attention" | "MultiHeadAttention" | "LayerNormalization" => {
            "recurrent networks and attention have no kernels here; use a convolutional network"
                .into()
        }
        "If" | "Loop" | "Scan" => {
            "control flow has no kernels; export the model for one fixed input size".into()
        }
        _ => format!("supported: {}", supported()),
    }
}

/// A bias of `out` elements, or zeros where there is none; one element serves all.
fn bias(node: &Cursor, reader: &Reader, index: usize, out: usize) -> Result<Vec<f32>, ReadError> {
    let Some(bias) = node.optional(reader, index)? else { return Ok(vec![0.0; out]) };
    match bias.floats()? {
        [one] => Ok(vec![*one; out]),
        many if many.len() == out => Ok(many.to_vec()),
        many => Err(node.wrong(format!("{} biases for {out} outputs", many.len()))),
    }
}
