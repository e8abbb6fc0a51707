//! ONNX Runtime as a reference, where a library of it is found.

use converter::graph::Shape;
use inkling_data::Dataset;
use ort::session::Session;
use ort::value::TensorRef;
use trainer::learn::backend::{Backend, Choice};

/// Set by CI: a missing ONNX Runtime is then a failure, not a skip.
pub const REQUIRED: &str = "INKLING_REQUIRE_ORT";

/// Starts ONNX Runtime for this process, or says loudly that what it was for is skipped.
///
/// # Panics
///
/// If there is none and [`REQUIRED`] is set.
pub fn start(what: &str) -> Option<Backend> {
    match Backend::start(Choice::Onnxruntime, None) {
        Ok(backend) => {
            println!("{}", backend.description());
            Some(backend)
        }
        Err(error) => {
            crate::skip(what, &error.to_string(), "pip install onnxruntime", REQUIRED);
            None
        }
    }
}

/// A single-threaded session for integer models.
///
/// On x86 without VNNI, ONNX Runtime's default kernels saturate sums of two u8×i8 products at
/// 16 bits; the option asks for the exact ones.
pub fn exact_session(backend: &Backend, onnx: &[u8]) -> Session {
    let builder = Session::builder(backend.environment()).expect("a session can be configured");
    builder
        .with_intra_threads(1)
        .and_then(|builder| builder.with_inter_threads(1))
        .and_then(|builder| builder.with_config_entry("session.x64quantprecision", "1"))
        .expect("ONNX Runtime knows these options")
        .commit_from_memory(onnx)
        .expect("ONNX Runtime loads the model")
}

/// The outputs of these names and shapes of an `int8.onnx` for every image, one behind the other and each
/// height × width × channels.
pub fn int8_outputs(
    backend: &Backend,
    onnx: &[u8],
    outputs: &[(String, Shape)],
    images: &Dataset,
) -> Vec<Vec<i32>> {
    let mut session = exact_session(backend, onnx);
    let [height, width, channels] = images.shape;
    let pixels = images.planar_batch(0..images.len());
    let shape = [images.len(), channels, height, width];
    let input = TensorRef::from_array_view((shape, &pixels[..])).expect("shape and pixels agree");
    let results = session.run(ort::inputs!["image" => input]).expect("ONNX Runtime runs the model");
    let mut all = vec![Vec::new(); images.len()];
    for (name, shape) in outputs {
        let value = &results[name.as_str()];
        let integers: Vec<i32> = if let Ok((_, values)) = value.try_extract_tensor::<i32>() {
            values.to_vec()
        } else if let Ok((_, values)) = value.try_extract_tensor::<i8>() {
            values.iter().map(|&q| q.into()).collect()
        } else {
            let (_, values) = value.try_extract_tensor::<u8>().expect("an output is i32, i8 or u8");
            values.iter().map(|&q| q.into()).collect()
        };
        let pixels = shape.height * shape.width;
        for (row, planes) in all.iter_mut().zip(integers.chunks(shape.size())) {
            for pixel in 0..pixels {
                row.extend((0..shape.channels).map(|channel| planes[channel * pixels + pixel]));
            }
        }
    }
    all
}

/// The logits of an `int8.onnx` for every image.
pub fn int8_logits(
    backend: &Backend,
    onnx: &[u8],
    classes: usize,
    images: &Dataset,
) -> Vec<Vec<i32>> {
    const BATCH: usize = 100;
    let mut session = exact_session(backend, onnx);
    let [height, width, channels] = images.shape;
    let mut all = Vec::with_capacity(images.len());
    for start in (0..images.len()).step_by(BATCH) {
        let count = BATCH.min(images.len() - start);
        let pixels = images.planar_batch(start..start + count);
        let shape = [count, channels, height, width];
        let input =
            TensorRef::from_array_view((shape, &pixels[..])).expect("shape and pixels agree");
        let outputs =
            session.run(ort::inputs!["image" => input]).expect("ONNX Runtime runs the model");
        let (_, logits) =
            outputs["logits"].try_extract_tensor::<i32>().expect("the logits are i32");
        all.extend(logits.chunks(classes).map(<[i32]>::to_vec));
    }
    all
}
