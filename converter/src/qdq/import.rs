//! From nodes to layers, one kernel call each.

use std::collections::HashMap;
use std::rc::Rc;

use super::combine::Combination;
use super::linear::Linear;
use super::plain::write_as_qdq;
use super::pool::Pooling;
use super::table::{self, Table};
use crate::graph::{Shape, ValueId};
use crate::interpreter::{self, Tensor};
use crate::limits::{ALL_ELEMENTS, IMAGE_NODES, OPERATIONS};
use crate::operators::IntegerOp;
use crate::operators::lookup::QuantizedLookup;
use crate::pb;
use crate::pb::tensor_proto::DataType;
use crate::quantized::{QuantizedLayer, QuantizedNetwork, Scale, ValueFormat, ValueType};
use crate::read::operators::{Cursor, Image, reshape};
use crate::read::view::{Layout, View};
use crate::read::{self, File, ReadError, node_name};

/// What is imported, for the error that names it.
const SUPPORTED: &str = "Add, AveragePool, Concat, Conv, Flatten, Gemm, GlobalAveragePool, MatMul, \
    MaxPool, Mul, Reshape, Softmax, Squeeze, Transpose, Unsqueeze, their QLinear forms, and functions \
    of one value";

/// Why signed integers must stay inside.
const AT_BORDERS: &str = "has int8 at the border of the network, where ONNX Runtime computes in \
    floats; let the network take and give floats, or quantize to uint8";

/// Why there are no signed integers in QOperator form.
const NATIVE: &str = "gives int8 to QLinear operators, for which ONNX Runtime has no exact kernels on \
    x86-64; quantize to uint8 (activation_type=QuantType.QUInt8)";

/// Why signed integers must not fork.
const FORKED: &str = "gives int8 that several nodes read, around which ONNX Runtime computes in floats \
    on x86-64; quantize to uint8 (activation_type=QuantType.QUInt8)";

/// An imported network, and what stood at its end without a layer of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    pub network: QuantizedNetwork,
    pub ending: Ending,
    /// The file in its plain form, by whose own nodes the reading can be checked.
    pub file: PlainFile,
}

/// What the file does with the integers that the device returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The names of the integers in the file.
    pub tensor: String,
    /// The functions that follow, which change no order: Softmax, Sigmoid.
    pub functions: Vec<String>,
    /// The integers are accumulators.
    pub accumulators: bool,
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

/// A scale and a zero point: the integer `q` stands for `(q − zero) · scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Affine {
    pub scale: f32,
    pub zero: i32,
}

/// Integers of the network, as the file sees them.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub view: View,
    pub affine: Affine,
    pub element: ValueType,
}

/// Floats that are a function of one integer value.
#[derive(Clone, Debug)]
pub(super) struct Real {
    pub value: Value,
    pub table: Table,
    /// They are what DequantizeLinear gives.
    pub direct: bool,
}

/// A constant; behind a DequantizeLinear with the integers that it was made of.
#[derive(Clone, Debug)]
pub(super) struct Constant {
    pub tensor: Rc<Tensor>,
    pub quantized: Option<Rc<QuantizedConstant>>,
}

/// Integers with a scale for all, or one for each index of an axis.
#[derive(Debug)]
pub(super) struct QuantizedConstant {
    pub integers: Rc<Tensor>,
    pub scales: Vec<f32>,
    /// As many as scales.
    pub zeros: Vec<i64>,
    pub axis: usize,
}

/// A result in floats that is never computed: the layer that it becomes takes the QuantizeLinear
/// behind it in.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub operation: Operation,
    /// The name and the operator of its node.
    pub node: String,
    pub op: String,
    pub inputs: Vec<ValueId>,
    /// Of the inputs, which ONNX Runtime's kernels give the result.
    pub element: ValueType,
    pub shape: Shape,
    /// The value of this view is not there yet.
    pub view: View,
    /// Bounds of Relu and Clip behind it.
    pub bounds: [f32; 2],
}

#[derive(Clone, Debug)]
pub(super) enum Operation {
    Linear(Linear),
    Combination(Combination),
    Pooling(Pooling),
    Concat(Vec<Value>),
}

#[derive(Clone, Debug)]
enum Known {
    /// The input's floats.
    Input(View),
    Constant(Constant),
    Integer(Value),
    Real(Real),
    Pending(Rc<Pending>),
    /// Behind the integers that the device returns.
    End(Value, Vec<String>),
}

pub(super) struct Import<'a> {
    graph: &'a pb::GraphProto,
    pub opset: i64,
    known: HashMap<String, Known>,
    pub layers: Vec<QuantizedLayer>,
    pub shape: Shape,
    format: Option<ValueFormat>,
    element: DataType,
    /// The file is in QOperator form.
    native: bool,
    /// Which integers of the file each value is.
    names: Vec<String>,
    elements: usize,
    work: usize,
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
    let (network, ending) = import.finish()?;
    let file = PlainFile {
        opset: file.opset,
        input: input.name,
        batch: input.batch,
        element: declared.unwrap_or(input.element),
        view: input.view,
        graph: file.graph,
    };
    Ok(Imported { network, ending, file })
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
    fn constant(&mut self, name: &str, tensor: Tensor, quantized: Option<QuantizedConstant>) {
        let constant = Constant { tensor: Rc::new(tensor), quantized: quantized.map(Rc::new) };
        self.known.insert(name.into(), Known::Constant(constant));
    }

    fn known(&self, node: &Cursor, index: usize) -> Result<&Known, ReadError> {
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

    fn is_constant(&self, node: &Cursor, index: usize) -> bool {
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
    fn consumers(&self, name: &str) -> Vec<&'a pb::NodeProto> {
        let graph = self.graph;
        graph.node.iter().filter(|node| node.input.iter().any(|input| input == name)).collect()
    }

    fn is_output(&self, name: &str) -> bool {
        self.graph.output.iter().any(|output| output.name == name)
    }

    /// Binds a node's result.
    fn bind(&mut self, node: &Cursor, known: Known) {
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
            "Softmax" | "LogSoftmax" => self.softmax(node),
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

    /// Computes a node whose inputs are constants: whether it did.
    fn fold(&mut self, node: &Cursor) -> Result<bool, ReadError> {
        let proto = node.proto;
        if !interpreter::computes(&proto.op_type) {
            return Ok(false);
        }
        let dims_only = matches!(proto.op_type.as_str(), "Shape" | "Size");
        let mut inputs: Vec<Option<Rc<Tensor>>> = Vec::new();
        for (index, name) in proto.input.iter().enumerate() {
            inputs.push(match name.is_empty() {
                true => None,
                false => match self.known(node, index)? {
                    Known::Constant(constant) => Some(constant.tensor.clone()),
                    Known::Input(view)
                    | Known::Real(Real { value: Value { view, .. }, .. })
                    | Known::Integer(Value { view, .. })
                        if dims_only =>
                    {
                        Some(Rc::new(Tensor::floats(view.dims(), vec![0.0; view.size()])))
                    }
                    _ => return Ok(false),
                },
            });
        }
        let tensors = inputs.iter().map(Option::as_deref).collect();
        let results =
            interpreter::evaluate(proto, self.opset, tensors).map_err(|what| node.wrong(what))?;
        let quantized = match (proto.op_type.as_str(), &inputs[..]) {
            ("DequantizeLinear", [Some(integers), Some(scale), zero @ ..]) => {
                let scales = scale.as_floats().map_err(|what| node.wrong(what))?.to_vec();
                let zeros = match zero {
                    [Some(zero)] => zero.as_ints().map_err(|what| node.wrong(what))?.to_vec(),
                    _ => vec![0; scales.len()],
                };
                let rank = integers.dims.len();
                let axis = interpreter::axis(node.int("axis", 1), rank).unwrap_or(0);
                Some(QuantizedConstant { integers: integers.clone(), scales, zeros, axis })
            }
            ("Identity", _) => None,
            _ => None,
        };
        for (name, tensor) in proto.output.iter().zip(results) {
            self.elements += tensor.len();
            if self.elements > ALL_ELEMENTS {
                return Err(
                    node.wrong(format!("its constants have more than {ALL_ELEMENTS} elements"))
                );
            }
            self.constant(name, tensor, None);
        }
        if let (Some(quantized), Some(name)) = (quantized, proto.output.first())
            && let Some(Known::Constant(constant)) = self.known.get_mut(name)
        {
            constant.quantized = Some(Rc::new(quantized));
        }
        Ok(true)
    }

    /// The scale, zero point and type of a QuantizeLinear or DequantizeLinear.
    fn affine(&self, node: &Cursor) -> Result<(Affine, DataType), ReadError> {
        let constant = |index| -> Result<Option<Rc<Tensor>>, ReadError> {
            Ok(self.optional(node, index)?.map(|constant| constant.tensor))
        };
        let scale = constant(1)?.ok_or_else(|| node.wrong("its scale is missing"))?;
        let zero = constant(2)?;
        let scales = scale.as_floats().map_err(|what| node.wrong(what))?;
        let &[scale] = scales else {
            return Err(node.wrong(format!(
                "has {} scales; activations with one scale for all are supported (per_channel only \
                 for weights)",
                scales.len()
            )));
        };
        if !(scale.is_normal() && scale > 0.0) {
            return Err(node.wrong(format!("has the scale {scale:e}; expected a positive number")));
        }
        let declared = match node.int("output_dtype", 0) {
            0 => DataType::Uint8,
            declared => DataType::try_from(declared as i32).unwrap_or(DataType::Undefined),
        };
        let element = zero.as_ref().map_or(declared, |zero| zero.element);
        let zero = match &zero {
            None => 0,
            Some(zero) => match zero.as_ints().map_err(|what| node.wrong(what))? {
                &[zero] if (-128..=255).contains(&zero) => zero as i32,
                other => {
                    return Err(node.wrong(format!("has the zero points {other:?}; expected one")));
                }
            },
        };
        Ok((Affine { scale, zero }, element))
    }

    fn quantize(&mut self, node: &Cursor) -> Result<(), ReadError> {
        let (affine, element) = self.affine(node)?;
        let element = match element {
            DataType::Uint8 => ValueType::U8,
            DataType::Int8 => ValueType::I8,
            other => {
                return Err(node.wrong(format!(
                    "gives {}; int8 and uint8 are supported (activation_type)",
                    other.as_str_name()
                )));
            }
        };
        let output = node.proto.output.first().map_or("", String::as_str);
        if element == ValueType::I8 {
            if self.native {
                return Err(node.wrong(NATIVE));
            }
            if self.is_output(output) {
                return Err(node.wrong(AT_BORDERS));
            }
            let readers = self.consumers(output).into_iter().flat_map(|dequantize| {
                let floats = dequantize.output.first().map_or("", String::as_str);
                self.consumers(floats)
            });
            if readers.count() > 1 {
                return Err(node.wrong(FORKED));
            }
        }
        let value = match self.known(node, 0)?.clone() {
            Known::Input(view) => {
                self.set_input(node, affine, element)?;
                Value { view, affine, element }
            }
            Known::Real(real) if real.value.affine == affine && real.value.element == element => {
                match real.direct {
                    true => real.value,
                    false => self.lookup(node, real, affine, element)?,
                }
            }
            Known::Real(Real { direct: true, value, .. })
                if value.element == element && self.follows_dequantize(node) =>
            {
                return Err(node.wrong(format!(
                    "brings integers from the scale {} to {}, which ONNX Runtime joins with the \
                     QuantizeLinear before; quantize with one scale there",
                    value.affine.scale, affine.scale
                )));
            }
            Known::Real(real) => self.lookup(node, real, affine, element)?,
            Known::Pending(pending) => self.quantized(node, &pending, affine, element)?,
            Known::End(value, functions) => {
                self.bind(node, Known::End(value, functions));
                return Ok(());
            }
            Known::Integer(_) | Known::Constant(_) => {
                return Err(node.wrong("quantizes what is no float"));
            }
        };
        if let (Some(output), Some(name)) =
            (node.proto.output.first(), self.names.get_mut(value.view.value))
        {
            name.clone_from(output);
        }
        self.bind(node, Known::Integer(value));
        Ok(())
    }

    /// The node reads what a DequantizeLinear gives, with nothing in between.
    fn follows_dequantize(&self, node: &Cursor) -> bool {
        let name = node.input_name(0);
        self.graph.node.iter().any(|other| {
            other.op_type == "DequantizeLinear" && other.output.first().map(String::as_str) == name
        })
    }

    /// The input is quantized so: once and for all.
    fn set_input(
        &mut self,
        node: &Cursor,
        affine: Affine,
        element: ValueType,
    ) -> Result<(), ReadError> {
        let scale = Scale::Affine { scale: affine.scale, zero: affine.zero };
        let format = ValueFormat { element, scale };
        if *self.format.get_or_insert(format) != format {
            return Err(node.wrong("quantizes the input by a second scale"));
        }
        Ok(())
    }

    fn dequantize(&mut self, node: &Cursor) -> Result<(), ReadError> {
        let (affine, element) = self.affine(node)?;
        let value = match self.known(node, 0)?.clone() {
            Known::Integer(value) => value,
            // The integers themselves are the input.
            Known::Input(view) if self.element != DataType::Float => {
                let kind = match element {
                    DataType::Int8 => ValueType::I8,
                    _ => ValueType::U8,
                };
                if node.input_name(2).is_some() && element != self.element {
                    return Err(node.wrong("its zero point is of another type than the input"));
                }
                if self.lift(kind) > 0 {
                    return Err(node.wrong(AT_BORDERS));
                }
                self.set_input(node, affine, kind)?;
                Value { view, affine, element: kind }
            }
            Known::End(value, functions) => {
                self.bind(node, Known::End(value, functions));
                return Ok(());
            }
            _ => return Err(node.wrong("dequantizes what is no integer value")),
        };
        if value.affine != affine {
            return Err(node.wrong(format!(
                "takes integers of the scale {} for such of {}; not supported",
                value.affine.scale, affine.scale
            )));
        }
        let table = Table::dequantized(affine, value.element);
        self.bind(node, Known::Real(Real { value, table, direct: true }));
        Ok(())
    }

    /// What a node reads, if it is a function that keeps the order of the integers.
    pub fn monotonic(&self, node: &Cursor) -> Result<Real, ReadError> {
        match self.known(node, 0)? {
            Known::Real(real) if real.table.is_monotonic(real.value.element) => Ok(real.clone()),
            Known::Real(_) => Err(node.wrong(
                "reads floats of a function that changes their order; quantize them before",
            )),
            _ => {
                self.value(node, 0)?;
                Err(node.wrong("is not supported here"))
            }
        }
    }

    pub fn bind_real(&mut self, node: &Cursor, real: Real) {
        self.bind(node, Known::Real(real));
    }

    /// A layer that is a table.
    pub fn lookup(
        &mut self,
        node: &Cursor,
        real: Real,
        affine: Affine,
        element: ValueType,
    ) -> Result<Value, ReadError> {
        let entries = real.table.quantized(affine, element).map_err(|what| node.wrong(what))?;
        let id = real.value.view.value;
        let shape = self.stored(id);
        let of = (affine, element, real.value.view);
        self.push(node, QuantizedLookup { entries }, vec![id], shape, of)
    }

    /// The layer that a result in floats and its QuantizeLinear are.
    fn quantized(
        &mut self,
        node: &Cursor,
        pending: &Pending,
        affine: Affine,
        element: ValueType,
    ) -> Result<Value, ReadError> {
        let wrong = |what: String| ReadError::Node {
            node: pending.node.clone(),
            op: pending.op.clone(),
            what,
        };
        if element != pending.element {
            return Err(wrong(format!(
                "takes {} and gives {}, so ONNX Runtime computes it in floats; quantize all \
                 activations to one type",
                pending.element.rust_name(),
                element.rust_name()
            )));
        }
        // Bounds that cut nothing off are no business of the integers.
        let (least, greatest) = element.range();
        let reach = [least, greatest].map(|q| (q - affine.zero) as f32 * affine.scale);
        let close = 1e-5 * affine.scale;
        let [low, high] = pending.bounds;
        if low > reach[0] + close || high < reach[1] - close {
            return Err(wrong(format!(
                "is bounded to {low}…{high} before it is quantized to {}…{}, so ONNX Runtime \
                 computes it in floats; quantize with asymmetric activations \
                 (ActivationSymmetric=False), whose range ends where the bounds are",
                reach[0], reach[1]
            )));
        }
        let (shape, inputs) = (pending.shape, pending.inputs.clone());
        let of = (affine, element, pending.view.clone());
        match &pending.operation {
            Operation::Linear(linear) => {
                let op = linear.quantized(affine).map_err(wrong)?;
                self.push(node, op, inputs, shape, of)
            }
            Operation::Combination(combination) => {
                let op = combination.quantized(affine).map_err(wrong)?;
                self.push(node, op, inputs, shape, of)
            }
            Operation::Pooling(pooling) => {
                let op = pooling.quantized(affine).map_err(wrong)?;
                self.push(node, op, inputs, shape, of)
            }
            Operation::Concat(values) => self.joined(node, values, shape, of),
        }
    }

    /// A Relu or Clip on a result that is yet to be quantized.
    fn bound(&mut self, node: &Cursor) -> Result<(), ReadError> {
        let Known::Pending(pending) = self.known(node, 0)?.clone() else { return Ok(()) };
        let mut bounds = [f32::NEG_INFINITY, f32::INFINITY];
        if node.proto.op_type == "Relu" {
            bounds[0] = 0.0;
        } else {
            let names = ["min", "max"];
            for at in 0..2 {
                let given = match self.optional(node, at + 1)? {
                    Some(constant) => match constant.tensor.as_floats() {
                        Ok(&[bound]) => Some(bound),
                        _ => return Err(node.wrong(format!("its {} is no number", names[at]))),
                    },
                    None => node.attributes().get(names[at]).map(|attribute| attribute.f),
                };
                bounds[at] = given.unwrap_or(bounds[at]);
            }
        }
        let mut bounded = (*pending).clone();
        bounded.bounds =
            [bounded.bounds[0].max(bounds[0]), bounded.bounds[1].max(bounds[0]).min(bounds[1])];
        self.pending(node, bounded)
    }

    /// Flatten, Reshape, Transpose, Squeeze and Unsqueeze: other views of the same elements.
    fn view(&mut self, node: &Cursor) -> Result<(), ReadError> {
        let known = self.known(node, 0)?.clone();
        let view = match &known {
            Known::Input(view)
            | Known::Real(Real { value: Value { view, .. }, .. })
            | Known::End(Value { view, .. }, _) => view,
            Known::Pending(pending) => return Err(pending.in_floats(node)),
            _ => return Err(node.wrong("reads integers that are not dequantized; not supported")),
        };
        let ints = |constant: Option<Constant>| match constant {
            None => Ok(None),
            Some(constant) => match constant.tensor.as_ints() {
                Ok(ints) => Ok(Some(ints.to_vec())),
                Err(what) => Err(node.wrong(what)),
            },
        };
        let given = ints(self.optional(node, 1)?)?;
        let axes = |rank: usize| -> Result<Option<Vec<usize>>, ReadError> {
            let axes = node.ints("axes").map(<[i64]>::to_vec).or_else(|| given.clone());
            let axes = axes.map(|axes| axes.iter().map(|&a| interpreter::axis(a, rank)).collect());
            axes.transpose().map_err(|what: String| node.wrong(what))
        };
        let rank = view.rank();
        let next = match node.proto.op_type.as_str() {
            "Transpose" => {
                let backwards: Vec<i64> = (0..rank as i64).rev().collect();
                view.transposed(node.ints("perm").unwrap_or(&backwards))
            }
            "Squeeze" => {
                let single = |&i: &usize| view.dims()[i] == 1 && view.batch() != Some(i);
                let gone = axes(rank)?.unwrap_or_else(|| (0..rank).filter(single).collect());
                view.squeezed(&gone)
            }
            "Unsqueeze" => {
                let count = node.ints("axes").map(<[i64]>::len).or(given.as_ref().map(Vec::len));
                let count = count.ok_or_else(|| node.wrong("axes are missing"))?;
                view.unsqueezed(&axes(rank + count)?.unwrap_or_default())
            }
            "Flatten" => Ok(reshape::reshaped(node, view, None)?),
            _ => {
                let target = given.ok_or_else(|| node.wrong("its shape is missing"))?;
                Ok(reshape::reshaped(node, view, Some(&target))?)
            }
        };
        let view = next.map_err(|what| node.wrong(what))?;
        let seen = match known {
            Known::Real(real) => Known::Real(Real { value: Value { view, ..real.value }, ..real }),
            Known::End(value, functions) => Known::End(Value { view, ..value }, functions),
            _ => Known::Input(view),
        };
        self.bind(node, seen);
        Ok(())
    }

    fn softmax(&mut self, node: &Cursor) -> Result<(), ReadError> {
        let real = self.monotonic(node)?;
        let view = &real.value.view;
        let default = if self.opset < 13 { 1 } else { -1 };
        let axis = interpreter::axis(node.int("axis", default), view.rank());
        let axis = axis.map_err(|what| node.wrong(what))?;
        let whole = view.dims()[axis] == view.size() || self.opset < 13 && axis == 1;
        if !whole || view.batch() == Some(axis) {
            return Err(node.wrong("only one softmax over all outputs is supported"));
        }
        let functions = vec![node.proto.op_type.clone()];
        self.bind(node, Known::End(real.value, functions));
        Ok(())
    }

    /// What is computed element by element of one value.
    fn function(&mut self, node: &Cursor) -> Result<(), ReadError> {
        let mut first: Option<Real> = None;
        let mut inputs = Vec::new();
        for index in 0..node.proto.input.len() {
            if node.input_name(index).is_none() {
                inputs.push(None);
                continue;
            }
            inputs.push(Some(match self.known(node, index)?.clone() {
                Known::Constant(constant) if constant.tensor.len() == 1 => {
                    table::Input::Constant(constant.tensor)
                }
                Known::Constant(_) => {
                    return Err(node.wrong(format!(
                        "input {index} is a constant of several elements, with which ONNX Runtime \
                         computes in an order of its own; fuse it into the layer before \
                         (quant_pre_process) or leave the operator unquantized"
                    )));
                }
                Known::Real(real) => {
                    let table = real.table.clone();
                    match &first {
                        Some(first) if first.value.view != real.value.view => {
                            return Err(node.wrong(
                                "joins two values that are not both quantized right before it, so \
                                 ONNX Runtime computes it in floats; quantize its inputs",
                            ));
                        }
                        _ => first = Some(real),
                    }
                    table::Input::Table(table)
                }
                _ => {
                    // Why it is no integer value.
                    self.value(node, index)?;
                    return Err(node.wrong(format!("input {index} is not supported")));
                }
            }));
        }
        let Some(real) = first else { return Err(node.wrong("depends on no value")) };
        let applied = Table::applied(node.proto, self.opset, &inputs);
        let applied = applied.map_err(|what| node.wrong(what))?;
        let same = applied.floats == real.table.floats;
        let direct = real.direct && same;
        self.bind(node, Known::Real(Real { table: applied, direct, ..real }));
        Ok(())
    }

    fn is_combination(&self, node: &Cursor) -> bool {
        node.proto.input.len() == 2 && (0..2).all(|index| !self.is_constant(node, index)) && {
            // Two functions of one value are one function, unless both are integers of their own.
            let ids: Vec<_> = (0..2)
                .filter_map(|index| match self.known(node, index) {
                    Ok(Known::Real(real)) => Some((real.value.view.value, real.direct)),
                    _ => None,
                })
                .collect();
            !matches!(ids[..], [(a, x), (b, y)] if a == b && !(x && y))
        }
    }

    fn finish(mut self) -> Result<(QuantizedNetwork, Ending), ReadError> {
        let outputs: Vec<&str> = self.graph.output.iter().map(|o| o.name.as_str()).collect();
        let [output] = outputs[..] else {
            return Err(ReadError::Graph(format!(
                "{} outputs ({}); a quantized network with one is imported",
                outputs.len(),
                outputs.join(", ")
            )));
        };
        let mut accumulators = false;
        let (value, functions) = match self.known.get(output).cloned() {
            Some(Known::Integer(value)) => (value, Vec::new()),
            Some(Known::Real(real)) if real.direct => (real.value, Vec::new()),
            Some(Known::Real(real)) if real.table.is_monotonic(real.value.element) => {
                let last =
                    self.graph.node.iter().rev().find(|n| n.output.iter().any(|o| o == output));
                (real.value, last.map(|node| node.op_type.clone()).into_iter().collect())
            }
            Some(Known::End(value, functions)) => (value, functions),
            Some(Known::Pending(pending)) => {
                accumulators = true;
                (self.accumulated(&pending)?, Vec::new())
            }
            Some(Known::Real(_)) => {
                return Err(ReadError::Graph(format!(
                    "output '{output}' is a float function of integers that changes their order; \
                     quantize it"
                )));
            }
            Some(Known::Constant(_) | Known::Input(_)) => {
                return Err(ReadError::Graph(format!(
                    "output '{output}' does not depend on what is computed from the input"
                )));
            }
            None => {
                return Err(ReadError::Graph(format!("output '{output}' is computed by no node")));
            }
        };
        let id = value.view.value;
        if self.layers.is_empty() || id != self.layers.len() {
            return Err(ReadError::Graph(format!(
                "output '{output}' is not what the last layer computes; a network without unused \
                 nodes is imported"
            )));
        }
        if value.view.order().iter().enumerate().any(|(at, &place)| at != place) {
            return Err(ReadError::Graph(format!(
                "output '{output}' has its elements in another order than the last layer; let the \
                 network end in a vector"
            )));
        }
        let Some(input_format) = self.format else {
            return Err(ReadError::Graph("the input is not quantized".into()));
        };
        let mut network = QuantizedNetwork { input: self.shape, input_format, layers: self.layers };
        network.name_layers();
        let tensor = if accumulators { output.to_string() } else { self.names.remove(id) };
        Ok((network, Ending { tensor, functions, accumulators }))
    }

    /// The last layer of a network that ends in floats: its accumulators are what the device returns.
    fn accumulated(&mut self, pending: &Pending) -> Result<Value, ReadError> {
        let wrong = |what: &str| ReadError::Node {
            node: pending.node.clone(),
            op: pending.op.clone(),
            what: what.into(),
        };
        let Operation::Linear(linear) = &pending.operation else {
            return Err(wrong("gives the network's output without a QuantizeLinear behind it"));
        };
        if pending.bounds != [f32::NEG_INFINITY, f32::INFINITY] {
            return Err(wrong("has a bounded output that is not quantized; quantize it"));
        }
        let (op, scale) = linear.accumulated().map_err(|what| wrong(&what))?;
        let proto = pb::NodeProto { name: pending.node.clone(), ..Default::default() };
        let node = Cursor { proto: &proto };
        let of = (Affine { scale, zero: 0 }, ValueType::I32, pending.view.clone());
        self.push(&node, op, pending.inputs.clone(), pending.shape, of)
    }
}

impl Pending {
    /// Why a node cannot read this.
    fn in_floats(&self, node: &Cursor) -> ReadError {
        node.wrong(format!(
            "reads the floats of '{}' ({}), which ONNX Runtime computes in floats then; quantize what \
             it gives",
            self.node, self.op
        ))
    }
}

fn unsupported(node: &Cursor, op: String) -> ReadError {
    let hint = format!("already quantized: supported are {SUPPORTED}");
    ReadError::Operator { node: node_name(node.proto).into(), op, hint }
}
