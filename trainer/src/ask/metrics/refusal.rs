//! How well answers tell what is in none of the classes: scores of images that belong to one, and of
//! samples of something else.

use firmware_core::Unknown;

/// The scores of a rule, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    known: Vec<i32>,
    strange: Vec<i32>,
}

impl Refusal {
    /// By the logits of images of the classes and of samples of something else.
    pub fn new(rule: &Unknown, known: &[Vec<i32>], strange: &[Vec<i32>]) -> Self {
        let sorted = |all: &[Vec<i32>]| {
            let mut scores: Vec<i32> = all.iter().map(|logits| rule.best(logits).1).collect();
            scores.sort_unstable();
            scores
        };
        Self { known: sorted(known), strange: sorted(strange) }
    }

    /// The highest threshold that refuses at most the share `refuse` of the images of the classes.
    pub fn threshold(&self, refuse: f64) -> i32 {
        let most = (refuse * self.known.len() as f64).floor() as usize;
        let last = self.known.len().saturating_sub(1);
        self.known.get(most.min(last)).copied().unwrap_or(i32::MIN)
    }

    /// The share of the images of the classes below a threshold.
    pub fn known_refused(&self, threshold: i32) -> f64 {
        below(&self.known, threshold)
    }

    /// The share of the samples of something else below a threshold.
    pub fn strange_refused(&self, threshold: i32) -> f64 {
        below(&self.strange, threshold)
    }

    /// The area under the curve: how often an image of a class has a higher score than a sample of
    /// something else, equal scores counted by half.
    pub fn area(&self) -> f64 {
        let mut halves = 0_u64;
        for &score in &self.known {
            let lower = self.strange.partition_point(|&other| other < score);
            let not_higher = self.strange.partition_point(|&other| other <= score);
            halves += (lower + not_higher) as u64;
        }
        halves as f64 / (2 * self.known.len() * self.strange.len()).max(1) as f64
    }

    /// The curve: the share of samples of something else that are refused where so large a share of the
    /// images of the classes is.
    pub fn curve(&self, shares: &[f64]) -> Vec<f64> {
        shares.iter().map(|&share| self.strange_refused(self.threshold(share))).collect()
    }
}

fn below(sorted: &[i32], threshold: i32) -> f64 {
    sorted.partition_point(|&score| score < threshold) as f64 / sorted.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::Refusal;
    use firmware_core::{Score, Unknown};

    fn refusal(known: &[i32], strange: &[i32]) -> Refusal {
        let rule = Unknown { score: Score::Level, class: None, threshold: 0 };
        let logits = |scores: &[i32]| scores.iter().map(|&score| vec![score, score - 1]).collect();
        let (known, strange): (Vec<_>, Vec<_>) = (logits(known), logits(strange));
        Refusal::new(&rule, &known, &strange)
    }

    #[test]
    fn the_threshold_refuses_no_more_than_was_asked() {
        let scores = refusal(&[5, 1, 3, 3, 9, 8, 7, 6, 4, 2], &[0, 1, 2, 2]);
        for (asked, threshold, known, strange) in [
            (0.0, 1, 0.0, 0.25),
            (0.1, 2, 0.1, 0.5),
            (0.2, 3, 0.2, 1.0),
            (0.3, 3, 0.2, 1.0),
            (0.4, 4, 0.4, 1.0),
        ] {
            let found = scores.threshold(asked);
            assert_eq!(found, threshold, "{asked}");
            assert_eq!(
                (scores.known_refused(found), scores.strange_refused(found)),
                (known, strange)
            );
        }
        assert_eq!(scores.curve(&[0.0, 0.1, 0.2]), [0.25, 0.5, 1.0]);
    }

    #[test]
    fn the_area_counts_pairs() {
        assert_eq!(refusal(&[5, 6], &[1, 2]).area(), 1.0);
        assert_eq!(refusal(&[1, 2], &[5, 6]).area(), 0.0);
        assert_eq!(refusal(&[1, 3], &[1, 2]).area(), 0.625);
        assert_eq!(refusal(&[], &[1]).area(), 0.0);
    }
}
