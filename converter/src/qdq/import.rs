//! From nodes to layers, one kernel call each: what is known of a file's values, and which node becomes what.

use std::collections::HashMap;
use std::rc::Rc;

use super::ending::Ending;
use super::known::{Affine, Constant, Known, Pending, Real, Value};
use super::plain::write_as_qdq;
use super::table;
use crate::graph::{Shape, ValueId};
use crate::interpreter::{self, Tensor};
use crate::limits::{ALL_ELEMENTS, IMAGE_NODES, OPERATIONS};
use crate::operators::IntegerOp;
use crate::pb;
use crate::pb::tensor_proto::DataType;
use crate::quantized::{QuantizedLayer, QuantizedNetwork, Scale, ValueFormat, ValueType};
use crate::read::operators::{Cursor, Image};
use crate::read::view::{Layout, View};
use crate::read::{self, File, ReadError, node_name};

/// What is imported, for the error that names it.
const SUPPORTED: &str = "Add, ArgMax, AveragePool, Concat, Conv, Flatten, Gather, Gemm, GlobalAveragePool, \
    MatMul, MaxPool, Mul, Reshape, Resize (nearest), Slice, Softmax, Split, Squeeze, Transpose, \
    Unsqueeze, their QLinear forms, and functions of one value";

/// An imported network, and what stood at its ends without a layer of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    pub network: QuantizedNetwork,
    /// Of each output, in the order of the file.
    pub endings: Vec<Ending>,
    /// The file in its plain form, by whose own nodes the reading can be checked.
    pub file: PlainFile,
}

/// A file with its graph in QDQ form.
#[derive(Clone, Debug, PartialEq)]
pub struct PlainFile {
    pub graph: pb::GraphProto,
    pub opset: i64,
    pub input: String,
    /// Images at once, if the file fixes that.
    pub batch: Option<usize>,
    pub element: DataType,
    /// How the file sees the input.
    pub view: View,
}

pub(super) struct Import<'a> {
    pub(super) graph: &'a pb::GraphProto,
    pub opset: i64,
    pub(super) known: HashMap<String, Known>,
    pub layers: Vec<QuantizedLayer>,
    pub shape: Shape,
    pub(super) format: Option<ValueFormat>,
    pub(super) element: DataType,
    /// The file is in QOperator form.
    pub(super) native: bool,
    /// Which integers of the file each value is.
    pub(super) names: Vec<String>,
    pub(super) elements: usize,
    pub(super) work: usize,
}

/// Imports the bytes of an `.onnx` file.
///
/// # Errors
///
/// What is not supported, or not computed by an integer kernel of ONNX Runtime, with the node.
pub fn import(bytes: &[u8]) -> Result<Imported, ReadError> {
    let mut file = File::decode(bytes)?;
    let native = write_as_qdq(&mut file.graph)?;
    // For the input's dimensions it is all one whether its integers are signed.
    let declared = file.inputs().next().and_then(element_of);
    let mut shown = File { graph: file.graph.clone(), opset: file.opset, metadata: Vec::new() };
    if declared == Some(DataType::Int8) {
        shown.graph.input.iter_mut().for_each(|input| set_element(input, DataType::Uint8));
    }
    let input = read::Input::of(&shown)?;
    let mut import = Import {
        graph: &file.graph,
        opset: file.opset,
        known: HashMap::new(),
        layers: Vec::new(),
        shape: input.shape,
        format: None,
        element: declared.unwrap_or(input.element),
        native,
        names: vec![input.name.clone()],
        elements: 0,
        work: 0,
    };
    for proto in &file.graph.initializer {
        let tensor = Tensor::from_proto(proto)
            .map_err(|what| ReadError::Tensor { name: proto.name.clone(), what })?;
        import.constant(&proto.name, tensor, None);
    }
    import.known.insert(input.name.clone(), Known::Input(input.view.clone()));
    for proto in &file.graph.node {
        import.node(proto)?;
    }
    let (network, endings) = import.finish()?;
    let file = PlainFile {
        opset: file.opset,
        input: input.name,
        batch: input.batch,
        element: declared.unwrap_or(input.element),
        view: input.view,
        graph: file.graph,
    };
    Ok(Imported { network, endings, file })
}

fn element_of(input: &pb::ValueInfoProto) -> Option<DataType> {
    match input.r#type.as_ref()?.value.as_ref()? {
        pb::type_proto::Value::TensorType(tensor) => DataType::try_from(tensor.elem_type).ok(),
    }
}

fn set_element(input: &mut pb::ValueInfoProto, element: DataType) {
    if let Some(pb::type_proto::Value::TensorType(tensor)) =
        input.r#type.as_mut().and_then(|kind| kind.value.as_mut())
    {
        tensor.elem_type = element.into();
    }
}

impl<'a> Import<'a> {
    pub(super) fn known(&self, node: &Cursor, index: usize) -> Result<&Known, ReadError> {
        let name = node
            .input_name(index)
            .ok_or_else(|| node.wrong(format!("input {index} is missing")))?;
        self.known
            .get(name)
            .ok_or_else(|| node.wrong(format!("input '{name}' is computed by no earlier node")))
    }

    /// A constant that a node reads; `None` where it is left out.
    pub fn optional(&self, node: &Cursor, index: usize) -> Result<Option<Constant>, ReadError> {
        match node.input_name(index) {
            None => Ok(None),
            Some(_) => {
                match self.known(node, index)? {
                    Known::Constant(constant) => Ok(Some(constant.clone())),
                    _ => Err(node
                        .wrong(format!("input {index} depends on the image; expected a constant"))),
                }
            }
        }
    }

    /// Integers that a node reads behind a DequantizeLinear, as ONNX Runtime's integer kernels do.
    pub fn value(&self, node: &Cursor, index: usize) -> Result<Value, ReadError> {
        match self.known(node, index)? {
            Known::Real(Real { value, direct: true, .. }) => Ok(value.clone()),
            Known::Real(_) => Err(node.wrong(
                "reads floats that were computed behind a DequantizeLinear, so ONNX Runtime \
                 computes it in floats too; quantize what stands before it (op_types_to_quantize)",
            )),
            Known::Pending(pending) => Err(pending.in_floats(node)),
            Known::Input(_) => Err(node.wrong(
                "reads the input before it is quantized; quantize the whole model, its input too",
            )),
            Known::Constant(_) => Err(node.wrong(format!("input {index} is a constant"))),
            Known::Integer(_) => {
                Err(node.wrong("computes with integers that are not dequantized; not supported"))
            }
            Known::End(_, functions) => Err(node.wrong(format!(
                "follows {}, behind which only the end of the network can stand",
                functions.join(" and ")
            ))),
        }
    }

    pub(super) fn is_constant(&self, node: &Cursor, index: usize) -> bool {
        matches!(self.known(node, index), Ok(Known::Constant(_)))
    }

    /// The shape in which a value is stored.
    pub fn stored(&self, value: ValueId) -> Shape {
        match value {
            0 => self.shape,
            value => self.layers[value - 1].output,
        }
    }

    /// A value that is an image with its channels as the file's second dimension.
    pub fn image(&mut self, node: &Cursor, value: &Value) -> Result<Image, ReadError> {
        let (view, layout) = (&value.view, Layout::ChannelsFirst);
        let id = view.value;
        let Some(shape) = view.as_image(layout) else {
            return Err(node.wrong(format!(
                "reads {:?}, which are not the channels, rows and columns of an image in this \
                 order; no kernel moves elements here",
                view.dims()
            )));
        };
        // Pixels that came as a vector become the image that they are.
        if id == 0 && self.layers.iter().all(|layer| !layer.inputs.contains(&0)) {
            self.shape = shape;
        }
        match self.stored(id) == shape {
            true => Ok(Image { value: id, shape, layout, rank: view.rank() }),
            false => Err(node.wrong(format!(
                "reads {:?} out of a value of the shape {}; no kernel does that",
                view.dims(),
                self.stored(id)
            ))),
        }
    }

    /// By how much the values that ONNX Runtime computes with are larger: in QDQ form it takes `u8`
    /// for `i8`.
    pub fn lift(&self, element: ValueType) -> u8 {
        if element == ValueType::I8 { 128 } else { 0 }
    }

    /// The nodes that read a result.
    pub(super) fn consumers(&self, name: &str) -> Vec<&'a pb::NodeProto> {
        let graph = self.graph;
        graph.node.iter().filter(|node| node.input.iter().any(|input| input == name)).collect()
    }

    pub(super) fn is_output(&self, name: &str) -> bool {
        self.graph.output.iter().any(|output| output.name == name)
    }

    /// Binds a node's result.
    pub(super) fn bind(&mut self, node: &Cursor, known: Known) {
        if let Some(output) = node.proto.output.first() {
            self.known.insert(output.clone(), known);
        }
    }

    /// Counts `each` multiplications for each of `outputs` elements.
    pub fn check_work(
        &mut self,
        node: &Cursor,
        outputs: usize,
        each: usize,
    ) -> Result<(), ReadError> {
        let work = outputs.checked_mul(each).and_then(|work| work.checked_add(self.work));
        match work.filter(|&work| work <= OPERATIONS) {
            Some(work) => {
                self.work = work;
                Ok(())
            }
            None => Err(node.wrong(format!(
                "the network has more than {OPERATIONS} multiplications for an image"
            ))),
        }
    }

    /// A result in floats, for the QuantizeLinear behind it: only that may read it, or the Relu or
    /// Clip between the two.
    pub fn pending(&mut self, node: &Cursor, pending: Pending) -> Result<(), ReadError> {
        let output = node.proto.output.first().map_or("", String::as_str);
        let consumers = self.consumers(output);
        let alone = matches!((consumers.len(), self.is_output(output)), (0, true) | (1, false));
        if !alone {
            return Err(node.wrong(
                "has its result read by several nodes before it is quantized, so ONNX Runtime \
                 computes it in floats; quantize it once, by a QuantizeLinear of its own",
            ));
        }
        self.bind(node, Known::Pending(Rc::new(pending)));
        Ok(())
    }

    /// Adds a layer; `view` sees its result.
    pub fn push(
        &mut self,
        node: &Cursor,
        op: impl Into<IntegerOp>,
        inputs: Vec<ValueId>,
        shape: Shape,
        (affine, element, view): (Affine, ValueType, View),
    ) -> Result<Value, ReadError> {
        self.elements += shape.size();
        if self.elements > ALL_ELEMENTS || self.layers.len() == IMAGE_NODES {
            return Err(node.wrong(format!(
                "the network has more than {IMAGE_NODES} layers or {ALL_ELEMENTS} values"
            )));
        }
        let format = ValueFormat {
            element,
            scale: Scale::Affine { scale: affine.scale, zero: affine.zero },
        };
        self.layers.push(QuantizedLayer {
            source_name: node_name(node.proto).into(),
            name: String::new(),
            op: op.into(),
            inputs,
            output: shape,
            format,
            clip: None,
        });
        self.names.push(String::new());
        Ok(Value { view: view.at(self.layers.len()), affine, element })
    }

    /// The last layer, if nothing but this node needs its result: the two may become one.
    pub fn only_for(&mut self, node: &Cursor, value: ValueId) -> Option<&mut QuantizedLayer> {
        let read = |name: &str| self.consumers(name).len() + usize::from(self.is_output(name));
        let name = node.input_name(0)?;
        let integers = self.graph.node.iter().find(|n| n.output.iter().any(|o| o == name))?;
        let alone = read(name) == 1
            && integers.op_type == "DequantizeLinear"
            && integers.input.first().is_some_and(|integers| read(integers) == 1);
        if alone && value == self.layers.len() { self.layers.last_mut() } else { None }
    }

    /// Makes the last layer compute more, with another shape.
    pub fn extend(
        &mut self,
        node: &Cursor,
        op: impl Into<IntegerOp>,
        shape: Shape,
        of: (Affine, ValueType, View),
    ) -> Result<Value, ReadError> {
        let Some(QuantizedLayer { inputs, .. }) = self.layers.pop() else {
            return Err(node.wrong("there is no layer before it"));
        };
        self.names.pop();
        self.push(node, op, inputs, shape, of)
    }

    fn node(&mut self, proto: &'a pb::NodeProto) -> Result<(), ReadError> {
        let node = &Cursor { proto };
        if !read::is_standard(&proto.domain) {
            let op = format!("{}.{}", proto.domain, proto.op_type);
            return Err(unsupported(node, op));
        }
        if interpreter::computes(&proto.op_type) {
            interpreter::attributes::check(proto).map_err(|what| node.wrong(what))?;
        }
        if self.fold(node)? {
            return Ok(());
        }
        match proto.op_type.as_str() {
            "QuantizeLinear" => self.quantize(node),
            "DequantizeLinear" => self.dequantize(node),
            "Conv" => self.convolution(node),
            "Gemm" | "MatMul" => self.product(node),
            "MaxPool" => self.max_pool(node),
            "AveragePool" | "GlobalAveragePool" => self.average_pool(node),
            "Concat" => self.concat(node),
            "Flatten" | "Reshape" | "Transpose" | "Squeeze" | "Unsqueeze" => self.view(node),
            "Slice" | "Split" | "Gather" | "Resize" | "Upsample" => self.movement(node),
            "Softmax" | "LogSoftmax" | "ArgMax" => self.head(node),
            "Relu" | "Clip" if matches!(self.known(node, 0)?, Known::Pending(_)) => {
                self.bound(node)
            }
            "Add" | "Mul" if self.is_combination(node) => self.combination(node),
            op if table::is_elementwise(op) => self.function(node),
            "ReduceMean" => Err(node.wrong(
                "is computed in floats by ONNX Runtime, in an order of its own; use \
                 GlobalAveragePool (AdaptiveAvgPool2d) before quantizing",
            )),
            op => Err(unsupported(node, op.into())),
        }
    }
}

fn unsupported(node: &Cursor, op: String) -> ReadError {
    let hint = format!("already quantized: supported are {SUPPORTED}");
    ReadError::Operator { node: node_name(node.proto).into(), op, hint }
}
