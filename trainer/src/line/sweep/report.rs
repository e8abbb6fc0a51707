//! What a sweep came to: a table, a page with plots, JSON and the best recipe.

use serde_json::{Value as Json, json};
use toml::Value;

use super::plan::Plan;
use super::ranking::Score;
use super::space::{Axis, Choice, Scale, Trial};
use crate::learn::training::EpochRecord;
use crate::tell::report::{self, Chart, Page, Point, percent};

/// Trials whose learning curves are shown.
const BEST: usize = 5;

/// A sweep that is through.
pub struct Report<'s> {
    pub plan: &'s Plan,
    pub axes: &'s [Axis],
    pub trials: &'s [Trial],
    /// The score of every trial in every round that it took part in, the best first.
    pub scores: &'s [Score],
    /// Epochs of each round, where the round decides them.
    pub rounds: &'s [Option<usize>],
    pub validation_images: usize,
}

impl Report<'_> {
    /// The score of every trial in its last round, the best first.
    fn ranking(&self) -> Vec<&Score> {
        let mut ranking: Vec<&Score> = Vec::new();
        for score in self.scores {
            if ranking.iter().all(|better| better.trial != score.trial) {
                ranking.push(score);
            }
        }
        ranking
    }

    /// The best trial with its score; `None` if all diverged.
    pub fn best(&self) -> Option<(&Trial, &Score)> {
        let score = *self.ranking().first()?;
        score.accuracy.map(|_| (&self.trials[score.trial], score))
    }

    fn header(&self) -> Vec<String> {
        let mut header = vec!["rank".to_string(), "trial".to_string()];
        header.extend(self.axes.iter().map(|axis| axis.path.clone()));
        header.extend(["epochs", "validation accuracy", "validation loss"].map(str::to_string));
        header
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let row = |(rank, score): (usize, &&Score)| {
            let trial = &self.trials[score.trial];
            let mut row = vec![(rank + 1).to_string(), trial.number.to_string()];
            row.extend(trial.values.iter().map(Value::to_string));
            row.push(score.epochs.to_string());
            row.push(accuracy(score));
            row.push(score.loss.map_or("–".to_string(), |loss| format!("{loss:.4}")));
            row
        };
        self.ranking().iter().enumerate().map(row).collect()
    }

    /// The table for a terminal, the best trial first.
    pub fn table(&self) -> String {
        let lines = [vec![self.header()], self.rows()].concat();
        let width = |column: usize| {
            lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
        let line = |cells: &Vec<String>| {
            let cells: Vec<String> =
                cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}")).collect();
            cells.join("  ") + "\n"
        };
        lines.iter().map(line).collect()
    }

    /// Everything for machines; the same sweep gives the same bytes.
    pub fn json(&self) -> serde_json::Result<String> {
        let trial = |(rank, last): (usize, &&Score)| {
            let trial = &self.trials[last.trial];
            let values: serde_json::Map<String, Json> = self
                .axes
                .iter()
                .zip(&trial.values)
                .map(|(axis, value)| Ok((axis.path.clone(), serde_json::to_value(value)?)))
                .collect::<serde_json::Result<_>>()?;
            let mut rounds: Vec<&Score> =
                self.scores.iter().filter(|score| score.trial == last.trial).collect();
            rounds.sort_by_key(|score| score.round);
            let round = |score: &&Score| {
                json!({
                    "epochs": score.epochs,
                    "validation_accuracy": score.accuracy,
                    "deviation": score.deviation,
                    "validation_loss": score.loss,
                    "seeds": score.outcomes,
                })
            };
            Ok(json!({
                "rank": rank + 1,
                "trial": trial.number,
                "values": values,
                "rounds": rounds.iter().map(round).collect::<Vec<_>>(),
            }))
        };
        let ranking = self.ranking();
        let trials =
            ranking.iter().enumerate().map(trial).collect::<serde_json::Result<Vec<Json>>>()?;
        let sweep = json!({
            "name": self.plan.name,
            "recipe": self.plan.recipe,
            "method": self.plan.method,
            "seed": self.plan.seed,
            "seeds": self.plan.seeds,
            "validation_images": self.validation_images,
            "best": self.best().map(|(trial, _)| trial.number),
            "trials": trials,
        });
        serde_json::to_string_pretty(&sweep).map(|text| text + "\n")
    }

    /// The best recipe, for `--recipe`.
    pub fn best_toml(&self) -> Option<String> {
        let (trial, score) = self.best()?;
        Some(format!(
            "# Trial {} of the sweep {}: {} of {} validation images.\n{}",
            trial.number,
            self.plan.name,
            accuracy(score),
            self.validation_images,
            trial.recipe.to_toml()
        ))
    }

    /// One HTML page that needs nothing beside itself.
    pub fn html(&self) -> String {
        let mut page = Page::new(&format!("Sweep {}", self.plan.name));
        page.paragraph(&format!(
            "{} trials around the recipe {}, judged by the accuracy on {} validation images{}. The \
             test set was not looked at.",
            self.trials.len(),
            self.plan.recipe,
            self.validation_images,
            match self.plan.seeds {
                1 => String::new(),
                seeds => format!(", the mean over {seeds} seeds ± their standard deviation"),
            }
        ));
        if let Some((trial, score)) = self.best() {
            page.paragraph(&format!(
                "Best: trial {} with {}: {}",
                trial.number,
                accuracy(score),
                super::space::describe(self.axes, &trial.values)
            ));
        }
        page.heading("All trials");
        let header = self.header();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        page.table(&header, &self.rows());
        page.heading("Validation accuracy against each value");
        for (index, axis) in self.axes.iter().enumerate() {
            page.paragraph(&axis.path);
            page.raw(&self.plot(index, axis));
        }
        page.heading("Learning curves of the best");
        self.curves(&mut page);
        page.finish()
    }

    /// Accuracy against the values of one axis; halving has a colour per round.
    fn plot(&self, index: usize, axis: &Axis) -> String {
        let place = |value: &Value| match &axis.choice {
            Choice::List(list) => {
                let at = list.iter().position(|other| other == value).unwrap_or(0);
                (at as f64 + 0.5) / list.len() as f64
            }
            Choice::Range(range) => {
                let value = value.as_float().or(value.as_integer().map(|value| value as f64));
                range.place(value.unwrap_or(range.low))
            }
        };
        let point = |score: &Score| {
            let trial = &self.trials[score.trial];
            Some(Point {
                x: place(&trial.values[index]),
                y: score.accuracy?,
                series: score.round,
                title: format!("trial {}: {}", trial.number, accuracy(score)),
            })
        };
        let points: Vec<Point> = self.scores.iter().filter_map(point).collect();
        let ticks: Vec<(f64, String)> = match &axis.choice {
            Choice::List(list) => {
                list.iter().map(|value| (place(value), shortened(value))).collect()
            }
            Choice::Range(range) => [0.0, 0.5, 1.0]
                .map(|at| {
                    let value = format!("{:.2e}", range.at(at)).parse::<f64>();
                    (at, value.unwrap_or_else(|_| range.at(at)).to_string())
                })
                .to_vec(),
        };
        let scale = match &axis.choice {
            Choice::Range(range) if range.scale == Scale::Log => " (logarithmic)",
            _ => "",
        };
        let legend: Vec<String> = self
            .rounds
            .iter()
            .map(|epochs| epochs.map_or(format!("trials{scale}"), |e| format!("{e} epochs{scale}")))
            .collect();
        let accuracies = points.iter().map(|point| point.y).collect();
        let bounds = report::bounds(&[(String::new(), accuracies)]);
        if points.is_empty() {
            return "<p>Every trial diverged.</p>".to_string();
        }
        report::scatter(&ticks, &points, &legend, bounds, percent)
    }

    fn curves(&self, page: &mut Page) {
        let ranking = self.ranking();
        let best: Vec<(String, &[EpochRecord])> = ranking
            .iter()
            .filter_map(|score| match score.outcomes.first() {
                Some(super::Outcome::Trained { epochs, .. }) => {
                    let name = format!("trial {}", self.trials[score.trial].number);
                    Some((name, &epochs[..]))
                }
                _ => None,
            })
            .take(BEST)
            .collect();
        let longest = best.iter().map(|(_, epochs)| epochs.len()).max().unwrap_or(0);
        if longest == 0 {
            return;
        }
        if self.plan.seeds > 1 {
            page.paragraph(&format!("Those of seed {}.", self.plan.seed));
        }
        let ticks = report::epochs(longest);
        let draw = |title: &str,
                    floor: f64,
                    value: &dyn Fn(&EpochRecord) -> f64,
                    label: &dyn Fn(f64) -> String| {
            let series: Vec<(String, Vec<f64>)> = best
                .iter()
                .map(|(name, epochs)| (name.clone(), epochs.iter().map(value).collect()))
                .collect();
            let axis = report::Axis::Logarithmic { floor };
            Chart { title, ticks: &ticks, series: &series, axis, mark: None, label }.svg()
        };
        let images = self.validation_images.max(1) as f64;
        page.plots(&[
            draw(
                "Wrong answers among the validation images",
                0.5 / images,
                &|record| 1.0 - record.validation_correct as f64 / images,
                &report::short_percent,
            ),
            draw(
                "Validation loss (mean cross-entropy)",
                1e-5,
                &|record| record.validation_loss,
                &report::short,
            ),
        ]);
    }
}

/// The mean accuracy with its spread in words.
fn accuracy(score: &Score) -> String {
    match (score.accuracy, score.deviation) {
        (None, _) => "diverged".to_string(),
        (Some(mean), None) => percent(mean),
        (Some(mean), Some(deviation)) => {
            format!("{:.2} ± {:.2} %", 100.0 * mean, 100.0 * deviation)
        }
    }
}

/// A value as it fits under a plot.
fn shortened(value: &Value) -> String {
    let text = match value.as_table().and_then(|table| table.get("kind")) {
        Some(Value::String(kind)) => kind.clone(),
        _ => value.to_string(),
    };
    match text.char_indices().nth(14) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
