//! Seconds per epoch of training `simple`, batch 64, two threads: ONNX Runtime, the embedded tract
//! and, where it is installed, PyTorch, in turn in one run; then how time and memory grow with the
//! number of images.
//!
//! Every runtime has a process of its own (a backend is chosen once per process) that loads the
//! data, says that it is ready, and then runs an epoch whenever it is told to, so that all of them
//! see the same state of the machine. PyTorch's side is `peers/pytorch_training.py`.
//!
//! `cargo bench --bench training`; PyTorch is taken from `python3`, or from the interpreter that
//! `INKLING_PYTHON` names.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use inkling_data::{Dataset, Split};
use trainer::learn::backend::{Backend, Choice};
use trainer::learn::batches::Feed;
use trainer::learn::network;
use trainer::learn::optimizer::Sgd;
use trainer::learn::step::UpdateRule;
use trainer::learn::training::{Engine, Objective, State};

/// Epochs of each runtime, taken in turn.
const ROUNDS: usize = 3;
const THREADS: usize = 2;
const BATCH: usize = 64;
/// Images of an epoch: MNIST's without a twelfth for validation.
const EPOCH: usize = 55_000;
/// Sizes of which the growth is shown, by repeating images.
const GROWTH: [usize; 3] = [6_000, 60_000, 600_000];

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--worker") {
        return worker(&arguments[at + 1]);
    }
    // Only `cargo bench` says `--bench`; `cargo test` asks for a sign of life, not for a measurement.
    let trial = !arguments.iter().any(|argument| argument == "--bench");
    let rounds = if trial { 1 } else { ROUNDS };
    let epoch = if trial { 640 } else { EPOCH };

    let mut peers: Vec<Peer> =
        ["onnxruntime", "tract"].iter().filter_map(|name| Peer::ours(name)).collect();
    if !trial {
        peers.extend(Peer::pytorch());
    }
    let mut seconds = vec![Vec::new(); peers.len()];
    for round in 1..=rounds {
        for (peer, seconds) in peers.iter_mut().zip(&mut seconds) {
            let (took, _) = peer.epoch(epoch);
            println!("round {round}: {:<12} {took:.2} s", peer.name);
            seconds.push(took);
        }
    }
    let best = |seconds: &[f64]| seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let reference =
        peers.iter().position(|peer| peer.name == "pytorch").map(|at| best(&seconds[at]));
    println!(
        "\n| runtime | best of {rounds}, seconds per epoch of {epoch} images | against PyTorch |\n|---|--:|--:|"
    );
    for (peer, seconds) in peers.iter().zip(&seconds) {
        let ratio = reference
            .map_or("–".into(), |reference| format!("{:.2}×", best(seconds) / reference));
        println!("| {} | {:.2} | {ratio} |", peer.version, best(seconds));
    }
    if trial {
        return;
    }
    println!(
        "\n| images | runtime | seconds | µs per image | peak memory |\n|--:|---|--:|--:|--:|"
    );
    for images in GROWTH {
        for peer in peers.iter_mut().filter(|peer| peer.name != "pytorch") {
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
    fn ours(name: &'static str) -> Option<Self> {
        let mut command = Command::new(env::current_exe().expect("a program knows its own path"));
        command.args(["--worker", name]);
        Self::start(name, command, "pip install onnxruntime")
    }

    fn pytorch() -> Option<Self> {
        let python = env::var_os("INKLING_PYTHON").unwrap_or("python3".into());
        let mut command = Command::new(python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/pytorch_training.py"));
        command.arg(mnist()).arg(THREADS.to_string());
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

/// Runs epochs of as many images as each line of standard input says.
fn worker(backend: &str) {
    let choice = if backend == "tract" { Choice::Tract } else { Choice::Onnxruntime };
    let Ok(backend) = Backend::start(choice, None) else { return };
    let images = Arc::new(Dataset::load(&mnist(), Split::Train).expect("MNIST is committed"));
    let network = network::simple([1, 28, 28], 10).expect("simple fits MNIST");
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
        BATCH / THREADS,
        THREADS,
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
        workers: THREADS,
        noise: 0,
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
