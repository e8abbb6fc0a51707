//! Imported `.tflite` files on emulated cores: what TensorFlow Lite for Microcontrollers computes, in
//! every value.

use std::fs;

use tests::mcu::{CORES, Toolchain};
use tests::tflite_micro::{self, REFERENCE, case, committed};
use tests::{all_inputs, scratch, shared};

/// Models that have every layer between them.
const MODELS: [&str; 7] =
    ["convnet_u8_borders", "excite", "heads", "mobilenet", "segments", "separable", "series"];

/// Bytes of a file that is large.
const LARGE: u64 = 150_000;

fn on(core: &str) {
    let what = format!("imported models on {core}");
    if !tflite_micro::found(&what) {
        return;
    }
    let Some(toolchain) = Toolchain::or_skip(&what) else { return };
    let core = CORES.iter().find(|known| known.name == core).expect("the core is known");
    if !core.is_known_to(&toolchain) {
        let missing = "the compiler has no library for it";
        tests::skip(&what, missing, "tools/mcu-toolchain", "INKLING_REQUIRE_MCU");
        return;
    }
    let (few, some) = if all_inputs() { (300, 1000) } else { (2, 20) };
    let reference = REFERENCE.iter().filter_map(|model| shared(model));
    // Weights are arranged by the compiler, which takes minutes for much of them: one core is enough for
    // those, unless all is asked for.
    let reference = reference.filter(|path| {
        let size = fs::metadata(path).map_or(0, |metadata| metadata.len());
        all_inputs() || core.name == "Cortex-M4F" || size <= LARGE
    });
    let reference = reference.map(|path| (path, few));
    let committed = MODELS.iter().map(|name| (committed(name), some));
    for (path, count) in committed.chain(reference) {
        let case = case(&path, count);
        let folder = scratch(&format!("tflite-{}-{}", core.name, case.name).replace(' ', "-"));
        case.model.write(&folder).expect("the scratch folder can be written");
        let size = case.model.network.input.size();
        let cost = core
            .cost(&toolchain, &folder, &case.inputs, size)
            .unwrap_or_else(|error| panic!("{} on {}: {error}", case.name, core.name));
        case.check(core.name, &cost.bytes());
        println!("{} on {}: {} instructions", case.name, core.name, cost.instructions);
        let _ = fs::remove_dir_all(folder);
    }
}

#[test]
fn on_a_cortex_m0() {
    on("Cortex-M0");
}

#[test]
fn on_a_cortex_m4f() {
    on("Cortex-M4F");
}

#[test]
fn on_a_cortex_m33_with_dsp() {
    on("Cortex-M33 with DSP");
}

#[test]
fn on_a_cortex_m55_with_mve() {
    on("Cortex-M55 with MVE");
}

#[test]
fn on_an_rv32() {
    on("RV32IMC");
}
