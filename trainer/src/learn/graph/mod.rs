//! Builds the graphs that a backend runs: ONNX nodes over values whose shapes are all known.
//!
//! Every value is `f32` unless it says otherwise. An activation of a layer is a matrix
//! `[features, batch]`, features in the order channel, row, column: one row holds one feature of
//! every image of the batch. This batch-innermost layout makes moving pixels around a copy of whole
//! rows, makes a convolution one matrix product, and makes `flatten` nothing at all.

mod images;
mod rows;

use std::rc::Rc;

use converter::onnx::{Attribute, Dim, Element, ElementType, ModelBuilder};

use super::backend::Kind;

pub use rows::RowSums;

/// A value in a graph: its name and its shape.
#[derive(Clone, Debug)]
pub struct Value {
    name: Rc<str>,
    shape: Vec<usize>,
}

impl Value {
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A graph under construction, for one fixed batch size.
///
/// The methods panic when shapes do not fit: layers check what a user can get wrong before they
/// emit anything.
pub struct Graph {
    model: ModelBuilder,
    batch: usize,
    backend: Kind,
}

impl Graph {
    /// An empty graph that takes `batch` images at a time, for `backend`: what is fast on one is slow
    /// on the other.
    pub fn new(name: &str, batch: usize, backend: Kind) -> Self {
        Self { model: ModelBuilder::new(name), batch, backend }
    }

    /// What will run it.
    pub fn backend(&self) -> Kind {
        self.backend
    }

    /// Images per run.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The finished graph as ONNX bytes.
    pub fn finish(self) -> Vec<u8> {
        self.model.finish()
    }

    pub fn input(&mut self, name: &str, shape: &[usize]) -> Value {
        self.model.input(name, ElementType::F32, &dims(shape));
        Value { name: name.into(), shape: shape.to_vec() }
    }

    /// Makes `value` an output under `name`.
    pub fn output(&mut self, name: &str, value: &Value) {
        self.model.node("Identity", name, &[&value.name], &[]);
        self.model.output(name, ElementType::F32, &dims(&value.shape));
    }

    pub fn constant<T: Element>(&mut self, shape: &[usize], values: &[T]) -> Value {
        let name = self.model.fresh("constant");
        self.model.initializer(&name, shape, values);
        Value { name: name.into(), shape: shape.to_vec() }
    }

    fn node(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute)],
        shape: Vec<usize>,
    ) -> Value {
        let name = self.model.fresh(operator);
        let inputs: Vec<&str> = inputs.iter().map(|value| &*value.name).collect();
        self.model.node(operator, &name, &inputs, attributes);
        Value { name: name.into(), shape }
    }

    /// `op(a) · op(b) (+ bias)`, where `op` transposes if its flag is set; `bias` broadcasts.
    pub fn gemm(&mut self, a: (&Value, bool), b: (&Value, bool), bias: Option<&Value>) -> Value {
        let (a, transpose_a) = a;
        let (b, transpose_b) = b;
        let side = |value: &Value, transpose: bool| match value.shape[..] {
            [rows, columns] if transpose => (columns, rows),
            [rows, columns] => (rows, columns),
            _ => panic!("gemm of {value:?}: not a matrix"),
        };
        let ((rows, inner), (inner_b, columns)) = (side(a, transpose_a), side(b, transpose_b));
        assert_eq!(inner, inner_b, "gemm of {a:?} and {b:?}");
        let mut inputs = vec![a, b];
        inputs.extend(bias);
        let attributes = [
            ("transA", Attribute::Int(transpose_a.into())),
            ("transB", Attribute::Int(transpose_b.into())),
        ];
        self.node("Gemm", &inputs, &attributes, vec![rows, columns])
    }

    /// An operator on two values of shapes that broadcast.
    fn binary(&mut self, operator: &str, a: &Value, b: &Value) -> Value {
        let shape = broadcast(&a.shape, &b.shape);
        self.node(operator, &[a, b], &[], shape)
    }

    pub fn add(&mut self, a: &Value, b: &Value) -> Value {
        self.binary("Add", a, b)
    }

    pub fn sub(&mut self, a: &Value, b: &Value) -> Value {
        self.binary("Sub", a, b)
    }

    pub fn mul(&mut self, a: &Value, b: &Value) -> Value {
        self.binary("Mul", a, b)
    }

    pub fn div(&mut self, a: &Value, b: &Value) -> Value {
        self.binary("Div", a, b)
    }

    pub fn max(&mut self, a: &Value, b: &Value) -> Value {
        self.binary("Max", a, b)
    }

    pub fn min(&mut self, a: &Value, b: &Value) -> Value {
        self.binary("Min", a, b)
    }

    /// `slope · x + start` of `x: [channels, columns]` with a slope and a start for each channel,
    /// `[channels, 1]`.
    pub fn line(&mut self, x: &Value, slope: &Value, start: &Value) -> Value {
        if self.backend == Kind::Tract {
            let scaled = self.mul(x, slope);
            return self.add(&scaled, start);
        }
        // Batch norm's operator with a mean of 0 and a variance of 1 is this in one pass.
        let &[channels, columns] = &x.shape[..] else { panic!("line of {x:?}: not a matrix") };
        let picture = self.reshape(x, &[1, channels, columns]);
        let [slope, start] = [slope, start].map(|value| self.reshape(value, &[channels]));
        let [mean, variance] =
            [0f32, 1.0].map(|each| self.constant(&[channels], &vec![each; channels]));
        let epsilon = ("epsilon", Attribute::Float(0.0));
        let operands = [&picture, &slope, &start, &mean, &variance];
        let shape = picture.shape.clone();
        let y = self.node("BatchNormalization", &operands, &[epsilon], shape);
        self.reshape(&y, &[channels, columns])
    }

    /// The products of two runs of matrices, `[n, rows, inner]` and `[n, inner, columns]`.
    pub fn matmul(&mut self, a: &Value, b: &Value) -> Value {
        let (&[count, rows, inner], &[count_b, inner_b, columns]) = (&a.shape[..], &b.shape[..])
        else {
            panic!("matmul of {a:?} and {b:?}: not runs of matrices");
        };
        assert_eq!((count, inner), (count_b, inner_b), "matmul of {a:?} and {b:?}");
        self.node("MatMul", &[a, b], &[], vec![count, rows, columns])
    }

    /// Every matrix of `x: [n, rows, columns]` transposed.
    pub fn transpose_last(&mut self, x: &Value) -> Value {
        let &[count, rows, columns] = &x.shape[..] else {
            panic!("transpose of {x:?}: not a run of matrices");
        };
        let order = ("perm", Attribute::Ints(vec![0, 2, 1]));
        self.node("Transpose", &[x], &[order], vec![count, columns, rows])
    }

    /// 1 where `x ≥ 2⁻¹²⁶`, the smallest normal number, 0 where `x ≤ 0`, and between in between.
    ///
    /// Neither a comparison, whose bools have to be cast, nor Sign: those are slow in tract.
    pub fn is_positive(&mut self, x: &Value) -> Value {
        if self.backend == Kind::OnnxRuntime {
            // max(0, min(1, 2¹²⁶ · x)) in one pass.
            let slope = ("alpha", Attribute::Float(2f32.powi(126)));
            let start = ("beta", Attribute::Float(0.0));
            return self.node("HardSigmoid", &[x], &[slope, start], x.shape.clone());
        }
        // tract computes runs of these in one pass.
        let positive = self.unary("Relu", x);
        self.is_not_zero(&positive)
    }

    /// The same where no `x` is below 0.
    pub fn is_not_zero(&mut self, x: &Value) -> Value {
        if self.backend == Kind::OnnxRuntime {
            return self.is_positive(x);
        }
        let factor = self.constant(&[1, 1], &[2f32.powi(126)]);
        let lifted = self.mul(x, &factor);
        let one = self.constant(&[1, 1], &[1f32]);
        self.min(&lifted, &one)
    }

    /// An operator that keeps the shape, such as `Exp`, `Log`, `Neg` or `Relu`.
    pub fn unary(&mut self, operator: &str, x: &Value) -> Value {
        self.node(operator, &[x], &[], x.shape.clone())
    }

    /// Elements of `table: [n]`, at the places that `places` says: whole numbers from 0 on.
    pub fn pick(&mut self, table: &Value, places: &Value) -> Value {
        let to = ("to", Attribute::Int(ElementType::I64.proto().into()));
        let indices = self.node("Cast", &[places], &[to], places.shape.clone());
        let axis = ("axis", Attribute::Int(0));
        self.node("Gather", &[table, &indices], &[axis], places.shape.clone())
    }

    pub fn reshape(&mut self, x: &Value, shape: &[usize]) -> Value {
        if x.shape == shape {
            return x.clone();
        }
        assert_eq!(x.elements(), shape.iter().product::<usize>(), "reshape of {x:?} to {shape:?}");
        let dims: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
        let target = self.constant(&[dims.len()], &dims);
        self.node("Reshape", &[x, &target], &[], shape.to_vec())
    }

    /// Sums over one axis, which keeps its place with size 1.
    pub fn reduce_sum(&mut self, x: &Value, axis: usize) -> Value {
        let axes = self.constant(&[1], &[axis as i64]);
        let mut shape = x.shape.clone();
        shape[axis] = 1;
        self.node("ReduceSum", &[x, &axes], &[("keepdims", Attribute::Int(1))], shape)
    }

    /// The maximum over one axis, which keeps its place with size 1.
    pub fn reduce_max(&mut self, x: &Value, axis: usize) -> Value {
        let mut shape = x.shape.clone();
        shape[axis] = 1;
        let axes = ("axes", Attribute::Ints(vec![axis as i64]));
        self.node("ReduceMax", &[x], &[axes, ("keepdims", Attribute::Int(1))], shape)
    }

    /// Elements `range` of axis 0.
    pub fn slice(&mut self, x: &Value, range: std::ops::Range<usize>) -> Value {
        assert!(range.end <= x.shape[0], "slice {range:?} of {x:?}");
        if range == (0..x.shape[0]) {
            return x.clone();
        }
        let mut shape = x.shape.clone();
        shape[0] = range.len();
        let start = self.constant(&[1], &[range.start as i64]);
        let end = self.constant(&[1], &[range.end as i64]);
        let axes = self.constant(&[1], &[0i64]);
        self.node("Slice", &[x, &start, &end, &axes], &[], shape)
    }

    /// Joins values along axis 0.
    pub fn concat(&mut self, parts: &[Value]) -> Value {
        self.concat_along(0, parts)
    }

    /// Joins values along `axis`.
    pub fn concat_along(&mut self, axis: usize, parts: &[Value]) -> Value {
        if let [only] = parts {
            return only.clone();
        }
        let mut shape = parts[0].shape.clone();
        shape[axis] = parts.iter().map(|part| part.shape[axis]).sum();
        let parts: Vec<&Value> = parts.iter().collect();
        self.node("Concat", &parts, &[("axis", Attribute::Int(axis as i64))], shape)
    }
}

fn dims(shape: &[usize]) -> Vec<Dim> {
    shape.iter().map(|&size| Dim::Fixed(size)).collect()
}

/// The shape of an element-wise operator's result.
fn broadcast(a: &[usize], b: &[usize]) -> Vec<usize> {
    let rank = a.len().max(b.len());
    let size = |shape: &[usize], axis: usize| {
        (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis])
    };
    (0..rank)
        .map(|axis| match (size(a, axis), size(b, axis)) {
            (a, b) if a == b || b == 1 => a,
            (1, b) => b,
            _ => panic!("shapes {a:?} and {b:?} do not broadcast"),
        })
        .collect()
}
