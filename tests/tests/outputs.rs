//! Networks with several outputs, or with one that is an image: read as their own nodes say, and every value of every output the same in
//! the host's integers, tract, ONNX Runtime, generated Rust, C and on an emulated core.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use converter::emit::blob::BlobEmitError;
use converter::emit::outputs::onnx_names;
use converter::passes::PixelScale;
use converter::prove::{self, Proof, Reading};
use converter::record::{Element, Meaning};
use converter::verify::{self, VerifyArgs};
use converter::{Conversion, Converter, Favour, reference};
use firmware_core::blob::Layout;
use inkling_data::read::idx;
use inkling_data::{Dataset, Split};
use tests::mcu::{CORES, Program, STM32F405, Toolchain};
use tests::structures::outputs::{ALL, Outputs, SINGLE, network};
use tests::structures::{CLASSES, SIDE};
use tests::{generated, onnxruntime, program, random_images, scratch, skip};

const SEEDS: u64 = 4;

fn images() -> Dataset {
    random_images(17, 60, SIDE, SIDE, CLASSES)
}

/// All that are no single classifier.
fn all() -> impl Iterator<Item = Outputs> {
    ALL.into_iter().chain(SINGLE)
}

fn convert(outputs: Outputs, seed: u64, images: &Dataset) -> Conversion {
    Converter::new("several", &network(outputs, seed))
        .convert(images)
        .unwrap_or_else(|error| panic!("{outputs:?}, seed {seed}: {error}"))
}

#[test]
fn they_are_read_as_the_files_own_nodes_say() {
    let images = images();
    for outputs in all() {
        for seed in 0..SEEDS {
            let onnx = network(outputs, seed);
            let read = Converter::new("several", &onnx).lower();
            let read = read.unwrap_or_else(|error| panic!("{outputs:?}: {error}"));
            let pixels = [PixelScale::default()];
            let reading = prove::reading(&read, &onnx, &pixels, &images).expect("is confirmed");
            assert!(matches!(reading, Reading::Tract(_)), "{outputs:?}: {reading:?}");
            let off = prove::off_from_nodes(&read, &onnx, &pixels, &images).expect("evaluated");
            assert!(off < 1e-5, "{outputs:?}: {off}");
            // The same with one output computed otherwise is noticed, whichever it is.
            for output in 0..read.outputs.len() {
                let mut wrong = read.clone();
                let value = wrong.outputs[output].value;
                wrong.outputs[output].value = match value {
                    1 => 2,
                    value => value - 1,
                };
                let same_size =
                    wrong.shape(value).size() == wrong.shape(wrong.outputs[output].value).size();
                // The mean is passed on as logits, which are its own values.
                if same_size && outputs != Outputs::NoClassifier {
                    let off = prove::off_from_nodes(&wrong, &onnx, &pixels, &images);
                    assert!(off.is_ok_and(|off| off > 1e-3), "{outputs:?}, output {output}");
                }
            }
        }
    }
}

#[test]
fn every_value_equals_tracts_and_onnx_runtimes() {
    let images = images();
    let backend = onnxruntime::start("several outputs in ONNX Runtime");
    for outputs in all() {
        for seed in 0..SEEDS {
            let conversion = convert(outputs, seed, &images);
            let (net, onnx) = (&conversion.network, conversion.int8_onnx());
            let agreement = prove::against_tract(net, &onnx, &images)
                .unwrap_or_else(|error| panic!("{outputs:?}, seed {seed}: {error:?}"));
            assert_eq!(agreement.logits, images.len() * net.output_size());
            assert_eq!(agreement.mismatches, 0, "{outputs:?}, seed {seed}");
            let Some(backend) = &backend else { continue };
            let named: Vec<_> = onnx_names(net).into_iter().zip(net.output_shapes()).collect();
            let theirs = onnxruntime::int8_outputs(backend, &onnx, &named, &images);
            assert!(reference::all_outputs(net, &images) == theirs, "{outputs:?}, seed {seed}");
        }
    }
}

/// What each output is stays with the model: names, shapes, types and what is the classifier's.
#[test]
fn the_record_says_what_they_are() {
    let images = images();
    let said = |outputs| -> Vec<(String, Vec<usize>, Element, Meaning)> {
        let outputs = convert(outputs, 0, &images).record.outputs.into_iter();
        outputs.map(|output| (output.name, output.shape, output.element, output.meaning)).collect()
    };
    let of = |name: &str, shape: &[usize], element, meaning| {
        (name.to_string(), shape.to_vec(), element, meaning)
    };
    use Element::{I8, I32, U8};
    use Meaning::{Logits, Values};
    assert_eq!(
        said(Outputs::Heads),
        [
            of("features", &[SIDE, SIDE, 6], U8, Values),
            of("map", &[4, 4, 4], I8, Values),
            of("box", &[4], I32, Logits),
            of("class", &[CLASSES], I32, Logits),
            of("embedding", &[12], U8, Values),
        ]
    );
    assert_eq!(
        said(Outputs::NoClassifier),
        [of("output_image", &[SIDE, SIDE, 1], U8, Values), of("level", &[7], I32, Logits)]
    );
    assert_eq!(said(Outputs::Segmented), [of("mask", &[SIDE, SIDE, 2], I8, Logits)]);
    // As it lies in memory, with the sigmoid that the file has.
    assert_eq!(said(Outputs::Restored), [of("restored", &[SIDE, SIDE, 2], U8, Values)]);
    assert_eq!(
        said(Outputs::Read),
        [
            // As it lies in memory: the file flattens it.
            of("output_fully_connected_1", &[3, 3, 4], U8, Values),
            of("1/coarse:0", &[3], I8, Values),
            of("type", &[CLASSES], I32, Logits),
        ]
    );
    // The classifier is the one with as many logits as there are labels.
    let conversion = convert(Outputs::TwoClassifiers, 0, &images);
    assert_eq!(conversion.network.classes(), CLASSES);
    let mut record = conversion.record.clone();
    record.labels = ["a", "b", "c"].map(String::from).into();
    let onnx = network(Outputs::TwoClassifiers, 0);
    let other = Converter::new("several", &onnx).record(record).convert(&images);
    let other = other.expect("it converts");
    assert_eq!((other.network.classes(), other.record.outputs[3].name.as_str()), (3, "coarse"));
    let (_, restored) =
        converter::restore(&other.source, &other.record, &other.int8_onnx()).expect("restored");
    assert_eq!(restored, other.network);
}

#[test]
fn generated_code_computes_the_same() {
    let images = images();
    let mut modules = Vec::new();
    let mut calls = String::from("    use firmware_core::Outputs;\n");
    let mut expected = String::new();
    for outputs in all() {
        for seed in 0..2 {
            let conversion = convert(outputs, seed, &images);
            let module = format!("{outputs:?}_{seed}").to_lowercase();
            let _ = writeln!(
                calls,
                "    for image in &images {{\n        \
                 let mut arena = Arena::filled_with(0xa5);\n        \
                 println!(\"{{:?}}\", {module}::infer(image, &mut arena).widen());\n    }}"
            );
            for values in reference::all_outputs(&conversion.network, &images) {
                let _ = writeln!(expected, "{values:?}");
            }
            modules.push((module, conversion.model_rs()));
        }
    }
    // The fields are what the record calls them.
    calls.push_str(
        "    let several = heads_0::infer(&images[0], &mut Arena::new());\n    \
         let map: [[[i8; 4]; 4]; 4] = several.map;\n    \
         let class: [i32; 5] = several.class;\n    \
         println!(\"{} {}\", map[3][2][1], class[4]);\n",
    );
    let first = convert(Outputs::Heads, 0, &images);
    let values = reference::values(&first.network, images.image(0));
    let of = |index: usize| values[first.network.outputs[index].value].to_i32();
    let _ = writeln!(expected, "{} {}", of(1)[(3 * 4 + 2) * 4 + 1], of(3)[4]);
    let printed = generated::printed("several-outputs", &modules, &calls, &images);
    assert!(printed == expected, "other values");
}

/// A board with such a model answers with all outputs, and `converter verify` compares all of them.
#[test]
fn a_board_computes_and_verifies_all_of_them() {
    let Some(toolchain) = Toolchain::or_skip("several outputs on a Cortex-M4F") else { return };
    let images = images();
    for (outputs, name) in
        [(Outputs::Heads, "several-outputs"), (Outputs::Segmented, "image-output")]
    {
        let folder = scratch(&format!("{name}-on-a-board"));
        let conversion = convert(outputs, 1, &images);
        conversion.write(&folder, &images, "").expect("the scratch folder takes it");
        idx::write_pair(&folder, Split::Test, &images).expect("the scratch folder takes it");
        let elf = STM32F405
            .try_build(&toolchain, Program::Demo, Some((name, &folder)))
            .unwrap_or_else(|error| panic!("{error}"));
        let emulator = STM32F405.start(&elf, &[]);
        let arguments = VerifyArgs {
            port: None,
            qemu: None,
            data: Some(folder.clone()),
            model: folder.clone(),
            images: Some(10),
            baud: 115_200,
            timeout: 60.0,
        };
        let result = verify::run_on(&emulator, &arguments);
        let result = result.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((result.images, result.mismatches), (10, 0), "{name}");
        let _ = fs::remove_dir_all(&folder);
    }
}

/// A model that returns an image, on cores: every value of it.
#[test]
fn cores_return_images() {
    let Some(toolchain) = Toolchain::or_skip("an image as output on cores") else { return };
    let images = images();
    let inputs: Vec<u8> = images.images().flatten().copied().collect();
    for outputs in SINGLE {
        let folder = scratch(&format!("image-on-cores-{outputs:?}"));
        let conversion = convert(outputs, 3, &images);
        conversion.write(&folder, &images, "").expect("the scratch folder takes it");
        let ours = reference::all_outputs(&conversion.network, &images).concat();
        assert!(ours.len() == images.len() * conversion.network.output_size());
        for core in CORES.iter().filter(|core| ["Cortex-M0", "RV32IMC"].contains(&core.name)) {
            let cost = core
                .cost(&toolchain, &folder, &inputs, images.image_size())
                .unwrap_or_else(|error| panic!("{outputs:?} on {}: {error}", core.name));
            assert!(cost.logits() == ours, "{outputs:?} on {}", core.name);
        }
        let _ = fs::remove_dir_all(&folder);
    }
}

/// A program in C that checks every output of the golden samples.
const CHECK: &str = r#"
#include <stdio.h>
#include <string.h>
#include "inkling_several.h"
#include "inkling_several_golden.h"

static uint32_t arena[INKLING_SEVERAL_ARENA_WORDS];

int main(void) {
    int wrong = 0;
    for (int i = 0; i < INKLING_SEVERAL_GOLDEN; i++) {
        static inkling_several_output_features_t features[INKLING_SEVERAL_OUTPUT_FEATURES_SIZE];
        static inkling_several_output_map_t map[INKLING_SEVERAL_OUTPUT_MAP_SIZE];
        static inkling_several_output_output_box_t box[INKLING_SEVERAL_OUTPUT_OUTPUT_BOX_SIZE];
        static inkling_several_output_class_t class[INKLING_SEVERAL_OUTPUT_CLASS_SIZE];
        static inkling_several_output_embedding_t embedding[INKLING_SEVERAL_OUTPUT_EMBEDDING_SIZE];
        const void *inputs[] = {inkling_several_golden_inputs[i]};
        void *outputs[INKLING_SEVERAL_OUTPUT_COUNT] = {features, map, box, class, embedding};
        if (inkling_several_infer(inputs, outputs, arena) != 0) return 3;
        const int32_t *expected = inkling_several_golden_outputs[i];
#define COMPARE(values) \
        for (size_t at = 0; at < sizeof values / sizeof values[0]; at++) wrong += values[at] != *expected++;
        COMPARE(features) COMPARE(map) COMPARE(box) COMPARE(class) COMPARE(embedding)
        if (expected != inkling_several_golden_outputs[i + 1]) return 4;
        void *missing[] = {features, map, box, NULL, embedding};
        void *skewed[] = {features, map, (char *)box + 1, class, embedding};
        if (inkling_several_infer(inputs, missing, arena) != -1) return 5;
        if (inkling_several_infer(inputs, skewed, arena) != -2) return 6;
    }
    printf("%d samples, %d wrong\n", INKLING_SEVERAL_GOLDEN, wrong);
    return wrong != 0;
}
"#;

/// `--emit c`, the library and a C program; what a blob or rows cannot do; the trainer's tools.
#[test]
fn the_command_lines_take_them() {
    let images = images();
    let folder = scratch("several-outputs-in-c");
    fs::write(folder.join("net.onnx"), network(Outputs::Heads, 2)).expect("written");
    for split in [Split::Train, Split::Test] {
        idx::write_pair(&folder, split, &images).expect("written");
    }
    let run = |command: &mut Command| {
        let output = command.current_dir(&folder).output().expect("it starts");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    let converter = |words: &[&str]| run(Command::new(program("converter")).args(words));
    let convert = ["net.onnx", "--calibration", ".", "--name", "several"];
    let (code, text) = converter(&[&convert[..], &["--out", "m", "--emit", "c"]].concat());
    assert!(code == Some(0) && text.contains("the classifier's: 5 i32"), "{text}");
    let (code, text) = converter(&[&convert[..], &["--out", "b", "--emit", "blob"]].concat());
    assert!(code == Some(1) && text.contains("a blob has one output, this model has 5"), "{text}");
    assert!(!folder.join("b").exists(), "something was written");
    let (code, text) = converter(&["inspect", "net.onnx"]);
    assert!(code == Some(0) && text.contains("'map' 4×4×4 i8"), "{text}");

    let trainer = |words: &[&str]| run(Command::new(program("trainer")).args(words));
    let (code, text) = trainer(&["evaluate", "--model", "m", "--data", "."]);
    assert_eq!(code, Some(0), "{text}");
    let picture = "picture.png";
    draw(&folder.join(picture));
    for command in ["predict", "explain"] {
        let (code, text) = trainer(&[command, picture, "--model", "m"]);
        let lines = text.lines().filter(|line| line.contains("features: ")).count();
        assert!(code == Some(0) && lines == 1 && text.contains("box: 0."), "{command}: {text}");
    }
    let (code, text) = trainer(&["finetune", "net.onnx", "--data", ".", "--out", "t"]);
    assert!(
        code == Some(1) && text.contains("has 5 outputs, and what is trained has one"),
        "{text}"
    );

    if Command::new("cc").arg("--version").output().is_err() {
        skip(
            "several outputs in C",
            "there is no cc",
            "installing a C compiler",
            "INKLING_REQUIRE_MCU",
        );
        return;
    }
    let (code, text) = converter(&["library", "m", "--out", "library"]);
    assert_eq!(code, Some(0), "{text}");
    fs::write(folder.join("check.c"), CHECK).expect("written");
    let mut cc = Command::new("cc");
    cc.args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Ilibrary/include", "check.c"]);
    cc.args(["library/host/libinkling.a", "-o", "check", "-lpthread", "-ldl", "-lm"]);
    let (code, text) = run(&mut cc);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = run(&mut Command::new(folder.join("check")));
    assert_eq!((code, text.as_str()), (Some(0), "20 samples, 0 wrong\n"));
    let _ = fs::remove_dir_all(folder);
}

/// Writes a grey picture with a stroke.
fn draw(path: &Path) {
    let stroke = |x: u32, y: u32| x.abs_diff(20) < 3 && y.abs_diff(20) < 13;
    let pixel = |x: u32, y: u32| image::Luma([if stroke(x, y) { 230_u8 } else { 10 }]);
    image::GrayImage::from_fn(40, 40, pixel).save(path).expect("written");
}

/// A single image from the command line: no accuracy, and what asks for a class says that there is none.
#[test]
fn an_image_is_returned() {
    let images = images();
    let folder = scratch("image-output");
    fs::write(folder.join("net.onnx"), network(Outputs::Restored, 2)).expect("written");
    for split in [Split::Train, Split::Test] {
        idx::write_pair(&folder, split, &images).expect("written");
    }
    let run = |name: &str, words: &[&str]| {
        let output = Command::new(program(name)).args(words).current_dir(&folder).output();
        let output = output.expect("it starts");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    let words = ["net.onnx", "--calibration", ".", "--out", "m", "--emit", "c"];
    let (code, text) = run("converter", &words);
    assert!(code == Some(0) && !text.contains("Accuracy") && text.contains("12×12×2 u8"), "{text}");
    assert!(text.contains("returns an image and tells no classes apart"), "{text}");
    let header = fs::read_to_string(folder.join("m/inkling_m.h")).expect("is written");
    assert!(header.contains("uint8_t [288], [12][12][2] (height, width, channels)"), "{header}");
    for words in
        [&["evaluate", "--model", "m", "--data", "."][..], &["predict", "x", "--model", "m"]]
    {
        let (code, text) = run("trainer", words);
        assert!(code == Some(1) && text.contains("returns an image"), "{words:?}: {text}");
    }
    let words = ["finetune", "net.onnx", "--data", ".", "--out", "t"];
    let (code, text) = run("trainer", &words);
    assert!(code == Some(1) && text.contains("returns an image"), "{text}");

    for outputs in SINGLE {
        let conversion = convert(outputs, 1, &images);
        let onnx = network(outputs, 1);
        let memory = Converter::new("several", &onnx).favour(Favour::Memory);
        assert_eq!(memory.convert(&images).expect("it converts").arena, conversion.arena);
    }
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn what_cannot_be_is_said() {
    let images = images();
    let conversion = convert(Outputs::Heads, 0, &images);
    assert_eq!(conversion.blob(Layout::PORTABLE), Err(BlobEmitError::Outputs(5)));
    // Rows are for one vector; the arena is that of whole images.
    let onnx = network(Outputs::Heads, 0);
    let memory = Converter::new("several", &onnx).favour(Favour::Memory).convert(&images);
    assert_eq!(memory.expect("it converts").arena, conversion.arena);
    let proof = Proof::of(&conversion, &images, &images).expect("it is proven");
    assert_eq!(proof.integers.mismatches, 0);
    assert!(proof.integers.ours.iter().all(|logits| logits.len() == CLASSES));
}
