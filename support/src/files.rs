//! Files that are whole or not there: written beside their place and renamed into it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

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

/// Creates `folder`, checks that files can be written into it, and removes what a killed run may
/// have left of the files `names` while it wrote them.
pub fn prepare_folder(folder: &Path, names: &[&str]) -> Result<(), WriteError> {
    let failed = |error| WriteError { path: folder.to_path_buf(), error };
    fs::create_dir_all(folder).map_err(failed)?;
    let probe = folder.join(".inkling-probe.tmp");
    File::create(&probe).map_err(failed)?;
    fs::remove_file(&probe).map_err(failed)?;
    for entry in folder.read_dir().map_err(failed)?.filter_map(|entry| entry.ok()) {
        if entry.file_name().to_str().is_some_and(|file| is_unfinished(file, names)) {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

/// Whether a file is one of `names` as [`write_atomically`] calls it until it is
/// whole: hidden, with a process's number and `tmp` behind it.
fn is_unfinished(file: &str, names: &[&str]) -> bool {
    let middle = file.strip_prefix('.').and_then(|file| file.strip_suffix(".tmp"));
    middle.and_then(|middle| middle.rsplit_once('.')).is_some_and(|(name, process)| {
        names.contains(&name) && process.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Removes a file if it is there.
pub fn remove(path: &Path) -> Result<(), WriteError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(WriteError { path: path.to_path_buf(), error })
        }
        _ => Ok(()),
    }
}

/// A file or folder that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot be written: {error}", path.display())]
pub struct WriteError {
    path: PathBuf,
    error: io::Error,
}

#[cfg(test)]
mod tests {
    use super::is_unfinished;

    #[test]
    fn only_our_own_unfinished_files_are_swept() {
        let names = ["float.onnx", "checkpoint.bin"];
        assert!(is_unfinished(".float.onnx.123.tmp", &names));
        assert!(is_unfinished(".checkpoint.bin.7.tmp", &names));
        for other in
            ["float.onnx", ".float.onnx", ".notes.tmp", ".notes.1.tmp", ".float.onnx.a.tmp"]
        {
            assert!(!is_unfinished(other, &names), "{other}");
        }
    }
}
