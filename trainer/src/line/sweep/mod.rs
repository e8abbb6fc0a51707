//! Sweeps: many trainings over values of a recipe, and the best recipe by validation.
//!
//! From a file to a recipe: [`plan`] reads the file, [`space`] makes trials of it, [`halving`] says
//! how long each is trained, [`run`] trains one with one seed in a folder of its own, [`ranking`]
//! compares them and [`report`] tells. Runs are independent of each other and each is on one thread,
//! so several at once change nothing but the time. Nothing ever opens the test set.

mod halving;
mod plan;
mod progress;
mod ranking;
mod report;
mod run;
mod space;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use inkling_support::console;
use inkling_support::files::{OwnFolder, write_atomically};
use serde::{Deserialize, Serialize};

use crate::learn::backend::{Backend, Choice};
use crate::learn::network::Description;
use crate::learn::recipe::Recipe;
use inkling_data::Sets;
use inkling_data::read;
use inkling_support::files;

pub use halving::{Round, rounds};
pub use plan::{Halving, Method, Plan};
pub use ranking::Score;
pub use run::Outcome;
pub use space::{Axis, Range, Scale, Trial, axes, trials};

use progress::Board;
use report::Report;
use run::{Material, SweepRun};

/// What a sweep is, to tell whether its folder belongs to it.
const IDENTITY: &str = "identity.json";
/// Folder of the runs.
const RUNS: &str = "runs";
/// The results.
const JSON: &str = "sweep.json";
const HTML: &str = "sweep.html";
const BEST: &str = "best.toml";

/// A sweep to be run.
pub struct Sweep {
    /// The sweep file.
    pub file: PathBuf,
    /// The data set, if it is not the file's.
    pub data: Option<PathBuf>,
    /// How pictures and tables become images; the sweep's seed replaces its seed.
    pub import: read::Options,
    /// Folder for the runs and the results; by default `target/inkling/sweep-NAME`.
    pub out: Option<PathBuf>,
    /// Go on with the sweep in `out`, if there is one.
    pub resume: bool,
    /// Runs at once; by default one per core.
    pub parallel: Option<usize>,
    pub backend: Choice,
    /// A library of ONNX Runtime to use.
    pub ort_lib: Option<PathBuf>,
}

/// Why a sweep file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error("{}: cannot be read: {error}", path.display())]
    Read { path: PathBuf, error: std::io::Error },
    #[error("{}: {what}", path.display())]
    Invalid { path: PathBuf, what: String },
}

/// A sweep file with all that follows from it alone.
pub struct Design {
    pub plan: Plan,
    /// What is not varied.
    pub base: Recipe,
    pub axes: Vec<Axis>,
    pub trials: Vec<Trial>,
    pub rounds: Vec<Round>,
}

impl Design {
    /// Reads a sweep file and makes every trial of it.
    ///
    /// # Errors
    ///
    /// A file that is no sweep, and trials that are no recipes: one line that says which and why.
    pub fn open(file: &Path) -> Result<Self, SweepError> {
        let plan = Plan::open(file)?;
        Self::new(plan).map_err(|what| SweepError::Invalid { path: file.into(), what })
    }

    fn new(plan: Plan) -> Result<Self, String> {
        let base = Recipe::open(&plan.recipe).map_err(|error| format!("recipe: {error}"))?;
        let axes = axes(&plan, &base)?;
        let trials = trials(&plan, &base, &axes)?;
        if trials.iter().any(|trial| trial.recipe.unknown.is_some()) {
            return Err(
                "a sweep ranks answers to the data's own classes and learns no unknown one; leave \
                        [unknown] out, and add it to the recipe that wins"
                    .into(),
            );
        }
        let rounds = match plan.method {
            Method::Halving => rounds(trials.len(), base.epochs, plan.halving.unwrap_or_default())?,
            Method::Grid | Method::Random => vec![Round { trials: trials.len(), epochs: None }],
        };
        Ok(Self { plan, base, axes, trials, rounds })
    }

    /// Runs and epochs of the whole sweep.
    pub fn budget(&self) -> (usize, usize) {
        let seeds = self.plan.seeds;
        let runs = self.rounds.iter().map(|round| round.trials * seeds).sum();
        let epochs = |round: &Round| match round.epochs {
            Some(epochs) => round.trials * epochs,
            None => self.trials.iter().map(|trial| trial.recipe.epochs).sum(),
        };
        (runs, seeds * self.rounds.iter().map(epochs).sum::<usize>())
    }

    /// The trials and the rounds in words.
    pub fn text(&self) -> String {
        let trial = |trial: &Trial| {
            let values = space::describe(&self.axes, &trial.values);
            format!("trial {:>3}: {values}\n", trial.number)
        };
        let mut text: String = self.trials.iter().map(trial).collect();
        for (index, round) in self.rounds.iter().enumerate() {
            if let Some(epochs) = round.epochs {
                text.push_str(&format!(
                    "round {}: {} trials, {epochs} epochs\n",
                    index + 1,
                    round.trials
                ));
            }
        }
        let (runs, epochs) = self.budget();
        text + &format!("{runs} runs, {epochs} epochs altogether\n")
    }
}

/// Two sweeps with equal identities give equal results.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    plan: String,
    /// The recipe that gives what is not varied.
    recipe: String,
    /// The sha256 of all images and labels.
    dataset: String,
    network: String,
    backend: String,
}

impl Identity {
    /// What differs, in words.
    fn differences(&self, other: &Identity) -> Vec<&'static str> {
        [
            ("the sweep file", self.plan == other.plan),
            ("the recipe", self.recipe == other.recipe),
            ("the data set", self.dataset == other.dataset),
            ("the network", self.network == other.network),
            ("the backend", self.backend == other.backend),
        ]
        .iter()
        .filter(|(_, same)| !same)
        .map(|(what, _)| *what)
        .collect()
    }
}

impl Sweep {
    /// Does all of it. Nothing is written before the sweep file, the data set and the backend are
    /// known to be usable.
    pub fn run(self) -> Result<()> {
        let design = Design::open(&self.file)?;
        let plan = &design.plan;
        let data = self.data.as_ref().unwrap_or(&plan.data);
        let options = read::Options { seed: plan.seed, ..self.import.clone() };
        let sets = Sets::load(data, &options, plan.seed)?;
        let [height, width, channels] = sets.images.shape;
        let input = [channels, height, width];
        let network = Description::named(&plan.network)
            .with_context(|| format!("{}: network", self.file.display()))?
            .build(input, sets.images.classes())
            .with_context(|| data.display().to_string())?;
        let backend = Backend::start(self.backend, self.ort_lib.clone())?;
        let material = Material {
            backend: &backend,
            network,
            validation: sets.validation_given.then_some(sets.validation),
            images: sets.images,
            limit: plan.images,
            fingerprint: sets.fingerprint,
        };
        if let Some(wanted) = plan.images.filter(|&count| count > material.training_images()) {
            bail!(
                "{}: images is {wanted}, but only {} are for training; leave it out for all",
                self.file.display(),
                material.training_images()
            );
        }
        let out = self.out.clone().unwrap_or_else(|| {
            PathBuf::from("target/inkling").join(format!("sweep-{}", plan.name))
        });
        let (resumed, _folder) = self.prepare(&out, &design, &material)?;
        let parallel = self.parallel.unwrap_or_else(cores);
        let (runs, epochs) = design.budget();
        console::print(&format!(
            "backend:  {}\nnetwork:  {}\nrecipe:   {}\ndata:     {}: {} of {} for training, {} for \
             validation; the test set stays closed\nsweep:    {} trials, {runs} runs, {epochs} \
             epochs altogether, {parallel} runs at once{}\n",
            backend.description(),
            material.network,
            design.base,
            data.display(),
            plan.images.unwrap_or(material.training_images()),
            material.training_images(),
            material.validation_images(),
            design.trials.len(),
            if resumed { format!("; going on in {}", out.display()) } else { String::new() },
        ));

        let scores = design.train(&material, &out.join(RUNS), parallel)?;
        let report = Report {
            plan,
            axes: &design.axes,
            trials: &design.trials,
            scores: &scores,
            rounds: &design.rounds.iter().map(|round| round.epochs).collect::<Vec<_>>(),
            validation_images: material.validation_images(),
        };
        write_atomically(&out.join(JSON), report.json().context("the sweep as JSON")?.as_bytes())?;
        write_atomically(&out.join(HTML), report.html().as_bytes())?;
        console::print(&format!("\n{}", report.table()));
        let Some(best) = report.best_toml() else {
            bail!(
                "{}: every trial diverged; lower the learning rates (see {})",
                self.file.display(),
                out.join(HTML).display()
            );
        };
        write_atomically(&out.join(BEST), best.as_bytes())?;
        let seed = if plan.seed > 0 { format!(" --seed {}", plan.seed) } else { String::new() };
        console::print(&format!(
            "\nfiles:    {}: {BEST}, {HTML}, {JSON}, {RUNS}/\ntrain the best:\n  cargo run -p \
             trainer -- --recipe {} --data {} --name {}{seed}\n",
            out.display(),
            out.join(BEST).display(),
            data.display(),
            plan.name
        ));
        Ok(())
    }

    /// Makes the folder this sweep's, unless it is another's; returns whether it was before.
    fn prepare(
        &self,
        out: &Path,
        design: &Design,
        material: &Material,
    ) -> Result<(bool, OwnFolder)> {
        let plan = toml::to_string(&Plan { data: PathBuf::new(), ..design.plan.clone() })
            .context("the sweep as TOML")?;
        let identity = Identity {
            plan,
            recipe: design.base.to_toml(),
            dataset: material.fingerprint.clone(),
            network: material.network.to_string(),
            backend: material.backend.identity().to_string(),
        };
        let path = out.join(IDENTITY);
        let new = || "give --out a new folder, or delete this one".to_string();
        let before = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => bail!("{}: cannot be read: {error}", path.display()),
            Ok(text) => Some(
                serde_json::from_str::<Identity>(&text)
                    .map_err(|error| anyhow!("{}: damaged ({error}); {}", path.display(), new()))?,
            ),
        };
        if let Some(before) = &before {
            let differences = before.differences(&identity);
            if !differences.is_empty() {
                bail!(
                    "{}: holds another sweep: changed since then: {}; {}",
                    out.display(),
                    differences.join(", "),
                    new()
                );
            }
            if !self.resume {
                bail!(
                    "{}: this sweep has been here before; --resume goes on with it, or {}",
                    out.display(),
                    new()
                );
            }
        }
        let folder = files::prepare_folder(out, &[IDENTITY, JSON, HTML, BEST])?;
        if before.is_none() {
            let text = serde_json::to_string_pretty(&identity).context("the sweep as JSON")?;
            write_atomically(&path, (text + "\n").as_bytes())?;
        }
        Ok((before.is_some(), folder))
    }
}

impl Design {
    /// Trains round by round; the scores of all rounds, the best first.
    fn train(&self, material: &Material, runs: &Path, parallel: usize) -> Result<Vec<Score>> {
        let (count, epochs) = self.budget();
        let board = Board::new(count, epochs);
        let mut scores: Vec<Score> = Vec::new();
        let mut left: Vec<usize> = (0..self.trials.len()).collect();
        for (index, round) in self.rounds.iter().enumerate() {
            left.truncate(round.trials);
            let seeds = self.plan.seed..self.plan.seed + self.plan.seeds as u64;
            let run = |&trial: &usize| {
                let mut recipe = self.trials[trial].recipe.clone();
                recipe.epochs = round.epochs.unwrap_or(recipe.epochs);
                let number = self.trials[trial].number;
                seeds.clone().map(move |seed| SweepRun {
                    trial: number,
                    seed,
                    recipe: recipe.clone(),
                })
            };
            let jobs: Vec<SweepRun> = left.iter().flat_map(run).collect();
            let outcomes = in_parallel(&jobs, parallel, |run| run.run(material, runs, &board))?;
            let images = material.validation_images();
            let mut new: Vec<Score> = left
                .iter()
                .zip(outcomes.chunks(self.plan.seeds))
                .zip(jobs.chunks(self.plan.seeds))
                .map(|((&trial, outcomes), jobs)| {
                    Score::new(trial, index, jobs[0].recipe.epochs, outcomes.to_vec(), images)
                })
                .collect();
            new.sort_by(Score::compare);
            left = new.iter().map(|score| score.trial).collect();
            scores.extend(new);
        }
        scores.sort_by(Score::compare);
        Ok(scores)
    }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Does all jobs, `parallel` of them at once, each begun in its turn; results in the order of the
/// jobs. After a failure no further job is begun.
fn in_parallel<J: Sync, R: Send>(
    jobs: &[J],
    parallel: usize,
    work: impl Fn(&J) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let results: Mutex<Vec<(usize, Result<R>)>> = Mutex::new(Vec::with_capacity(jobs.len()));
    thread::scope(|scope| {
        for _ in 0..parallel.clamp(1, jobs.len().max(1)) {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(index) else { break };
                    let result = work(job);
                    if result.is_err() {
                        failed.store(true, Ordering::Relaxed);
                    }
                    results.lock().expect("no holder of the lock panics").push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no holder of the lock panics");
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
