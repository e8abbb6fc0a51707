//! A small builder for ONNX models.
//!
//! Both graphs that Inkling writes come from here: the trainer's float graphs and the converter's
//! `int8.onnx`. The same calls give the same bytes: nothing depends on time, on the machine or on
//! the order of a hash map.

use crate::pb;
use crate::pb::tensor_proto::DataType;
use prost::Message;

/// Version of the ONNX intermediate representation written into every model.
///
/// 8 belongs to opset 17 and is read by every runtime released since 2022.
const IR_VERSION: i64 = 8;

/// The operator set that models are written against unless asked otherwise.
pub const DEFAULT_OPSET: i64 = 17;

/// One dimension of a graph input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    Fixed(usize),
    /// A dimension that the caller chooses at run time, such as the batch.
    Symbol(&'static str),
}

impl From<usize> for Dim {
    fn from(size: usize) -> Self {
        Dim::Fixed(size)
    }
}

/// The element types that Inkling's graphs use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    F32,
    U8,
    I8,
    I32,
    I64,
    Bool,
}

impl ElementType {
    /// The number that ONNX gives the type.
    pub fn proto(self) -> i32 {
        let data_type = match self {
            ElementType::F32 => DataType::Float,
            ElementType::U8 => DataType::Uint8,
            ElementType::I8 => DataType::Int8,
            ElementType::I32 => DataType::Int32,
            ElementType::I64 => DataType::Int64,
            ElementType::Bool => DataType::Bool,
        };
        data_type as i32
    }
}

/// A Rust scalar that can be an element of an ONNX tensor.
pub trait Element: Copy {
    const TYPE: ElementType;
    fn append_to(self, raw: &mut Vec<u8>);
}

macro_rules! element {
    ($($scalar:ty => $variant:ident),*) => {$(
        impl Element for $scalar {
            const TYPE: ElementType = ElementType::$variant;
            fn append_to(self, raw: &mut Vec<u8>) {
                raw.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}
element!(f32 => F32, u8 => U8, i8 => I8, i32 => I32, i64 => I64);

/// The value of a node's attribute.
#[derive(Clone, Debug)]
pub enum Attribute {
    Int(i64),
    Ints(Vec<i64>),
    Float(f32),
    String(String),
}

/// Builds one model; finish with [`ModelBuilder::finish`].
///
/// Nodes must be added in an order in which every input is already known: ONNX asks for a
/// topological order, and the builder keeps the order of the calls.
pub struct ModelBuilder {
    graph: pb::GraphProto,
    opset: i64,
    fresh: usize,
    metadata: Vec<pb::StringStringEntryProto>,
}

impl ModelBuilder {
    pub fn new(graph_name: &str) -> Self {
        Self {
            graph: pb::GraphProto { name: graph_name.to_string(), ..Default::default() },
            opset: DEFAULT_OPSET,
            fresh: 0,
            metadata: Vec::new(),
        }
    }

    /// Adds an entry to the model's metadata, where readers of the file find what the graph itself
    /// does not say.
    pub fn metadata(&mut self, key: &str, value: &str) {
        let entry = pb::StringStringEntryProto { key: key.to_string(), value: value.to_string() };
        self.metadata.push(entry);
    }

    /// Writes the model against another operator set.
    pub fn with_opset(mut self, opset: i64) -> Self {
        self.opset = opset;
        self
    }

    /// A value name that no other call of `fresh` on this builder returns.
    pub fn fresh(&mut self, stem: &str) -> String {
        self.fresh += 1;
        format!("{stem}_{}", self.fresh)
    }

    /// Declares a graph input and returns its name.
    pub fn input(&mut self, name: &str, element: ElementType, shape: &[Dim]) -> String {
        self.graph.input.push(value_info(name, element, shape));
        name.to_string()
    }

    /// Declares a value already computed as a graph output. Outputs keep the order of the calls.
    pub fn output(&mut self, name: &str, element: ElementType, shape: &[Dim]) {
        self.graph.output.push(value_info(name, element, shape));
    }

    /// Adds a constant tensor in row-major order and returns its name.
    ///
    /// # Panics
    ///
    /// If `values` does not have as many elements as `shape` says: a mistake of the caller, not
    /// of its input.
    pub fn initializer<T: Element>(&mut self, name: &str, shape: &[usize], values: &[T]) -> String {
        assert_eq!(values.len(), shape.iter().product::<usize>(), "initializer {name}");
        let mut raw = Vec::with_capacity(std::mem::size_of_val(values));
        values.iter().for_each(|value| value.append_to(&mut raw));
        self.graph.initializer.push(pb::TensorProto {
            name: name.to_string(),
            dims: shape.iter().map(|&d| d as i64).collect(),
            data_type: T::TYPE.proto(),
            raw_data: raw,
            ..Default::default()
        });
        name.to_string()
    }

    /// Adds a node with one output, named like the node, and returns that name.
    pub fn node(
        &mut self,
        op_type: &str,
        name: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) -> String {
        self.node_with_outputs(op_type, name, inputs, &[name], attributes);
        name.to_string()
    }

    /// Adds a node whose outputs are named by the caller.
    pub fn node_with_outputs(
        &mut self,
        op_type: &str,
        name: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) {
        self.graph.node.push(pb::NodeProto {
            op_type: op_type.to_string(),
            name: name.to_string(),
            input: inputs.iter().map(|s| s.to_string()).collect(),
            output: outputs.iter().map(|s| s.to_string()).collect(),
            attribute: attributes.iter().map(|(name, value)| attribute(name, value)).collect(),
            ..Default::default()
        });
    }

    /// The model as the bytes of an `.onnx` file.
    pub fn finish(self) -> Vec<u8> {
        pb::ModelProto {
            ir_version: IR_VERSION,
            producer_name: "inkling".to_string(),
            producer_version: env!("CARGO_PKG_VERSION").to_string(),
            opset_import: vec![pb::OperatorSetIdProto {
                domain: String::new(),
                version: self.opset,
            }],
            graph: Some(self.graph),
            metadata_props: self.metadata,
            ..Default::default()
        }
        .encode_to_vec()
    }
}

fn value_info(name: &str, element: ElementType, shape: &[Dim]) -> pb::ValueInfoProto {
    use pb::tensor_shape_proto::{Dimension, dimension};
    let dim = shape
        .iter()
        .map(|dim| Dimension {
            value: Some(match dim {
                Dim::Fixed(size) => dimension::Value::DimValue(*size as i64),
                Dim::Symbol(symbol) => dimension::Value::DimParam(symbol.to_string()),
            }),
            ..Default::default()
        })
        .collect();
    pb::ValueInfoProto {
        name: name.to_string(),
        r#type: Some(pb::TypeProto {
            value: Some(pb::type_proto::Value::TensorType(pb::type_proto::Tensor {
                elem_type: element.proto(),
                shape: Some(pb::TensorShapeProto { dim }),
            })),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn attribute(name: &str, value: &Attribute) -> pb::AttributeProto {
    use pb::attribute_proto::AttributeType;
    let mut proto = pb::AttributeProto { name: name.to_string(), ..Default::default() };
    let kind = match value {
        Attribute::Int(i) => {
            proto.i = *i;
            AttributeType::Int
        }
        Attribute::Ints(ints) => {
            proto.ints = ints.clone();
            AttributeType::Ints
        }
        Attribute::Float(f) => {
            proto.f = *f;
            AttributeType::Float
        }
        Attribute::String(s) => {
            proto.s = s.clone().into_bytes();
            AttributeType::String
        }
    };
    proto.r#type = kind as i32;
    proto
}
