//! The attributes of ONNX operators: which there are, of which type, and how they are read.
//!
//! An attribute that is not listed here could mean anything, so a node that has one is refused.

use crate::pb::attribute_proto::AttributeType;
use crate::pb::{AttributeProto, NodeProto, TensorProto};

/// The attributes of each operator, in all operator sets that are read, with their types: `i`
/// an integer, `f` a float, `s` a string, `t` a tensor, in capitals a list of them.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("ArgMax", "axis:i keepdims:i select_last_index:i"),
    (
        "AveragePool",
        "auto_pad:s ceil_mode:i count_include_pad:i dilations:I kernel_shape:I pads:I strides:I",
    ),
    ("BatchNormalization", "epsilon:f momentum:f spatial:i training_mode:i"),
    ("Cast", "to:i saturate:i round_mode:s"),
    ("Clip", "min:f max:f"),
    ("Concat", "axis:i"),
    ("Constant", "value:t value_float:f value_floats:F value_int:i value_ints:I"),
    ("ConstantOfShape", "value:t"),
    ("Conv", "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I"),
    ("DepthToSpace", "blocksize:i mode:s"),
    ("DequantizeLinear", "axis:i block_size:i output_dtype:i"),
    ("Dropout", "ratio:f seed:i"),
    ("Elu", "alpha:f"),
    ("Flatten", "axis:i"),
    ("Gather", "axis:i"),
    ("Gelu", "approximate:s"),
    ("Gemm", "alpha:f beta:f transA:i transB:i"),
    ("HardSigmoid", "alpha:f beta:f"),
    ("LeakyRelu", "alpha:f"),
    ("LogSoftmax", "axis:i"),
    (
        "MaxPool",
        "auto_pad:s ceil_mode:i dilations:I kernel_shape:I pads:I storage_order:i strides:I",
    ),
    ("Mod", "fmod:i"),
    ("Pad", "mode:s pads:I value:f"),
    ("QuantizeLinear", "axis:i block_size:i output_dtype:i saturate:i precision:i"),
    ("ReduceMax", "axes:I keepdims:i noop_with_empty_axes:i"),
    ("ReduceMean", "axes:I keepdims:i noop_with_empty_axes:i"),
    ("ReduceMin", "axes:I keepdims:i noop_with_empty_axes:i"),
    ("ReduceProd", "axes:I keepdims:i noop_with_empty_axes:i"),
    ("ReduceSum", "axes:I keepdims:i noop_with_empty_axes:i"),
    ("Reshape", "allowzero:i"),
    (
        "Resize",
        "antialias:i axes:I coordinate_transformation_mode:s cubic_coeff_a:f exclude_outside:i \
         extrapolation_value:f keep_aspect_ratio_policy:s mode:s nearest_mode:s",
    ),
    ("Selu", "alpha:f gamma:f"),
    ("Shape", "start:i end:i"),
    ("Slice", "axes:I starts:I ends:I"),
    ("Softmax", "axis:i"),
    ("SpaceToDepth", "blocksize:i"),
    ("Split", "axis:i num_outputs:i split:I"),
    ("Squeeze", "axes:I"),
    ("Transpose", "perm:I"),
    ("Unsqueeze", "axes:I"),
    ("Upsample", "mode:s scales:F"),
];

/// Checks the names and types of a node's attributes.
///
/// # Errors
///
/// What is wrong with which attribute.
pub fn check(node: &NodeProto) -> Result<(), String> {
    let known = ATTRIBUTES.iter().find(|(op, _)| *op == node.op_type).map_or("", |(_, all)| all);
    let type_of = |name: &str| {
        known
            .split_whitespace()
            .filter_map(|entry| entry.split_once(':'))
            .find_map(|(known, kind)| (known == name).then_some(kind))
    };
    for (index, attribute) in node.attribute.iter().enumerate() {
        let name = &attribute.name;
        if node.attribute[..index].iter().any(|earlier| earlier.name == *name) {
            return Err(format!("has the attribute {name:?} twice"));
        }
        let Some(kind) = type_of(name) else {
            return Err(format!("has the attribute {name:?}, which is not known here"));
        };
        let expected = match kind {
            "i" => AttributeType::Int,
            "f" => AttributeType::Float,
            "s" => AttributeType::String,
            "t" => AttributeType::Tensor,
            "I" => AttributeType::Ints,
            _ => AttributeType::Floats,
        };
        // The first files named no types.
        if ![AttributeType::Undefined as i32, expected as i32].contains(&attribute.r#type) {
            return Err(format!("its attribute {name:?} is not of the type {expected:?}"));
        }
    }
    Ok(())
}

/// A node's attributes, with their defaults where they are read.
#[derive(Clone, Copy)]
pub struct Attributes<'a>(pub &'a NodeProto);

impl<'a> Attributes<'a> {
    pub fn get(self, name: &str) -> Option<&'a AttributeProto> {
        self.0.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub fn int(self, name: &str, default: i64) -> i64 {
        self.get(name).map_or(default, |attribute| attribute.i)
    }

    pub fn float(self, name: &str, default: f32) -> f32 {
        self.get(name).map_or(default, |attribute| attribute.f)
    }

    pub fn ints(self, name: &str) -> Option<&'a [i64]> {
        self.get(name).map(|attribute| &attribute.ints[..])
    }

    pub fn floats(self, name: &str) -> Option<&'a [f32]> {
        self.get(name).map(|attribute| &attribute.floats[..])
    }

    pub fn tensor(self, name: &str) -> Option<&'a TensorProto> {
        self.get(name).and_then(|attribute| attribute.t.as_ref())
    }

    /// A string; bytes that are not UTF-8 are shown as such.
    pub fn string(self, name: &str, default: &str) -> String {
        self.get(name)
            .map_or(default.into(), |attribute| String::from_utf8_lossy(&attribute.s).into_owned())
    }
}
