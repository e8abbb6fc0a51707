//! Weights and kernels in RAM, for chips that run from a slow flash: they lie where they were asked for, and
//! compute what they did.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use converter::verify::{self, VerifyArgs};
use tests::mcu::{Board, ESP32C3, Elf, HIFIVE1, PICO, Program, STM32F405, Toolchain};
use tests::{mnist, program, root, scratch};

/// `digits-2k` with its weights in another section, as the command line writes it.
fn model(name: &str) -> PathBuf {
    let folder = scratch(name);
    let output = convert(".data.weights", &folder);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

fn convert(section: &str, folder: &Path) -> Output {
    let mut converter = Command::new(program("converter"));
    converter.arg(root().join("models/digits-2k/float.onnx")).arg("--calibration").arg(mnist());
    converter.args(["--name", "digits-2k", "--weights-section", section, "--out"]).arg(folder);
    converter.output().expect("it starts")
}

#[test]
fn nothing_but_the_section_differs() {
    let folder = model("weights-section");
    let read = |path: PathBuf| fs::read_to_string(path).expect("it is there");
    // Behind the description, which says what file it was made of.
    let code = |text: String| -> Vec<String> {
        let lines = text.lines().skip_while(|line| !line.starts_with("pub type Image"));
        lines.map(String::from).collect()
    };
    let moved = code(read(folder.join("model.rs")));
    let attribute = "#[unsafe(link_section = \".data.weights\")]";
    let (attributes, rest): (Vec<String>, Vec<String>) =
        moved.into_iter().partition(|line| line == attribute);
    assert_eq!(attributes.len(), 5, "one for each layer with weights");
    assert!(
        rest == code(read(root().join("models/digits-2k/model.rs"))),
        "more than the section differs"
    );
}

#[test]
fn a_section_has_a_name() {
    let folder = scratch("weights-section-wrong");
    let output = convert("data\"]", &folder.join("out"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("--weights-section"), "{said}");
    assert!(said.contains("a section's name is a full stop and"), "{said}");
    assert!(!folder.join("out").exists());
}

/// Builds a board's demo with weights and kernels in RAM; the ELF file, and the model's folder.
fn build(board: &Board, toolchain: &Toolchain, kernels: &str) -> (PathBuf, PathBuf) {
    let folder = model(&format!("in-ram-{}", board.name));
    let built = board
        .try_build_with(
            toolchain,
            Program::Demo,
            Some(("in-ram", &folder)),
            &[("INKLING_KERNELS_SECTION", kernels.as_ref())],
        )
        .unwrap_or_else(|error| panic!("{error}"));
    let elf = Elf::read(&fs::read(&built).expect("it was built")).expect("an ELF file");
    // Routines in assembly have the version in their names.
    let routine = |name: &str| {
        name.strip_prefix("inkling_")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let places = |part: &str| -> Vec<u64> {
        let named = elf.symbols.iter().filter(|symbol| match part {
            "routine" => routine(&symbol.name),
            _ => symbol.name.contains(part),
        });
        named.map(|symbol| symbol.address).collect()
    };
    // 0x4038_0000 is the ESP32-C3's RAM as its instructions see it.
    let ram = |address: &u64| {
        (0x2000_0000..0x2010_0000).contains(address)
            || (0x3fc8_0000..0x3fd0_0000).contains(address)
            || (0x4038_0000..0x4040_0000).contains(address)
            || (0x8000_0000..0x8000_4000).contains(address)
    };
    for part in ["CONV2D_", "CONNECTED_", "routine"] {
        let places = places(part);
        assert!(!places.is_empty(), "{}: nothing is called {part}", board.title);
        assert!(places.iter().all(ram), "{}: {part} lies at {places:x?}", board.title);
    }
    (built, folder)
}

fn same_logits_from_ram(board: &Board) {
    let what = format!("weights and kernels in the RAM of {}", board.title);
    let Some(toolchain) = Toolchain::or_skip(&what) else { return };
    let (built, model) = build(board, &toolchain, ".data");
    let emulator = board.start(&built, &[]);
    let arguments = VerifyArgs {
        port: None,
        qemu: None,
        data: Some(mnist()),
        model,
        images: Some(100),
        baud: 115_200,
        timeout: 60.0,
    };
    let result = verify::run_on(&emulator, &arguments).expect("the device answers");
    assert_eq!((result.images, result.mismatches, result.repeats), (100, 0, 0));
}

#[test]
fn cortex_m4f_runs_from_ram() {
    same_logits_from_ram(&STM32F405);
}

#[test]
fn rv32_runs_from_ram() {
    same_logits_from_ram(&HIFIVE1);
}

/// The two that run from a slow flash. The Pico's emulator tests it; the ESP32-C3 is linked only.
#[test]
fn chips_that_run_from_flash_may_run_from_ram() {
    let Some(toolchain) = Toolchain::or_skip("weights and kernels in RAM") else { return };
    build(&ESP32C3, &toolchain, ".rwtext");
    let (built, _) = build(&PICO, &toolchain, ".data");
    if let Some((code, text)) = tests::mcu::rp2040(&built, "a Pico that runs from its RAM") {
        assert!(code == Some(0) && text.contains("weights as converted\r\n"), "{code:?} {text}");
        assert_eq!(text.matches(", right\r\n").count(), 20, "{text}");
    }
}
