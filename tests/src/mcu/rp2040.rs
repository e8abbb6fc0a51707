//! A Raspberry Pi Pico as rp2040js emulates it, under Node.

use std::path::Path;
use std::process::Command;

use crate::{root, skip};

/// Runs a board's demo until its self-test has ended; the emulator's exit code, and what it and the firmware
/// said. Without Node or the emulator `what` is skipped.
///
/// # Panics
///
/// When Node cannot be started.
pub fn rp2040(firmware: &Path, what: &str) -> Option<(Option<i32>, String)> {
    let folder = root().join("target/mcu/node");
    let node = Command::new("node").arg("--version").output().is_ok();
    if !node || !folder.join("node_modules/rp2040js").is_dir() {
        let missing = "there is no Node, or no rp2040js in target/mcu/node";
        skip(what, missing, "Node with npm, and tools/mcu-toolchain", "INKLING_REQUIRE_MCU");
        return None;
    }
    let mut command = Command::new("timeout");
    command.args(["300", "node"]).arg(root().join("tools/rp2040.mjs"));
    let output = command.arg(&folder).arg(firmware).output().expect("it starts");
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.code(), String::from_utf8_lossy(&said).into_owned()))
}
