//! What came out of a verification, for a person, and how far it has come.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

use super::session::Device;

/// What came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Verification {
    pub device: Device,
    /// Whether the device is an emulator, whose clock says nothing about a board's.
    pub emulated: bool,
    /// Images sent, and answered.
    pub images: usize,
    /// Images whose class was their label; nothing where noise was sent.
    pub correct: Option<usize>,
    /// Images that were answered "none of these", by a model that can.
    pub refused: Option<usize>,
    /// Logits, over all images, that differ from the host's. Anything but 0 is a failure.
    pub mismatches: usize,
    /// Requests that had to be sent again, because they or their answers were damaged on the line.
    pub repeats: usize,
    /// Clock ticks of each inference, in ascending order; empty when the device has no counter.
    pub cycles: Vec<u32>,
}

impl Verification {
    /// The result for a person.
    pub fn report(&self) -> String {
        let Device { board, model, arena_bytes, flash_bytes, clock_hz, .. } = &self.device;
        let accuracy = match self.correct {
            Some(correct) => format!("{:.2} %", 100.0 * correct as f64 / self.images as f64),
            None => "unknown: noise was sent, --data names images".into(),
        };
        let mut text = format!(
            "board       {board}\n\
             model       {model}: {flash_bytes} bytes of flash, {arena_bytes} bytes of arena\n\
             images      {}\n\
             accuracy    {accuracy}\n",
            self.images,
        );
        if let Some(refused) = self.refused {
            text += &format!("refused     {refused} of {}: none of these\n", self.images);
        }
        text += &format!(
            "mismatches  {} of {} logits\n",
            self.mismatches,
            self.images * usize::from(self.device.classes),
        );
        if let Some(&worst) = self.cycles.last() {
            let median = self.cycles[self.cycles.len() / 2];
            text += &if self.emulated {
                format!(
                    "cycles      median {median}, worst {worst}, emulated: no measure of a board\n"
                )
            } else if *clock_hz == 0 {
                format!("cycles      median {median}, worst {worst}, of an unknown clock\n")
            } else {
                let ms = |cycles: u32| 1e3 * f64::from(cycles) / f64::from(*clock_hz);
                format!(
                    "cycles      median {median} ({:.2} ms), worst {worst} ({:.2} ms) at {} MHz\n",
                    ms(median),
                    ms(worst),
                    f64::from(*clock_hz) / 1e6,
                )
            };
        }
        if self.repeats > 0 {
            text += &format!("repeats     {} requests, damaged on the line\n", self.repeats);
        }
        text
    }
}

/// A bar on a terminal, a line every tenth of the way elsewhere.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    images: usize,
}

impl Progress {
    pub fn new(images: usize) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let template = "{pos}/{len} images [{bar:30}] {per_sec}, {eta} left{msg}";
            let style = ProgressStyle::with_template(template);
            ProgressBar::new(images as u64)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, images }
    }

    pub fn step(&self, done: usize, mismatches: usize) {
        let wrong =
            if mismatches > 0 { format!(", {mismatches} logits differ") } else { String::new() };
        match &self.bar {
            Some(bar) => {
                bar.set_message(wrong);
                bar.set_position(done as u64);
            }
            None if done.is_multiple_of(self.images.div_ceil(10)) => {
                eprintln!("{done} of {} images{wrong}", self.images);
            }
            None => {}
        }
    }

    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
