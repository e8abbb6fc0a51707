//! What goes with a trained model: its record, the command that makes it again, and what is
//! doubtful about it.

use converter::Conversion;
use converter::doubts::{self, Answers, FEW_IMAGES};
use converter::record::{ModelRecord, PreparationRecord, SplitRecord, UNSURE};
use inkling_data::Sets;
use inkling_support::shell;
use serde_json::Map;

use super::{Job, Source};
use crate::learn::backend::{Backend, Kind};
use crate::learn::batches::per_class;

/// Below this probability an answer is called unsure.
const UNSURE_BELOW: f64 = 0.6;

/// Fewer training images than this are better learned by a model that knows others.
const FEW_TO_START_WITH: usize = 1000;

/// So many times more images has the largest class of an unbalanced data set than the smallest.
const UNBALANCED: usize = 4;

impl Job {
    /// What is known of the model before its conversion.
    pub(super) fn record(&self, sets: &Sets, command: &str) -> ModelRecord {
        let record = ModelRecord::new(&self.name);
        let mut record = match sets.forms.is_empty() {
            true => record.prepared_by(PreparationRecord::new(&sets.form, &self.import)),
            false => {
                let inputs = sets.images.inputs.iter().zip(&sets.forms);
                record.of_inputs(inputs.map(|(input, form)| {
                    (&input.name[..], PreparationRecord::new(form, &self.import))
                }))
            }
        };
        record.labels.clone_from(&sets.images.names);
        record.split = Some(SplitRecord {
            data: self.data.display().to_string(),
            sha256: sets.fingerprint.clone(),
            seed: self.import.seed,
            test_given: sets.test_given,
            per_class: self.per_class,
            training: sets.training.len(),
            validation: sets.validation.len(),
            validation_learned: sets.validation_learned,
            test: sets.test.len(),
            other: Map::new(),
        });
        record.thresholds.insert(UNSURE.into(), UNSURE_BELOW);
        record.command = command.to_string();
        record
    }

    /// The command that makes the model again: what was typed, and what was found out instead of
    /// being typed.
    pub(super) fn command(&self, backend: &Backend, threads: usize) -> String {
        let mut words: Vec<String> =
            ["cargo", "run", "-p", "trainer", "--"].map(String::from).to_vec();
        words.extend(self.typed.iter().cloned());
        let given = |option: &str| {
            let is_it = |word: &String| {
                word == option || word.strip_prefix(option).is_some_and(|end| end.starts_with('='))
            };
            self.typed.iter().any(is_it)
        };
        let kind = match backend.kind() {
            Kind::OnnxRuntime => "onnxruntime",
            Kind::Tract => "tract",
        };
        for (option, value) in [
            ("--name", self.name.clone()),
            ("--seed", self.seed.to_string()),
            ("--threads", threads.to_string()),
            ("--backend", kind.to_string()),
        ] {
            if !given(option) {
                words.extend([option.to_string(), value]);
            }
        }
        shell::line(words.iter().map(String::as_str))
    }

    /// What the figures say against the model.
    pub(super) fn doubts(
        &self,
        conversion: &Conversion,
        answers: &Answers,
        sets: &Training,
    ) -> Vec<String> {
        let mut doubts = answers.doubts(&sets.names, "test");
        if sets.validation < FEW_IMAGES {
            doubts.push(format!(
                "{} validation images are too few to choose anything by them",
                sets.validation
            ));
        }
        doubts.extend(doubts::of_layers(&conversion.network, &conversion.report));
        doubts
    }

    /// What may help, for the screen alone.
    pub(super) fn advice(&self, training: &Training) -> Vec<String> {
        let mut advice = Vec::new();
        let (count, from_scratch) = (
            training.per_class.iter().sum::<usize>(),
            matches!(self.source, Source::Description(_)),
        );
        if count < FEW_TO_START_WITH && from_scratch {
            advice.push(format!(
                "{count} training images are few; `trainer finetune MODEL --data DATA` goes on from \
                 a model that has learned from many"
            ));
        }
        let present = || training.per_class.iter().zip(&training.names).filter(|(n, _)| **n > 0);
        let (most, least) =
            (present().max_by_key(|(n, _)| **n), present().min_by_key(|(n, _)| **n));
        if let (Some((most, large)), Some((least, small))) = (most, least)
            && *most >= UNBALANCED * least
            && self.recipe.balance == 0.0
        {
            advice.push(format!(
                "the classes are unbalanced: {most} training images of {large:?}, {least} of \
                 {small:?}; --balance 1 lets all classes count alike"
            ));
        }
        advice
    }
}

/// What of the data is told after the training.
pub(super) struct Training {
    pub names: Vec<String>,
    /// Training images of each class.
    pub per_class: Vec<usize>,
    /// Validation images.
    pub validation: usize,
}

impl Training {
    pub fn new(sets: &Sets) -> Self {
        Self {
            names: sets.images.names.clone(),
            per_class: per_class(&sets.images, &sets.training),
            validation: sets.validation.len(),
        }
    }
}
