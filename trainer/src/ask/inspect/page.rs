//! An inspection as text and as a page.

use std::fmt::Write;

use image::RgbImage;

use super::{Inspection, Place, Statistics};
use crate::tell::report::{self, Bar, Page};
use inkling_data::read::{Tile, sheet};
use inkling_data::shape_text;

/// Samples of each class on the page.
const SAMPLES: usize = 16;

/// Most pictures of one kind on the page, and most lines of one kind in the terminal.
const PICTURES: usize = 40;
const LINES: usize = 5;

/// A count with its noun.
fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

impl Inspection<'_> {
    /// What the text and the page say first: a name and a value.
    fn overview(&self) -> Vec<Vec<String>> {
        let dataset = &self.collection.train;
        let pixels = |s: &Statistics| {
            format!(
                "mean {:.2}, deviation {:.2} (of 1: {:.4}, {:.4})",
                s.mean,
                s.deviation,
                s.mean / 255.0,
                s.deviation / 255.0
            )
        };
        let mut rows = vec![
            vec![
                "images".into(),
                format!("{} training, {} test", self.train.images, self.test.images),
            ],
            vec!["size".into(), shape_text(dataset.shape)],
            vec!["classes".into(), self.collection.train.names.len().to_string()],
            vec!["training pixels".into(), pixels(&self.train)],
            vec!["test pixels".into(), pixels(&self.test)],
            vec!["blank images".into(), self.blank.len().to_string()],
            vec![
                "equal images".into(),
                format!(
                    "{}, {} of them in training and test, {} with different labels",
                    plural(self.duplicates.groups.len(), "group", "groups"),
                    self.duplicates.leaks(),
                    self.duplicates.contradictions.len()
                ),
            ],
            vec![
                "near duplicates".into(),
                format!("{} of the test images have one in training", self.duplicates.near.len()),
            ],
            vec![
                "doubtful labels".into(),
                match &self.suspects {
                    Some((model, suspects)) => format!("{} by model {model}", suspects.len()),
                    None => "not looked for: no model fits".into(),
                },
            ],
        ];
        if !self.collection.bad.is_empty() {
            rows.push(vec![
                "left out".into(),
                plural(self.collection.bad.len(), "bad file", "bad files"),
            ]);
        }
        rows
    }

    /// For a terminal. `answers` are the names of the model's classes.
    pub fn text(&self, answers: &[String]) -> String {
        let mut text = String::new();
        for note in &self.collection.notes {
            let _ = writeln!(text, "data: {note}");
        }
        for row in self.overview() {
            let _ = writeln!(text, "{:<18}{}", row[0], row[1]);
        }
        let width = self
            .collection
            .train
            .names
            .iter()
            .map(|name| name.chars().count())
            .max()
            .unwrap_or(0)
            .max(5);
        let _ = writeln!(text, "\n{:<width$}{:>10}{:>8}", "label", "training", "test");
        let most = self.train.counts.iter().copied().max().unwrap_or(1).max(1);
        for (class, name) in self.collection.train.names.iter().enumerate() {
            let (train, test) = (self.train.counts[class], self.test.counts[class]);
            let bar = "#".repeat((30 * train).div_ceil(most));
            let _ = writeln!(text, "{name:<width$}{train:>10}{test:>8}  {bar}");
        }
        let most = self.train.histogram.iter().copied().max().unwrap_or(1).max(2) as f64;
        let _ = writeln!(text, "\nbrightness of the training pixels (bars by logarithm)");
        for (pair, counts) in self.train.histogram.chunks(2).enumerate() {
            let count: usize = counts.iter().sum();
            let length = if count == 0 {
                0
            } else {
                1 + (29.0 * (count as f64).ln() / most.ln()).max(0.0) as usize
            };
            let _ = writeln!(
                text,
                "{:>3}–{:<3} {count:>10}  {}",
                pair * 16,
                pair * 16 + 15,
                "#".repeat(length.min(30))
            );
        }
        self.findings(&mut text, answers);
        text
    }

    fn findings(&self, text: &mut String, answers: &[String]) {
        let mut list = |title: &str, lines: Vec<String>| {
            if lines.is_empty() {
                return;
            }
            let _ = writeln!(text, "\n{title}");
            lines.iter().take(LINES).for_each(|line| text.push_str(&format!("  {line}\n")));
            if lines.len() > LINES {
                let _ = writeln!(text, "  and {} more", lines.len() - LINES);
            }
        };
        let place = |place: &Place| self.described(*place);
        let group = |places: &[Place]| places.iter().map(place).collect::<Vec<_>>().join(" = ");
        list("blank images", self.blank.iter().map(place).collect());
        list("equal images", self.duplicates.groups.iter().map(|places| group(places)).collect());
        let contradictions = &self.duplicates.contradictions;
        list(
            "equal images under different labels",
            contradictions.iter().map(|c| group(&c.places)).collect(),
        );
        let near = self.duplicates.near.iter();
        list(
            "near duplicates",
            near.map(|near| {
                format!(
                    "{} ~ {}, {:.2} % apart",
                    self.described(Place { half: super::Half::Test, index: near.test }),
                    self.described(Place { half: super::Half::Train, index: near.train }),
                    100.0 * near.distance
                )
            })
            .collect(),
        );
        if let Some((_, suspects)) = &self.suspects {
            let line = |suspect: &super::Suspect| {
                format!(
                    "{}: the model says {} ({:.2} %)",
                    place(&suspect.place),
                    answers[suspect.answer],
                    100.0 * suspect.confidence
                )
            };
            list("doubtful labels", suspects.iter().map(line).collect());
        }
    }

    fn picture(&self, place: Place) -> Tile {
        let dataset = self.dataset(place);
        Tile::new(dataset.shape, self.image(place))
    }

    fn row(&self, places: &[Place]) -> RgbImage {
        let dataset = &self.collection.train;
        let pictures = places.iter().map(|place| self.picture(*place)).collect();
        sheet(vec![pictures], [dataset.height(), dataset.width()])
    }

    /// One self-contained page.
    pub fn html(&self, title: &str, answers: &[String]) -> String {
        let mut page = Page::new(&format!("Data set {title}"));
        for note in &self.collection.notes {
            page.paragraph(note);
        }
        page.table(&["", ""], &self.overview());
        page.heading("Images per label");
        let bars = |counts: &[usize]| -> Vec<Bar> {
            let bar = |(name, &count): (&String, &usize)| Bar {
                name: name.clone(),
                value: count as f64,
                caption: count.to_string(),
            };
            self.collection.train.names.iter().zip(counts).map(bar).collect()
        };
        page.paragraph("Training:");
        page.wide(&report::bars(&bars(&self.train.counts)));
        page.paragraph("Test:");
        page.wide(&report::bars(&bars(&self.test.counts)));
        self.brightness(&mut page);
        self.classes(&mut page);
        let captioned = |places: &[Place]| {
            let caption: Vec<String> = places.iter().map(|place| self.described(*place)).collect();
            (self.row(places), caption.join(" = "))
        };
        let mut section = |title: &str, text: &str, pictures: Vec<(RgbImage, String)>| {
            if !pictures.is_empty() {
                page.heading(title);
                page.paragraph(text);
                page.pictures(&pictures, 3);
            }
        };
        section(
            "Blank images",
            "Nothing is to be seen on them.",
            self.blank.iter().take(PICTURES).map(|place| captioned(&[*place])).collect(),
        );
        section(
            "Equal images",
            "The same pixels more than once. A test image that is also in training measures nothing.",
            self.duplicates.groups.iter().take(PICTURES).map(|group| captioned(group)).collect(),
        );
        section(
            "Equal images under different labels",
            "At least one of the labels is wrong.",
            self.duplicates
                .contradictions
                .iter()
                .take(PICTURES)
                .map(|c| captioned(&c.places))
                .collect(),
        );
        let near = self.duplicates.near.iter().take(PICTURES).map(|near| {
            let places = [
                Place { half: super::Half::Test, index: near.test },
                Place { half: super::Half::Train, index: near.train },
            ];
            let (picture, caption) = captioned(&places);
            (
                picture,
                format!("{}, {:.2} % apart", caption.replace(" = ", " ~ "), 100.0 * near.distance),
            )
        });
        section(
            "Near duplicates across training and test",
            "The nearest pairs first.",
            near.collect(),
        );
        if let Some((model, suspects)) = &self.suspects {
            let pictures = suspects.iter().take(PICTURES).map(|suspect| {
                let (picture, caption) = captioned(&[suspect.place]);
                (
                    picture,
                    format!(
                        "{caption}: {} ({:.2} %)",
                        answers[suspect.answer],
                        100.0 * suspect.confidence
                    ),
                )
            });
            let text = format!(
                "Model {model} is sure of another class than the label says; the surest first."
            );
            section("Doubtful labels", &text, pictures.collect());
        }
        page.finish()
    }

    fn brightness(&self, page: &mut Page) {
        page.heading("Brightness");
        page.paragraph("Training pixels by grey level, 8 levels to a bar. Heights are logarithms.");
        let bar = |(index, &count): (usize, &usize)| Bar {
            name: (index * 8).to_string(),
            value: (count as f64 + 1.0).log10(),
            caption: String::new(),
        };
        page.wide(&report::bars(
            &self.train.histogram.iter().enumerate().map(bar).collect::<Vec<_>>(),
        ));
    }

    fn classes(&self, page: &mut Page) {
        page.heading("Mean image and samples of each label");
        let dataset = &self.collection.train;
        let size = [dataset.height(), dataset.width()];
        let mut pictures = Vec::new();
        for (class, name) in self.collection.train.names.iter().enumerate() {
            if self.train.counts[class] == 0 {
                continue;
            }
            let mean = Tile::new(dataset.shape, &self.train.mean_images[class]);
            let of_class =
                (0..dataset.len()).filter(|&index| usize::from(dataset.labels[index]) == class);
            let samples =
                of_class.take(SAMPLES).map(|index| Tile::new(dataset.shape, dataset.image(index)));
            pictures.push((
                sheet(vec![std::iter::once(mean).chain(samples).collect()], size),
                format!("{name}: mean, then samples"),
            ));
        }
        page.pictures(&pictures, 2);
    }
}
