//! How good answers are, by class.

/// Counts of answers: `[label][answer]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    counts: Vec<Vec<usize>>,
}

impl Confusion {
    /// Counts `(label, answer)` pairs of `classes` classes.
    pub fn new(classes: usize, pairs: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut counts = vec![vec![0; classes]; classes];
        for (label, answer) in pairs {
            counts[label][answer] += 1;
        }
        Self { counts }
    }

    pub fn classes(&self) -> usize {
        self.counts.len()
    }

    /// The counts, `[label][answer]`.
    pub fn counts(&self) -> &[Vec<usize>] {
        &self.counts
    }

    pub fn total(&self) -> usize {
        self.counts.iter().flatten().sum()
    }

    pub fn correct(&self) -> usize {
        (0..self.classes()).map(|class| self.counts[class][class]).sum()
    }

    /// Images that carry this label.
    pub fn labelled(&self, class: usize) -> usize {
        self.counts[class].iter().sum()
    }

    /// The share of right answers among the answers `class`; `None` if it was never answered.
    pub fn precision(&self, class: usize) -> Option<f64> {
        let answered: usize = self.counts.iter().map(|answers| answers[class]).sum();
        share(self.counts[class][class], answered)
    }

    /// The share of right answers among the images labelled `class`; `None` if there are none.
    pub fn recall(&self, class: usize) -> Option<f64> {
        share(self.counts[class][class], self.labelled(class))
    }

    /// The harmonic mean of precision and recall; `None` if the class has neither labels nor
    /// answers.
    pub fn f1(&self, class: usize) -> Option<f64> {
        let answered: usize = self.counts.iter().map(|answers| answers[class]).sum();
        share(2 * self.counts[class][class], answered + self.labelled(class))
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::Confusion;

    #[test]
    fn precision_looks_at_answers_and_recall_at_labels() {
        let confusion = Confusion::new(3, [(0, 0), (0, 0), (0, 1), (1, 1)]);
        assert_eq!((confusion.correct(), confusion.total()), (3, 4));
        assert_eq!(confusion.precision(0), Some(1.0));
        assert_eq!(confusion.recall(0), Some(2.0 / 3.0));
        assert_eq!(confusion.precision(1), Some(0.5));
        assert_eq!(confusion.recall(1), Some(1.0));
        assert_eq!((confusion.precision(2), confusion.recall(2)), (None, None));
    }
}
