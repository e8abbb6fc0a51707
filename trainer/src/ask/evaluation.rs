//! The scores of a model as text, JSON and HTML.

use std::fmt::Write;

use inkling_data::Dataset;
use serde::Serialize;

use crate::ask::metrics::{ClassScores, Mistake, Scores};
use crate::ask::unknown::UnknownScores;
use crate::tell::report::{self, Axis, Chart, Page, percent};
use inkling_data::corrupt::Corruption;
use inkling_data::read::Tile;

/// Mistakes shown as pictures.
const MISTAKES: usize = 40;

/// More classes than this have no matrix, which would be wider than it is readable.
const MATRIX: usize = 12;

/// Pairs of classes that a page lists.
const FREQUENT: usize = 20;

/// What a model came to on a data set.
#[derive(Serialize)]
pub struct Evaluation {
    pub model: String,
    pub data: String,
    /// Which of the data set's images: test, train or all.
    pub part: String,
    /// Of the float network, where there is one.
    pub float: Option<Scores>,
    pub int8: Scores,
    /// Of its rule for "none of these", where the model has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<UnknownScores>,
    pub damage: Vec<Damage>,
}

/// The accuracy on images that were damaged on purpose.
#[derive(Serialize)]
pub struct Damage {
    pub kind: Corruption,
    /// The input that was damaged, of several.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub input: String,
    pub strength: f32,
    pub images: usize,
    pub float: Option<f64>,
    pub int8: f64,
    /// The shape of what was damaged, and the first after it.
    #[serde(skip)]
    pub shape: [usize; 3],
    #[serde(skip)]
    pub example: Vec<u8>,
}

impl Damage {
    /// What was done and to which input, without the strength.
    fn title(&self) -> String {
        match self.input.is_empty() {
            true => self.kind.name().to_string(),
            false => format!("{} {}", self.input, self.kind.name()),
        }
    }
}

/// A score of a class or nothing.
fn optional(share: Option<f64>) -> String {
    share.map_or("–".to_string(), percent)
}

impl Evaluation {
    /// For machines; shares are from 0 to 1.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// Names of the scores with their values, float and int8.
    fn overview(&self) -> Vec<[String; 3]> {
        let interval = |scores: &Scores| {
            let [low, high] = scores.accuracy_interval;
            format!("{:.2} – {:.2} %", 100.0 * low, 100.0 * high)
        };
        let row = |name: &str, value: &dyn Fn(&Scores) -> String| {
            [name.to_string(), self.float.as_ref().map_or("–".into(), value), value(&self.int8)]
        };
        vec![
            row("accuracy", &|scores| percent(scores.accuracy)),
            row("95 % interval", &interval),
            row("wrong answers", &|scores| (scores.images - scores.correct).to_string()),
            row("label among top 2", &|scores| percent(scores.top2)),
            row("macro precision", &|scores| percent(scores.macro_precision)),
            row("macro recall", &|scores| percent(scores.macro_recall)),
            row("macro F1", &|scores| percent(scores.macro_f1)),
            row("cross-entropy", &|scores| format!("{:.4}", scores.loss)),
            row("calibration error", &|scores| percent(scores.calibration.error)),
        ]
    }

    fn classes(&self) -> Vec<Vec<String>> {
        let row = |(index, class): (usize, &ClassScores)| {
            let float = self.float.as_ref().and_then(|float| float.classes[index].f1);
            vec![
                class.name.clone(),
                class.images.to_string(),
                optional(class.precision),
                optional(class.recall),
                optional(class.f1),
                optional(float),
            ]
        };
        self.int8.classes.iter().enumerate().map(row).collect()
    }

    fn mistake(&self, mistake: &Mistake) -> String {
        let name = |class: usize| &self.int8.classes[class].name;
        let image = || format!("image {} of those evaluated", mistake.image + 1);
        format!(
            "{}: {} taken for {} ({:.1} %)",
            mistake.source.clone().unwrap_or_else(image),
            name(mistake.label),
            name(mistake.answer),
            100.0 * mistake.confidence
        )
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let mut text = format!(
            "model {} on {} images ({}) of {}\n\n",
            self.model, self.int8.images, self.part, self.data
        );
        let _ = writeln!(text, "{:<20}{:>18}{:>18}", "", "float", "int8");
        for [name, float, int8] in self.overview() {
            let _ = writeln!(text, "{name:<20}{float:>18}{int8:>18}");
        }
        let width = self
            .int8
            .classes
            .iter()
            .map(|class| class.name.chars().count())
            .max()
            .unwrap_or(0)
            .max(5);
        let _ = writeln!(
            text,
            "\nint8 by class\n{:<width$}{:>9}{:>11}{:>11}{:>11}{:>12}",
            "class", "images", "precision", "recall", "F1", "F1 float"
        );
        for row in self.classes() {
            let _ = writeln!(
                text,
                "{:<width$}{:>9}{:>11}{:>11}{:>11}{:>12}",
                row[0], row[1], row[2], row[3], row[4], row[5]
            );
        }
        text.push_str(&self.confused());
        if !self.int8.mistakes.is_empty() {
            text.push_str("\nsurest mistakes of int8\n");
            for mistake in self.int8.mistakes.iter().take(5) {
                let _ = writeln!(text, "  {}", self.mistake(mistake));
            }
        }
        if let Some(unknown) = &self.unknown {
            text.push_str(&unknown.text());
        }
        if let Some(first) = self.damage.first() {
            let _ = writeln!(
                text,
                "\naccuracy on {} damaged images\n{:<22}{:>10}{:>10}",
                first.images, "", "float", "int8"
            );
            for row in &self.damage {
                let name = format!("{} {} {}", row.title(), row.strength, row.kind.unit());
                let _ = writeln!(
                    text,
                    "{name:<22}{:>10}{:>10}",
                    optional(row.float),
                    percent(row.int8)
                );
            }
        }
        text
    }

    /// The confusion matrix for a terminal, or its largest entries where it would be too wide.
    fn confused(&self) -> String {
        let counts = &self.int8.confusion;
        let names: Vec<&str> = self.int8.classes.iter().map(|class| class.name.as_str()).collect();
        let mut text = String::new();
        if counts.len() <= MATRIX {
            text.push_str("\nconfusion matrix of int8: a row per label, a column per answer\n");
            let cell = |name: &str| format!("{:>6}", name.chars().take(5).collect::<String>());
            let _ =
                writeln!(text, "      {}", names.iter().map(|name| cell(name)).collect::<String>());
            for (name, row) in names.iter().zip(counts) {
                let cells: String = row
                    .iter()
                    .map(|&count| if count == 0 { cell("·") } else { cell(&count.to_string()) })
                    .collect();
                let _ = writeln!(text, "{}{cells}", cell(name));
            }
            return text;
        }
        text.push_str("\nmost frequent mistakes of int8\n");
        for (count, label, answer) in self.frequent_mistakes().into_iter().take(10) {
            let _ = writeln!(text, "  {count:>5}  {} taken for {}", names[label], names[answer]);
        }
        text
    }

    /// `(count, label, answer)` of all wrong answers, the most frequent first.
    fn frequent_mistakes(&self) -> Vec<(usize, usize, usize)> {
        let rows = self.int8.confusion.iter().enumerate();
        let mut pairs: Vec<(usize, usize, usize)> = rows
            .flat_map(|(label, row)| {
                row.iter().enumerate().map(move |(answer, &count)| (count, label, answer))
            })
            .filter(|(count, label, answer)| *count > 0 && label != answer)
            .collect();
        pairs.sort_by(|a, b| b.0.cmp(&a.0).then(a.cmp(b)));
        pairs
    }

    /// Which classes are taken for which, and of few classes all counts.
    fn confused_html(&self, page: &mut Page) {
        let names: Vec<String> = self.int8.classes.iter().map(|class| class.name.clone()).collect();
        page.heading("Most frequent mistakes (int8)");
        let pairs = self.frequent_mistakes();
        if pairs.is_empty() {
            page.paragraph("No image got a wrong answer.");
        } else {
            let shown = pairs.len().min(FREQUENT);
            page.paragraph(&format!("{shown} of {} pairs of classes.", pairs.len()));
            let row = |&(count, label, answer): &(usize, usize, usize)| {
                let share = count as f64 / self.int8.classes[label].images.max(1) as f64;
                vec![names[label].clone(), names[answer].clone(), count.to_string(), percent(share)]
            };
            let rows: Vec<_> = pairs[..shown].iter().map(row).collect();
            page.table(&["label", "taken for", "images", "of the label's"], &rows);
        }
        if names.len() <= MATRIX {
            page.heading("Confusion matrix (int8)");
            page.paragraph(
                "A row per label, a column per answer. Blue: right. Orange: wrong, the darker the more \
                 often.",
            );
            page.wide(&report::heat_table("", &names, &self.int8.confusion));
        }
    }

    /// One self-contained page; `images` are those that were scored.
    pub fn html(&self, images: &Dataset) -> String {
        let mut page = Page::new(&format!("Model {}: evaluation", self.model));
        page.paragraph(&format!(
            "{} images ({}) of {}. float is float.onnx; int8 is int8.onnx, whose integers a device computes bit for bit.",
            self.int8.images, self.part, self.data
        ));
        let overview: Vec<Vec<String>> = self.overview().into_iter().map(Vec::from).collect();
        page.table(&["", "float", "int8"], &overview);
        page.heading("By class (int8)");
        page.table(&["class", "images", "precision", "recall", "F1", "F1 float"], &self.classes());
        self.confused_html(&mut page);
        page.heading("Confidence (int8)");
        page.paragraph(&format!(
            "How often an answer is right (up) against how sure the network is of it (right); on the dashed \
             line both agree. The mean distance is the calibration error: {}.",
            percent(self.int8.calibration.error)
        ));
        page.raw(&report::reliability(&self.int8.calibration.bins));
        if !self.int8.mistakes.is_empty() {
            page.heading("Worst mistakes (int8)");
            page.paragraph(&format!(
                "The wrong answers, the surest first: {} of {}.",
                self.int8.mistakes.len().min(MISTAKES),
                self.int8.mistakes.len()
            ));
            let picture = |mistake: &Mistake| {
                let plane = Tile::new(images.shape, images.image(mistake.image));
                (plane.picture(), self.mistake(mistake))
            };
            let pictures: Vec<_> = self.int8.mistakes.iter().take(MISTAKES).map(picture).collect();
            page.pictures(&pictures, 4);
        }
        if let Some(unknown) = &self.unknown {
            unknown.html(&mut page);
        }
        self.damage_html(&mut page);
        page.finish()
    }

    fn damage_html(&self, page: &mut Page) {
        let Some(first) = self.damage.first() else { return };
        page.heading("Damaged images");
        page.paragraph(&format!(
            "Accuracy on {} images under each kind of damage, by strength.",
            first.images
        ));
        let (mut charts, mut examples) = (Vec::new(), Vec::new());
        for rows in self.damage.chunk_by(|a, b| a.kind == b.kind && a.input == b.input) {
            let (kind, name) = (rows[0].kind, rows[0].title());
            let mut ticks = vec!["none".to_string()];
            ticks.extend(rows.iter().map(|row| row.strength.to_string()));
            let line = |name: &str, clean: f64, value: fn(&Damage) -> f64| {
                (name.to_string(), std::iter::once(clean).chain(rows.iter().map(value)).collect())
            };
            let mut series = vec![line("int8", self.int8.accuracy, |row| row.int8)];
            if let Some(float) = &self.float {
                series.insert(0, line("float", float.accuracy, |row| row.float.unwrap_or(0.0)));
            }
            charts.push(
                Chart {
                    title: &format!("{name} ({})", kind.unit()),
                    ticks: &ticks,
                    series: &series,
                    axis: Axis::Linear([0.0, 1.0]),
                    mark: None,
                    label: &|share| format!("{:.0} %", 100.0 * share),
                }
                .svg(),
            );
            let example = |row: &Damage| {
                let plane = Tile::new(row.shape, &row.example);
                let caption = format!(
                    "{name} {} {}: float {}, int8 {}",
                    row.strength,
                    kind.unit(),
                    optional(row.float),
                    percent(row.int8)
                );
                (plane.picture(), caption)
            };
            examples.extend(rows.iter().map(example));
        }
        page.plots(&charts);
        page.pictures(&examples, 3);
    }
}
