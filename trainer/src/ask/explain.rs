//! What happens inside a network for one image.

use std::fmt::Write;

use image::RgbImage;
use inkling_data::Dataset;

use crate::ask::model::{Answer, LayerTrace, Model, ModelError, NONE_OF_THESE, Trace};
use crate::tell::report::{self, Page};
use inkling_data::prepare::{Plane, Prepared};
use inkling_data::read::{Tile, sheet};

/// Side of the black square that is moved over the image, for a side of 28.
const PATCH: usize = 5;

/// Below this, runtimes that compute accumulators in f32 are exact.
const BOUND: f64 = (1 << 24) as f64;

/// Pictures side by side.
const COLUMNS: usize = 10;

/// An image, what the integers make of it, and where they look.
pub struct Explanation<'m> {
    model: &'m Model,
    pub trace: Trace,
    pub probabilities: Vec<f32>,
    /// For every pixel, how much the answer's probability falls, on average over the black squares
    /// that cover it; negative where it rises.
    pub saliency: Vec<f32>,
    image: Vec<u8>,
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
        let dataset = |images: Vec<u8>| {
            let labels = vec![0; images.len() / image.len()];
            Dataset::new(model.shape(), images, labels, model.names.clone())
        };
        let trace = model.trace(image)?;
        let probabilities = model.probabilities(&trace.logits);
        let class = model.answer(&trace.logits).class;
        let patch = (PATCH * model.height.min(model.width) / 28).max(2);
        let (rows, columns) = (model.height - patch + 1, model.width - patch + 1);
        let corners: Vec<[usize; 2]> =
            (0..rows * columns).map(|place| [place / columns, place % columns]).collect();
        let mut covered = Vec::with_capacity(corners.len() * image.len());
        for [top, left] in &corners {
            let mut copy = image.to_vec();
            copy.chunks_exact_mut(model.width)
                .skip(*top)
                .take(patch)
                .for_each(|row| row[*left..left + patch].fill(0));
            covered.extend(copy);
        }
        let mut saliency = vec![0.0; image.len()];
        let mut counts = vec![0.0_f32; image.len()];
        for ([top, left], p) in corners.iter().zip(model.int8_probabilities(&dataset(covered))?) {
            for row in *top..top + patch {
                for column in *left..left + patch {
                    saliency[row * model.width + column] += probabilities[class] - p[class];
                    counts[row * model.width + column] += 1.0;
                }
            }
        }
        saliency.iter_mut().zip(counts).for_each(|(sum, count)| *sum /= count.max(1.0));
        let others = model.other_outputs_text(image)?;
        Ok(Self { model, trace, probabilities, saliency, image: image.to_vec(), others })
    }

    /// The saliency in grey levels: the largest fall is 255.
    fn saliency_plane(&self) -> Plane {
        let peak = self.saliency.iter().copied().fold(1e-6, f32::max);
        let pixels = self.saliency.iter().map(|fall| grey_level(255.0 * fall / peak)).collect();
        Plane { height: self.model.height, width: self.model.width, pixels }
    }

    /// The picture with the saliency on it: orange where the answer depends on the place, blue where
    /// the place speaks against it.
    fn overlay(&self, picture: &RgbImage) -> RgbImage {
        let peak = self.saliency.iter().map(|fall| fall.abs()).fold(1e-6, f32::max);
        let mut overlay = picture.clone();
        for (pixel, fall) in overlay.pixels_mut().zip(&self.saliency) {
            let part = 0.75 * (fall.abs() / peak).min(1.0);
            let colour = if *fall > 0.0 { [255.0, 120.0, 20.0] } else { [40.0, 120.0, 255.0] };
            for (value, colour) in pixel.0.iter_mut().zip(colour) {
                *value = (f32::from(*value) * (1.0 - part) + colour * part).round() as u8;
            }
        }
        overlay
    }

    fn answer(&self) -> String {
        let Answer { class, refused } = self.model.answer(&self.trace.logits);
        let named =
            format!("{} ({:.1} %)", self.model.names[class], 100.0 * self.probabilities[class]);
        if refused { format!("{NONE_OF_THESE}; nearest is {named}") } else { named }
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
        text.push_str("\nimage\n");
        let grey = Plane::from_sample(self.model.shape(), &self.image).pixels;
        text.push_str(&report::text_picture(&grey, self.model.width, "  "));
        text.push_str("\nwhere a black square lowers the answer's probability most\n");
        text.push_str(&report::text_picture(&self.saliency_plane().pixels, self.model.width, "  "));
        text
    }

    /// One self-contained page.
    pub fn html(&self, title: &str, prepared: &Prepared) -> String {
        let mut page = Page::new(&format!("{title}: {}", self.answer()));
        page.paragraph(&format!("Inside int8.onnx of model {}.", self.model.name));
        page.heading("Preparation");
        let step = |step: &inkling_data::prepare::Step| {
            (step.picture.resample_to(140).picture(), format!("{}: {}", step.name, step.what))
        };
        page.pictures(&prepared.steps.iter().map(step).collect::<Vec<_>>(), 1);
        page.heading("Where it looks");
        page.paragraph(
            "A black square is moved over the image. Orange: the answer's probability falls when the \
             place is covered, the stronger the more. Blue: it rises.",
        );
        let image = Tile::new(self.model.shape(), &self.image).picture();
        page.pictures(
            &[
                (image.clone(), "image".to_string()),
                (self.overlay(&image), "where it looks".to_string()),
            ],
            8,
        );
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
