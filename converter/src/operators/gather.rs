//! `gather`: rows, columns and channels of an image, picked by number: slices, shuffled channels,
//! an image enlarged by repeating its pixels.

use std::fmt::Write;

use firmware_core::blob::Kind;
use firmware_core::{LayerKind, kernels};

use super::{FloatOperator, IntegerOp, IntegerOperator, Static, checksum};
use crate::emit::blob::{Data, LayerBlob, Writing};
use crate::emit::int8_onnx::Emitter;
use crate::emit::rust::{Call, Types, nested};
use crate::graph::{Operator, Shape};
use crate::lower::{Fused, Layer, Lowering, Node};
use crate::onnx::Attribute;
use crate::passes::PassError;
use crate::quantize::{QuantizeError, Quantizing};
use crate::quantized::QuantizedLayer;
use crate::reference::{Elements, Integers, Run};

/// Element `[i][j][k]` of the result is element `[rows[i]][columns[j]][channels[k]]` of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gather {
    pub rows: Vec<u16>,
    pub columns: Vec<u16>,
    pub channels: Vec<u16>,
}

impl Gather {
    /// The rows, columns and channels that give the elements of `output` from the places `places`
    /// of `input`; `None` if no such do.
    pub fn of_places(input: Shape, output: Shape, places: &[usize]) -> Option<Self> {
        let at = |row: usize, column: usize, channel: usize| {
            places.get((row * output.width + column) * output.channels + channel).copied()
        };
        let pixel = |place: usize| place / input.channels.max(1);
        let row = |place: usize| u16::try_from(pixel(place) / input.width.max(1)).ok();
        let column = |place: usize| u16::try_from(pixel(place) % input.width.max(1)).ok();
        let channel = |place: usize| u16::try_from(place % input.channels.max(1)).ok();
        let rows = (0..output.height).map(|i| row(at(i, 0, 0)?)).collect::<Option<_>>()?;
        let columns = (0..output.width).map(|j| column(at(0, j, 0)?)).collect::<Option<_>>()?;
        let channels =
            (0..output.channels).map(|k| channel(at(0, 0, k)?)).collect::<Option<_>>()?;
        let gather = Self { rows, columns, channels };
        let inside = places.iter().all(|&place| place < input.size());
        (inside && gather.places(input).eq(places.iter().copied())).then_some(gather)
    }

    pub fn output(&self) -> Shape {
        Shape::new(self.rows.len(), self.columns.len(), self.channels.len())
    }

    /// For each element of the result its place in the input.
    fn places(&self, input: Shape) -> impl Iterator<Item = usize> + '_ {
        let pixels = self.rows.iter().flat_map(move |&row| {
            self.columns
                .iter()
                .map(move |&column| usize::from(row) * input.width + usize::from(column))
        });
        pixels.flat_map(move |pixel| {
            self.channels.iter().map(move |&channel| pixel * input.channels + usize::from(channel))
        })
    }
}

pub(crate) fn lower(lowering: &mut Lowering, node: &Node) -> Result<Option<Fused>, PassError> {
    let Operator::Gather(gather) = node.operator() else { return Ok(None) };
    let relu = lowering.never_negative(node.input());
    Ok(Some(lowering.push(node, node.index, gather.clone(), (relu, None))))
}

impl FloatOperator for Gather {
    fn forward(&self, _: &Layer, inputs: &[(Shape, &[f32])]) -> Vec<f32> {
        let (input, x) = inputs[0];
        self.places(input).map(|place| x[place]).collect()
    }

    fn quantize(&self, _: &Quantizing) -> Result<IntegerOp, QuantizeError> {
        Ok(self.clone().into())
    }

    fn shares_format(&self) -> bool {
        true
    }

    fn selects(&self) -> bool {
        true
    }
}

impl IntegerOperator for Gather {
    fn kind(&self) -> LayerKind {
        LayerKind::Gather
    }

    fn parameter_bytes(&self) -> usize {
        2 * (self.rows.len() + self.columns.len() + self.channels.len())
    }

    fn run(&self, run: &Run) -> Integers {
        let input = run.shapes[0].hwc();
        let places = [&self.rows[..], &self.columns, &self.channels];
        let mut y = run.output();
        with_elements!(&mut y, |y| {
            kernels::gather(input, places, Elements::of(run.inputs[0]), y)
        });
        y
    }

    fn rust_type(&self, _: &Types) -> String {
        let Shape { height, width, channels } = self.output();
        format!("Gather<{height}, {width}, {channels}>")
    }

    fn rust_static(&self, _: &Types) -> Option<Static> {
        let mut arguments = String::new();
        for places in [&self.rows, &self.columns, &self.channels] {
            arguments.push_str(if arguments.is_empty() { "\n    " } else { ",\n    " });
            nested(&mut arguments, places, &[places.len()]);
        }
        arguments.push_str(",\n");
        let checksum = checksum(&[&&self.rows[..], &&self.columns[..], &&self.channels[..]]);
        Some(Static { constructor: "new", arguments, checksum })
    }

    fn rust_call(&self, call: &Call, code: &mut String) {
        let x = call.regions(code, call.layer.input());
        let _ = writeln!(code, "    {}.forward({x}, y);", call.static_name());
    }

    /// A Gather along each axis where there is something to pick.
    fn onnx(&self, emitter: &mut Emitter, layer: &QuantizedLayer) -> String {
        let name = &layer.name;
        let input = emitter.network.shape(layer.input());
        let mut value = emitter.value(layer.input());
        let model = &mut emitter.model;
        for (axis, what, places, size) in [
            (2, "rows", &self.rows, input.height),
            (3, "columns", &self.columns, input.width),
            (1, "channels", &self.channels, input.channels),
        ] {
            if places.iter().map(|&place| usize::from(place)).eq(0..size) {
                continue;
            }
            let places: Vec<i64> = places.iter().map(|&place| place.into()).collect();
            let indices = model.initializer(&format!("{name}_{what}"), &[places.len()], &places);
            let axis = [("axis", Attribute::Int(axis))];
            let name = format!("{name}_of_{what}");
            value = model.node("Gather", &name, &[&value, &indices], &axis);
        }
        model.node("Identity", name, &[&value], &[])
    }

    fn blob(&self, _: &Writing) -> Option<LayerBlob> {
        let places = self.rows.iter().chain(&self.columns).chain(&self.channels);
        Some(LayerBlob::new(Kind::Gather, Data::default().u16s(places.copied())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_become_rows_columns_and_channels() {
        let input = Shape::new(2, 3, 4);
        let gather = Gather { rows: vec![1], columns: vec![0, 0, 2], channels: vec![3, 1] };
        let places: Vec<usize> = gather.places(input).collect();
        assert_eq!(places, [15, 13, 15, 13, 23, 21]);
        let output = Shape::new(1, 3, 2);
        assert_eq!(Gather::of_places(input, output, &places), Some(gather));
        let mut other = places;
        other[5] = 20;
        assert_eq!(Gather::of_places(input, output, &other), None);
        assert_eq!(Gather::of_places(input, output, &[24; 6]), None);
    }
}
