//! Sweeps: many trainings over values of a recipe, and the best recipe by validation.
//!
//! From a file to a recipe: [`plan`] reads the file, [`space`] makes trials of it, [`halving`] says
//! how long each is trained, [`run`] trains one with one seed in a folder of its own, [`ranking`]
//! compares them and [`report`] tells. Runs are independent of each other and each is on one thread,
//! so several at once change nothing but the time, and [`members`] lets other machines do them.
//! Nothing ever opens the test set.

mod folder;
mod halving;
mod members;
mod plan;
mod progress;
mod ranking;
mod report;
mod run;
mod space;
mod strangers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::{Context, Result, bail};
use inkling_support::console;
use inkling_support::files::write_atomically;

use crate::learn::backend::{Backend, Choice};
use crate::learn::distillation::Teacher;
use crate::learn::network::Description;
use crate::learn::recipe::Recipe;
use crate::line::SAMPLES;
use inkling_data::Sets;
use inkling_data::read;

pub use halving::{Round, rounds};
pub use members::Member;
pub use plan::{Halving, Method, Plan};
pub use ranking::Score;
pub use run::Outcome;
pub use space::{Axis, Range, Scale, Trial, axes, trials};

use folder::Identity;
use progress::Board;
use report::Report;
use run::{Material, Place, SweepRun};

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
    /// Whether the trials learn a class of what is in none of the others.
    pub learns_unknown: bool,
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
        if trials.iter().any(|trial| trial.recipe.learn_validation) {
            return Err("learn_validation leaves no validation images for trials to be compared by; leave it \
                        out, and set it in the recipe that the sweep chose"
                .to_string());
        }
        let learns_unknown = strangers::learned(trials.iter().map(|trial| &trial.recipe))?;
        let rounds = match plan.method {
            Method::Halving => rounds(trials.len(), base.epochs, plan.halving.unwrap_or_default())?,
            Method::Grid | Method::Random => vec![Round { trials: trials.len(), epochs: None }],
        };
        Ok(Self { plan, base, axes, trials, rounds, learns_unknown })
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

/// A sweep whose file, data and network are known to be usable.
struct Opened {
    design: Design,
    data: PathBuf,
    out: PathBuf,
    material: Material,
}

impl Sweep {
    /// Does all of it. Nothing is written before the sweep file, the data set and the backend are
    /// known to be usable.
    pub fn run(self) -> Result<()> {
        let opened = self.open(Design::open(&self.file)?)?;
        let Opened { design, data, out, material } = &opened;
        let backend = Backend::start(self.backend, self.ort_lib.clone())?;
        let validation = material.divided(design.plan.seed).1;
        for teacher in material.teachers.values() {
            teacher.count_right(&backend, &validation)?;
        }
        let identity = Identity::new(design, material, Some(&backend))?;
        let (resumed, _folder) = identity.own(out, self.resume)?;
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
            design.plan.images.unwrap_or(material.training_images()),
            material.training_images(),
            material.validation_images(),
            design.trials.len(),
            if resumed { format!("; going on in {}", out.display()) } else { String::new() },
        ));
        let board = Board::new(runs, epochs);
        let place = Place { backend: &backend, material, runs: &out.join(RUNS) };
        let ranking =
            design.rank(design.rounds.len(), material.validation_images(), |_, runs| {
                in_parallel(runs, parallel, |run| run.run(&place, &board))
            })?;
        drop(board);
        self.tell(&opened, &ranking.scores)
    }

    /// Reads the data and makes the network.
    fn open(&self, design: Design) -> Result<Opened> {
        let plan = &design.plan;
        let data = self.data.as_ref().unwrap_or(&plan.data).clone();
        let out = self.out.clone().unwrap_or_else(|| {
            PathBuf::from("target/inkling").join(format!("sweep-{}", plan.name))
        });
        let cache = Some(out.with_file_name(SAMPLES));
        let description = Description::named(&plan.network)
            .with_context(|| format!("{}: network", self.file.display()))?;
        let mut options = read::Options { seed: plan.seed, cache, ..self.import.clone() };
        options.inputs = description.wanted(&options);
        let mut sets = Sets::load(&data, &options, plan.seed)?;
        if design.learns_unknown {
            strangers::add_class(&mut sets, &data.display().to_string())?;
        }
        let network =
            description.build_for(&sets.images).with_context(|| data.display().to_string())?;
        let mut material = Material {
            network,
            validation: sets.validation_given.then_some(sets.validation),
            images: sets.images,
            limit: plan.images,
            fingerprint: sets.fingerprint,
            learns_unknown: design.learns_unknown,
            teachers: BTreeMap::new(),
        };
        let recipes = design.trials.iter().map(|trial| &trial.recipe);
        for path in recipes.filter_map(|recipe| recipe.teacher.as_ref()).flat_map(|t| &t.models) {
            if !material.teachers.contains_key(path) {
                let teacher = Arc::new(Teacher::open(path, &material.images)?);
                material.teachers.insert(path.clone(), teacher);
            }
        }
        if let Some(wanted) = plan.images.filter(|&count| count > material.training_images()) {
            bail!(
                "{}: images is {wanted}, but only {} are for training; leave it out for all",
                self.file.display(),
                material.training_images()
            );
        }
        Ok(Opened { design, data, out, material })
    }

    /// Writes what a sweep came to, and says it.
    fn tell(&self, opened: &Opened, scores: &[Score]) -> Result<()> {
        let Opened { design, data, out, material } = opened;
        let plan = &design.plan;
        let report = Report {
            plan,
            axes: &design.axes,
            trials: &design.trials,
            scores,
            rounds: &design.rounds.iter().map(|round| round.epochs).collect::<Vec<_>>(),
            validation_images: material.validation_images(),
        };
        write_atomically(&out.join(JSON), report.json().context("the sweep as JSON")?.as_bytes())?;
        write_atomically(&out.join(HTML), report.html().as_bytes())?;
        console::print(&format!("\n{}", report.table()));
        let Some(best) = report.best_toml(out) else {
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
}

/// What the rounds so far came to.
struct Ranking {
    /// Of every trial in every round that it took part in, the best first.
    scores: Vec<Score>,
    /// Indices of all trials of the last of these rounds, the best first.
    left: Vec<usize>,
}

impl Design {
    /// The runs of a round, the members of an array: the trials in the order of `left`, the best of
    /// the round before first, and of each its seeds.
    fn runs(&self, round: Round, left: &[usize]) -> Vec<SweepRun> {
        let seeds = self.plan.seed..self.plan.seed + self.plan.seeds as u64;
        let run = |&trial: &usize| {
            let Trial { number, recipe, .. } = &self.trials[trial];
            let epochs = round.epochs.unwrap_or(recipe.epochs);
            let recipe = Recipe { epochs, ..recipe.clone() };
            seeds.clone().map(move |seed| SweepRun { trial: *number, seed, recipe: recipe.clone() })
        };
        left.iter().take(round.trials).flat_map(run).collect()
    }

    /// Goes through the first `rounds` rounds. `outcomes` gives what the runs of a round, which is
    /// counted from 0, come to, in their order, with `images` validation images each.
    fn rank(
        &self,
        rounds: usize,
        images: usize,
        mut outcomes: impl FnMut(usize, &[SweepRun]) -> Result<Vec<Outcome>>,
    ) -> Result<Ranking> {
        let mut scores: Vec<Score> = Vec::new();
        let mut left: Vec<usize> = (0..self.trials.len()).collect();
        for (index, &round) in self.rounds[..rounds].iter().enumerate() {
            left.truncate(round.trials);
            let runs = self.runs(round, &left);
            let seeds = self.plan.seeds;
            let outcomes = outcomes(index, &runs)?;
            let mut new: Vec<Score> = (left.iter())
                .zip(outcomes.chunks(seeds).zip(runs.chunks(seeds)))
                .map(|(&trial, (outcomes, runs))| {
                    Score::new(trial, index, runs[0].recipe.epochs, outcomes.to_vec(), images)
                })
                .collect();
            new.sort_by(Score::compare);
            left = new.iter().map(|score| score.trial).collect();
            scores.extend(new);
        }
        scores.sort_by(Score::compare);
        Ok(Ranking { scores, left })
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
