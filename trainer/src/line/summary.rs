//! The end of a run: the table on the screen and the text in the model card.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use converter::Conversion;
use converter::prove::Proof;

use crate::ask::metrics::Confusion;
use crate::learn::network::PRESETS;
use crate::learn::recipe::Recipe;
use crate::line::job::Source;

/// What a run came to.
pub struct Summary<'s> {
    /// Answers on the test set: of the exported float model, and of the integers.
    pub float: Confusion,
    pub int8: Confusion,
    pub proof: &'s Proof,
    pub conversion: &'s Conversion,
    /// Names of the classes.
    pub names: &'s [String],
    /// Right answers and images of the validation set.
    pub validation: (usize, usize),
    /// With epochs with integers: right answers of the integers among the validation images before
    /// them.
    pub before_integers: Option<usize>,
    /// How much better training images are answered than validation images, 0 to 1.
    pub gap: f64,
    /// The epoch that the parameters are of, counted from 1.
    pub epoch: usize,
    pub source: &'s Source,
    /// The limit on training images of each class, if there was one.
    pub per_class: Option<usize>,
    pub recipe: &'s Recipe,
    pub seed: u64,
    pub threads: usize,
    pub backend: &'s str,
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole as f64
}

fn accuracy(confusion: &Confusion) -> f64 {
    percent(confusion.correct(), confusion.total())
}

impl Summary<'_> {
    /// The table that ends a run.
    pub fn table(&self, out: &Path, training: Duration, total: Duration) -> String {
        let report = &self.conversion.report;
        let mut text = String::from("\n");
        let mut row = |what: &str, value: String| {
            let _ = writeln!(text, "{what:<22}{value}");
        };
        row(
            "float accuracy",
            format!("{:.2} % of {} test images", accuracy(&self.float), self.float.total()),
        );
        row("int8 accuracy", format!("{:.2} %", accuracy(&self.int8)));
        row(
            "validation accuracy",
            format!("{:.2} %", percent(self.validation.0, self.validation.1)),
        );
        if let Some(before) = self.before_integers {
            let before = percent(before, self.validation.1);
            row("  before integers", format!("{before:.2} %, as the integers then were"));
        }
        row("over-fitting gap", format!("{:+.2} points, training to validation", 100.0 * self.gap));
        let logits = self.proof.integers.logits;
        row("exactness", format!("all {logits} int8 logits equal tract's on int8.onnx"));
        row("weights and biases", format!("{} bytes", report.weight_bytes));
        row("arena", format!("{} bytes", report.arena_bytes));
        row("per image", format!("{} multiply-accumulates", report.macs));
        row("training", format!("{:.1} s", training.as_secs_f64()));
        row("altogether", format!("{:.1} s", total.as_secs_f64()));
        row(
            "files",
            format!(
                "{}: float.onnx, int8.onnx, model.rs, golden.rs, MODEL_CARD.md, learning.html …",
                out.display()
            ),
        );
        let _ =
            writeln!(text, "\nint8 on the test set\n{}", self.classes(|cells| cells.join("  ")));
        text
    }

    /// Precision and recall of the integers, a line per class with its cells as `layout` has them.
    fn classes(&self, layout: impl Fn(&[String]) -> String) -> String {
        let share = |share: Option<f64>| {
            share.map_or("–".into(), |share| format!("{:.2} %", 100.0 * share))
        };
        let header = ["class", "images", "precision", "recall"].map(String::from);
        let rows = (0..self.int8.classes()).map(|class| {
            [
                self.names.get(class).cloned().unwrap_or_else(|| class.to_string()),
                self.int8.labelled(class).to_string(),
                share(self.int8.precision(class)),
                share(self.int8.recall(class)),
            ]
        });
        std::iter::once(header)
            .chain(rows)
            .map(|cells| layout(&cells.map(|cell| format!("{cell:>9}"))) + "\n")
            .collect()
    }
}

/// The top of the model card.
pub fn about(summary: &Summary) -> String {
    let Summary { recipe, seed, threads, backend, .. } = summary;
    let name = &summary.conversion.origin.name;
    let mut command = match summary.source {
        Source::Description(network) if network.source == PRESETS[0].0 => String::new(),
        Source::Description(network) => format!("--network {} ", network.source),
        Source::Model(model) => format!("finetune {model} "),
    };
    if let Some(count) = summary.per_class {
        command.push_str(&format!("--per-class {count} "));
    }
    format!(
        "Trained by `cargo run -p trainer -- {command}--name {name} --recipe {} --epochs {} --seed {seed} \
         --threads {threads}` with {backend}.\n\n\
         - Recipe: {recipe}\n\
         - Validation accuracy after epoch {}: {:.2} % of {} images; training images are answered \
         {:+.2} points better\n\
         - Test accuracy: {:.2} % in float, {:.2} % in int8, of {} images\n\
         - All {} int8 logits on the test set equal tract's on `int8.onnx`, with no tolerance\n\n\
         ## int8 on the test set, by class\n\n{}",
        if Recipe::names().any(|name| name == recipe.name) { &recipe.name } else { "recipe.toml" },
        recipe.epochs,
        summary.epoch,
        percent(summary.validation.0, summary.validation.1),
        summary.validation.1,
        100.0 * summary.gap,
        accuracy(&summary.float),
        accuracy(&summary.int8),
        summary.int8.total(),
        summary.proof.integers.logits,
        markdown(summary),
    )
}

fn markdown(summary: &Summary) -> String {
    let table = summary.classes(|cells| format!("| {} |", cells.join(" | ")));
    let (header, rows) = table.split_once('\n').unwrap_or((&table, ""));
    format!("{header}\n|---:|---:|---:|---:|\n{rows}")
}
