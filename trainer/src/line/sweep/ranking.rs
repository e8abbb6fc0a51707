//! Which trial is best: by validation, never by the test set.

use std::cmp::Ordering;

use super::run::Outcome;

/// What the runs of a trial in one round came to.
#[derive(Clone, Debug)]
pub struct Score {
    /// Index of the trial.
    pub trial: usize,
    /// Index of the round.
    pub round: usize,
    /// Epochs of each run.
    pub epochs: usize,
    /// One per seed.
    pub outcomes: Vec<Outcome>,
    /// Right answers on the validation images of all seeds; `None` if a run diverged.
    pub correct: Option<usize>,
    /// Mean validation accuracy over the seeds, 0 to 1; `None` if a run diverged.
    pub accuracy: Option<f64>,
    /// Standard deviation of the accuracy over the seeds; `None` with one seed.
    pub deviation: Option<f64>,
    /// Mean validation loss over the seeds, in nats.
    pub loss: Option<f64>,
}

impl Score {
    /// `images`: validation images of each run.
    pub fn new(
        trial: usize,
        round: usize,
        epochs: usize,
        outcomes: Vec<Outcome>,
        images: usize,
    ) -> Self {
        let records: Option<Vec<_>> = outcomes.iter().map(Outcome::record).collect();
        let mut score = Self {
            trial,
            round,
            epochs,
            correct: None,
            accuracy: None,
            deviation: None,
            loss: None,
            outcomes: outcomes.clone(),
        };
        if let Some(records) = records {
            let count = records.len().max(1) as f64;
            let shares: Vec<f64> = records
                .iter()
                .map(|record| record.validation_correct as f64 / images.max(1) as f64)
                .collect();
            let mean = shares.iter().sum::<f64>() / count;
            let squares: f64 = shares.iter().map(|share| (share - mean).powi(2)).sum();
            score.correct = Some(records.iter().map(|record| record.validation_correct).sum());
            score.accuracy = Some(mean);
            score.deviation = (records.len() > 1).then(|| (squares / (count - 1.0)).sqrt());
            score.loss =
                Some(records.iter().map(|record| record.validation_loss).sum::<f64>() / count);
        }
        score
    }

    /// The better one first: the later round, then more right answers, then the lower loss, then
    /// the earlier trial. Whatever diverged comes last in its round.
    pub fn compare(&self, other: &Self) -> Ordering {
        let loss = |score: &Self| score.loss.unwrap_or(f64::INFINITY);
        (other.round.cmp(&self.round))
            .then_with(|| other.correct.cmp(&self.correct))
            .then_with(|| loss(self).total_cmp(&loss(other)))
            .then_with(|| self.trial.cmp(&other.trial))
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Score};
    use crate::learn::training::EpochRecord;

    fn score(trial: usize, round: usize, results: &[Option<(usize, f64)>]) -> Score {
        let outcome = |result: &Option<(usize, f64)>| match *result {
            Some((validation_correct, validation_loss)) => Outcome::Trained {
                epoch: 1,
                epochs: vec![EpochRecord {
                    training_loss: 0.0,
                    sample_loss: 0.0,
                    sample_correct: 0,
                    validation_loss,
                    validation_correct,
                }],
            },
            None => Outcome::Diverged { what: String::new() },
        };
        Score::new(trial, round, 1, results.iter().map(outcome).collect(), 10)
    }

    #[test]
    fn the_mean_decides_then_the_loss_then_the_order() {
        let mut scores = [
            score(0, 0, &[Some((10, 0.0)), None]),
            score(1, 0, &[Some((9, 0.5)), Some((7, 0.5))]),
            score(2, 0, &[Some((8, 0.4)), Some((8, 0.4))]),
            score(3, 0, &[Some((8, 0.4)), Some((8, 0.4))]),
            score(4, 0, &[Some((8, 0.9)), Some((9, 0.9))]),
            score(5, 1, &[Some((1, 2.0)), Some((1, 2.0))]),
        ];
        scores.sort_by(Score::compare);
        assert_eq!(scores.each_ref().map(|score| score.trial), [5, 4, 2, 3, 1, 0]);
        assert_eq!(scores[4].accuracy, Some(0.8));
        assert!((scores[4].deviation.expect("two seeds") - 0.1414).abs() < 1e-4);
        assert_eq!(scores[5].accuracy, None);
    }
}
