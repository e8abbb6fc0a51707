//! What teachers say of images.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::teacher::{Teacher, TeacherError};
use crate::learn::backend::Session;
use crate::learn::softmax::softmax;

/// Teachers that are asked about parts of batches on one thread.
pub struct Lessons {
    teachers: Vec<(Arc<Teacher>, Session)>,
    temperature: f32,
    /// Images in a part.
    size: usize,
    took: Duration,
}

impl Lessons {
    pub(super) fn new(
        teachers: Vec<(Arc<Teacher>, Session)>,
        temperature: f32,
        size: usize,
    ) -> Self {
        Self { teachers, temperature, size, took: Duration::ZERO }
    }

    /// For `images`, `[channels · height · width, size]` (pixel / 255), the mean of the teachers'
    /// probabilities at the temperature, `[classes, size]`.
    pub fn probabilities(&mut self, images: &[f32]) -> Result<Vec<f32>, TeacherError> {
        let begun = Instant::now();
        let Self { temperature, size, .. } = *self;
        let mut sums: Vec<f64> = Vec::new();
        for (teacher, session) in &mut self.teachers {
            let logits = teacher.logits(session, images, size, size)?;
            sums.resize(logits[0].len() * size, 0.0);
            for (column, logits) in logits.iter().enumerate() {
                let cooled: Vec<f32> = logits.iter().map(|logit| logit / temperature).collect();
                for (class, probability) in softmax(&cooled).into_iter().enumerate() {
                    sums[class * size + column] += f64::from(probability);
                }
            }
        }
        let count = self.teachers.len() as f64;
        self.took += begun.elapsed();
        Ok(sums.into_iter().map(|sum| (sum / count) as f32).collect())
    }

    /// How long all answers so far took.
    pub fn took(&self) -> Duration {
        self.took
    }
}
