//! "None of these": learned or by a threshold, chosen on validation, and the same on the host, in generated
//! Rust and in C.

use std::fmt::Write;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use converter::record::{ModelRecord, Rule, UNKNOWN};
use firmware_core::Unknown;
use image::{GrayImage, Luma};
use inkling_data::Dataset;
use inkling_data::prepare::{Layout, Wishes};
use inkling_data::read::{self, labels};
use inkling_data::strange::{Kind, Strange};
use std::sync::Arc;
use tests::generated::{self, Program};
use tests::{program, root, scratch};
use trainer::ask::model::Model;
use trainer::learn::batches::{Feed, Strangers};

const SIDE: u32 = 16;

/// Which corner a square lies in is its class.
const CLASSES: [&str; 3] = ["left", "low", "right"];

/// A square of about a third of the side in a class's corner; in the fourth corner for another class.
fn square(class: usize, rng: &mut fastrand::Rng) -> GrayImage {
    let [x, y] = [[1, 1], [1, 9], [9, 1], [9, 9]][class];
    let (left, top) = (x + rng.u32(0..2), y + rng.u32(0..2));
    let level = rng.u8(180..);
    GrayImage::from_fn(SIDE, SIDE, |x, y| {
        let inside = (left..left + 5).contains(&x) && (top..top + 5).contains(&y);
        Luma([if inside { level } else { 8 }])
    })
}

fn squares(folder: &Path, classes: &[&str], count: usize) {
    let mut rng = fastrand::Rng::with_seed(7);
    for (class, name) in classes.iter().enumerate() {
        fs::create_dir_all(folder.join(name)).expect("a test can make folders");
        for number in 0..count {
            let file = folder.join(name).join(format!("{number:03}.png"));
            square(class, &mut rng).save(file).expect("a test can write");
        }
    }
}

/// Pictures of a class that no data set has, in one folder.
fn others(folder: &Path, count: usize) {
    let mut rng = fastrand::Rng::with_seed(9);
    fs::create_dir_all(folder).expect("a test can make folders");
    for number in 0..count {
        square(3, &mut rng).save(folder.join(format!("{number:03}.png"))).expect("written");
    }
}

/// A recipe with a section `[unknown]`, if there is one.
fn recipe(folder: &Path, name: &str, unknown: &str) -> PathBuf {
    let text = format!(
        "name = \"{name}\"\nepochs = 24\nbatch = 16\nrate = 0.05\n\n\
         [schedule]\nkind = \"one-cycle\"\nwarmup = 0.2\n\n\
         [optimizer]\nkind = \"sgd\"\nmomentum = 0.9\nweight_decay = 1e-4\n\n{unknown}"
    );
    let file = folder.join(format!("{name}.toml"));
    fs::write(&file, text).expect("a test can write");
    file
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn run(name: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program(name));
    command.current_dir(root()).args(arguments).stdin(Stdio::null());
    command.output().expect("it starts")
}

fn succeed(output: &Output) -> String {
    let [out, error] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{out}{error}");
    out.into_owned()
}

fn refused(output: &Output, says: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.lines().count() == 1 && error.contains(says), "{error}");
}

fn train(data: &Path, recipe: &Path, out: &Path, more: &[&str]) -> Output {
    let usual = ["--network", "tiny", "--layout", "whole", "--threads", "1", "--backend", "tract"];
    let paths = ["--data", path(data), "--recipe", path(recipe), "--out", path(out)];
    run("trainer", &[&["train"], &usual[..], &paths, more].concat())
}

fn record(model: &Path) -> ModelRecord {
    ModelRecord::of_folder(model).expect("readable").expect("is there")
}

/// The answer by the record alone, in real numbers: nothing of the device's code.
fn by_the_record(record: &ModelRecord, logits: &[i32]) -> Option<usize> {
    let unknown = record.unknown.as_ref().expect("the model has a rule");
    let real: Vec<f64> =
        logits.iter().map(|&logit| f64::from(logit) * record.outputs[0].scale).collect();
    let known = || (0..real.len()).filter(|class| Some(*class) != unknown.class);
    let best = known().reduce(|a, b| if real[b] > real[a] { b } else { a })?;
    let largest = |of: &mut dyn Iterator<Item = usize>| {
        of.map(|class| real[class]).fold(f64::NEG_INFINITY, f64::max)
    };
    let score = match unknown.rule {
        Rule::Class => real[best] - real[unknown.class.expect("a class")],
        Rule::Margin => real[best] - largest(&mut (0..real.len()).filter(|class| *class != best)),
        Rule::Level => real[best],
    };
    (score >= record.thresholds[UNKNOWN]).then_some(best)
}

/// Every image of the data, and as many samples of every kind.
fn images(data: &Path, model: &Model) -> Dataset {
    let side = SIDE as usize;
    let pictures = Wishes {
        size: Some([side; 2]),
        layout: Some(Layout::Whole),
        grey: true,
        ..Wishes::default()
    };
    let options = read::Options { pictures, ..read::Options::default() };
    let all = read::open(data, &options).expect("readable");
    let images = Arc::new(all.train.joined(&all.test).expect("fits"));
    let strange = Strange::new(images.clone(), (0..images.len()).collect(), &Kind::ALL, None);
    let (strange, _) = strange.expect("there are kinds").samples(200, 11, 3);
    let bytes = [images.batch(0..images.len()), strange.batch(0..strange.len())].concat();
    let count = images.len() + strange.len();
    Dataset::new(model.shape(), bytes, vec![0; count], labels::numbers(model.classes()))
}

/// The answers of two models by their generated code, and how many of each are none of the classes; they are
/// the records' and the host's.
fn generated_answers(folders: [&Path; 2], images: &Dataset) -> [usize; 2] {
    let mut programs = Vec::new();
    let expected = folders.map(|folder| {
        let model = Model::open(folder).expect("it is whole");
        let logits = model.int8_logits(images).expect("of its size");
        let expected: Vec<Option<usize>> =
            logits.iter().map(|logits| by_the_record(&model.record, logits)).collect();
        for (logits, expected) in logits.iter().zip(&expected) {
            let answer = model.answer(logits);
            assert_eq!((!answer.refused).then_some(answer.class), *expected, "{logits:?}");
        }
        in_c(folder, &logits, &expected);
        expected
    });
    for (module, folder) in ["first", "second"].into_iter().zip(folders) {
        let code = fs::read_to_string(folder.join("model.rs")).expect("is there");
        let code = code.replace("pub fn infer(", "fn logits(")
            + "pub fn infer(image: &Image, arena: &mut Arena<ARENA_BYTES>) -> [i32; 1] {\n    \
               [classify(&logits(image, arena)).map_or(255, |class| class as i32)]\n}\n";
        programs.push(Program { module, code, inputs: images.batch(0..images.len()) });
    }
    for (outputs, expected) in generated::outputs("unknown-code", &programs).iter().zip(&expected) {
        let answers: Vec<Option<usize>> =
            outputs.iter().map(|&class| (class != 255).then_some(class.into())).collect();
        assert_eq!(answers, *expected);
    }
    expected.map(|answers| answers.iter().filter(|answer| answer.is_none()).count())
}

/// The function in the header for C answers alike. It needs no library.
fn in_c(folder: &Path, logits: &[Vec<i32>], expected: &[Option<usize>]) {
    if Command::new("cc").arg("--version").output().is_err() {
        return tests::skip(
            "C on this machine",
            "there is no cc",
            "a C compiler",
            "INKLING_REQUIRE_MCU",
        );
    }
    let named = record(folder).name;
    let out = scratch(&format!("unknown-c-{named}"));
    let float = folder.join("float.onnx");
    let data = folder.with_file_name("data");
    let paths = ["--calibration", path(&data), "--out", path(&out), "--name", &named];
    succeed(&run("converter", &[&[path(&float), "--emit", "c"], &paths[..]].concat()));
    // What is converted again keeps the rule; its logits may lie on another grid.
    let (again, before) = (record(&out), record(folder));
    assert_eq!((&again.unknown, again.thresholds), (&before.unknown, before.thresholds.clone()));
    assert_eq!(
        again.outputs[0].scale, before.outputs[0].scale,
        "the logits below are of this grid"
    );
    let count = logits[0].len();
    let main = format!(
        "#include <stdio.h>\n#include \"inkling_{named}.h\"\nint main(void)\n{{\n    \
         int32_t x[{count}];\n    int at;\n    for (;;) {{\n        \
         for (at = 0; at < {count}; at++)\n            if (scanf(\"%d\", &x[at]) != 1)\n                \
         return 0;\n        printf(\"%d\\n\", inkling_{named}_classify(x));\n    }}\n}}\n"
    );
    fs::write(out.join("main.c"), main).expect("written");
    let compiled = Command::new("cc")
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "main.c", "-o", "main"])
        .current_dir(&out)
        .output()
        .expect("the compiler starts");
    succeed(&compiled);
    let mut input = String::new();
    logits.iter().flatten().for_each(|logit| write!(input, "{logit} ").expect("a string"));
    let mut child = Command::new(out.join("main"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || pipe.write_all(input.as_bytes()));
    let said = succeed(&child.wait_with_output().expect("it ends"));
    writer.join().expect("it wrote").expect("it read");
    let answers: Vec<i64> = said.lines().map(|line| line.parse().expect("a number")).collect();
    let expected: Vec<i64> =
        expected.iter().map(|answer| answer.map_or(-1, |class| class as i64)).collect();
    assert_eq!(answers, expected);
    let _ = fs::remove_dir_all(out);
}

#[test]
fn it_is_learned_or_a_threshold_and_the_same_everywhere() {
    let folder = scratch("unknown-class");
    let [data, strangers, model] = ["data", "others", "model"].map(|name| folder.join(name));
    squares(&data, &CLASSES, 60);
    others(&strangers, 48);
    let recipe = recipe(&folder, "learned", "[unknown]\nrefuse = 0.05\nshare = 1.0\n");
    let said = succeed(&train(&data, &recipe, &model, &["--unknown", path(&strangers)]));
    assert!(said.contains("none of these") && said.contains("pictures "), "{said}");

    let record = record(&model);
    let unknown = record.unknown.clone().expect("the model has a rule");
    assert_eq!(record.labels, ["left", "low", "right", "unknown"]);
    assert_eq!(unknown.class, Some(3));
    assert!(unknown.refused.is_some_and(|share| share <= 0.05), "{unknown:?}");
    for file in ["float.onnx", "int8.onnx"] {
        let onnx = fs::read(model.join(file)).expect("is there");
        let own = ModelRecord::of_onnx(&onnx).expect("readable").expect("is there");
        assert_eq!(
            (own.unknown, own.thresholds),
            (record.unknown.clone(), record.thresholds.clone())
        );
    }
    let read = |file: &str| fs::read_to_string(model.join(file)).expect("is there");
    assert!(read("MODEL_CARD.md").contains("none of these"));
    assert!(
        read("learning.html").contains("None of these") && read("learning.html").contains("<svg")
    );
    assert!(record.command.contains("--unknown"), "{}", record.command);

    let images = images(&data, &Model::open(&model).expect("it is whole"));
    let other = folder.join("thresholds");
    thresholds(&folder, &data, &other);
    let [none, by_threshold] = generated_answers([&model, &other], &images);
    assert!((100..=220).contains(&none), "{none} of {} refused", images.len());
    assert!((1..images.len()).contains(&by_threshold), "{by_threshold} refused");

    // The fourth corner is none of the three, and is not a kind that is made.
    let json = folder.join("scores.json");
    let html = folder.join("scores.html");
    let asked = ["evaluate", "--model", path(&model), "--data", path(&data)];
    let more = ["--unknown", path(&strangers), "--json", path(&json), "--html", path(&html)];
    let said = succeed(&run("trainer", &[&asked[..], &more].concat()));
    assert!(said.contains("something else") && said.contains("others"), "{said}");
    assert!(fs::read_to_string(html).expect("is there").contains("area under the curve"));
    let scores: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(json).expect("is there")).expect("JSON");
    let strange = scores["unknown"]["strange"].as_array().expect("a list");
    let share = |name: &str| {
        let found = strange.iter().find(|sort| sort["name"] == name).expect(name);
        found["refused_share"].as_f64().expect("a number")
    };
    println!("{said}");
    assert!(scores["unknown"]["refused_share"].as_f64().is_some_and(|share| share <= 0.1));
    for (name, least) in [("others", 0.9), ("noise", 0.95), ("blank", 0.95), ("inverted", 0.95)] {
        assert!(share(name) >= least, "{name}: {}", share(name));
    }

    let [known, other] = [data.join("left/000.png"), strangers.join("000.png")];
    let said = succeed(&run(
        "trainer",
        &["predict", "--brief", "--model", path(&model), path(&known), path(&other)],
    ));
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines[0].contains(": left (") && lines[1].contains(": none of these; nearest is"),
        "{said}"
    );
    let said = succeed(&run("trainer", &["explain", "--model", path(&model), path(&other)]));
    assert!(said.contains("answer: none of these; nearest is"), "{said}");
    let _ = fs::remove_dir_all(folder);
}

/// A threshold asks nothing of the training: the network is that of the same recipe without it.
fn thresholds(folder: &Path, data: &Path, model: &Path) {
    let plain = folder.join("plain");
    let with = recipe(folder, "with", "[unknown]\nby = \"threshold\"\nrefuse = 0.05\n");
    succeed(&train(data, &with, model, &["--name", "same"]));
    let without = recipe(folder, "without", "");
    succeed(&train(data, &without, &plain, &["--name", "same"]));
    let record = record(model);
    let unknown = record.unknown.expect("the model has a rule");
    assert_eq!((record.labels.len(), unknown.class), (3, None));
    assert_ne!(unknown.rule, Rule::Class);

    let images = images(data, &Model::open(model).expect("it is whole"));
    let logits =
        |folder: &Path| Model::open(folder).expect("whole").int8_logits(&images).expect("runs");
    assert_eq!(logits(model), logits(&plain));
    let code = |folder: &Path| fs::read_to_string(folder.join("model.rs")).expect("is there");
    assert!(code(model).contains("Unknown") && !code(&plain).contains("Unknown"));
    let asked = ["evaluate", "--model", path(&plain), "--data", path(data)];
    let output =
        run("trainer", &[&asked[..], &["--unknown", path(&folder.join("others"))]].concat());
    refused(&output, "does not say \"none of these\"");
}

#[test]
fn what_cannot_be_is_said_in_one_line() {
    let folder = scratch("unknown-errors");
    let [data, out] = ["data", "out"].map(|name| folder.join(name));
    squares(&data, &["left", "unknown"], 12);
    let asked = |name: &str, section: &str| recipe(&folder, name, section);
    let usual = asked("usual", "[unknown]\n");
    refused(&train(&data, &usual, &out, &[]), "has a class called \"unknown\" already");
    for (section, says) in [
        ("[unknown]\nrefuse = 0.9\n", "unknown.refuse is 0.9"),
        ("[unknown]\nshare = 0.0\n", "unknown.share is 0"),
        ("[unknown]\nkinds = [\"letters\"]\n", "letters"),
        ("[unknown]\nkinds = [\"pictures\"]\n", "unknown.kinds must name"),
        ("[unknown]\nby = \"luck\"\n", "luck"),
    ] {
        refused(&train(&data, &asked("wrong", section), &out, &[]), says);
    }
    let good = folder.join("good");
    squares(&good, &CLASSES[..2], 12);
    let missing = folder.join("missing");
    refused(&train(&good, &usual, &out, &["--unknown", path(&missing)]), "missing");
    let sweep = folder.join("sweep.toml");
    let text = format!(
        "name = \"s\"\nnetwork = \"tiny\"\nrecipe = {:?}\nmethod = \"grid\"\nseeds = 1\nseed = 0\n\n\
         [values]\nrate = [0.01, 0.02]\n",
        path(&usual)
    );
    fs::write(&sweep, text).expect("written");
    let swept = ["sweep", path(&sweep), "--data", path(&data), "--out", path(&out)];
    refused(&run("trainer", &swept), "has a class called \"unknown\" already");
    assert!(!out.exists(), "nothing is written");
    let _ = fs::remove_dir_all(folder);
}

/// The page of `trainer play` has the rule in its own words.
#[test]
fn the_page_of_play_answers_alike() {
    if Command::new("node").arg("--version").output().is_err() {
        let what = "none of these on the page of play";
        return tests::skip(
            what,
            "there is no node",
            "apt install nodejs",
            "INKLING_REQUIRE_SYSTEMS",
        );
    }
    let script = fs::read_to_string(root().join("play/page/play.js")).expect("is there");
    let begin = script.find("function classify(").expect("the page has it");
    let end = begin + script[begin..].find("\n}\n").expect("it ends") + 3;
    let mut rng = fastrand::Rng::with_seed(3);
    let (mut code, mut expected) = (script[begin..end].to_string(), String::new());
    for _ in 0..3000 {
        let logits: Vec<i32> = (0..rng.usize(2..6)).map(|_| rng.i32(-9..10)).collect();
        let class = rng.bool().then(|| rng.usize(0..logits.len()));
        let rules = &Rule::ALL[usize::from(class.is_none())..];
        let rule = rules[rng.usize(0..rules.len())];
        let unknown = Unknown { score: rule.score(), class, threshold: rng.i32(-9..10) };
        let name = serde_json::to_value(rule).expect("a name");
        let threshold = unknown.threshold;
        let as_json = serde_json::json!({ "rule": name, "class": class, "threshold": threshold });
        let _ = writeln!(
            code,
            "{{ const {{ best, refused }} = classify({logits:?}, {as_json}); console.log(refused ? -1 : best); }}"
        );
        let answer = unknown.classify(&logits).map_or(-1, |class| class as i64);
        let _ = writeln!(expected, "{answer}");
    }
    let file = scratch("unknown-node").join("run.js");
    fs::write(&file, code).expect("written");
    let said = succeed(&Command::new("node").arg(&file).output().expect("it runs"));
    assert!(said == expected, "the page answers otherwise than the device");
}

/// Every epoch has samples of its own, all of the last class, beside all images.
#[test]
fn every_epoch_has_samples_of_something_else() {
    let images = tests::random_images(4, 40, 12, 12, 3);
    let kinds = [Kind::Half, Kind::Noise];
    let images = Arc::new(images);
    let strange = Strange::new(images.clone(), (0..40).collect(), &kinds, None).expect("kinds");
    let feed = Feed {
        dataset: images.clone(),
        indices: (0..40).collect(),
        augmentation: None,
        label_smoothing: 0.0,
        class_weights: Vec::new(),
        seed: 5,
        batch: 15,
        parts: 1,
        noise: 0,
        strangers: Some(Strangers { strange: Arc::new(strange), count: 20 }),
    };
    assert_eq!(feed.steps(), 4);
    let epoch = |number| {
        let (mut known, mut others) = (Vec::new(), Vec::new());
        for part in feed.epoch(number).into_iter().flatten() {
            for column in 0..15 {
                let of = |values: &[f32]| -> Vec<u32> {
                    values.iter().skip(column).step_by(15).map(|value| value.to_bits()).collect()
                };
                match of(&part.targets).iter().position(|&bits| bits != 0) {
                    Some(2)
                        if !images.images().any(|image| {
                            image
                                .iter()
                                .map(|&v| (f32::from(v) / 255.0).to_bits())
                                .eq(of(&part.images))
                        }) =>
                    {
                        others.push(of(&part.images))
                    }
                    Some(_) => known.push(of(&part.images)),
                    None => {}
                }
            }
        }
        known.sort();
        others.sort();
        (known, others)
    };
    let (first, again, second) = (epoch(0), epoch(0), epoch(1));
    assert_eq!((first.0.len(), first.1.len()), (40, 20));
    assert_eq!(first, again);
    assert_eq!(first.0, second.0);
    assert_ne!(first.1, second.1, "drawn anew");
}
