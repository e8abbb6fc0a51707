//! The folder that results go to, and what is wrong with a file that a person wrote.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

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

/// Whether a file is one of `names` as [`converter::files::write_atomically`] calls it until it is
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

/// What is wrong with a TOML file, in one line that begins with the line of the text.
pub fn toml_error(text: &str, error: &toml::de::Error) -> String {
    let message = plain(error.message());
    match error.span() {
        Some(span) => {
            let line = 1 + text[..span.start.min(text.len())].matches('\n').count();
            format!("line {line}: {message}")
        }
        None => message,
    }
}

/// A message of serde's in one line, in words for those who do not know Rust.
pub fn plain(text: &str) -> String {
    let words = text.split_whitespace().map(|word| match word {
        "usize" => "a whole number from 0 up",
        "f32" | "f64" => "a number",
        word => word,
    });
    words.collect::<Vec<_>>().join(" ")
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
