//! Constant tensors of a file: weights, and the integers of shape computations.

use crate::pb;
use crate::pb::tensor_proto::DataType;

use super::ReadError;

/// Elements of a constant tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    Float(Vec<f32>),
    Int(Vec<i64>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    pub name: String,
    pub dims: Vec<usize>,
    pub values: Values,
}

impl Constant {
    pub fn ints(name: &str, dims: Vec<usize>, values: Vec<i64>) -> Self {
        Self { name: name.to_string(), dims, values: Values::Int(values) }
    }

    /// The elements as f32; integers of a shape computation are an error.
    pub fn floats(&self) -> Result<&[f32], ReadError> {
        match &self.values {
            Values::Float(values) => Ok(values),
            Values::Int(_) => Err(self.wrong("expected floats, found integers")),
        }
    }

    pub fn as_ints(&self) -> Result<&[i64], ReadError> {
        match &self.values {
            Values::Int(values) => Ok(values),
            Values::Float(_) => Err(self.wrong("expected integers, found floats")),
        }
    }

    fn wrong(&self, what: &str) -> ReadError {
        ReadError::Tensor { name: self.name.clone(), what: what.into() }
    }

    /// Reads a tensor whose elements are in the file itself.
    pub fn from_proto(proto: &pb::TensorProto) -> Result<Self, ReadError> {
        let wrong = |what: String| ReadError::Tensor { name: proto.name.clone(), what };
        if !proto.external_data.is_empty() {
            return Err(wrong(
                "its elements are in another file (external data); export the model as one file"
                    .into(),
            ));
        }
        let dims: Vec<usize> = proto
            .dims
            .iter()
            .map(|&d| usize::try_from(d).map_err(|_| wrong(format!("dimension {d} is negative"))))
            .collect::<Result<_, _>>()?;
        let count = dims
            .iter()
            .try_fold(1_usize, |product, &dim| product.checked_mul(dim))
            .ok_or_else(|| wrong("its dimensions overflow".into()))?;

        let raw = &proto.raw_data;
        let values = match DataType::try_from(proto.data_type) {
            Ok(DataType::Float) if !raw.is_empty() => {
                Values::Float(words(raw).map(f32::from_le_bytes).collect())
            }
            Ok(DataType::Float) => Values::Float(proto.float_data.clone()),
            Ok(DataType::Double) if !raw.is_empty() => {
                Values::Float(words(raw).map(|word| f64::from_le_bytes(word) as f32).collect())
            }
            Ok(DataType::Double) => {
                Values::Float(proto.double_data.iter().map(|&value| value as f32).collect())
            }
            Ok(DataType::Int64) if !raw.is_empty() => {
                Values::Int(words(raw).map(i64::from_le_bytes).collect())
            }
            Ok(DataType::Int64) => Values::Int(proto.int64_data.clone()),
            Ok(DataType::Int32) if !raw.is_empty() => {
                Values::Int(words(raw).map(|word| i32::from_le_bytes(word).into()).collect())
            }
            Ok(DataType::Int32 | DataType::Bool) => {
                Values::Int(proto.int32_data.iter().map(|&value| value.into()).collect())
            }
            Ok(other) => {
                return Err(wrong(format!(
                    "element type {} is not supported; supported: float32, float64, int32, int64",
                    other.as_str_name()
                )));
            }
            Err(_) => return Err(wrong(format!("unknown element type {}", proto.data_type))),
        };
        let found = match &values {
            Values::Float(values) => values.len(),
            Values::Int(values) => values.len(),
        };
        if found != count {
            return Err(wrong(format!("shape {dims:?} needs {count} elements, found {found}")));
        }
        if let Values::Float(values) = &values
            && values.iter().any(|value| !value.is_finite())
        {
            return Err(wrong("holds an infinity or a NaN".into()));
        }
        Ok(Self { name: proto.name.clone(), dims, values })
    }
}

/// The little-endian words of raw tensor data; bytes left over show up as a wrong count.
fn words<const BYTES: usize>(raw: &[u8]) -> impl Iterator<Item = [u8; BYTES]> + '_ {
    raw.chunks(BYTES).map(|chunk| {
        let mut word = [0; BYTES];
        word[..chunk.len()].copy_from_slice(chunk);
        word
    })
}
