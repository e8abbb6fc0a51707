//! Files that are whole or not there: written beside their place and renamed into it.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::iter;
use std::path::{Component, Path, PathBuf};

/// Replaces the file at `path`, creating its folder. A reader, or a restart after a crash, finds
/// the old contents or the new, never a part.
///
/// A link stays, and what it points to is replaced. What is no ordinary file, such as `/dev/null`
/// or a pipe, is written to as it is.
///
/// # Errors
///
/// The error of the file system, with the path in its message.
pub fn write_atomically(path: &Path, contents: &[u8]) -> io::Result<()> {
    write_pieces(path, [contents])
}

/// [`write_atomically`] of `pieces`, one after the other.
///
/// # Errors
///
/// As [`write_atomically`].
pub fn write_pieces<'p>(path: &Path, pieces: impl IntoIterator<Item = &'p [u8]>) -> io::Result<()> {
    Unfinished::write(path, pieces)?.finish()
}

/// Writes the file at `path`, creating its folder, unless one is there; whether it did. Of several
/// processes that write at once, on whichever machines, one does, and all find its file whole.
///
/// Where the file system has no links, the last of those that write at once does.
///
/// # Errors
///
/// As [`write_atomically`].
pub fn write_new(path: &Path, contents: &[u8]) -> io::Result<bool> {
    if path.exists() {
        return Ok(false);
    }
    let unfinished = Unfinished::write(path, [contents])?;
    match fs::hard_link(&unfinished.beside, &unfinished.place) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(_) => unfinished.finish().map(|()| true),
    }
}

/// Writes several files of a folder, replacing those that are there. Until all of them are on the
/// disk, so on a full disk too, none is replaced; then one after the other is, in their order.
/// What tells whether they belong together comes last.
///
/// # Errors
///
/// As [`write_atomically`].
pub fn write_set(folder: &Path, files: &[(&str, Vec<u8>)]) -> io::Result<()> {
    let unfinished: Vec<Unfinished> = files
        .iter()
        .map(|(name, contents)| Unfinished::write(&folder.join(name), iter::once(&contents[..])))
        .collect::<io::Result<_>>()?;
    unfinished.into_iter().try_for_each(Unfinished::finish)
}

/// A file that is written but not yet in its place; it is removed if it never gets there.
struct Unfinished {
    beside: PathBuf,
    place: PathBuf,
    /// The path that the user knows.
    path: PathBuf,
    done: bool,
}

impl Unfinished {
    fn write<'p>(path: &Path, pieces: impl IntoIterator<Item = &'p [u8]>) -> io::Result<Self> {
        let all = |file: &mut File| {
            let mut file = BufWriter::new(file);
            pieces.into_iter().try_for_each(|piece| file.write_all(piece))?;
            file.flush()
        };
        let place = match fs::metadata(path) {
            Ok(found) if !found.is_file() && !found.is_dir() => {
                let mut device = File::options().write(true).open(path).map_err(named(path))?;
                all(&mut device).map_err(named(path))?;
                let (beside, place) = (PathBuf::new(), PathBuf::new());
                return Ok(Self { beside, place, path: path.to_path_buf(), done: true });
            }
            // Through a link, so that the link stays.
            Ok(_) => path.canonicalize().map_err(named(path))?,
            Err(_) => end_of_link(path),
        };
        let folder = match place.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        fs::create_dir_all(folder).map_err(named(path))?;
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let (beside, mut file) = new_beside(folder, &name).map_err(named(path))?;
        let unfinished = Self { beside, place, path: path.to_path_buf(), done: false };
        all(&mut file).and_then(|()| file.sync_all()).map_err(named(path))?;
        Ok(unfinished)
    }

    fn finish(mut self) -> io::Result<()> {
        if !self.done {
            fs::rename(&self.beside, &self.place).map_err(named(&self.path))?;
            self.done = true;
        }
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.done {
            // The error that stopped the writing is the one to report.
            let _ = fs::remove_file(&self.beside);
        }
    }
}

/// A new file beside the one called `name`, which no other process has: where a folder is shared,
/// one on another machine may have the same number, and the next ones are tried.
fn new_beside(folder: &Path, name: &str) -> io::Result<(PathBuf, File)> {
    let mut number = std::process::id();
    loop {
        let beside = folder.join(format!(".{name}.{number}.tmp"));
        match File::create_new(&beside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                number = number.wrapping_add(1);
            }
            file => return Ok((beside, file?)),
        }
    }
}

/// Where a link to nothing points to, or the path itself.
fn end_of_link(path: &Path) -> PathBuf {
    match fs::read_link(path) {
        Ok(target) => path.parent().unwrap_or(Path::new("")).join(target),
        Err(_) => path.to_path_buf(),
    }
}

fn named(path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| {
        io::Error::new(error.kind(), format!("{}: cannot be written: {error}", path.display()))
    }
}

/// A folder that this process alone writes to, as long as this lives.
#[must_use = "the folder is free again when this is dropped"]
#[derive(Debug)]
pub struct OwnFolder {
    /// `None` where the file system knows no locks.
    _lock: Option<File>,
}

/// Whether `folder` is one or could be made: for who finds out before long work.
///
/// # Errors
///
/// What on its path is a file.
pub fn check_folder(folder: &Path) -> Result<(), WriteError> {
    match folder.ancestors().find(|part| part.exists()) {
        Some(part) if !part.is_dir() => {
            let error = io::ErrorKind::NotADirectory.into();
            Err(WriteError::Io { path: part.to_path_buf(), error })
        }
        _ => Ok(()),
    }
}

/// Creates `folder`, makes sure that no other run writes to it and that files can be written into
/// it, and removes what a killed run may have left of the files `names` while it wrote them.
///
/// # Errors
///
/// Another run that has the folder; the file system's, with the folder.
pub fn prepare_folder(folder: &Path, names: &[&str]) -> Result<OwnFolder, WriteError> {
    prepare(folder, names, &|| Err(WriteError::Taken { path: folder.to_path_buf() }))
}

/// [`prepare_folder`], but another run that has the folder is waited for, once `taken` has said so.
///
/// # Errors
///
/// The file system's, with the folder.
pub fn wait_for_folder(
    folder: &Path,
    names: &[&str],
    taken: impl Fn(),
) -> Result<OwnFolder, WriteError> {
    prepare(folder, names, &|| {
        taken();
        Ok(())
    })
}

fn prepare(
    folder: &Path,
    names: &[&str],
    taken: &dyn Fn() -> Result<(), WriteError>,
) -> Result<OwnFolder, WriteError> {
    let failed = |error| WriteError::Io { path: folder.to_path_buf(), error };
    check_folder(folder)?;
    fs::create_dir_all(folder).map_err(failed)?;
    let lock = lock(folder, taken)?;
    let probe = folder.join(".inkling-probe.tmp");
    File::create(&probe).map_err(failed)?;
    fs::remove_file(&probe).map_err(failed)?;
    for entry in folder.read_dir().map_err(failed)?.filter_map(|entry| entry.ok()) {
        if entry.file_name().to_str().is_some_and(|file| is_unfinished(file, names)) {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    Ok(OwnFolder { _lock: lock })
}

/// Locks a folder, after a wait if `taken` agrees to one: the folder itself, and where that cannot be
/// locked (Windows, network file systems) a file in it. Nothing where the file system knows no locks.
fn lock(
    folder: &Path,
    taken: &dyn Fn() -> Result<(), WriteError>,
) -> Result<Option<File>, WriteError> {
    let failed = |error| WriteError::Io { path: folder.to_path_buf(), error };
    let in_folder = || File::options().create(true).append(true).open(folder.join(".inkling-lock"));
    for itself in [true, false] {
        if itself && !cfg!(unix) {
            continue;
        }
        let file = if itself { File::open(folder) } else { in_folder() }.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => {
                taken()?;
                file.lock().map_err(failed)?;
                return Ok(Some(file));
            }
            Err(TryLockError::Error(_)) => {}
        }
    }
    Ok(None)
}

/// Whether a file is one of `names` as [`write_atomically`] calls it until it is
/// whole: hidden, with a process's number and `tmp` behind it.
fn is_unfinished(file: &str, names: &[&str]) -> bool {
    let middle = file.strip_prefix('.').and_then(|file| file.strip_suffix(".tmp"));
    middle.and_then(|middle| middle.rsplit_once('.')).is_some_and(|(name, process)| {
        names.contains(&name) && process.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// How a file in `folder` names `path`, both of which must be there: with `..` as far as they share no
/// folder. `None` where they share none at all, or one of them is not there.
pub fn relative(path: &Path, folder: &Path) -> Option<PathBuf> {
    let (path, folder) = (path.canonicalize().ok()?, folder.canonicalize().ok()?);
    let shared = path.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    if shared == 0 {
        return None;
    }
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    Some(up.chain(path.components().skip(shared)).collect())
}

/// Removes a file if it is there.
pub fn remove(path: &Path) -> Result<(), WriteError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(WriteError::Io { path: path.to_path_buf(), error })
        }
        _ => Ok(()),
    }
}

/// A file or folder that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("{}: cannot be written: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error(
        "{}: another run writes into this folder; wait for it, or name another with --out",
        path.display()
    )]
    Taken { path: PathBuf },
}

#[cfg(test)]
mod tests {
    use super::{
        WriteError, check_folder, is_unfinished, prepare_folder, relative, wait_for_folder,
        write_atomically, write_new, write_set,
    };
    use std::fs;
    use std::path::{Path, PathBuf};

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("inkling-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder for the test");
        folder
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("is there").map(|entry| entry.expect("is there"));
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

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

    #[test]
    fn a_path_is_told_from_another_folder() {
        let folder = scratch("relative");
        for below in ["a/b", "c"] {
            fs::create_dir_all(folder.join(below)).expect("created");
        }
        fs::write(folder.join("c/file"), "text").expect("written");
        let told = |path: &str, from: &str| relative(&folder.join(path), &folder.join(from));
        assert_eq!(told("c/file", "a/b"), Some(PathBuf::from("../../c/file")));
        assert_eq!(told("a/../c/file", "c"), Some(PathBuf::from("file")));
        assert_eq!(told("c/none", "a"), None);
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn a_set_is_written_as_one() {
        let folder = scratch("set");
        write_set(&folder, &[("a", b"1".to_vec()), ("b", b"1".to_vec())]).expect("written");
        // A folder in the place of a file: it cannot be replaced, and neither is what comes before.
        let file_as_folder = "b/c";
        let error = write_set(&folder, &[("a", b"2".to_vec()), (file_as_folder, b"2".to_vec())])
            .expect_err("b is no folder");
        assert!(error.to_string().contains("b/c: cannot be written"), "{error}");
        assert_eq!(fs::read(folder.join("a")).expect("is there"), b"1");
        assert_eq!(names(&folder), ["a", "b"]);
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn a_second_run_is_refused_while_the_first_lives() {
        let folder = scratch("lock");
        let first = prepare_folder(&folder, &[]).expect("free");
        let second = prepare_folder(&folder, &[]).expect_err("taken");
        assert!(matches!(second, WriteError::Taken { .. }), "{second}");
        drop(first);
        let first = prepare_folder(&folder, &[]).expect("free again");
        std::thread::scope(|scope| {
            let (told, hears) = std::sync::mpsc::channel();
            let waits = scope.spawn({
                let folder = &folder;
                move || wait_for_folder(folder, &[], || told.send(()).expect("heard"))
            });
            hears.recv().expect("it says that it waits");
            assert!(!waits.is_finished(), "the folder is not free yet");
            drop(first);
            drop(waits.join().expect("no panic").expect("free at last"));
        });
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn of_many_that_write_a_new_file_at_once_one_does() {
        let folder = scratch("new");
        let place = folder.join("below/file");
        let texts: Vec<String> = (0..8).map(|text| text.to_string().repeat(5_000)).collect();
        let wrote: Vec<bool> = std::thread::scope(|scope| {
            let write = |text: &String| {
                let (place, text) = (place.clone(), text.clone());
                scope.spawn(move || write_new(&place, text.as_bytes()).expect("no error"))
            };
            let threads: Vec<_> = texts.iter().map(write).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        let winner = wrote.iter().position(|&wrote| wrote).expect("one wrote");
        assert_eq!(wrote.iter().filter(|&&wrote| wrote).count(), 1);
        assert_eq!(fs::read_to_string(&place).expect("is there"), texts[winner]);
        assert_eq!(names(&folder.join("below")), ["file"], "something is left beside it");
        fs::remove_dir_all(folder).expect("removed");
    }

    #[cfg(unix)]
    #[test]
    fn links_and_devices_stay_what_they_are() {
        use std::os::unix::fs::symlink;
        let folder = scratch("links");
        for (link, target) in [("link", "target"), ("dangling", "new")] {
            symlink(target, folder.join(link)).expect("linked");
        }
        fs::write(folder.join("target"), "old").expect("written");
        for (link, target) in [("link", "target"), ("dangling", "new")] {
            write_atomically(&folder.join(link), b"text").expect("written");
            assert!(folder.join(link).is_symlink(), "{link}");
            assert_eq!(fs::read(folder.join(target)).expect("is there"), b"text");
        }
        assert_eq!(names(&folder), ["dangling", "link", "new", "target"]);
        write_atomically("/dev/null".as_ref(), b"text").expect("taken");
        assert!(!fs::metadata("/dev/null").expect("is there").is_file());
        assert!(write_atomically("/dev/full".as_ref(), b"text").is_err());
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn a_file_on_the_way_to_a_folder_is_named() {
        let folder = scratch("way");
        fs::write(folder.join("file"), "").expect("a test can write");
        for (path, good) in [("", true), ("new/deep", true), ("file", false), ("file/deep", false)]
        {
            let checked = check_folder(&folder.join(path));
            assert_eq!(checked.is_ok(), good, "{path}");
            let said = checked.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(good || said.contains("file: cannot be written: not a directory"), "{said}");
        }
        assert!(prepare_folder(&folder.join("file"), &[]).is_err());
        fs::remove_dir_all(folder).expect("removed");
    }
}
