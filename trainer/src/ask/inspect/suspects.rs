//! Labels that a trained model doubts.

use crate::ask::model::{Model, ModelError};
use inkling_data::read::Collection;
use inkling_support::order::first_largest;

use super::{Half, Place};

/// An answer counts as doubt in the label from this probability on.
const SURE: f32 = 0.9;

/// An image whose label may be wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspect {
    pub place: Place,
    /// The model's answer, in the model's classes, and its probability.
    pub answer: usize,
    pub confidence: f32,
}

/// Images on which the model is sure of another class than the label says, the surest first.
pub fn find(model: &Model, collection: &Collection) -> Result<Vec<Suspect>, ModelError> {
    let mut suspects = Vec::new();
    for (half, dataset) in [(Half::Train, &collection.train), (Half::Test, &collection.test)] {
        let mut dataset = dataset.clone();
        model.relabel(&mut dataset)?;
        for (index, probabilities) in model.int8_probabilities(&dataset)?.iter().enumerate() {
            let answer = first_largest(probabilities);
            let confidence = probabilities[answer];
            if answer != usize::from(dataset.labels[index]) && confidence >= SURE {
                suspects.push(Suspect { place: Place { half, index }, answer, confidence });
            }
        }
    }
    suspects.sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then(a.place.cmp(&b.place)));
    Ok(suspects)
}
