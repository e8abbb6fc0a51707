//! Mutants of good inputs, for everything that reads what others wrote: never a panic, never a
//! hang, never much memory, and what is read is read right.
//!
//! A seeded run of each; `INKLING_FUZZ_SECONDS` gives each so many seconds instead, from
//! `INKLING_FUZZ_SEED` (`./ci.sh fuzz` asks for an hour).

use std::env;
use std::fs;
use std::time::Duration;

use tests::fuzz::{Budget, all, fuzz};

/// Mutants in the test command; those of models cost more.
const INPUTS: usize = 2000;
const MODELS: usize = 300;

/// What all of it may need at once.
const MOST_MEMORY: usize = 500 << 20;

#[test]
fn mutants_are_read_or_refused() {
    let number = |name: &str| env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seed = number("INKLING_FUZZ_SEED").unwrap_or(1);
    let mut findings = Vec::new();
    for mut target in all() {
        let costly = ["onnx-structure", "model-folders", "toml"].contains(&target.name());
        let budget = match number("INKLING_FUZZ_SECONDS") {
            Some(seconds) => Budget::Time(Duration::from_secs(seconds)),
            None => Budget::Inputs(if costly { MODELS } else { INPUTS }),
        };
        match fuzz(target.as_mut(), seed, budget) {
            Ok(inputs) => println!("{}: {inputs} inputs", target.name()),
            Err(finding) => findings.push(finding),
        }
        if let Some(peak) = peak_memory()
            && peak > MOST_MEMORY
        {
            findings.push(format!("{}: {} MB at the most", target.name(), peak >> 20));
        }
    }
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

/// The most memory that this process has had, where the system says so.
fn peak_memory() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok().map(|kilobytes| kilobytes << 10)
}
