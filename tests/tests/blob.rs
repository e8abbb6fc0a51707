//! A model as data computes what generated code computes, in every value of every layer; and nothing
//! but what a converter wrote is taken.

use std::sync::LazyLock;

use converter::emit::blob::Aligned;
use converter::quantized::QuantizedNetwork;
use converter::reference::{self, Integers};
use converter::{Conversion, Converter, Favour, tflite};
use firmware_core::blob::{BlobError, InferError, Layout, Model, Values, Watch, crc32};
use inkling_data::{Dataset, Split};
use inkling_support::parallel;
use tests::mcu::{CORES, Toolchain, expected};
use tests::structures::{ALL, CLASSES, SIDE, network, outputs};
use tests::{random_images, scratch, tflite_micro};

/// Every layer's integers.
#[derive(Default)]
struct Trace(Vec<Vec<i32>>);

impl Watch for Trace {
    fn end(&mut self, layer: usize, values: Values) {
        assert_eq!(layer, self.0.len(), "layers end in their order");
        self.0.push(values.iter().collect());
    }
}

/// Compares every value of the inferences with the host reference's.
fn compare(name: &str, blob: &[u8], network: &QuantizedNetwork, inputs: &[&[u8]]) {
    let blob = Aligned::new(blob);
    let model = Model::load(blob.bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(model.layers(), network.layers.len(), "{name}");
    assert_eq!(model.macs(), network.macs() as u64, "{name}");
    assert_eq!(model.output().shape, network.shape(network.layers.len()).hwc(), "{name}");
    assert!(model.verify());
    // What lay in the arena before does not matter.
    let mut arena = vec![0xa5a5_a5a5; model.arena_words()];
    for input in inputs {
        let mut trace = Trace::default();
        let output = model.infer(input, &mut arena, &mut trace).expect("the arena is large enough");
        assert_eq!(Some(&output.iter().collect()), trace.0.last(), "{name}");
        let values = reference::values(network, input);
        for (layer, (ours, theirs)) in trace.0.iter().zip(&values[1..]).enumerate() {
            let what = network.layers[layer].kind();
            assert!(*ours == theirs.to_i32(), "{name}: layer {layer}, {what:?}, differs");
        }
    }
}

fn of(images: &Dataset) -> Vec<&[u8]> {
    (0..images.len()).map(|index| images.image(index)).collect()
}

#[test]
fn every_structure_computes_the_same() {
    let images = random_images(6, 20, SIDE, SIDE, CLASSES);
    for structure in ALL {
        for seed in 0..3 {
            let conversion = Converter::new("net", &network(structure, seed, 17))
                .convert(&images)
                .unwrap_or_else(|error| panic!("{structure:?}, seed {seed}: {error}"));
            let name = format!("{structure:?}, seed {seed}");
            let blob = conversion.blob(Layout::PORTABLE);
            let blob = blob.unwrap_or_else(|error| panic!("{name}: {error}"));
            compare(&name, &blob, &conversion.network, &of(&images));
        }
    }
    for image in outputs::SINGLE {
        let conversion = Converter::new("net", &outputs::network(image, 1)).convert(&images);
        let conversion = conversion.unwrap_or_else(|error| panic!("{image:?}: {error}"));
        let blob = conversion.blob(Layout::PORTABLE).expect("has a form");
        compare(&format!("{image:?}"), &blob, &conversion.network, &of(&images));
    }
}

#[test]
fn imported_models_compute_the_same() {
    for name in tflite_micro::MODELS {
        let bytes = std::fs::read(tflite_micro::committed(name)).expect("it is committed");
        let model = tflite::convert(name, &bytes, Favour::Time).expect("it is imported");
        let network = &model.network;
        let blob = match model.blob(Layout::PORTABLE) {
            Ok(blob) => blob,
            Err(error) => {
                let text = error.to_string();
                assert!(network.outputs.len() > 1 && text.contains("one output"), "{name}: {text}");
                continue;
            }
        };
        assert_eq!(network.outputs.len(), 1, "{name}");
        let images = random_images(3, 8, 1, network.input.size(), 2);
        compare(name, &blob, network, &of(&images));
    }
}

static SIMPLE: LazyLock<Conversion> = LazyLock::new(|| {
    let train = Dataset::load(&tests::mnist(), Split::Train).expect("MNIST is committed");
    let onnx = std::fs::read(tests::root().join("models/simple/float.onnx")).expect("committed");
    Converter::new("simple", &onnx).convert(&train).expect("it converts")
});

fn simple(layout: Layout) -> Vec<u8> {
    SIMPLE.blob(layout).expect("it has a blob")
}

#[test]
fn all_logits_of_all_test_images() {
    let blob = simple(Layout::PORTABLE);
    let test = Dataset::load(&tests::mnist(), Split::Test).expect("MNIST is committed");
    compare("simple", &blob, &SIMPLE.network, &[test.image(0)]);
    let blob = Aligned::new(&blob);
    let model = Model::load(blob.bytes()).expect("it is a blob");
    assert_eq!(model.name(), "simple");
    assert_eq!(model.labels().count(), 10);
    // Generated code computes what the host reference does: that is proven in `exactness`.
    let same = parallel::map(test.len(), |index| {
        let mut arena = vec![0; model.arena_words()];
        let logits = model.infer(test.image(index), &mut arena, &mut ()).expect("it runs");
        logits.iter().eq(expected(test.image(index)))
    });
    assert_eq!(same.iter().filter(|same| !**same).count(), 0, "images with other logits");
    let mut arena = vec![0; model.arena_words()];
    assert_eq!(model.infer(&[0; 783], &mut arena, &mut ()), Err(InferError::Input));
    arena.pop();
    assert_eq!(model.infer(&[0; 784], &mut arena, &mut ()), Err(InferError::Arena));
}

/// A changed bit, a cut and another target's order are each found out, by name.
#[test]
fn what_is_wrong_is_refused() {
    let blob = simple(Layout::PORTABLE);
    let load = |blob: &[u8]| Model::load(Aligned::new(blob).bytes()).map(|model| model.layers());
    assert_eq!(load(&blob), Ok(4));
    let mut behind = blob.clone();
    behind.extend([0xff; 9]);
    assert_eq!(load(&behind), Ok(4), "what lies behind a blob is not its own");
    for cut in [0, 3, 80, 84, 1000, blob.len() - 4, blob.len() - 1] {
        assert_eq!(load(&blob[..cut]), Err(BlobError::Truncated), "{cut}");
    }
    for at in (0..blob.len()).step_by(211).chain([12, 20, blob.len() - 1]) {
        for bit in 0..8 {
            let mut changed = blob.clone();
            changed[at] ^= 1 << bit;
            assert!(load(&changed).is_err(), "bit {bit} of byte {at} is not missed");
        }
    }
    let aligned = Aligned::new(&[&[0; 1], &blob[..]].concat());
    assert_eq!(Model::load(&aligned.bytes()[1..]).err(), Some(BlobError::Alignment));
    let others = simple(Layout::of("armv7em").expect("it is known"));
    assert_eq!(load(&others), Err(BlobError::Layout));
    let text = BlobError::Layout.to_string();
    assert!(text.contains("--kernels portable"), "{text}");
}

/// Every word of header and records, changed to what hurts and with a right checksum: an error, or a
/// model that runs.
#[test]
fn hostile_words_are_refused_or_harmless() {
    let images = random_images(6, 4, SIDE, SIDE, CLASSES);
    for structure in ALL {
        let onnx = network(structure, 1, 17);
        let conversion = Converter::new("net", &onnx).convert(&images).expect("it converts");
        let blob = conversion.blob(Layout::PORTABLE).expect("it has a blob");
        let fixed = 21 + 18 * conversion.network.layers.len();
        let mut refused = 0;
        for word in 2..fixed + 16 {
            let old = u32::from_le_bytes(blob[4 * word..][..4].try_into().expect("four bytes"));
            for new in [
                0,
                1,
                old ^ 1,
                old ^ 0x1_0000,
                old.wrapping_add(4),
                old.wrapping_sub(4),
                0xffff,
                u32::MAX,
            ] {
                let mut changed = blob.clone();
                changed[4 * word..][..4].copy_from_slice(&new.to_le_bytes());
                let end = changed.len() - 4;
                let crc = crc32(&changed[..end]);
                changed[end..].copy_from_slice(&crc.to_le_bytes());
                let changed = Aligned::new(&changed);
                let Ok(model) = Model::load(changed.bytes()) else {
                    refused += 1;
                    continue;
                };
                if model.macs() < 1 << 22 && model.arena_words() < 1 << 20 {
                    let input = vec![7; model.input().len()];
                    let mut arena = vec![0; model.arena_words()];
                    model.infer(&input, &mut arena, &mut Trace::default()).expect("it runs");
                }
            }
        }
        assert!(refused > 2 * fixed, "{structure:?}: only {refused} were refused");
    }
}

#[test]
fn integers_have_one_meaning() {
    // The reference's values and the blob's are compared as numbers.
    assert_eq!(Integers::I8(vec![-1]).to_i32(), Values::I8(&[-1]).iter().collect::<Vec<_>>());
}

/// On emulated cores, with the weights in the order of their kernels; says what it costs beside generated
/// code.
fn on(core: &str, kernels: &str) {
    let what = format!("a blob on {core}");
    let Some(toolchain) = Toolchain::or_skip(&what) else { return };
    let core = CORES.iter().find(|known| known.name == core).expect("the core is known");
    if !core.is_known_to(&toolchain) {
        let missing = "the compiler has no library for it";
        tests::skip(&what, missing, "tools/mcu-toolchain", "INKLING_REQUIRE_MCU");
        return;
    }
    let blob = simple(Layout::of(kernels).expect("it is known"));
    let network = &SIMPLE.network;
    let folder = scratch(&format!("blob-{kernels}"));
    let path = folder.join("model.blob");
    std::fs::write(&path, &blob).expect("the scratch folder can be written");
    let test = Dataset::load(&tests::mnist(), Split::Test).expect("MNIST is committed");
    let images = test.spaced(20);
    let inputs = of(&images).concat();
    let size = network.input.size();
    let cost = core.blob_cost(&toolchain, &path, &inputs, size);
    let cost = cost.unwrap_or_else(|error| panic!("{}: {error}", core.name));
    let theirs = reference::all_logits(network, &images).concat();
    assert!(cost.logits() == theirs, "{}: other logits than the host's", core.name);
    let _ = std::fs::remove_dir_all(folder);
    // Another build of the firmware: once is enough.
    if kernels != "armv7em" {
        return;
    }
    let model = tests::root().join("models/simple");
    let model = model.canonicalize().expect("it is committed");
    let code = core.cost(&toolchain, &model, &inputs, size).expect("it runs");
    println!(
        "{}: blob {} instructions per image, {} to load, {} bytes of code, {} of blob, {} of stack; \
         generated code {} instructions, {} bytes of code, {} of weights, {} of stack",
        core.name,
        cost.instructions,
        cost.layers[0],
        cost.kernels,
        cost.weights,
        cost.stack,
        code.instructions,
        code.kernels,
        code.weights,
        code.stack
    );
    assert!(cost.instructions < code.instructions * 5 / 4, "{}: a quarter more", core.name);
}

#[test]
fn on_a_cortex_m0() {
    on("Cortex-M0", "armv6m");
}

#[test]
fn on_a_cortex_m4f() {
    on("Cortex-M4F", "armv7em");
}

#[test]
fn on_a_cortex_m55_with_mve() {
    on("Cortex-M55 with MVE", "mve");
}

#[test]
fn on_an_rv32() {
    on("RV32IMC", "riscv32");
}

/// ONNX Runtime's rounding would be in every firmware that loads blobs.
#[test]
fn what_rounds_in_f32_is_refused_with_the_reason() {
    let file = tests::root().join("tests/models/convnet_qdq.onnx");
    let bytes = std::fs::read(file).expect("it is committed");
    let model = converter::qdq::convert("net", &bytes, converter::Favour::Time).expect("converts");
    let error = model.blob(Layout::PORTABLE).expect_err("it is refused").to_string();
    assert!(error.contains("rounds as ONNX Runtime does") && error.contains("model.rs"), "{error}");
}
