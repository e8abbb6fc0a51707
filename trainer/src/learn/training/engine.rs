//! One step on all threads: gradients of the parts, their sum, the update.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::TrainingError;
use crate::learn::backend::{Backend, BackendError, Input, Session};
use crate::learn::batches::{Batch, Part};
use crate::learn::distillation::{Lessons, Teachers};
use crate::learn::network::Network;
use crate::learn::quantization::Plan;
use crate::learn::step::{AVERAGE, UpdateRule, gradient_graph, update_graph};

/// The loss and the gradient `[P]` of a worker's parts.
type Outcome = Result<(f32, Vec<f32>), TrainingError>;

/// Runs steps. The calling thread takes the first parts of a batch, and as many each a thread of its own;
/// gradients are added in the order of the parts, whichever is done first.
pub struct Engine {
    first: Worker,
    others: Vec<Remote>,
    update: Session,
    rule: UpdateRule,
    parameters: Arc<Vec<f32>>,
    /// The vectors of [`UpdateRule::state`] with their names.
    state: Vec<(&'static str, Vec<f32>)>,
    /// Steps taken.
    steps: usize,
    spent: Duration,
}

/// What a network is trained for beside the targets of its images.
#[derive(Clone, Copy, Default)]
pub struct Objective<'o> {
    /// To compute with integers.
    pub plan: Option<&'o Plan>,
    /// To answer as others do.
    pub teachers: Option<&'o Teachers>,
}

/// Where the time of steps went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Asking teachers, on the calling thread.
    pub teachers: Duration,
    /// All of it.
    pub steps: Duration,
}

impl std::ops::Add for Spent {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { teachers: self.teachers + other.teachers, steps: self.steps + other.steps }
    }
}

/// What a step changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub parameters: Vec<f32>,
    /// The vectors of [`UpdateRule::state`].
    pub vectors: Vec<Vec<f32>>,
    /// Steps taken so far.
    pub steps: usize,
}

impl State {
    /// The state before the first step.
    pub fn first(parameters: Vec<f32>, rule: &UpdateRule) -> Self {
        Self { vectors: rule.initial_state(&parameters), parameters, steps: 0 }
    }
}

impl Engine {
    pub fn new(
        backend: &Backend,
        network: &Network,
        objective: Objective,
        rule: UpdateRule,
        part_size: usize,
        workers: usize,
        start: State,
    ) -> Result<Self, BackendError> {
        let Objective { plan, teachers } = objective;
        let soft = teachers.map(Teachers::soft);
        let gradient = gradient_graph(backend.kind(), network, plan, soft, part_size);
        let worker = || {
            Ok::<_, BackendError>(Worker {
                lessons: teachers.map(|teachers| teachers.start(backend, part_size)).transpose()?,
                session: backend.session(&gradient)?,
                pixels: network.input.iter().product(),
                classes: network.classes(),
                noise: network.noise(),
                part_size,
            })
        };
        let others = (1..workers).map(|_| Ok(Remote::start(worker()?))).collect::<Result<_, _>>();
        Ok(Self {
            first: worker()?,
            others: others.map_err(|error: BackendError| error)?,
            update: backend.session(&update_graph(backend.kind(), network, &rule))?,
            parameters: Arc::new(start.parameters),
            state: rule.state().into_iter().zip(start.vectors).collect(),
            steps: start.steps,
            spent: Duration::ZERO,
            rule,
        })
    }

    /// Takes one step and returns the loss of the batch before it.
    pub fn step(&mut self, batch: Batch, rate: f32) -> Result<f32, TrainingError> {
        let begun = Instant::now();
        let share = batch.len().div_ceil(1 + self.others.len());
        let mut parts = batch.into_iter();
        let first: Vec<Part> = parts.by_ref().take(share).collect();
        for remote in &self.others {
            let job = (Arc::clone(&self.parameters), parts.by_ref().take(share).collect());
            remote.jobs.send(job).map_err(|_| TrainingError::WorkerLost)?;
        }
        let mut sum = self.first.run_all(&self.parameters, &first)?;
        for remote in &self.others {
            let outcome = remote.outcomes.recv().map_err(|_| TrainingError::WorkerLost)?;
            add(&mut sum, &outcome?);
        }
        let (loss, gradient) = sum;
        self.apply(&gradient, rate)?;
        self.spent += begun.elapsed();
        Ok(loss)
    }

    /// Where the time of the steps so far went.
    pub fn spent(&self) -> Spent {
        let teachers = self.first.lessons.as_ref().map_or(Duration::ZERO, Lessons::took);
        Spent { teachers, steps: self.spent }
    }

    fn apply(&mut self, gradient: &[f32], rate: f32) -> Result<(), TrainingError> {
        self.steps += 1;
        let shape = [gradient.len()];
        let rate = [rate];
        let factors = self.rule.optimizer.factors(self.steps);
        let names: Vec<String> = (0..factors.len()).map(|index| format!("factor{index}")).collect();
        let mut inputs: Vec<(&str, &[usize], &[f32])> = vec![
            ("parameters", &shape, &self.parameters),
            ("gradient", &shape, gradient),
            ("rate", &[1], &rate),
        ];
        inputs.extend(names.iter().zip(factors.chunks(1)).map(|(n, f)| (&n[..], &[1][..], f)));
        inputs.extend(self.state.iter().map(|(name, values)| (*name, &shape[..], &values[..])));
        let mut outputs = self.update.run(&inputs)?.into_iter();
        self.parameters = Arc::new(outputs.next().ok_or(TrainingError::WorkerLost)?);
        self.state.iter_mut().zip(outputs).for_each(|((_, values), new)| *values = new);
        Ok(())
    }

    /// Everything that steps change, as it is now.
    pub fn state(&self) -> State {
        let vectors = self.state.iter().map(|(_, values)| values.clone()).collect();
        State { parameters: self.parameters.to_vec(), vectors, steps: self.steps }
    }

    /// The parameters to use: their moving average if there is one.
    pub fn result(&self) -> &[f32] {
        let average = self.state.iter().find(|(name, _)| *name == AVERAGE);
        average.map_or(&self.parameters, |(_, values)| values)
    }
}

struct Worker {
    session: Session,
    /// What teachers say of the images, if there are any.
    lessons: Option<Lessons>,
    pixels: usize,
    classes: usize,
    /// Random numbers per image.
    noise: usize,
    part_size: usize,
}

/// Adds loss and gradient of other parts.
fn add(sum: &mut (f32, Vec<f32>), (loss, gradient): &(f32, Vec<f32>)) {
    sum.0 += loss;
    sum.1.iter_mut().zip(gradient).for_each(|(sum, part)| *sum += part);
}

impl Worker {
    /// One part after the other: only one takes memory at a time.
    fn run_all(&mut self, parameters: &[f32], parts: &[Part]) -> Outcome {
        let (first, others) = parts.split_first().ok_or(TrainingError::WorkerLost)?;
        let mut sum = self.run(parameters, first)?;
        for part in others {
            add(&mut sum, &self.run(parameters, part)?);
        }
        Ok(sum)
    }

    fn run(&mut self, parameters: &[f32], part: &Part) -> Outcome {
        let count = [parameters.len()];
        let shapes = [self.pixels, self.classes, self.noise].map(|rows| [rows, self.part_size]);
        let mut inputs: Vec<Input<'_>> = vec![
            ("parameters", &count, parameters),
            ("images", &shapes[0], &part.images),
            ("targets", &shapes[1], &part.targets),
        ];
        if self.noise > 0 {
            inputs.push(("noise", &shapes[2], &part.noise));
        }
        let soft = self.lessons.as_mut().map(|lessons| lessons.probabilities(&part.images));
        let soft = soft.transpose()?;
        if let Some(soft) = &soft {
            inputs.push(("soft", &shapes[1], soft));
        }
        let outputs = self.session.run(&inputs)?;
        let [loss, gradient]: [Vec<f32>; 2] =
            outputs.try_into().expect("the gradient graph has two outputs");
        Ok((loss[0], gradient))
    }
}

/// A worker on a thread of its own, which ends when its jobs' sender is dropped.
struct Remote {
    jobs: Sender<(Arc<Vec<f32>>, Vec<Part>)>,
    outcomes: Receiver<Outcome>,
}

impl Remote {
    fn start(mut worker: Worker) -> Self {
        let (jobs, incoming) = channel::<(Arc<Vec<f32>>, Vec<Part>)>();
        let (outgoing, outcomes) = channel();
        thread::spawn(move || {
            for (parameters, parts) in incoming {
                if outgoing.send(worker.run_all(&parameters, &parts)).is_err() {
                    return;
                }
            }
        });
        Self { jobs, outcomes }
    }
}
