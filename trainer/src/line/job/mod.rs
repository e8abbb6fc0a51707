//! The main job: data set → training → export → integers → proof → summary.

mod describe;
mod line;
mod pretrained;
mod rehearsal;
mod teaching;
mod unknown;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use converter::doubts::{Answers, nearest_class};
use converter::prove::Proof;
use converter::quantize::{Bits, USUAL_BITS};
use converter::record::{self, SplitRecord, TestedRecord};
use inkling_support::console;
use inkling_support::digest::sha256;
use inkling_support::files::write_atomically;

use crate::ask::metrics::Confusion;
use crate::learn::backend::{Backend, Choice};
use crate::learn::batches::class_weights;
use crate::learn::network::{self, Description, Network};
use crate::learn::recipe::Recipe;
use crate::learn::training::{Checkpoint, Identity, exported_predictions};
use crate::line::summary::{Refused, Summary, about};
use crate::tell::history::History;
use crate::tell::report;
use describe::Training;
use inkling_data::Sets;
use inkling_data::read::{self, labels};
use inkling_support::files;
use line::{Beginning, Finished, Line, sample};
use teaching::Teaching;
use unknown::Outside;

pub use pretrained::{Pretrained, Rates};

/// More threads than this make parts of a batch too small to be worth their own thread.
const MOST_THREADS: usize = 8;

/// The checkpoints in the output folder: of the epochs in floating point, and of those with integers.
const CHECKPOINTS: [&str; 2] = ["checkpoint.bin", "checkpoint-integers.bin"];

/// All files that a run writes.
const FILES: [&str; 13] = [
    CHECKPOINTS[0],
    CHECKPOINTS[1],
    RECIPE,
    HISTORY,
    CURVES,
    "float.onnx",
    "int8.onnx",
    "model.rs",
    "golden.rs",
    "MODEL_CARD.md",
    labels::FILE,
    record::FILE,
    PREVIEW,
];

/// The recipe that was used, for `--recipe`.
pub(crate) const RECIPE: &str = "recipe.toml";

/// What every epoch came to, and the same as a page with plots.
pub(crate) const HISTORY: &str = "history.json";
const CURVES: &str = "learning.html";

/// The sheet of pictures and what became of them.
const PREVIEW: &str = "preview.png";

/// Where the network comes from.
pub enum Source {
    /// A description: it starts from random weights.
    Description(Description),
    /// A trained model: it goes on from its weights.
    Model(Pretrained),
    /// The usual network for the data, once they are read; it names the model and the folder for the
    /// results unless these are given.
    Usual { name_given: bool, out_given: bool },
}

impl fmt::Display for Source {
    /// The name or the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Description(description) => f.write_str(&description.source),
            Source::Model(pretrained) => write!(f, "{}", pretrained.path.display()),
            Source::Usual { .. } => f.write_str("the usual network"),
        }
    }
}

/// What to do.
pub struct Job {
    /// The data set: IDX files, a CSV file or a folder per label with pictures.
    pub data: PathBuf,
    /// How pictures and tables become images.
    pub import: read::Options,
    /// Train on at most so many images of each class.
    pub per_class: Option<usize>,
    /// Pictures of something else, which the recipe's unknown answer is learned from and measured on.
    pub unknown: Vec<PathBuf>,
    /// Name of the network in what is written.
    pub name: String,
    pub source: Source,
    pub recipe: Recipe,
    /// Whether somebody asked for this recipe; one that nobody did moves nothing in rows of numbers.
    pub recipe_given: bool,
    /// Decides initial weights, order and augmentation, and how the data are divided.
    pub seed: u64,
    /// What the model that training goes on from was trained on.
    pub trained_on: Option<SplitRecord>,
    /// What was typed, for the command that makes the model again.
    pub typed: Vec<String>,
    /// Folder for the results.
    pub out: PathBuf,
    /// Go on from the checkpoint in `out`, if there is one.
    pub resume: bool,
    /// Worker threads; by default one per core, up to a limit.
    pub threads: Option<usize>,
    pub backend: Choice,
    /// A library of ONNX Runtime to use.
    pub ort_lib: Option<PathBuf>,
}

impl Job {
    /// Does all of it. Nothing is written before the data set and the backend are known to be
    /// usable; results are written only once the integers are proven.
    pub fn run(mut self) -> Result<()> {
        let begun = Instant::now();
        if let Source::Description(description) = &self.source {
            self.import.inputs = description.wanted(&self.import);
        }
        let mut sets = self.sets()?;
        self.check_inputs(&sets)?;
        if let Some(count) = self.per_class {
            sets.keep_per_class(count);
        }
        if self.recipe.learn_validation {
            self.learn_validation(&mut sets)?;
        }
        let outside = Outside::new(&self, &mut sets)?;
        let one_row = sets.images.inputs.is_empty() && sets.images.height() == 1;
        if one_row && !self.recipe_given {
            self.recipe.augmentation = self.recipe.augmentation.take().map(|all| all.unmoved());
        } else if !self.recipe_given {
            sets.notes.extend(self.recipe.scale_shift(&sets.images));
        }
        if let Source::Usual { name_given, out_given } = self.source {
            let (usual, reason) = network::usual(&sets.images)?;
            sets.notes.push(format!("the usual network is {}: {reason}", usual.name));
            if !name_given {
                self.name.clone_from(&usual.name);
            }
            if !out_given {
                self.out.set_file_name(&self.name);
            }
            self.source = Source::Description(usual);
        }
        let (recipe, adapted) = self.recipe.for_images(sets.training.len());
        self.recipe = recipe;
        let facts = Training::new(&sets);
        let beginning = self.beginning(&sets)?;
        let network = &beginning.network;
        let backend = Backend::start(self.backend, self.ort_lib.clone())?;
        let teaching = self.teaching(&backend, &sets)?;
        self.rehearse(network, &backend, &sets)?;
        let _folder = files::prepare_folder(&self.out, &FILES)?;
        let threads = self.threads.unwrap_or_else(usable_threads).min(self.recipe.batch);
        console::print(&format!(
            "backend:  {}\nnetwork:  {network}\nrecipe:   {}\ndata:     {}: {} for training, {} \
             for validation, {} for the test at the end\nrun:      seed {}, {threads} threads\n",
            backend.description(),
            self.recipe,
            self.data.display(),
            sets.training.len(),
            sets.validation.len(),
            sets.test.len(),
            self.seed,
        ));

        self.tell_of_data(&sets)?;
        console::print(teaching.as_ref().map_or("", |teaching| &teaching.told));
        if let Some(adapted) = adapted {
            console::print(&format!("note:     {adapted}\n"));
        }
        let training = Instant::now();
        let command = self.command(&backend, threads);
        let mut record = self.record(&sets, &command);
        record.teachers = teaching.as_ref().map(Teaching::sources).unwrap_or_default();
        let line = Line {
            job: &self,
            backend: &backend,
            sets: &sets,
            record: &record,
            class_weights: &self.class_weights(&facts, outside.as_ref()),
            threads,
            outside: outside.as_ref(),
            teachers: teaching.as_ref().map(|teaching| &teaching.teachers),
        };
        let finished = line.train(beginning)?;
        let training = training.elapsed();
        let Finished { float_onnx, mut conversion, trained, integers_from, before_integers } =
            finished;

        let mut chosen = None;
        if let Some(outside) = &outside {
            let (with_rule, rule) = outside.choose(&self, &sets, conversion)?;
            conversion = with_rule;
            chosen = Some(rule);
        }
        let sample = sample(&sets);
        let test = sets.test.open();
        let proof = Proof::of(&conversion, &sample, &test)?;
        let answers = Answers {
            labels: test.labels.iter().map(|&label| usize::from(label)).collect(),
            float: exported_predictions(&backend, &float_onnx, &test)?,
            int8: (proof.integers.ours.iter())
                .map(|logits| nearest_class(logits, conversion.origin.unknown.as_ref()))
                .collect(),
        };
        conversion.record.warnings = self.doubts(&conversion, &answers, &facts);
        conversion
            .record
            .warnings
            .extend(teaching.into_iter().flat_map(|teaching| teaching.doubts));
        let classes = test.classes();
        let validation_correct =
            trained.history.get(trained.epoch - 1).map_or(0, |record| record.validation_correct);
        let history = History {
            model: self.name.clone(),
            recipe: self.recipe.to_string(),
            sample_images: sample.len(),
            validation_images: sets.validation.len(),
            validation_learned: sets.validation_learned,
            integers_from,
            epoch: trained.epoch,
            epochs: trained.history.clone(),
            refusal: chosen
                .as_ref()
                .map(|chosen| (chosen.refusal.clone(), chosen.unknown.threshold)),
        };
        let float = confusion(classes, &answers.labels, &answers.float);
        let int8 = confusion(classes, &answers.labels, &answers.int8);
        conversion.tested = Some(TestedRecord {
            samples: test.len(),
            float_right: float.correct(),
            int8_right: int8.correct(),
        });
        let summary = Summary {
            gap: history.gap(),
            epoch: trained.epoch,
            float,
            int8,
            proof: &proof,
            conversion: &conversion,
            names: &sets.images.names,
            validation: (validation_correct, sets.validation.len()),
            validation_learned: sets.validation_learned,
            before_integers,
            advice: &self.advice(&facts),
            epochs: trained.history.len(),
            recipe: &self.recipe,
            backend: backend.identity(),
            spent: trained.spent,
            refused: chosen.as_ref().map(|chosen| {
                let (refused, right) = chosen.count(&proof.integers.ours, &answers.labels);
                Refused { rule: chosen.rule, refused, right, kinds: &chosen.kinds }
            }),
        };
        let beside = [
            (labels::FILE, labels::text(&sets.images.names)),
            (RECIPE, self.recipe.to_file_in(&self.out)),
            (HISTORY, history.json().context("the learning curves as JSON")?),
            (CURVES, history.html(&report::network(&conversion.network))),
        ];
        let beside = beside.map(|(file, text)| (file, text.into_bytes()));
        conversion.write_with(&self.out, &test, &about(&summary), beside.to_vec())?;
        for checkpoint in CHECKPOINTS {
            files::remove(&self.out.join(checkpoint))?;
        }
        console::print(&summary.table(&self.out, training, begun.elapsed()));
        Ok(())
    }

    /// The data, divided. Data that the model to go on from was trained on are divided as they were
    /// then: what it has learned can test nothing.
    fn sets(&mut self) -> Result<Sets> {
        if let Some(before) = &self.trained_on {
            let options = read::Options { seed: before.seed, ..self.import.clone() };
            let mut sets = Sets::load(&self.data, &options, before.seed)?;
            if sets.fingerprint == before.sha256 {
                if before.seed != self.seed {
                    sets.notes.push(format!(
                        "divided by seed {}, as for the training of the model to go on from",
                        before.seed
                    ));
                }
                if before.validation_learned {
                    sets.validation_learned = true;
                    sets.notes.push(
                        "the model to go on from learned the validation images: how they are answered says \
                         nothing of others"
                            .to_string(),
                    );
                }
                self.import = options;
                return Ok(sets);
            }
        }
        Ok(Sets::load(&self.data, &self.import, self.seed)?)
    }

    /// What samples of several inputs cannot be used for yet.
    fn check_inputs(&self, sets: &Sets) -> Result<()> {
        ensure!(
            sets.images.inputs.is_empty()
                || (self.recipe.unknown.is_none() && self.unknown.is_empty()),
            "{}: \"none of these\" is learned for one input, not for {}; leave out --unknown, and \
             [unknown] in the recipe",
            self.data.display(),
            sets.images.inputs.len()
        );
        Ok(())
    }

    /// Adds the images for validation to those that are trained on.
    fn learn_validation(&self, sets: &mut Sets) -> Result<()> {
        ensure!(
            !sets.validation_given && self.per_class.is_none() && self.unknown.is_empty(),
            "the recipe {} learns the validation images too, but {}",
            self.recipe.name,
            if sets.validation_given {
                "these data have some of their own; put them among the training images, or leave out \
                 learn_validation"
            } else if self.per_class.is_some() {
                "--per-class limits what is learned; leave out one of them"
            } else {
                "--unknown chooses by them; leave out one of them"
            }
        );
        sets.learn_validation();
        sets.notes.push(format!(
            "the {} validation images are learned too: how they are answered says nothing of others",
            sets.validation.len()
        ));
        Ok(())
    }

    /// How much an image of each class counts; samples of none of the classes count like images where
    /// all count alike.
    fn class_weights(&self, facts: &Training, outside: Option<&Outside>) -> Vec<f32> {
        let mut weights = class_weights(&facts.per_class, self.recipe.balance);
        if outside.is_some_and(|outside| outside.strangers.is_some())
            && let Some(last) = weights.last_mut()
        {
            *last = 1.0;
        }
        weights
    }

    /// Says what was chosen while reading the data, and shows what became of pictures.
    fn tell_of_data(&self, sets: &Sets) -> Result<()> {
        let mut text: String =
            sets.notes.iter().map(|note| format!("data:     {note}\n")).collect();
        for file in &sets.bad {
            text.push_str(&format!("bad:      {}: {}\n", file.path.display(), file.what));
        }
        if let Some(preview) = &sets.preview {
            let path = self.out.join(PREVIEW);
            write_atomically(&path, &report::png(preview))?;
            text.push_str(&format!(
                "preview:  {}: each picture with its image at the right\n",
                path.display()
            ));
        }
        console::print(&text);
        Ok(())
    }

    /// The network and what it starts from.
    fn beginning(&self, sets: &Sets) -> Result<Beginning> {
        let mut beginning = match &self.source {
            Source::Description(description) => {
                let network = description
                    .build_for(&sets.images)
                    .with_context(|| self.data.display().to_string())?;
                let parameters = network.initial_parameters(self.seed);
                Beginning { network, parameters, rates: None }
            }
            Source::Model(pretrained) => {
                let mut beginning = pretrained.beginning(&sets.images, self.seed)?;
                // What the recipe says counts more than what the model was trained for before.
                if self.recipe.quantization.as_ref().is_some_and(|asked| asked.bits.is_some()) {
                    beginning.network.bits.clear();
                }
                beginning
            }
            Source::Usual { .. } => bail!("the network is chosen once the data are read"),
        };
        beginning.network.name.clone_from(&self.name);
        Ok(beginning)
    }

    /// What tells this network and its start from others, beside the seed.
    fn identify(&self, beginning: &Beginning, outside: Option<&Outside>) -> String {
        let mut text = beginning.network.to_string();
        if let Source::Model(_) = self.source {
            let bytes: Vec<u8> =
                beginning.parameters.iter().flat_map(|value| value.to_le_bytes()).collect();
            text.push_str(&format!(", from parameters with sha256 {}", sha256([&bytes[..]])));
        }
        if let Some(rates) = beginning.rates {
            text.push_str(&format!(", {rates}"));
        }
        if let Some(count) = self.per_class {
            text.push_str(&format!(", {count} images per class"));
        }
        if let Some(pictures) = outside.and_then(|outside| outside.pictures.as_ref()) {
            text.push_str(&format!(", none of the classes: pictures with sha256 {pictures}"));
        }
        text
    }

    /// The bits of weights that `network` is trained for.
    fn bits(&self, network: &Network) -> Bits {
        let asked = self.recipe.quantization.as_ref().and_then(|asked| asked.bits);
        Bits::new(asked.unwrap_or(USUAL_BITS), network.bits.clone())
    }

    /// The checkpoint to go on from, if there is one and it is wanted.
    fn start(&self, path: &Path, identity: &Identity) -> Result<Option<Checkpoint>> {
        if !self.resume {
            if path.exists() {
                let path = path.display();
                console::print(&format!(
                    "note:     {path} is not used; --resume would go on from it\n"
                ));
            }
            return Ok(None);
        }
        let checkpoint = Checkpoint::read(path, identity)?;
        console::print(&match &checkpoint {
            Some(checkpoint) => {
                format!(
                    "resume:   after epoch {}, from {}\n",
                    checkpoint.history.len(),
                    path.display()
                )
            }
            None => format!("resume:   no checkpoint in {}, from the start\n", self.out.display()),
        });
        Ok(checkpoint)
    }
}

fn usable_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get().min(MOST_THREADS))
}

fn confusion(classes: usize, labels: &[usize], answers: &[usize]) -> Confusion {
    Confusion::new(classes.max(2), labels.iter().copied().zip(answers.iter().copied()))
}
