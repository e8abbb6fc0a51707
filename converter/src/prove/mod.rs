//! Runs ONNX models in tract: the independent check of what was read and of what is computed.

mod reading;

use tract_onnx::prelude::*;

use crate::quantized::QuantizedNetwork;
use crate::reference;
use inkling_data::Dataset;
use inkling_support::parallel;
pub use reading::{READING_TOLERANCE, Reading, ReadingError, reading};

/// Images per run of tract's plan.
const BATCH: usize = 50;

/// How the integer network compares with tract on `int8.onnx`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    pub images: usize,
    /// Logits compared: images × classes.
    pub logits: usize,
    /// Logits that differ, of any size: anything but 0 is a defect.
    pub mismatches: usize,
    /// The integer network's logits, for whoever needs them next.
    pub ours: Vec<Vec<i32>>,
}

/// Compares every logit of every image, with no tolerance.
///
/// # Errors
///
/// What tract says if it cannot load or run the model.
pub fn against_tract(
    network: &QuantizedNetwork,
    int8_onnx: &[u8],
    images: &Dataset,
) -> TractResult<Agreement> {
    let ours = reference::all_logits(network, images);
    let theirs = int8_logits(int8_onnx, network.classes(), images)?;
    let differing =
        |(a, b): (&Vec<i32>, &Vec<i32>)| a.iter().zip(b).filter(|(a, b)| a != b).count();
    Ok(Agreement {
        images: images.len(),
        logits: images.len() * network.classes(),
        mismatches: ours.iter().zip(&theirs).map(differing).sum(),
        ours,
    })
}

/// Runs an `int8.onnx` on every image.
pub fn int8_logits(onnx: &[u8], classes: usize, images: &Dataset) -> TractResult<Vec<Vec<i32>>> {
    let shape = [BATCH, 1, images.height, images.width];
    let plan = plan(onnx, u8::fact(shape).into())?;
    let size = images.image_size();
    let batches =
        parallel::map(images.len().div_ceil(BATCH), |batch| -> TractResult<Vec<Vec<i32>>> {
            let first = batch * BATCH;
            let count = BATCH.min(images.len() - first);
            let mut pixels = images.images[first * size..(first + count) * size].to_vec();
            pixels.resize(BATCH * size, 0);
            let result = plan.run(tvec!(Tensor::from_shape(&shape, &pixels)?.into()))?;
            let view = result[0].to_plain_array_view::<i32>()?;
            let logits: Vec<i32> = view.iter().copied().collect();
            Ok(logits.chunks(classes).take(count).map(<[i32]>::to_vec).collect())
        });
    let mut all = Vec::with_capacity(images.len());
    for batch in batches {
        all.extend(batch?);
    }
    Ok(all)
}

fn plan(onnx: &[u8], input: InferenceFact) -> TractResult<Arc<TypedRunnableModel>> {
    let mut bytes = onnx;
    tract_onnx::onnx()
        .model_for_read(&mut bytes)?
        .with_input_fact(0, input)?
        .into_optimized()?
        .into_runnable()
}
