//! How well a model says "none of these": to images of its classes, and to samples of something else.

use std::fmt::Write;

use converter::record::Rule;
use inkling_data::Dataset;
use serde::Serialize;

use crate::ask::metrics::Refusal;
use crate::ask::model::{Model, ModelError};
use crate::tell::report::{self, Page, percent};

/// Scores of a model's rule; shares are from 0 to 1.
#[derive(Serialize)]
pub struct UnknownScores {
    pub rule: Rule,
    /// The least score of an answer, in units of the logits.
    pub threshold: i32,
    /// Images of the classes, how many of them are refused, and their share.
    pub images: usize,
    pub refused: usize,
    pub refused_share: f64,
    /// The share of right answers among the images that are not refused.
    pub right_of_answered: f64,
    pub strange: Vec<StrangeScores>,
}

/// Scores of one sort of samples of something else.
#[derive(Serialize)]
pub struct StrangeScores {
    pub name: String,
    pub samples: usize,
    pub refused: usize,
    pub refused_share: f64,
    /// The area under the curve of refusals of these against those of images of the classes.
    pub area: f64,
    #[serde(skip)]
    refusal: Refusal,
}

impl UnknownScores {
    /// Asks the model for images of its classes and for samples of something else, each sort with its
    /// name. Nothing where the model has no rule.
    ///
    /// # Errors
    ///
    /// Samples of another size.
    pub fn measure(
        model: &Model,
        images: &Dataset,
        strange: Vec<(String, Dataset)>,
    ) -> Result<Option<Self>, ModelError> {
        let (Some(unknown), Some(recorded)) = (model.unknown, &model.record.unknown) else {
            return Ok(None);
        };
        let refused = |logits: &[Vec<i32>]| {
            logits.iter().filter(|logits| unknown.classify(logits).is_none()).count()
        };
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        let known = model.int8_logits(images)?;
        let pairs = known.iter().zip(&images.labels);
        let right = pairs
            .filter(|(logits, label)| unknown.classify(logits) == Some(usize::from(**label)))
            .count();
        let sort = |(name, samples): (String, Dataset)| {
            let logits = model.int8_logits(&samples)?;
            let refusal = Refusal::new(&unknown, &known, &logits);
            let refused = refused(&logits);
            Ok(StrangeScores {
                name,
                samples: samples.len(),
                refused,
                refused_share: share(refused, samples.len()),
                area: refusal.area(),
                refusal,
            })
        };
        let count = refused(&known);
        Ok(Some(Self {
            rule: recorded.rule,
            threshold: unknown.threshold,
            images: images.len(),
            refused: count,
            refused_share: share(count, images.len()),
            right_of_answered: share(right, images.len() - count),
            strange: strange.into_iter().map(sort).collect::<Result<_, ModelError>>()?,
        }))
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let mut text = format!(
            "\nnone of these: where {} is below {}\n{} of the {} images refused ({}); of the others {} \
             are right\n\n{:<24}{:>9}{:>11}{:>8}\n",
            self.rule.words(),
            self.threshold,
            self.refused,
            self.images,
            percent(self.refused_share),
            percent(self.right_of_answered),
            "something else",
            "samples",
            "refused",
            "area"
        );
        for StrangeScores { name, samples, refused_share, area, .. } in &self.strange {
            let refused = percent(*refused_share);
            let _ = writeln!(text, "{name:<24}{samples:>9}{refused:>11}{area:>8.4}");
        }
        text
    }

    /// Adds them to a page.
    pub fn html(&self, page: &mut Page) {
        page.heading("None of these (int8)");
        page.paragraph(&format!(
            "An answer is refused where {} is below {}: {} of the images, and of the others {} are right.",
            self.rule.words(),
            self.threshold,
            percent(self.refused_share),
            percent(self.right_of_answered)
        ));
        let sorts: Vec<(String, &Refusal)> =
            self.strange.iter().map(|sort| (sort.name.clone(), &sort.refusal)).collect();
        report::refusal(page, "images of the classes", &sorts, self.threshold);
    }
}
