//! "None of these" in a sweep: what its runs learn it from, and what they are judged by.
//!
//! All trials learn the class or none does, and all are judged by the same samples, whichever kinds they
//! learned: else the easier samples would win.

use std::sync::Arc;

use anyhow::{Result, anyhow, ensure};
use inkling_data::strange::{Kind, Strange};
use inkling_data::{Dataset, Sets};

use crate::learn::batches::Strangers;
use crate::learn::recipe::Recipe;
use crate::learn::unknown::{CLASS, UnknownWish, VALIDATION};

/// Samples of none of the classes among the validation images of a run, at most.
const MOST: usize = 4000;

fn wish(recipe: &Recipe) -> Option<&UnknownWish> {
    recipe.unknown.as_ref().filter(|wish| wish.learns_class())
}

/// Whether the recipes learn a class of what is in none of the others.
///
/// # Errors
///
/// Some do and some do not.
pub fn learned<'r>(mut recipes: impl Iterator<Item = &'r Recipe>) -> Result<bool, String> {
    let first = recipes.next().is_some_and(|recipe| wish(recipe).is_some());
    match recipes.all(|recipe| wish(recipe).is_some() == first) {
        true => Ok(first),
        false => {
            Err("some trials learn an unknown class and some do not: their accuracies cannot be \
                      compared; give all of them unknown.by = \"best\" or \"class\", or none"
                .into())
        }
    }
}

/// Adds the class to a data set.
///
/// # Errors
///
/// A class that is called like it.
pub fn add_class(sets: &mut Sets, data: &str) -> Result<()> {
    ensure!(
        !sets.images.names.iter().any(|name| name == CLASS),
        "{data}: has a class called {CLASS:?} already, which the recipes' [unknown] would add; rename it"
    );
    sets.add_class(CLASS);
    Ok(())
}

/// What a run learns the class from.
///
/// # Errors
///
/// Nothing that samples can be made of.
pub fn of_training(
    recipe: &Recipe,
    images: &Arc<Dataset>,
    training: &[usize],
) -> Result<Option<Strangers>> {
    let Some(wish) = wish(recipe) else { return Ok(None) };
    let strange = Strange::new(images.clone(), training.to_vec(), &wish.kinds, None);
    let strange = Arc::new(strange.map_err(|what| anyhow!("unknown: {what}"))?);
    Ok(Some(Strangers { strange, count: (wish.share * training.len() as f32).ceil() as usize }))
}

/// How many samples of none of the classes belong to so many validation images.
pub fn beside(validation: usize) -> usize {
    validation.min(MOST)
}

/// The validation images with samples of every kind behind them, made of them by `seed`.
///
/// # Errors
///
/// Nothing that samples can be made of; a file system without room.
pub fn judged(validation: &Dataset, seed: u64) -> Result<Dataset> {
    let sources = (0..validation.len()).collect();
    let strange = Strange::new(Arc::new(validation.clone()), sources, &Kind::ALL, None)
        .map_err(|what| anyhow!("unknown: {what}"))?;
    let (mut made, _) = strange.samples(beside(validation.len()), seed, VALIDATION);
    made.labels.fill(validation.classes() as u16 - 1);
    Ok(validation.joined(&made)?)
}
