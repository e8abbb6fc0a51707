//! The main job: data set → training → export → integers → proof → summary.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use converter::dataset::Dataset;
use converter::files::write_atomically;
use converter::{Conversion, Converter, console, prove};

use crate::backend::{Backend, Choice};
use crate::data::{Feed, Sets};
use crate::import::{self, labels};
use crate::metrics::Confusion;
use crate::network::{Description, Network};
use crate::progress::Display;
use crate::recipe::Recipe;
use crate::summary::{Summary, about};
use crate::training::{Checkpoint, Identity, Run, Trained, exported_predictions};
use crate::{export, files, report};

/// More threads than this make parts of a batch too small to be worth their own thread.
const MOST_THREADS: usize = 8;

/// The checkpoint's name in the output folder.
const CHECKPOINT: &str = "checkpoint.bin";

/// All files that a run writes.
const FILES: [&str; 8] = [
    CHECKPOINT,
    "float.onnx",
    "int8.onnx",
    "model.rs",
    "golden.rs",
    "MODEL_CARD.md",
    labels::FILE,
    PREVIEW,
];

/// The sheet of pictures and what became of them.
const PREVIEW: &str = "preview.png";

/// What to do.
pub struct Job {
    /// The data set: IDX files, a CSV file or a folder per label with pictures.
    pub data: PathBuf,
    /// How pictures and tables become images.
    pub import: import::Options,
    /// Name of the network in what is written.
    pub name: String,
    pub network: Description,
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
        let sets = Sets::load(&self.data, &self.import, self.seed)?;
        let input = [1, sets.images.height, sets.images.width];
        let mut network = self
            .network
            .build(input, sets.images.classes)
            .with_context(|| self.data.display().to_string())?;
        network.name.clone_from(&self.name);
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
        let (trained, training_time) = self.train(&backend, &network, &sets, threads)?;
        let float_onnx = export::float_onnx(&network, &trained.parameters);
        let conversion = Converter::new(&self.name, &float_onnx).convert(&sets.images)?;

        let test = sets.test.open();
        let float = exported_predictions(&backend, &float_onnx, &test)?;
        let float = confusion(&test, float);
        let (int8, logits) = prove_integers(&conversion, &test)?;
        let validation_correct =
            trained.history.last().map_or(0, |record| record.validation_correct);
        let summary = Summary {
            float,
            int8,
            logits,
            conversion: &conversion,
            names: &sets.names,
            validation: (validation_correct, sets.validation.len()),
            network: &self.network.source,
            recipe: &self.recipe,
            seed: self.seed,
            threads,
            backend: backend.identity(),
        };
        conversion.write(&self.out, &test, &about(&summary))?;
        labels::write(&self.out, &sets.names)?;
        files::remove(&self.checkpoint_path())?;
        console::print(&summary.table(&self.out, training_time, begun.elapsed()));
        Ok(())
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

    fn checkpoint_path(&self) -> PathBuf {
        self.out.join(CHECKPOINT)
    }

    fn train(
        &self,
        backend: &Backend,
        network: &Network,
        sets: &Sets,
        workers: usize,
    ) -> Result<(Trained, Duration)> {
        let begun = Instant::now();
        let feed = Feed::new(
            sets.images.clone(),
            sets.training.clone(),
            self.recipe.augmentation.clone(),
            self.seed,
            self.recipe.batch,
            workers,
        )
        .with_noise(network.noise());
        let identity = Identity {
            network: network.to_string(),
            recipe: self.recipe.to_string(),
            seed: self.seed,
            dataset: sets.fingerprint.clone(),
            backend: backend.identity().to_string(),
            threads: workers,
        };
        let path = self.checkpoint_path();
        let start = self.start(&path, &identity)?;
        let done = start.as_ref().map_or(0, |checkpoint| checkpoint.history.len());
        let mut display =
            Display::new(self.recipe.epochs, done, feed.steps(), sets.validation.len());
        let run = Run {
            backend,
            network,
            recipe: &self.recipe,
            feed: &feed,
            validation: &sets.validation,
            identity,
            workers,
        };
        let trained = run.train(start, &path, &mut display)?;
        Ok((trained, begun.elapsed()))
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
    Confusion::new(dataset.classes.max(2), labels.zip(predictions))
}

/// Compares the integers with tract on `int8.onnx`, every logit of every image; returns the
/// integers' answers and the number of logits compared.
fn prove_integers(conversion: &Conversion, test: &Dataset) -> Result<(Confusion, usize)> {
    let agreement = prove::against_tract(&conversion.network, &conversion.int8_onnx(), test)
        .context(
            "tract cannot run the int8.onnx that was made; this is a defect of the converter",
        )?;
    ensure!(
        agreement.mismatches == 0,
        "{} of {} logits differ between the integers and tract on int8.onnx; no model was written; \
         this is a defect of the converter",
        agreement.mismatches,
        agreement.logits
    );
    let answers = agreement.ours.iter().map(|logits| first_largest(logits));
    Ok((confusion(test, answers), agreement.logits))
}

fn first_largest(logits: &[i32]) -> usize {
    let largest = logits.iter().max();
    logits.iter().position(|logit| Some(logit) == largest).unwrap_or(0)
}
