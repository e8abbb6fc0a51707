//! The six networks whose cost is held against other runtimes', one image at a time on one thread:
//! `simple`, and the reference networks with random weights.

use std::path::Path;
use std::time::Instant;

use benches::generated::{Module, Program};
use benches::{OnnxRuntime, SIMPLE_FLOAT, SIMPLE_INT8, Tract, measuring};
use converter::record::ModelRecord;
use converter::reference;
use inkling_data::{Dataset, planar_order};
use tests::networks::{REFERENCES, digits};
use tract_onnx::prelude::*;
use trainer::learn::backend::Backend;

/// How often all runtimes take their turn, and for how many seconds.
const ROUNDS: usize = 60;
const TURN: f64 = 0.01;
/// Bytes of the vectors: the widest there are, and AVX2's.
const VECTORS: [usize; 2] = [64, 32];

const RUNTIMES: [&str; 6] = [
    "firmware-core",
    "firmware-core, AVX2 at most",
    "tract f32",
    "tract int8",
    "ONNX Runtime f32",
    "ONNX Runtime int8",
];

/// What runtimes need of a network.
struct Network {
    name: &'static str,
    code: String,
    float: Vec<u8>,
    int8: Vec<u8>,
    samples: Dataset,
    /// Of all samples, by the converter's scalar kernels.
    logits: Vec<i32>,
}

fn networks() -> Vec<Network> {
    let converted = REFERENCES.iter().map(|reference| {
        let (conversion, samples) = (reference.convert(), reference.samples(2));
        Network {
            name: reference.name,
            code: conversion.model_rs(),
            float: conversion.source.clone(),
            int8: conversion.int8_onnx(),
            logits: reference::all_logits(&conversion.network, &samples).concat(),
            samples,
        }
    });
    let samples = digits();
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/simple"));
    let record = ModelRecord::of_folder(folder).expect("a record").expect("of the committed model");
    let (_, integers) = converter::restore(SIMPLE_FLOAT, &record, SIMPLE_INT8)
        .expect("the committed model's files agree");
    let simple = Network {
        name: "simple",
        code: include_str!("../../../models/simple/model.rs").to_owned(),
        float: SIMPLE_FLOAT.to_vec(),
        int8: SIMPLE_INT8.to_vec(),
        logits: reference::all_logits(&integers, &samples).concat(),
        samples,
    };
    std::iter::once(simple).chain(converted).collect()
}

/// Each runtime's fastest time per image, in seconds; none where it does not run the network.
type Row = [Option<f64>; RUNTIMES.len()];

/// Runs the next sample in each call.
fn turns<'a, T: 'a>(samples: Vec<Vec<T>>, mut run: impl FnMut(&[T]) + 'a) -> Box<dyn FnMut() + 'a> {
    let mut next = 0;
    Box::new(move || {
        run(&samples[next]);
        next = (next + 1) % samples.len();
    })
}

/// The runtimes other than the generated code, each running the next sample.
fn peers<'a>(
    network: &'a Network,
    backend: Option<&Backend>,
) -> [Option<Box<dyn FnMut() + 'a>>; 4] {
    let [height, width, channels] = network.samples.shape;
    let shape = [channels, height, width];
    let integers: Vec<Vec<u8>> = (0..network.samples.len())
        .map(|index| {
            let sample = network.samples.image(index);
            planar_order(network.samples.shape).map(|place| sample[place]).collect()
        })
        .collect();
    let floats: Vec<Vec<f32>> = integers
        .iter()
        .map(|sample| sample.iter().map(|&value| f32::from(value) / 255.0).collect())
        .collect();
    let tract = |onnx, element| match Tract::load_shaped(onnx, element, shape) {
        Ok(tract) => Some(tract),
        Err(error) => {
            eprintln!("SKIPPED: {} in tract - {error}", network.name);
            None
        }
    };
    let onnxruntime = |onnx| Some(OnnxRuntime::load_shaped(backend?, onnx, 1, shape));
    let tract_float = tract(&network.float, f32::datum_type());
    let tract_int8 = tract(&network.int8, u8::datum_type());
    let [ort_float, ort_int8] = [&network.float, &network.int8].map(|onnx| onnxruntime(onnx));
    [
        tract_float.map(|tract| turns(floats.clone(), move |sample| tract.run(sample))),
        tract_int8.map(|tract| turns(integers.clone(), move |sample| tract.run(sample))),
        ort_float.map(|mut session| turns(floats, move |sample| session.run(sample))),
        ort_int8.map(|mut session| turns(integers, move |sample| session.run(sample))),
    ]
}

/// Compares the generated code with the converter's reference, then measures all runtimes in turn and
/// prints a table. Where nothing is measured every runtime runs once.
pub fn compare(backend: Option<&Backend>) {
    let networks = networks();
    let modules: Vec<Module> = networks
        .iter()
        .map(|network| Module {
            name: network.name,
            code: network.code.clone(),
            samples: network.samples.batch(0..network.samples.len()),
        })
        .collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("latency-networks");
    let mut program = Program::start(&folder, &modules, measuring())
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut rows = Vec::new();
    for (number, network) in networks.iter().enumerate() {
        for vectors in VECTORS {
            let logits = program.logits(vectors, number).expect("the program answers");
            assert!(
                logits == network.logits,
                "{}: with vectors of {vectors} bytes logits differ from the converter's",
                network.name
            );
        }
        let mut peers = peers(network, backend);
        let mut run = |runtime: usize, calls: usize| -> Option<f64> {
            if let Some(&vectors) = VECTORS.get(runtime) {
                return Some(program.seconds(vectors, number, calls).expect("the program answers"));
            }
            let peer = peers.get_mut(runtime - VECTORS.len())?.as_mut()?;
            let start = Instant::now();
            for _ in 0..calls {
                peer();
            }
            Some(start.elapsed().as_secs_f64())
        };
        let mut row: Row = std::array::from_fn(|runtime| run(runtime, 1));
        for _ in 0..if measuring() { ROUNDS } else { 0 } {
            for (runtime, fastest) in row.iter_mut().enumerate() {
                let Some(fastest) = fastest else { continue };
                let calls = (TURN / *fastest).ceil().max(1.0);
                if let Some(seconds) = run(runtime, calls as usize) {
                    *fastest = fastest.min(seconds / calls);
                }
            }
        }
        rows.push((network.name, row));
    }
    if measuring() {
        print(&rows);
    }
}

/// Microseconds per image, and how many times longer the fastest peer takes than the generated code.
fn print(rows: &[(&str, Row)]) {
    print!("| µs per image |");
    RUNTIMES.iter().for_each(|runtime| print!(" {runtime} |"));
    println!(" best of tract and ONNX Runtime | the same to AVX2 |");
    println!("|---|{}", "--:|".repeat(RUNTIMES.len() + 2));
    for (name, row) in rows {
        print!("| {name} |");
        for seconds in row {
            match seconds {
                Some(seconds) => print!(" {:.1} |", seconds * 1e6),
                None => print!(" – |"),
            }
        }
        let (own, peers) = row.split_at(VECTORS.len());
        let best = peers.iter().flatten().copied().fold(f64::INFINITY, f64::min);
        for own in own.iter().flatten() {
            print!(" {:.1}× |", best / own);
        }
        println!();
    }
    println!();
}
