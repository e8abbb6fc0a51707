//! What a sweep file says.

use std::path::{Path, PathBuf};

use inkling_support::names;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::SweepError;
use crate::learn::toml_error::toml_error;

/// A sweep, as its TOML file has it. `trainer/sweeps/example.toml` explains every entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// 1 to 32 letters, digits, `-` and `_`.
    pub name: String,
    /// A built-in recipe or a file: what is not varied.
    #[serde(default = "default_recipe")]
    pub recipe: String,
    /// The name of a network or a file. A recipe's epochs with integers are left out.
    #[serde(default = "default_network")]
    pub network: String,
    #[serde(default = "default_data")]
    pub data: PathBuf,
    #[serde(default)]
    pub method: Method,
    /// How many trials are drawn, for random and halving; halving without it takes the whole grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trials: Option<usize>,
    /// Runs per trial, with the seeds from `seed` on; 1 to 100.
    #[serde(default = "one")]
    pub seeds: usize,
    /// The first seed of the runs. It also decides what is drawn, and the test images where the data
    /// set has none.
    #[serde(default)]
    pub seed: u64,
    /// Training images per run; all without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<usize>,
    /// Path into the recipe = list of values.
    #[serde(default)]
    pub values: Table,
    /// Path into the recipe = `{ low, high, scale }`.
    #[serde(default)]
    pub ranges: Table,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halving: Option<Halving>,
}

/// How the trials are found and how long each is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Every combination of the values.
    #[default]
    Grid,
    /// Combinations drawn at random.
    Random,
    /// Successive halving: all for a few epochs, the best for more.
    Halving,
}

/// How successive halving thins out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Halving {
    /// One trial in so many goes on, with so many times the epochs; 2 to 10.
    pub factor: usize,
    /// Epochs of the first round, below the recipe's.
    pub first_epochs: usize,
}

impl Default for Halving {
    fn default() -> Self {
        Self { factor: 3, first_epochs: 2 }
    }
}

fn default_network() -> String {
    "simple".to_string()
}

fn default_recipe() -> String {
    "default".to_string()
}

fn default_data() -> PathBuf {
    "data/mnist".into()
}

fn one() -> usize {
    1
}

impl Plan {
    /// Reads a sweep file.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or is no sweep: where and why.
    pub fn open(path: &Path) -> Result<Self, SweepError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| SweepError::Read { path: path.into(), error })?;
        Self::parse(&text).map_err(|what| SweepError::Invalid { path: path.into(), what })
    }

    /// Reads a sweep from TOML.
    ///
    /// # Errors
    ///
    /// One line: what is wrong, and what it may be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let plan: Self = toml::from_str(text).map_err(|error| toml_error(text, &error))?;
        plan.check()?;
        Ok(plan)
    }

    fn check(&self) -> Result<(), String> {
        names::check(&self.name).map_err(|what| format!("name is {:?}; {what}", self.name))?;
        if !(1..=100).contains(&self.seeds) {
            return Err(format!("seeds is {}, but must be from 1 to 100", self.seeds));
        }
        // A signed number is the largest that TOML can write.
        if self.seed > i64::MAX as u64 - 100 {
            return Err(format!("seed is {}, which is too large", self.seed));
        }
        if self.images == Some(0) {
            return Err("images is 0; leave it out to train on all".to_string());
        }
        if self.trials == Some(0) {
            return Err("trials is 0, but must be at least 1".to_string());
        }
        match self.method {
            Method::Grid if self.trials.is_some() => {
                Err("trials is for method = \"random\" or \"halving\"; a grid tries everything"
                    .to_string())
            }
            Method::Grid if !self.ranges.is_empty() => {
                Err("ranges are for method = \"random\" or \"halving\"; a grid needs lists in \
                     [values]"
                    .to_string())
            }
            Method::Random if self.trials.is_none() => {
                Err("method = \"random\" needs trials, the number of combinations to draw"
                    .to_string())
            }
            Method::Halving if self.trials.is_none() && !self.ranges.is_empty() => {
                Err("method = \"halving\" with ranges needs trials, the number of combinations to \
                     draw"
                    .to_string())
            }
            Method::Grid | Method::Random if self.halving.is_some() => {
                Err("[halving] is for method = \"halving\"".to_string())
            }
            _ => Ok(()),
        }
    }

    /// Whether the trials are drawn, rather than all combinations taken.
    pub fn draws(&self) -> bool {
        self.trials.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::{Method, Plan};

    #[test]
    fn the_example_is_a_sweep_and_survives_writing() {
        let plan =
            Plan::parse(include_str!("../../../sweeps/example.toml")).expect("a good example");
        assert_eq!(plan.method, Method::Halving);
        let text = toml::to_string(&plan).expect("a plan can be written");
        assert_eq!(Plan::parse(&text), Ok(plan));
    }
}
