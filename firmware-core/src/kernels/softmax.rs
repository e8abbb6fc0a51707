//! Probabilities, for those who want them. The class needs none of this: see
//! [`argmax`](super::argmax).

use micromath::F32Ext;

/// The probability of every class, in `f32`, each in 0..=1; they sum to 1 up to rounding.
///
/// A logit's value is its integer times 2^-`exponent`, with `exponent` in -126..=126. The
/// exponential is micromath's approximation: this is the only part of inference that is not
/// exact, and the only one that links floating-point routines.
pub fn softmax(logits: &[i32], exponent: i32, probabilities: &mut [f32]) {
    let scale = f32::from_bits(((127 - exponent.clamp(-126, 126)) as u32) << 23);
    let largest = logits.iter().copied().max().unwrap_or(0);
    let mut sum = 0.0;
    for (probability, &logit) in probabilities.iter_mut().zip(logits) {
        // The difference of two i32 needs 33 bits, hence the detour through i64.
        let below = (i64::from(logit) - i64::from(largest)) as f32 * scale;
        // exp(-80) is far below f32's resolution beside the largest class's 1.
        *probability = if below < -80.0 { 0.0 } else { F32Ext::exp(below) };
        sum += *probability;
    }
    if sum > 0.0 {
        for probability in probabilities.iter_mut().take(logits.len()) {
            *probability /= sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::softmax;

    #[test]
    fn close_to_the_exact_exponential() {
        let logits = [0, 256, 512, -4096, i32::MIN, i32::MAX / 4_000_000];
        let mut probabilities = [f32::NAN; 6];
        softmax(&logits, 8, &mut probabilities);
        let exact: [f64; 6] = logits.map(|logit| (f64::from(logit) / 256.0).exp());
        let sum: f64 = exact.iter().sum();
        for (got, want) in probabilities.iter().zip(exact) {
            assert!((f64::from(*got) - want / sum).abs() < 2e-3, "{got} instead of {}", want / sum);
        }
    }
}
