//! Recipes: everything that decides how a network is trained, apart from the data and the seed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::data::Affine;
use crate::optimizer::{Optimizer, Sgd};
use crate::schedule::Schedule;

/// The optimizer of a recipe, with its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum OptimizerChoice {
    Sgd(Sgd),
}

impl OptimizerChoice {
    pub fn build(&self) -> Box<dyn Optimizer> {
        match self {
            OptimizerChoice::Sgd(sgd) => Box::new(sgd.clone()),
        }
    }
}

impl fmt::Display for OptimizerChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptimizerChoice::Sgd(Sgd { momentum, weight_decay }) => {
                write!(f, "SGD with momentum {momentum} and weight decay {weight_decay}")
            }
        }
    }
}

/// How to train.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    pub name: String,
    pub epochs: usize,
    /// Images per step.
    pub batch: usize,
    /// The highest learning rate.
    pub rate: f64,
    pub schedule: Schedule,
    pub optimizer: OptimizerChoice,
    pub augmentation: Option<Affine>,
}

impl Recipe {
    /// The recipes with a name, the default first.
    pub const NAMES: [&'static str; 2] = ["default", "article"];

    /// The recipe of that name.
    pub fn named(name: &str) -> Result<Self, RecipeError> {
        match name {
            "default" => Ok(Self {
                name: name.to_string(),
                epochs: 10,
                batch: 64,
                rate: 0.05,
                schedule: Schedule::OneCycle { warmup: 0.2 },
                optimizer: OptimizerChoice::Sgd(Sgd { momentum: 0.9, weight_decay: 1e-4 }),
                augmentation: Some(Affine { rotation: 8.0, scale: 0.08, shift: 1.5 }),
            }),
            "article" => Ok(Self {
                name: name.to_string(),
                epochs: 10,
                batch: 64,
                rate: 0.01,
                schedule: Schedule::Constant,
                optimizer: OptimizerChoice::Sgd(Sgd { momentum: 0.0, weight_decay: 0.0 }),
                augmentation: None,
            }),
            _ => Err(RecipeError::Unknown { name: name.to_string() }),
        }
    }
}

impl fmt::Display for Recipe {
    /// Every value that matters, so that equal texts mean equal recipes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, epochs, batch, rate, schedule, optimizer, augmentation } = self;
        write!(f, "{name}: {epochs} epochs, batch {batch}, rate {rate} {schedule}, {optimizer}, ")?;
        match augmentation {
            Some(affine) => write!(f, "{affine}"),
            None => write!(f, "no augmentation"),
        }
    }
}

/// Why there is no recipe.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    #[error("no recipe is called {name:?}; there are {}", Recipe::NAMES.join(" and "))]
    Unknown { name: String },
}
