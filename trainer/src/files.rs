//! The folder that results go to.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Creates `folder`, checks that files can be written into it, and removes the unfinished files
/// that a killed run may have left.
pub fn prepare_folder(folder: &Path) -> Result<(), WriteError> {
    let failed = |error| WriteError { path: folder.to_path_buf(), error };
    fs::create_dir_all(folder).map_err(failed)?;
    let probe = folder.join(".probe.tmp");
    File::create(&probe).map_err(failed)?;
    for entry in folder.read_dir().map_err(failed)?.filter_map(|entry| entry.ok()) {
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(".tmp")) {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
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
