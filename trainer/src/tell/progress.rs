//! What a training run shows: a bar with the time left on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use inkling_support::console;

use crate::learn::training::{EpochRecord, Progress};

/// Progress of the epochs of one run.
pub struct Display {
    epochs: usize,
    /// Images in the validation set.
    validation: usize,
    /// Of the validation images after the last epoch, in words.
    accuracy: String,
    bar: Option<ProgressBar>,
}

impl Display {
    /// For a run whose first `done` of `epochs` epochs, of `steps` steps each, are behind it.
    pub fn new(epochs: usize, done: usize, steps: usize, validation: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = "{wide_bar} epoch {msg}, step {pos}/{len}, {eta} left";
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new((epochs * steps) as u64).with_style(style);
            bar.set_position((done * steps) as u64);
            bar.reset_eta();
            bar
        });
        Self { epochs, validation, accuracy: String::new(), bar }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| console::print(text)),
            None => console::print(text),
        }
    }
}

impl Progress for Display {
    fn step(&mut self, epoch: usize, step: usize, steps: usize, loss: f64) {
        if let Some(bar) = &self.bar {
            let accuracy = &self.accuracy;
            bar.set_message(format!("{}/{}, loss {loss:.4}{accuracy}", epoch + 1, self.epochs));
            bar.set_position((epoch * steps + step) as u64);
        }
    }

    fn epoch(&mut self, epoch: usize, record: &EpochRecord, took: Duration) {
        let accuracy = 100.0 * record.validation_correct as f64 / self.validation as f64;
        self.accuracy = format!(", validation {accuracy:.2} %");
        self.line(&format!(
            "epoch {:>width$}/{}: training loss {:.4}, validation loss {:.4}, validation accuracy \
             {accuracy:.2} % ({:.1} s)\n",
            epoch + 1,
            self.epochs,
            record.training_loss,
            record.validation_loss,
            took.as_secs_f64(),
            width = self.epochs.to_string().len(),
        ));
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
