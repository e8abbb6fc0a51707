//! Operators on shapes, and those that only move elements.

use super::{Call, Tensor, Values, axis, broadcast, broadcast_strides, places, strides};
use crate::limits::elements;

pub(super) fn constant(call: &Call) -> Result<Tensor, String> {
    let attributes = call.attributes;
    if let Some(tensor) = attributes.tensor("value") {
        Tensor::from_proto(tensor)
    } else if let Some(value) = attributes.get("value_float") {
        Ok(Tensor::floats(vec![], vec![value.f]))
    } else if let Some(values) = attributes.floats("value_floats") {
        Ok(Tensor::floats(vec![values.len()], values.to_vec()))
    } else if let Some(value) = attributes.get("value_int") {
        Ok(Tensor::ints(vec![], vec![value.i]))
    } else if let Some(values) = attributes.ints("value_ints") {
        Ok(Tensor::ints(vec![values.len()], values.to_vec()))
    } else {
        Err("has none of value, value_float, value_floats, value_int, value_ints".into())
    }
}

/// Dimensions given as integers.
fn sizes(tensor: &Tensor) -> Result<Vec<usize>, String> {
    let sizes = tensor.as_ints()?.iter().map(|&size| {
        usize::try_from(size).map_err(|_| format!("the dimension {size} is negative"))
    });
    let sizes: Vec<usize> = sizes.collect::<Result<_, _>>()?;
    elements(&sizes)?;
    Ok(sizes)
}

pub(super) fn constant_of_shape(call: &Call) -> Result<Tensor, String> {
    let dims = sizes(call.input(0)?)?;
    let value = match call.attributes.tensor("value") {
        Some(value) => Tensor::from_proto(value)?,
        None => Tensor::floats(vec![1], vec![0.0]),
    };
    if value.len() != 1 {
        return Err(format!("a value of {} elements; expected one", value.len()));
    }
    let count = dims.iter().product();
    Ok(value.gathered(dims, std::iter::repeat_n(0, count)))
}

/// The dimensions from `start` to `end`, which may count from the end.
pub(super) fn shape(call: &Call) -> Result<Tensor, String> {
    let dims = &call.input(0)?.dims;
    let rank = dims.len() as i64;
    let clamp =
        |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
    let start = clamp(call.attributes.int("start", 0));
    let end = clamp(call.attributes.int("end", rank));
    let part = dims.get(start..end).unwrap_or_default();
    Ok(Tensor::ints(vec![part.len()], part.iter().map(|&dim| dim as i64).collect()))
}

pub(super) fn size(call: &Call) -> Result<Tensor, String> {
    Ok(Tensor::ints(vec![], vec![call.input(0)?.len() as i64]))
}

pub(super) fn range(call: &Call) -> Result<Tensor, String> {
    let one = |index: usize| match call.input(index)?.as_ints()? {
        &[value] => Ok(i128::from(value)),
        other => Err(format!("{} elements; expected one", other.len())),
    };
    let (start, limit, step) = (one(0)?, one(1)?, one(2)?);
    if step == 0 {
        return Err("a step of 0".into());
    }
    let distance = if step > 0 { limit - start } else { start - limit };
    let count = (distance.max(0) + step.abs() - 1) / step.abs();
    let count = usize::try_from(count).map_err(|_| "is too long".to_string())?;
    elements(&[count])?;
    let values = (0..count as i128).map(|i| (start + i * step) as i64).collect();
    Ok(Tensor::ints(vec![count], values))
}

/// The dimensions that a Reshape's `target` gives a tensor of the dimensions `old`.
pub fn reshaped_dims(
    old: &[usize],
    target: &[i64],
    allow_zero: bool,
) -> Result<Vec<usize>, String> {
    let size = elements(old)?;
    let mut dims = Vec::new();
    let mut inferred = None;
    for (i, &dim) in target.iter().enumerate() {
        dims.push(match dim {
            0 if !allow_zero => *old.get(i).ok_or("a 0 beyond the input's dimensions")?,
            -1 if inferred.is_some() => return Err("two dimensions of -1".into()),
            -1 => {
                inferred = Some(i);
                1
            }
            dim => usize::try_from(dim).map_err(|_| format!("the dimension {dim}"))?,
        });
    }
    let rest = elements(&dims)?;
    if let Some(inferred) = inferred {
        if rest == 0 || size % rest != 0 {
            return Err(format!("{target:?} does not hold the {size} elements of {old:?}"));
        }
        dims[inferred] = size / rest;
    }
    Ok(dims)
}

pub(super) fn reshape(call: &Call) -> Result<Tensor, String> {
    let (x, target) = (call.input(0)?, call.input(1)?.as_ints()?);
    let allow_zero = call.attributes.int("allowzero", 0) != 0;
    x.reshaped(reshaped_dims(&x.dims, target, allow_zero)?)
}

pub(super) fn flatten(call: &Call) -> Result<Tensor, String> {
    let x = call.input(0)?;
    let rank = x.dims.len();
    let split = call.attributes.int("axis", 1);
    let split = if split == rank as i64 { rank } else { axis(split, rank)? };
    x.reshaped(vec![x.dims[..split].iter().product(), x.dims[split..].iter().product()])
}

pub(super) fn squeeze(call: &Call) -> Result<Tensor, String> {
    let x = call.input(0)?;
    let rank = x.dims.len();
    let gone: Vec<usize> = match call.ints("axes", 1)? {
        Some(axes) => axes.iter().map(|&a| axis(a, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).filter(|&axis| x.dims[axis] == 1).collect(),
    };
    if gone.iter().any(|&axis| x.dims[axis] != 1) {
        return Err(format!("takes away the axes {gone:?} of {:?}", x.dims));
    }
    let kept = (0..rank).filter(|axis| !gone.contains(axis));
    x.reshaped(kept.map(|axis| x.dims[axis]).collect())
}

pub(super) fn unsqueeze(call: &Call) -> Result<Tensor, String> {
    let x = call.input(0)?;
    let axes = call.ints("axes", 1)?.ok_or("axes are missing")?;
    let rank = x.dims.len() + axes.len();
    let new: Vec<usize> = axes.iter().map(|&a| axis(a, rank)).collect::<Result<_, _>>()?;
    let mut old = x.dims.iter();
    let dims: Option<Vec<usize>> = (0..rank)
        .map(|axis| if new.contains(&axis) { Some(1) } else { old.next().copied() })
        .collect();
    match (dims, old.next()) {
        (Some(dims), None) => x.reshaped(dims),
        _ => Err(format!("axes {axes:?} name one twice")),
    }
}

pub(super) fn transpose(call: &Call) -> Result<Tensor, String> {
    let x = call.input(0)?;
    let rank = x.dims.len();
    let perm: Vec<usize> = match call.attributes.ints("perm") {
        None => (0..rank).rev().collect(),
        Some(perm) => perm.iter().map(|&p| axis(p, rank)).collect::<Result<_, _>>()?,
    };
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..rank) {
        return Err(format!("perm {perm:?} of {rank} dimensions"));
    }
    let own = strides(&x.dims);
    let dims: Vec<usize> = perm.iter().map(|&p| x.dims[p]).collect();
    let turned: Vec<usize> = perm.iter().map(|&p| own[p]).collect();
    Ok(x.gathered(dims.clone(), places(&dims, &turned)))
}

pub(super) fn expand(call: &Call) -> Result<Tensor, String> {
    let (x, dims) = (call.input(0)?, sizes(call.input(1)?)?);
    let dims = broadcast(&x.dims, &dims)?;
    Ok(x.gathered(dims.clone(), places(&dims, &broadcast_strides(&x.dims, &dims))))
}

pub(super) fn tile(call: &Call) -> Result<Tensor, String> {
    let (x, repeats) = (call.input(0)?, call.input(1)?.as_ints()?);
    if repeats.len() != x.dims.len() {
        return Err(format!("{} repeats for {} dimensions", repeats.len(), x.dims.len()));
    }
    let dims: Option<Vec<usize>> = (x.dims.iter().zip(repeats))
        .map(|(&dim, &n)| dim.checked_mul(usize::try_from(n).ok()?))
        .collect();
    let dims = dims.ok_or("repeats without end")?;
    let (count, to, from) = (elements(&dims)?, strides(&dims), strides(&x.dims));
    let at = |at: usize| {
        (0..dims.len()).map(|axis| at / to[axis] % dims[axis] % x.dims[axis] * from[axis]).sum()
    };
    Ok(x.gathered(dims.clone(), (0..count).map(at)))
}

pub(super) fn gather(call: &Call) -> Result<Tensor, String> {
    let (x, indices) = (call.input(0)?, call.input(1)?);
    let along = axis(call.attributes.int("axis", 0), x.dims.len())?;
    let size = x.dims[along];
    let chosen = indices
        .as_ints()?
        .iter()
        .map(|&i| axis(i, size).map_err(|_| format!("the index {i} of {size} elements")));
    let chosen: Vec<usize> = chosen.collect::<Result<_, _>>()?;
    let inner: usize = x.dims[along + 1..].iter().product();
    let outer: usize = x.dims[..along].iter().product();
    let dims = [&x.dims[..along], &indices.dims[..], &x.dims[along + 1..]].concat();
    elements(&dims)?;
    let chosen = &chosen;
    let places = (0..outer).flat_map(|o| {
        chosen.iter().flat_map(move |i| (0..inner).map(move |k| (o * size + i) * inner + k))
    });
    Ok(x.gathered(dims, places))
}

/// Starts, ends, axes and steps are attributes before operator set 10, then inputs.
pub(super) fn slice(call: &Call) -> Result<Tensor, String> {
    let x = call.input(0)?;
    let rank = x.dims.len();
    let starts = call.ints("starts", 1)?.ok_or("starts are missing")?;
    let ends = call.ints("ends", 2)?.ok_or("ends are missing")?;
    let axes: Vec<i64> =
        call.ints("axes", 3)?.map_or((0..starts.len() as i64).collect(), <[i64]>::to_vec);
    let steps: Vec<i64> = match call.optional(4) {
        Some(steps) => steps.as_ints()?.to_vec(),
        None => vec![1; starts.len()],
    };
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("starts, ends, axes and steps differ in length".into());
    }
    let mut dims = x.dims.clone();
    let (mut first, mut by) = (vec![0_i64; rank], vec![1_i64; rank]);
    for (i, &a) in axes.iter().enumerate() {
        let axis = axis(a, rank)?;
        let (size, step) = (x.dims[axis] as i64, steps[i]);
        if step == 0 || axes[..i].contains(&a) {
            return Err("a step of 0, or an axis twice".into());
        }
        let at = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
        let (start, end) = match step > 0 {
            true => (at(starts[i]).clamp(0, size), at(ends[i]).clamp(0, size)),
            false => (at(starts[i]).clamp(0, (size - 1).max(0)), at(ends[i]).clamp(-1, size - 1)),
        };
        let distance = if step > 0 { end - start } else { start - end };
        let step_size = step.checked_abs().ok_or("a step without end")?;
        dims[axis] = (distance.max(0) as usize).div_ceil(step_size as usize);
        (first[axis], by[axis]) = (start, step);
    }
    let (count, to, from) = (elements(&dims)?, strides(&dims), strides(&x.dims));
    let at = |at: usize| {
        (0..rank)
            .map(|axis| {
                let index = first[axis] + (at / to[axis] % dims[axis]) as i64 * by[axis];
                index as usize * from[axis]
            })
            .sum()
    };
    Ok(x.gathered(dims.clone(), (0..count).map(at)))
}

pub(super) fn split(call: &Call, outputs: usize) -> Result<Vec<Tensor>, String> {
    let x = call.input(0)?;
    let along = axis(call.attributes.int("axis", 0), x.dims.len())?;
    let size = x.dims[along];
    let lengths: Vec<usize> = match call.ints("split", 1)? {
        Some(lengths) => {
            lengths.iter().map(|&n| usize::try_from(n).unwrap_or(usize::MAX)).collect()
        }
        None => {
            let part = size.div_ceil(outputs.max(1));
            (0..outputs).map(|i| part.min(size.saturating_sub(i * part))).collect()
        }
    };
    let sum = lengths.iter().try_fold(0_usize, |sum, &n| sum.checked_add(n));
    if sum != Some(size) || lengths.len() != outputs {
        return Err(format!("{size} elements into {lengths:?} for {outputs} outputs"));
    }
    let inner: usize = x.dims[along + 1..].iter().product();
    let outer: usize = x.dims[..along].iter().product();
    let mut first = 0;
    let mut parts = Vec::new();
    for length in lengths {
        let mut dims = x.dims.clone();
        dims[along] = length;
        let places = (0..outer).flat_map(|o| {
            let start = (o * size + first) * inner;
            start..start + length * inner
        });
        parts.push(x.gathered(dims, places));
        first += length;
    }
    Ok(parts)
}

pub(super) fn concat(call: &Call) -> Result<Tensor, String> {
    let first = call.input(0)?;
    let along = axis(call.attributes.int("axis", 0), first.dims.len())?;
    let all = (0..call.inputs.len()).map(|i| call.input(i)).collect::<Result<Vec<_>, _>>()?;
    let mut dims = first.dims.clone();
    dims[along] = 0;
    for x in &all {
        let same = x.dims.len() == dims.len()
            && (0..dims.len()).all(|axis| axis == along || x.dims[axis] == dims[axis]);
        if !same || x.element != first.element {
            return Err(format!("joins the shapes {:?} and {:?}", first.dims, x.dims));
        }
        dims[along] += x.dims[along];
        elements(&dims)?;
    }
    let inner: usize = dims[along + 1..].iter().product();
    let outer: usize = dims[..along].iter().product();
    let run = |x: &Tensor, o: usize| {
        let run = x.dims[along] * inner;
        o * run..(o + 1) * run
    };
    let values = match first.values {
        Values::Float(_) => {
            let mut values = Vec::new();
            for (o, x) in (0..outer).flat_map(|o| all.iter().map(move |x| (o, x))) {
                values.extend_from_slice(&x.as_floats()?[run(x, o)]);
            }
            Values::Float(values)
        }
        Values::Int(_) => {
            let mut values = Vec::new();
            for (o, x) in (0..outer).flat_map(|o| all.iter().map(move |x| (o, x))) {
                values.extend_from_slice(&x.as_ints()?[run(x, o)]);
            }
            Values::Int(values)
        }
    };
    Ok(Tensor { dims, element: first.element, values })
}

/// Amounts and value are attributes before operator set 11, then inputs.
pub(super) fn pad(call: &Call) -> Result<Tensor, String> {
    let x = call.input(0)?;
    let rank = x.dims.len();
    let amounts = call.ints("pads", 1)?.ok_or("pads are missing")?;
    let axes: Vec<usize> = match call.optional(3) {
        Some(axes) => axes.as_ints()?.iter().map(|&a| axis(a, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).collect(),
    };
    if amounts.len() != 2 * axes.len() {
        return Err(format!("{} amounts for {} axes", amounts.len(), axes.len()));
    }
    let fill = match call.optional(2) {
        Some(value) => value.clone(),
        None => Tensor::floats(vec![], vec![call.attributes.float("value", 0.0)]),
    };
    let mode = call.attributes.string("mode", "constant");
    let mut before = vec![0_i64; rank];
    let mut dims = x.dims.clone();
    for (i, &axis) in axes.iter().enumerate() {
        let (first, last) = (amounts[i], amounts[i + axes.len()]);
        if !(-(1 << 20)..1 << 20).contains(&first) || !(-(1 << 20)..1 << 20).contains(&last) {
            return Err(format!("pads by {first} and {last}"));
        }
        before[axis] = first;
        let size = x.dims[axis] as i64 + first + last;
        dims[axis] =
            usize::try_from(size).map_err(|_| "takes away more than there is".to_string())?;
    }
    let (count, to, from) = (elements(&dims)?, strides(&dims), strides(&x.dims));
    // The element's place in the input, or none on the padding.
    let place = |at: usize| -> Option<usize> {
        (0..rank).try_fold(0, |sum, axis| {
            let size = x.dims[axis] as i64;
            let index = (at / to[axis] % dims[axis]) as i64 - before[axis];
            let index = match mode.as_str() {
                "reflect" if size > 1 => {
                    let period = 2 * (size - 1);
                    let folded = index.rem_euclid(period);
                    folded.min(period - folded)
                }
                "edge" => index.clamp(0, size - 1),
                "wrap" if size > 0 => index.rem_euclid(size),
                _ => index,
            };
            (0..size).contains(&index).then(|| sum + index as usize * from[axis])
        })
    };
    if !["constant", "reflect", "edge", "wrap"].contains(&mode.as_str()) {
        return Err(format!("mode {mode:?}"));
    }
    let values = match (&x.values, &fill.values) {
        (Values::Float(values), Values::Float(fill)) if fill.len() == 1 => {
            Values::Float((0..count).map(|at| place(at).map_or(fill[0], |at| values[at])).collect())
        }
        (Values::Int(values), Values::Int(fill)) if fill.len() == 1 => {
            Values::Int((0..count).map(|at| place(at).map_or(fill[0], |at| values[at])).collect())
        }
        _ => return Err("a value of another type, or not one".into()),
    };
    Ok(Tensor { dims, element: x.element, values })
}

/// `[N, C, H, W]` with its block size.
fn image_and_block<'a>(call: &Call<'a>) -> Result<(&'a Tensor, [usize; 4], usize), String> {
    let x = call.input(0)?;
    let block = usize::try_from(call.attributes.int("blocksize", 0)).unwrap_or(0);
    match x.dims[..] {
        [n, c, h, w] if (1..=1 << 10).contains(&block) => Ok((x, [n, c, h, w], block)),
        _ => Err(format!("of {:?} in blocks of {block}", x.dims)),
    }
}

pub(super) fn depth_to_space(call: &Call) -> Result<Tensor, String> {
    let (x, [n, c, h, w], b) = image_and_block(call)?;
    if c % (b * b) != 0 {
        return Err(format!("{c} channels in blocks of {b}"));
    }
    let depth = c / (b * b);
    let (split, perm) = match call.attributes.string("mode", "DCR").as_str() {
        "DCR" => ([n, b, b, depth, h, w], [0, 3, 4, 1, 5, 2]),
        "CRD" => ([n, depth, b, b, h, w], [0, 1, 4, 2, 5, 3]),
        other => return Err(format!("mode {other:?}")),
    };
    moved(x, &split, &perm, vec![n, depth, h * b, w * b])
}

pub(super) fn space_to_depth(call: &Call) -> Result<Tensor, String> {
    let (x, [n, c, h, w], b) = image_and_block(call)?;
    if h % b != 0 || w % b != 0 {
        return Err(format!("{h}×{w} in blocks of {b}"));
    }
    let split = [n, c, h / b, b, w / b, b];
    moved(x, &split, &[0, 3, 5, 1, 2, 4], vec![n, c * b * b, h / b, w / b])
}

/// Splits dimensions, permutes them and joins them anew.
fn moved(x: &Tensor, split: &[usize], perm: &[usize], dims: Vec<usize>) -> Result<Tensor, String> {
    let own = strides(split);
    let turned: Vec<usize> = perm.iter().map(|&p| split[p]).collect();
    let by: Vec<usize> = perm.iter().map(|&p| own[p]).collect();
    Ok(x.gathered(dims, places(&turned, &by)))
}
