//! Recipes: everything that decides how a network is trained, apart from the data and the seed.
//!
//! A recipe is a TOML file. Those in `trainer/recipes` are built in under their names; they are
//! also what to copy for one's own.

use std::fmt;
use std::path::{Path, PathBuf};

use converter::quantize::check_bits;
use serde::{Deserialize, Serialize};

use crate::learn::distillation::Distillation;
use crate::learn::optimizer::OptimizerChoice;
use crate::learn::schedule::Schedule;
use crate::learn::unknown::UnknownWish;
use inkling_data::{Augmentation, Dataset};

/// The built-in recipes, the default first.
const BUILT_IN: [(&str, &str); 6] = [
    ("default", include_str!("../../recipes/default.toml")),
    ("article", include_str!("../../recipes/article.toml")),
    ("best", include_str!("../../recipes/best.toml")),
    ("fashion", include_str!("../../recipes/fashion.toml")),
    ("finetune", include_str!("../../recipes/finetune.toml")),
    ("unknown", include_str!("../../recipes/unknown.toml")),
];

/// How to train.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    pub name: String,
    pub epochs: usize,
    /// Images per step.
    pub batch: usize,
    /// The highest learning rate.
    pub rate: f64,
    /// Part of the wanted probability that is spread evenly over all classes, 0 to 1.
    #[serde(default)]
    pub label_smoothing: f32,
    /// Longest gradient over all parameters (Euclidean norm); a longer one is shortened to it. 0 for
    /// no limit.
    #[serde(default)]
    pub clip_norm: f32,
    /// How much of the moving average of the parameters stays in each step, such as 0.999; the
    /// average is what is evaluated and exported. 0 for none.
    #[serde(default)]
    pub average: f32,
    /// Stop after so many epochs without a lower validation loss, and take the epoch with the
    /// lowest. 0 for never.
    #[serde(default)]
    pub patience: usize,
    /// Train on the images for validation too: once everything is chosen, they are worth more so. Their
    /// accuracy then says nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub learn_validation: bool,
    /// The fewest steps of the epochs in floating point. Where data are so few that there would be
    /// less, batch and rate fall and epochs rise; see [`Recipe::for_images`]. 0 for as many as there
    /// are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub least_steps: usize,
    /// How much more images of rare classes count in the loss: each class counts by its share of
    /// the images to the power of `1 - balance`. 0 for all images alike, 1 for all classes alike.
    #[serde(default, skip_serializing_if = "is_nought")]
    pub balance: f32,
    pub schedule: Schedule,
    pub optimizer: OptimizerChoice,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augmentation: Option<Augmentation>,
    /// Epochs with integers, after the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantization: Option<Quantization>,
    /// An answer for what is none of the classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<UnknownWish>,
    /// Trained networks that it learns from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<Distillation>,
}

/// Quantization-aware training: more epochs in which the network computes with the integers that
/// the converter chose; see [`crate::learn::quantization`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantization {
    pub epochs: usize,
    /// The highest learning rate; it falls to zero along half a cosine.
    pub rate: f64,
    /// Of the weights of all layers but the first and the last one: 8, or 4. By default as the network
    /// says, and a layer for which its description has bits keeps these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<u8>,
}

/// The smallest batch that small data lead to: fewer images make steps of chance.
const SMALLEST_BATCH: usize = 8;

/// Steps per epoch that a batch is made smaller for.
const STEPS_PER_EPOCH: usize = 16;

/// The most epochs that small data lead to.
const MOST_EPOCHS: usize = 300;

/// Side of the images that recipes are written for.
const USUAL_SIDE: f32 = 28.0;

/// From this side on their shift is little.
const LARGE_SIDE: f32 = 40.0;

/// The largest shift that a recipe may have.
const MOST_SHIFT: f32 = 64.0;

fn is_zero(value: &usize) -> bool {
    *value == 0
}

fn is_nought(value: &f32) -> bool {
    *value == 0.0
}

impl Recipe {
    /// This recipe for so many training images, and in words what had to be changed, if anything
    /// had to.
    ///
    /// Where the epochs have fewer steps than `least_steps`, the batch is halved until an epoch has
    /// enough of them, the rate falls with its root, and epochs are added. The result is what it is
    /// for itself: it may be kept and used again.
    pub fn for_images(&self, images: usize) -> (Self, Option<String>) {
        let steps = |recipe: &Self| recipe.epochs * images.div_ceil(recipe.batch);
        if steps(self) >= self.least_steps {
            return (self.clone(), None);
        }
        let mut recipe = self.clone();
        while recipe.batch >= 2 * SMALLEST_BATCH && images / recipe.batch < STEPS_PER_EPOCH {
            recipe.batch /= 2;
        }
        let smaller = recipe.batch as f64 / self.batch as f64;
        recipe.rate = rounded(self.rate * smaller.sqrt());
        let epochs = self.least_steps.div_ceil(images.div_ceil(recipe.batch).max(1));
        recipe.epochs = epochs.min(MOST_EPOCHS).max(self.epochs);
        if let Some(quantization) = &mut recipe.quantization {
            let more = recipe.epochs as f64 / self.epochs as f64;
            quantization.epochs = (quantization.epochs as f64 * more).round() as usize;
            quantization.rate = rounded(quantization.rate * smaller.sqrt());
        }
        recipe.least_steps = 0;
        let what = format!(
            "{images} training images are few: {} epochs instead of {}, batch {} instead of {}, rate \
             {} instead of {}; --epochs keeps the recipe as it is",
            recipe.epochs, self.epochs, recipe.batch, self.batch, recipe.rate, self.rate
        );
        (recipe, Some(what))
    }

    /// Makes the shift of the augmentation, which recipes have for images of 28×28, as large beside larger
    /// images; in words what it became, if it changed.
    pub fn scale_shift(&mut self, images: &Dataset) -> Option<String> {
        if !images.inputs.is_empty() {
            return None;
        }
        let [height, width, _] = images.shape;
        let side = ((height * width) as f32).sqrt();
        let augmentation = self.augmentation.as_mut()?;
        let usual = augmentation.shift;
        let shift = (10.0 * augmentation.shift * side / USUAL_SIDE).round() / 10.0;
        if side < LARGE_SIDE || shift <= usual {
            return None;
        }
        augmentation.shift = shift.min(MOST_SHIFT);
        Some(format!(
            "images of {height}×{width} are shifted by up to {} pixels while training, as those of 28×28 by \
             up to {usual}",
            augmentation.shift
        ))
    }

    /// The names of the built-in recipes, the default first.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// The built-in recipe of that name, or the recipe in that file.
    ///
    /// # Errors
    ///
    /// Neither; a file that cannot be read or is no recipe: where and why.
    pub fn open(name: &str) -> Result<Self, RecipeError> {
        if let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return Self::parse(text)
                .map_err(|what| RecipeError::Invalid { path: name.into(), what });
        }
        if !name.ends_with(".toml") {
            return Err(RecipeError::Unknown { name: name.to_string() });
        }
        let path = Path::new(name);
        let text = std::fs::read_to_string(path)
            .map_err(|error| RecipeError::Read { path: path.into(), error })?;
        let invalid = |what| RecipeError::Invalid { path: path.into(), what };
        let mut recipe = Self::parse(&text).map_err(invalid)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let teacher = recipe.teacher.take().map(|teacher| teacher.from_folder(folder));
        recipe.teacher = teacher.transpose().map_err(invalid)?;
        Ok(recipe)
    }

    /// Reads a recipe from TOML.
    ///
    /// # Errors
    ///
    /// One line: what is wrong, and on which line of the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let recipe: Self = toml::from_str(text)
            .map_err(|error| crate::learn::toml_error::toml_error(text, &error))?;
        recipe.check()?;
        Ok(recipe)
    }

    /// Makes a recipe of values that are already read.
    ///
    /// # Errors
    ///
    /// One line: what is wrong.
    pub fn from_table(table: toml::Table) -> Result<Self, String> {
        let recipe: Self = toml::Value::Table(table)
            .try_into()
            .map_err(|error| crate::learn::toml_error::toml_error("", &error))?;
        recipe.check()?;
        Ok(recipe)
    }

    /// The recipe as TOML, every value of it.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_else(|error| format!("# cannot be written: {error}\n"))
    }

    /// The recipe as a TOML file in `folder` has it, which must be there: with the paths that lead from
    /// it.
    pub fn to_file_in(&self, folder: &Path) -> String {
        let teacher = self.teacher.clone().map(|teacher| teacher.in_folder(folder));
        Self { teacher, ..self.clone() }.to_toml()
    }

    /// How the epochs with integers are trained: as the others but for their number and rate, and
    /// to their end.
    pub fn with_integers(&self) -> Option<Self> {
        self.quantization.as_ref().map(|quantization| Self {
            epochs: quantization.epochs,
            rate: quantization.rate,
            schedule: Schedule::Cosine { warmup: 0.0 },
            patience: 0,
            quantization: None,
            ..self.clone()
        })
    }

    /// Checks that every value makes sense.
    ///
    /// # Errors
    ///
    /// One line: which does not, and what it may be.
    pub fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: f64, least: f64, most: f64| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(format!("{name} is {value}, but must be from {least} to {most}"))
        };
        within("epochs", self.epochs as f64, 1.0, 10_000.0)?;
        within("batch", self.batch as f64, 1.0, 65_536.0)?;
        within("rate", self.rate, 0.0, 100.0)?;
        within("label_smoothing", self.label_smoothing.into(), 0.0, 0.9)?;
        within("clip_norm", self.clip_norm.into(), 0.0, 1e6)?;
        within("average", self.average.into(), 0.0, 0.999_999)?;
        within("least_steps", self.least_steps as f64, 0.0, 1e9)?;
        within("balance", self.balance.into(), 0.0, 1.0)?;
        for (name, chooses) in
            [("patience", self.patience > 0), ("[unknown]", self.unknown.is_some())]
        {
            if self.learn_validation && chooses {
                return Err(format!(
                    "{name} chooses by validation images, which learn_validation leaves none of; leave out \
                     one of them"
                ));
            }
        }
        if let Some(quantization) = &self.quantization {
            within("quantization.epochs", quantization.epochs as f64, 1.0, 10_000.0)?;
            within("quantization.rate", quantization.rate, 0.0, 100.0)?;
            if let Some(bits) = quantization.bits {
                check_bits(bits).map_err(|what| format!("quantization.bits: {what}"))?;
            }
        }
        if let Some(unknown) = &self.unknown {
            unknown.check()?;
        }
        if let Some(teacher) = &self.teacher {
            teacher.check()?;
        }
        self.schedule.check()?;
        self.optimizer.check()?;
        self.augmentation.as_ref().map_or(Ok(()), Augmentation::check)
    }
}

/// A rate with three significant digits, as a person would write it.
fn rounded(rate: f64) -> f64 {
    format!("{rate:.2e}").parse().unwrap_or(rate)
}

impl fmt::Display for Recipe {
    /// Every value that matters, so that equal texts mean equal recipes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, epochs, batch, rate, schedule, optimizer, .. } = self;
        write!(f, "{name}: {epochs} epochs, batch {batch}, rate {rate} {schedule}, {optimizer}")?;
        if self.label_smoothing > 0.0 {
            write!(f, ", label smoothing {}", self.label_smoothing)?;
        }
        if self.clip_norm > 0.0 {
            write!(f, ", gradient norm at most {}", self.clip_norm)?;
        }
        if self.average > 0.0 {
            write!(f, ", average of parameters {}", self.average)?;
        }
        if self.balance > 0.0 {
            write!(f, ", classes balanced by {}", self.balance)?;
        }
        if self.patience > 0 {
            write!(f, ", stops after {} epochs without progress", self.patience)?;
        }
        if self.learn_validation {
            write!(f, ", validation images learned too")?;
        }
        match &self.augmentation {
            Some(augmentation) => write!(f, ", {augmentation}")?,
            None => write!(f, ", no augmentation")?,
        }
        if let Some(Quantization { epochs, rate, bits }) = &self.quantization {
            write!(f, ", then {epochs} epochs with integers, rate {rate} cosine")?;
            if let Some(bits) = bits {
                write!(f, ", weights of {bits} bits")?;
            }
        }
        if let Some(unknown) = &self.unknown {
            write!(f, ", {unknown}")?;
        }
        match &self.teacher {
            Some(teacher) => write!(f, ", {teacher}"),
            None => Ok(()),
        }
    }
}

/// Why there is no recipe.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    #[error(
        "no recipe is called {name:?}; there are {}, or give a file that ends in .toml",
        Recipe::names().collect::<Vec<_>>().join(", ")
    )]
    Unknown { name: String },
    #[error("{}: cannot be read: {error}", path.display())]
    Read { path: PathBuf, error: std::io::Error },
    #[error("{}: {what}", path.display())]
    Invalid { path: PathBuf, what: String },
}

#[cfg(test)]
mod tests {
    use super::Recipe;

    #[test]
    fn the_built_in_recipes_are_valid_and_survive_writing() {
        for name in Recipe::names() {
            let recipe = Recipe::open(name).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(recipe.name, name);
            assert_eq!(Recipe::parse(&recipe.to_toml()), Ok(recipe));
        }
    }

    #[test]
    fn steps_follow_the_size_of_small_data() {
        let recipe = Recipe::open("default").expect("built in");
        let steps = |recipe: &Recipe, images: usize| recipe.epochs * images.div_ceil(recipe.batch);
        assert_eq!(recipe.for_images(55_000), (recipe.clone(), None), "large data change nothing");
        for images in [2, 40, 110, 700, 5_000] {
            let (small, said) = recipe.for_images(images);
            assert!(said.is_some() && small.check().is_ok(), "{images}");
            assert!(steps(&small, images) > steps(&recipe, images), "{images}");
            assert!(small.epochs == 300 || steps(&small, images) >= 2000, "{images}: {small}");
            assert!(small.batch >= 8 && small.rate <= recipe.rate, "{images}: {small}");
            assert_eq!(small.for_images(images), (small.clone(), None), "{images}: once is enough");
            assert_eq!(Recipe::parse(&small.to_toml()), Ok(small), "{images}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        let good = Recipe::open("default").expect("built in").to_toml();
        for (from, to, says) in [
            ("epochs = 10", "epochs = 0", "epochs is 0, but must be from 1"),
            ("epochs = 10", "epochs = ten", "line 2"),
            ("epochs = 10", "epoch = 10", "line 2: unknown field `epoch`"),
            ("epochs = 10", "", "missing field `epochs`"),
            ("rate = 0.05", "rate = -1.0", "rate is -1"),
            ("kind = \"sgd\"", "kind = \"sdg\"", "unknown variant `sdg`"),
            ("momentum = 0.9", "momentum = 1.5", "momentum is 1.5"),
            ("momentum = 0.9", "momentun = 0.9", "unknown field `momentun`"),
            ("rotation = 8.0", "rotation = 800.0", "rotation is 800"),
            ("warmup = 0.2", "warmup = 2.0", "warmup is 2"),
            (
                "patience = 0",
                "patience = 3\nlearn_validation = true",
                "patience chooses by validation images",
            ),
        ] {
            assert!(good.contains(from), "{from} is not in\n{good}");
            let error = Recipe::parse(&good.replacen(from, to, 1)).expect_err(to);
            assert!(error.contains(says) && error.lines().count() == 1, "{to}: {error}");
        }
    }
}
