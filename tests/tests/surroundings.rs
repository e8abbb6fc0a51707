//! Where a program runs: folders of others, full disks, terminals, runs beside it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use inkling_data::Split;
use inkling_data::read::idx;
use inkling_support::files::prepare_folder;
use tests::{program, random_images, root, scratch};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn data(folder: &Path) {
    idx::write_pair(folder, Split::Train, &random_images(1, 300, 20, 18, 3)).expect("written");
    idx::write_pair(folder, Split::Test, &random_images(2, 30, 20, 18, 3)).expect("written");
}

/// Whether it was refused in one line, without a crash; the line.
fn refused(output: &Output) -> String {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

/// Whoever unpacks an archive and stands in it does not want to run what is in it.
#[cfg(target_os = "linux")]
#[test]
fn nothing_is_loaded_from_the_working_folder() {
    let folder = scratch("surroundings-folder");
    data(&folder);
    let package = folder.join("onnxruntime/capi");
    fs::create_dir_all(&package).expect("a test can make folders");
    fs::write(folder.join("onnxruntime/__init__.py"), "raise SystemExit(7)").expect("written");
    fs::write(package.join("libonnxruntime.so.1.99.0"), "no library").expect("written");
    // What Python itself imports on its way, as code that leaves a trace.
    for module in ["importlib", "sys", "site", "encodings", "sitecustomize"] {
        let code = format!("open({:?}, 'w')", folder.join("executed").display().to_string());
        fs::write(folder.join(format!("{module}.py")), code).expect("written");
    }
    let output = Command::new(program("trainer"))
        .args(["--epochs", "1", "--threads", "1", "--data", ".", "--out", "out"])
        .current_dir(&folder)
        .env_remove("PYTHONPATH")
        .env_remove("VIRTUAL_ENV")
        .env("LD_LIBRARY_PATH", "onnxruntime/capi:.")
        .stdin(Stdio::null())
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(!said.contains("1.99.0") && !said.contains("onnxruntime/capi"), "{said}");
    assert!(!folder.join("executed").exists(), "code of the working folder was executed");
    let _ = fs::remove_dir_all(folder);
}

#[cfg(target_os = "linux")]
#[test]
fn a_library_that_crashes_its_loader_is_refused() {
    let folder = scratch("surroundings-library");
    data(&folder);
    // A real library, cut off behind its headers: whoever maps it is killed by the first access.
    let maps = fs::read_to_string("/proc/self/maps").expect("Linux has it");
    let library = maps.split_whitespace().find(|part| part.contains("libc.so")).expect("is mapped");
    let whole = fs::read(library).expect("is readable");
    for (name, bytes) in [
        ("libcut.so", &whole[..whole.len() / 3]),
        ("libother.so", &whole[..]),
        ("libempty.so", &whole[..0]),
        ("libhead.so", &whole[..64]),
    ] {
        let path = folder.join(name);
        fs::write(&path, bytes).expect("written");
        let output = Command::new(program("trainer"))
            .args(["--epochs", "1", "--data"])
            .arg(&folder)
            .arg("--out")
            .arg(folder.join("out"))
            .arg("--ort-lib")
            .arg(&path)
            .stdin(Stdio::null())
            .output()
            .expect("it starts");
        let error = refused(&output);
        assert!(error.contains(name) && error.contains("--ort-lib"), "{error}");
    }
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn a_folder_that_another_run_writes_to_is_left_to_it() {
    let folder = scratch("surroundings-taken");
    let out = folder.join("out");
    data(&folder);
    let first = prepare_folder(&out, &[]).expect("it is free");
    let start = || {
        Command::new(program("trainer"))
            .args(["--epochs", "1", "--backend", "tract", "--data"])
            .arg(&folder)
            .arg("--out")
            .arg(&out)
            .stdin(Stdio::null())
            .output()
            .expect("it starts")
    };
    let error = refused(&start());
    assert!(error.contains("another run writes into this folder"), "{error}");
    drop(first);
    assert!(start().status.success());
    let _ = fs::remove_dir_all(folder);
}

#[cfg(target_os = "linux")]
#[test]
fn lost_output_is_an_error() {
    for (package, arguments) in [
        ("trainer", &["predict", "docs/seven.png"][..]),
        ("trainer", &["predict", "--brief", "docs/seven.png"]),
        ("trainer", &["explain", "docs/seven.png"]),
        ("trainer", &["evaluate", "--limit", "20"]),
        ("trainer", &["sweep", "trainer/sweeps/example.toml", "--list"]),
        ("trainer", &["--help"]),
        ("trainer", &["finetune", "--help"]),
        ("trainer", &["--version"]),
        ("converter", &["--help"]),
    ] {
        let full = fs::File::options().write(true).open("/dev/full").expect("Linux has it");
        let output = Command::new(program(package))
            .current_dir(root())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(full)
            .stderr(Stdio::piped())
            .output()
            .expect("it starts");
        let error = refused(&output);
        assert!(error.contains("standard output"), "{arguments:?}: {error}");
    }
    // A reader who has seen enough is none.
    let mut child = Command::new(program("trainer"))
        .current_dir(root())
        .args(["explain", "docs/seven.png"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// Names of files are of others: a terminal takes no command from them.
#[cfg(unix)]
#[test]
fn names_command_no_terminal() {
    let folder = scratch("surroundings-escapes");
    let name = "\u{1b}[31mred\u{7}.png";
    fs::copy(root().join("docs/seven.png"), folder.join(name)).expect("copied");
    fs::write(folder.join(format!("bad {name}")), "no picture").expect("written");
    let page = folder.join("page.html");
    for arguments in [
        vec!["predict".to_string(), folder.display().to_string()],
        vec![
            "explain".to_string(),
            folder.join(name).display().to_string(),
            "--html".to_string(),
            page.display().to_string(),
        ],
        vec!["predict".to_string(), folder.join("missing \u{1b}[2J").display().to_string()],
    ] {
        let output = Command::new(program("trainer"))
            .current_dir(root())
            .args(&arguments)
            .stdin(Stdio::null())
            .output()
            .expect("it starts");
        for bytes in [&output.stdout, &output.stderr] {
            let control = |byte: &u8| byte.is_ascii_control() && *byte != b'\n';
            assert!(!bytes.iter().any(control), "{}", text(bytes));
        }
        assert!(
            text(&output.stdout).contains("\\u{1b}") || text(&output.stderr).contains("\\u{1b}")
        );
    }
    let _ = fs::remove_dir_all(folder);
}
