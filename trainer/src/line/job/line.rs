//! The runs that a job consists of: epochs in floating point, then epochs with integers.

use anyhow::{Context, Result};
use converter::quantize::{Bits, USUAL_BITS};
use converter::record::ModelRecord;
use converter::{Conversion, Converter};
use inkling_data::Dataset;
use inkling_support::console;

use super::unknown::Outside;
use super::{CHECKPOINTS, Job, Rates};
use crate::learn::backend::Backend;
use crate::learn::batches::Feed;
use crate::learn::distillation::Teachers;
use crate::learn::export;
use crate::learn::network::{self, Network};
use crate::learn::quantization::Plan;
use crate::learn::recipe::Recipe;
use crate::learn::training::{Evaluator, Identity, Objective, Run, Trained, parts};
use crate::tell::progress::Display;
use inkling_data::Sets;

/// A network before its training.
pub(super) struct Beginning {
    pub network: Network,
    pub parameters: Vec<f32>,
    /// How fast each layer learns, if not all alike.
    pub rates: Option<Rates>,
}

/// A network after its training.
pub(super) struct Finished {
    pub float_onnx: Vec<u8>,
    pub conversion: Conversion,
    pub trained: Trained,
    /// The first epoch with integers, counted from 1.
    pub integers_from: Option<usize>,
    /// With epochs with integers: right answers of the integers among the validation images before
    /// them.
    pub before_integers: Option<usize>,
}

/// A job at work.
pub(super) struct Line<'j> {
    pub job: &'j Job,
    pub backend: &'j Backend,
    pub sets: &'j Sets,
    /// What is known of the model before its conversion.
    pub record: &'j ModelRecord,
    /// How much an image of each class counts; empty for all alike.
    pub class_weights: &'j [f32],
    pub threads: usize,
    /// What is none of the classes, if an answer for it is asked for.
    pub outside: Option<&'j Outside>,
    pub teachers: Option<&'j Teachers>,
}

/// One of the runs that a job consists of.
struct Stage<'s> {
    /// What tells its checkpoint from those of other stages.
    kind: &'static str,
    checkpoint: &'static str,
    recipe: &'s Recipe,
    plan: Option<&'s Plan>,
    first_epoch: usize,
}

impl Line<'_> {
    /// Trains, in floating point and then, if the recipe says so, with integers.
    pub fn train(&self, beginning: Beginning) -> Result<Finished> {
        let recipe = &self.job.recipe;
        let float =
            Stage { kind: "", checkpoint: CHECKPOINTS[0], recipe, plan: None, first_epoch: 0 };
        let rates = beginning.rates;
        let trained = self.stage(&float, &beginning)?;
        let float_onnx = export::float_onnx(&beginning.network, &trained.parameters, None);
        let bits = self.job.bits(&beginning.network);
        let conversion = self.convert(&float_onnx, bits, None)?;
        let Some(recipe) = recipe.with_integers() else {
            return Ok(Finished {
                float_onnx,
                conversion,
                trained,
                integers_from: None,
                before_integers: None,
            });
        };

        let readout = network::read(&self.job.name, &conversion.float)
            .context("epochs with integers are not possible")?;
        let plan = Plan::new(&readout, &conversion.network);
        let before = Evaluator::new(self.backend, &readout.network, Some(&plan))?
            .evaluate(&readout.parameters, &self.sets.validation)?
            .correct;
        let integers = Stage {
            kind: " with integers",
            checkpoint: CHECKPOINTS[1],
            recipe: &recipe,
            plan: Some(&plan),
            first_epoch: self.job.recipe.epochs,
        };
        console::print(&format!(
            "integers: {} more epochs; before them {before} of {} validation images are right\n",
            recipe.epochs,
            self.sets.validation.len()
        ));
        let beginning =
            Beginning { network: readout.network, parameters: readout.parameters, rates };
        let mut with_integers = self.stage(&integers, &beginning)?;
        let parameters = plan.round(&beginning.network, &with_integers.parameters);
        let float_onnx = export::float_onnx(&beginning.network, &parameters, Some(&plan));
        let bits = Bits::new(USUAL_BITS, plan.bits().clone());
        let conversion = self.convert(&float_onnx, bits, Some(&plan))?;
        let integers_from = Some(trained.history.len() + 1);
        with_integers.epoch += trained.history.len();
        with_integers.history.splice(0..0, trained.history);
        with_integers.spent = with_integers.spent + trained.spent;
        Ok(Finished {
            float_onnx,
            conversion,
            trained: with_integers,
            integers_from,
            before_integers: Some(before),
        })
    }

    /// Only images that are trained on choose the exponents: what validation says of the integers
    /// is then said of images that nothing has seen.
    /// With a plan the exponents are those that the network was trained for.
    fn convert(&self, float_onnx: &[u8], bits: Bits, plan: Option<&Plan>) -> Result<Conversion> {
        let calibration = self.sets.images.subset(&self.sets.training);
        let mut converter = Converter::new(&self.job.name, float_onnx).record(self.record.clone());
        if let Some(plan) = plan {
            converter = converter.exponents(plan.exponents().clone());
        }
        converter = converter.bits(bits);
        Ok(converter.convert(&calibration)?)
    }

    fn stage(&self, stage: &Stage, beginning: &Beginning) -> Result<Trained> {
        let Self { job, backend, sets, class_weights, threads, .. } = *self;
        let network = &beginning.network;
        let feed = Feed {
            dataset: sets.images.clone(),
            indices: sets.training.clone(),
            augmentation: stage.recipe.augmentation.clone(),
            label_smoothing: stage.recipe.label_smoothing,
            class_weights: class_weights.to_vec(),
            seed: job.seed,
            batch: stage.recipe.batch,
            parts: parts(network, stage.recipe.batch, threads),
            noise: network.noise(),
            strangers: self.outside.and_then(|outside| outside.strangers.clone()),
        };
        let identity = Identity {
            network: job.identify(beginning, self.outside)
                + &self.teachers.map(Teachers::identity).unwrap_or_default()
                + stage.kind,
            recipe: job.recipe.to_string(),
            seed: job.seed,
            dataset: sets.fingerprint.clone(),
            backend: backend.identity().to_string(),
            threads,
        };
        let path = job.out.join(stage.checkpoint);
        let start = job.start(&path, &identity)?;
        let done = start.as_ref().map_or(0, |checkpoint| checkpoint.history.len());
        let mut display =
            Display::new(stage.recipe.epochs, done, feed.steps(), sets.validation.len());
        let run = Run {
            backend,
            network,
            objective: Objective { plan: stage.plan, teachers: self.teachers },
            parameters: beginning.parameters.clone(),
            factors: beginning.rates.map(|rates| rates.factors(network)),
            first_epoch: stage.first_epoch,
            recipe: stage.recipe,
            feed: &feed,
            sample: &sample(sets),
            validation: &sets.validation,
            identity,
            workers: threads,
        };
        Ok(run.train(start, &path, &mut display)?)
    }
}

/// Training images to compare with those of validation: as many, and no more work than that.
pub(super) fn sample(sets: &Sets) -> Dataset {
    let count = sets.validation.len().min(sets.training.len());
    sets.images.subset(&sets.training[..count])
}
