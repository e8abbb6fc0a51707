//! ReduceMean and its like, and ArgMax.

use super::{Call, Tensor, Values, axis, strides};

pub(super) fn reduce(call: &Call) -> Result<Tensor, String> {
    let x = call.input(0)?;
    let rank = x.dims.len();
    let axes: Vec<usize> = match call.ints("axes", 1)? {
        Some(axes) if !axes.is_empty() => {
            axes.iter().map(|&a| axis(a, rank)).collect::<Result<_, _>>()?
        }
        _ if call.attributes.int("noop_with_empty_axes", 0) != 0 => return Ok(x.clone()),
        _ => (0..rank).collect(),
    };
    let kept: Vec<usize> =
        (0..rank).map(|axis| if axes.contains(&axis) { 1 } else { x.dims[axis] }).collect();
    let (own, to) = (strides(&x.dims), strides(&kept));
    let count: usize = kept.iter().product();
    let target = |at: usize| -> usize {
        (0..rank)
            .filter(|axis| !axes.contains(axis))
            .map(|axis| at / own[axis] % x.dims[axis] * to[axis])
            .sum()
    };
    let op = call.op();
    let dims = match call.attributes.int("keepdims", 1) {
        0 => (0..rank).filter(|axis| !axes.contains(axis)).map(|axis| x.dims[axis]).collect(),
        _ => kept,
    };
    match &x.values {
        Values::Float(values) => {
            let start = match op {
                "ReduceMax" => f64::NEG_INFINITY,
                "ReduceMin" => f64::INFINITY,
                "ReduceProd" => 1.0,
                _ => 0.0,
            };
            let mut y = vec![start; count];
            for (at, &value) in values.iter().enumerate() {
                let (y, value) = (&mut y[target(at)], f64::from(value));
                *y = match op {
                    "ReduceMax" => y.max(value),
                    "ReduceMin" => y.min(value),
                    "ReduceProd" => *y * value,
                    _ => *y + value,
                };
            }
            let divisor = match op {
                "ReduceMean" => (values.len() / count.max(1)) as f64,
                _ => 1.0,
            };
            Ok(Tensor::floats(dims, y.iter().map(|y| (y / divisor) as f32).collect()))
        }
        Values::Int(values) => {
            let mut y: Vec<Option<i64>> = vec![None; count];
            for (at, &value) in values.iter().enumerate() {
                let y = &mut y[target(at)];
                let joined = match (op, *y) {
                    (_, None) => Some(value),
                    ("ReduceMax", Some(y)) => Some(y.max(value)),
                    ("ReduceMin", Some(y)) => Some(y.min(value)),
                    ("ReduceProd", Some(y)) => y.checked_mul(value),
                    ("ReduceSum", Some(y)) => y.checked_add(value),
                    _ => None,
                };
                *y = Some(joined.ok_or("of these integers is not computed here")?);
            }
            let y = y.into_iter().collect::<Option<Vec<_>>>().ok_or("reduces nothing")?;
            Ok(Tensor { dims, element: x.element, values: Values::Int(y) })
        }
    }
}

/// The index of the largest element along an axis, the first of equals.
pub(super) fn arg_max(call: &Call) -> Result<Tensor, String> {
    let x = call.input(0)?;
    let along = axis(call.attributes.int("axis", 0), x.dims.len())?;
    let last = call.attributes.int("select_last_index", 0) != 0;
    let (size, inner) = (x.dims[along], x.dims[along + 1..].iter().product::<usize>());
    let values = x.as_floats()?;
    let outer = values.len() / (size * inner).max(1);
    let mut y = Vec::with_capacity(outer * inner);
    for (o, i) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
        let mut best = 0;
        for k in 1..size {
            let at = |k: usize| values[(o * size + k) * inner + i];
            if at(k) > at(best) || (last && at(k) == at(best)) {
                best = k;
            }
        }
        y.push(best as i64);
    }
    let mut dims = x.dims.clone();
    match call.attributes.int("keepdims", 1) {
        0 => {
            dims.remove(along);
        }
        _ => dims[along] = 1,
    }
    Ok(Tensor::ints(dims, y))
}
