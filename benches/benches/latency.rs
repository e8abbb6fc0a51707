//! Time per image, one image at a time on one thread, for every runtime in the same run.
//!
//! Results are named `<network>/<runtime>`, and the last lines are a table of the fastest samples.
//! ONNX Runtime is left out, with a word, where no library of it is found.

use std::time::Duration;

use benches::peers::{EmbeddedNn, Microflow};
use benches::{
    OnnxRuntime, SIMPLE_FLOAT, SIMPLE_INT8, Table, Tract, as_image, simple, test_images,
};
use criterion::{Criterion, criterion_group, criterion_main};
use firmware_core::Arena;
use tract_onnx::prelude::*;
use trainer::backend::{Backend, Choice};

/// Images that a runtime goes through in turn, so that none is remembered.
const IMAGES: usize = 100;

fn latency(criterion: &mut Criterion) {
    let test = test_images();
    let integers: Vec<Vec<u8>> = (0..IMAGES).map(|index| test.image(index).to_vec()).collect();
    let scale = |pixels: &Vec<u8>| pixels.iter().map(|&p| f32::from(p) / 255.0).collect();
    let floats: Vec<Vec<f32>> = integers.iter().map(scale).collect();
    let images: Vec<simple::Image> = integers.iter().map(|pixels| as_image(pixels)).collect();
    let mut next = (0..IMAGES).cycle();
    let mut turn = move || next.next().unwrap_or_default();

    let mut group = criterion.benchmark_group("simple");
    group
        .sample_size(50)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));

    let mut table = Table::default();
    let mut arena = Arena::new();
    table.bench(&mut group, "firmware-core", || simple::infer(&images[turn()], &mut arena));
    let signed: Vec<Vec<i8>> = integers
        .iter()
        .map(|pixels| pixels.iter().map(|&pixel| (pixel / 2) as i8).collect())
        .collect();
    let mut embedded_nn = EmbeddedNn::default();
    table.bench(&mut group, "embedded-nn", || embedded_nn.run(&signed[turn()]));
    let microflow = Microflow::default();
    table.bench(&mut group, "microflow-without-pooling", || microflow.run(&signed[turn()]));
    let tract = Tract::load(SIMPLE_FLOAT, f32::datum_type());
    table.bench(&mut group, "tract-f32", || tract.run(&floats[turn()]));
    let tract = Tract::load(SIMPLE_INT8, u8::datum_type());
    table.bench(&mut group, "tract-int8", || tract.run(&integers[turn()]));

    match Backend::start(Choice::Onnxruntime, None) {
        Ok(backend) => {
            let mut float = OnnxRuntime::load(&backend, SIMPLE_FLOAT, 1);
            table.bench(&mut group, "onnxruntime-f32", || float.run(&floats[turn()]));
            let mut int8 = OnnxRuntime::load(&backend, SIMPLE_INT8, 1);
            table.bench(&mut group, "onnxruntime-int8", || int8.run(&integers[turn()]));
        }
        Err(error) => eprintln!("SKIPPED: onnxruntime-f32, onnxruntime-int8 - {error}"),
    }
    group.finish();
    table.print(1);
}

criterion_group!(benches, latency);
criterion_main!(benches);
