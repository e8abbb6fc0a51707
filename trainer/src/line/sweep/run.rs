//! One run: a trial with one seed, in a folder of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use inkling_data::Dataset;
use inkling_support::files::write_atomically;
use serde::{Deserialize, Serialize};

use super::progress::Board;
use super::strangers;
use crate::learn::backend::Backend;
use crate::learn::batches::{Feed, class_weights, per_class};
use crate::learn::distillation::{Teacher, Teachers};
use crate::learn::network::Network;
use crate::learn::recipe::Recipe;
use crate::learn::training::{self, Checkpoint, EpochRecord, Identity, Objective, TrainingError};
use inkling_data::{divide, shuffled};
use inkling_support::files;

const RECIPE: &str = "recipe.toml";
const RESULT: &str = "result.json";
const CHECKPOINT: &str = "checkpoint.bin";

/// What all runs of a sweep share. The test set is not among it.
pub struct Material {
    pub network: Network,
    /// Images for training and, unless they are given, for validation.
    pub images: Arc<Dataset>,
    /// Validation images that were given with the data.
    pub validation: Option<Dataset>,
    /// Training images per run; all without it.
    pub limit: Option<usize>,
    /// The sha256 of all images and labels.
    pub fingerprint: String,
    /// Whether the last class is what is in none of the others.
    pub learns_unknown: bool,
    /// What the trials' recipes learn from, under the paths that they have there.
    pub teachers: BTreeMap<PathBuf, Arc<Teacher>>,
}

impl Material {
    /// The teachers of a recipe.
    fn teachers(&self, recipe: &Recipe) -> Result<Option<Teachers>> {
        let Some(wish) = &recipe.teacher else { return Ok(None) };
        let of = |path| self.teachers.get(path).cloned().context("a teacher was not read");
        let teachers = wish.models.iter().map(of).collect::<Result<_>>()?;
        Ok(Some(Teachers::new(wish, teachers)))
    }

    /// What each run is judged by: validation images, and samples of none of the classes where those are
    /// one.
    pub fn validation_images(&self) -> usize {
        let images = self.divided(0).1.len();
        images + if self.learns_unknown { strangers::beside(images) } else { 0 }
    }

    /// Training images that a run can have.
    pub fn training_images(&self) -> usize {
        self.divided(0).0.len()
    }

    /// Which images a run of `seed` trains on, and its validation images.
    pub fn divided(&self, seed: u64) -> (Vec<usize>, Dataset) {
        match &self.validation {
            Some(given) => (shuffled(self.images.len(), seed), given.clone()),
            None => {
                let (training, validation) = divide(self.images.len(), seed);
                (training, self.images.subset(&validation))
            }
        }
    }
}

/// Where runs are trained.
pub struct Place<'s> {
    pub backend: &'s Backend,
    pub material: &'s Material,
    /// The folder of all runs.
    pub runs: &'s Path,
}

/// One run of a sweep.
pub struct SweepRun {
    /// Number of its trial, counted from 1.
    pub trial: usize,
    pub seed: u64,
    /// The trial's recipe with the epochs of this run.
    pub recipe: Recipe,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Trained {
        /// The epoch whose parameters count, counted from 1.
        epoch: usize,
        epochs: Vec<EpochRecord>,
    },
    /// The loss was no longer a number.
    Diverged { what: String },
}

impl Outcome {
    /// The epoch that counts.
    pub fn record(&self) -> Option<&EpochRecord> {
        match self {
            Outcome::Trained { epoch, epochs } => epochs.get(epoch.checked_sub(1)?),
            Outcome::Diverged { .. } => None,
        }
    }
}

impl SweepRun {
    /// The name of its folder, which no other run of the sweep has.
    pub fn folder(&self) -> String {
        format!("trial-{:03}-epochs-{}-seed-{}", self.trial, self.recipe.epochs, self.seed)
    }

    /// Trains in a folder of its own unless a result is there already, going on from a checkpoint
    /// if there is one. On one thread, so that nothing depends on what runs beside it. Another process
    /// that is at the same run is waited for.
    pub fn run(&self, place: &Place, board: &Board) -> Result<Outcome> {
        if let Some(outcome) = self.outcome(place.runs)? {
            board.skip(self.recipe.epochs);
            return Ok(outcome);
        }
        let folder = place.runs.join(self.folder());
        let _folder = files::wait_for_folder(&folder, &[RECIPE, RESULT, CHECKPOINT], || {
            board.line(&format!("note: another process is at {}: waiting\n", folder.display()));
        })?;
        // Whoever had the folder may have finished.
        if let Some(outcome) = self.outcome(place.runs)? {
            board.skip(self.recipe.epochs);
            return Ok(outcome);
        }
        write_atomically(&folder.join(RECIPE), self.recipe.to_file_in(&folder).as_bytes())?;
        let outcome = self.train(place, &folder, board)?;
        let text = serde_json::to_string_pretty(&outcome).context("a result as JSON")? + "\n";
        write_atomically(&folder.join(RESULT), text.as_bytes())?;
        files::remove(&folder.join(CHECKPOINT))?;
        // As it is read back after an interruption, to the last bit.
        self.outcome(place.runs)?
            .ok_or_else(|| anyhow!("{}: the result has gone", folder.display()))
    }

    /// The result, if the run is through.
    pub fn outcome(&self, runs: &Path) -> Result<Option<Outcome>> {
        let path = runs.join(self.folder()).join(RESULT);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(anyhow!("{}: cannot be read: {error}", path.display())),
        };
        let damaged = |what: String| {
            anyhow!("{}: damaged ({what}); delete the file to repeat this run", path.display())
        };
        let outcome: Outcome =
            serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if matches!(outcome, Outcome::Trained { .. }) && outcome.record().is_none() {
            return Err(damaged("an epoch is missing".to_string()));
        }
        Ok(Some(outcome))
    }

    fn train(&self, place: &Place, folder: &Path, board: &Board) -> Result<Outcome> {
        let Place { backend, material, .. } = place;
        let Material { network, images, limit, fingerprint, .. } = material;
        let (mut training, mut validation) = material.divided(self.seed);
        training.truncate(limit.unwrap_or(usize::MAX));
        let of_images = validation.len();
        if material.learns_unknown {
            validation = strangers::judged(&validation, self.seed)?;
        }
        let mut weights = class_weights(&per_class(images, &training), self.recipe.balance);
        if let (true, Some(last)) = (material.learns_unknown, weights.last_mut()) {
            *last = 1.0;
        }
        let sample = images.subset(&training[..training.len().min(of_images)]);
        let teachers = material.teachers(&self.recipe)?;
        let identity = Identity {
            network: network.to_string()
                + &teachers.as_ref().map(Teachers::identity).unwrap_or_default(),
            recipe: self.recipe.to_string(),
            seed: self.seed,
            dataset: format!("{fingerprint}, {} for training", training.len()),
            backend: backend.identity().to_string(),
            threads: 1,
        };
        let feed = Feed {
            dataset: Arc::clone(images),
            augmentation: self.recipe.augmentation.clone(),
            label_smoothing: self.recipe.label_smoothing,
            class_weights: weights,
            strangers: strangers::of_training(&self.recipe, images, &training)?,
            indices: training,
            seed: self.seed,
            batch: self.recipe.batch,
            parts: training::parts(network, self.recipe.batch, 1),
            noise: network.noise(),
        };
        let path = folder.join(CHECKPOINT);
        let start = Checkpoint::read(&path, &identity).with_context(|| {
            format!("{}: delete this folder to repeat the run", folder.display())
        })?;
        let done = start.as_ref().map_or(0, |checkpoint| checkpoint.history.len());
        let mut progress = board.run(self, done, validation.len());
        let run = training::Run {
            backend,
            network,
            objective: Objective { plan: None, teachers: teachers.as_ref() },
            parameters: network.initial_parameters(self.seed),
            factors: None,
            first_epoch: 0,
            recipe: &self.recipe,
            feed: &feed,
            sample: &sample,
            validation: &validation,
            identity,
            workers: 1,
        };
        let outcome = match run.train(start, &path, &mut progress) {
            Ok(trained) => {
                Outcome::Trained { epoch: trained.epoch, epochs: trained.history }.checked()
            }
            Err(error @ TrainingError::Diverged { .. }) => {
                Outcome::Diverged { what: error.to_string() }
            }
            Err(error) => return Err(error.into()),
        };
        progress.finish(&outcome);
        Ok(outcome)
    }
}

impl Outcome {
    /// A run whose last step left numbers that are none has diverged too.
    fn checked(self) -> Self {
        let Outcome::Trained { epoch, epochs } = &self else { return self };
        let finite = |record: &EpochRecord| {
            [record.training_loss, record.sample_loss, record.validation_loss]
                .iter()
                .all(|loss| loss.is_finite())
        };
        match epochs.iter().position(|record| !finite(record)) {
            None if *epoch > 0 => self,
            found => Outcome::Diverged {
                what: format!(
                    "the loss is no longer a number after epoch {}",
                    found.unwrap_or_default() + 1
                ),
            },
        }
    }
}
