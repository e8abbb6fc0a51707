//! The records on MNIST and Fashion-MNIST: docs/records.toml, its tables in the README, and the figure.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use inkling_support::table::thousands;
use serde::Deserialize;

/// What docs/records.toml says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Records {
    /// Folders of `models/`.
    pub model: Vec<Model>,
    /// Networks of `trainer/networks` of which no folder is committed.
    pub preset: Vec<Model>,
    /// The same, on Fashion-MNIST.
    pub fashion: Vec<Model>,
    pub published: Vec<Published>,
}

/// A network, and what runs by several seeds reached; the folder of a model is the first of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    pub name: String,
    /// Weights, biases and shifts.
    pub bytes: usize,
    /// Arena, image and the stack of a Cortex-M0.
    pub ram: usize,
    /// Percentages of the test images, one for each seed from 0 on.
    pub float: Vec<f64>,
    pub int8: Vec<f64>,
    /// Instructions per image.
    pub m0: u64,
    pub m4: u64,
    pub rv32: u64,
}

/// A figure of others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    pub who: String,
    pub bytes: usize,
    pub accuracy: f64,
}

impl Records {
    /// # Errors
    ///
    /// docs/records.toml is missing or is no such file.
    pub fn read(root: &Path) -> Result<Self, String> {
        let path = root.join("docs/records.toml");
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// A row for each model, as Markdown.
    pub fn table(&self) -> String {
        table(&self.model, "models", "")
    }

    /// A row for each preset, as Markdown.
    pub fn presets(&self) -> String {
        table(&self.preset, "trainer/networks", ".toml")
    }

    /// A row for each network on Fashion-MNIST, as Markdown.
    pub fn fashion(&self) -> String {
        table(&self.fashion, "trainer/networks", ".toml")
    }

    /// Accuracy over bytes and over instructions, as a picture that stands alone.
    pub fn figure(&self) -> String {
        let ours = |x: fn(&Model) -> f64| {
            self.model.iter().map(move |model| Mark {
                x: x(model),
                accuracy: mean(&model.int8),
                spread: deviation(&model.int8),
                name: model.name.clone(),
                title: format!(
                    "{}: {:.2} %, mean of {} seeds",
                    model.name,
                    mean(&model.int8),
                    model.int8.len()
                ),
            })
        };
        let published = self.published.iter().map(|other| Mark {
            x: other.bytes as f64,
            accuracy: other.accuracy,
            spread: 0.0,
            name: String::new(),
            title: format!("{}: {} %", other.who, other.accuracy),
        });
        let bytes = Panel {
            title: "weights, biases and shifts, bytes",
            ticks: &[
                (2e3, "2,000"),
                (4e3, "4,000"),
                (8e3, "8,000"),
                (16e3, "16,000"),
                (32e3, "32,000"),
                (64e3, "64,000"),
            ],
            ends: [1.5e3, 90e3],
            series: vec![
                ("ours", ours(|model| model.bytes as f64).collect()),
                ("others", published.collect()),
            ],
        };
        let instructions = Panel {
            title: "instructions per image",
            ticks: &[
                (2e5, "200,000"),
                (5e5, "500,000"),
                (1e6, "1 million"),
                (2e6, "2 million"),
                (5e6, "5 million"),
                (1e7, "10 million"),
            ],
            ends: [1.2e5, 15e6],
            series: vec![
                ("Cortex-M4F", ours(|model| model.m4 as f64).collect()),
                ("Cortex-M0", ours(|model| model.m0 as f64).collect()),
            ],
        };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 860 330\" role=\"img\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <title>Accuracy on the MNIST test set in integers</title>\n\
             <rect width=\"860\" height=\"330\" fill=\"#fff\"/>\n{}{}</svg>\n",
            bytes.drawn(0.0),
            instructions.drawn(430.0)
        )
    }
}

/// A row for each network, whose name leads to the file or folder of that name.
fn table(networks: &[Model], folder: &str, ending: &str) -> String {
    let mut table = String::from(
        "| network | bytes | RAM | float | int8, by seed | int8, mean ± deviation | M0 | M4F | RV32 |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for model in networks {
        let seeds: Vec<String> = model.int8.iter().map(|value| format!("{value:.2}")).collect();
        let _ = writeln!(
            table,
            "| [`{0}`]({folder}/{0}{ending}) | {1} | {2} | {3:.2} % | {4} | {5} | {6} | {7} | {8} |",
            model.name,
            thousands(model.bytes),
            thousands(model.ram),
            mean(&model.float),
            seeds.join(" "),
            // One run has no spread.
            match model.int8[..] {
                [_] => "one seed".into(),
                _ => format!("{:.2} ± {:.2} %", mean(&model.int8), deviation(&model.int8)),
            },
            thousands(model.m0),
            thousands(model.m4),
            thousands(model.rv32),
        );
    }
    table
}

/// One point of a panel.
struct Mark {
    x: f64,
    /// In percent, as is its spread.
    accuracy: f64,
    spread: f64,
    name: String,
    /// What is shown under the pointer.
    title: String,
}

/// Accuracies over one logarithmic axis.
struct Panel<'a> {
    title: &'a str,
    ticks: &'a [(f64, &'a str)],
    ends: [f64; 2],
    series: Vec<(&'a str, Vec<Mark>)>,
}

const COLOURS: [&str; 2] = ["#2f6db5", "#d9822b"];
const ACCURACIES: [f64; 7] = [98.8, 99.0, 99.2, 99.4, 99.5, 99.6, 99.7];

impl Panel<'_> {
    /// The panel with its left edge at `left`.
    fn drawn(&self, left: f64) -> String {
        let share = |value: f64, [low, high]: [f64; 2]| (value / low).ln() / (high / low).ln();
        let x = |value: f64| left + 70.0 + 340.0 * share(value, self.ends);
        // Errors on a logarithmic axis: what halves them is a step of the same height everywhere.
        let y = |accuracy: f64| 270.0 - 240.0 * share(100.0 - accuracy, [1.25, 0.28]);
        let mut svg = String::new();
        for accuracy in ACCURACIES {
            let at = y(accuracy);
            let _ = writeln!(
                svg,
                "<path d=\"M{:.1} {at:.1}h340\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" \
                 text-anchor=\"end\" fill=\"#444\">{accuracy:.1} %</text>",
                left + 70.0,
                left + 62.0,
                at + 4.0
            );
        }
        for (value, text) in self.ticks {
            let _ = writeln!(
                svg,
                "<path d=\"M{0:.1} 270v5\" stroke=\"#444\"/><text x=\"{0:.1}\" y=\"288\" \
                 text-anchor=\"middle\" fill=\"#444\">{text}</text>",
                x(*value)
            );
        }
        let _ = writeln!(
            svg,
            "<path d=\"M{0:.1} 270h340\" stroke=\"#444\"/><text x=\"{1:.1}\" y=\"312\" \
             text-anchor=\"middle\" fill=\"#444\">{2}</text>",
            left + 70.0,
            left + 240.0,
            self.title
        );
        for (index, ((name, marks), colour)) in self.series.iter().zip(COLOURS).enumerate() {
            for (number, mark) in marks.iter().enumerate() {
                let (x, top, bottom) =
                    (x(mark.x), y(mark.accuracy + mark.spread), y(mark.accuracy - mark.spread));
                let _ = writeln!(
                    svg,
                    "<g fill=\"{colour}\"><title>{}</title>\
                     <path d=\"M{x:.1} {top:.1}V{bottom:.1}\" stroke=\"{colour}\"/>\
                     <circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"4\"/>\
                     <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"10\">{}</text></g>",
                    mark.title,
                    y(mark.accuracy),
                    // In turn below and above, so that neighbours do not cover each other.
                    if number % 2 == 0 { bottom + 16.0 } else { top - 8.0 },
                    mark.name
                );
            }
            let at = 235.0 + 18.0 * index as f64;
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"{at:.1}\" fill=\"{colour}\">{name}</text>",
                left + 310.0,
                at - 4.0,
                left + 320.0
            );
        }
        svg
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation of a sample; 0 for a single value.
fn deviation(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let middle = mean(values);
    let squares: f64 = values.iter().map(|value| (value - middle).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}
