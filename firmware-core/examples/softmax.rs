//! Softmax and cross-entropy worked through on three logits: what training does with a network's
//! answer, and what it sends backwards. The guide explains what it prints.

/// The integers that a device returns, and the exponent that they are scaled by.
const LOGITS: [i32; 3] = [2048, 1024, -1024];
const EXPONENT: i32 = 10;

/// The class that a person said.
const LABEL: usize = 1;

fn softmax(values: [f64; 3]) -> [f64; 3] {
    let powers = values.map(f64::exp);
    let sum: f64 = powers.iter().sum();
    powers.map(|power| power / sum)
}

/// The cross-entropy: how little the network expected the label.
fn loss(values: [f64; 3]) -> f64 {
    -softmax(values)[LABEL].ln()
}

fn main() {
    let values = LOGITS.map(|logit| f64::from(logit) * f64::exp2(f64::from(-EXPONENT)));
    let probabilities = softmax(values);
    println!("class  logit  value  e^value  probability  -ln(probability)");
    for (class, value) in values.iter().enumerate() {
        let p = probabilities[class];
        println!(
            "{class:>5}  {:>5}  {value:>5}  {:>7.3}  {p:>11.3}  {:>16.3}",
            LOGITS[class],
            value.exp(),
            -p.ln()
        );
    }
    println!("the label is {LABEL}: the loss is {:.3}", loss(values));

    println!("the gradient, probability minus 1 for the label and minus 0 for the others:");
    for (class, p) in probabilities.iter().enumerate() {
        let step = 1e-4;
        let mut moved = values;
        moved[class] += step;
        let measured = (loss(moved) - loss(values)) / step;
        println!(
            "  class {class}: {:>6.3}; by moving the value a little: {measured:>6.3}",
            p - f64::from(u8::from(class == LABEL))
        );
    }
}
