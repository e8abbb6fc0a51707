//! The proof: device code, host reference, tract and ONNX Runtime compute the same logits for all
//! 10,000 test images of MNIST, with no tolerance; and the comparison notices a single bit.

use std::sync::LazyLock;

use converter::quantized::{Parameters, QuantizedNetwork, Requantization};
use converter::{Conversion, Converter, prove, reference};
use firmware_core::Arena;
use inkling_data::{Dataset, Split};
use inkling_support::parallel;
use tests::onnxruntime;

#[rustfmt::skip] // generated
#[path = "../../models/simple/model.rs"]
mod simple;
#[rustfmt::skip] // generated
#[path = "../../models/simple/golden.rs"]
mod simple_golden;

static TEST: LazyLock<Dataset> =
    LazyLock::new(|| Dataset::load(&tests::mnist(), Split::Test).expect("MNIST is committed"));

static FLOAT: &[u8] = include_bytes!("../../models/simple/float.onnx");
static INT8: &[u8] = include_bytes!("../../models/simple/int8.onnx");

/// The committed model converted anew.
static CONVERSION: LazyLock<Conversion> = LazyLock::new(|| {
    let train = Dataset::load(&tests::mnist(), Split::Train).expect("MNIST is committed");
    Converter::new("simple", FLOAT).convert(&train).expect("the committed model converts")
});

/// What tract computes with the committed int8.onnx: the reference for everything here.
static TRACT: LazyLock<Vec<Vec<i32>>> =
    LazyLock::new(|| prove::int8_logits(INT8, 10, &TEST).expect("tract runs the int8.onnx"));

fn as_image(pixels: &[u8]) -> simple::Image {
    let mut image = [[[0; 1]; 28]; 28];
    image.as_flattened_mut().as_flattened_mut().copy_from_slice(pixels);
    image
}

/// How many of the logits differ.
fn mismatches(ours: &[Vec<i32>], theirs: &[Vec<i32>]) -> usize {
    assert_eq!((ours.len(), theirs.len()), (TEST.len(), TEST.len()));
    ours.iter()
        .zip(theirs)
        .map(|(a, b)| {
            assert_eq!((a.len(), b.len()), (10, 10));
            a.iter().zip(b).filter(|(a, b)| a != b).count()
        })
        .sum()
}

#[test]
fn device_code_equals_tract() {
    let ours = parallel::map(TEST.len(), |index| {
        // What lay in the arena before must not matter.
        let mut arena = Arena::filled_with(0xa5);
        simple::infer(&as_image(TEST.image(index)), &mut arena).to_vec()
    });
    assert_eq!(mismatches(&ours, &TRACT), 0);
}

#[test]
fn host_reference_equals_tract() {
    assert_eq!(mismatches(&reference::all_logits(&CONVERSION.network, &TEST), &TRACT), 0);
}

#[test]
fn onnx_runtime_equals_tract() {
    let what = "all logits of int8.onnx in ONNX Runtime";
    let Some(backend) = onnxruntime::start(what) else { return };
    assert_eq!(mismatches(&onnxruntime::int8_logits(&backend, INT8, 10, &TEST), &TRACT), 0);
}

#[test]
fn golden_logits_are_tracts() {
    let mut found = 0;
    for (image, label, logits) in &simple_golden::GOLDEN {
        let pixels = image.as_flattened().as_flattened();
        let index = (0..TEST.len()).find(|&i| TEST.image(i) == pixels).expect("is a test image");
        assert_eq!(u16::from(*label), TEST.labels[index]);
        assert_eq!(logits.as_slice(), TRACT[index]);
        found += 1;
    }
    assert_eq!(found, 20);
}

/// Regenerating the committed files gives the committed bytes.
#[test]
fn committed_files_are_what_the_converter_writes() {
    let read = |file: &str| {
        std::fs::read(tests::root().join("models/simple").join(file)).expect("is committed")
    };
    assert!(CONVERSION.model_rs().as_bytes() == read("model.rs"), "model.rs differs");
    assert!(CONVERSION.int8_onnx() == read("int8.onnx"), "int8.onnx differs");
    assert!(CONVERSION.golden_rs(&TEST).as_bytes() == read("golden.rs"), "golden.rs differs");
}

#[test]
fn the_arena_is_within_its_budget() {
    assert!(simple::ARENA_BYTES <= 2304, "{} bytes", simple::ARENA_BYTES);
    assert_eq!(simple::INFO.arena_bytes, simple::ARENA_BYTES);
}

/// The parameters of a layer, to be changed.
fn parameters(network: &mut QuantizedNetwork, layer: usize) -> &mut Parameters {
    network.layers[layer].parameters_mut().expect("every layer of `simple` has parameters")
}

/// One weight, bias or shift off by the least possible amount, in any layer: the comparison over
/// the test set must see it.
#[test]
fn a_single_changed_parameter_is_noticed() {
    let layers = CONVERSION.network.layers.len();
    let values = reference::values(&CONVERSION.network, TEST.image(0));
    let largest = |value: usize| {
        let values = values[value].to_i32();
        (0..values.len()).max_by_key(|&index| values[index]).expect("a value has elements")
    };
    let mut noticed = 0;
    for layer in 0..layers {
        // A channel that is alive on the first image: some units of a trained network never are.
        let channel = largest(layer + 1) % CONVERSION.network.layers[layer].output.channels;
        let mutate = |change: &dyn Fn(&mut Parameters)| {
            let mut network = CONVERSION.network.clone();
            change(parameters(&mut network, layer));
            assert_ne!(network, CONVERSION.network);
            let first: Vec<usize> = (0..1000).collect();
            let some = TEST.subset(&first);
            let changed = reference::all_logits(&network, &some);
            let differs = changed.iter().zip(TRACT.iter()).any(|(a, b)| a != b);
            assert!(differs, "layer {layer}: a changed parameter went unnoticed");
            noticed += 1;
        };
        let mut mutate = mutate;
        // A tap that sees something: of a window the middle, for its rim may only see background;
        // of a vector the largest value.
        mutate(&|p| {
            let taps = p.taps(channel).len();
            let input = CONVERSION.network.layers[layer].input();
            let whole = CONVERSION.network.shape(input).size() == taps;
            let tap = if whole { largest(input) } else { taps / 2 };
            p.weights[channel * taps + tap] ^= 1;
        });
        mutate(&|p| {
            // A rounding step above the accumulator's, where there is one.
            let least = match &p.requantization {
                Requantization::None => 1,
                Requantization::Shifts(shifts) => 1 << shifts[channel],
                _ => panic!("the committed model is not imported"),
            };
            p.bias[channel] += least;
        });
        if layer + 1 < layers {
            mutate(&|p| match &mut p.requantization {
                Requantization::None => {}
                Requantization::Shifts(shifts) => shifts[channel] += 1,
                _ => panic!("the committed model is not imported"),
            });
        }
    }
    assert_eq!(noticed, 3 * layers - 1);
}
