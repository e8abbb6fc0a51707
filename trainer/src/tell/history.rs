//! Learning curves: what every epoch of a run came to, for machines and for people.

use serde::Serialize;

use crate::ask::metrics::Refusal;
use crate::learn::training::EpochRecord;
use crate::tell::report::{self, Page, percent};

/// The course of a finished run.
#[derive(Serialize)]
pub struct History<'h> {
    pub model: &'h str,
    pub recipe: &'h str,
    /// Images behind `sample_correct` and `validation_correct` of every epoch.
    pub sample_images: usize,
    pub validation_images: usize,
    /// The epoch whose parameters were taken, counted from 1.
    pub epoch: usize,
    pub epochs: &'h [EpochRecord],
    /// How well the rule for "none of these" tells validation images from something else, with its
    /// threshold.
    #[serde(skip)]
    pub refusal: Option<(&'h Refusal, i32)>,
}

impl History<'_> {
    /// As JSON; losses are mean cross-entropies in nats.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    fn sample(&self, record: &EpochRecord) -> f64 {
        record.sample_correct as f64 / self.sample_images.max(1) as f64
    }

    fn validation(&self, record: &EpochRecord) -> f64 {
        record.validation_correct as f64 / self.validation_images.max(1) as f64
    }

    /// The over-fitting gap: how much better training images are answered than validation images,
    /// both as they are, with the parameters that were taken.
    pub fn gap(&self) -> f64 {
        let record = self.epochs.get(self.epoch.saturating_sub(1));
        record.map_or(0.0, |record| self.sample(record) - self.validation(record))
    }

    /// As one HTML page with plots.
    pub fn html(&self) -> String {
        let mut page = Page::new(&format!("Model {}: learning curves", self.model));
        page.paragraph(&format!("Recipe {}", self.recipe));
        page.paragraph(&format!(
            "The parameters are those after epoch {}. Training images are answered {:+.2} points \
             better than validation images, both without augmentation: the over-fitting gap.",
            self.epoch,
            100.0 * self.gap()
        ));
        let series = |value: &dyn Fn(&EpochRecord) -> f64| self.epochs.iter().map(value).collect();
        let ticks = self.ticks();
        page.heading("Accuracy");
        let accuracy: [(String, Vec<f64>); 2] = [
            ("training images".into(), series(&|record| self.sample(record))),
            ("validation images".into(), series(&|record| self.validation(record))),
        ];
        page.raw(&report::lines(&ticks, &accuracy, report::bounds(&accuracy), percent));
        page.heading("Loss (mean cross-entropy)");
        let loss: [(String, Vec<f64>); 3] = [
            ("training images".into(), series(&|record| record.sample_loss)),
            ("validation images".into(), series(&|record| record.validation_loss)),
            ("augmented, while learning".into(), series(&|record| record.training_loss)),
        ];
        page.raw(&report::lines(&ticks, &loss, report::bounds(&loss), |loss| format!("{loss:.3}")));
        if let Some((refusal, threshold)) = self.refusal {
            page.heading("None of these");
            report::refusal(
                &mut page,
                "validation images",
                &[("something else".into(), refusal)],
                threshold,
            );
        }
        let rows: Vec<Vec<String>> = self
            .epochs
            .iter()
            .enumerate()
            .map(|(epoch, record)| {
                vec![
                    (epoch + 1).to_string(),
                    format!("{:.4}", record.training_loss),
                    format!("{:.4}", record.sample_loss),
                    format!("{:.4}", record.validation_loss),
                    percent(self.sample(record)),
                    percent(self.validation(record)),
                ]
            })
            .collect();
        let header = [
            "epoch",
            "loss while learning",
            "training loss",
            "validation loss",
            "training accuracy",
            "validation accuracy",
        ];
        page.table(&header, &rows);
        page.finish()
    }

    /// Numbers under the plots, at most about ten of them.
    fn ticks(&self) -> Vec<String> {
        let every = self.epochs.len().div_ceil(10).max(1);
        let tick = |epoch: usize| {
            if epoch.is_multiple_of(every) { (epoch + 1).to_string() } else { String::new() }
        };
        (0..self.epochs.len()).map(tick).collect()
    }
}
