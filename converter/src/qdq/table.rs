//! Floats that are a function of one integer value: 256 of them.

use std::rc::Rc;

use super::functions;
use super::known::Affine;
use crate::interpreter::{self, Tensor};
use crate::pb;
use crate::quantized::ValueType;

/// By how much a function of ONNX Runtime may differ from ours: of its value, or of 1 where that is
/// more.
const UNCERTAIN: f64 = 6e-7;

/// The float for each byte that a value may have, in the bytes' order.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub floats: Rc<Vec<f32>>,
    /// Every float is the one that any `f32` arithmetic gives.
    exact: bool,
}

/// Operators of one value whose result any `f32` arithmetic agrees on, if their inputs are exact.
const EXACT: &[&str] =
    &["Relu", "Clip", "LeakyRelu", "Identity", "Dropout", "Abs", "Neg", "Min", "Max", "PRelu"];

/// Others that are computed element by element, beside functions of arithmetic.
const ELEMENTWISE: &[&str] = &[
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Pow",
    "Sigmoid",
    "Tanh",
    "HardSigmoid",
    "HardSwish",
    "Elu",
    "Selu",
    "Celu",
    "Gelu",
    "Erf",
    "Exp",
    "Log",
    "Sqrt",
    "Softplus",
    "Softsign",
    "Mish",
    "Swish",
    "ThresholdedRelu",
    "Reciprocal",
    "Floor",
    "Ceil",
    "Round",
    "Sin",
    "Cos",
    "Cast",
];

/// Whether an operator computes element by element.
pub(super) fn is_elementwise(op: &str) -> bool {
    EXACT.contains(&op) || ELEMENTWISE.contains(&op)
}

impl Table {
    /// What the integers of a value stand for.
    pub fn dequantized(affine: Affine, element: ValueType) -> Self {
        let float = |byte: u8| (element.of_byte(byte) - affine.zero) as f32 * affine.scale;
        Self { floats: Rc::new((0..=255).map(float).collect()), exact: true }
    }

    /// What a node makes of it; `inputs` are tables of one value and constants of one element.
    pub fn applied(
        node: &pb::NodeProto,
        opset: i64,
        inputs: &[Option<Input>],
    ) -> Result<Self, String> {
        let tensors: Vec<Option<Tensor>> =
            inputs.iter().map(|i| i.as_ref().map(Input::tensor)).collect();
        let results =
            interpreter::evaluate(node, opset, tensors.iter().map(Option::as_ref).collect())?;
        let result = results.first().ok_or("has no result")?;
        let floats = result.as_floats()?;
        if floats.len() != 256 {
            return Err("does not compute element by element".into());
        }
        let known = inputs.iter().flatten().all(|input| match input {
            Input::Table(table) => table.exact,
            Input::Constant(_) => true,
        });
        if let (Some(function), [Some(Input::Table(x))]) = (functions::known(&node.op_type), inputs)
        {
            let floats = x.floats.iter().map(|&x| function(x)).collect();
            return Ok(Self { floats: Rc::new(floats), exact: x.exact });
        }
        let exact = known && EXACT.contains(&node.op_type.as_str());
        Ok(Self { floats: Rc::new(floats.to_vec()), exact })
    }

    /// Whether a larger integer never has a smaller float, so that the largest of some floats is the
    /// one of the largest integer.
    pub fn is_monotonic(&self, element: ValueType) -> bool {
        let bytes = self.in_order(element);
        bytes.windows(2).all(|pair| pair[0] <= pair[1])
    }

    /// The floats from the least integer to the greatest.
    fn in_order(&self, element: ValueType) -> Vec<f32> {
        let (low, high) = element.range();
        (low..=high).map(|value| self.floats[usize::from(value as u8)]).collect()
    }

    /// The integers that QuantizeLinear makes of it.
    ///
    /// # Errors
    ///
    /// A float so close to the middle between two integers that ONNX Runtime may round it otherwise.
    pub fn quantized(&self, affine: Affine, element: ValueType) -> Result<Vec<i16>, String> {
        let (low, high) = element.range();
        let round = |x: f32| {
            let steps = (x / affine.scale).round_ties_even().clamp(-1e6, 1e6) as i32;
            (steps + affine.zero).clamp(low, high) as i16
        };
        let entry = |&x: &f32| {
            if x.is_nan() {
                return Err("gives no number for some values".to_string());
            }
            let far = UNCERTAIN * f64::from(x).abs().max(1.0);
            let near = [f64::from(x) - far, f64::from(x) + far].map(|x| round(x as f32));
            match self.exact || near[0] == near[1] {
                true => Ok(round(x)),
                false => Err(format!(
                    "gives {x:e}, so close to the middle between {} and {} that floats of another \
                     precision round it otherwise; calibrate with other images",
                    near[0], near[1]
                )),
            }
        };
        self.floats.iter().map(entry).collect()
    }
}

/// An input of a node that is computed element by element.
pub(super) enum Input {
    Table(Table),
    /// Of one element.
    Constant(Rc<Tensor>),
}

impl Input {
    fn tensor(&self) -> Tensor {
        match self {
            Self::Table(table) => Tensor::floats(vec![256], table.floats.to_vec()),
            Self::Constant(tensor) => Tensor { dims: Vec::new(), ..(**tensor).clone() },
        }
    }
}
