//! Imported quantized ONNX files on emulated cores: what ONNX Runtime computes, in every value.

use std::fs;

use tests::imported::Case;
use tests::mcu::{CORES, Core, Toolchain};
use tests::quantized_onnx::{case, committed};
use tests::{all_inputs, onnxruntime, scratch};

/// Models that have every layer between them, with unsigned and signed values; joined branches, an image made
/// larger and returned, several outputs.
const MODELS: [&str; 6] = [
    "branches_qdq",
    "heads_qdq",
    "islands_qdq",
    "residual_qdq",
    "segments_qdq",
    "separable_qdq_i8",
];

const ON: [&str; 5] =
    ["Cortex-M0", "Cortex-M4F", "Cortex-M33 with DSP", "Cortex-M55 with MVE", "RV32IMC"];

/// One test, because a process starts ONNX Runtime once.
#[test]
fn every_core_computes_what_onnx_runtime_does() {
    let Some(backend) = onnxruntime::start("imported quantized ONNX files on cores") else {
        return;
    };
    let Some(toolchain) = Toolchain::or_skip("imported quantized ONNX files on cores") else {
        return;
    };
    let count = if all_inputs() { 1000 } else { 50 };
    let cases = MODELS.map(|name| case(&backend, &committed(name), count, &[]));
    for core in CORES.iter().filter(|core| ON.contains(&core.name)) {
        if core.is_known_to(&toolchain) {
            cases.iter().for_each(|case| on(core, &toolchain, case));
        } else {
            let what = format!("imported quantized ONNX files on {}", core.name);
            let missing = "the compiler has no library for it";
            tests::skip(&what, missing, "tools/mcu-toolchain", "INKLING_REQUIRE_MCU");
        }
    }
}

fn on(core: &Core, toolchain: &Toolchain, case: &Case) {
    let name = &case.name;
    let folder = scratch(&format!("qdq-{}-{name}", core.name).replace(' ', "-"));
    case.model.write(&folder).expect("the scratch folder can be written");
    let size = case.model.network.input.size();
    let cost = core
        .cost(toolchain, &folder, &case.inputs, size)
        .unwrap_or_else(|error| panic!("{name} on {}: {error}", core.name));
    case.check(core.name, &cost.bytes());
    println!("{name} on {}: {} instructions", core.name, cost.instructions);
    let _ = fs::remove_dir_all(folder);
}
