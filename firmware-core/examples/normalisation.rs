//! Batch normalisation worked through on one channel: while training, and folded into the weights
//! for a device. The guide explains what it prints.

/// What one channel's convolution has at one place of four images: input · weight + bias.
const INPUTS: [f64; 4] = [2.0, 4.0, 8.0, 10.0];
const WEIGHT: f64 = 0.5;
const BIAS: f64 = 3.0;

/// What the layer learns: the deviation and the mean that the next layer is to see.
const GAMMA: f64 = 2.0;
const BETA: f64 = 1.0;

fn main() {
    let values = INPUTS.map(|input| input * WEIGHT + BIAS);
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    let deviation = variance.sqrt();
    println!("before          {}", row(values));
    println!("mean {mean:.3}, deviation {deviation:.3}");
    println!("normalised      {}", row(values.map(|value| (value - mean) / deviation)));
    let learned = values.map(|value| (value - mean) / deviation * GAMMA + BETA);
    println!("times {GAMMA}, plus {BETA} {}", row(learned));

    let weight = WEIGHT * GAMMA / deviation;
    let bias = (BIAS - mean) * GAMMA / deviation + BETA;
    println!("folded: weight {WEIGHT} becomes {weight:.3}, bias {BIAS} becomes {bias:.3}");
    println!("by them alone   {}", row(INPUTS.map(|input| input * weight + bias)));
}

fn row(values: [f64; 4]) -> String {
    values.map(|value| format!("{value:>7.3}")).concat()
}
