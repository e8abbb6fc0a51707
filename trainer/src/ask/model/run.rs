//! Runs the float network in tract.

use converter::read;
use inkling_data::{Dataset, MAX_CLASSES};
use inkling_support::parallel;
use tract_onnx::pb;
use tract_onnx::prelude::*;

/// Images per run.
const BATCH: usize = 50;

/// The number of logits that a model's output declares.
pub fn classes(model: &pb::ModelProto) -> Option<usize> {
    use pb::tensor_shape_proto::dimension::Value;
    let output = model.graph.as_ref()?.output.first()?;
    let pb::type_proto::Value::TensorType(tensor) = output.r#type.as_ref()?.value.as_ref()?;
    match tensor.shape.as_ref()?.dim.last()?.value.as_ref()? {
        Value::DimValue(classes) if (2..=MAX_CLASSES as i64).contains(classes) => {
            Some(*classes as usize)
        }
        _ => None,
    }
}

/// The logits of every image.
pub fn float_logits(onnx: &[u8], classes: usize, images: &Dataset) -> TractResult<Vec<Vec<f32>>> {
    let mut dims = read::input_dims(onnx)?;
    let symbolic = dims[0];
    dims[0] = BATCH;
    let mut bytes = onnx;
    let model = tract_onnx::onnx().model_for_read(&mut bytes)?;
    // A file with a fixed batch runs with that one.
    let (plan, batch) =
        match model.clone().with_input_fact(0, f32::fact(&dims).into())?.into_optimized() {
            Ok(model) => (model.into_runnable()?, BATCH),
            Err(_) => {
                dims[0] = symbolic;
                (
                    model
                        .with_input_fact(0, f32::fact(&dims).into())?
                        .into_optimized()?
                        .into_runnable()?,
                    symbolic,
                )
            }
        };
    let size = images.image_size();
    let batches =
        parallel::map(images.len().div_ceil(batch), |index| -> TractResult<Vec<Vec<f32>>> {
            let first = index * batch;
            let count = batch.min(images.len() - first);
            let bytes = images.planar_batch(first..first + count);
            let mut pixels: Vec<f32> =
                bytes.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
            pixels.resize(batch * size, 0.0);
            let result = plan.run(tvec!(Tensor::from_shape(&dims, &pixels)?.into()))?;
            let view = result[0].to_plain_array_view::<f32>()?;
            let logits: Vec<f32> = view.iter().copied().collect();
            Ok(logits.chunks(classes).take(count).map(<[f32]>::to_vec).collect())
        });
    let mut all = Vec::with_capacity(images.len());
    for batch in batches {
        all.extend(batch?);
    }
    Ok(all)
}
