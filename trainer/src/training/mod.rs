//! Training: epochs of steps, validation after each, a checkpoint after each.

mod checkpoint;
mod engine;
mod evaluate;

use std::path::Path;
use std::time::{Duration, Instant};

use converter::dataset::Dataset;
use serde::{Deserialize, Serialize};

use crate::backend::{Backend, BackendError};
use crate::data::Feed;
use crate::network::Network;
use crate::recipe::Recipe;

pub use checkpoint::{Checkpoint, CheckpointError, Identity, fingerprint};
pub use engine::Engine;
pub use evaluate::{Evaluation, Evaluator, exported_predictions};

/// What an epoch came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Mean cross-entropy over the training images as they were augmented, each before its step.
    pub training_loss: f64,
    pub validation_loss: f64,
    /// Right answers among the validation images.
    pub validation_correct: usize,
}

/// What a run tells while it works.
pub trait Progress {
    /// A step of the epoch is done.
    fn step(&mut self, epoch: usize, step: usize, steps: usize);
    /// An epoch is done, its checkpoint written.
    fn epoch(&mut self, epoch: usize, record: &EpochRecord, took: Duration);
}

/// A training run: what it works on and how.
pub struct Run<'r> {
    pub backend: &'r Backend,
    pub network: &'r Network,
    pub recipe: &'r Recipe,
    pub feed: &'r Feed,
    pub validation: &'r Dataset,
    pub identity: Identity,
    pub workers: usize,
}

/// A trained network.
pub struct Trained {
    pub parameters: Vec<f32>,
    pub history: Vec<EpochRecord>,
}

impl Run<'_> {
    /// Trains until the recipe's last epoch, from `start` or from the seed's initial parameters,
    /// writing the checkpoint to `path` after every epoch.
    pub fn train(
        &self,
        start: Option<Checkpoint>,
        path: &Path,
        progress: &mut dyn Progress,
    ) -> Result<Trained, TrainingError> {
        let optimizer = self.recipe.optimizer.build();
        let mut checkpoint = start.unwrap_or_else(|| {
            let parameters = self.network.initial_parameters(self.identity.seed);
            let state = vec![vec![0.0; parameters.len()]; optimizer.state().len()];
            Checkpoint { identity: self.identity.clone(), parameters, state, history: Vec::new() }
        });
        let steps = self.feed.steps();
        let total = steps * self.recipe.epochs;
        let part = self.feed.part_size();
        let mut engine = Engine::new(
            self.backend,
            self.network,
            &*optimizer,
            part,
            self.workers,
            (checkpoint.parameters, checkpoint.state),
        )?;
        let mut evaluator = Evaluator::new(self.backend, self.network)?;
        for epoch in checkpoint.history.len()..self.recipe.epochs {
            let begun = Instant::now();
            let mut loss_sum = 0.0;
            for (step, batch) in self.feed.epoch(epoch).into_iter().enumerate() {
                let rate = self.recipe.schedule.rate(self.recipe.rate, epoch * steps + step, total);
                let loss = f64::from(engine.step(batch, rate as f32)?);
                if !loss.is_finite() {
                    return Err(TrainingError::Diverged { epoch: epoch + 1, step: step + 1 });
                }
                loss_sum += loss;
                progress.step(epoch, step + 1, steps);
            }
            let (parameters, state) = engine.snapshot();
            let evaluation = evaluator.evaluate(&parameters, self.validation)?;
            let record = EpochRecord {
                training_loss: loss_sum / steps as f64,
                validation_loss: evaluation.loss,
                validation_correct: evaluation.correct,
            };
            checkpoint.history.push(record.clone());
            checkpoint = Checkpoint { parameters, state, ..checkpoint };
            checkpoint.write(path)?;
            progress.epoch(epoch, &record, begun.elapsed());
        }
        let (parameters, _) = engine.snapshot();
        Ok(Trained { parameters, history: checkpoint.history })
    }
}

/// Why training stopped.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(
        "the loss is no longer a number in epoch {epoch}, step {step}: training diverged; lower \
         the learning rate"
    )]
    Diverged { epoch: usize, step: usize },
    #[error("a worker thread ended early")]
    WorkerLost,
}
