//! Whether a network is as sure as it is right.

use serde::Serialize;

/// Bins of confidence over [0, 1].
const BINS: usize = 15;

/// Confidence against accuracy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// The expected calibration error: the mean over images of the distance between the accuracy
    /// and the mean confidence of their bin, of 15 equal bins.
    pub error: f64,
    /// Mean confidence, accuracy and images of each bin that has any.
    pub bins: Vec<(f64, f64, usize)>,
}

/// Compares the confidence of each answer with whether it is right.
pub fn calibration(answers: &[(f32, bool)]) -> Calibration {
    let mut sums = [(0.0, 0, 0); BINS];
    for &(confidence, right) in answers {
        // A confidence on the border of two bins belongs to the lower one.
        let bin = ((f64::from(confidence) * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
        sums[bin].0 += f64::from(confidence);
        sums[bin].1 += usize::from(right);
        sums[bin].2 += 1;
    }
    let bins: Vec<(f64, f64, usize)> = sums
        .iter()
        .filter(|(.., count)| *count > 0)
        .map(|&(sum, right, count)| (sum / count as f64, right as f64 / count as f64, count))
        .collect();
    let distances = bins
        .iter()
        .map(|(confidence, accuracy, count)| (confidence - accuracy).abs() * *count as f64);
    let error = distances.sum::<f64>() / answers.len().max(1) as f64;
    Calibration { error, bins }
}

#[cfg(test)]
mod tests {
    use super::calibration;

    #[test]
    fn the_error_is_the_mean_distance() {
        // Four answers at 0.9, three of them right; one at 0.5, wrong.
        let answers = [(0.9, true), (0.9, true), (0.9, false), (0.9, true), (0.5, false)];
        let found = calibration(&answers);
        assert!((found.error - (0.15 * 4.0 + 0.5) / 5.0).abs() < 1e-6, "{}", found.error);
        assert_eq!(found.bins.len(), 2);
    }
}
