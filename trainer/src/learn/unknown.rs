//! What a recipe asks of "none of these".

use std::fmt;

use inkling_data::strange::Kind;
use serde::{Deserialize, Serialize};

/// The name of the class that is learned from what is in none of the others.
pub const CLASS: &str = "unknown";

/// The place of the samples that validation has among those of a seed: no epoch has it.
pub(crate) const VALIDATION: u64 = (1 << 24) - 1;

/// How a network learns to say "none of these", the section `[unknown]` of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UnknownWish {
    pub by: By,
    /// The largest share of validation images that may be refused, 0 to 1.
    pub refuse: f64,
    /// Samples of something else in an epoch for each training image.
    pub share: f32,
    /// What they are made of; one that is named twice is made twice as often.
    pub kinds: Vec<Kind>,
}

/// What answers are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// A class is learned; of all rules the one that refuses most samples of something else is kept.
    Best,
    /// A class is learned, and its logit decides.
    Class,
    /// Nothing is learned: the better threshold on the logits of the classes.
    Threshold,
}

impl Default for UnknownWish {
    fn default() -> Self {
        Self { by: By::Best, refuse: 0.005, share: 0.5, kinds: Kind::usual() }
    }
}

impl UnknownWish {
    /// Whether a class is learned.
    pub fn learns_class(&self) -> bool {
        self.by != By::Threshold
    }

    /// Checks that every value makes sense.
    ///
    /// # Errors
    ///
    /// One line: which does not, and what it may be.
    pub fn check(&self) -> Result<(), String> {
        if !(0.0..=0.5).contains(&self.refuse) {
            return Err(format!("unknown.refuse is {}, but must be from 0 to 0.5", self.refuse));
        }
        if !(0.01..=10.0).contains(&self.share) {
            return Err(format!("unknown.share is {}, but must be from 0.01 to 10", self.share));
        }
        let made = self.kinds.iter().any(|kind| *kind != Kind::Pictures);
        if !made {
            return Err("unknown.kinds must name at least one kind that is made of the data".into());
        }
        Ok(())
    }
}

impl fmt::Display for UnknownWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self.by {
            By::Best => "the best rule",
            By::Class => "a class",
            By::Threshold => "a threshold",
        };
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.name()).collect();
        let Self { refuse, share, .. } = self;
        write!(f, "\"none of these\" by {by} with at most {refuse} refused, from ")?;
        if self.learns_class() {
            write!(f, "{share} samples per image of ")?;
        }
        f.write_str(&kinds.join(", "))
    }
}
