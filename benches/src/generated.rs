//! Generated code that a program of its own runs, compiled as users compile theirs: it says how long
//! calls take.
//!
//! A request is a line of three numbers: bytes of the widest vectors, the network's number and the
//! number of calls. The answer is a line with the seconds that they took; for no calls it is the
//! logits of all samples.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tests::generated::compile;

/// A generated module, and samples for it as bytes, one after the other.
pub struct Module<'a> {
    pub name: &'a str,
    pub code: String,
    pub samples: Vec<u8>,
}

/// A program that runs the modules, until this is dropped.
pub struct Program {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

const MAIN: &str = r#"
use std::hint::black_box;
use std::io::BufRead;
use std::time::Instant;

use firmware_core::Arena;

fn image<const C: usize, const W: usize, const H: usize>(bytes: &[u8]) -> Box<[[[u8; C]; W]; H]> {
    let mut image = Box::new([[[0; C]; W]; H]);
    image.as_flattened_mut().as_flattened_mut().copy_from_slice(bytes);
    image
}

type Network = Box<dyn FnMut(usize) -> String>;

macro_rules! network {
    ($module:ident, $samples:literal) => {{
        let samples: &[u8] = include_bytes!($samples);
        let samples = samples.chunks_exact(size_of::<$module::Image>());
        let images: Vec<Box<$module::Image>> = samples.map(image).collect();
        let mut arena = Box::new(Arena::new());
        let mut next = 0;
        let network: Network = Box::new(move |calls| {
            if calls == 0 {
                let all = images.iter().flat_map(|image| $module::infer(image, &mut arena));
                return all.map(|logit| logit.to_string()).collect::<Vec<_>>().join(" ");
            }
            let start = Instant::now();
            for _ in 0..calls {
                black_box($module::infer(black_box(&images[next]), &mut arena));
                next = (next + 1) % images.len();
            }
            start.elapsed().as_secs_f64().to_string()
        });
        network
    }};
}

fn limit(bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    firmware_core::limit_vectors(bytes);
    let _ = bytes;
}

fn main() {
    let mut networks: Vec<Network> = vec![NETWORKS];
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("requests are text");
        let numbers: Vec<usize> =
            line.split(' ').map(|number| number.parse().expect("requests are numbers")).collect();
        limit(numbers[0]);
        println!("{}", networks[numbers[1]](numbers[2]));
    }
}
"#;

impl Program {
    /// Writes and compiles the program in `folder`, optimized as a release if `release`, and starts it.
    ///
    /// # Errors
    ///
    /// If a file cannot be written, or the code does not compile; cargo says why.
    pub fn start(folder: &Path, modules: &[Module], release: bool) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let (mut main, mut networks) = (String::new(), String::new());
        for Module { name, code, samples } in modules {
            fs::write(folder.join(format!("{name}.rs")), code)?;
            fs::write(folder.join(format!("{name}.samples")), samples)?;
            let _ = writeln!(main, "#[allow(dead_code)]\nmod {name};");
            let _ = write!(networks, "network!({name}, \"{name}.samples\"), ");
        }
        main.push_str(&MAIN.replace("NETWORKS", &networks));
        let program = compile(folder, &main, release).map_err(io::Error::other)?;
        let mut child =
            Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let missing = || io::Error::other("the program has no pipes");
        let requests = Some(child.stdin.take().ok_or_else(missing)?);
        let answers = BufReader::new(child.stdout.take().ok_or_else(missing)?);
        Ok(Self { child, requests, answers })
    }

    fn ask(&mut self, vectors: usize, network: usize, calls: usize) -> io::Result<String> {
        let requests = self.requests.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(requests, "{vectors} {network} {calls}")?;
        requests.flush()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(answer)
    }

    /// The logits of all samples of a network, with vectors of at most so many bytes.
    ///
    /// # Errors
    ///
    /// If the program has ended.
    pub fn logits(&mut self, vectors: usize, network: usize) -> io::Result<Vec<i32>> {
        let answer = self.ask(vectors, network, 0)?;
        let logits = answer.split_whitespace().map(str::parse).collect::<Result<_, _>>();
        logits.map_err(io::Error::other)
    }

    /// The seconds that `calls` inferences take, at least one.
    ///
    /// # Errors
    ///
    /// If the program has ended.
    pub fn seconds(&mut self, vectors: usize, network: usize, calls: usize) -> io::Result<f64> {
        let answer = self.ask(vectors, network, calls.max(1))?;
        answer.trim().parse().map_err(io::Error::other)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It ends with its input.
        self.requests = None;
        let _ = self.child.wait();
    }
}
