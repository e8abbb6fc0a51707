//! The main job: data set → training → export → integers → proof → summary.

mod line;
mod pretrained;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use converter::Converter;
use converter::prove::Proof;
use firmware_core::argmax;
use inkling_data::Dataset;
use inkling_support::console;
use inkling_support::digest::sha256;
use inkling_support::files::write_atomically;

use crate::ask::metrics::Confusion;
use crate::learn::backend::{Backend, Choice};
use crate::learn::export;
use crate::learn::network::{Description, Network};
use crate::learn::recipe::Recipe;
use crate::learn::training::{Checkpoint, Identity, exported_predictions};
use crate::line::summary::{Summary, about};
use crate::tell::history::History;
use crate::tell::report;
use inkling_data::Sets;
use inkling_data::read::{self, labels};
use inkling_support::files;
use line::{Beginning, Finished, Line, sample};

pub use pretrained::{Pretrained, Rates};

/// More threads than this make parts of a batch too small to be worth their own thread.
const MOST_THREADS: usize = 8;

/// The checkpoints in the output folder: of the epochs in floating point, and of those with integers.
const CHECKPOINTS: [&str; 2] = ["checkpoint.bin", "checkpoint-integers.bin"];

/// All files that a run writes.
const FILES: [&str; 12] = [
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
    PREVIEW,
];

/// The recipe that was used, for `--recipe`.
const RECIPE: &str = "recipe.toml";

/// What every epoch came to, and the same as a page with plots.
const HISTORY: &str = "history.json";
const CURVES: &str = "learning.html";

/// The sheet of pictures and what became of them.
const PREVIEW: &str = "preview.png";

/// Where the network comes from.
pub enum Source {
    /// A description: it starts from random weights.
    Description(Description),
    /// A trained model: it goes on from its weights.
    Model(Pretrained),
}

impl fmt::Display for Source {
    /// The name or the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Description(description) => f.write_str(&description.source),
            Source::Model(pretrained) => write!(f, "{}", pretrained.path.display()),
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
    /// Name of the network in what is written.
    pub name: String,
    pub source: Source,
    pub recipe: Recipe,
    pub seed: u64,
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
    pub fn run(self) -> Result<()> {
        let begun = Instant::now();
        let mut sets = Sets::load(&self.data, &self.import, self.seed)?;
        if let Some(count) = self.per_class {
            sets.keep_per_class(count);
        }
        let beginning = self.beginning(&sets)?;
        let network = &beginning.network;
        self.check_convertible(network)?;
        let backend = Backend::start(self.backend, self.ort_lib.clone())?;
        files::prepare_folder(&self.out, &FILES)?;
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
        let training = Instant::now();
        let line = Line { job: &self, backend: &backend, sets: &sets, threads };
        let finished = line.train(beginning)?;
        let training = training.elapsed();
        let Finished { float_onnx, conversion, trained, before_integers } = finished;

        let sample = sample(&sets);
        let test = sets.test.open();
        let float = exported_predictions(&backend, &float_onnx, &test)?;
        let float = confusion(&test, float);
        let proof = Proof::of(&conversion, &sample, &test)?;
        let answers = proof.integers.ours.iter().map(|logits| argmax(logits));
        let int8 = confusion(&test, answers);
        let validation_correct =
            trained.history.get(trained.epoch - 1).map_or(0, |record| record.validation_correct);
        let recipe = self.recipe.to_string();
        let history = History {
            model: &self.name,
            recipe: &recipe,
            sample_images: sample.len(),
            validation_images: sets.validation.len(),
            epoch: trained.epoch,
            epochs: &trained.history,
        };
        let summary = Summary {
            gap: history.gap(),
            epoch: trained.epoch,
            float,
            int8,
            proof: &proof,
            conversion: &conversion,
            names: &sets.images.names,
            validation: (validation_correct, sets.validation.len()),
            before_integers,
            source: &self.source,
            per_class: self.per_class,
            recipe: &self.recipe,
            seed: self.seed,
            threads,
            backend: backend.identity(),
        };
        conversion.write(&self.out, &test, &about(&summary))?;
        labels::write(&self.out, &sets.images.names)?;
        let write =
            |file: &str, text: String| write_atomically(&self.out.join(file), text.as_bytes());
        write(RECIPE, self.recipe.to_toml())?;
        write(HISTORY, history.json().context("the learning curves as JSON")?)?;
        write(CURVES, history.html())?;
        for checkpoint in CHECKPOINTS {
            files::remove(&self.out.join(checkpoint))?;
        }
        console::print(&summary.table(&self.out, training, begun.elapsed()));
        Ok(())
    }

    /// Finds out before the training whether there are integers for a network of this structure.
    fn check_convertible(&self, network: &Network) -> Result<()> {
        // Not as batch norm starts, with a mean and a shift of 0, which would fold into anything.
        let parameters: Vec<f32> =
            network.initial_parameters(self.seed).iter().map(|value| value + 0.0625).collect();
        let untrained = export::float_onnx(network, &parameters, None);
        let lowered = Converter::new(&self.name, &untrained).lower();
        lowered.map(|_| ()).with_context(|| {
            format!("network {}: the converter has no integers for it", self.source)
        })
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
                let [height, width, channels] = sets.images.shape;
                let input = [channels, height, width];
                let network = description
                    .build(input, sets.images.classes())
                    .with_context(|| self.data.display().to_string())?;
                let parameters = network.initial_parameters(self.seed);
                Beginning { network, parameters, rates: None }
            }
            Source::Model(pretrained) => pretrained.beginning(&sets.images, self.seed)?,
        };
        beginning.network.name.clone_from(&self.name);
        Ok(beginning)
    }

    /// What tells this network and its start from others, beside the seed.
    fn identify(&self, beginning: &Beginning) -> String {
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
        text
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

fn confusion(dataset: &Dataset, predictions: impl IntoIterator<Item = usize>) -> Confusion {
    let labels = dataset.labels.iter().map(|&label| usize::from(label));
    Confusion::new(dataset.classes().max(2), labels.zip(predictions))
}
