//! What was measured as a table, so that one command prints the figures and their ratios.

use std::hint::black_box;
use std::time::Instant;

use criterion::BenchmarkGroup;
use criterion::measurement::WallTime;

/// The fastest sample of every benchmark, in seconds per call: on a machine that does something
/// else as well it says most about the program.
#[derive(Default)]
pub struct Table(Vec<(String, f64)>);

impl Table {
    /// Has criterion measure `run`.
    pub fn bench<T>(
        &mut self,
        group: &mut BenchmarkGroup<WallTime>,
        name: &str,
        mut run: impl FnMut() -> T,
    ) {
        let mut fastest = f64::INFINITY;
        group.bench_function(name, |b| {
            b.iter_custom(|calls| {
                let start = Instant::now();
                for _ in 0..calls {
                    black_box(run());
                }
                let elapsed = start.elapsed();
                fastest = fastest.min(elapsed.as_secs_f64() / calls as f64);
                elapsed
            });
        });
        // A benchmark that the command line leaves out was never run.
        if fastest.is_finite() {
            self.0.push((name.to_owned(), fastest));
        }
    }

    /// Measures each for `turn` seconds once more, in turn for so many rounds: ratios then do not
    /// depend on what else the machine did while criterion measured one of them.
    pub fn turns(&mut self, rounds: usize, turn: f64, runs: &mut [(&str, Box<dyn FnMut() + '_>)]) {
        if !measuring() {
            return;
        }
        for _ in 0..rounds {
            for (name, fastest) in &mut self.0 {
                let Some((_, run)) = runs.iter_mut().find(|(run, _)| run == name) else { continue };
                let calls = (turn / *fastest).ceil();
                let start = Instant::now();
                for _ in 0..calls as usize {
                    run();
                }
                *fastest = fastest.min(start.elapsed().as_secs_f64() / calls);
            }
        }
    }

    /// The fastest row of each of these groups, of which names begin so.
    pub fn best(&self, groups: &[&str]) -> Self {
        let best = |group: &&str| {
            let rows = self.0.iter().filter(|(name, _)| name.starts_with(group));
            rows.min_by(|a, b| a.1.total_cmp(&b.1)).cloned()
        };
        Self(groups.iter().filter_map(best).collect())
    }

    /// Prints the table, per image of `images` in a call, with ratios to the first runtime.
    pub fn print(&self, images: usize) {
        let [(first, least), ..] = self.0.as_slice() else { return };
        if !measuring() {
            return;
        }
        println!("| runtime | µs per image | images per second | ratio to {first} |");
        println!("|---|--:|--:|--:|");
        for (name, seconds) in &self.0 {
            let each = seconds / images as f64;
            let (micros, rate) = (each * 1e6, 1.0 / each);
            println!("| {name} | {micros:.2} | {rate:.0} | {:.1}× |", seconds / least);
        }
        println!();
    }
}

/// Only `cargo bench` says `--bench`; `cargo test` runs everything once and measures nothing.
pub fn measuring() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}
