//! Quantization-aware training computes the device's integers: the logits of its inference graph are
//! those of the converted network, bit for bit, before training and after.

use std::collections::BTreeSet;

use converter::quantize::{Bits, LayerBits, USUAL_BITS};
use converter::{Conversion, Converter, reference};
use inkling_data::{Dataset, Split};
use tests::structures::{ALL, CLASSES, SIDE, network};
use tests::{in_own_process, mnist, onnxruntime, random_images, root};
use trainer::learn::backend::{Backend, Choice};
use trainer::learn::export;
use trainer::learn::network::{Description, PRESETS, Readout, ReadoutError, read};
use trainer::learn::quantization::Plan;
use trainer::learn::step::inference_graph;

#[test]
fn on_tract() {
    in_own_process("on_tract", || {
        check_all(&Backend::start(Choice::Tract, None).expect("tract is built in"));
    });
}

#[test]
fn on_onnxruntime() {
    in_own_process("on_onnxruntime", || {
        if let Some(backend) = onnxruntime::start("quantization-aware training on ONNX Runtime") {
            check_all(&backend);
        }
    });
}

fn check_all(backend: &Backend) {
    let images = random_images(2, 40, SIDE, SIDE, CLASSES);
    let mut refused = BTreeSet::new();
    for structure in ALL {
        for (seed, bits) in [(0, 8), (1, 8), (2, 8), (3, 8), (0, 4)] {
            let onnx = network(structure, seed, 17);
            let name = format!("{structure:?}, {seed}, {bits} bits");
            if let Err(error) = check(backend, &name, (&onnx, bits), &images) {
                refused.insert(format!("{structure:?}: {error}"));
            }
        }
    }
    // What training has no layer for: bounds other than 6, pooling with padding, padding that
    // differs between two sides, most functions.
    for refusal in &refused {
        assert!(
            ["is bounded by", "padding", "no layer for"].iter().any(|part| refusal.contains(part)),
            "{refusal}"
        );
    }
    for structure in ["PreActivation", "Dense", "Leaky", "NetworkInNetwork"] {
        assert!(refused.iter().all(|refusal| !refusal.starts_with(structure)), "{refused:?}");
    }

    let test = Dataset::load(&mnist(), Split::Test).expect("MNIST is committed");
    let test = test.subset(&(0..200).collect::<Vec<_>>());
    for (name, _) in PRESETS {
        let preset = Description::named(name).and_then(|preset| preset.build([1, 28, 28], 10));
        let preset = preset.unwrap_or_else(|error| panic!("{name}: {error}"));
        let onnx = export::float_onnx(&preset, &preset.initial_parameters(3), None);
        check(backend, name, (&onnx, USUAL_BITS), &test)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let simple = std::fs::read(root().join("models/simple/float.onnx")).expect("it is committed");
    for bits in [USUAL_BITS, 4] {
        check(backend, "models/simple", (&simple, bits), &test).expect("it is one of ours");
    }
}

fn convert(name: &str, converter: Converter, images: &Dataset) -> Conversion {
    converter.convert(images).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn check(
    backend: &Backend,
    name: &str,
    (onnx, inner): (&[u8], u8),
    images: &Dataset,
) -> Result<(), ReadoutError> {
    let bits = Bits::new(inner, LayerBits::new());
    let conversion = convert(name, Converter::new("net", onnx).bits(bits), images);
    let readout = read("net", &conversion.float)?;
    let plan = Plan::new(&readout, &conversion.network);
    let ours = graph_logits(backend, &readout, &plan, &readout.parameters, images);
    assert_same(name, &ours, &integer_logits(&conversion, images));

    // Parameters that are on no grid, as after some training; none larger, so that the accumulators
    // of these untrained networks stay within their bound.
    let mut rng = fastrand::Rng::with_seed(6);
    let moved: Vec<f32> = readout.parameters.iter().map(|&p| p * (0.9 + 0.1 * rng.f32())).collect();
    let ours = graph_logits(backend, &readout, &plan, &moved, images);
    let rounded = plan.round(&readout.network, &moved);
    let again = graph_logits(backend, &readout, &plan, &rounded, images);
    assert_same(&format!("{name}, rounded"), &again, &ours);
    let exported = export::float_onnx(&readout.network, &rounded, Some(&plan));
    // The record in the file says the exponents and the bits.
    let trained = convert(name, Converter::new("net", &exported), images);
    assert_eq!(trained.record.bits, conversion.record.bits, "{name}");
    assert_same(&format!("{name}, exported"), &ours, &integer_logits(&trained, images));
    Ok(())
}

/// The logits of the inference graph, `[image][class]`.
fn graph_logits(
    backend: &Backend,
    readout: &Readout,
    plan: &Plan,
    parameters: &[f32],
    images: &Dataset,
) -> Vec<Vec<f64>> {
    let (count, size) = (images.len(), images.image_size());
    let graph = inference_graph(backend.kind(), &readout.network, Some(plan), count);
    let mut session = backend.session(&graph).expect("the graph loads");
    let pixels: Vec<f32> = (0..size * count)
        .map(|at| f32::from(images.image(at % count)[at / count]) / 255.0)
        .collect();
    let outputs = session
        .run(&[
            ("parameters", &[parameters.len()], parameters),
            ("images", &[size, count], &pixels),
        ])
        .expect("the graph runs");
    let logits = |column: usize| outputs[0].iter().skip(column).step_by(count);
    (0..count).map(|column| logits(column).map(|&x| f64::from(x)).collect()).collect()
}

/// What the integers' logits stand for, `[image][class]`.
fn integer_logits(conversion: &Conversion, images: &Dataset) -> Vec<Vec<f64>> {
    let network = &conversion.network;
    let scale = 2f64.powi(-network.format(network.layers.len()).exponent());
    let real = |logits: Vec<i32>| logits.iter().map(|&x| f64::from(x) * scale).collect();
    (0..images.len()).map(|index| real(reference::logits(network, images.image(index)))).collect()
}

fn assert_same(name: &str, ours: &[Vec<f64>], expected: &[Vec<f64>]) {
    let logits = ours.iter().flatten().zip(expected.iter().flatten());
    let (count, differing) = (logits.clone().count(), logits.filter(|(a, b)| a != b).count());
    assert!(count > 0 && differing == 0, "{name}: {differing} of {count} logits differ");
}
