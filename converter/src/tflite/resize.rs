//! RESIZE_NEAREST_NEIGHBOR: pixels are repeated or left out, and none is changed.

use super::TfliteError;
use super::file::Operator;
use super::import::Import;
use crate::graph::Shape;
use crate::operators::gather::Gather;

/// For each of `output` rows or columns the one of `input` that it repeats, in the same floats as the
/// original.
pub(super) fn sources(
    operator: &Operator,
    input: usize,
    output: usize,
) -> Result<Vec<u16>, TfliteError> {
    let (align_corners, half_pixel) = (operator.option(0)? != 0, operator.option(1)? != 0);
    let Some(last) = input.checked_sub(1).and_then(|last| u16::try_from(last).ok()) else {
        return Err(operator.error(format!("{input} rows or columns are too many")));
    };
    let scale = match align_corners && output > 1 {
        true => f32::from(last) / (output - 1) as f32,
        false => input as f32 / output as f32,
    };
    let offset = if half_pixel { 0.5 } else { 0.0 };
    let source = |at: usize| {
        let place = (at as f32 + offset) * scale;
        let place = if align_corners { place.round() } else { place.floor() };
        (place as u16).min(last)
    };
    Ok((0..output).map(source).collect())
}

/// Whether the size that an operator reads is the one of its result.
///
/// # Errors
///
/// Another size, or values that are no images.
pub(super) fn sizes(
    operator: &Operator,
    size: Option<Vec<i32>>,
    from: &[usize],
    to: &[usize],
) -> Result<[[usize; 2]; 2], TfliteError> {
    let (&[_, height, width, channels], &[_, rows, columns, same]) = (from, to) else {
        return Err(operator.error(format!("resizes {from:?} to {to:?}; expected images")));
    };
    let said = size.is_none_or(|size| size == [rows as i32, columns as i32]);
    if channels != same || !said {
        return Err(
            operator.error(format!("resizes {from:?} to {to:?}, which is not what it says"))
        );
    }
    Ok([[height, width], [rows, columns]])
}

impl Import<'_> {
    pub(super) fn resize(&mut self, operator: &Operator) -> Result<(), TfliteError> {
        let value = self.value(operator, 0)?;
        let id = self.spatial(operator, value)?;
        let size = self.input(operator, 1)?;
        // A shape that is computed is the one of the result.
        let size = size.data.is_some().then(|| size.i32s()).transpose()?;
        let (from, to) = (&self.input(operator, 0)?.shape, &self.output(operator)?.shape);
        let [[height, width], [rows, columns]] = sizes(operator, size, from, to)?;
        let channels = value.shape.channels;
        let gather = Gather {
            rows: sources(operator, height, rows)?,
            columns: sources(operator, width, columns)?,
            channels: (0..channels).map(|channel| channel as u16).collect(),
        };
        self.push(operator, gather, vec![id], Shape::new(rows, columns, channels))
    }
}
