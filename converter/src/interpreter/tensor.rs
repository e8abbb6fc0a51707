//! Tensors of a file: row-major elements under dimensions of any rank.

use crate::pb;
use crate::pb::tensor_proto::DataType;

use crate::limits::{ELEMENTS, elements};

/// Elements, row-major. All floats are f32 here, all integers i64; a BOOL is 0 or 1.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    Float(Vec<f32>),
    Int(Vec<i64>),
}

/// A tensor with the element type that the file gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub dims: Vec<usize>,
    pub element: DataType,
    pub values: Values,
}

impl Tensor {
    pub fn floats(dims: Vec<usize>, values: Vec<f32>) -> Self {
        Self { dims, element: DataType::Float, values: Values::Float(values) }
    }

    pub fn ints(dims: Vec<usize>, values: Vec<i64>) -> Self {
        Self { dims, element: DataType::Int64, values: Values::Int(values) }
    }

    pub fn bools(dims: Vec<usize>, values: Vec<bool>) -> Self {
        let values = values.into_iter().map(i64::from).collect();
        Self { dims, element: DataType::Bool, values: Values::Int(values) }
    }

    pub fn len(&self) -> usize {
        match &self.values {
            Values::Float(values) => values.len(),
            Values::Int(values) => values.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements as floats.
    pub fn as_floats(&self) -> Result<&[f32], String> {
        match &self.values {
            Values::Float(values) => Ok(values),
            Values::Int(_) => Err(format!("expected floats, found {}", self.element.as_str_name())),
        }
    }

    /// The elements as integers.
    pub fn as_ints(&self) -> Result<&[i64], String> {
        match &self.values {
            Values::Int(values) => Ok(values),
            Values::Float(_) => Err("expected integers, found floats".into()),
        }
    }

    /// The elements that `places` names, in its order, under other dimensions.
    pub fn gathered(&self, dims: Vec<usize>, places: impl Iterator<Item = usize>) -> Self {
        let values = match &self.values {
            Values::Float(values) => Values::Float(places.map(|at| values[at]).collect()),
            Values::Int(values) => Values::Int(places.map(|at| values[at]).collect()),
        };
        Self { dims, element: self.element, values }
    }

    /// The same elements under other dimensions.
    pub fn reshaped(&self, dims: Vec<usize>) -> Result<Self, String> {
        match elements(&dims)? == self.len() {
            true => Ok(Self { dims, ..self.clone() }),
            false => Err(format!("{dims:?} does not hold the {} elements", self.len())),
        }
    }

    /// Reads a tensor whose elements lie in the file itself.
    ///
    /// # Errors
    ///
    /// Dimensions that do not fit the elements or pass [`ELEMENTS`]; element types that no
    /// operator here computes with.
    pub fn from_proto(proto: &pb::TensorProto) -> Result<Self, String> {
        if !proto.external_data.is_empty() {
            return Err("its elements are in another file (external data), which lies not beside \
                        this one; export the model as one file (external_data=False)"
                .into());
        }
        let dims: Vec<usize> = proto
            .dims
            .iter()
            .map(|&dim| usize::try_from(dim).map_err(|_| format!("dimension {dim} is negative")))
            .collect::<Result<_, _>>()?;
        let count = elements(&dims)?;
        let element = DataType::try_from(proto.data_type)
            .map_err(|_| format!("unknown element type {}", proto.data_type))?;
        let values = match proto.raw_data.is_empty() {
            false => raw(element, &proto.raw_data),
            true => typed(element, proto),
        };
        let values = values.ok_or_else(|| {
            format!("elements of the type {} are not supported", element.as_str_name())
        })?;
        let element = match element {
            DataType::Float16 | DataType::Bfloat16 | DataType::Double => DataType::Float,
            other => other,
        };
        let tensor = Self { dims, element, values };
        if tensor.len() != count {
            let dims = &tensor.dims;
            return Err(format!("shape {dims:?} needs {count} elements, found {}", tensor.len()));
        }
        Ok(tensor)
    }

    /// A tensor of the file with these elements.
    pub fn to_proto(&self, name: &str) -> pb::TensorProto {
        let mut proto = pb::TensorProto {
            name: name.to_string(),
            dims: self.dims.iter().map(|&dim| dim as i64).collect(),
            data_type: self.element as i32,
            ..Default::default()
        };
        match &self.values {
            Values::Float(values) => {
                proto.raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            }
            Values::Int(values) if self.element == DataType::Int64 => {
                proto.raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            }
            Values::Int(values) => {
                proto.int32_data = values.iter().map(|&value| value as i32).collect();
            }
        }
        proto
    }
}

/// Row-major strides of dimensions.
pub fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis];
    }
    strides
}

/// For each element of `dims`, in order, where it lies under `strides` (one for each dimension).
pub fn places(dims: &[usize], strides: &[usize]) -> impl Iterator<Item = usize> + use<> {
    let (dims, strides) = (dims.to_vec(), strides.to_vec());
    let count: usize = dims.iter().product();
    let mut index = vec![0; dims.len()];
    let mut at = 0;
    (0..count).map(move |_| {
        let here = at;
        for axis in (0..dims.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < dims[axis] {
                break;
            }
            at -= strides[axis] * dims[axis];
            index[axis] = 0;
        }
        here
    })
}

/// The dimensions that `a` and `b` broadcast to.
pub fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let at = |dims: &[usize], axis: usize| {
        (axis + dims.len()).checked_sub(rank).map_or(1, |axis| dims[axis])
    };
    let dims: Vec<usize> = (0..rank)
        .map(|axis| match (at(a, axis), at(b, axis)) {
            (x, y) if x == y => Ok(x),
            (1, other) | (other, 1) => Ok(other),
            _ => Err(format!("the shapes {a:?} and {b:?} do not broadcast")),
        })
        .collect::<Result<_, _>>()?;
    elements(&dims)?;
    Ok(dims)
}

/// Strides under which a tensor of the dimensions `from` is read as one of `to`.
pub fn broadcast_strides(from: &[usize], to: &[usize]) -> Vec<usize> {
    let own = strides(from);
    (0..to.len())
        .map(|axis| match (axis + from.len()).checked_sub(to.len()) {
            Some(axis) if from[axis] != 1 => own[axis],
            _ => 0,
        })
        .collect()
}

/// An axis that may count from the end.
pub fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let positive = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    match usize::try_from(positive) {
        Ok(positive) if positive < rank => Ok(positive),
        _ => Err(format!("axis {axis} of a value with {rank} dimensions")),
    }
}

fn raw(element: DataType, raw: &[u8]) -> Option<Values> {
    if raw.len() > ELEMENTS * 8 {
        return None;
    }
    let ints = |values: Vec<i64>| Some(Values::Int(values));
    let floats = |values: Vec<f32>| Some(Values::Float(values));
    match element {
        DataType::Float => floats(words(raw).map(f32::from_le_bytes).collect()),
        DataType::Double => floats(words(raw).map(|w| f64::from_le_bytes(w) as f32).collect()),
        DataType::Float16 => floats(words(raw).map(|w| half(u16::from_le_bytes(w))).collect()),
        DataType::Bfloat16 => floats(words(raw).map(|w| brain(u16::from_le_bytes(w))).collect()),
        DataType::Int64 | DataType::Uint64 => ints(words(raw).map(i64::from_le_bytes).collect()),
        DataType::Int32 => ints(words(raw).map(|w| i32::from_le_bytes(w).into()).collect()),
        DataType::Uint32 => ints(words(raw).map(|w| u32::from_le_bytes(w).into()).collect()),
        DataType::Int16 => ints(words(raw).map(|w| i16::from_le_bytes(w).into()).collect()),
        DataType::Uint16 => ints(words(raw).map(|w| u16::from_le_bytes(w).into()).collect()),
        DataType::Int8 => ints(raw.iter().map(|&byte| (byte as i8).into()).collect()),
        DataType::Uint8 => ints(raw.iter().map(|&byte| byte.into()).collect()),
        DataType::Bool => ints(raw.iter().map(|&byte| (byte != 0).into()).collect()),
        _ => None,
    }
}

fn typed(element: DataType, proto: &pb::TensorProto) -> Option<Values> {
    let int32 = || proto.int32_data.iter();
    match element {
        DataType::Float => Some(Values::Float(proto.float_data.clone())),
        DataType::Double => {
            Some(Values::Float(proto.double_data.iter().map(|&x| x as f32).collect()))
        }
        DataType::Float16 => Some(Values::Float(int32().map(|&x| half(x as u16)).collect())),
        DataType::Bfloat16 => Some(Values::Float(int32().map(|&x| brain(x as u16)).collect())),
        DataType::Int64 => Some(Values::Int(proto.int64_data.clone())),
        DataType::Uint32 | DataType::Uint64 => {
            Some(Values::Int(proto.uint64_data.iter().map(|&x| x as i64).collect()))
        }
        DataType::Bool => Some(Values::Int(int32().map(|&x| (x != 0).into()).collect())),
        DataType::Int32 | DataType::Int16 | DataType::Uint16 | DataType::Int8 | DataType::Uint8 => {
            Some(Values::Int(int32().map(|&x| x.into()).collect()))
        }
        _ => None,
    }
}

/// IEEE half precision: 1 sign, 5 exponent and 10 mantissa bits.
pub(crate) fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, mantissa) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    sign * match exponent {
        0 => mantissa * 2_f32.powi(-24),
        31 if mantissa == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        exponent => (1024.0 + mantissa) * 2_f32.powi(exponent - 25),
    }
}

/// bfloat16: the upper half of an f32.
fn brain(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The little-endian words of raw tensor data; bytes left over show up as a wrong count.
fn words<const BYTES: usize>(raw: &[u8]) -> impl Iterator<Item = [u8; BYTES]> + '_ {
    raw.chunks(BYTES).map(|chunk| {
        let mut word = [0; BYTES];
        word[..chunk.len()].copy_from_slice(chunk);
        word
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_exact() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:04x}");
        }
        assert!(half(0x7e00).is_nan());
        assert_eq!(brain(0xbf80), -1.0);
    }

    #[test]
    fn a_transposed_reading_goes_down_the_columns() {
        assert_eq!(places(&[3, 2], &[1, 3]).collect::<Vec<_>>(), [0, 3, 1, 4, 2, 5]);
        assert_eq!(places(&[], &[]).collect::<Vec<_>>(), [0]);
        assert_eq!(places(&[2, 0], &[0, 1]).count(), 0);
    }

    #[test]
    fn dimensions_that_lie_are_refused_before_anything_is_allocated() {
        let proto = |dims: &[i64]| pb::TensorProto {
            dims: dims.to_vec(),
            data_type: DataType::Float as i32,
            ..Default::default()
        };
        for dims in [&[1 << 40][..], &[1 << 32, 1 << 32], &[-1], &[2]] {
            assert!(Tensor::from_proto(&proto(dims)).is_err(), "{dims:?}");
        }
    }
}
