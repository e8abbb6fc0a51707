//! Learning curves: what every epoch of a run came to, for machines and for people.

use serde::{Deserialize, Serialize};

use crate::ask::metrics::Refusal;
use crate::learn::training::EpochRecord;
use crate::tell::report::{self, Axis, Chart, Page, percent};

/// The course of a finished run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct History {
    pub model: String,
    pub recipe: String,
    /// Images behind `sample_correct` and `validation_correct` of every epoch.
    pub sample_images: usize,
    pub validation_images: usize,
    /// Whether the validation images were learned too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub validation_learned: bool,
    /// The first epoch that computed with integers, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integers_from: Option<usize>,
    /// The epoch whose parameters were taken, counted from 1.
    pub epoch: usize,
    pub epochs: Vec<EpochRecord>,
    /// How well the rule for "none of these" tells validation images from something else, with its
    /// threshold.
    #[serde(skip)]
    pub refusal: Option<(Refusal, i32)>,
}

impl History {
    /// As JSON; losses are mean cross-entropies in nats.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// The epoch whose parameters were taken.
    pub fn taken(&self) -> Option<&EpochRecord> {
        self.epochs.get(self.epoch.checked_sub(1)?)
    }

    /// The validation accuracy of the parameters that were taken, 0 to 1.
    pub fn accuracy(&self) -> Option<f64> {
        self.taken().map(|record| self.validation(record))
    }

    /// Shares of wrong answers among the validation images, epoch by epoch.
    pub fn validation_errors(&self) -> Vec<f64> {
        self.epochs.iter().map(|record| 1.0 - self.validation(record)).collect()
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

    /// Images of the smaller of the two sets.
    fn fewest(&self) -> f64 {
        self.sample_images.min(self.validation_images).max(1) as f64
    }

    /// As one HTML page with plots and the network's graph, which is HTML itself.
    pub fn html(&self, graph: &str) -> String {
        let mut page = Page::new(&format!("Model {}: learning curves", self.model));
        page.paragraph(&format!("Recipe {}", self.recipe));
        page.paragraph(&match self.validation_learned {
            true => format!(
                "The parameters are those after epoch {}. The validation images were learned like the others: \
                 nothing below says how unknown images are answered.",
                self.epoch
            ),
            false => format!(
                "The parameters are those after epoch {}. Training images are answered {:+.2} points \
                 better than validation images, both without augmentation: the over-fitting gap.",
                self.epoch,
                100.0 * self.gap()
            ),
        });
        let series = |value: &dyn Fn(&EpochRecord) -> f64| self.epochs.iter().map(value).collect();
        let ticks = report::epochs(self.epochs.len());
        let wrong: [(String, Vec<f64>); 2] = [
            ("training images".into(), series(&|record| 1.0 - self.sample(record))),
            ("validation images".into(), self.validation_errors()),
        ];
        let loss: [(String, Vec<f64>); 3] = [
            ("training images".into(), series(&|record| record.sample_loss)),
            ("validation images".into(), series(&|record| record.validation_loss)),
            ("augmented, while learning".into(), series(&|record| record.training_loss)),
        ];
        let chart =
            |title: &str, series: &[(String, Vec<f64>)], floor, label: &dyn Fn(f64) -> String| {
                let mark = self.integers_from.map(|epoch| (epoch - 1, "integers"));
                let axis = Axis::Logarithmic { floor };
                Chart { title, ticks: &ticks, series, axis, mark, label }.svg()
            };
        page.heading("Curves");
        page.paragraph("The axes of the values are logarithmic.");
        page.plots(&[
            // Less than one wrong image cannot be seen: half of one stands for none.
            chart("Wrong answers", &wrong, 0.5 / self.fewest(), &report::short_percent),
            chart("Loss (mean cross-entropy)", &loss, 1e-5, &report::short),
        ]);
        page.heading("The network");
        page.paragraph(
            "Each layer with what it computes (height × width × channels), its bytes of weights, biases \
             and shifts, and its multiply-accumulates; the bar is its part of the work.",
        );
        page.wide(graph);
        if let Some((refusal, threshold)) = &self.refusal {
            page.heading("None of these");
            report::refusal(
                &mut page,
                "validation images",
                &[("something else".into(), refusal)],
                *threshold,
            );
        }
        page.heading("Every epoch");
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
}
