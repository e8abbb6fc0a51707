//! Training: epochs of steps, validation after each, a checkpoint after each.

mod at_once;
mod checkpoint;
mod engine;
mod evaluate;
mod interrupt;

use std::path::Path;
use std::time::{Duration, Instant};

use inkling_data::Dataset;
use serde::{Deserialize, Serialize};

use crate::learn::backend::{Backend, BackendError};
use crate::learn::batches::Feed;
use crate::learn::distillation::TeacherError;
use crate::learn::network::Network;
use crate::learn::recipe::Recipe;
use crate::learn::step::UpdateRule;

pub use at_once::parts;
pub use checkpoint::{Checkpoint, CheckpointError, Identity, MAGIC as CHECKPOINT_MAGIC};
pub use engine::{Engine, Objective, Spent, State};
pub use evaluate::{Evaluation, Evaluator, exported_predictions};

/// What an epoch came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Mean loss over the training images as they were augmented, each before its step: the
    /// cross-entropy, and with teachers what [`crate::learn::step::Soft`] makes of it.
    pub training_loss: f64,
    /// Mean cross-entropy over a sample of training images as they are, after the epoch.
    pub sample_loss: f64,
    /// Right answers among the sample.
    pub sample_correct: usize,
    pub validation_loss: f64,
    /// Right answers among the validation images.
    pub validation_correct: usize,
}

/// What a run tells while it works.
pub trait Progress {
    /// A step of the epoch is done; `loss` is the mean over its steps so far.
    fn step(&mut self, epoch: usize, step: usize, steps: usize, loss: f64);
    /// An epoch is done, its checkpoint written.
    fn epoch(&mut self, epoch: usize, record: &EpochRecord, took: Duration);
}

/// A training run: what it works on and how.
pub struct Run<'r> {
    pub backend: &'r Backend,
    pub network: &'r Network,
    pub objective: Objective<'r>,
    /// The parameters to begin with.
    pub parameters: Vec<f32>,
    /// Factors for their changes; see [`UpdateRule::factors`].
    pub factors: Option<Vec<f32>>,
    /// Epochs that other runs on the same data had before, so that no random number is drawn twice.
    pub first_epoch: usize,
    pub recipe: &'r Recipe,
    pub feed: &'r Feed,
    /// Training images as they are: what they are answered better than `validation` is learned by
    /// heart.
    pub sample: &'r Dataset,
    pub validation: &'r Dataset,
    pub identity: Identity,
    pub workers: usize,
}

/// A trained network.
pub struct Trained {
    pub parameters: Vec<f32>,
    pub history: Vec<EpochRecord>,
    /// The epoch that the parameters are of, counted from 1.
    pub epoch: usize,
    /// Of this process alone, not of one before that it went on from.
    pub spent: Spent,
}

impl Run<'_> {
    /// Trains until the recipe's last epoch, or until it says that there is no more progress, from
    /// `start` or from the first parameters, writing the checkpoint to `path` after every epoch.
    pub fn train(
        &self,
        start: Option<Checkpoint>,
        path: &Path,
        progress: &mut dyn Progress,
    ) -> Result<Trained, TrainingError> {
        let recipe = self.recipe;
        let mut checkpoint = start.unwrap_or_else(|| Checkpoint {
            identity: self.identity.clone(),
            state: State::first(self.parameters.clone(), &self.rule()),
            best: None,
            history: Vec::new(),
        });
        let (steps, part) = (self.feed.steps(), self.feed.part_size());
        let mut engine = Engine::new(
            self.backend,
            self.network,
            self.objective,
            self.rule(),
            part,
            self.workers,
            checkpoint.state,
        )?;
        let mut evaluator = Evaluator::new(self.backend, self.network, self.objective.plan)?;
        // Begins to listen for it.
        interrupt::asked();
        for epoch in checkpoint.history.len()..recipe.epochs {
            if self.is_stuck(&checkpoint.history) {
                break;
            }
            let begun = Instant::now();
            let mut loss_sum = 0.0;
            for (step, batch) in self.feed.epoch(self.first_epoch + epoch).into_iter().enumerate() {
                let done = epoch * steps + step;
                let rate = recipe.schedule.rate(recipe.rate, done, steps, recipe.epochs);
                let loss = f64::from(engine.step(batch, rate as f32)?);
                if !loss.is_finite() {
                    return Err(TrainingError::Diverged { epoch: epoch + 1, step: step + 1 });
                }
                loss_sum += loss;
                progress.step(epoch, step + 1, steps, loss_sum / (step + 1) as f64);
                if interrupt::asked() {
                    return Err(TrainingError::Interrupted { epoch: epoch + 1, kept: epoch });
                }
            }
            let sample = evaluator.evaluate(engine.result(), self.sample)?;
            let validation = evaluator.evaluate(engine.result(), self.validation)?;
            // The last step of an epoch has no loss of its own that would tell.
            let finite = sample.loss.is_finite() && validation.loss.is_finite();
            if !finite || engine.result().iter().any(|parameter| !parameter.is_finite()) {
                return Err(TrainingError::Diverged { epoch: epoch + 1, step: steps });
            }
            let record = EpochRecord {
                training_loss: loss_sum / steps as f64,
                sample_loss: sample.loss,
                sample_correct: sample.correct,
                validation_loss: validation.loss,
                validation_correct: validation.correct,
            };
            checkpoint.history.push(record.clone());
            let state = engine.state();
            checkpoint = Checkpoint { state, ..checkpoint };
            if recipe.patience > 0 && best(&checkpoint.history) == epoch {
                checkpoint.best = Some(engine.result().to_vec());
            }
            checkpoint.write(path)?;
            progress.epoch(epoch, &record, begun.elapsed());
        }
        let (history, spent) = (checkpoint.history, engine.spent());
        Ok(match checkpoint.best {
            Some(parameters) => Trained { parameters, epoch: best(&history) + 1, history, spent },
            None => {
                let parameters = engine.result().to_vec();
                Trained { parameters, epoch: history.len(), history, spent }
            }
        })
    }

    fn rule(&self) -> UpdateRule {
        UpdateRule {
            optimizer: self.recipe.optimizer.build(),
            clip_norm: self.recipe.clip_norm,
            average: self.recipe.average,
            factors: self.factors.clone(),
        }
    }

    /// Whether the last epochs, as many as the recipe has patience for, brought no lower validation
    /// loss.
    fn is_stuck(&self, history: &[EpochRecord]) -> bool {
        let patience = self.recipe.patience;
        patience > 0 && !history.is_empty() && history.len() - 1 - best(history) >= patience
    }
}

/// The epoch with the lowest validation loss, the first of equals, counted from 0.
fn best(history: &[EpochRecord]) -> usize {
    let lower = |best: usize, epoch: usize| {
        if history[epoch].validation_loss < history[best].validation_loss { epoch } else { best }
    };
    (0..history.len()).reduce(lower).unwrap_or(0)
}

/// Why training stopped.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error(transparent)]
    Teacher(#[from] TeacherError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(
        "the loss is no longer a number in epoch {epoch}, step {step}: training diverged; lower \
         the learning rate"
    )]
    Diverged { epoch: usize, step: usize },
    #[error(
        "interrupted in epoch {epoch}; {}",
        match kept {
            0 => "no epoch was finished, so there is nothing to go on from".to_string(),
            _ => format!("{kept} are kept: the same command with --resume goes on behind them"),
        }
    )]
    Interrupted { epoch: usize, kept: usize },
    #[error("a worker thread ended early")]
    WorkerLost,
}
