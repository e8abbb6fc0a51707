//! Time per image, one image at a time on one thread, for every runtime in the same run.
//!
//! First `simple`, beside the other Rust libraries too: results are named `<network>/<runtime>`, and
//! behind them is a table of the fastest samples, among which are some that the runtimes take in turn.
//! Then a table of all networks.
//! ONNX Runtime is left out, with a word, where no library of it is found.

mod networks;

use std::cell::Cell;
use std::hint::black_box;
use std::time::Duration;

use benches::peers::{EmbeddedNn, Microflow};
use benches::{
    OnnxRuntime, SIMPLE_FLOAT, SIMPLE_INT8, Table, Tract, as_image, simple, test_images,
};
use criterion::{Criterion, criterion_group, criterion_main};
use firmware_core::Arena;
use tract_onnx::prelude::*;
use trainer::learn::backend::{Backend, Choice};

/// Images that a runtime goes through in turn, so that none is remembered.
const IMAGES: usize = 100;
/// How often all runtimes take their turn, and for how many seconds.
const ROUNDS: usize = 50;
const TURN: f64 = 0.01;

fn latency(criterion: &mut Criterion) {
    let test = test_images();
    let integers: Vec<Vec<u8>> = (0..IMAGES).map(|index| test.image(index).to_vec()).collect();
    let scale = |pixels: &Vec<u8>| pixels.iter().map(|&p| f32::from(p) / 255.0).collect();
    let floats: Vec<Vec<f32>> = integers.iter().map(scale).collect();
    let images: Vec<simple::Image> = integers.iter().map(|pixels| as_image(pixels)).collect();
    let next = Cell::new(0);
    let turn = || next.replace((next.get() + 1) % IMAGES);

    let mut group = criterion.benchmark_group("simple");
    group
        .sample_size(50)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));

    let signed: Vec<Vec<i8>> = integers
        .iter()
        .map(|pixels| pixels.iter().map(|&pixel| (pixel / 2) as i8).collect())
        .collect();
    let mut arena = Arena::new();
    let mut embedded_nn = EmbeddedNn::default();
    let microflow = Microflow::default();
    let tract_float = Tract::load(SIMPLE_FLOAT, f32::datum_type());
    let tract_int8 = Tract::load(SIMPLE_INT8, u8::datum_type());
    // There can be one in a process.
    let backend = Backend::start(Choice::Onnxruntime, None)
        .map_err(|error| eprintln!("SKIPPED: ONNX Runtime - {error}"))
        .ok();
    let mut sessions = backend
        .as_ref()
        .map(|backend| [SIMPLE_FLOAT, SIMPLE_INT8].map(|onnx| OnnxRuntime::load(backend, onnx, 1)));
    let mut runs: Vec<(&str, Box<dyn FnMut() + '_>)> = vec![
        ("firmware-core", Box::new(|| _ = black_box(simple::infer(&images[turn()], &mut arena)))),
        ("embedded-nn", Box::new(|| embedded_nn.run(&signed[turn()]))),
        ("microflow-without-pooling", Box::new(|| microflow.run(&signed[turn()]))),
        ("tract-f32", Box::new(|| tract_float.run(&floats[turn()]))),
        ("tract-int8", Box::new(|| tract_int8.run(&integers[turn()]))),
    ];
    if let Some([float, int8]) = &mut sessions {
        runs.push(("onnxruntime-f32", Box::new(|| float.run(&floats[turn()]))));
        runs.push(("onnxruntime-int8", Box::new(|| int8.run(&integers[turn()]))));
    }

    let mut table = Table::default();
    for (name, run) in &mut runs {
        table.bench(&mut group, name, run);
    }
    group.finish();
    table.turns(ROUNDS, TURN, &mut runs);
    table.print(1);
    networks::compare(backend.as_ref());
}

criterion_group!(benches, latency);
criterion_main!(benches);
