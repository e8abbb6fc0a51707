//! Finished models beside each other: what they reach, what they cost, how they learned, and what
//! differs in how they were made.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use converter::arena;
use converter::record::{self, TestedRecord};
use inkling_data::shape_text;
use inkling_support::table::{columns, thousands};
use toml::{Table, Value};

use super::job::{HISTORY, RECIPE};
use crate::ask::model::Model;
use crate::tell::history::History;
use crate::tell::report::{self, Axis, Chart, Page, percent};

/// What stands for something that a folder does not say.
const UNKNOWN: &str = "–";

/// A finished model with what its folder says of its making.
struct Entry {
    name: String,
    model: Model,
    /// Of a model that was trained here.
    history: Option<History>,
    /// Its keys with the tables they are in, `augmentation.rotation`.
    recipe: Option<BTreeMap<String, String>>,
}

/// Finished models beside each other.
pub struct Comparison {
    entries: Vec<Entry>,
}

impl Comparison {
    /// Reads the folders of models.
    ///
    /// # Errors
    ///
    /// Names the file that is missing or damaged. A folder that the converter wrote has neither
    /// recipe nor history, and that is no error.
    pub fn open(folders: &[PathBuf]) -> Result<Self> {
        let mut entries =
            folders.iter().map(|folder| Entry::open(folder)).collect::<Result<Vec<_>>>()?;
        let names: Vec<String> = entries.iter().map(|entry| entry.name.clone()).collect();
        for (entry, folder) in entries.iter_mut().zip(folders) {
            if names.iter().filter(|name| **name == entry.name).count() > 1 {
                entry.name = folder.display().to_string();
            }
        }
        Ok(Self { entries })
    }

    /// A row per quantity, a column per model.
    fn overview(&self) -> Vec<Vec<String>> {
        let row = |what: &str, value: &dyn Fn(&Entry) -> Option<String>| {
            let cells = self.entries.iter().map(|e| value(e).unwrap_or(UNKNOWN.into()));
            std::iter::once(what.to_string()).chain(cells).collect()
        };
        let accuracy = |right: fn(&TestedRecord) -> usize| {
            move |e: &Entry| {
                let tested = e.model.record.tested.as_ref()?;
                Some(percent(right(tested) as f64 / tested.samples.max(1) as f64))
            }
        };
        vec![
            row("test accuracy, float", &accuracy(|tested| tested.float_right)),
            row("test accuracy, int8", &accuracy(|tested| tested.int8_right)),
            row("test images", &|e| e.model.record.tested.map(|t| thousands(t.samples))),
            row("validation accuracy", &|e| e.history.as_ref()?.accuracy().map(percent)),
            row("validation loss", &|e| {
                Some(format!("{:.4}", e.history.as_ref()?.taken()?.validation_loss))
            }),
            row("training loss", &|e| {
                Some(format!("{:.4}", e.history.as_ref()?.taken()?.sample_loss))
            }),
            row("over-fitting gap", &|e| {
                e.history.as_ref().map(|h| format!("{:+.2} points", 100.0 * h.gap()))
            }),
            row("epochs", &|e| e.history.as_ref().map(|h| h.epochs.len().to_string())),
            row("input", &|e| Some(shape_text(e.model.shape()))),
            row("classes", &|e| Some(e.model.classes().to_string())),
            row("layers", &|e| Some(e.model.network().layers.len().to_string())),
            row("weights and biases, bytes", &|e| {
                Some(thousands(e.model.network().parameter_bytes()))
            }),
            row("arena, bytes", &|e| Some(thousands(arena::plan(e.model.network()).bytes))),
            row("multiply-accumulates", &|e| Some(thousands(e.model.network().macs()))),
        ]
    }

    /// What differs between the recipes and runs: a row per key, a column per model.
    fn differences(&self) -> Vec<Vec<String>> {
        let mut settings: Vec<BTreeMap<String, String>> =
            self.entries.iter().map(|entry| entry.recipe.clone().unwrap_or_default()).collect();
        for (settings, entry) in settings.iter_mut().zip(&self.entries) {
            if let Some(split) = &entry.model.record.split {
                settings.insert("data".into(), split.data.clone());
                settings.insert("seed".into(), split.seed.to_string());
                settings.insert("training images".into(), split.training.to_string());
            }
        }
        let keys: std::collections::BTreeSet<&String> =
            settings.iter().flat_map(BTreeMap::keys).collect();
        let row = |key: &&String| {
            let cells = settings.iter().map(|own| own.get(*key).cloned().unwrap_or(UNKNOWN.into()));
            std::iter::once((*key).clone()).chain(cells).collect::<Vec<String>>()
        };
        let differs = |row: &Vec<String>| row[1..].iter().any(|cell| *cell != row[1]);
        keys.iter().map(row).filter(differs).collect()
    }

    /// What makes numbers that stand beside each other no comparison.
    fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        let splits: Vec<_> =
            self.entries.iter().filter_map(|e| e.model.record.split.as_ref()).collect();
        if splits.windows(2).any(|pair| pair[0].sha256 != pair[1].sha256) {
            doubts
                .push("the data differ, so the accuracies are not of the same images".to_string());
        }
        for entry in self.entries.iter().filter(|entry| entry.model.record.tested.is_none()) {
            doubts.push(format!(
                "{}: its {} says no accuracy on a test set; `trainer evaluate --model` measures it",
                entry.name,
                record::FILE
            ));
        }
        doubts
    }

    fn header(&self) -> Vec<String> {
        let names = self.entries.iter().map(|entry| entry.name.clone());
        std::iter::once(String::new()).chain(names).collect()
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let table = |rows: Vec<Vec<String>>| {
            let all: Vec<_> = std::iter::once(self.header()).chain(rows).collect();
            columns(&all, 1)
        };
        let mut text = table(self.overview());
        let differences = self.differences();
        text.push_str(if differences.is_empty() {
            "\nrecipes and runs are the same\n"
        } else {
            "\nwhat differs in recipes and runs\n"
        });
        if !differences.is_empty() {
            text.push_str(&table(differences));
        }
        text.push_str("\nmade by\n");
        for entry in &self.entries {
            text.push_str(&format!("  {}: {}\n", entry.name, entry.model.record.command));
        }
        let doubts = self.doubts();
        if !doubts.is_empty() {
            text.push('\n');
        }
        doubts.iter().for_each(|doubt| text.push_str(&format!("note: {doubt}\n")));
        text
    }

    /// One self-contained page, with curves and networks.
    pub fn html(&self) -> String {
        let names: Vec<&str> = self.entries.iter().map(|entry| entry.name.as_str()).collect();
        let mut page = Page::new(&names.join(", "));
        self.doubts().iter().for_each(|doubt| page.paragraph(&format!("Note: {doubt}.")));
        let header = self.header();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        page.table(&header, &self.overview());
        self.curves(&mut page);
        page.heading("What differs in recipes and runs");
        match self.differences() {
            rows if rows.is_empty() => page.paragraph("Nothing."),
            rows => page.table(&header, &rows),
        }
        page.heading("Made by");
        for entry in &self.entries {
            page.paragraph(&format!("{}: {}", entry.name, entry.model.record.command));
        }
        page.heading("Networks");
        let graph = |entry: &Entry| {
            format!(
                "<figure><figcaption><b>{}</b></figcaption>{}</figure>",
                report::escape(&entry.name),
                report::network(entry.model.network())
            )
        };
        let graphs: Vec<String> = self.entries.iter().map(graph).collect();
        page.raw(&format!("<div class=\"pictures\">{}</div>", graphs.concat()));
        page.finish()
    }

    /// The learning curves over each other, of those that have some.
    fn curves(&self, page: &mut Page) {
        let histories: Vec<(&str, &History)> = self
            .entries
            .iter()
            .filter_map(|entry| Some((entry.name.as_str(), entry.history.as_ref()?)))
            .collect();
        let longest = histories.iter().map(|(_, history)| history.epochs.len()).max().unwrap_or(0);
        if longest == 0 {
            return;
        }
        page.heading("Learning curves");
        let ticks = report::epochs(longest);
        let chart = |title: &str,
                     floor: f64,
                     value: &dyn Fn(&History) -> Vec<f64>,
                     label: &dyn Fn(f64) -> String| {
            let series: Vec<(String, Vec<f64>)> = histories
                .iter()
                .map(|(name, history)| ((*name).to_string(), value(history)))
                .collect();
            let axis = Axis::Logarithmic { floor };
            Chart { title, ticks: &ticks, series: &series, axis, mark: None, label }.svg()
        };
        let images = histories.iter().map(|(_, history)| history.validation_images).max();
        page.plots(&[
            chart(
                "Wrong answers among the validation images",
                0.5 / images.unwrap_or(1).max(1) as f64,
                &History::validation_errors,
                &report::short_percent,
            ),
            chart(
                "Validation loss (mean cross-entropy)",
                1e-5,
                &|history| history.epochs.iter().map(|epoch| epoch.validation_loss).collect(),
                &report::short,
            ),
            chart(
                "Training loss, without augmentation",
                1e-5,
                &|history| history.epochs.iter().map(|epoch| epoch.sample_loss).collect(),
                &report::short,
            ),
        ]);
    }
}

impl Entry {
    fn open(folder: &Path) -> Result<Self> {
        let model = Model::open(folder)?;
        let text = |name: &str| -> Result<Option<String>> {
            let path = model.folder.join(name);
            match fs::read_to_string(&path) {
                Ok(text) => Ok(Some(text)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => {
                    Err(error).with_context(|| format!("{}: cannot be read", path.display()))
                }
            }
        };
        let damaged = |name: &str| {
            format!("{}: is not what the trainer wrote there", model.folder.join(name).display())
        };
        let history: Option<History> = text(HISTORY)?
            .map(|text| serde_json::from_str(&text).with_context(|| damaged(HISTORY)))
            .transpose()?;
        let recipe = text(RECIPE)?
            .map(|text| text.parse::<Table>().with_context(|| damaged(RECIPE)))
            .transpose()?
            .map(|table| {
                let mut keys = BTreeMap::new();
                flatten("", &table, &mut keys);
                keys
            });
        Ok(Self { name: model.name.clone(), history, recipe, model })
    }
}

/// The values of a table and of those in it, with the path of their keys. What is off is as if it
/// were left out.
fn flatten(path: &str, table: &Table, into: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            Value::Table(table) => flatten(&path, table, into),
            Value::Float(0.0) | Value::Integer(0) => {}
            Value::String(text) => drop(into.insert(path, text.clone())),
            other => drop(into.insert(path, other.to_string())),
        }
    }
}
