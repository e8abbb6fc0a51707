//! Fuzzing with seeds: inputs that a mutator makes of good ones, for everything that reads what
//! others wrote. The same seed makes the same inputs, so a finding can be had again.

mod mutate;
mod targets;

use std::fs;
use std::time::{Duration, Instant};

use fastrand::Rng;
use inkling_support::caught::caught;

pub use targets::all;

/// Something that reads what others wrote.
pub trait Target {
    fn name(&self) -> &'static str;

    /// Good inputs, small ones.
    fn corpus(&self) -> Vec<Vec<u8>>;

    /// Words that this kind of input is made of.
    fn words(&self) -> &'static [&'static [u8]] {
        &[]
    }

    /// A mutant of an input; by default of its bytes.
    fn mutate(&self, rng: &mut Rng, input: &[u8], other: &[u8]) -> Vec<u8> {
        mutate::bytes(rng, input, other, self.words())
    }

    /// Reads an input. Whatever it is, this returns: an error of the reader is fine, `Err` here is
    /// a finding, and so is a panic.
    fn run(&mut self, input: &[u8]) -> Result<(), String>;
}

/// Far more than any input takes, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long to fuzz.
#[derive(Clone, Copy, Debug)]
pub enum Budget {
    Inputs(usize),
    Time(Duration),
}

/// Runs a target on its corpus and on mutants; the number of inputs.
///
/// # Errors
///
/// The first finding, with the file in which its input lies.
pub fn fuzz(target: &mut dyn Target, seed: u64, budget: Budget) -> Result<usize, String> {
    let mut rng = Rng::with_seed(seed);
    let mut corpus = target.corpus();
    let started = Instant::now();
    let mut done = 0;
    loop {
        let finished = match budget {
            Budget::Inputs(inputs) => done >= inputs,
            Budget::Time(time) => started.elapsed() >= time,
        };
        if finished {
            return Ok(done);
        }
        let input = match corpus.get(done) {
            Some(input) => input.clone(),
            None => {
                let pick = |rng: &mut Rng| rng.usize(..corpus.len());
                let (one, other) = (pick(&mut rng), pick(&mut rng));
                target.mutate(&mut rng, &corpus[one], &corpus[other])
            }
        };
        let begun = Instant::now();
        let outcome = match caught(|| target.run(&input)) {
            Ok(Ok(())) if begun.elapsed() > PATIENCE => {
                Err(format!("takes {} s", begun.elapsed().as_secs()))
            }
            Ok(outcome) => outcome,
            Err(panic) => Err(format!("panics: {panic}")),
        };
        if let Err(what) = outcome {
            let folder = crate::root().join("target/fuzz");
            let file = folder.join(format!("{}-{seed}-{done}", target.name()));
            let _ = fs::create_dir_all(&folder).and_then(|()| fs::write(&file, &input));
            return Err(format!("{}: {what}\nthe input lies in {}", target.name(), file.display()));
        }
        // Mutants of mutants reach further; the corpus stays small.
        if done > corpus.len() && rng.u8(..16) == 0 && input.len() < 1 << 16 {
            let last = corpus.len();
            if last < 4 * target.corpus().len() {
                corpus.push(input);
            } else {
                corpus[rng.usize(last / 4..last)] = input;
            }
        }
        done += 1;
    }
}
