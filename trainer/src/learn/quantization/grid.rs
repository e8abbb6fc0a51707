//! Rounding to grids of powers of two, as nodes of a graph and on the host.

use crate::learn::graph::{Graph, Value};

/// The grid of an activation: `integer · 2^-exponent` with the integer from `low` to `high`.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    pub exponent: i32,
    pub low: f32,
    pub high: f32,
    /// What the layer's result must be multiplied by first; see [`crate::learn::network::Readout`].
    pub factor: f32,
    /// By how many bits the integer that a layer without weights computes is finer than the grid:
    /// the graph divides by a window's area or multiplies by a slope where a device has sums and
    /// products of integers, and rounding to these first makes up for the difference.
    pub finer: u8,
}

impl Grid {
    /// Emits the rounding of `x`. Returns the value on the grid and what its backward pass needs.
    pub fn forward(&self, graph: &mut Graph, x: &Value) -> (Value, Rounded) {
        let scale = graph.constant(&[1, 1], &[self.factor * 2f32.powi(self.exponent)]);
        let mut scaled = graph.mul(x, &scale);
        if self.finer > 0 {
            let fine = graph.constant(&[1, 1], &[2f32.powi(self.finer.into())]);
            scaled = graph.mul(&scaled, &fine);
            let integer = graph.unary("Round", &scaled);
            let coarse = graph.constant(&[1, 1], &[2f32.powi(-i32::from(self.finer))]);
            scaled = graph.mul(&integer, &coarse);
        }
        let rounded = graph.unary("Round", &scaled);
        let low = graph.constant(&[1, 1], &[self.low]);
        let high = graph.constant(&[1, 1], &[self.high]);
        let raised = graph.max(&rounded, &low);
        let clipped = graph.min(&raised, &high);
        let step = graph.constant(&[1, 1], &[2f32.powi(-self.exponent)]);
        (graph.mul(&clipped, &step), Rounded { scaled })
    }

    /// Emits the gradient of the rounding's input: that of its result, where it was not clipped.
    pub fn backward(&self, graph: &mut Graph, rounded: &Rounded, dy: &Value) -> Value {
        let high = graph.constant(&[1, 1], &[self.high + 0.5]);
        let room = graph.sub(&high, &rounded.scaled);
        let below = graph.is_positive(&room);
        let mut dx = graph.mul(dy, &below);
        if self.low < 0.0 {
            let low = graph.constant(&[1, 1], &[self.low - 0.5]);
            let room = graph.sub(&rounded.scaled, &low);
            let above = graph.is_positive(&room);
            dx = graph.mul(&dx, &above);
        }
        if self.factor != 1.0 {
            let factor = graph.constant(&[1, 1], &[self.factor]);
            dx = graph.mul(&dx, &factor);
        }
        dx
    }
}

/// An activation in units of its grid's step, before rounding.
pub struct Rounded {
    scaled: Value,
}

/// The grids of a layer's weights and biases.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightGrid {
    /// Of the weights, one per output channel.
    pub exponents: Vec<i32>,
    /// The largest magnitude of an integer: weights are symmetric, as the converter makes them.
    pub largest: f32,
    /// Of the layer's input: a bias is in units of `2^-(exponent + input exponent)`.
    pub input_exponent: i32,
    /// What the layer's input is multiplied by in the network that is trained; its weights are
    /// divided by it.
    pub factor: f32,
}

impl WeightGrid {
    /// Emits weights `[out, …]` and biases `[out]` on their grids.
    pub fn forward(&self, graph: &mut Graph, weight: &Value, bias: &Value) -> [Value; 2] {
        let (channels, shape) = (self.exponents.len(), weight.shape().to_vec());
        let column = |graph: &mut Graph, value: &dyn Fn(i32) -> f32| {
            let values: Vec<f32> = self.exponents.iter().map(|&exponent| value(exponent)).collect();
            graph.constant(&[channels, 1], &values)
        };
        let matrix = graph.reshape(weight, &[channels, weight.elements() / channels]);
        let scale = column(graph, &|exponent| 2f32.powi(exponent) / self.factor);
        let matrix = graph.mul(&matrix, &scale);
        let rounded = graph.unary("Round", &matrix);
        let low = graph.constant(&[1, 1], &[-self.largest]);
        let high = graph.constant(&[1, 1], &[self.largest]);
        let raised = graph.max(&rounded, &low);
        let clipped = graph.min(&raised, &high);
        let step = column(graph, &|exponent| 2f32.powi(-exponent));
        let weight = graph.mul(&clipped, &step);
        let weight = graph.reshape(&weight, &shape);

        let bias_column = graph.reshape(bias, &[channels, 1]);
        let scale = column(graph, &|exponent| 2f32.powi(exponent + self.input_exponent));
        let bias_column = graph.mul(&bias_column, &scale);
        let rounded = graph.unary("Round", &bias_column);
        let step = column(graph, &|exponent| 2f32.powi(-exponent - self.input_exponent));
        let bias_column = graph.mul(&rounded, &step);
        [weight, graph.reshape(&bias_column, &[channels])]
    }

    /// Emits the gradients of weights and biases, given those of their values on the grids.
    pub fn backward(&self, graph: &mut Graph, gradients: Vec<Value>) -> Vec<Value> {
        let mut gradients = gradients.into_iter();
        let mut result = Vec::new();
        if let Some(weight) = gradients.next() {
            let factor = graph.constant(&vec![1; weight.shape().len()], &[1.0 / self.factor]);
            result.push(graph.mul(&weight, &factor));
        }
        result.extend(gradients);
        result
    }

    /// Moves weights `[out, …]` and biases onto the grids, in the units of the network that is
    /// trained: the converter finds the same integers in them.
    pub fn round(&self, weight: &mut [f32], bias: &mut [f32]) {
        let taps = weight.len() / self.exponents.len().max(1);
        for (filter, &exponent) in weight.chunks_mut(taps.max(1)).zip(&self.exponents) {
            let scale = 2f32.powi(exponent) / self.factor;
            for w in filter {
                let integer = (*w * scale).round_ties_even().clamp(-self.largest, self.largest);
                *w = integer * 2f32.powi(-exponent) * self.factor;
            }
        }
        for (b, &exponent) in bias.iter_mut().zip(&self.exponents) {
            let scale = 2f32.powi(exponent + self.input_exponent);
            *b = (*b * scale).round_ties_even() / scale;
        }
    }
}
