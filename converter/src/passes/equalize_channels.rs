//! Equalizes the ranges of channels between two layers by powers of two.
//!
//! All channels of a value share one exponent, so a channel that is a thousand times smaller than
//! another loses its bits. Where a layer's channels reach the next layer only through ReLU, leaky
//! ReLU and pooling, each may be divided by a power of two in the first layer's weights and
//! multiplied by it in the second's: the same float function, to the bit. Trained networks need
//! it seldom, and are left as they are unless the spread is wide.

use crate::graph::{Graph, Operator};

/// Two layers are equalized if, in bits, the factors that their channels ask for differ by more.
const SPREAD: f64 = 4.0;

pub fn run(graph: &mut Graph) {
    for producer in 0..graph.nodes.len() {
        if let Some(consumer) = next_layer(graph, producer)
            && let Some(bits) = factors(graph, producer, consumer)
        {
            scale(graph, producer, consumer, &bits);
        }
    }
}

/// The layer that alone reads the channels of the layer `producer`, if all between them commutes
/// with a positive factor for each channel.
fn next_layer(graph: &Graph, producer: usize) -> Option<usize> {
    outputs(graph, producer)?;
    let mut node = producer;
    loop {
        node = graph.only_consumer(node + 1)?;
        match graph.nodes[node].operator {
            Operator::Relu
            | Operator::LeakyRelu { .. }
            | Operator::MaxPool2d { .. }
            | Operator::AveragePool2d { .. } => {}
            Operator::Conv2d { .. } | Operator::FullyConnected { .. } => return Some(node),
            _ => return None,
        }
    }
}

/// The output channels of a layer with weights.
fn outputs(graph: &Graph, node: usize) -> Option<usize> {
    match &graph.nodes[node].operator {
        Operator::Conv2d { bias, .. } | Operator::FullyConnected { bias, .. } => Some(bias.len()),
        _ => None,
    }
}

/// By how many bits each channel between two layers is to be made smaller, if they spread widely.
fn factors(graph: &Graph, producer: usize, consumer: usize) -> Option<Vec<i32>> {
    let channels = outputs(graph, producer)?;
    let (Operator::Conv2d { weights, bias, .. } | Operator::FullyConnected { weights, bias }) =
        &graph.nodes[producer].operator
    else {
        return None;
    };
    // How large a channel can become, for inputs of about 1.
    let taps = (weights.len() / channels.max(1)).max(1);
    let written: Vec<f64> = weights
        .chunks(taps)
        .zip(bias)
        .map(|(taps, bias)| taps.iter().chain([bias]).map(|&w| f64::from(w.abs())).sum())
        .collect();
    let mut read = vec![0_f64; channels];
    let consumer = &graph.nodes[consumer].operator;
    for (at, weight) in weights_of(consumer).iter().enumerate() {
        let channel = channel_read(consumer, channels, at);
        read[channel] = read[channel].max(f64::from(weight.abs()));
    }
    // What equalizes the ranges of both layers' weights; none for a channel without effect.
    let wanted: Vec<Option<f64>> = written
        .iter()
        .zip(&read)
        .map(|(written, read)| Some((written / read).log2() / 2.0).filter(|bits| bits.is_finite()))
        .collect();
    let mut sorted: Vec<f64> = wanted.iter().copied().flatten().collect();
    sorted.sort_by(f64::total_cmp);
    let (first, last) = (sorted.first()?, sorted.last()?);
    let middle = sorted[sorted.len() / 2];
    (last - first > SPREAD).then(|| {
        wanted.iter().map(|bits| bits.map_or(0, |bits| (bits - middle).round() as i32)).collect()
    })
}

fn scale(graph: &mut Graph, producer: usize, consumer: usize, bits: &[i32]) {
    if let Operator::Conv2d { weights, bias, .. } | Operator::FullyConnected { weights, bias } =
        &mut graph.nodes[producer].operator
    {
        let taps = (weights.len() / bias.len().max(1)).max(1);
        for ((taps, bias), bits) in weights.chunks_mut(taps).zip(bias).zip(bits) {
            let factor = 2_f32.powi(-bits);
            taps.iter_mut().chain([bias]).for_each(|weight| *weight *= factor);
        }
    }
    let layer = graph.nodes[consumer].operator.clone();
    if let Operator::Conv2d { weights, .. } | Operator::FullyConnected { weights, .. } =
        &mut graph.nodes[consumer].operator
    {
        for (at, weight) in weights.iter_mut().enumerate() {
            *weight *= 2_f32.powi(bits[channel_read(&layer, bits.len(), at)]);
        }
    }
}

fn weights_of(layer: &Operator) -> &[f32] {
    match layer {
        Operator::Conv2d { weights, .. } | Operator::FullyConnected { weights, .. } => weights,
        _ => &[],
    }
}

/// The channel, of `channels`, that weight number `at` of a layer is multiplied with.
fn channel_read(layer: &Operator, channels: usize, at: usize) -> usize {
    match layer {
        Operator::Conv2d { weights, bias, groups, .. } => {
            let (group_in, group_out) = (channels / groups, bias.len() / groups);
            let output = at / (weights.len() / bias.len());
            output / group_out * group_in + at % group_in
        }
        // An image is read pixel by pixel, each with its channels.
        _ => at % channels,
    }
}

#[cfg(test)]
mod tests {
    use firmware_core::Window;

    use super::run;
    use crate::evaluate;
    use crate::graph::{Graph, Node, Operator, Output, Shape};
    use crate::lower::{Network, lower};

    /// conv 1→4 · relu · pool · grouped conv 4→4 · leaky relu · fc → 2, with channel `c` of the
    /// first convolution scaled by `factor^c` and the second's weights by the inverse.
    fn graph(factor: f32) -> Graph {
        let mut state = 7_u32;
        let mut random = |count: usize| -> Vec<f32> {
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 16) as f32 / 32768.0 - 1.0
            };
            (0..count).map(|_| next()).collect()
        };
        let powers: Vec<f32> = (0..4).map(|c| factor.powi(c)).collect();
        let (mut first, mut bias) = (random(4 * 9), random(4));
        for c in 0..4 {
            first[c * 9..][..9].iter_mut().for_each(|w| *w *= powers[c]);
            bias[c] *= powers[c];
        }
        // Two groups: outputs 0 and 1 read the channels 0 and 1, the others 2 and 3.
        let mut second = random(4 * 2);
        for (at, weight) in second.iter_mut().enumerate() {
            *weight /= powers[at / 4 * 2 + at % 2];
        }
        let (second_bias, last, last_bias) = (random(4), random(2 * 4 * 9), random(2));
        let window = Window::new([3, 3]);
        let node = |operator, input: usize, output: Shape| Node {
            name: format!("n{input}"),
            operator,
            inputs: vec![input],
            output,
        };
        let (wide, small) = (Shape::new(6, 6, 4), Shape::new(3, 3, 4));
        let grouped = Operator::Conv2d {
            weights: second,
            bias: second_bias,
            window: Window::new([1, 1]),
            groups: 2,
        };
        Graph {
            input: Shape::new(8, 8, 1),
            raw_pixels: vec![false],
            nodes: vec![
                node(Operator::Conv2d { weights: first, bias, window, groups: 1 }, 0, wide),
                node(Operator::Relu, 1, wide),
                node(Operator::MaxPool2d { window: Window::tiling([2, 2]) }, 2, small),
                node(grouped, 3, small),
                node(Operator::LeakyRelu { slope: 0.25 }, 4, small),
                node(
                    Operator::FullyConnected { weights: last, bias: last_bias },
                    5,
                    Shape::flat(2),
                ),
            ],
            outputs: vec![Output::plain("y", 6, 2)],
            exponents: Default::default(),
        }
    }

    fn logits(graph: Graph) -> Vec<f32> {
        let network: Network = lower(graph).expect("every node has a kernel");
        let image: Vec<u8> = (0..64).map(|i| (i * 37 % 256) as u8).collect();
        evaluate::logits(&network, &image)
    }

    fn weights(graph: &Graph, node: usize) -> Vec<f32> {
        super::weights_of(&graph.nodes[node].operator).to_vec()
    }

    #[test]
    fn channels_that_spread_widely_are_equalized_without_changing_a_bit() {
        let mut equal = graph(64.0);
        run(&mut equal);
        assert_ne!(weights(&equal, 0), weights(&graph(64.0), 0));
        let peaks: Vec<f32> = weights(&equal, 0)
            .chunks(9)
            .map(|taps| taps.iter().fold(0_f32, |peak, w| peak.max(w.abs())))
            .collect();
        let largest = peaks.iter().copied().fold(0.0, f32::max);
        assert!(peaks.iter().all(|peak| largest / peak < 16.0), "{peaks:?}");
        assert_eq!(logits(equal.clone()), logits(graph(64.0)));
        // What is equal stays as it is.
        let once = equal.clone();
        run(&mut equal);
        assert_eq!(equal, once);
    }

    #[test]
    fn an_even_network_is_left_alone() {
        let mut even = graph(1.0);
        run(&mut even);
        assert_eq!(even, graph(1.0));
    }

    #[test]
    fn nothing_is_moved_through_a_ceiling_or_a_value_that_others_read() {
        let mut clipped = graph(64.0);
        clipped.nodes[1].operator = Operator::Clip { ceiling: 6.0 };
        let before = clipped.nodes[0].clone();
        run(&mut clipped);
        assert_eq!(clipped.nodes[0], before);
        let mut returned = graph(64.0);
        returned.outputs[0].value = 1;
        let before = returned.clone();
        run(&mut returned);
        assert_eq!(returned.nodes[0], before.nodes[0]);
    }
}
