//! Models in C: headers and library that the command line makes, called by a C program on this machine and
//! on emulated cores; every golden output is compared there.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use converter::emit::{Origin, c, golden};
use converter::quantized::Requantization;
use converter::record::ModelRecord;
use converter::{Favour, arena, restore, tflite};
use inkling_data::{Dataset, Split};
use sha2::{Digest, Sha256};
use tests::mcu::Toolchain;
use tests::{program, root, scratch, skip, tflite_micro};

/// The folders of two models, as `--emit c` leaves them.
static MODELS: LazyLock<std::path::PathBuf> = LazyLock::new(|| {
    let folder = scratch("c-models");
    let simple = folder.join("simple");
    fs::create_dir_all(&simple).expect("created");
    let committed = |name: &str| fs::read(root().join("models/simple").join(name)).expect("there");
    let float = committed("float.onnx");
    let record = String::from_utf8(committed("model.json")).expect("text");
    let record = ModelRecord::parse(&record).expect("a record");
    let (_, network) = restore(&float, &record, &committed("int8.onnx")).expect("it is whole");
    let test = Dataset::load(&tests::mnist(), Split::Test).expect("MNIST is committed");
    let origin = Origin {
        name: record.name.clone(),
        source: "float.onnx".into(),
        source_sha256: Sha256::digest(&float).into(),
        command: record.command.clone(),
        labels: record.labels.clone(),
        unknown: None,
        section: None,
    };
    let samples = golden::samples(&network, &test);
    for (name, text) in c::headers(&network, &arena::plan(&network), &samples, &origin) {
        fs::write(simple.join(name), text).expect("written");
    }
    for name in ["model.json", "model.rs"] {
        fs::write(simple.join(name), committed(name)).expect("written");
    }
    let series = folder.join("series");
    fs::create_dir_all(&series).expect("created");
    let bytes = fs::read(tflite_micro::committed("series")).expect("it is committed");
    let series_model = tflite::convert("series", &bytes, Favour::Time).expect("it is imported");
    let headers = series_model.c_headers();
    let beside = headers.iter().map(|(name, text)| (&name[..], text.clone().into_bytes()));
    series_model.write_with(&series, beside.collect()).expect("written");
    folder
});

/// Runs `converter library` for a target; the folder of its results.
fn library(name: &str, options: &[&str]) -> std::path::PathBuf {
    let out = scratch(name);
    let mut command = Command::new(program("converter"));
    command.arg("library").args(["simple", "series"].map(|name| MODELS.join(name)));
    command.args(options).arg("--out").arg(&out);
    let rustc = root().join("target/mcu/bin/rustc");
    if options.contains(&"--target") {
        command.env("RUSTC", rustc.canonicalize().expect("the toolchain is there"));
    }
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    out
}

/// Compiles the example without a warning.
fn compile(compiler: &str, options: &[&str], sources: &[&str], library: &Path, to: &Path) {
    let example = root().join("examples/c");
    let target = library.parent().expect("it lies in a folder of its target");
    let output = Command::new(compiler)
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2"])
        .args(options)
        .arg("-I")
        .arg(target.join("../include"))
        .args(sources.iter().map(|source| example.join(source)))
        .arg(library)
        .arg("-o")
        .arg(to)
        .args(if compiler == "cc" { &["-lpthread", "-ldl", "-lm"][..] } else { &[] })
        .output()
        .expect("the compiler starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn is_there(program: &str, what: &str, remedy: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        skip(what, &format!("there is no {program}"), remedy, "INKLING_REQUIRE_MCU");
    }
    found
}

#[test]
fn on_this_machine() {
    if !is_there("cc", "C on this machine", "installing a C compiler") {
        return;
    }
    let out = library("c-host", &[]);
    let example = out.join("example");
    compile("cc", &[], &["main.c"], &out.join("host/libinkling.a"), &example);
    let run = |example: &Path| {
        let output = Command::new(example).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, text) = run(&example);
    assert!(code == Some(0) && text.contains("20 + 20 samples, 0 wrong"), "{text}");
    spoiled(&example, run);
    with_cmake(&out);
    let _ = fs::remove_dir_all(out);
}

#[test]
fn on_emulated_cores() {
    let what = "C on emulated cores";
    if Toolchain::or_skip(what).is_none()
        || !is_there("arm-none-eabi-gcc", what, "tools/mcu-toolchain")
    {
        return;
    }
    let m4 = "-mcpu=cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16";
    let cores = [
        ("thumbv7em-none-eabihf", "mps2-an386", m4),
        ("thumbv6m-none-eabi", "mps2-an385", "-mcpu=cortex-m0"),
    ];
    let out = library("c-cores", &["--target", &cores.map(|(target, ..)| target).join(",")]);
    let script = root().join("examples/c/cortex-m.ld").display().to_string();
    for (target, machine, core) in cores {
        let elf = out.join(target).join("example.elf");
        let mut options: Vec<&str> = core.split(' ').collect();
        options.extend(["-mthumb", "-T", &script, "-nostartfiles", "--specs=rdimon.specs"]);
        options.extend(["-Wl,--gc-sections", "-Wl,--no-warnings"]);
        let library = out.join(target).join("libinkling.a");
        compile("arm-none-eabi-gcc", &options, &["main.c", "cortex-m.c"], &library, &elf);
        let run = |elf: &Path| {
            let output = Command::new("timeout")
                .args(["300", "qemu-system-arm", "-M", machine, "-display", "none"])
                .args(["-monitor", "none", "-serial", "none"])
                .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
                .arg(elf)
                .output()
                .expect("QEMU starts");
            let said = [output.stdout, output.stderr].concat();
            (output.status.code(), String::from_utf8_lossy(&said).into_owned())
        };
        let (code, text) = run(&elf);
        assert!(code == Some(0) && text.contains("20 + 20 samples, 0 wrong"), "{target}: {text}");
        spoiled(&elf, run);
    }
    let _ = fs::remove_dir_all(out);
}

/// The same program by the `CMakeLists.txt` that users copy, and that of a Zephyr application with a stand-in
/// for Zephyr, which is not to be had: only what the file itself does is seen there.
fn with_cmake(library: &Path) {
    if !is_there("cmake", "the example by CMake", "tools/mcu-toolchain") {
        return;
    }
    let zephyr = library.join("stand-in");
    fs::create_dir_all(&zephyr).expect("created");
    let package = "project(stand_in C)\nadd_executable(app)\ntarget_link_libraries(app PRIVATE pthread dl m)\n";
    fs::write(zephyr.join("ZephyrConfig.cmake"), package).expect("written");
    for (source, program) in [("examples/c", "example"), ("examples/c/zephyr", "app")] {
        let build = library.join(program).with_extension("build");
        let cmake = |options: &[&str]| {
            let mut command = Command::new("cmake");
            command.args(options).env("ZEPHYR_BASE", &zephyr).current_dir(library);
            let output = command.output().expect("it starts");
            let said = [output.stdout, output.stderr].concat();
            (output.status.success(), String::from_utf8_lossy(&said).into_owned())
        };
        let source = root().canonicalize().expect("it is there").join(source);
        let (source, folder) = (source.to_string_lossy(), build.to_string_lossy());
        let configure = ["-S", &source, "-B", &folder, "-DINKLING_TARGET=host"];
        // Relative to the folder in which cmake is started, and first where there is no library.
        let (right, text) = cmake(&[&configure[..], &["-DINKLING=nowhere"]].concat());
        assert!(!right && text.contains("nowhere/host/libinkling.a"), "{text}");
        let (right, text) = cmake(&[&configure[..], &["-DINKLING=."]].concat());
        assert!(right, "{text}");
        let (right, text) = cmake(&["--build", &folder]);
        assert!(right, "{text}");
        let output = Command::new(build.join(program)).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("20 + 20 samples, 0 wrong"), "{text}");
    }
}

/// A number of the model `simple` in an executable that is spoiled: its weights, biases and shifts, found by
/// what they are.
fn spoiled(executable: &Path, run: impl Fn(&Path) -> (Option<i32>, String)) {
    let folder = root().join("models/simple");
    let read = |name: &str| fs::read(folder.join(name)).expect("it is committed");
    let record = ModelRecord::of_folder(&folder).expect("readable").expect("there");
    let (_, network) =
        restore(&read("float.onnx"), &record, &read("int8.onnx")).expect("it is whole");
    let [_, conv, connected, _] = &network.layers[..] else { panic!("simple has four layers") };
    let conv = conv.parameters().expect("it has weights");
    let connected = connected.parameters().expect("it has weights");
    let words = |numbers: Vec<i32>| numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    let Requantization::Shifts(shifts) = &connected.requantization else {
        panic!("simple has shifts")
    };
    // A core may want the weights of several channels side by side, 128 more than they are, or several times.
    let weights = |block: usize, more: u8| -> Vec<u8> {
        let channel = |at: usize| conv.taps(8 + at % block)[at / block] as u8;
        (0..20 * block).map(|at| channel(at) ^ more).collect()
    };
    let orders = [1, 2, 4, 8].map(|block| [0, 0x80].map(|more| weights(block, more)));
    let parts: [(&str, Vec<Vec<u8>>); 3] = [
        ("weights", orders.into_iter().flatten().collect()),
        ("biases", vec![words(connected.bias.clone())]),
        ("shifts", vec![shifts.clone()]),
    ];
    let good = fs::read(executable).expect("it was built");
    let changed = executable.with_extension("spoiled");
    fs::copy(executable, &changed).expect("copied with its permissions");
    for (what, part) in parts {
        let places: Vec<(usize, usize)> = part
            .iter()
            .flat_map(|part| {
                let windows = good.windows(part.len()).enumerate();
                windows.filter(move |(_, w)| w == part).map(move |(at, _)| (at, part.len()))
            })
            .collect();
        assert!(!places.is_empty(), "{what} lie nowhere");
        for (at, len) in places {
            let mut bytes = good.clone();
            bytes[at + len / 2] ^= 1;
            fs::write(&changed, bytes).expect("written");
            let (code, text) = run(&changed);
            let found = code == Some(2) && text.contains("weights are spoiled");
            assert!(found, "{what} at {at}: {code:?} {text}");
        }
    }
}

/// The layout that the Arduino IDE wants, with a library for each core; what cannot work is one line.
#[test]
fn arduino_and_errors() {
    if Toolchain::or_skip("an Arduino library").is_some() {
        let targets = "thumbv6m-none-eabi,thumbv7em-none-eabihf";
        let out = library("c-arduino", &["--arduino", "--target", targets]);
        let properties = fs::read_to_string(out.join("library.properties")).expect("it is there");
        assert!(properties.contains("precompiled=true") && properties.contains("-linkling"));
        for file in ["Inkling.h", "inkling_simple.h", "cortex-m0plus/libinkling.a"] {
            assert!(out.join("src").join(file).is_file(), "{file} is missing");
        }
        assert!(out.join("src/cortex-m4/fpv4-sp-d16-hard/libinkling.a").is_file());
        let _ = fs::remove_dir_all(out);
    }
    let refused = |models: &[&Path]| {
        let out = scratch("c-refused");
        let mut command = Command::new(program("converter"));
        let output = command.arg("library").args(models).arg("--out").arg(&out).output();
        let error = output.expect("it starts");
        assert_eq!(error.status.code(), Some(1));
        let text = String::from_utf8_lossy(&error.stderr).into_owned();
        assert_eq!(text.lines().count(), 1, "{text}");
        text
    };
    let simple = MODELS.join("simple");
    assert!(refused(&[&simple, &simple]).contains("two models are called simple"));
    let committed = root().join("models/simple");
    assert!(refused(&[&committed]).contains("convert the model with --emit c"));
}
