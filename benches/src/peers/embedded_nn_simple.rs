//! `simple` by embedded-nn, which has all of its layers.

use embedded_nn::convolution::convolve_per_channel_s8;
use embedded_nn::fully_connected::fully_connected_per_channel_s8;
use embedded_nn::pooling::max_pool_s8;
use embedded_nn::types::{
    Activation, ConvParams, Dims, FcParams, Padding2D, PerChannelQuantParams, PoolParams, Tile,
};

use super::weight;

/// Requantization of every channel: a half, shifted down.
const MULTIPLIER: [i32; 50] = [1 << 30; 50];
const SHIFT: [i32; 50] = [-6; 50];
const BIAS: [i32; 50] = [5; 50];
const RELU: Activation = Activation { min: 0, max: 127 };

/// The network with its weights and activations.
pub struct EmbeddedNn {
    weights: [Vec<i8>; 4],
    values: [Vec<i8>; 6],
}

impl Default for EmbeddedNn {
    fn default() -> Self {
        let weights = [250, 5000, 16_000, 500].map(|count| (0..count).map(weight).collect());
        let values = [24 * 24 * 10, 12 * 12 * 10, 8 * 8 * 20, 4 * 4 * 20, 50, 10]
            .map(|count| vec![0; count]);
        Self { weights, values }
    }
}

impl EmbeddedNn {
    /// Runs one image.
    ///
    /// # Panics
    ///
    /// If the library refuses a shape of the network.
    pub fn run(&mut self, image: &[i8]) {
        let [conv1, pool1, conv2, pool2, hidden, logits] = &mut self.values;
        let [w1, w2, w3, w4] = &self.weights;
        convolve([28, 1], [24, 10], image, w1, conv1);
        pool([24, 10], 12, conv1, pool1);
        convolve([12, 10], [8, 20], pool1, w2, conv2);
        pool([8, 20], 4, conv2, pool2);
        connect(pool2, w3, RELU, hidden);
        connect(hidden, w4, Activation::int8_unconstrained(), logits);
        std::hint::black_box(logits);
    }
}

fn channels(count: usize) -> PerChannelQuantParams<'static> {
    PerChannelQuantParams::new(&MULTIPLIER[..count], &SHIFT[..count])
}

/// A 5×5 convolution between square tensors, given as side and depth.
fn convolve(
    [side, depth]: [usize; 2],
    [out_side, out]: [usize; 2],
    x: &[i8],
    weights: &[i8],
    y: &mut [i8],
) {
    let params = ConvParams {
        input_offset: 0,
        output_offset: 0,
        stride: Tile::new(1, 1),
        padding: Padding2D::default(),
        dilation: Tile::new(1, 1),
        activation: RELU,
    };
    let dims =
        |n: usize, side: usize, c: usize| Dims::new(n as i32, side as i32, side as i32, c as i32);
    let (input, filter, output) =
        (dims(1, side, depth), dims(out, 5, depth), dims(1, out_side, out));
    let bias = Some(&BIAS[..out]);
    convolve_per_channel_s8(&params, &channels(out), &input, x, &filter, weights, bias, &output, y)
        .expect("embedded-nn takes a 5×5 convolution");
}

fn pool([side, depth]: [usize; 2], out_side: usize, x: &[i8], y: &mut [i8]) {
    let params = PoolParams {
        stride: Tile::new(2, 2),
        padding: Padding2D::default(),
        activation: Activation::int8_unconstrained(),
    };
    let dims = |side: usize| Dims::new(1, side as i32, side as i32, depth as i32);
    max_pool_s8(&params, &Tile::new(2, 2), &dims(side), x, &dims(out_side), y)
        .expect("embedded-nn takes a 2×2 pooling");
}

fn connect(x: &[i8], weights: &[i8], activation: Activation, y: &mut [i8]) {
    let params = FcParams { input_offset: 0, filter_offset: 0, output_offset: 0, activation };
    let vector = |size: usize| Dims::new(1, 1, 1, size as i32);
    let filter = Dims::new(x.len() as i32, 1, 1, y.len() as i32);
    let bias = Some(&BIAS[..y.len()]);
    let (input, output) = (vector(x.len()), vector(y.len()));
    fully_connected_per_channel_s8(
        &params,
        &channels(y.len()),
        &input,
        x,
        &filter,
        weights,
        bias,
        &output,
        y,
    )
    .expect("embedded-nn takes a fully connected layer");
}
