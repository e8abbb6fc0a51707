//! Runtimes behind the same function, so that a benchmark compares like with like.

use std::sync::Arc;

use inkling_data::{Dataset, Split};
use ort::session::Session;
use ort::value::TensorRef;
use tract_onnx::prelude::*;
use trainer::learn::backend::Backend;

pub mod generated;
pub mod peers;
mod table;

pub use table::{Table, measuring};

#[rustfmt::skip] // generated
#[path = "../../models/simple/model.rs"]
pub mod simple;

/// The committed models of the network `simple`.
pub static SIMPLE_FLOAT: &[u8] = include_bytes!("../../models/simple/float.onnx");
pub static SIMPLE_INT8: &[u8] = include_bytes!("../../models/simple/int8.onnx");

/// MNIST's test images: real input, since zeros are cheap for some kernels.
///
/// # Panics
///
/// If the committed files are damaged.
pub fn test_images() -> Dataset {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/mnist");
    Dataset::load(folder.as_ref(), Split::Test).expect("MNIST is committed")
}

/// The pixels of one image as the device takes them.
pub fn as_image(pixels: &[u8]) -> simple::Image {
    let mut image = [[[0; 1]; 28]; 28];
    image.as_flattened_mut().as_flattened_mut().copy_from_slice(pixels);
    image
}

/// tract's plan for a model and a batch of one.
pub struct Tract {
    plan: Arc<TypedRunnableModel>,
    /// Channels, height and width of an image.
    shape: [usize; 3],
}

impl Tract {
    /// # Panics
    ///
    /// If tract does not run the committed model.
    pub fn load(onnx: &[u8], element: DatumType) -> Self {
        Self::load_shaped(onnx, element, [1, 28, 28]).expect("tract runs the committed model")
    }

    /// The same for an input of `[channels, height, width]`.
    ///
    /// # Errors
    ///
    /// If tract does not run the model.
    pub fn load_shaped(onnx: &[u8], element: DatumType, shape: [usize; 3]) -> TractResult<Self> {
        let mut bytes = onnx;
        let [channels, height, width] = shape;
        let fact = InferenceFact::dt_shape(element, [1, channels, height, width]);
        let plan = tract_onnx::onnx()
            .model_for_read(&mut bytes)
            .and_then(|model| model.with_input_fact(0, fact))
            .and_then(|model| model.into_optimized())
            .and_then(|model| model.into_runnable())?;
        Ok(Self { plan, shape })
    }

    /// Runs one image.
    pub fn run<T: Datum + Copy>(&self, pixels: &[T]) {
        let [channels, height, width] = self.shape;
        let input =
            Tensor::from_shape(&[1, channels, height, width], pixels).expect("one whole image");
        std::hint::black_box(self.plan.run(tvec!(input.into())).expect("tract runs the model"));
    }
}

/// ONNX Runtime's session for a model.
pub struct OnnxRuntime {
    session: Session,
    /// Channels, height and width of an image.
    shape: [usize; 3],
}

impl OnnxRuntime {
    /// A session that computes on `threads` threads; one is the calling thread alone.
    ///
    /// # Panics
    ///
    /// If ONNX Runtime does not load the committed model.
    pub fn load(backend: &Backend, onnx: &[u8], threads: usize) -> Self {
        Self::load_shaped(backend, onnx, threads, [1, 28, 28])
    }

    /// The same for images of `[channels, height, width]`.
    ///
    /// # Panics
    ///
    /// If ONNX Runtime does not load the model.
    pub fn load_shaped(backend: &Backend, onnx: &[u8], threads: usize, shape: [usize; 3]) -> Self {
        let session = Session::builder(backend.environment())
            .and_then(|builder| Ok(builder.with_intra_threads(threads)?))
            .and_then(|builder| Ok(builder.with_inter_threads(1)?))
            .and_then(|builder| Ok(builder.with_config_entry("session.x64quantprecision", "1")?))
            .and_then(|mut builder| builder.commit_from_memory(onnx));
        Self { session: session.expect("ONNX Runtime loads the model"), shape }
    }

    /// Runs the images of `pixels` in one batch.
    pub fn run<T>(&mut self, pixels: &[T])
    where
        T: ort::value::PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static,
    {
        let [channels, height, width] = self.shape;
        let shape = [pixels.len() / (channels * height * width), channels, height, width];
        let input = TensorRef::from_array_view((shape, pixels)).expect("whole images");
        let outputs =
            self.session.run(ort::inputs!["image" => input]).expect("ONNX Runtime runs the model");
        std::hint::black_box(&outputs);
    }
}
