//! Reads an ONNX file into a typed graph.
//!
//! One image flows through the graph, so the batch dimension, fixed or symbolic, is taken as 1
//! throughout. Weights may be initializers or Constant nodes; shape computations (Shape, Gather,
//! Concat, …) are evaluated while reading.

mod constant;
pub mod exponents;
pub(crate) mod operators;
mod view;

use std::collections::HashMap;

use crate::pb;
use prost::Message;

use crate::graph::{Graph, Head, Node, Operator, Shape, ValueId};
use constant::Constant;
use view::View;

/// The operator sets that are read.
pub const OPSETS: std::ops::RangeInclusive<i64> = 11..=21;

/// Why a file could not be read as a network.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum ReadError {
    #[error("the file is empty (0 bytes); expected an ONNX model")]
    Empty,
    #[error("not an ONNX model, or a truncated one: {0}")]
    NotOnnx(String),
    #[error("opset {found} is not supported; export with an opset from {} to {}", OPSETS.start(), OPSETS.end())]
    Opset { found: i64 },
    #[error("node '{node}': operator {op} is not supported; supported: {}", operators::supported())]
    Operator { node: String, op: String },
    #[error("node '{node}' ({op}): {what}")]
    Node { node: String, op: String, what: String },
    #[error("tensor '{name}': {what}")]
    Tensor { name: String, what: String },
    #[error("graph: {0}")]
    Graph(String),
}

/// What a name in the file stands for.
#[derive(Clone)]
enum Known {
    Constant(Constant),
    Value(View),
}

/// A file being read.
struct Reader {
    known: HashMap<String, Known>,
    nodes: Vec<Node>,
    input: Shape,
}

/// Reads the bytes of an `.onnx` file.
///
/// # Errors
///
/// One [`ReadError`] that names the node, the operator and what is supported instead.
pub fn read(bytes: &[u8]) -> Result<Graph, ReadError> {
    if bytes.is_empty() {
        return Err(ReadError::Empty);
    }
    let model =
        pb::ModelProto::decode(bytes).map_err(|error| ReadError::NotOnnx(error.to_string()))?;
    let graph = model.graph.ok_or_else(|| ReadError::NotOnnx("it holds no graph".into()))?;
    if graph.node.is_empty() {
        return Err(ReadError::NotOnnx("its graph has no node".into()));
    }
    let standard = |domain: &str| domain.is_empty() || domain == "ai.onnx";
    let opset =
        model.opset_import.iter().find(|set| standard(&set.domain)).map_or(0, |s| s.version);
    if !OPSETS.contains(&opset) {
        return Err(ReadError::Opset { found: opset });
    }

    let exponents = exponents::read(&model.metadata_props)?;

    let mut known = HashMap::new();
    for tensor in &graph.initializer {
        known.insert(tensor.name.clone(), Known::Constant(Constant::from_proto(tensor)?));
    }
    let inputs: Vec<_> = graph.input.iter().filter(|i| !known.contains_key(&i.name)).collect();
    let [input] = inputs[..] else {
        return Err(ReadError::Graph(format!("{} inputs; expected one, the image", inputs.len())));
    };
    let view = View::of_input(input)?;
    let mut reader = Reader { input: view.shape()?, known, nodes: Vec::new() };
    reader.known.insert(input.name.clone(), Known::Value(view));

    for proto in &graph.node {
        if !standard(&proto.domain) {
            return Err(ReadError::Operator {
                node: node_name(proto).into(),
                op: format!("{}.{}", proto.domain, proto.op_type),
            });
        }
        operators::read_node(&mut reader, proto)?;
    }

    let [output] = &graph.output[..] else {
        return Err(ReadError::Graph(format!(
            "{} outputs; expected one, the logits",
            graph.output.len()
        )));
    };
    let logits = match reader.known.get(&output.name) {
        Some(Known::Value(view)) => view.value,
        _ => {
            return Err(ReadError::Graph(format!(
                "output '{}' is computed by no node",
                output.name
            )));
        }
    };
    let mut graph = Graph {
        input: reader.input,
        nodes: reader.nodes,
        output: logits,
        head: Head::Logits,
        exponents,
    };
    graph.drop_unused();
    Ok(graph)
}

/// The dimensions of a file's input as it declares them, a dynamic batch as 1.
///
/// # Errors
///
/// The same as [`read`]'s for the file and its input.
pub fn input_dims(bytes: &[u8]) -> Result<Vec<usize>, ReadError> {
    use pb::tensor_shape_proto::dimension::Value;
    let model =
        pb::ModelProto::decode(bytes).map_err(|error| ReadError::NotOnnx(error.to_string()))?;
    let graph = model.graph.unwrap_or_default();
    let input = graph
        .input
        .iter()
        .find(|input| graph.initializer.iter().all(|tensor| tensor.name != input.name))
        .ok_or_else(|| ReadError::Graph("no input".into()))?;
    // Refuses what cannot be an image.
    View::of_input(input)?;
    let Some(pb::type_proto::Value::TensorType(tensor)) =
        input.r#type.as_ref().and_then(|t| t.value.as_ref())
    else {
        return Err(ReadError::Graph(format!("input '{}' is no tensor", input.name)));
    };
    let dims = tensor.shape.iter().flat_map(|shape| &shape.dim);
    Ok(dims
        .map(|dim| match dim.value {
            Some(Value::DimValue(size)) if size > 0 => size as usize,
            _ => 1,
        })
        .collect())
}

/// What a person would call a node: its name, or where it has none its output's.
fn node_name(proto: &pb::NodeProto) -> &str {
    match proto.output.first() {
        Some(output) if proto.name.is_empty() => output,
        _ => &proto.name,
    }
}

impl Reader {
    /// Adds a node over one value and binds its result to the file's output name.
    fn push(
        &mut self,
        proto: &pb::NodeProto,
        operator: Operator,
        inputs: &[ValueId],
        view: impl FnOnce(ValueId) -> View,
    ) -> Result<(), ReadError> {
        let view = view(self.nodes.len() + 1);
        self.nodes.push(Node {
            name: node_name(proto).to_string(),
            operator,
            inputs: inputs.to_vec(),
            output: view.shape()?,
        });
        self.bind(proto, Known::Value(view));
        Ok(())
    }

    /// Binds a node's first output.
    fn bind(&mut self, proto: &pb::NodeProto, known: Known) {
        if let Some(output) = proto.output.first() {
            self.known.insert(output.clone(), known);
        }
    }
}
