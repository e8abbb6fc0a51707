//! The teachers of a job: tried before anything is written, and named in all that is.

use std::fmt::Write;

use anyhow::Result;
use converter::record::SourceRecord;
use inkling_data::Sets;

use super::Job;
use crate::learn::backend::Backend;
use crate::learn::distillation::{Teacher, Teachers};

/// Teachers that have answered, and what is said of them.
pub(super) struct Teaching {
    pub teachers: Teachers,
    /// A line for each, and for what is doubtful about it.
    pub told: String,
    /// What is against the figures of a model that learned from them: where the test images are drawn
    /// from the data, a teacher may have learned them.
    pub doubts: Vec<String>,
}

impl Job {
    /// Those of the recipe, if it names any.
    ///
    /// # Errors
    ///
    /// One line: a teacher that cannot be read or asked, or takes or knows something else.
    pub(super) fn teaching(&self, backend: &Backend, sets: &Sets) -> Result<Option<Teaching>> {
        let Some(wish) = &self.recipe.teacher else { return Ok(None) };
        let teachers = Teachers::open(wish, &sets.images)?;
        let (mut told, mut doubts) = (String::new(), Vec::new());
        for teacher in teachers.teachers() {
            let right = teacher.count_right(backend, &sets.validation)?;
            let _ = writeln!(
                told,
                "teacher:  {} (sha256 {}): {right} of {} validation images are right",
                teacher.name(),
                teacher.sha256(),
                sets.validation.len()
            );
            if teacher.form().is_some_and(|form| *form != sets.form) {
                let _ = writeln!(
                    told,
                    "note:     {} learned from images that were prepared otherwise than these",
                    teacher.name()
                );
            }
            if divided_otherwise(teacher, sets) {
                let _ = writeln!(
                    told,
                    "note:     {} learned from other data or another division of these, so \
                     validation images may be among what it knows by heart",
                    teacher.name()
                );
                if !sets.test_given {
                    doubts.push(format!(
                        "the teacher {} learned from other data or another division of these, and \
                         the test images may be among them",
                        teacher.name()
                    ));
                }
            }
        }
        Ok(Some(Teaching { teachers, told, doubts }))
    }
}

impl Teaching {
    /// The teachers' files for the record of the model.
    pub fn sources(&self) -> Vec<SourceRecord> {
        let source = |teacher: &Teacher| SourceRecord {
            file: teacher.name().to_string(),
            sha256: teacher.sha256().to_string(),
        };
        self.teachers.teachers().iter().map(|teacher| source(teacher)).collect()
    }
}

/// Whether a teacher is known to have learned from other images than those for training, or from those for
/// validation too.
fn divided_otherwise(teacher: &Teacher, sets: &Sets) -> bool {
    teacher
        .split()
        .is_some_and(|split| split.sha256 != sets.fingerprint || split.validation_learned)
}
