//! What a sweep shows while it works: one bar over all runs on a terminal, a line per run anywhere.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use inkling_support::console;

use super::run::{Outcome, SweepRun};
use crate::learn::training::{EpochRecord, Progress};
use crate::tell::report::percent;

/// Parts of an epoch that the bar can tell apart.
const PARTS: u64 = 1000;

/// Progress of all runs, shared between their threads. Work is counted in parts of epochs.
pub struct Board {
    bar: Option<ProgressBar>,
    runs: usize,
    all: u64,
    done: AtomicU64,
    /// What was done before this sweep was resumed.
    skipped: AtomicU64,
    finished: AtomicU64,
    begun: Instant,
}

impl Board {
    /// For so many runs of so many epochs altogether.
    pub fn new(runs: usize, epochs: usize) -> Self {
        let all = epochs as u64 * PARTS;
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{wide_bar} {msg}, {eta} left")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(all).with_style(style).with_message(format!("run 0/{runs}"))
        });
        Self {
            bar,
            runs,
            all,
            done: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            begun: Instant::now(),
        }
    }

    /// A run of so many epochs was finished before.
    pub fn skip(&self, epochs: usize) {
        self.skip_parts(epochs as u64 * PARTS);
        self.finished.fetch_add(1, Ordering::Relaxed);
    }

    fn skip_parts(&self, parts: u64) {
        self.skipped.fetch_add(parts, Ordering::Relaxed);
        self.advance(parts);
        if let Some(bar) = &self.bar {
            bar.reset_eta();
        }
    }

    fn advance(&self, parts: u64) {
        self.done.fetch_add(parts, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.inc(parts);
        }
    }

    /// Progress of one run, of which `epochs` epochs were done before.
    pub fn run<'b>(
        &'b self,
        run: &'b SweepRun,
        epochs: usize,
        validation: usize,
    ) -> RunProgress<'b> {
        let parts = epochs as u64 * PARTS;
        self.skip_parts(parts);
        RunProgress { board: self, run, done: parts, validation, begun: Instant::now() }
    }

    /// Prints a line above the bar.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| console::print(text)),
            None => console::print(text),
        }
    }

    /// An estimate from the work of this session.
    fn left(&self) -> Duration {
        let (done, skipped) =
            (self.done.load(Ordering::Relaxed), self.skipped.load(Ordering::Relaxed));
        let share = (self.all.saturating_sub(done)) as f64 / (done - skipped).max(1) as f64;
        Duration::from_secs_f64((self.begun.elapsed().as_secs_f64() * share).min(1e9))
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Progress of one run.
pub struct RunProgress<'b> {
    board: &'b Board,
    run: &'b SweepRun,
    done: u64,
    validation: usize,
    begun: Instant,
}

impl RunProgress<'_> {
    /// The run is through; it may have stopped early.
    pub fn finish(self, outcome: &Outcome) {
        let board = self.board;
        board.advance((self.run.recipe.epochs as u64 * PARTS).saturating_sub(self.done));
        let number = board.finished.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(bar) = &board.bar {
            bar.set_message(format!("run {number}/{}", board.runs));
        }
        let what = match (outcome, outcome.record()) {
            (Outcome::Trained { epoch, .. }, Some(record)) => format!(
                "validation accuracy {} after epoch {epoch}",
                percent(record.validation_correct as f64 / self.validation as f64)
            ),
            (Outcome::Diverged { what }, _) => what.clone(),
            (Outcome::Trained { .. }, None) => "no epoch".to_string(),
        };
        let left = match board.left() {
            left if left < Duration::from_secs(1) => String::new(),
            left => format!(", about {} left", HumanDuration(left)),
        };
        board.line(&format!(
            "run {number:>width$}/{}: trial {}, seed {}: {what} ({:.1} s{left})\n",
            board.runs,
            self.run.trial,
            self.run.seed,
            self.begun.elapsed().as_secs_f64(),
            width = board.runs.to_string().len(),
        ));
    }
}

impl Progress for RunProgress<'_> {
    fn step(&mut self, epoch: usize, step: usize, steps: usize, _loss: f64) {
        let now = epoch as u64 * PARTS + PARTS * step as u64 / steps.max(1) as u64;
        self.board.advance(now.saturating_sub(self.done));
        self.done = self.done.max(now);
    }

    fn epoch(&mut self, _: usize, _: &EpochRecord, _: Duration) {}
}
