//! Resize and Upsample by the nearest pixel.

use super::{Call, Tensor, strides};
use crate::limits::elements;

pub(super) fn resize(call: &Call) -> Result<Tensor, String> {
    let x = call.input(0)?;
    let text = |name: &str, default: &str| call.attributes.string(name, default);
    if text("mode", "nearest") != "nearest" {
        return Err("only mode nearest is computed".into());
    }
    // Resize has had its region of interest in between since operator set 11.
    let scales_at = if call.op() == "Resize" && call.opset >= 11 { 2 } else { 1 };
    let scales = match (call.attributes.floats("scales"), call.optional(scales_at)) {
        (Some(scales), _) => scales,
        (None, Some(scales)) => scales.as_floats()?,
        (None, None) => &[],
    };
    let sizes = call.optional(3).map(Tensor::as_ints).transpose()?;
    let rank = x.dims.len();
    let dims: Vec<usize> = match (scales.len() == rank, sizes) {
        (true, _) => (0..rank).map(|a| (x.dims[a] as f32 * scales[a]).floor() as usize).collect(),
        (false, Some(sizes)) if sizes.len() == rank => {
            sizes.iter().map(|&size| usize::try_from(size).unwrap_or(0)).collect()
        }
        _ => return Err(format!("expected {rank} scales or sizes")),
    };
    elements(&dims)?;
    if dims.iter().zip(&x.dims).any(|(&to, &from)| to == 0 || from == 0) {
        return Err("gives an empty result".into());
    }
    let early = call.op() == "Upsample" || call.opset < 11;
    let coordinates = if early {
        "asymmetric".into()
    } else {
        text("coordinate_transformation_mode", "half_pixel")
    };
    let nearest = if early { "floor".into() } else { text("nearest_mode", "round_prefer_floor") };
    let source = |axis: usize, at: usize| -> Result<usize, String> {
        let (to, from) = (dims[axis] as f64, x.dims[axis] as f64);
        let scale = if scales.len() == rank { f64::from(scales[axis]) } else { to / from };
        let x = match coordinates.as_str() {
            "half_pixel" => (at as f64 + 0.5) / scale - 0.5,
            "pytorch_half_pixel" if to <= 1.0 => 0.0,
            "pytorch_half_pixel" => (at as f64 + 0.5) / scale - 0.5,
            "asymmetric" => at as f64 / scale,
            "align_corners" if to <= 1.0 => 0.0,
            "align_corners" => at as f64 * (from - 1.0) / (to - 1.0),
            other => return Err(format!("coordinate_transformation_mode {other:?}")),
        };
        let near = match nearest.as_str() {
            "round_prefer_floor" => (x - 0.5).ceil(),
            "round_prefer_ceil" => (x + 0.5).floor(),
            "floor" => x.floor(),
            "ceil" => x.ceil(),
            other => return Err(format!("nearest_mode {other:?}")),
        };
        Ok(near.clamp(0.0, from - 1.0) as usize)
    };
    let mut sources = Vec::new();
    for axis in 0..rank {
        sources.push((0..dims[axis]).map(|at| source(axis, at)).collect::<Result<Vec<_>, _>>()?);
    }
    let (to, from) = (strides(&dims), strides(&x.dims));
    let places = (0..dims.iter().product()).map(|at: usize| {
        (0..rank).map(|axis| sources[axis][at / to[axis] % dims[axis]] * from[axis]).sum()
    });
    Ok(x.gathered(dims.clone(), places))
}
