//! Distillation: a network learns to answer as trained ones do, its teachers.
//!
//! The section `[teacher]` of a recipe, [`Distillation`], names them. [`teacher`] reads their files,
//! and [`lessons`] asks them about the very images that a worker trains on, augmented and mixed. What
//! becomes of their answers is [`Soft`]'s.

mod lessons;
mod teacher;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use inkling_support::files::relative;
use serde::{Deserialize, Serialize};

use crate::learn::backend::{Backend, BackendError};
use crate::learn::step::Soft;
use inkling_data::Dataset;

pub use lessons::Lessons;
pub use teacher::{Teacher, TeacherError};

/// More teachers than this are a slip of the keyboard.
const MOST_TEACHERS: usize = 32;

/// How a network learns from others, the section `[teacher]` of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distillation {
    /// Folders of models or ONNX files; the mean of their probabilities is what is learned. In a file
    /// relative to it, in memory to the folder in which the process runs.
    pub models: Vec<PathBuf>,
    /// What all logits are divided by before the softmax: the higher, the more is learned of how a
    /// teacher sees the wrong classes.
    #[serde(default = "usual_temperature")]
    pub temperature: f32,
    /// The teachers' part of the loss, 0 to 1; the rest is that of the labels.
    #[serde(default = "usual_weight")]
    pub weight: f32,
}

fn usual_temperature() -> f32 {
    4.0
}

fn usual_weight() -> f32 {
    0.7
}

impl Distillation {
    /// Checks that every value makes sense.
    ///
    /// # Errors
    ///
    /// One line: which does not, and what it may be.
    pub fn check(&self) -> Result<(), String> {
        let Self { models, temperature, weight } = self;
        if models.is_empty() || models.len() > MOST_TEACHERS {
            return Err(format!(
                "teacher.models names {} models, but must name from 1 to {MOST_TEACHERS}",
                models.len()
            ));
        }
        let mut known = BTreeSet::new();
        if let Some(twice) = models.iter().find(|model| !known.insert(*model)) {
            return Err(format!("teacher.models names {} twice", twice.display()));
        }
        if !(0.1..=100.0).contains(temperature) {
            return Err(format!(
                "teacher.temperature is {temperature}, but must be from 0.1 to 100"
            ));
        }
        if !(0.0..=1.0).contains(weight) {
            return Err(format!("teacher.weight is {weight}, but must be from 0 to 1"));
        }
        Ok(())
    }

    /// With the paths of a file in `folder` as this process sees them.
    ///
    /// # Errors
    ///
    /// One line: a path that TOML could not write again.
    pub fn from_folder(mut self, folder: &Path) -> Result<Self, String> {
        for model in &mut self.models {
            *model = folder.join(&*model);
            if model.to_str().is_none() {
                return Err(format!("{}: the path is not UTF-8", model.display()));
            }
        }
        Ok(self)
    }

    /// With the paths that a file in `folder` must have.
    pub fn in_folder(mut self, folder: &Path) -> Self {
        for model in &mut self.models {
            if let Some(path) = relative(model, folder).filter(|path| path.to_str().is_some()) {
                *model = path;
            }
        }
        self
    }
}

impl fmt::Display for Distillation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { models, temperature, weight } = self;
        let names: Vec<String> = models.iter().map(|model| teacher::name(model)).collect();
        write!(f, "taught by {} at temperature {temperature}, weight {weight}", names.join(" and "))
    }
}

/// The teachers of a training, ready to be asked.
pub struct Teachers {
    teachers: Vec<Arc<Teacher>>,
    soft: Soft,
}

impl Teachers {
    /// Those of `wish` for images and classes of `images`.
    ///
    /// # Errors
    ///
    /// One line: a teacher that cannot be read, or takes or knows something else.
    pub fn open(wish: &Distillation, images: &Dataset) -> Result<Self, TeacherError> {
        let open = |path: &PathBuf| Ok(Arc::new(Teacher::open(path, images)?));
        Ok(Self::new(wish, wish.models.iter().map(open).collect::<Result<_, _>>()?))
    }

    /// Of models that are read already, in the order of `wish`.
    pub fn new(wish: &Distillation, teachers: Vec<Arc<Teacher>>) -> Self {
        let soft = Soft { temperature: wish.temperature, weight: wish.weight };
        Self { teachers, soft }
    }

    pub fn teachers(&self) -> &[Arc<Teacher>] {
        &self.teachers
    }

    pub fn soft(&self) -> Soft {
        self.soft
    }

    /// What tells these teachers from others, whatever their names: their files' checksums.
    pub fn identity(&self) -> String {
        let sums: Vec<&str> = self.teachers.iter().map(|teacher| teacher.sha256()).collect();
        format!(", teachers with sha256 {}", sums.join(" and "))
    }

    /// Loads them for `size` images at a time, to be asked on one thread.
    pub fn start(&self, backend: &Backend, size: usize) -> Result<Lessons, BackendError> {
        let sessions = self
            .teachers
            .iter()
            .map(|teacher| Ok((Arc::clone(teacher), backend.session(teacher.onnx())?)));
        Ok(Lessons::new(
            sessions.collect::<Result<_, BackendError>>()?,
            self.soft.temperature,
            size,
        ))
    }
}
