//! How good a network is on images it did not learn from.

use inkling_data::{Dataset, planar_order};
use inkling_support::order::first_largest;

use super::at_once;
use crate::learn::backend::{Backend, BackendError, Session};
use crate::learn::batches::columns;
use crate::learn::network::{IMAGE, Network};
use crate::learn::quantization::Plan;
use crate::learn::step::inference_graph;

/// Images per run of a graph at most.
const BATCH: usize = 100;

/// Values of images per run of an exported model at most, so that large ones take no more memory than
/// small ones: a hundred of 28×28 in colour.
const VALUES: usize = BATCH * 28 * 28 * 3;

/// The result on a data set.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Mean cross-entropy.
    pub loss: f64,
    pub correct: usize,
}

/// Evaluates parameters of one network.
pub struct Evaluator {
    session: Session,
    pixels: usize,
    /// Images per run.
    batch: usize,
}

impl Evaluator {
    /// With a `plan`, as its integers answer.
    pub fn new(
        backend: &Backend,
        network: &Network,
        plan: Option<&Plan>,
    ) -> Result<Self, BackendError> {
        let batch = at_once::images(network).min(BATCH);
        let session = backend.session(&inference_graph(backend.kind(), network, plan, batch))?;
        Ok(Self { session, pixels: network.input.iter().product(), batch })
    }

    /// The loss and the right answers on all images of `dataset`.
    pub fn evaluate(
        &mut self,
        parameters: &[f32],
        dataset: &Dataset,
    ) -> Result<Evaluation, BackendError> {
        let batch = self.batch;
        let mut evaluation = Evaluation { loss: 0.0, correct: 0 };
        for start in (0..dataset.len()).step_by(batch) {
            let range = start..dataset.len().min(start + batch);
            let labels = &dataset.labels[range.clone()];
            let images = columns(dataset, range, batch);
            let outputs = self.session.run(&[
                ("parameters", &[parameters.len()], parameters),
                ("images", &[self.pixels, batch], &images),
            ])?;
            for (column, &label) in labels.iter().enumerate() {
                let logits: Vec<f32> =
                    outputs[0].iter().skip(column).step_by(batch).copied().collect();
                evaluation.loss += cross_entropy(&logits, usize::from(label));
                evaluation.correct += usize::from(first_largest(&logits) == usize::from(label));
            }
        }
        evaluation.loss /= dataset.len() as f64;
        Ok(evaluation)
    }
}

/// What an exported model answers for every image of `dataset`, by the backend's own reading of the
/// file: the class with the largest logit, the first of equals. An output behind the classes is none.
pub fn exported_predictions(
    backend: &Backend,
    float_onnx: &[u8],
    dataset: &Dataset,
) -> Result<Vec<usize>, BackendError> {
    let mut session = backend.session(float_onnx)?;
    let batch = (VALUES / dataset.image_size()).clamp(1, BATCH);
    let mut predictions = Vec::with_capacity(dataset.len());
    for start in (0..dataset.len()).step_by(batch) {
        let count = batch.min(dataset.len() - start);
        let inputs: Vec<(&str, [usize; 4], Vec<f32>)> = dataset
            .parts()
            .into_iter()
            .map(|(name, shape, places)| {
                let [height, width, channels] = shape;
                let images = (start..start + count).flat_map(|index| {
                    let image = &dataset.image(index)[places.clone()];
                    planar_order(shape).map(|place| f32::from(image[place]) / 255.0)
                });
                let name = if name.is_empty() { IMAGE } else { name };
                (name, [count, channels, height, width], images.collect())
            })
            .collect();
        let inputs: Vec<(&str, &[usize], &[f32])> =
            inputs.iter().map(|(name, shape, images)| (*name, &shape[..], &images[..])).collect();
        let outputs = session.run(&inputs)?;
        let logits = outputs[0].chunks(outputs[0].len() / count);
        let known = |logits: &[f32]| first_largest(&logits[..logits.len().min(dataset.classes())]);
        predictions.extend(logits.map(known));
    }
    Ok(predictions)
}

fn cross_entropy(logits: &[f32], label: usize) -> f64 {
    let largest = f64::from(logits.iter().copied().fold(f32::MIN, f32::max));
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
    sum.ln() + largest - f64::from(logits[label])
}
