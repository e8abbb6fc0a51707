//! Other models on the boards: each emulated board computes every logit of a network whose layers
//! `models/simple` does not have, and a model that does not fit fails where it is linked.

use std::collections::BTreeSet;
use std::path::Path;

use converter::arena::Favour;
use converter::verify::{self, VerifyArgs};
use converter::{Conversion, Converter};
use inkling_data::read::idx;
use inkling_data::{Dataset, Split};
use tests::mcu::{BOARDS, Board, HIFIVE1, MICROBIT, Program, STM32F100, STM32F405, Toolchain};
use tests::structures::{CLASSES, SIDE, Structure, network};
use tests::{random_images, scratch};

/// Images that are sent to each board.
const IMAGES: usize = 100;

fn convert(structure: Structure) -> (Conversion, Dataset) {
    let images = random_images(11, IMAGES, SIDE, SIDE, CLASSES);
    let onnx = network(structure, 3, 17);
    (Converter::new("other", &onnx).convert(&images).expect("it converts"), images)
}

fn every_logit_of_other_layers(board: &Board) {
    let what = format!("a second model on {}", board.title);
    let Some(toolchain) = Toolchain::or_skip(&what) else { return };
    let folder = scratch(&format!("second-model-{}", board.name));
    // Signed values, sums, groups, leaky ReLUs; depthwise windows and bounds; concatenations.
    for structure in [Structure::Signed, Structure::Separable, Structure::Dense] {
        let (conversion, images) = convert(structure);
        conversion.write(&folder, &images, "").expect("the scratch folder takes it");
        idx::write_pair(&folder, Split::Test, &images).expect("the scratch folder takes it");
        let elf = board
            .try_build(&toolchain, Program::Demo, Some(("second-model", &folder)))
            .unwrap_or_else(|error| panic!("{structure:?}: {error}"));
        let emulator = board.start(&elf, &[]);
        let arguments = VerifyArgs {
            port: None,
            qemu: None,
            data: Some(folder.clone()),
            model: folder.clone(),
            images: None,
            baud: 115_200,
            timeout: 60.0,
        };
        let result = verify::run_on(&emulator, &arguments)
            .unwrap_or_else(|error| panic!("{structure:?}: {error}"));
        assert_eq!((result.images, result.mismatches), (IMAGES, 0), "{structure:?}");
    }
    let _ = std::fs::remove_dir_all(&folder);
}

#[test]
fn cortex_m0_computes_other_layers() {
    every_logit_of_other_layers(&MICROBIT);
}

#[test]
fn cortex_m3_computes_other_layers() {
    every_logit_of_other_layers(&STM32F100);
}

#[test]
fn cortex_m4f_computes_other_layers() {
    every_logit_of_other_layers(&STM32F405);
}

#[test]
fn rv32_computes_other_layers() {
    every_logit_of_other_layers(&HIFIVE1);
}

/// Models that others quantized have no `int8.onnx`; their folder is enough. Noise is sent where nobody
/// names images.
#[test]
fn imported_models_are_verified() {
    let Some(toolchain) = Toolchain::or_skip("an imported model on a Cortex-M4F") else { return };
    let models = tests::root().join("tests/models");
    let folder = scratch("imported-on-a-board");
    for file in ["convnet.tflite", "residual_qdq.onnx"] {
        let bytes = std::fs::read(models.join(file)).expect("the model is committed");
        let model = match file.ends_with(".tflite") {
            true => {
                converter::tflite::convert("imported", &bytes, Favour::Time).expect("it converts")
            }
            false => {
                converter::qdq::convert("imported", &bytes, Favour::Time).expect("it converts")
            }
        };
        model.write(&folder).expect("the scratch folder takes it");
        let elf = STM32F405
            .try_build(&toolchain, Program::Demo, Some(("imported-model", &folder)))
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        let emulator = STM32F405.start(&elf, &[]);
        let arguments = VerifyArgs {
            port: None,
            qemu: None,
            data: None,
            model: folder.clone(),
            images: Some(30),
            baud: 115_200,
            timeout: 60.0,
        };
        let result =
            verify::run_on(&emulator, &arguments).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!((result.images, result.correct, result.mismatches), (30, None, 0), "{file}");
        let other = VerifyArgs { data: Some(tests::mnist()), ..arguments };
        let error = verify::run_on(&emulator, &other).expect_err("takes other images");
        assert!(error.to_string().contains("name the model's own images"), "{error}");
    }
    let _ = std::fs::remove_dir_all(&folder);
}

/// The tests above are for every board, and for every kind of layer that `models/simple` lacks.
#[test]
fn no_board_and_no_layer_is_forgotten() {
    assert_eq!(BOARDS, [MICROBIT, STM32F100, STM32F405, HIFIVE1]);
    let kinds: BTreeSet<&str> = [Structure::Signed, Structure::Separable, Structure::Dense]
        .into_iter()
        .flat_map(|structure| convert(structure).0.network.layers)
        .map(|layer| layer.kind().name())
        .collect();
    for kind in [
        "conv2d",
        "max_pool2d",
        "depthwise_conv2d",
        "grouped_conv2d",
        "average_pool2d",
        "add",
        "concat",
        "leaky_relu",
        "fully_connected",
    ] {
        assert!(kinds.contains(kind), "no second model has {kind}: {kinds:?}");
    }
}

/// The arena is a static, so that the linker, and not the board's owner, finds out.
#[test]
fn a_model_that_does_not_fit_is_refused_by_the_linker() {
    let Some(toolchain) = Toolchain::or_skip("a model that does not fit") else { return };
    let folder = scratch("too-large");
    let simple = tests::root().join("models/simple");
    let model = std::fs::read_to_string(simple.join("model.rs")).expect("the model is committed");
    let large = model.replace("ARENA_BYTES: usize = 1760", "ARENA_BYTES: usize = 9000");
    assert_ne!(large, model);
    std::fs::write(folder.join("model.rs"), large).expect("a file can be written");
    std::fs::copy(simple.join("golden.rs"), folder.join("golden.rs"))
        .expect("a file can be copied");
    let model: Option<(&str, &Path)> = Some(("too-large", &folder));
    let error = STM32F100.try_build(&toolchain, Program::Infer, model).expect_err("8 KB of RAM");
    assert!(error.contains("will not fit in region 'RAM'"), "{error}");
    let _ = std::fs::remove_dir_all(&folder);
}
