//! All scores of one network on one data set.

use inkling_data::Dataset;
use inkling_support::order::first_largest;
use serde::Serialize;

use super::{Calibration, Confusion, calibration, wilson};

/// Scores; shares are from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scores {
    pub images: usize,
    pub correct: usize,
    pub accuracy: f64,
    /// Wilson's 95 % interval of the accuracy.
    pub accuracy_interval: [f64; 2],
    /// The share of images whose label is among the two most probable classes.
    pub top2: f64,
    /// Mean cross-entropy.
    pub loss: f64,
    /// Means over the classes that have images.
    pub macro_precision: f64,
    pub macro_recall: f64,
    pub macro_f1: f64,
    pub calibration: Calibration,
    pub classes: Vec<ClassScores>,
    /// `[label][answer]`.
    pub confusion: Vec<Vec<usize>>,
    /// The wrong answers, the surest first.
    pub mistakes: Vec<Mistake>,
}

/// Scores of one class; `None` where nothing can be said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassScores {
    pub name: String,
    pub images: usize,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub f1: Option<f64>,
}

/// A wrong answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mistake {
    /// Place of the image among those that were scored.
    pub image: usize,
    /// Where the image is from, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    pub label: usize,
    pub answer: usize,
    /// Probability of the answer, and of the label.
    pub confidence: f32,
    pub label_probability: f32,
}

impl Scores {
    /// Names the files of the mistakes among `images`, which were scored.
    pub fn name_sources(&mut self, images: &Dataset) {
        for mistake in &mut self.mistakes {
            mistake.source = images.source(mistake.image).map(ToString::to_string);
        }
    }

    /// Scores probabilities `[image][class]` against labels.
    pub fn new(names: &[String], labels: &[u16], probabilities: &[Vec<f32>]) -> Self {
        let pairs = || labels.iter().map(|&label| usize::from(label)).zip(probabilities);
        let confusion =
            Confusion::new(names.len(), pairs().map(|(label, p)| (label, first_largest(p))));
        let images = labels.len();
        let mut top2 = 0;
        let mut loss = 0.0;
        let mut confidences = Vec::with_capacity(images);
        let mut mistakes = Vec::new();
        for (image, (label, probabilities)) in pairs().enumerate() {
            let answer = first_largest(probabilities);
            // Classes before the label win where they are equally probable, as among the answers.
            let better = |(class, p): (usize, &f32)| {
                *p > probabilities[label] || (*p == probabilities[label] && class < label)
            };
            top2 += usize::from(
                probabilities.iter().enumerate().filter(|&pair| better(pair)).count() < 2,
            );
            loss -= f64::from(probabilities[label].max(f32::MIN_POSITIVE)).ln();
            confidences.push((probabilities[answer], answer == label));
            if answer != label {
                let (confidence, label_probability) = (probabilities[answer], probabilities[label]);
                mistakes.push(Mistake {
                    source: None,
                    image,
                    label,
                    answer,
                    confidence,
                    label_probability,
                });
            }
        }
        mistakes.sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then(a.image.cmp(&b.image)));
        let classes: Vec<ClassScores> = names
            .iter()
            .enumerate()
            .map(|(class, name)| ClassScores {
                name: name.clone(),
                images: confusion.labelled(class),
                precision: confusion.precision(class),
                recall: confusion.recall(class),
                f1: confusion.f1(class),
            })
            .collect();
        let mean = |score: fn(&ClassScores) -> Option<f64>| {
            let present = classes.iter().filter(|class| class.images > 0);
            let scores: Vec<f64> = present.map(|class| score(class).unwrap_or(0.0)).collect();
            scores.iter().sum::<f64>() / scores.len().max(1) as f64
        };
        let count = images.max(1) as f64;
        Self {
            images,
            correct: confusion.correct(),
            accuracy: confusion.correct() as f64 / count,
            accuracy_interval: wilson(confusion.correct(), images),
            top2: top2 as f64 / count,
            loss: loss / count,
            macro_precision: mean(|class| class.precision),
            macro_recall: mean(|class| class.recall),
            macro_f1: mean(|class| class.f1),
            calibration: calibration(&confidences),
            confusion: confusion.counts().to_vec(),
            classes,
            mistakes,
        }
    }
}
