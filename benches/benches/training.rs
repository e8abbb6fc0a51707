//! Seconds per epoch of training, batch 64: ONNX Runtime, the embedded tract and, where it is installed,
//! PyTorch, in turn in one run, for `simple` on two threads and for other networks on one; then how time
//! and memory of `simple` grow with the number of images.
//!
//! Every runtime has a process of its own (a backend is chosen once per process) that loads the
//! data, says that it is ready, and then runs an epoch whenever it is told to, so that all of them
//! see the same state of the machine. PyTorch's side is `peers/pytorch_training.py`.
//!
//! `cargo bench --bench training`; PyTorch is taken from `python3`, or from the interpreter that
//! `INKLING_PYTHON` names. `cargo bench --bench training -- simple` runs one network's rows alone.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use inkling_data::{Dataset, Split};
use trainer::learn::backend::{Backend, Choice};
use trainer::learn::batches::Feed;
use trainer::learn::network::Description;
use trainer::learn::optimizer::Sgd;
use trainer::learn::step::UpdateRule;
use trainer::learn::training::{Engine, Objective, State};

/// Epochs of each runtime, taken in turn.
const ROUNDS: usize = 3;
const BATCH: usize = 64;
/// Images of an epoch: MNIST's without a twelfth for validation.
const EPOCH: usize = 55_000;
/// Sizes of which the growth is shown, by repeating images.
const GROWTH: [usize; 3] = [6_000, 60_000, 600_000];

/// What is trained.
#[derive(Clone, Copy)]
struct Case {
    /// One of trainer/networks.
    network: &'static str,
    /// Height, width and channels; MNIST where they are MNIST's, else noise.
    shape: &'static str,
    threads: usize,
    /// How much of an epoch is run and counted this many times.
    part: usize,
}

const fn case(network: &'static str, shape: &'static str, threads: usize, part: usize) -> Case {
    Case { network, shape, threads, part }
}

/// The first is the one whose growth is shown.
const CASES: [Case; 5] = [
    case("simple", "28x28x1", 2, 1),
    case("resnet-mini", "28x28x1", 1, 5),
    case("resnet-mini", "32x32x3", 1, 5),
    case("separable", "28x28x1", 1, 5),
    case("separable", "64x64x1", 1, 10),
];

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--worker") {
        return worker(&arguments[at + 1..]);
    }
    // Only `cargo bench` says `--bench`; `cargo test` asks for a sign of life, not for a measurement.
    let trial = !arguments.iter().any(|argument| argument == "--bench");
    println!(
        "| network | input | threads | runtime | seconds per epoch of {EPOCH} images | against PyTorch |\n\
         |---|---|--:|---|--:|--:|"
    );
    let only = arguments[1..].iter().find(|argument| !argument.starts_with('-'));
    for case in &CASES[..if trial { 1 } else { CASES.len() }] {
        if only.is_none_or(|only| only == case.network) {
            compare(*case, trial);
        }
    }
    if !trial && only.is_none() {
        growth(CASES[0]);
    }
}

/// A row of the table for each runtime, the best of all rounds.
fn compare(case: Case, trial: bool) {
    let (rounds, images) = if trial { (1, 640) } else { (ROUNDS, EPOCH / case.part) };
    let mut peers: Vec<Peer> =
        ["onnxruntime", "tract"].iter().filter_map(|name| Peer::ours(name, case)).collect();
    if !trial {
        peers.extend(Peer::pytorch(case));
    }
    let mut best = vec![f64::INFINITY; peers.len()];
    for _ in 0..rounds {
        for (peer, best) in peers.iter_mut().zip(&mut best) {
            let (took, _) = peer.epoch(images);
            *best = best.min(took * EPOCH as f64 / images as f64);
        }
    }
    let reference = peers.iter().position(|peer| peer.name == "pytorch").map(|at| best[at]);
    for (peer, best) in peers.iter().zip(&best) {
        let ratio = reference.map_or("–".into(), |reference| format!("{:.2}×", best / reference));
        let Case { network, shape, threads, .. } = case;
        println!("| {network} | {shape} | {threads} | {} | {best:.2} | {ratio} |", peer.version);
    }
}

/// How time and memory grow with the number of images.
fn growth(case: Case) {
    println!(
        "\n| images | runtime | seconds | µs per image | peak memory |\n|--:|---|--:|--:|--:|"
    );
    let mut peers: Vec<Peer> =
        ["onnxruntime", "tract"].iter().filter_map(|name| Peer::ours(name, case)).collect();
    for images in GROWTH {
        for peer in &mut peers {
            let (took, memory) = peer.epoch(images);
            let each = took / images as f64 * 1e6;
            println!("| {images} | {} | {took:.2} | {each:.1} | {memory} |", peer.name);
        }
    }
}

/// A process that runs epochs on demand.
struct Peer {
    name: &'static str,
    version: String,
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    fn ours(name: &'static str, case: Case) -> Option<Self> {
        let mut command = Command::new(env::current_exe().expect("a program knows its own path"));
        let threads = case.threads.to_string();
        command.args(["--worker", name, case.network, case.shape, &threads]);
        Self::start(name, command, "pip install onnxruntime")
    }

    fn pytorch(case: Case) -> Option<Self> {
        let python = env::var_os("INKLING_PYTHON").unwrap_or("python3".into());
        let mut command = Command::new(python);
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let network = here.join(format!("../trainer/networks/{}.toml", case.network));
        command.arg(here.join("peers/pytorch_training.py"));
        command.arg(mnist()).arg(case.threads.to_string()).arg(network).arg(case.shape);
        Self::start("pytorch", command, "pip install torch")
    }

    /// Starts the process and waits until it is ready; `None`, and a word, if it does not get there.
    fn start(name: &'static str, mut command: Command, remedy: &str) -> Option<Self> {
        let child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let started = child.ok().and_then(|mut process| {
            let input = process.stdin.take()?;
            let mut output = BufReader::new(process.stdout.take()?);
            let mut line = String::new();
            output.read_line(&mut line).ok()?;
            let version = format!("{name} {}", line.strip_prefix("ready")?.trim());
            Some(Self { name, version, process, input, output })
        });
        if started.is_none() {
            println!("SKIPPED: {name} - enable with: {remedy}");
        }
        started
    }

    /// Runs an epoch and returns its seconds and what else the process says.
    fn epoch(&mut self, images: usize) -> (f64, String) {
        let mut line = String::new();
        let answered =
            writeln!(self.input, "{images}").and_then(|()| self.output.read_line(&mut line));
        let mut words = line.split_whitespace();
        let seconds = words.next().and_then(|word| word.parse().ok());
        match (answered, seconds) {
            (Ok(_), Some(seconds)) => (seconds, words.collect::<Vec<_>>().join(" ")),
            _ => panic!("{} ended early", self.name),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends by itself when its input closes; a hung one must not outlive the benchmark.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn mnist() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/mnist")
}

/// MNIST's images, or as many of another shape.
fn images(shape: [usize; 3]) -> Dataset {
    let [height, width, channels] = shape;
    if shape == [28, 28, 1] {
        return Dataset::load(&mnist(), Split::Train).expect("MNIST is committed");
    }
    let noise = tests::random_images(1, EPOCH, height, width * channels, 10);
    noise.with_samples(shape, noise.batch(0..EPOCH))
}

/// Runs epochs of as many images as each line of standard input says. `arguments`: the backend, the
/// network, the shape and the number of threads.
fn worker(arguments: &[String]) {
    let [backend, network, shape, threads, ..] = arguments else { panic!("{arguments:?}") };
    let choice = if backend == "tract" { Choice::Tract } else { Choice::Onnxruntime };
    let Ok(backend) = Backend::start(choice, None) else { return };
    let sizes: Vec<usize> = shape.split('x').map(|size| size.parse().expect("a size")).collect();
    let [height, width, channels] = sizes[..] else { panic!("{shape}") };
    let threads: usize = threads.parse().expect("a number of threads");
    let images = Arc::new(images([height, width, channels]));
    let network = Description::named(network).expect("a preset");
    let network = network.build([channels, height, width], 10).expect("fits the shape");
    let rule = UpdateRule {
        optimizer: Box::new(Sgd { momentum: 0.9, nesterov: false, weight_decay: 1e-4 }),
        clip_norm: 0.0,
        average: 0.0,
        factors: None,
    };
    let start = State::first(network.initial_parameters(0), &rule);
    let mut engine = Engine::new(
        &backend,
        &network,
        Objective::default(),
        rule,
        BATCH / threads,
        threads,
        start,
    )
    .expect("the graphs load");
    let feed = |count: usize| Feed {
        dataset: Arc::clone(&images),
        indices: (0..count).map(|index| index % images.len()).collect(),
        augmentation: None,
        label_smoothing: 0.0,
        class_weights: Vec::new(),
        seed: 0,
        batch: BATCH,
        parts: threads,
        noise: network.noise(),
        strangers: None,
    };
    for batch in feed(BATCH).epoch(0) {
        engine.step(batch, 0.01).expect("a step runs");
    }
    println!("ready {}", backend.identity().split_whitespace().next_back().unwrap_or_default());
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let Ok(count) = line.trim().parse() else { return };
        let begun = Instant::now();
        for batch in feed(count).epoch(0) {
            engine.step(batch, 0.01).expect("a step runs");
        }
        println!("{} {}", begun.elapsed().as_secs_f64(), peak_memory());
    }
}

/// The most memory this process has had, as Linux says it.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kilobytes.map_or("unknown".into(), |kilobytes| format!("{} MB", kilobytes / 1024))
}
