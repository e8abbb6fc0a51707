//! Samples of several inputs: read from the forms that people have them in, learned, exported, converted
//! and asked, by the command lines.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use converter::record::ModelRecord;
use converter::restore;
use image::GrayImage;
use inkling_data::prepare::InputForm;
use inkling_data::read::{self, Collection, Options, Wanted};
use inkling_data::{Dataset, Sets};
use tests::several::npy;
use tests::{program, scratch, skip};
use trainer::learn::network::Description;

const SIDE: usize = 8;
const STEPS: usize = 6;

/// Samples whose label neither input knows alone: the picture has a bar above or below, two sensors rise
/// or fall, and the label says whether both agree.
struct Senses {
    pictures: Vec<u8>,
    movements: Vec<f32>,
    labels: Vec<&'static str>,
}

fn senses(seed: u64, count: usize) -> Senses {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut senses = Senses { pictures: Vec::new(), movements: Vec::new(), labels: Vec::new() };
    for _ in 0..count {
        let (above, rises) = (rng.bool(), rng.bool());
        let row = rng.usize(0..SIDE / 2) + if above { 0 } else { SIDE / 2 };
        for at in 0..SIDE * SIDE {
            let ink = if at / SIDE == row { 200 } else { 0 };
            senses.pictures.push(ink + rng.u8(0..40));
        }
        let slope = if rises { 1.0 } else { -1.0 };
        for step in 0..STEPS {
            let at = slope * (step as f32 - 2.5) / 2.5;
            senses.movements.extend([at + rng.f32() * 0.2, 10.0 * at - rng.f32()]);
        }
        senses.labels.push(if above == rises { "same" } else { "other" });
    }
    senses
}

/// As arrays of a part of a data set, the sensors as `[count, steps, 2]`.
fn arrays(folder: &Path, part: &str, senses: &Senses) {
    let count = senses.labels.len();
    npy(folder, &format!("picture_{part}"), "|u1", &[count, SIDE, SIDE], senses.pictures.clone());
    let floats = senses.movements.iter().flat_map(|x| x.to_le_bytes()).collect();
    npy(folder, &format!("movement-{part}"), "<f4", &[count, STEPS, 2], floats);
    let word = |label: &&str| -> Vec<u8> {
        let mut chars = label.chars();
        (0..5).flat_map(|_| chars.next().map_or(0, u32::from).to_le_bytes()).collect()
    };
    let words = senses.labels.iter().flat_map(word).collect();
    npy(folder, &format!("y_{part}"), "<U5", &[count], words);
}

/// As a folder of pictures and a folder of recordings.
fn folders(folder: &Path, senses: &Senses) {
    for (index, label) in senses.labels.iter().enumerate() {
        let place = |input: &str, end: &str| {
            let dir = folder.join(input).join(label);
            fs::create_dir_all(&dir).expect("the folder is made");
            dir.join(format!("{index:03}.{end}"))
        };
        let pixels = &senses.pictures[index * SIDE * SIDE..][..SIDE * SIDE];
        let picture = GrayImage::from_raw(8, 8, pixels.to_vec()).expect("8 × 8");
        picture.save(place("picture", "png")).expect("is written");
        let rows = senses.movements[index * STEPS * 2..][..STEPS * 2].chunks(2);
        let rows = rows.map(|row| format!("{},{}\n", row[0], row[1]));
        let text = format!("tilt,turn\n{}", rows.collect::<String>());
        fs::write(place("movement", "csv"), text).expect("is written");
    }
}

fn wanted() -> Options {
    let input = |name: &str, shape| Wanted {
        name: name.into(),
        shape: Some(shape),
        options: Options::default(),
    };
    let inputs = vec![input("picture", [SIDE, SIDE, 1]), input("movement", [1, STEPS, 2])];
    Options { inputs, ..Options::default() }
}

fn open(folder: &Path) -> Result<Collection, String> {
    let result = read::open(folder, &wanted()).map_err(|error| error.to_string());
    if let Err(error) = &result {
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    result
}

const NETWORK: &str = r#"name = "senses"

[[input]]
name = "picture"
shape = [8, 8, 1]

[[input]]
name = "movement"
shape = [1, 6, 2]

[[layer]]
kind = "conv2d"
inputs = ["picture"]
channels = 4
kernel = 3
[[layer]]
kind = "relu"
[[layer]]
kind = "flatten"
[[layer]]
kind = "fully_connected"
outputs = 12
[[layer]]
kind = "relu"
name = "seen"

[[layer]]
kind = "conv2d"
inputs = ["movement"]
channels = 4
kernel = [1, 3]
[[layer]]
kind = "batch_norm"
[[layer]]
kind = "relu"
[[layer]]
kind = "flatten"
[[layer]]
kind = "fully_connected"
outputs = 8
[[layer]]
kind = "relu"
name = "felt"

[[layer]]
kind = "concat"
inputs = ["seen", "felt"]
[[layer]]
kind = "fully_connected"
outputs = 16
[[layer]]
kind = "relu"
[[layer]]
kind = "fully_connected"
"#;

#[test]
fn arrays_and_folders_give_the_same_samples() {
    let all = senses(1, 60);
    let folder = scratch("senses-forms");
    arrays(&folder.join("arrays"), "train", &all);
    arrays(&folder.join("arrays"), "test", &senses(2, 20));
    folders(&folder.join("folders"), &all);
    let of_arrays = open(&folder.join("arrays")).expect("is read");
    assert!(of_arrays.test_given && of_arrays.test.len() == 20 && of_arrays.train.len() == 60);
    assert_eq!(of_arrays.train.shape, [1, 1, SIDE * SIDE + 2 * STEPS]);
    assert_eq!(of_arrays.train.image(0)[..SIDE * SIDE], all.pictures[..SIDE * SIDE]);
    assert!(matches!(of_arrays.forms[..], [InputForm::Bytes, InputForm::Numbers(_)]));
    // Folders hold the samples label by label, and the test set is a seventh of them.
    let of_folders = open(&folder.join("folders")).expect("is read");
    let every = |sets: &[&Dataset]| {
        let samples = sets.iter().flat_map(|set| {
            (0..set.len()).map(|i| (set.names[usize::from(set.labels[i])].clone(), set.image(i)))
        });
        let mut all: Vec<(String, Vec<u8>)> =
            samples.map(|(name, sample)| (name, sample.to_vec())).collect();
        all.sort();
        all
    };
    assert_eq!(every(&[&of_arrays.train]), every(&[&of_folders.train, &of_folders.test]));
    assert!(!of_folders.test_given && of_folders.test.inputs == of_arrays.train.inputs);
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn what_does_not_belong_together_is_said() {
    let folder = scratch("senses-wrong");
    let all = senses(3, 40);
    let (good, fewer) = (folder.join("good"), folder.join("fewer"));
    folders(&good, &all);
    assert!(open(&good).is_ok());
    let refused = |part: &str| {
        let error = open(&good).err().unwrap_or_else(|| panic!("{part}: is read"));
        assert!(error.contains(part), "{part:?}: {error}");
    };
    let label = all.labels[7];
    let file = good.join(format!("movement/{label}/007.csv"));
    let aside = folder.join("007.csv");
    fs::rename(&file, &aside).expect("moved");
    refused("\"picture\" has 40 training samples, \"movement\" 39");
    // As many, but one under another name.
    fs::copy(&aside, good.join(format!("movement/{label}/900.csv"))).expect("copied");
    refused("both must have the same file names and labels");
    fs::rename(good.join("movement"), folder.join("elsewhere")).expect("moved");
    refused("has nothing for the input \"movement\"");
    // Arrays of other lengths and shapes.
    arrays(&fewer, "train", &all);
    let shorter = senses(3, 30);
    let floats = shorter.movements.iter().flat_map(|x| x.to_le_bytes()).collect();
    npy(&fewer, "movement-train", "<f4", &[30, STEPS, 2], floats);
    let error = open(&fewer).err().expect("is refused");
    assert!(error.contains("one label for each of the 30 samples"), "{error}");
    npy(&fewer, "movement-train", "|u1", &[40, 5, 2], vec![0; 400]);
    let error = open(&fewer).err().expect("is refused");
    assert!(error.contains("\"movement\" are 5×2, the input takes 1×6×2"), "{error}");
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn a_description_names_its_inputs() {
    let description = Description::parse("two.toml", NETWORK).expect("it is good");
    assert!(description.build([1, 8, 8], 2).is_err());
    for (from, to, part) in [
        ("inputs = [\"picture\"]\n", "", "does not say which of the inputs it reads"),
        ("name = \"movement\"\n", "name = \"picture\"\n", "two inputs are called"),
        ("inputs = [\"movement\"]", "inputs = [\"image\"]", "reads \"image\""),
        ("name = \"felt\"", "name = \"movement\"", "is taken"),
        ("shape = [8, 8, 1]", "shape = [8, 800, 1]", "input \"picture\""),
    ] {
        assert!(NETWORK.contains(from), "{from}");
        let error = Description::parse("two.toml", &NETWORK.replacen(from, to, 1));
        let error = error.err().unwrap_or_else(|| panic!("{part}: is read")).to_string();
        assert!(error.contains(part) && error.lines().count() == 1, "{part:?}: {error}");
    }
    // Flat and not flat.
    let folder = scratch("senses-description");
    arrays(&folder, "train", &senses(4, 40));
    let sets = Sets::load(&folder, &wanted(), 0).expect("is read");
    let network = description.build_for(&sets.images).expect("it fits");
    assert_eq!(network.inputs(), 2);
    let mixed =
        NETWORK.replacen("inputs = [\"seen\", \"felt\"]", "inputs = [\"seen\", \"conv2d2\"]", 1);
    let error =
        Description::parse("two.toml", &mixed).expect("no data yet").build_for(&sets.images);
    assert!(error.expect_err("is refused").to_string().contains("flat"));
    let _ = fs::remove_dir_all(folder);
}

fn run(name: &str, arguments: &[&str]) -> Output {
    Command::new(program(name)).args(arguments).output().expect("it starts")
}

fn succeeds(name: &str, arguments: &[&str]) -> String {
    let output = run(name, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn refuses(name: &str, arguments: &[&str], part: &str) {
    let output = run(name, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains(part), "{name} {arguments:?}: {said}");
}

/// A C program calls the converted model of `folder` with a pointer for each input and compares every golden
/// output.
fn in_c(folder: &Path) {
    if Command::new("cc").arg("--version").output().is_err() {
        let remedy = "installing a C compiler";
        skip("several inputs in C", "there is no cc", remedy, "INKLING_REQUIRE_MCU");
        return;
    }
    let path = |name: &str| folder.join(name).display().to_string();
    succeeds("converter", &["library", &path("again"), "--out", &path("library")]);
    let source = r#"#include <stdio.h>
#include "inkling_senses.h"
#include "inkling_senses_golden.h"
static uint32_t arena[INKLING_SENSES_ARENA_WORDS];
int main(void) {
    int wrong = 0, at, n;
    for (at = 0; at < INKLING_SENSES_GOLDEN; at++) {
        const inkling_senses_input_t *sample = inkling_senses_golden_inputs[at];
        const void *inputs[INKLING_SENSES_INPUTS] = { sample, sample + INKLING_SENSES_PICTURE_BYTES };
        inkling_senses_output_t logits[INKLING_SENSES_OUTPUTS];
        void *outputs[1] = { logits };
        if (inkling_senses_infer(inputs, outputs, arena) != 0) return 2;
        for (n = 0; n < INKLING_SENSES_OUTPUTS; n++)
            wrong += logits[n] != inkling_senses_golden_outputs[at][n];
    }
    {
        const void *inputs[INKLING_SENSES_INPUTS] = { inkling_senses_golden_inputs[0], 0 };
        void *outputs[1] = { arena };
        if (inkling_senses_infer(inputs, outputs, arena) != -1) return 3;
    }
    printf("%d wrong of %d\n", wrong, INKLING_SENSES_GOLDEN);
    return wrong != 0;
}
"#;
    fs::write(path("main.c"), source).expect("is written");
    let output = Command::new("cc")
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-I", &path("library/include")])
        .args([&path("main.c"), &path("library/host/libinkling.a"), "-o", &path("main")])
        .args(["-lpthread", "-ldl", "-lm"])
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = Command::new(path("main")).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("0 wrong of 20"), "{said}");
}

/// A file for each input is asked about, and each input is damaged and covered on its own.
fn asked_by_files(folder: &Path, out: &str, scores: &str, data: &str) {
    let path = |name: &str| -> String { folder.join(name).display().to_string() };
    let all = senses(7, 24);
    folders(&folder.join("files"), &all);
    let mut right = 0;
    for (index, label) in all.labels.iter().enumerate() {
        let picture = path(&format!("files/picture/{label}/{index:03}.png"));
        let movement = path(&format!("files/movement/{label}/{index:03}.csv"));
        let [picture, movement] =
            [format!("--input=picture={picture}"), format!("--input=movement={movement}")];
        let said =
            succeeds("trainer", &["predict", "--brief", "--model", out, &movement, &picture]);
        right += usize::from(said.contains(&format!(".csv: {label} (")));
    }
    assert!(right >= 22, "{right} of 24");
    let label = all.labels[0];
    let picture = format!("picture={}", path(&format!("files/picture/{label}/000.png")));
    let csv = path(&format!("files/movement/{label}/000.csv"));
    let movement = format!("movement={csv}");
    // The same numbers as an array give the same logits.
    let floats = all.movements[..2 * STEPS].iter().flat_map(|x| x.to_le_bytes()).collect();
    npy(folder, "one_movement", "<f4", &[1, STEPS, 2], floats);
    let array = format!("movement={}", path("one_movement.npy"));
    let logits = |movement: &str| {
        let words = ["predict", "--model", out, "--input", &picture, "--input", movement];
        let told = succeeds("trainer", &words);
        told.lines().find(|line| line.starts_with("  logits")).expect("has logits").to_string()
    };
    assert_eq!(logits(&movement), logits(&array));
    let html = path("explained.html");
    let words = ["explain", "--model", out, "--input", &picture, "--input", &movement];
    let told = succeeds("trainer", &[&words[..], &["--html", &html]].concat());
    for part in ["input picture: with all of it covered", "input movement: ", "a black square"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(fs::read_to_string(&html).expect("written").contains("where it looks"));
    let told = succeeds(
        "trainer",
        &["evaluate", "--model", out, "--data", data, "--corrupt", "--json", scores],
    );
    for part in ["picture rotation 45 °", "picture noise 25 levels", "movement noise 100 levels"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("movement rotation"), "{told}");
    // What does not answer is said.
    fs::write(path("short.csv"), "1,2\n3,4\n").expect("is written");
    let short = format!("movement={}", path("short.csv"));
    let file = path(&format!("files/picture/{label}/000.png"));
    let confused = format!("movement={file}");
    for (inputs, part) in [
        (vec![&picture[..]], "--input movement=FILE: is missing"),
        (vec![&picture, &picture], "--input picture: is given twice"),
        (vec![&picture, "sound=a.csv"], "has the inputs picture, movement"),
        (vec![&picture, "movement"], "is not NAME=FILE"),
        (vec![&picture, &short], "has 2 rows of 2, the input takes 1×6×2"),
        (vec![&picture, &confused], "the input takes numbers"),
    ] {
        let inputs = inputs.iter().flat_map(|input| ["--input", input]);
        let words: Vec<&str> = ["predict", "--model", out].into_iter().chain(inputs).collect();
        refuses("trainer", &words, part);
    }
    for command in ["predict", "explain"] {
        refuses("trainer", &[command, &file, "--model", out], "take --input NAME=FILE for each");
    }
    refuses("trainer", &["play", "--model", out], "several inputs (picture, movement)");
    refuses(
        "converter",
        &[&format!("{out}/float.onnx"), "--calibration", data, "--emit", "blob", "--out", out],
        "a blob has one input",
    );
}

/// What neither input knows is learned from both, in floating point and with integers, and goes the whole
/// line.
#[test]
fn both_inputs_are_learned_exported_converted_and_asked() {
    let folder = scratch("senses-line");
    let path = |name: &str| -> String { folder.join(name).display().to_string() };
    let data: PathBuf = folder.join("data");
    arrays(&data, "train", &senses(5, 600));
    arrays(&data, "test", &senses(6, 200));
    fs::write(path("two.toml"), NETWORK).expect("is written");
    let recipe = "name = \"senses\"\nepochs = 6\nbatch = 20\nrate = 0.05\n\
                  [schedule]\nkind = \"one-cycle\"\nwarmup = 0.2\n\
                  [optimizer]\nkind = \"sgd\"\nmomentum = 0.9\nweight_decay = 0.0\n\
                  [augmentation]\nrotation = 2.0\nnoise = 0.02\n\
                  [quantization]\nepochs = 2\nrate = 0.005\n";
    fs::write(path("recipe.toml"), recipe).expect("is written");
    let (data, out) = (data.display().to_string(), path("model"));
    let train = |out: &str, more: &[&str]| {
        let network = path("two.toml");
        let recipe = path("recipe.toml");
        let mut words = vec!["--data", &data, "--network", &network, "--recipe", &recipe];
        words.extend(["--threads", "1", "--backend", "tract", "--out", out]);
        words.extend(more);
        succeeds("trainer", &words)
    };
    let told = train(&out, &[]);
    let record = ModelRecord::of_folder(Path::new(&out)).expect("readable").expect("there");
    let names: Vec<&str> = record.inputs.iter().map(|input| &input.name[..]).collect();
    assert_eq!(names, ["picture", "movement"]);
    let forms = record.inputs.iter().map(|input| input.preparation.form.clone());
    assert!(matches!(
        forms.collect::<Vec<_>>()[..],
        [Some(InputForm::Bytes), Some(InputForm::Numbers(_))]
    ));
    let json = path("scores.json");
    succeeds("trainer", &["evaluate", "--model", &out, "--data", &data, "--json", &json]);
    let scores: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&json).expect("written")).expect("is JSON");
    let accuracy = scores["int8"]["accuracy"]["value"].as_f64();
    let accuracy = accuracy.or(scores["int8"]["accuracy"].as_f64()).expect("an accuracy");
    assert!(accuracy > 0.95, "{accuracy}\n{told}");
    let code =
        |folder: &str| fs::read_to_string(Path::new(folder).join("model.rs")).expect("there");
    // The file alone, with the same data for its calibration, becomes the same integers.
    let (float, again) = (format!("{out}/float.onnx"), path("again"));
    let convert = ["--calibration", &data, "--name", "senses", "--out", &again, "--emit", "c"];
    succeeds("converter", &[&[&float[..]], &convert[..]].concat());
    let integers = |folder: &str| {
        let folder = Path::new(folder);
        let record = ModelRecord::of_folder(folder).expect("readable").expect("there");
        let file = |name: &str| fs::read(folder.join(name)).expect("there");
        let restored = restore(&file("float.onnx"), &record, &file("int8.onnx"));
        restored.expect("it is whole").1
    };
    assert_eq!(integers(&again), integers(&out));
    assert!(code(&out).contains("picture: &Picture,\n    movement: &Movement,"));
    let header = fs::read_to_string(folder.join("again/inkling_senses.h")).expect("there");
    assert!(header.contains("#define INKLING_SENSES_MOVEMENT_CHANNELS 2"), "{header}");
    in_c(&folder);
    asked_by_files(&folder, &out, &json, &data);
    let one = folder.join("one");
    fs::create_dir_all(&one).expect("is made");
    for name in ["picture_train", "y_train"] {
        fs::copy(folder.join(format!("data/{name}.npy")), one.join(format!("{name}.npy")))
            .expect("copied");
    }
    let one = one.display().to_string();
    refuses(
        "trainer",
        &["evaluate", "--model", &out, "--data", &one],
        "movement_train and y_train",
    );
    let _ = fs::remove_dir_all(folder);
}
