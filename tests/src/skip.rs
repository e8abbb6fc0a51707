//! The one list of what is not tested for want of a tool or of data.

use std::fs::OpenOptions;
use std::io::Write;

/// Says that `what` is skipped because of `missing`, and what would enable it; `ci.sh` prints all such
/// lines at its end.
///
/// # Panics
///
/// When the environment variable `required` is set to 1: then nothing may be missing.
pub fn skip(what: &str, missing: &str, enable: &str, required: &str) {
    let is_required = std::env::var(required).is_ok_and(|value| value == "1");
    assert!(!is_required, "{required}=1, but {what} is to be skipped: {missing}; {enable}");
    let line = format!("SKIPPED: {what}: {missing} - enable with: {enable}\n");
    // Past the test harness's capture, which would hide it when the test passes.
    let _ = std::io::stderr().write_all(line.as_bytes());
    let list = OpenOptions::new().create(true).append(true).open(list());
    let _ = list.and_then(|mut list| list.write_all(line.as_bytes()));
}

/// Where the lines are collected, one for each skip; several tests write at once.
fn list() -> std::path::PathBuf {
    crate::root().join("target/skipped")
}
