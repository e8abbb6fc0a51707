//! Reads an ONNX file into a typed graph.
//!
//! One image flows through the graph, so the batch dimension, fixed or symbolic, is taken as 1
//! throughout. What does not depend on the image is computed while reading. Whatever a file
//! declares is held against [`limits`](crate::limits) first.

mod constant;
pub mod exponents;
mod file;
mod fold;
mod functions;
mod input;
pub(crate) mod operators;
mod structure;
pub(crate) mod view;

use std::collections::HashMap;

use crate::pb;

use crate::graph::{Graph, Head, Node, Operator, Output, Shape, ValueId};
use crate::limits::{ALL_ELEMENTS, IMAGE_NODES, OPERATIONS, elements};
use constant::Constant;
pub use file::{File, load};
pub use input::Input;
use view::View;

/// The operator sets that are read.
pub const OPSETS: std::ops::RangeInclusive<i64> = 7..=25;

/// Why a file could not be read as a network.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum ReadError {
    #[error("the file is empty (0 bytes); expected an ONNX model")]
    Empty,
    #[error("not an ONNX model, or a truncated one: {0}")]
    NotOnnx(String),
    #[error("opset {found} is not supported; export with an opset from {} to {}, or convert the \
             file with onnx.version_converter", OPSETS.start(), OPSETS.end())]
    Opset { found: i64 },
    #[error("node '{node}': operator {op} is not supported; {hint}")]
    Operator { node: String, op: String, hint: String },
    #[error("node '{node}' ({op}): {what}")]
    Node { node: String, op: String, what: String },
    #[error("tensor '{name}': {what}")]
    Tensor { name: String, what: String },
    #[error("graph: {0}")]
    Graph(String),
    #[error("{0}")]
    File(String),
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
    opset: i64,
    /// Elements of the constants that were computed.
    folded: usize,
    /// Elements of all values.
    elements: usize,
    /// Multiplications and additions for one image.
    work: usize,
}

/// Reads the bytes of an `.onnx` file.
///
/// # Errors
///
/// One [`ReadError`] that names the node, the operator and what is supported instead.
pub fn read(bytes: &[u8]) -> Result<Graph, ReadError> {
    read_file(&File::decode(bytes)?)
}

/// Reads a file in its plain form.
///
/// # Errors
///
/// As [`read`].
pub fn read_file(file: &File) -> Result<Graph, ReadError> {
    let exponents = exponents::read(&file.metadata)?;
    let inputs = Input::all(file)?;
    let input = match &inputs[..] {
        [input] => input.shape,
        several => Shape::flat(several.iter().map(|input| input.shape.size()).sum()),
    };
    let mut reader = Reader {
        known: HashMap::new(),
        nodes: Vec::new(),
        input,
        opset: file.opset,
        folded: 0,
        elements: input.size(),
        work: 0,
    };
    for proto in &file.graph.initializer {
        let tensor = crate::interpreter::Tensor::from_proto(proto)
            .map_err(|what| ReadError::Tensor { name: proto.name.clone(), what })?;
        reader
            .known
            .insert(proto.name.clone(), Known::Constant(Constant::new(&proto.name, tensor)));
    }
    let raw_pixels = inputs.iter().map(|input| input.view.integer).collect();
    reader.read_inputs(inputs);
    let parts = reader.nodes.len();

    for proto in &file.graph.node {
        operators::read_node(&mut reader, proto)?;
    }

    let outputs = file.graph.output.iter().map(|output| reader.output(&output.name));
    let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
    if let Some(twice) =
        (1..outputs.len()).find(|&at| outputs[..at].iter().any(|o| o.name == outputs[at].name))
    {
        return Err(ReadError::Graph(format!("two outputs are called '{}'", outputs[twice].name)));
    }
    if outputs.is_empty() {
        return Err(ReadError::Graph(
            "it has no output; export a model that returns something".into(),
        ));
    }
    let mut graph =
        Graph { input: reader.input, raw_pixels, nodes: reader.nodes, outputs, exponents };
    let inputs = graph.nodes[..parts].to_vec();
    graph.drop_unused();
    // What decides nothing was dropped.
    match inputs.iter().find(|input| !graph.nodes.contains(input)) {
        Some(Node { name, .. }) => {
            Err(ReadError::Graph(format!("input '{name}' decides nothing; remove it")))
        }
        None => Ok(graph),
    }
}

/// The dimensions of a file's input as it declares them, a dynamic batch as 1.
///
/// # Errors
///
/// As [`read`], for the file and its input.
pub fn input_dims(bytes: &[u8]) -> Result<Vec<usize>, ReadError> {
    let input = Input::of(&File::decode(bytes)?)?;
    let mut dims = input.view.dims();
    dims[0] = input.batch.unwrap_or(1);
    Ok(dims)
}

pub(crate) fn is_standard(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

/// What a person would call a node: its name, or where it has none its output's.
pub(crate) fn node_name(proto: &pb::NodeProto) -> &str {
    match proto.output.first() {
        Some(output) if proto.name.is_empty() => output,
        _ => &proto.name,
    }
}

impl Reader {
    /// Makes the inputs known; each of several by a node of its own.
    fn read_inputs(&mut self, inputs: Vec<Input>) {
        let (several, mut first) = (inputs.len() > 1, 0);
        for Input { name, view, shape, .. } in inputs {
            if several {
                let operator = Operator::Input { first };
                first += shape.size();
                let name = name.clone();
                self.nodes.push(Node { name, operator, inputs: vec![0], output: shape });
            }
            self.known.insert(name, Known::Value(view));
        }
    }

    /// The shape in which a value is stored.
    fn image_of(&self, value: ValueId) -> Shape {
        match value {
            0 => self.input,
            value => self.nodes[value - 1].output,
        }
    }

    /// What the file calls `name` as an output.
    fn output(&self, name: &str) -> Result<Output, ReadError> {
        let wrong = |what: &str| Err(ReadError::Graph(format!("output '{name}' {what}")));
        let view = match self.known.get(name) {
            Some(Known::Value(view)) => view,
            Some(Known::Constant(_)) => return wrong("does not depend on the input"),
            None => return wrong("is computed by no node"),
        };
        let (order, shape) = (view.order(), self.image_of(view.value));
        // Whoever counts the elements of a vector counts them as the file does.
        if shape.height * shape.width == 1 && !order.iter().copied().eq(0..order.len()) {
            return wrong(
                "has its elements in another order than they are computed in; export the model without what \
                 reorders them at its end",
            );
        }
        let (value, head) = (view.value, Head::Logits);
        Ok(Output { name: name.into(), value, head, per_pixel: false, order })
    }

    /// Adds a node whose value has the shape of its first input, and binds its result to the
    /// file's output name.
    fn push(
        &mut self,
        proto: &pb::NodeProto,
        operator: Operator,
        inputs: &[ValueId],
        view: impl FnOnce(ValueId) -> View,
    ) -> Result<(), ReadError> {
        let shape = self.image_of(inputs.first().copied().unwrap_or(0));
        self.push_shaped(proto, operator, inputs, shape, view)
    }

    /// Adds a node and binds its result to the file's output name.
    fn push_shaped(
        &mut self,
        proto: &pb::NodeProto,
        operator: Operator,
        inputs: &[ValueId],
        shape: Shape,
        view: impl FnOnce(ValueId) -> View,
    ) -> Result<(), ReadError> {
        self.check_elements(proto, &shape.hwc())?;
        self.elements += shape.size();
        if self.elements > ALL_ELEMENTS || self.nodes.len() == IMAGE_NODES {
            return Err(self.too_much(
                proto,
                format!("the network has more than {IMAGE_NODES} nodes or {ALL_ELEMENTS} values"),
            ));
        }
        let view = view(self.nodes.len() + 1);
        self.nodes.push(Node {
            name: node_name(proto).to_string(),
            operator,
            inputs: inputs.to_vec(),
            output: shape,
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

    /// A value as a vector in the order of its storage, by a node of its own where it is an image.
    fn as_vector(&mut self, proto: &pb::NodeProto, view: View) -> Result<View, ReadError> {
        let shape = self.image_of(view.value);
        if shape.height * shape.width == 1 {
            return Ok(view);
        }
        let operator = Operator::Flatten;
        let flat = Shape::flat(shape.size());
        self.push_shaped(proto, operator, &[view.value], flat, |value| view.at(value))?;
        Ok(view.at(self.nodes.len()))
    }

    /// Lets an input, and what only computes element by element of it, have another shape over
    /// the same storage: pixels that came as a vector become the image that they are.
    fn relabel(&mut self, value: ValueId, shape: Shape) -> bool {
        let keeps_elements = |node: &Node| match &node.operator {
            Operator::Affine { scale, shift } => scale.len() == 1 && shift.len() == 1,
            Operator::Identity => true,
            operator => operator.is_elementwise(),
        };
        // The input that each value has all elements of.
        let mut inputs = vec![Some(0)];
        for (index, node) in self.nodes.iter().enumerate() {
            inputs.push(match node.operator {
                Operator::Input { .. } => Some(index + 1),
                _ if keeps_elements(node) => inputs[node.inputs[0]],
                _ => None,
            });
        }
        let Some(input) = inputs.get(value).copied().flatten() else { return false };
        let reads = |node: &Node| node.inputs.iter().any(|&value| inputs[value] == Some(input));
        let others = |(index, node): (usize, &Node)| reads(node) && inputs[index + 1].is_none();
        let same = shape.size() == self.image_of(input).size();
        if !same || self.nodes.iter().enumerate().any(others) {
            return false;
        }
        if input == 0 {
            self.input = shape;
        }
        for (node, of) in self.nodes.iter_mut().zip(&inputs[1..]) {
            if *of == Some(input) {
                node.output = shape;
            }
        }
        true
    }

    fn check_elements(&self, proto: &pb::NodeProto, dims: &[usize]) -> Result<(), ReadError> {
        elements(dims).map(|_| ()).map_err(|what| self.too_much(proto, what))
    }

    /// Counts `each` multiplications for each of `outputs` elements.
    fn check_work(
        &mut self,
        proto: &pb::NodeProto,
        outputs: usize,
        each: usize,
    ) -> Result<(), ReadError> {
        let work = outputs.checked_mul(each).and_then(|work| work.checked_add(self.work));
        match work {
            Some(work) if work <= OPERATIONS => {
                self.work = work;
                Ok(())
            }
            _ => Err(self.too_much(
                proto,
                format!("the network has more than {OPERATIONS} multiplications for an image"),
            )),
        }
    }

    fn too_much(&self, proto: &pb::NodeProto, what: String) -> ReadError {
        ReadError::Node { node: node_name(proto).into(), op: proto.op_type.clone(), what }
    }
}
