//! From logits to probabilities, outside of graphs.

/// Probabilities of logits.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let peak = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - peak).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::softmax;

    #[test]
    fn probabilities_are_those_of_the_exponential() {
        let found = softmax(&[1.0, 3.0, -200.0, 2.0]);
        let sum = 1f32.exp() + 3f32.exp() + 2f32.exp();
        for (found, wanted) in found.iter().zip([1f32.exp(), 3f32.exp(), 0.0, 2f32.exp()]) {
            assert!((found - wanted / sum).abs() < 1e-6, "{found}");
        }
        assert_eq!(softmax(&[f32::MAX, f32::MAX]), [0.5, 0.5]);
    }
}
