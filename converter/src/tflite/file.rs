//! What a `.tflite` file (schema version 3) says: its tensors and operators, still by the file's
//! own numbers.

use super::TfliteError;
use super::builtin::Builtin;
use super::flatbuffer::{Damaged, Numbers, Table, Tables};
use crate::interpreter::half;

/// The schema's version, and the identifier of its files.
const SCHEMA: usize = 3;
const IDENTIFIER: &[u8; 4] = b"TFL3";

/// Dimensions of a tensor that this reader copes with: the schema sets no limit.
const MAX_RANK: usize = 6;

/// Elements of a tensor that a microcontroller could ever hold, with room to spare.
const MAX_ELEMENTS: usize = 1 << 24;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    F32,
    /// Half precision.
    F16,
    I32,
    I64,
    U8,
    I8,
    /// Two to a byte, the first in the low half.
    I4,
    /// Another one, by the schema's number.
    Other(u8),
}

impl Element {
    fn new(number: u8) -> Self {
        match number {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::I32,
            3 => Self::U8,
            4 => Self::I64,
            9 => Self::I8,
            17 => Self::I4,
            other => Self::Other(other),
        }
    }

    pub fn name(self) -> String {
        const NAMES: [&str; 18] = [
            "float32",
            "float16",
            "int32",
            "uint8",
            "int64",
            "string",
            "bool",
            "int16",
            "complex64",
            "int8",
            "float64",
            "complex128",
            "uint64",
            "resource",
            "variant",
            "uint32",
            "uint16",
            "int4",
        ];
        let number = match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::I32 => 2,
            Self::U8 => 3,
            Self::I64 => 4,
            Self::I8 => 9,
            Self::I4 => 17,
            Self::Other(number) => usize::from(number),
        };
        NAMES.get(number).map_or_else(|| format!("type {number}"), ToString::to_string)
    }
}

/// A scale and a zero point: the integer `q` stands for `(q − zero) · scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    pub scale: f32,
    pub zero: i32,
}

/// A tensor: a value of the network, or a constant.
#[derive(Clone, Debug)]
pub struct Tensor<'a> {
    pub name: &'a str,
    /// Outermost first; the batch is one of them.
    pub shape: Vec<usize>,
    pub element: Element,
    /// A constant's bytes, little-endian.
    pub data: Option<&'a [u8]>,
    scales: Numbers<'a, 4>,
    zeros: Numbers<'a, 8>,
    /// The dimension along which scales differ, where there are several.
    pub quantized_dimension: usize,
}

impl<'a> Tensor<'a> {
    fn new(table: &Table<'a>, buffers: &Tables<'a>) -> Result<Self, TfliteError> {
        let name = table.text(3)?;
        let dimensions = table.numbers::<4>(0)?;
        let wrong = |what: String| TfliteError::Tensor { name: name.into(), what };
        if dimensions.len() > MAX_RANK {
            return Err(wrong(format!(
                "{} dimensions are not supported; at most {MAX_RANK} are",
                dimensions.len()
            )));
        }
        let mut shape = Vec::new();
        let mut size = 1_usize;
        for dimension in dimensions.i32s() {
            let dimension =
                usize::try_from(dimension).ok().filter(|&d| d > 0).ok_or_else(|| {
                    wrong(format!("a dimension of {dimension}; convert with fixed shapes"))
                })?;
            size = size.saturating_mul(dimension);
            shape.push(dimension);
        }
        if size > MAX_ELEMENTS {
            return Err(wrong(format!(
                "its shape {shape:?} has more than {MAX_ELEMENTS} elements"
            )));
        }
        let buffer = match table.u32(2)? {
            // Buffer 0 is empty by convention: no data.
            0 => None,
            index => Some(buffers.get(index)?),
        };
        let data = match buffer {
            Some(buffer) if buffer.u64(1)? > 1 || buffer.u64(2)? > 1 => {
                return Err(wrong("its data lies outside of the FlatBuffer".into()));
            }
            Some(buffer) => Some(buffer.bytes(0)?).filter(|data| !data.is_empty()),
            None => None,
        };
        let quantization = table.table(4)?;
        let (scales, zeros, dimension) = match &quantization {
            Some(table) => (table.numbers(2)?, table.numbers(3)?, table.i32(6, 0)?),
            None => (Numbers::default(), Numbers::default(), 0),
        };
        if quantization.is_some_and(|table| table.u8(4).is_ok_and(|details| details != 0)) {
            return Err(wrong("custom quantization is not supported".into()));
        }
        if table.table(6)?.is_some() {
            return Err(wrong("it is sparse, which is not supported".into()));
        }
        Ok(Self {
            name,
            shape,
            element: Element::new(table.u8(1)?),
            data,
            scales,
            zeros,
            quantized_dimension: usize::try_from(dimension).unwrap_or(usize::MAX),
        })
    }

    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// How the error messages call it.
    pub fn error(&self, what: impl Into<String>) -> TfliteError {
        TfliteError::Tensor { name: self.name.into(), what: what.into() }
    }

    /// The scale and the zero point of the whole tensor.
    pub fn affine(&self) -> Result<Affine, TfliteError> {
        let range = match self.element {
            Element::I8 => -128..=127,
            Element::U8 => 0..=255,
            other => {
                return Err(self.error(format!(
                    "its elements are {}; only models whose values are all int8 are converted",
                    other.name()
                )));
            }
        };
        match &self.scales_and_zeros()?[..] {
            [(scale, zero)] if range.contains(zero) => Ok(Affine { scale: *scale, zero: *zero }),
            [(_, zero)] => {
                Err(self.error(format!("zero point {zero} is no {}", self.element.name())))
            }
            [] => Err(self.error("it has no scale; quantize the model to int8")),
            many => Err(self.error(format!("{} scales where one is expected", many.len()))),
        }
    }

    /// The scale of each of `channels` channels along `dimension`: several, or one for all.
    pub fn channel_scales(
        &self,
        channels: usize,
        dimension: usize,
    ) -> Result<Vec<f32>, TfliteError> {
        let all = self.scales_and_zeros()?;
        if let Some((_, zero)) = all.iter().find(|(_, zero)| *zero != 0) {
            return Err(self.error(format!("weights with zero point {zero}; 0 is expected")));
        }
        match all.len() {
            0 => Err(self.error("it has no scale; quantize the model to int8")),
            1 => Ok(vec![all[0].0]),
            len if len == channels && self.quantized_dimension == dimension => {
                Ok(all.into_iter().map(|(scale, _)| scale).collect())
            }
            len => Err(self.error(format!(
                "{len} scales along dimension {} do not fit {channels} output channels",
                self.quantized_dimension
            ))),
        }
    }

    fn scales_and_zeros(&self) -> Result<Vec<(f32, i32)>, TfliteError> {
        let (scales, zeros) = (self.scales.len(), self.zeros.len());
        // One for each element along a dimension at most: checked before anything is allocated.
        let most = self.shape.iter().copied().max().unwrap_or(1).max(1);
        if scales > most || (zeros != scales && zeros != 0) {
            return Err(self.error(format!("{scales} scales and {zeros} zero points do not fit")));
        }
        let zeros = self.zeros.i64s().chain(std::iter::repeat(0));
        self.scales
            .f32s()
            .zip(zeros)
            .map(|(scale, zero)| {
                if !(scale.is_normal() && scale > 0.0) {
                    return Err(self.error(format!("scale {scale} is no positive number")));
                }
                let zero = i32::try_from(zero)
                    .map_err(|_| self.error(format!("zero point {zero} is no int8")))?;
                Ok((scale, zero))
            })
            .collect()
    }

    /// A constant's bytes, of which there must be `bytes`.
    fn constant(&self, bytes: usize) -> Result<&'a [u8], TfliteError> {
        let data = self.data.ok_or_else(|| {
            self.error("a constant is expected here, but it is computed by the network")
        })?;
        if data.len() != bytes {
            return Err(self.error(format!(
                "its shape {:?} needs {bytes} bytes, but it has {}",
                self.shape,
                data.len()
            )));
        }
        Ok(data)
    }

    /// A constant's 8-bit elements; those of 4 bits are widened.
    pub fn i8s(&self) -> Result<Vec<i8>, TfliteError> {
        match self.element {
            Element::I8 => Ok(self.constant(self.size())?.iter().map(|&byte| byte as i8).collect()),
            Element::I4 => {
                let data = self.constant(self.size().div_ceil(2))?;
                let halves =
                    data.iter().flat_map(|&byte| [(byte << 4) as i8 >> 4, byte as i8 >> 4]);
                Ok(halves.take(self.size()).collect())
            }
            other => Err(self.error(format!("int8 or int4 expected, found {}", other.name()))),
        }
    }

    /// A constant's floats; those of half precision are widened.
    pub fn floats(&self) -> Result<Vec<f32>, TfliteError> {
        match self.element {
            Element::F32 => {
                let (words, _) = self.constant(4 * self.size())?.as_chunks();
                Ok(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
            }
            Element::F16 => {
                let (words, _) = self.constant(2 * self.size())?.as_chunks();
                Ok(words.iter().map(|word| half(u16::from_le_bytes(*word))).collect())
            }
            other => Err(self.error(format!("floats expected, found {}", other.name()))),
        }
    }

    /// A constant's 32-bit elements.
    pub fn i32s(&self) -> Result<Vec<i32>, TfliteError> {
        if self.element != Element::I32 {
            return Err(self.error(format!("int32 expected, found {}", self.element.name())));
        }
        let (words, _) = self.constant(4 * self.size())?.as_chunks();
        Ok(words.iter().map(|word| i32::from_le_bytes(*word)).collect())
    }
}

/// Operators of a network, and tensors that one reads: what nobody exceeds, so that a small file
/// cannot ask for much time.
const MAX_OPERATORS: usize = 2048;
const MAX_INPUTS: usize = 16;

/// What a fused activation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    None,
    Relu,
    ReluN1To1,
    Relu6,
}

/// An operator and its options, which each operator numbers by itself.
#[derive(Clone, Copy, Debug)]
pub struct Operator<'a> {
    /// Its place in the file, from 0.
    pub index: usize,
    pub builtin: Builtin,
    pub custom: &'a str,
    pub inputs: Numbers<'a, 4>,
    pub outputs: Numbers<'a, 4>,
    pub options: Option<Table<'a>>,
}

impl<'a> Operator<'a> {
    pub fn error(&self, what: impl Into<String>) -> TfliteError {
        TfliteError::Operator { index: self.index, op: self.builtin.name(), what: what.into() }
    }

    /// A byte of the options, 0 where there are none.
    pub fn option(&self, field: usize) -> Result<u8, Damaged> {
        self.options.map_or(Ok(0), |options| options.u8(field))
    }

    /// A number of the options that counts something: at least 1.
    pub fn count(&self, field: usize, default: i32, what: &str) -> Result<usize, TfliteError> {
        let value = self.options.map_or(Ok(default), |options| options.i32(field, default))?;
        let count = usize::try_from(value).ok().filter(|&count| count > 0);
        count.ok_or_else(|| self.error(format!("a {what} of {value}")))
    }

    /// The activation in field number `field` of the options.
    pub fn activation(&self, field: usize) -> Result<Activation, TfliteError> {
        match self.option(field)? {
            0 => Ok(Activation::None),
            1 => Ok(Activation::Relu),
            2 => Ok(Activation::ReluN1To1),
            3 => Ok(Activation::Relu6),
            other => Err(self.error(format!(
                "fused activation number {other} is not supported; NONE, RELU, RELU_N1_TO_1 and \
                 RELU6 are"
            ))),
        }
    }
}

/// A file with one network.
#[derive(Clone, Debug)]
pub struct File<'a> {
    pub tensors: Vec<Tensor<'a>>,
    pub operators: Vec<Operator<'a>>,
    pub inputs: Vec<usize>,
    pub outputs: Vec<usize>,
}

impl<'a> File<'a> {
    /// Reads the bytes of a `.tflite` file.
    ///
    /// # Errors
    ///
    /// What is damaged, or beyond what this reader copes with.
    pub fn read(bytes: &'a [u8]) -> Result<Self, TfliteError> {
        let model = Table::root(bytes, IDENTIFIER)?;
        let version = model.u32(0)?;
        if version != SCHEMA {
            return Err(TfliteError::Version { found: version });
        }
        let graphs = model.tables(2)?;
        if graphs.len() != 1 {
            return Err(TfliteError::Graph(format!(
                "{} subgraphs; one network without control flow is expected",
                graphs.len()
            )));
        }
        let (graph, codes, buffers) = (graphs.get(0)?, model.tables(1)?, model.tables(4)?);
        let tables = graph.tables(0)?;
        let tensors = (0..tables.len()).map(|index| Tensor::new(&tables.get(index)?, &buffers));
        let tensors: Vec<Tensor> = tensors.collect::<Result<_, TfliteError>>()?;
        let tables = graph.tables(3)?;
        if tables.len() > MAX_OPERATORS {
            return Err(TfliteError::Graph(format!(
                "{} operators; at most {MAX_OPERATORS} are supported",
                tables.len()
            )));
        }
        let operators = (0..tables.len())
            .map(|index| {
                let table = tables.get(index)?;
                let code = codes.get(table.u32(0)?)?;
                // Numbers beyond a byte came with a field of their own.
                let number = code.i32(3, 0)?.max(i32::from(code.u8(0)? as i8));
                let operator = Operator {
                    index,
                    builtin: Builtin(number),
                    custom: code.text(1)?,
                    inputs: table.numbers(1)?,
                    outputs: table.numbers(2)?,
                    options: table.table(4)?,
                };
                match operator.inputs.len() {
                    0..=MAX_INPUTS => Ok(operator),
                    inputs => Err(operator
                        .error(format!("{inputs} inputs; at most {MAX_INPUTS} are supported"))),
                }
            })
            .collect::<Result<_, TfliteError>>()?;
        let ends = |field| -> Result<Vec<usize>, TfliteError> {
            let numbers: Numbers<4> = graph.numbers(field)?;
            if numbers.len() > tensors.len() {
                return Err(Damaged.into());
            }
            let known = |&index: &usize| index < tensors.len();
            let indices = numbers.i32s().map(|index| usize::try_from(index).ok().filter(known));
            indices.collect::<Option<_>>().ok_or(Damaged.into())
        };
        let (inputs, outputs) = (ends(1)?, ends(2)?);
        Ok(Self { tensors, operators, inputs, outputs })
    }

    /// The only input of the network, which has an output.
    pub fn only_input(&self) -> Result<usize, TfliteError> {
        match (&self.inputs[..], self.outputs.len()) {
            (&[input], 1..) => Ok(input),
            (inputs, outputs) => Err(TfliteError::Graph(format!(
                "{} inputs and {outputs} outputs; networks with one input and one output or several are \
                 converted",
                inputs.len()
            ))),
        }
    }

    /// The number of the tensor that an operator reads; nothing where it may be left out and is.
    pub fn input_of(&self, operator: &Operator, number: usize) -> Result<Option<usize>, Damaged> {
        match operator.inputs.i32s().nth(number) {
            None | Some(-1) => Ok(None),
            Some(index) => {
                let index = usize::try_from(index).ok();
                index.filter(|&index| index < self.tensors.len()).map(Some).ok_or(Damaged)
            }
        }
    }

    /// The number of the tensor that is an operator's only result.
    pub fn output_of(&self, operator: &Operator) -> Result<usize, TfliteError> {
        let mut outputs = operator.outputs.i32s();
        match (outputs.next().map(usize::try_from), outputs.next()) {
            (Some(Ok(index)), None) if index < self.tensors.len() => Ok(index),
            (_, Some(_)) => Err(operator.error("it has several results")),
            _ => Err(TfliteError::Damaged),
        }
    }
}
