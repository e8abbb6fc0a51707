//! Tries a library in a process of its own: one that is truncated, or is none, may crash whoever
//! loads it.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::OnceLock;

use super::discover;

/// Names the library to the process that tries it.
const LIBRARY: &str = "INKLING_TRY_LIBRARY";

/// The program that knows [`answer`].
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// For the first lines of a program: if this process was started to try a library, tries it and
/// returns what to exit with. Else every library is tried by this program before it is loaded.
pub fn answer() -> Option<ExitCode> {
    let Some(library) = env::var_os(LIBRARY) else {
        if let Ok(program) = env::current_exe() {
            let _ = PROGRAM.set(program);
        }
        return None;
    };
    Some(match discover::load(Path::new(&library), "tried") {
        Ok(_) => ExitCode::SUCCESS,
        Err(what) => {
            print!("{what}");
            ExitCode::FAILURE
        }
    })
}

/// Lets another process load the library; without a program that can, says nothing.
///
/// # Errors
///
/// What is wrong with the library, in one line.
pub(super) fn try_out(library: &Path) -> Result<(), String> {
    let Some(program) = PROGRAM.get() else { return Ok(()) };
    let output = Command::new(program)
        .env(OsStr::new(LIBRARY), library)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|error| format!("cannot be tried: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    match (output.status.success(), said.lines().next()) {
        (true, _) => Ok(()),
        (false, Some(what)) => Err(what.to_string()),
        (false, None) => Err(format!(
            "cannot be loaded: whoever tries crashes ({}); it is truncated, or no library",
            output.status
        )),
    }
}
