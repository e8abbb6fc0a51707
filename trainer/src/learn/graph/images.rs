//! Images in a graph, and the operators that slide a window over them.
//!
//! An image value `[C·H·W, B]` is, without moving anything, one picture of height `H` and width `W·B`:
//! a step of one pixel along a row is a step of `B` columns of it. So a window that moves by one pixel
//! from column to column is a window with `B` times the dilation, and its convolution of the whole
//! batch is one of a single picture, whose rows are long.

use converter::onnx::Attribute;
use firmware_core::Window;

use super::{Graph, Value};
use crate::learn::backend::Kind;

/// Rows that one filter adds up.
const LONGEST_SUM: usize = 64;

impl Graph {
    /// `x: [C·H·W, B]` as one picture, `[1, C, H, W·B]`.
    fn picture(&mut self, x: &Value, [channels, height, width]: [usize; 3]) -> Value {
        let long = width * self.batch();
        let sizes = [1, channels, height, long];
        if self.backend() == Kind::OnnxRuntime {
            return self.reshape(x, &sizes);
        }
        // tract takes an axis of size 1 away again where it can, and has no direct convolution of
        // what is left. The axis of a gather's indices it leaves alone.
        let x = self.reshape(x, &[channels, height * long]);
        let places: Vec<i64> = (0..channels as i64).collect();
        let places = self.constant(&[1, channels], &places);
        let axis = ("axis", Attribute::Int(0));
        let x = self.node("Gather", &[&x, &places], &[axis], vec![1, channels, height * long]);
        self.reshape(&x, &sizes)
    }

    /// The convolution of `x: [C·H·W, B]` with `weight: [O, C / groups, rows, columns]`, as `[O·P, B]`.
    /// The stride is 1.
    pub fn convolution(
        &mut self,
        x: &Value,
        image: [usize; 3],
        (weight, bias): (&Value, Option<&Value>),
        window: &Window,
        groups: usize,
    ) -> Value {
        let batch = self.batch();
        let output = window.output_size([image[1], image[2]]);
        let filters = weight.shape()[0];
        let x = self.picture(x, image);
        let mut operands = vec![&x, weight];
        operands.extend(bias);
        let attributes = attributes(window, batch, groups);
        let shape = vec![1, filters, output[0], output[1] * batch];
        let y = self.node("Conv", &operands, &attributes, shape);
        self.reshape(&y, &[filters * output[0] * output[1], batch])
    }

    /// What [`Graph::convolution`] does to gradients: from `dy: [O·P, B]` that of its input,
    /// `[C·H·W, B]`.
    pub fn transposed_convolution(
        &mut self,
        dy: &Value,
        image: [usize; 3],
        weight: &Value,
        window: &Window,
        groups: usize,
    ) -> Value {
        let batch = self.batch();
        let [height, width] = window.output_size([image[1], image[2]]);
        let dy = self.picture(dy, [weight.shape()[0], height, width]);
        let attributes = attributes(window, batch, groups);
        let shape = vec![1, image[0], image[1], image[2] * batch];
        let dx = self.node("ConvTranspose", &[&dy, weight], &attributes, shape);
        self.reshape(&dx, &[image.iter().product(), batch])
    }

    /// The sums over all positions of a channel of every image, `[channels, B]`, of `x` with `channels ·
    /// positions · B` elements.
    pub fn sum_positions(&mut self, x: &Value, channels: usize) -> Value {
        let batch = self.batch();
        let mut positions = x.elements() / channels / batch;
        if self.backend() == Kind::OnnxRuntime {
            let x = self.reshape(x, &[channels, positions, batch]);
            let sums = self.reduce_sum(&x, 1);
            return self.reshape(&sums, &[channels, batch]);
        }
        // tract is slow at sums along any axis, and fast at depthwise convolutions: a filter of ones
        // adds up rows.
        let mut x = x.clone();
        while positions > 1 {
            let rows = (2..=LONGEST_SUM).rev().find(|rows| positions.is_multiple_of(*rows));
            let rows = rows.unwrap_or(positions);
            positions /= rows;
            let sizes = [1, channels, rows, positions * batch];
            let picture = self.reshape(&x, &sizes);
            let ones = self.constant(&[channels, 1, rows, 1], &vec![1f32; channels * rows]);
            let window = Window::new([rows, 1]);
            let attributes = attributes(&window, batch, channels);
            let shape = vec![1, channels, 1, positions * batch];
            x = self.node("Conv", &[&picture, &ones], &attributes, shape);
        }
        self.reshape(&x, &[channels, batch])
    }

    /// `x²`.
    pub fn square(&mut self, x: &Value) -> Value {
        if self.backend() == Kind::OnnxRuntime {
            return self.mul(x, x);
        }
        // tract makes an operator of its own of a value times itself, which is slower. Neither factor rounds
        // anything.
        let [two, half] = [2.0, 0.5].map(|factor: f32| self.constant(&[1, 1], &[factor]));
        let doubled = self.mul(x, &two);
        let product = self.mul(&doubled, x);
        self.mul(&product, &half)
    }

    /// `x: [C·H·W, B]` with zeros around every image, as `[C, H, W·B]` of the larger sizes, `sides`
    /// being top, left, bottom and right.
    pub fn padded(
        &mut self,
        x: &Value,
        [channels, height, width]: [usize; 3],
        sides: [usize; 4],
    ) -> Value {
        let batch = self.batch();
        let x = self.reshape(x, &[channels, height, width * batch]);
        if sides == [0; 4] {
            return x;
        }
        let [top, left, bottom, right] = sides;
        let pads = [0, top, left * batch, 0, bottom, right * batch].map(|size| size as i64);
        let pads = self.constant(&[pads.len()], &pads);
        let shape = vec![channels, top + height + bottom, (left + width + right) * batch];
        self.node("Pad", &[&x, &pads], &[], shape)
    }

    /// The part of `x: [C, H, W·B]` with `rows` rows and `columns` columns of pixels from `row` and
    /// `column` on.
    pub fn part(
        &mut self,
        x: &Value,
        [row, column]: [usize; 2],
        [rows, columns]: [usize; 2],
    ) -> Value {
        let batch = self.batch();
        let shape = vec![x.shape()[0], rows, columns * batch];
        if x.shape() == shape {
            return x.clone();
        }
        let numbers = |values: [usize; 2]| values.map(|value| value as i64);
        let start = self.constant(&[2], &numbers([row, column * batch]));
        let end = self.constant(&[2], &numbers([row + rows, (column + columns) * batch]));
        let axes = self.constant(&[2], &[1i64, 2]);
        self.node("Slice", &[x, &start, &end, &axes], &[], shape)
    }
}

/// Those of a convolution by `window` along pictures whose rows hold `batch` images side by side.
fn attributes(window: &Window, batch: usize, groups: usize) -> [(&'static str, Attribute); 4] {
    assert_eq!(window.stride[1], 1, "windows that skip columns have no dilation that says it");
    let ints = |sizes: &[usize]| Attribute::Ints(sizes.iter().map(|&size| size as i64).collect());
    let [top, left, bottom, right] = window.padding;
    [
        ("kernel_shape", ints(&window.kernel)),
        ("dilations", ints(&[window.dilation[0], window.dilation[1] * batch])),
        ("pads", ints(&[top, left * batch, bottom, right * batch])),
        ("group", Attribute::Int(groups as i64)),
    ]
}
