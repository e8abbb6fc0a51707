//! Finding a library of ONNX Runtime on this machine.

use std::env;
use std::error::Error as _;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use ort::environment::EnvironmentBuilder;

use super::{BackendError, probe};

/// The oldest release whose interface `ort` is built for here.
const OLDEST: u32 = ort::MINOR_VERSION;

/// Whether a library was loaded into this process, usable or not.
static LOADED: AtomicBool = AtomicBool::new(false);

/// The outcome of a search.
pub enum Found {
    Library {
        builder: EnvironmentBuilder,
        version: String,
        path: PathBuf,
        why: &'static str,
    },
    /// One clause: what was looked for.
    Nothing {
        looked: String,
    },
}

/// Loads the first library that is usable. A library that the user named must be.
pub fn find(named: Option<PathBuf>) -> Result<Found, BackendError> {
    let named = named.map(|path| (path, "--ort-lib")).or_else(|| {
        let path = env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty())?;
        Some((path.into(), "ORT_DYLIB_PATH"))
    });
    if let Some((path, why)) = named {
        return load(&path, why).map_err(|what| BackendError::Library { path, what, why });
    }
    let mut unusable = None;
    for (places, why) in [
        (wheels as fn() -> Vec<PathBuf>, "found in a Python environment"),
        (system_folders, "found in a library folder"),
    ] {
        for path in places().iter().flat_map(|folder| libraries(folder)) {
            let old = version_in_name(&path).filter(|version| is_too_old(version));
            match old.map_or_else(|| load(&path, why), |version| Err(too_old(&version))) {
                Ok(found) => return Ok(found),
                Err(what) => unusable = Some(format!("{}: {what}", path.display())),
            }
            if LOADED.load(Ordering::Relaxed) {
                // `ort` takes no other library in this process.
                return Ok(Found::Nothing { looked: nothing(unusable) });
            }
        }
    }
    Ok(Found::Nothing { looked: nothing(unusable) })
}

/// What is said when there is no library to use.
fn nothing(unusable: Option<String>) -> String {
    match unusable {
        Some(reason) => format!("no usable ONNX Runtime found; {reason}"),
        None => "no ONNX Runtime library found".to_string(),
    }
}

fn too_old(version: &str) -> String {
    format!("is ONNX Runtime {version}, but 1.{OLDEST} or newer is needed")
}

fn is_too_old(version: &str) -> bool {
    let minor = version.strip_prefix("1.").and_then(|rest| rest.split('.').next()?.parse().ok());
    minor.is_some_and(|minor: u32| minor < OLDEST)
}

pub(super) fn load(path: &Path, why: &'static str) -> Result<Found, String> {
    // `ort` resolves a relative path against the executable's folder; people mean the current one.
    let path = path.canonicalize().map_err(|error| error.to_string())?;
    if path.is_dir() {
        return Err("is a folder; name the library file itself".to_string());
    }
    probe::try_out(&path)?;
    LOADED.store(true, Ordering::Relaxed);
    let builder = ort::init_from(&path).map_err(|error| match error {
        ort::LoadDynamicError::BadVersion { version_str, .. } => too_old(&version_str),
        ort::LoadDynamicError::MissingApi { .. } => "is not a library of ONNX Runtime".to_string(),
        ort::LoadDynamicError::Dlopen { error, .. } => {
            let cause = error.source().map_or(error.to_string(), |source| source.to_string());
            format!("cannot be loaded: {cause}")
        }
        other => other.to_string(),
    })?;
    let version = version_in(ort::info()).or_else(|| version_in_name(&path));
    let version = version.unwrap_or_else(|| "of unknown version".to_string());
    Ok(Found::Library { builder, version, path, why })
}

/// The version in a library's build information, where it tells one.
fn version_in(info: &str) -> Option<String> {
    let (_, rest) = info.split_once("git-branch=rel-")?;
    Some(rest.split(',').next()?.to_string())
}

/// The version at the end of a library's file name, links followed.
fn version_in_name(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let (_, version) = path.file_name()?.to_str()?.split_once(".so.")?;
    version.contains('.').then(|| version.to_string())
}

/// The libraries of ONNX Runtime in a folder, sorted by name.
fn libraries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    let is_library = |name: &str| match env::consts::OS {
        "macos" => name.starts_with("libonnxruntime.") && name.ends_with(".dylib"),
        "windows" => name == "onnxruntime.dll",
        _ => name == "libonnxruntime.so" || name.starts_with("libonnxruntime.so."),
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok())
        .filter(|entry| entry.file_name().to_str().is_some_and(is_library))
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths
}

/// Folders where Python's `onnxruntime` package keeps its library.
fn wheels() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let environment = env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    if let Some(environment) = environment.filter(|folder| folder.is_absolute()) {
        let libraries = environment.join("lib");
        let pythons = libraries.read_dir().into_iter().flatten().filter_map(|entry| entry.ok());
        folders.extend(pythons.map(|python| python.path().join("site-packages")));
        folders.push(environment.join("Lib").join("site-packages"));
        folders.sort();
    }
    folders.extend(python_package().and_then(|package| Some(package.parent()?.to_path_buf())));
    folders.iter().map(|folder| folder.join("onnxruntime").join("capi")).collect()
}

/// The folder of the package that `python3` would import, without importing it.
///
/// Python looks into the folder that it runs in first, and whoever unpacked an archive stands in a
/// folder of someone else's files: so it runs in the root folder and is told not to look there.
fn python_package() -> Option<PathBuf> {
    let program = "import sys; sys.path[:] = [p for p in sys.path if p]; \
                   import importlib.util as u; s = u.find_spec('onnxruntime'); \
                   print(s.submodule_search_locations[0] if s else '')";
    let output = Command::new("python3")
        .args(["-c", program])
        .current_dir("/")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(path.trim())).filter(|path| path.is_absolute())
}

fn system_folders() -> Vec<PathBuf> {
    let searched = ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];
    let searched = searched.map(|name| env::var_os(name).unwrap_or(OsString::new()));
    let mut folders: Vec<PathBuf> = searched.iter().flat_map(env::split_paths).collect();
    // What is relative would be the folder that one happens to stand in.
    folders.retain(|folder| folder.is_absolute());
    let multiarch = format!("/usr/lib/{}-linux-gnu", env::consts::ARCH);
    let usual = ["/usr/local/lib", "/usr/lib", "/usr/lib64", &multiarch, "/opt/onnxruntime/lib"];
    folders.extend(usual.iter().map(PathBuf::from));
    if cfg!(target_os = "macos") {
        folders.push("/opt/homebrew/lib".into());
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::is_too_old;

    #[test]
    fn versions_are_compared_as_numbers() {
        for old in ["1.9.0", "1.23.2", "1.8"] {
            assert!(is_too_old(old), "{old}");
        }
        for new in ["1.24.0", "1.32.0", "1.100.1", "2.0.0", "dev"] {
            assert!(!is_too_old(new), "{new}");
        }
    }
}
