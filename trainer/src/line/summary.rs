//! The end of a run: the table on the screen and the text in the model card.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use converter::Conversion;
use converter::prove::Proof;
use converter::record::Rule;
use inkling_data::strange::Kind;
use inkling_support::console::one_line;
use inkling_support::markdown;

use crate::ask::metrics::Confusion;
use crate::learn::recipe::Recipe;
use crate::learn::training::Spent;

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
    /// Whether it was learned too.
    pub validation_learned: bool,
    /// With epochs with integers: right answers of the integers among the validation images before
    /// them.
    pub before_integers: Option<usize>,
    /// How much better training images are answered than validation images, 0 to 1.
    pub gap: f64,
    /// The epoch that the parameters are of, counted from 1, of so many.
    pub epoch: usize,
    pub epochs: usize,
    /// What may help.
    pub advice: &'s [String],
    pub recipe: &'s Recipe,
    pub backend: &'s str,
    /// Where the time of the training's steps went.
    pub spent: Spent,
    /// What the rule for "none of these" does with test images, if there is one.
    pub refused: Option<Refused<'s>>,
}

/// What a rule for "none of these" came to.
pub struct Refused<'s> {
    pub rule: Rule,
    /// Test images that are refused, and those that are answered right.
    pub refused: usize,
    pub right: usize,
    /// The share of samples of something else, made of validation images, that is refused.
    pub kinds: &'s [(Kind, f64)],
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
        let learned = if self.validation_learned { ", of images that were learned" } else { "" };
        row(
            "validation accuracy",
            format!("{:.2} %{learned}", percent(self.validation.0, self.validation.1)),
        );
        if let Some(before) = self.before_integers {
            let before = percent(before, self.validation.1);
            row("  before integers", format!("{before:.2} %, as the integers then were"));
        }
        if let Some(kept) = self.kept() {
            row("epoch kept", kept);
        }
        if !self.validation_learned {
            let gap = 100.0 * self.gap;
            row("over-fitting gap", format!("{gap:+.2} points, training to validation"));
        }
        if let Some(refused) = &self.refused {
            row("none of these", refused.rule.words().to_string());
            row("  test images", self.refused_of_test(refused));
            row("  something else", kinds(refused.kinds) + " refused");
        }
        let logits = self.proof.integers.logits;
        row("exactness", format!("all {logits} int8 logits equal tract's on int8.onnx"));
        row("weights and biases", format!("{} bytes", report.weight_bytes));
        row("arena", format!("{} bytes", report.arena_bytes));
        row("per image", format!("{} multiply-accumulates", report.macs));
        row("training", format!("{:.1} s", training.as_secs_f64()));
        if let Some(cost) = self.cost_of_teachers() {
            row("  asking teachers", cost);
        }
        row("altogether", format!("{:.1} s", total.as_secs_f64()));
        row(
            "files",
            format!(
                "{}: float.onnx, int8.onnx, model.rs, golden.rs, model.json, MODEL_CARD.md, \
                 learning.html …",
                out.display()
            ),
        );
        let _ =
            writeln!(text, "\nint8 on the test set\n{}", self.classes(|cells| cells.join("  ")));
        for warning in &self.conversion.record.warnings {
            let _ = writeln!(text, "warning: {warning}");
        }
        for advice in self.advice {
            let _ = writeln!(text, "note:    {advice}");
        }
        text
    }

    /// What the rule for "none of these" does with test images, in words.
    fn refused_of_test(&self, refused: &Refused) -> String {
        let total = self.int8.total();
        let answered = total - refused.refused;
        format!(
            "{:.2} % refused; of the {answered} others {:.2} % are right",
            percent(refused.refused, total),
            percent(refused.right, answered.max(1))
        )
    }

    /// The teachers' share of the time of all steps, if there were any.
    fn cost_of_teachers(&self) -> Option<String> {
        let count = self.conversion.record.teachers.len();
        let share = self.spent.teachers.as_secs_f64() / self.spent.steps.as_secs_f64();
        (count > 0 && share.is_finite())
            .then(|| format!("{:.0} % of the steps' time, for {count}", 100.0 * share))
    }

    /// Which epoch the parameters are of, where it is not the last.
    fn kept(&self) -> Option<String> {
        let Self { epoch, epochs, recipe, .. } = self;
        let planned = recipe.epochs + recipe.quantization.as_ref().map_or(0, |q| q.epochs);
        if epoch == epochs && *epochs == planned {
            return None;
        }
        let stopped = match recipe.patience {
            0 => String::new(),
            patience if epochs - epoch >= patience => format!(
                "; no lower validation loss in {patience} epochs after it, so training stopped early"
            ),
            _ => "; no later one had a lower validation loss".to_string(),
        };
        Some(format!("{epoch} of {epochs}{stopped}"))
    }

    /// Precision and recall of the integers, a line per class with its cells as `layout` has them.
    fn classes(&self, layout: impl Fn(&[String]) -> String) -> String {
        let share = |share: Option<f64>| {
            share.map_or("–".into(), |share| format!("{:.2} %", 100.0 * share))
        };
        let header = ["class", "images", "precision", "recall"].map(String::from);
        let rows = (0..self.int8.classes()).map(|class| {
            [
                self.names.get(class).map_or_else(|| class.to_string(), |name| one_line(name)),
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

/// The share of each kind that is refused.
fn kinds(kinds: &[(Kind, f64)]) -> String {
    let each = kinds.iter().map(|(kind, share)| format!("{kind} {:.1} %", 100.0 * share));
    each.collect::<Vec<_>>().join(", ")
}

/// The top of the model card.
pub fn about(summary: &Summary) -> String {
    let Summary { recipe, backend, .. } = summary;
    let refused = summary.refused.as_ref().map_or_else(String::new, |refused| {
        format!(
            "- None of these: of the test images {}; of samples made of validation images that are \
             none of the classes are refused: {}\n",
            summary.refused_of_test(refused),
            kinds(refused.kinds)
        )
    });
    let teachers = summary.conversion.record.teachers.iter().map(|teacher| {
        format!("- Teacher: {} (sha256 {})\n", markdown::escape(&teacher.file), teacher.sha256)
    });
    let teachers: String = teachers.collect();
    let gap = match summary.validation_learned {
        true => "which were learned like the others".to_string(),
        false => format!("training images are answered {:+.2} points better", 100.0 * summary.gap),
    };
    format!(
        "Trained by {} with {backend}.\n\n\
         - Recipe: {recipe}\n\
         {teachers}\
         - Validation accuracy after epoch {}: {:.2} % of {} images; {gap}\n\
         - Test accuracy: {:.2} % in float, {:.2} % in int8, of {} images\n\
         {refused}\
         - All {} int8 logits on the test set equal tract's on `int8.onnx`, with no tolerance\n\n\
         ## int8 on the test set, by class\n\n{}",
        markdown::code(&summary.conversion.record.command),
        summary.epoch,
        percent(summary.validation.0, summary.validation.1),
        summary.validation.1,
        accuracy(&summary.float),
        accuracy(&summary.int8),
        summary.int8.total(),
        summary.proof.integers.logits,
        class_table(summary),
    )
}

fn class_table(summary: &Summary) -> String {
    let escaped = |cell: &String| markdown::escape(cell);
    let table = summary.classes(|cells| {
        format!("| {} |", cells.iter().map(escaped).collect::<Vec<_>>().join(" | "))
    });
    let (header, rows) = table.split_once('\n').unwrap_or((&table, ""));
    format!("{header}\n|---:|---:|---:|---:|\n{rows}")
}
