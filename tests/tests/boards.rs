//! The firmware that is flashed, in QEMU: every logit of test images over the real protocol, and
//! a device that nothing on the line stops.

mod common;

use std::io::{Read, Write};
use std::process::Command;
use std::thread;

use common::frames;
use converter::verify::emulator::Emulator;
use converter::verify::{self, ModelError, VerifyArgs, VerifyError};
use inkling_data::{Dataset, Split};
use inkling_protocol::{Error, FrameReader, Reply, reply_len};
use tests::mcu::{
    Board, CORES, HIFIVE1, MICROBIT, PICO, Program, STM32F100, STM32F405, STM32H743, STM32L475,
    Toolchain, boot, connect, expected, rp2040, statics,
};

fn start(board: &Board, what: &str) -> Option<Emulator> {
    let toolchain = Toolchain::or_skip(&format!("{what} on {}", board.title))?;
    Some(board.start(&board.build(&toolchain, Program::Demo), &[]))
}

fn arguments() -> VerifyArgs {
    VerifyArgs {
        port: None,
        qemu: None,
        data: Some(tests::mnist()),
        model: tests::root().join("models/simple"),
        images: None,
        baud: 115_200,
        timeout: 60.0,
    }
}

/// Test images that a board is sent: an emulated serial port takes most of the time, a byte at a time.
/// With `INKLING_ALL_INPUTS` all 10,000.
fn sent() -> usize {
    if tests::all_inputs() { 10_000 } else { 2_000 }
}

fn all_logits_of_test_images(board: &Board) {
    let Some(qemu) = start(board, "all logits of test images") else { return };
    let arguments = VerifyArgs { images: Some(sent() as u64), ..arguments() };
    let result = verify::run_on(&qemu, &arguments).expect("the device answers");
    println!("{}", result.report());
    assert_eq!((result.images, result.mismatches, result.repeats), (sent(), 0, 0));
    assert!(result.correct >= Some(sent() * 99 / 100), "{:?} are right", result.correct);
    assert_eq!(result.cycles.len(), sent());
    assert_eq!(result.device.board, board.title);
    let report = result.report();
    assert!(report.contains("emulated") && !report.contains(" ms"), "{report}");
}

#[test]
fn cortex_m0_computes_every_logit() {
    all_logits_of_test_images(&MICROBIT);
}

#[test]
fn cortex_m3_computes_every_logit() {
    all_logits_of_test_images(&STM32F100);
}

#[test]
fn cortex_m4f_computes_every_logit() {
    all_logits_of_test_images(&STM32F405);
}

#[test]
fn rv32_computes_every_logit() {
    all_logits_of_test_images(&HIFIVE1);
}

#[test]
fn a_board_says_what_it_tested_at_boot() {
    // QEMU's L475 sends, but takes nothing in: its self-test is all that can be seen of it there.
    for board in tests::mcu::BOARDS.iter().chain([&STM32L475]) {
        let Some(qemu) = start(board, "the self-test") else { return };
        let text = boot(&qemu);
        assert!(text.ends_with("self-test passed\r\n"), "{text}");
        assert!(text.contains(&format!("inkling on {}", board.title)), "{text}");
        assert!(text.contains("weights as converted\r\n"), "{text}");
        assert!(text.contains("self-test: 20 images, 0 wrong, at most "), "{text}");
        assert_eq!(text.matches(", right\r\n").count(), 20, "{text}");
    }
}

/// The Pico's self-test in rp2040js: processor, clocks and serial port are that emulator's.
#[test]
fn the_pico_tests_itself() {
    let what = "the self-test on an emulated Raspberry Pi Pico";
    let Some(toolchain) = Toolchain::or_skip(what) else { return };
    let program = PICO.build(&toolchain, Program::Demo);
    let Some((code, text)) = rp2040(&program, what) else { return };
    assert!(code == Some(0) && text.contains("weights as converted\r\n"), "{code:?} {text}");
    assert_eq!(text.matches(", right\r\n").count(), 20, "{text}");
    assert!(text.contains("inkling on Raspberry Pi Pico"), "{text}");

    let mut bytes = std::fs::read(&program).expect("it is built");
    let (at, size) = statics(&bytes, |name| name.contains("CONNECTED_"))[0];
    bytes[at + size / 2] ^= 1;
    let spoiled = tests::scratch("pico-spoiled").join("firmware");
    std::fs::write(&spoiled, bytes).expect("written");
    let Some((code, text)) = rp2040(&spoiled, what) else { return };
    assert!(code == Some(1) && text.contains("weights SPOILED"), "{code:?} {text}");
}

/// The Nucleo-H743 has no emulator; its core has one, in a machine with other memory and peripherals.
#[test]
fn cortex_m7_computes_every_logit_of_500_images() {
    const IMAGES: usize = 500;
    let Some(toolchain) = Toolchain::or_skip("the model on an emulated Cortex-M7") else { return };
    let core = CORES.iter().find(|core| core.name == STM32H743.core).expect("it is emulated");
    let images = Dataset::load(&tests::mnist(), Split::Test).expect("MNIST is committed");
    let model = tests::root().canonicalize().expect("it is there").join("models/simple");
    let inputs = images.batch(0..IMAGES);
    let cost =
        core.cost(&toolchain, &model, &inputs, 784).unwrap_or_else(|error| panic!("{error}"));
    let expected: Vec<i32> = (0..IMAGES).flat_map(|at| expected(images.image(at))).collect();
    assert!(cost.logits() == expected, "a logit differs");
}

/// One bit of the weights in a board's flash: the model notices, even where no golden image does.
#[test]
fn a_board_notices_a_lost_bit() {
    for board in [&MICROBIT, &HIFIVE1] {
        let what = format!("a lost bit of flash on {}", board.title);
        let Some(toolchain) = Toolchain::or_skip(&what) else { return };
        let program = board.build(&toolchain, Program::Demo);
        let mut bytes = std::fs::read(&program).expect("it is built");
        let is_layer =
            |name: &str| ["CONV2D_", "CONNECTED_"].iter().any(|part| name.contains(part));
        let [first, .., last] = statics(&bytes, is_layer)[..] else {
            panic!("{}: the firmware has no statics of the layers", board.title)
        };
        for (at, bit) in [(first.0, 0), (last.0 + last.1 / 2, 7)] {
            bytes[at] ^= 1 << bit;
            let folder = tests::scratch(&format!("lost-bit-{}", board.name));
            let spoiled = folder.join("firmware");
            std::fs::write(&spoiled, &bytes).expect("written");
            let text = boot(&board.start(&spoiled, &[]));
            assert!(text.contains("weights SPOILED"), "{}: {text}", board.title);
            assert!(text.ends_with("self-test FAILED\r\n"), "{}: {text}", board.title);
            bytes[at] ^= 1 << bit;
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// 10,000 spoiled frames, most of them short so that an emulated serial port has a chance; then the
/// device still computes.
#[test]
fn spoiled_frames_do_not_stop_a_board() {
    const FRAMES: usize = 10_000;
    let board = &MICROBIT;
    let Some(qemu) = start(board, "10,000 spoiled frames") else { return };
    let mut line = connect(&qemu);
    let mut listening = line.try_clone().expect("a socket can be shared");

    // What follows the attack: a greeting and an image, with numbers that no answer before can have
    // by chance in this order.
    let images = Dataset::load(&tests::mnist(), Split::Test).expect("MNIST is committed");
    let image = images.image(7).to_vec();
    let good = [frames::hello(40_000), frames::infer(40_001, &image)].concat();
    let attack = thread::spawn(move || {
        let mut rng = fastrand::Rng::with_seed(3);
        for frame in 0..FRAMES {
            let size = if frame % 100 == 0 { 784 } else { 24 };
            line.write_all(&frames::spoiled(&mut rng, size)).expect("the device reads");
        }
        line.write_all(&good).expect("the device reads");
        line
    });

    let mut reader = FrameReader::<{ reply_len(10) }>::new();
    let (mut refused, mut answered) = (0, 0);
    let mut buffer = [0; 4096];
    'all: loop {
        let count = listening.read(&mut buffer).expect("the device goes on answering");
        assert!(count > 0, "the emulator ended");
        for &byte in &buffer[..count] {
            let Some(Ok((header, body))) = reader.feed(byte) else { continue };
            match Reply::from_bytes(body).expect("the device sends replies") {
                Reply::Error(error) => {
                    assert_ne!(error, Error::Internal);
                    refused += 1;
                }
                Reply::Inference(inference) if header.sequence == 40_001 => {
                    let logits: Vec<i32> = inference.logits.iter().collect();
                    assert_eq!(logits, expected(&image));
                    break 'all;
                }
                Reply::Info(_) | Reply::Inference(_) => answered += 1,
            }
        }
    }
    drop(attack.join().expect("everything was sent"));
    println!("{FRAMES} frames: {refused} refused, {answered} answered");
    assert!(refused > FRAMES / 2, "{refused} refused");
}

#[test]
fn a_board_with_another_model_is_refused() {
    let Some(qemu) = start(&STM32F405, "a board with another model") else { return };
    let folder = tests::scratch("other-model");
    let model = tests::root().join("models/simple");
    std::fs::copy(model.join("int8.onnx"), folder.join("int8.onnx")).expect("a file can be copied");
    std::fs::write(folder.join("float.onnx"), "another").expect("a file can be written");
    let arguments = VerifyArgs { model: folder, ..arguments() };
    let error = verify::run_on(&qemu, &arguments).expect_err("is refused");
    assert!(matches!(error, VerifyError::Model(ModelError::OtherModel { .. })), "{error}");
    assert!(error.to_string().contains("another model: 'simple'"), "{error}");
}

/// `verify --qemu` builds the firmware, starts its emulator, and leaves none behind.
#[test]
fn verify_brings_its_own_emulator() {
    let what = "verify --qemu";
    let Some(_toolchain) = Toolchain::or_skip(what) else { return };
    let verify = |board: &str| {
        let rustc = tests::root().join("target/mcu/bin/rustc");
        Command::new(tests::program("converter"))
            .args(["verify", "--images", "5", "--timeout", "60", "--qemu", board])
            .current_dir(tests::root())
            .env("RUSTC", rustc)
            .output()
            .expect("the converter runs")
    };
    let output = verify("stm32f100");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("mismatches  0 of 50 logits"), "{said}");
    assert!(said.contains("emulated"), "{said}");
    for (board, complaint) in [
        ("pico", "--qemu pico: QEMU does not emulate this board"),
        ("teapot", "--qemu teapot: there is no such board"),
    ] {
        let output = verify(board);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.lines().count() == 1, "{said}");
        assert!(said.contains(complaint), "{said}");
    }
}

/// An emulator that is dropped is gone.
#[test]
fn an_emulator_ends_with_what_started_it() {
    let Some(qemu) = start(&MICROBIT, "the end of an emulator") else { return };
    let process = std::path::PathBuf::from(format!("/proc/{}", qemu.id()));
    assert!(process.exists());
    drop(qemu);
    assert!(!process.exists());
}
