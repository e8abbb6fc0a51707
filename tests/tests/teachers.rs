//! Training with teachers from the command line: what it writes and says of them, that it is repeated
//! and resumed to the byte, and that another teacher is another run.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::sweep::{Bench, text};
use converter::record::ModelRecord;
use inkling_support::digest::sha256;
use serde_json::Value;
use tests::onnxruntime;
use trainer::learn::recipe::Recipe;

const TEACHER: &str = "\n[teacher]\nmodels = [\"teachers/one\"]\ntemperature = 3.0\nweight = 0.6\n";

/// A bench with a trained teacher in `teachers/one`, as recipes in its folder name it.
struct School {
    bench: Bench,
}

impl School {
    fn new(name: &str) -> Self {
        let bench = Bench::new(name);
        let school = Self { bench };
        fs::create_dir(school.path("teachers")).expect("a test can make folders");
        school.teacher("one", 7);
        school
    }

    fn path(&self, name: &str) -> PathBuf {
        self.bench.folder.join(name)
    }

    /// Trains a teacher for the same division of the data as every other.
    fn teacher(&self, name: &str, epochs: usize) {
        let epochs = epochs.to_string();
        let out = self.path("teachers").join(name);
        text(&self.train(&out, &["--name", "teacher", "--epochs", &epochs]));
    }

    /// A recipe of two epochs, and one with integers, with something behind it.
    fn recipe(&self, name: &str, more: &str) -> PathBuf {
        let recipe = Recipe::open("default").expect("built in").to_toml();
        // As it is, however few the images are.
        let recipe =
            recipe.replace("epochs = 10", "epochs = 2").replace("least_steps = 2000\n", "");
        let path = self.path(name);
        let integers = "\n[quantization]\nepochs = 1\nrate = 0.002\n";
        fs::write(&path, recipe + integers + more).expect("a test can write");
        path
    }

    fn command(&self, out: &Path, more: &[&str]) -> Command {
        let mut command = Command::new(&self.bench.program);
        command.arg("--data").arg(self.path("data")).arg("--out").arg(out);
        command.args(["--threads", "2"]).args(more);
        if !more.contains(&"--backend") {
            command.args(["--backend", "tract"]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn train(&self, out: &Path, more: &[&str]) -> Output {
        self.command(out, more).output().expect("the trainer starts")
    }

    /// Trains by a recipe into a folder of that name; what was said.
    fn learn(&self, recipe: &Path, out: &str, more: &[&str]) -> String {
        let recipe = ["--recipe", recipe.to_str().expect("UTF-8"), "--name", "pupil"];
        text(&self.train(&self.path(out), &[&recipe[..], more].concat()))
    }

    fn sha256(&self, teacher: &str) -> String {
        let onnx = fs::read(self.path("teachers").join(teacher).join("float.onnx"));
        sha256([&onnx.expect("the teacher's file")[..]])
    }
}

/// What every epoch came to.
fn epochs(bench: &Bench, out: &str) -> Value {
    let history: Value =
        serde_json::from_str(&bench.file(out, "history.json")).expect("history.json is JSON");
    assert_eq!(history["epochs"].as_array().map(Vec::len), Some(3), "{out}");
    history["epochs"].clone()
}

fn refused(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

#[test]
fn a_pupil_says_what_it_learned_from_and_is_made_again() {
    let school = School::new("teachers");
    school.teacher("two", 3);
    let both =
        TEACHER.replace("[\"teachers/one\"]", "[\"teachers/one\", \"teachers/two/float.onnx\"]");
    let recipe = school.recipe("both.toml", &both);
    let said = school.learn(&recipe, "pupil", &[]);
    for teacher in ["one", "two"] {
        let line = format!("teacher:  {teacher} (sha256 {}): ", school.sha256(teacher));
        assert!(said.contains(&line), "{line:?} is missing in:\n{said}");
        let card = school.bench.file("pupil", "MODEL_CARD.md");
        let line = format!("- Teacher: {teacher} (sha256 {})\n", school.sha256(teacher));
        assert!(card.contains(&line), "{line:?} is missing in:\n{card}");
    }
    assert!(said.contains("taught by one and two at temperature 3, weight 0.6"), "{said}");
    assert!(said.contains("of the steps' time, for 2\n"), "{said}");
    // What this data is divided by is what the teachers' was.
    assert!(!said.contains("learned from other data"), "{said}");
    let record = ModelRecord::of_folder(&school.path("pupil")).expect("readable").expect("there");
    let teachers = record.teachers.iter().map(|teacher| teacher.sha256.clone());
    assert!(teachers.eq(["one", "two"].map(|teacher| school.sha256(teacher))));

    // The command of the card makes it again, and so does the recipe beside it, from where it lies.
    let words: Vec<&str> = record.command.split(' ').skip(5).collect();
    let mut again = Command::new(&school.bench.program);
    text(&again.args(words).arg("--out").arg(school.path("again")).output().expect("starts"));
    assert!(school.bench.files("again") == school.bench.files("pupil"), "other bytes");
    school.learn(&school.path("pupil/recipe.toml"), "from-copy", &[]);
    assert_eq!(epochs(&school.bench, "from-copy"), epochs(&school.bench, "pupil"));

    // Teachers do teach, each of them, unless they have no weight.
    let of = |name: &str, teacher: &str| {
        school.learn(&school.recipe(&format!("{name}.toml"), teacher), name, &[]);
        epochs(&school.bench, name)
    };
    let alone = of("alone", "");
    assert_eq!(of("weightless", &TEACHER.replace("0.6", "0.0")), alone);
    let one = of("one", TEACHER);
    assert!(one != alone && one != epochs(&school.bench, "pupil"));
    // Other images in the validation than the teacher's: said.
    let said = school.learn(&school.path("one.toml"), "divided", &["--seed", "5"]);
    assert!(said.contains("one learned from other data or another division"), "{said}");
}

#[test]
fn fine_tuning_has_teachers_and_the_other_backend_too() {
    let school = School::new("teachers-finetune");
    let recipe = school.recipe("recipe.toml", TEACHER);
    let mut finetune = Command::new(&school.bench.program);
    finetune.arg("finetune").arg(school.path("teachers/one")).arg("--recipe").arg(&recipe);
    finetune.arg("--data").arg(school.path("data")).arg("--out").arg(school.path("tuned"));
    let said = text(&finetune.args(["--backend", "tract"]).output().expect("it starts"));
    assert!(said.contains("of the steps' time, for 1\n"), "{said}");

    if onnxruntime::start("a training with a teacher on ONNX Runtime").is_some() {
        school.learn(&recipe, "tract", &[]);
        let more = ["--backend", "onnxruntime"];
        school.learn(&recipe, "first", &more);
        school.learn(&recipe, "second", &more);
        assert!(school.bench.files("first") == school.bench.files("second"), "other bytes");
        // Both compute the same but for rounding.
        let loss = |out: &str| epochs(&school.bench, out)[0]["training_loss"].as_f64().expect("is");
        assert!((loss("tract") - loss("first")).abs() < 1e-2 * loss("tract"));
    }
}

#[test]
fn resumed_with_its_teacher_and_refused_with_another() {
    let school = School::new("teachers-resume");
    let recipe = school.recipe("recipe.toml", TEACHER);
    let recipe = ["--recipe", recipe.to_str().expect("UTF-8"), "--name", "p", "--epochs", "12"];
    text(&school.train(&school.path("whole"), &recipe));
    let out = school.path("killed");
    let mut child = school.command(&out, &recipe).stdout(Stdio::null()).spawn().expect("starts");
    let begun = Instant::now();
    while !out.join("checkpoint.bin").exists() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = child.kill();
    child.wait().expect("a child can be waited for");
    assert!(out.join("checkpoint.bin").exists(), "it was not killed on its way");
    let killed = school.bench.files("killed");

    // The same name with other contents.
    let file = school.path("teachers/one/float.onnx");
    let before = fs::read(&file).expect("the teacher's file");
    let digest = school.sha256("one");
    school.teacher("other", 1);
    fs::copy(school.path("teachers/other/float.onnx"), &file).expect("a test can copy");
    let resume = [&recipe[..], &["--resume"]].concat();
    let error = refused(&school.train(&out, &resume));
    assert!(error.contains("belongs to another run") && error.contains(&digest), "{error}");
    assert!(school.bench.files("killed") == killed, "a refused run has written something");

    fs::write(&file, before).expect("a test can write");
    let said = text(&school.train(&out, &resume));
    assert!(said.contains("resume:   after epoch"), "{said}");
    assert!(school.bench.files("killed") == school.bench.files("whole"), "other bytes");
}

#[test]
fn sweeps_learn_from_teachers_too() {
    let school = School::new("teachers-sweep");
    let bench = &school.bench;
    school.recipe("recipe.toml", TEACHER);
    let sweep = "[values]\n\"teacher.weight\" = [0.0, 0.5, 1.0]\n\"teacher.temperature\" = [4.0]\n";
    bench.write(sweep);
    bench.run("local", &[]);
    let json = bench.json("local");
    let losses: Vec<String> = (0..3)
        .map(|trial| json["trials"][trial]["rounds"][0]["validation_loss"].to_string())
        .collect();
    assert!(losses[0] != losses[1] && losses[1] != losses[2], "{losses:?}");
    for member in ["2", "0", "1"] {
        text(&bench.command("data", "out", &["--member", member]).output().expect("it starts"));
    }
    text(&bench.command("data", "out", &["--collect"]).output().expect("it starts"));
    assert!(bench.files("out") == bench.files("local"), "other bytes than locally");
    // The best recipe finds the teacher from where it lies.
    school.learn(&school.path("out/best.toml"), "best", &[]);

    school.teacher("one", 1);
    for more in [["--resume"], ["--collect"]] {
        let error = refused(&bench.command("data", "out", &more).output().expect("it starts"));
        assert!(error.contains("changed since then: the teachers;"), "{error}");
    }
    // No trial without its teacher.
    fs::remove_file(school.path("teachers/one/float.onnx")).expect("a test can remove");
    let error = refused(&bench.command("data", "none", &[]).output().expect("it starts"));
    assert!(error.contains("teachers/one/float.onnx: cannot be read"), "{error}");
    assert!(!school.path("none").exists(), "something was written");
}

#[test]
fn what_cannot_be_learned_from_is_refused_before_anything_is_written() {
    let school = School::new("teachers-refused");
    let refuses = |teacher: &str, part: &str| {
        let recipe = school.recipe("recipe.toml", teacher);
        let recipe = ["--recipe", recipe.to_str().expect("UTF-8")];
        let error = refused(&school.train(&school.path("out"), &recipe));
        assert!(error.contains(part), "{part:?} is missing in {error:?}");
        assert!(!school.path("out").exists(), "{error}: something was written");
    };
    let simple = tests::root().join("models/simple");
    let models = |models: &str| TEACHER.replace("\"teachers/one\"", models);
    for (models, part) in [
        (models(&format!("{simple:?}")), "simple/float.onnx: takes images of 28×28, but the data"),
        (models("\"none.onnx\""), "none.onnx: cannot be read"),
        (models("\"teachers/one/int8.onnx\""), "name the float.onnx"),
        (models("\"recipe.toml\""), "teacher "),
        (models(""), "teacher.models names 0 models"),
        (models("\"a\", \"a\""), "a twice"),
        (TEACHER.replace("3.0", "0.0"), "teacher.temperature is 0, but must be from 0.1"),
        (TEACHER.replace("0.6", "1.5"), "teacher.weight is 1.5, but must be from 0 to 1"),
        (TEACHER.replace("models", "model"), "unknown field `model`"),
    ] {
        refuses(&models, part);
    }
}
