//! Sums, products and concatenations of integer values.

use super::import::Import;
use super::known::{Affine, Operation, Pending, Real, Value};
use super::table::Table;
use crate::graph::Shape;
use crate::interpreter::axis;
use crate::operators::IntegerOp;
use crate::operators::affine_mul::AffineMul;
use crate::operators::concat::Concat;
use crate::operators::float_add::FloatAdd;
use crate::quantized::{FloatRescale, Rescaling, ValueType};
use crate::read::operators::Cursor;
use crate::read::view::{Layout, View};
use crate::read::{ReadError, node_name};

/// The bounds of [`firmware_core::FloatAdd`].
const RATIOS: std::ops::RangeInclusive<f32> = 2.980_232_2e-8..=64.0;
const FINEST: f64 = 1.0 / (1_u64 << 48) as f64;

/// A sum or a product of two values.
#[derive(Clone, Debug)]
pub(super) struct Combination {
    adds: bool,
    operands: [Affine; 2],
    lift: u8,
}

impl Combination {
    pub fn quantized(&self, output: Affine) -> Result<IntegerOp, String> {
        let [a, b] = self.operands;
        if !self.adds {
            let scale = a.scale * b.scale / output.scale;
            if !scale.is_normal() {
                return Err(format!("rescales by {scale:e}, which is no usable scale"));
            }
            let rescale = Rescaling::Float(FloatRescale { scale, zero: output.zero });
            return Ok(AffineMul { zeros: [a.zero, b.zero], rescale }.into());
        }
        let ratios = [a.scale / output.scale, b.scale / output.scale];
        // Each a fused multiplication and addition, as AVX2 has them.
        let [a_zero, b_zero, zero] =
            [a.zero, b.zero, output.zero].map(|zero| (zero + i32::from(self.lift)) as f32);
        let zeros = ratios[0].mul_add(a_zero, ratios[1] * b_zero);
        let offset = zero - zeros;
        let fine = f64::from(offset).rem_euclid(FINEST) == 0.0;
        if !ratios.iter().all(|ratio| RATIOS.contains(ratio)) || offset.abs() >= 16384.0 || !fine {
            return Err(format!(
                "the scales {} and {} are too far from the sum's, {}; calibrate with other images",
                a.scale, b.scale, output.scale
            ));
        }
        Ok(FloatAdd { ratios, offset, swapped: false, lift: self.lift }.into())
    }
}

impl Import<'_> {
    /// Add and Mul of two values.
    pub(super) fn combination(&mut self, node: &Cursor) -> Result<(), ReadError> {
        let adds = node.proto.op_type == "Add";
        let mut values = [self.value(node, 0)?, self.value(node, 1)?];
        same_types(node, &values)?;
        let mut shapes = [0, 1].map(|at| self.stored(values[at].view.value));
        if shapes[0] != shapes[1] && adds {
            return Err(node.wrong(format!(
                "adds {} and {}; only values of one shape are supported",
                shapes[0], shapes[1]
            )));
        }
        // The one that is repeated comes second.
        if shapes[0].size() < shapes[1].size() {
            values.reverse();
            shapes.reverse();
        }
        let [a, b] = &values;
        let repeats = shapes[1] == Shape::flat(shapes[0].channels)
            && a.view.as_image(Layout::ChannelsFirst) == Some(shapes[0])
            && b.view.as_image(Layout::ChannelsFirst) == Some(shapes[1]);
        let alike = shapes[0] == shapes[1] && a.view.at(0) == b.view.at(0);
        if !repeats && !alike {
            return Err(node.wrong(format!(
                "{:?} and {:?}: the second must have the shape of the first, or one pixel",
                a.view.dims(),
                b.view.dims()
            )));
        }
        let lift = self.lift(a.element);
        let combination = Combination { adds, operands: [a.affine, b.affine], lift };
        let pending = Pending {
            operation: Operation::Combination(combination),
            node: node_name(node.proto).into(),
            op: node.proto.op_type.clone(),
            inputs: values.iter().map(|value| value.view.value).collect(),
            element: a.element,
            shape: shapes[0],
            view: a.view.at(0),
            bounds: [f32::NEG_INFINITY, f32::INFINITY],
        };
        self.pending(node, pending)
    }

    /// Concat along the channels.
    pub(super) fn concat(&mut self, node: &Cursor) -> Result<(), ReadError> {
        let count = node.proto.input.len();
        let values: Vec<Value> =
            (0..count).map(|index| self.value(node, index)).collect::<Result<_, _>>()?;
        same_types(node, &values)?;
        let Some(first) = values.first() else { return Err(node.wrong("has no input")) };
        let rank = first.view.rank();
        let along = axis(node.int("axis", 0), rank).map_err(|what| node.wrong(what))?;
        let views: Vec<View> = values.iter().map(|value| value.view.clone()).collect();
        let (shape, view) = match View::joined(&views, along, 0) {
            Some(view) => (Shape::flat(view.size()), view),
            None => self.joined_images(node, &views, along)?,
        };
        let pending = Pending {
            node: node_name(node.proto).into(),
            op: node.proto.op_type.clone(),
            inputs: values.iter().map(|value| value.view.value).collect(),
            element: first.element,
            operation: Operation::Concat(values),
            shape,
            view,
            bounds: [f32::NEG_INFINITY, f32::INFINITY],
        };
        self.pending(node, pending)
    }

    /// Shape and view of images that are joined along their channels.
    fn joined_images(
        &self,
        node: &Cursor,
        views: &[View],
        along: usize,
    ) -> Result<(Shape, View), ReadError> {
        let rank = views.first().map_or(0, View::rank);
        let layout = match (rank, along) {
            (3 | 4, 1) => Layout::ChannelsFirst,
            (3 | 4, along) if along == rank - 1 => Layout::ChannelsLast,
            _ => {
                return Err(
                    node.wrong(format!("along axis {along}; only along the channels is supported"))
                );
            }
        };
        let mut joined: Option<Shape> = None;
        for view in views {
            let stored = self.stored(view.value);
            let shape =
                view.as_image(layout).filter(|&shape| shape == stored).ok_or_else(|| {
                    node.wrong(format!(
                        "joins {:?}, which are not in an image's order",
                        view.dims()
                    ))
                })?;
            if joined.is_some_and(|j| (j.height, j.width) != (shape.height, shape.width)) {
                return Err(
                    node.wrong(format!("joins {:?}; only channels may differ", view.dims()))
                );
            }
            let channels = joined.map_or(0, |joined| joined.channels) + shape.channels;
            joined = Some(Shape { channels, ..shape });
        }
        let shape = joined.unwrap_or(Shape::flat(0));
        Ok((shape, View::image(0, shape, layout, rank)))
    }

    /// The values side by side, each brought to the result's scale first.
    pub(super) fn joined(
        &mut self,
        node: &Cursor,
        values: &[Value],
        shape: Shape,
        of: (Affine, ValueType, View),
    ) -> Result<Value, ReadError> {
        let (affine, element) = (of.0, of.1);
        let mut inputs = Vec::new();
        for value in values {
            let value = match value.affine == affine {
                true => value.clone(),
                false => {
                    let table = Table::dequantized(value.affine, value.element);
                    let real = Real { value: value.clone(), table, direct: true };
                    self.lookup(node, real, affine, element)?
                }
            };
            inputs.push(value.view.value);
        }
        if let [_] = inputs[..] {
            return Err(node.wrong("joins a single value; remove it"));
        }
        self.push(node, Concat, inputs, shape, of)
    }
}

/// ONNX Runtime's kernels take values of one type.
fn same_types(node: &Cursor, values: &[Value]) -> Result<(), ReadError> {
    match values.windows(2).all(|pair| pair[0].element == pair[1].element) {
        true => Ok(()),
        false => Err(node.wrong(
            "reads int8 and uint8, so ONNX Runtime computes it in floats; quantize all activations \
             to one type",
        )),
    }
}
