//! What happens inside a network for one image.

use std::fmt::Write;

use image::RgbImage;

use crate::ask::model::{Answer, LayerTrace, Model, ModelError, NONE_OF_THESE, Trace};
use crate::ask::saliency::Saliency;
use crate::tell::report::{self, Page};
use inkling_data::prepare::{Plane, Prepared};
use inkling_data::read::{Tile, sheet};

/// Below this, runtimes that compute accumulators in f32 are exact.
const BOUND: f64 = (1 << 24) as f64;

/// Pictures side by side.
const COLUMNS: usize = 10;

/// An image, what the integers make of it, and where they look.
pub struct Explanation<'m> {
    model: &'m Model,
    pub trace: Trace,
    pub probabilities: Vec<f32>,
    /// What each input does for the answer.
    pub saliency: Vec<Saliency>,
    /// The outputs beside the logits, a line each.
    others: Vec<String>,
}

impl<'m> Explanation<'m> {
    /// Follows an image of the model's size through the network.
    ///
    /// # Errors
    ///
    /// The model's.
    pub fn new(model: &'m Model, image: &[u8]) -> Result<Self, ModelError> {
        let trace = model.trace(image)?;
        let probabilities = model.probabilities(&trace.logits);
        let class = model.answer(&trace.logits).class;
        let saliency = Saliency::of(model, image, class, probabilities[class])?;
        let others = model.other_outputs_text(image)?;
        Ok(Self { model, trace, probabilities, saliency, others })
    }

    fn answer(&self) -> String {
        let Answer { class, refused } = self.model.answer(&self.trace.logits);
        let named =
            format!("{} ({:.1} %)", self.model.names[class], 100.0 * self.probabilities[class]);
        if refused { format!("{NONE_OF_THESE}; nearest is {named}") } else { named }
    }

    /// What the answer would be without an input, in words.
    fn without(&self, part: &Saliency) -> String {
        let class = self.model.answer(&self.trace.logits).class;
        let [with, without] = [self.probabilities[class], part.without].map(|p| 100.0 * p);
        format!("with all of it covered the answer has {without:.1} % instead of {with:.1} %")
    }

    /// A line per layer.
    fn layers(&self) -> Vec<Vec<String>> {
        self.trace.layers.iter().map(row).collect()
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let mut text = format!("answer: {}\n\n", self.answer());
        let rows = self.layers();
        let widths: Vec<usize> = (0..HEADER.len())
            .map(|column| {
                let cells = rows.iter().map(|row| row[column].chars().count());
                cells.chain([HEADER[column].chars().count()]).max().unwrap_or(0)
            })
            .collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let padded: Vec<String> =
                cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            padded.join("  ").trim_end().to_string() + "\n"
        };
        text.push_str(&line(&mut HEADER.iter().copied()));
        rows.iter().for_each(|row| text.push_str(&line(&mut row.iter().map(String::as_str))));
        let logits: Vec<String> = self
            .model
            .names
            .iter()
            .zip(&self.trace.logits)
            .map(|(name, logit)| format!("{name}: {logit}"))
            .collect();
        let _ = writeln!(text, "\nlogits: {}", logits.join("  "));
        for line in &self.others {
            let _ = writeln!(text, "output {line}");
        }
        for part in &self.saliency {
            let _ = match part.name.is_empty() {
                true => writeln!(text, "\nimage"),
                false => writeln!(text, "\ninput {}: {}", part.name, self.without(part)),
            };
            let grey = Plane::from_sample(part.shape, &part.sample).pixels;
            text.push_str(&report::text_picture(&grey, part.shape[1], "  "));
            let _ =
                writeln!(text, "\nwhere {} lowers the answer's probability most", covering(part));
            text.push_str(&report::text_picture(&part.plane().pixels, part.shape[1], "  "));
        }
        text
    }

    /// One self-contained page.
    pub fn html(&self, title: &str, prepared: &[&Prepared]) -> String {
        let mut page = Page::new(&format!("{title}: {}", self.answer()));
        page.paragraph(&format!("Inside int8.onnx of model {}.", self.model.name));
        if !prepared.is_empty() {
            page.heading("Preparation");
        }
        let step = |step: &inkling_data::prepare::Step| {
            (step.picture.resample_to(140).picture(), format!("{}: {}", step.name, step.what))
        };
        for prepared in prepared {
            page.pictures(&prepared.steps.iter().map(step).collect::<Vec<_>>(), 1);
        }
        page.heading("Where it looks");
        page.paragraph(
            "A square is moved over the image, a black one over a picture, the mean of each sensor over what is \
             one row. Orange: the answer's probability falls when the place is covered, the stronger the \
             more. Blue: it rises.",
        );
        for part in &self.saliency {
            if !part.name.is_empty() {
                page.paragraph(&format!("{}: {}.", part.name, self.without(part)));
            }
            let image = Tile::new(part.shape, &part.sample).picture();
            let looks = overlay(part, &image);
            page.pictures(&[(image, "image".into()), (looks, "where it looks".into())], 8);
        }
        page.heading("Logits");
        let bar = |(name, probability): (&String, &f32)| report::Bar {
            name: name.clone(),
            value: f64::from(*probability),
            caption: format!("{:.1} %", 100.0 * probability),
        };
        page.wide(&report::bars(
            &self.model.names.iter().zip(&self.probabilities).map(bar).collect::<Vec<_>>(),
        ));
        page.table(
            &["class", "logit", "probability"],
            &self
                .model
                .names
                .iter()
                .zip(&self.trace.logits)
                .zip(&self.probabilities)
                .map(|((name, logit), p)| {
                    vec![name.clone(), logit.to_string(), format!("{:.2} %", 100.0 * p)]
                })
                .collect::<Vec<_>>(),
        );
        if !self.others.is_empty() {
            page.heading("Other outputs");
            self.others.iter().for_each(|line| page.paragraph(line));
        }
        page.heading("The network");
        page.wide(&report::network(self.model.network()));
        page.heading("Integers of each layer");
        page.paragraph(
            "Headroom is how many more bits an accumulator had before the bound of 2^24, below which \
             every runtime is exact. Saturated values were beyond their type's range.",
        );
        page.table(&HEADER, &self.layers());
        for layer in &self.trace.layers {
            self.layer_html(&mut page, layer);
        }
        page.finish()
    }

    fn layer_html(&self, page: &mut Page, layer: &LayerTrace) {
        let [channels, height, width] = layer.shape;
        page.heading(&format!("{} ({})", layer.name, layer.kernel));
        if let Some(filters) = &layer.filters {
            let [count, depth, rows, columns] = filters.shape;
            // A kernel that covers its whole input is a fully connected layer.
            if rows * columns > 1 && height * width > 1 {
                let size = rows * columns;
                let picture = |number: usize| {
                    let weights = &filters.weights[number * size..(number + 1) * size];
                    let grey = |weight: &i8| grey_level(127.5 + f32::from(*weight));
                    Plane {
                        height: rows,
                        width: columns,
                        pixels: weights.iter().map(grey).collect(),
                    }
                };
                let per_row = if depth == 1 { COLUMNS } else { depth };
                let all: Vec<Plane> = (0..count * depth).map(picture).collect();
                let rows_of: Vec<Vec<Plane>> = all.chunks(per_row).map(<[Plane]>::to_vec).collect();
                let caption = match depth {
                    1 => format!("{count} filters; light is positive"),
                    _ => format!(
                        "{count} filters, a row each, a column per input channel; light is positive"
                    ),
                };
                page.pictures(
                    &[(sheet(rows_of, [rows, columns]), caption)],
                    if depth == 1 { 8 } else { 3 },
                );
            }
        }
        let low = layer.values.iter().copied().min().unwrap_or(0).min(0) as f32;
        let high = layer.values.iter().copied().max().unwrap_or(0).max(1) as f32;
        let grey = |value: &i32| grey_level(255.0 * (*value as f32 - low) / (high - low));
        let size = height * width;
        if height > 1 {
            let map =
                |values: &[i32]| Plane { height, width, pixels: values.iter().map(grey).collect() };
            let maps: Vec<Plane> = layer.values.chunks(size).map(map).collect();
            let rows: Vec<Vec<Plane>> = maps.chunks(COLUMNS).map(<[Plane]>::to_vec).collect();
            let times = (60 / width).clamp(1, 8) as u32;
            page.pictures(
                &[(sheet(rows, [height, width]), format!("{channels} feature maps"))],
                times,
            );
        } else {
            let cells: Vec<Plane> = layer
                .values
                .iter()
                .map(|value| Plane { height: 1, width: 1, pixels: vec![grey(value)] })
                .collect();
            let rows: Vec<Vec<Plane>> = cells.chunks(50).map(<[Plane]>::to_vec).collect();
            page.pictures(&[(sheet(rows, [1, 1]), format!("{} values", layer.values.len()))], 6);
        }
    }
}

fn grey_level(level: f32) -> u8 {
    level.round().clamp(0.0, 255.0) as u8
}

/// What covers a part of an input.
fn covering(part: &Saliency) -> &'static str {
    if part.shape[0] == 1 { "the mean instead of the values" } else { "a black square" }
}

/// The picture with the saliency on it: orange where the answer depends on the place, blue where
/// the place speaks against it.
fn overlay(part: &Saliency, picture: &RgbImage) -> RgbImage {
    let peak = part.falls.iter().map(|fall| fall.abs()).fold(1e-6, f32::max);
    let mut overlay = picture.clone();
    for (pixel, fall) in overlay.pixels_mut().zip(&part.falls) {
        let share = 0.75 * (fall.abs() / peak).min(1.0);
        let colour = if *fall > 0.0 { [255.0, 120.0, 20.0] } else { [40.0, 120.0, 255.0] };
        for (value, colour) in pixel.0.iter_mut().zip(colour) {
            *value = (f32::from(*value) * (1.0 - share) + colour * share).round() as u8;
        }
    }
    overlay
}

const HEADER: [&str; 8] =
    ["layer", "kernel", "shape", "values", "zero", "saturated", "largest accumulator", "headroom"];

fn row(layer: &LayerTrace) -> Vec<String> {
    let [channels, height, width] = layer.shape;
    let (low, high) =
        (layer.values.iter().min().unwrap_or(&0), layer.values.iter().max().unwrap_or(&0));
    let zeros = layer.values.iter().filter(|&&value| value == 0).count();
    // A u8 at 0 is the ReLU at work and not a loss.
    let at_limit =
        |&&value: &&i32| value == layer.range[1] || (layer.range[0] < 0 && value == layer.range[0]);
    let saturated = layer.values.iter().filter(at_limit).count();
    let wide = layer.range[1] == i32::MAX;
    let accumulators = layer.accumulators.as_ref().or(wide.then_some(&layer.values));
    let largest = accumulators
        .map(|values| values.iter().map(|value| value.unsigned_abs()).max().unwrap_or(0));
    vec![
        layer.name.clone(),
        layer.kernel.to_string(),
        if height * channels == 1 {
            width.to_string()
        } else {
            format!("{channels}×{height}×{width}")
        },
        format!("{low} to {high}"),
        format!("{:.0} %", 100.0 * zeros as f64 / layer.values.len().max(1) as f64),
        if wide { "–".into() } else { saturated.to_string() },
        largest.map_or("–".into(), |largest| largest.to_string()),
        largest.map_or("–".into(), |largest| {
            format!("{:.1} bits", (BOUND / f64::from(largest.max(1))).log2())
        }),
    ]
}
