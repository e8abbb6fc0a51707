//! A run that is killed at any moment and resumed gives the bytes of a run that was left alone.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use inkling_data::Split;
use inkling_data::read::idx;
use tests::{program, random_images, scratch};

const EPOCHS: usize = 8;

/// A small data set in a folder of its own.
fn data(folder: &Path) -> PathBuf {
    let data = folder.join("data");
    fs::create_dir(&data).expect("a test can make folders");
    idx::write_pair(&data, Split::Train, &random_images(1, 700, 17, 16, 4)).expect("it is written");
    idx::write_pair(&data, Split::Test, &random_images(2, 60, 17, 16, 4)).expect("it is written");
    data
}

fn trainer(program: &Path, data: &Path, out: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["--backend", "tract", "--threads", "2", "--seed", "3"]);
    command.args(["--epochs", &EPOCHS.to_string()]);
    command.arg("--data").arg(data).arg("--out").arg(out);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().expect("the trainer starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// All files of a folder with their bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let file = |entry: fs::DirEntry| {
        let bytes = fs::read(entry.path()).expect("a file can be read");
        (entry.file_name().into_string().expect("names are plain"), bytes)
    };
    entries.map(|entry| file(entry.expect("the folder can be read"))).collect()
}

#[test]
fn killed_and_resumed_runs_give_the_same_bytes() {
    let folder = scratch("resume");
    let (data, program) = (data(&folder), program("trainer"));

    succeed(&mut trainer(&program, &data, &folder.join("whole")));
    let expected = files(&folder.join("whole"));
    let names: Vec<&str> = expected.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "MODEL_CARD.md",
            "float.onnx",
            "golden.rs",
            "history.json",
            "int8.onnx",
            "labels.txt",
            "learning.html",
            "model.json",
            "model.rs",
            "recipe.toml"
        ]
    );

    use Moment::{Epoch, Writing};
    for (round, moments) in [
        [Epoch(0), Epoch(4)],
        [Epoch(1), Epoch(EPOCHS - 1)],
        [Epoch(3), Writing],
        [Epoch(EPOCHS - 1), Writing],
        [Writing, Writing],
    ]
    .into_iter()
    .enumerate()
    {
        let out = folder.join(format!("killed{round}"));
        for moment in moments {
            let mut command = trainer(&program, &data, &out);
            let mut child = command.arg("--resume").spawn().expect("the trainer starts");
            moment.wait(&mut child, &out);
            // SIGKILL: the program has no chance to tidy up.
            let _ = child.kill();
            child.wait().expect("a child can be waited for");
            if out.exists() {
                no_final_file_is_partial(&files(&out), &expected);
            }
        }
        succeed(trainer(&program, &data, &out).arg("--resume"));
        assert!(files(&out) == expected, "other bytes after kills at {moments:?}");
    }
    let _ = fs::remove_dir_all(folder);
}

/// Running statistics are among the parameters of a checkpoint, and dropout draws anew what it would
/// have drawn.
#[test]
fn batch_norm_and_dropout_resume() {
    let folder = scratch("resume-network");
    let (data, program) = (data(&folder), program("trainer"));
    let network = folder.join("normed.toml");
    fs::write(&network, NORMED).expect("a test can write");
    let run = |out: &str| {
        let mut command = trainer(&program, &data, &folder.join(out));
        command.arg("--network").arg(&network);
        command
    };
    succeed(&mut run("whole"));
    let expected = files(&folder.join("whole"));
    let mut child = run("killed").spawn().expect("the trainer starts");
    wait_for_epoch(&mut child, 3);
    let _ = child.kill();
    child.wait().expect("a child can be waited for");
    assert!(folder.join("killed/checkpoint.bin").exists(), "it was not killed on its way");
    let output = succeed(run("killed").arg("--resume"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("resume:   after epoch"), "{text}");
    assert!(files(&folder.join("killed")) == expected, "other bytes after a kill");

    // Without dropout it is another run.
    fs::write(&network, NORMED.replace("rate = 0.5", "rate = 0.25")).expect("a test can write");
    succeed(&mut run("other"));
    assert!(files(&folder.join("other"))["float.onnx"] != expected["float.onnx"]);
    let _ = fs::remove_dir_all(folder);
}

/// A run that is killed among its epochs with integers goes on there; the epochs before have a
/// checkpoint of their own.
#[test]
fn epochs_with_integers_resume() {
    let folder = scratch("resume-integers");
    let (data, program) = (data(&folder), program("trainer"));
    let recipe = folder.join("recipe.toml");
    fs::write(&recipe, INTEGERS).expect("a test can write");
    let run = |out: &str| {
        let mut command = trainer(&program, &data, &folder.join(out));
        command.arg("--recipe").arg(&recipe);
        command
    };
    succeed(&mut run("whole"));
    let expected = files(&folder.join("whole"));
    let mut child = run("killed").spawn().expect("the trainer starts");
    let stdout = child.stdout.take().expect("the output is piped");
    let mut lines = BufReader::new(stdout).lines();
    lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("epoch  2/40")));
    let _ = child.kill();
    child.wait().expect("a child can be waited for");
    assert!(folder.join("killed/checkpoint-integers.bin").exists(), "it was killed elsewhere");
    let output = succeed(run("killed").arg("--resume"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.matches("resume:   after epoch").count(), 2, "{text}");
    assert!(files(&folder.join("killed")) == expected, "other bytes after a kill");
    let _ = fs::remove_dir_all(folder);
}

/// Optimizer and average have state; enough epochs with integers to be killed among them.
const INTEGERS: &str = r#"
name = "integers"
epochs = 8
batch = 32
rate = 0.002
average = 0.9
[schedule]
kind = "cosine"
[optimizer]
kind = "adamw"
[quantization]
epochs = 40
rate = 0.001
"#;

/// A small network with running statistics and dropout.
const NORMED: &str = r#"
name = "normed"
[[layer]]
kind = "conv2d"
channels = 4
kernel = 3
stride = 2
bias = false
[[layer]]
kind = "batch_norm"
[[layer]]
kind = "relu"
[[layer]]
kind = "dropout"
rate = 0.5
[[layer]]
kind = "flatten"
[[layer]]
kind = "fully_connected"
"#;

/// When a run is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// As soon as it has said that so many epochs are done; 0 is its first word.
    Epoch(usize),
    /// As soon as there is a file of its results, whole or hidden, or else it has ended.
    Writing,
}

impl Moment {
    fn wait(self, child: &mut Child, out: &Path) {
        match self {
            Self::Epoch(epoch) => wait_for_epoch(child, epoch),
            Self::Writing => {
                wait_for_epoch(child, EPOCHS);
                let result =
                    |name: &String| !name.contains("checkpoint") && name != ".inkling-lock";
                while child.try_wait().expect("a child can be asked").is_none()
                    && !names(out).iter().any(result)
                {
                    std::thread::yield_now();
                }
            }
        }
    }
}

/// The names of the files in a folder at this moment.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Ctrl-C says how to go on, and what was finished is kept.
#[cfg(unix)]
#[test]
fn interrupted_runs_say_how_to_go_on() {
    let folder = scratch("resume-interrupted");
    let (data, program) = (data(&folder), program("trainer"));
    let out = folder.join("out");
    let recipe = folder.join("recipe.toml");
    fs::write(&recipe, INTEGERS.replace("epochs = 8", "epochs = 5000")).expect("a test can write");
    let mut command = Command::new(&program);
    command.args(["--backend", "tract", "--threads", "1"]).arg("--recipe").arg(recipe);
    command.arg("--data").arg(data).arg("--out").arg(&out);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the trainer starts");
    let mut lines = BufReader::new(child.stdout.take().expect("the output is piped")).lines();
    lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("epoch    3/5000")));
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.expect("kill starts").success());
    // Until it has ended: a full pipe would stop it.
    lines.for_each(drop);
    let output = child.wait_with_output().expect("a child can be waited for");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("with --resume goes on"), "{error}");
    assert!(out.join("checkpoint.bin").exists());
    let _ = fs::remove_dir_all(folder);
}

/// Reads what the trainer prints until it is through with `epoch` (counted from 1) or ends.
fn wait_for_epoch(child: &mut Child, epoch: usize) {
    let stdout = child.stdout.take().expect("the output is piped");
    let done = format!("epoch {epoch}/");
    let mut lines = BufReader::new(stdout).lines();
    lines.find(|line| epoch == 0 || line.as_ref().is_ok_and(|line| line.starts_with(&done)));
}

fn no_final_file_is_partial(
    found: &BTreeMap<String, Vec<u8>>,
    expected: &BTreeMap<String, Vec<u8>>,
) {
    for (name, bytes) in found {
        match expected.get(name) {
            Some(whole) => assert!(bytes == whole, "{name} is not whole"),
            // What is being written has a hidden name; the checkpoint is checked by resuming.
            None => assert!(name.starts_with('.') || name == "checkpoint.bin", "{name} is new"),
        }
    }
}

/// Kills a run that has written a checkpoint and returns its folder.
fn stopped(program: &Path, data: &Path, out: &Path) -> PathBuf {
    let mut child = trainer(program, data, out).spawn().expect("the trainer starts");
    let checkpoint = out.join("checkpoint.bin");
    wait_for_epoch(&mut child, 1);
    let _ = child.kill();
    child.wait().expect("a child can be waited for");
    assert!(checkpoint.exists(), "no checkpoint was left");
    checkpoint
}

#[test]
fn only_the_same_run_resumes() {
    let folder = scratch("resume-other");
    let (data, program) = (data(&folder), program("trainer"));
    let out = folder.join("out");
    let checkpoint = stopped(&program, &data, &out);
    let kept = fs::read(&checkpoint).expect("the checkpoint can be read");

    let refuse = |change: &dyn Fn(&mut Command), parts: &[&str]| {
        let mut command = trainer(&program, &data, &out);
        command.arg("--resume");
        change(&mut command);
        let output = command.output().expect("the trainer starts");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        for part in parts {
            assert!(error.contains(part), "{part:?} is missing in {error:?}");
        }
        assert_eq!(fs::read(&checkpoint).ok(), Some(kept.clone()), "the checkpoint has changed");
    };
    let replace = |command: &mut Command, option: &str, value: &str| {
        let old: Vec<_> = command.get_args().map(|arg| arg.to_os_string()).collect();
        let mut new = Command::new(&program);
        new.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut replacing = false;
        for arg in old {
            new.arg(if replacing { value.into() } else { arg.clone() });
            replacing = arg == option;
        }
        *command = new;
    };
    refuse(&|c| replace(c, "--seed", "4"), &["checkpoint.bin", "seed was 3 and is now 4"]);
    refuse(
        &|c| replace(c, "--epochs", "9"),
        &["recipe was default: 8 epochs", "is now default: 9"],
    );
    refuse(&|c| replace(c, "--threads", "1"), &["threads was 2 and is now 1"]);
    refuse(
        &|c| {
            c.args(["--recipe", "article"]);
        },
        &["recipe was default", "is now article"],
    );
    refuse(
        &|c| {
            c.args(["--name", "other"]);
        },
        &["network was simple", "is now other"],
    );

    let other = folder.join("other");
    fs::create_dir(&other).expect("a test can make folders");
    idx::write_pair(&other, Split::Train, &random_images(9, 700, 17, 16, 4))
        .expect("it is written");
    idx::write_pair(&other, Split::Test, &random_images(2, 60, 17, 16, 4)).expect("it is written");
    let other = other.to_str().expect("a plain path");
    refuse(&|c| replace(c, "--data", other), &["data set (sha256) was"]);

    // A damaged checkpoint is refused, and without --resume it is no obstacle.
    let mut damaged = kept.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    for bytes in [damaged.as_slice(), &kept[..kept.len() / 2], &[]] {
        fs::write(&checkpoint, bytes).expect("a test can write");
        let output = trainer(&program, &data, &out).arg("--resume").output().expect("starts");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains("damaged"), "{error}");
    }
    let output = succeed(&mut trainer(&program, &data, &out));
    assert!(String::from_utf8_lossy(&output.stdout).contains("--resume would go on from it"));
    assert!(!checkpoint.exists(), "a finished run needs no checkpoint");
    let _ = fs::remove_dir_all(folder);
}
