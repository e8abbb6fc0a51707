//! Files that are whole or not there: written beside their place and renamed into it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Replaces the file at `path`, creating its folder. A reader, or a restart after a crash, finds
/// the old contents or the new, never a part.
///
/// # Errors
///
/// The error of the file system, with the path in its message.
pub fn write_atomically(path: &Path, contents: &[u8]) -> io::Result<()> {
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("{}: cannot be written: {error}", path.display()))
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(named)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = File::create(&beside)
        .and_then(|mut file| {
            file.write_all(contents)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The write's own error is the one to report.
        let _ = fs::remove_file(&beside);
    }
    written.map_err(named)
}
