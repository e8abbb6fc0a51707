//! The firmwares in `examples` that users copy: built as theirs are, and run in the emulator that their own
//! configuration names.

use std::process::Command;

use converter::verify::emulator::BoardFolder;
use tests::mcu::{Build, Toolchain};
use tests::root;

/// What the example in the folder `name` prints.
fn said(name: &str) -> Option<String> {
    let toolchain = Toolchain::or_skip(&format!("examples/{name}"))?;
    let folder = root().canonicalize().expect("it is there").join("examples").join(name);
    let BoardFolder { folder, target, runner } =
        BoardFolder::open(&folder.to_string_lossy()).unwrap_or_else(|error| panic!("{error}"));
    let build = Build {
        folder: &folder,
        target: &target,
        features: &[],
        programs: &[],
        beside: "",
        environment: &[],
    };
    let release = toolchain.build(&build).unwrap_or_else(|error| panic!("{error}"));
    let output = Command::new("timeout")
        .arg("300")
        .args(&runner)
        .arg(release.join(format!("{name}-example")))
        .output()
        .expect("QEMU starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    Some(text)
}

#[test]
fn cortex_m_rt() {
    let Some(text) = said("cortex-m-rt") else { return };
    assert_eq!(text.trim(), "simple says 1");
}

#[test]
fn embassy() {
    let Some(text) = said("embassy") else { return };
    assert_eq!(text.lines().collect::<Vec<_>>(), ["image 0: 1", "image 1: 1", "image 2: 1"]);
}
