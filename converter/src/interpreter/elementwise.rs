//! Operators that treat every element alone, with ONNX's broadcasting.

use crate::pb::tensor_proto::DataType;

use super::{Call, Tensor, Values, broadcast, broadcast_strides, places};

/// The function of an operator with one input and no choice but its attributes.
pub(super) fn unary_of(op: &str) -> Option<fn(&Call, f32) -> f32> {
    Some(match op {
        "Abs" => |_, x| x.abs(),
        "Ceil" => |_, x| x.ceil(),
        "Elu" => |call, x| match x < 0.0 {
            true => call.attributes.float("alpha", 1.0) * x.exp_m1(),
            false => x,
        },
        "Erf" => |_, x| libm::erff(x),
        "Exp" => |_, x| x.exp(),
        "Floor" => |_, x| x.floor(),
        "Gelu" => |call, x| {
            let x64 = f64::from(x);
            let gelu = match call.attributes.string("approximate", "none").as_str() {
                "tanh" => {
                    let inner = 0.797_884_560_802_865_4 * (x64 + 0.044_715 * x64.powi(3));
                    0.5 * x64 * (1.0 + inner.tanh())
                }
                _ => 0.5 * x64 * (1.0 + libm::erf(x64 * std::f64::consts::FRAC_1_SQRT_2)),
            };
            gelu as f32
        },
        "HardSigmoid" => |call, x| {
            let (alpha, beta) =
                (call.attributes.float("alpha", 0.2), call.attributes.float("beta", 0.5));
            (alpha * x + beta).clamp(0.0, 1.0)
        },
        "HardSwish" => |_, x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
        "LeakyRelu" => |call, x| match x < 0.0 {
            true => call.attributes.float("alpha", 0.01) * x,
            false => x,
        },
        "Log" => |_, x| x.ln(),
        "Mish" => |_, x| x * softplus(x).tanh(),
        "Neg" => |_, x| -x,
        "Reciprocal" => |_, x| 1.0 / x,
        "Relu" => |_, x| x.max(0.0),
        "Round" => |_, x| x.round_ties_even(),
        "Selu" => |call, x| {
            let alpha = call.attributes.float("alpha", 1.673_263_2);
            let gamma = call.attributes.float("gamma", 1.050_701);
            gamma * if x > 0.0 { x } else { alpha * x.exp_m1() }
        },
        "Sigmoid" => |_, x| sigmoid(x),
        "Softplus" => |_, x| softplus(x),
        "Softsign" => |_, x| x / (1.0 + x.abs()),
        "Sqrt" => |_, x| x.sqrt(),
        "Swish" => |_, x| x * sigmoid(x),
        "Tanh" => |_, x| x.tanh(),
        _ => return None,
    })
}

fn sigmoid(x: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(x)).exp())) as f32
}

fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

pub(super) fn unary(call: &Call) -> Result<Tensor, String> {
    let x = call.input(0)?;
    let apply = unary_of(call.op()).ok_or("is not computed here")?;
    match &x.values {
        Values::Float(values) => {
            Ok(Tensor::floats(x.dims.clone(), values.iter().map(|&x| apply(call, x)).collect()))
        }
        // Of integers only what stays exact.
        Values::Int(values) => {
            let of = |value: i64| match call.op() {
                "Abs" => value.checked_abs(),
                "Neg" => value.checked_neg(),
                "Relu" => Some(value.max(0)),
                "Floor" | "Ceil" | "Round" => Some(value),
                _ => None,
            };
            let values = values.iter().map(|&value| of(value)).collect::<Option<_>>();
            let values = Values::Int(values.ok_or("of integers is not computed here")?);
            Ok(Tensor { values, ..x.clone() })
        }
    }
}

/// Add, Sub, Mul, Div, Pow and Mod of two tensors of one element type.
pub(super) fn binary(call: &Call) -> Result<Tensor, String> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    let op = call.op();
    let fmod = call.attributes.int("fmod", 0) != 0;
    let floats = |a: f32, b: f32| match op {
        "Add" => a + b,
        "Sub" => a - b,
        "Mul" => a * b,
        "Div" => a / b,
        "Mod" if fmod => a % b,
        "Mod" => a - b * (a / b).floor(),
        _ => a.powf(b),
    };
    let ints = |a: i64, b: i64| match op {
        "Add" => a.checked_add(b),
        "Sub" => a.checked_sub(b),
        "Mul" => a.checked_mul(b),
        "Div" => a.checked_div(b),
        "Mod" if fmod => a.checked_rem(b),
        "Mod" => a
            .checked_rem(b)
            .map(|rest| if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }),
        _ => a.checked_pow(u32::try_from(b).ok()?),
    };
    // The exponent may have another type.
    if let (Values::Float(_), Values::Int(exponents), "Pow") = (&a.values, &b.values, op) {
        let exponents = exponents.iter().map(|&x| x as f32).collect();
        return join(a, &Tensor::floats(b.dims.clone(), exponents), floats, ints);
    }
    join(a, b, floats, ints)
}

/// Sum, Mean, Max and Min of any number of tensors.
pub(super) fn variadic(call: &Call) -> Result<Tensor, String> {
    let op = call.op();
    let mut all = (0..call.inputs.len()).map(|index| call.input(index));
    let mut y = all.next().ok_or("has no input")??.clone();
    for x in all {
        let floats = |a: f32, b: f32| match op {
            "Max" => a.max(b),
            "Min" => a.min(b),
            _ => a + b,
        };
        let ints = |a: i64, b: i64| match op {
            "Max" => Some(a.max(b)),
            "Min" => Some(a.min(b)),
            _ => a.checked_add(b),
        };
        y = join(&y, x?, floats, ints)?;
    }
    if op == "Mean" {
        let count = call.inputs.len() as f32;
        let values = y.as_floats()?.iter().map(|x| x / count).collect();
        return Ok(Tensor::floats(y.dims, values));
    }
    Ok(y)
}

/// Comparisons and logic, which give booleans.
pub(super) fn compare(call: &Call) -> Result<Tensor, String> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    let op = call.op();
    let of = |order: Option<std::cmp::Ordering>| {
        order.is_some_and(|order| match op {
            "Equal" => order.is_eq(),
            "Less" => order.is_lt(),
            "LessOrEqual" => order.is_le(),
            "Greater" => order.is_gt(),
            _ => order.is_ge(),
        })
    };
    let ints = |a: i64, b: i64| {
        Some(i64::from(match op {
            "And" => a != 0 && b != 0,
            "Or" => a != 0 || b != 0,
            _ => of(Some(a.cmp(&b))),
        }))
    };
    let floats = |a: f32, b: f32| f32::from(u8::from(of(a.partial_cmp(&b))));
    let result = join(a, b, floats, ints)?;
    let truths = match &result.values {
        Values::Float(values) => values.iter().map(|&x| x != 0.0).collect(),
        Values::Int(values) => values.iter().map(|&x| x != 0).collect(),
    };
    Ok(Tensor::bools(result.dims, truths))
}

/// `Where(condition, a, b)`.
pub(super) fn select(call: &Call) -> Result<Tensor, String> {
    let (condition, a, b) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let dims = broadcast(&broadcast(&condition.dims, &a.dims)?, &b.dims)?;
    let chosen = condition.as_ints()?;
    let spread =
        |x: &Tensor| x.gathered(dims.clone(), places(&dims, &broadcast_strides(&x.dims, &dims)));
    let at = places(&dims, &broadcast_strides(&condition.dims, &dims));
    let (a, b) = (spread(a), spread(b));
    let values = match (&a.values, &b.values) {
        (Values::Float(a), Values::Float(b)) => Values::Float(
            at.enumerate().map(|(i, at)| if chosen[at] != 0 { a[i] } else { b[i] }).collect(),
        ),
        (Values::Int(a), Values::Int(b)) => Values::Int(
            at.enumerate().map(|(i, at)| if chosen[at] != 0 { a[i] } else { b[i] }).collect(),
        ),
        _ => return Err("chooses between floats and integers".into()),
    };
    Ok(Tensor { dims, element: a.element, values })
}

/// The tensor that two broadcast to, element by element.
fn join(
    a: &Tensor,
    b: &Tensor,
    floats: impl Fn(f32, f32) -> f32,
    ints: impl Fn(i64, i64) -> Option<i64>,
) -> Result<Tensor, String> {
    if a.element != b.element {
        let (a, b) = (a.element.as_str_name(), b.element.as_str_name());
        return Err(format!("joins {a} and {b}"));
    }
    let dims = broadcast(&a.dims, &b.dims)?;
    let at = places(&dims, &broadcast_strides(&a.dims, &dims))
        .zip(places(&dims, &broadcast_strides(&b.dims, &dims)));
    let values = match (&a.values, &b.values) {
        (Values::Float(a), Values::Float(b)) => {
            Values::Float(at.map(|(i, j)| floats(a[i], b[j])).collect())
        }
        (Values::Int(x), Values::Int(y)) => {
            let values = at.map(|(i, j)| ints(x[i], y[j])).collect::<Option<Vec<i64>>>();
            let values = values.ok_or("of these integers overflows")?;
            if values.iter().any(|&value| !holds(a.element, value)) {
                return Err(format!("overflows {}", a.element.as_str_name()));
            }
            Values::Int(values)
        }
        _ => return Err("joins floats and integers".into()),
    };
    Ok(Tensor { dims, element: a.element, values })
}

/// Whether an element type has this value.
fn holds(element: DataType, value: i64) -> bool {
    match element {
        DataType::Uint8 => u8::try_from(value).is_ok(),
        DataType::Int8 => i8::try_from(value).is_ok(),
        DataType::Uint16 => u16::try_from(value).is_ok(),
        DataType::Int16 => i16::try_from(value).is_ok(),
        DataType::Int32 => i32::try_from(value).is_ok(),
        DataType::Uint32 => u32::try_from(value).is_ok(),
        DataType::Bool => value == 0 || value == 1,
        _ => true,
    }
}

/// A cast; floats become integers by dropping their fraction.
pub(super) fn cast(call: &Call) -> Result<Tensor, String> {
    let x = call.input(0)?;
    let to = i32::try_from(call.attributes.int("to", 0)).unwrap_or(0);
    let to = DataType::try_from(to).map_err(|_| format!("to an unknown type {to}"))?;
    let values = match to {
        DataType::Float | DataType::Float16 | DataType::Bfloat16 | DataType::Double => {
            return Ok(Tensor::floats(
                x.dims.clone(),
                match &x.values {
                    Values::Float(values) => values.clone(),
                    Values::Int(values) => values.iter().map(|&value| value as f32).collect(),
                },
            ));
        }
        DataType::Bool => match &x.values {
            Values::Float(values) => values.iter().map(|&x| i64::from(x != 0.0)).collect(),
            Values::Int(values) => values.iter().map(|&x| i64::from(x != 0)).collect(),
        },
        DataType::String | DataType::Undefined => return Err(format!("to {}", to.as_str_name())),
        _ => match &x.values {
            Values::Float(values) => values.iter().map(|&x| x.trunc() as i64).collect(),
            Values::Int(values) => values.clone(),
        },
    };
    let values: Vec<i64> = values;
    if values.iter().any(|&value| !holds(to, value)) {
        return Err(format!("to {} of a value that it does not hold", to.as_str_name()));
    }
    Ok(Tensor { dims: x.dims.clone(), element: to, values: Values::Int(values) })
}

/// Bounds are attributes before operator set 11, then inputs.
pub(super) fn clip(call: &Call) -> Result<Tensor, String> {
    let x = call.input(0)?;
    let bound = |name: &str, index: usize, default: f32| -> Result<f32, String> {
        match call.optional(index) {
            None => Ok(call.attributes.float(name, default)),
            Some(bound) => match bound.as_floats()? {
                &[bound] => Ok(bound),
                other => Err(format!("a bound of {} elements", other.len())),
            },
        }
    };
    let (low, high) = (bound("min", 1, f32::MIN)?, bound("max", 2, f32::MAX)?);
    let values = x.as_floats()?.iter().map(|x| x.max(low).min(high)).collect();
    Ok(Tensor::floats(x.dims.clone(), values))
}

pub(super) fn prelu(call: &Call) -> Result<Tensor, String> {
    let (x, slope) = (call.input(0)?, call.input(1)?);
    join(x, slope, |x, slope| if x < 0.0 { x * slope } else { x }, |_, _| None)
}

pub(super) fn identity(call: &Call) -> Result<Tensor, String> {
    Ok(call.input(0)?.clone())
}

/// Dropout at inference.
pub(super) fn dropout(call: &Call) -> Result<Tensor, String> {
    match call.optional(2).map(Tensor::as_ints).transpose()? {
        Some(&[training, ..]) if training != 0 => Err("is in training mode".into()),
        _ => identity(call),
    }
}
