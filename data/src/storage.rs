//! Where samples lie: in memory, or, where they are too many for it, in a file that is mapped.

use std::env;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use inkling_support::files::WriteError;
use memmap2::Mmap;

/// What samples may take of memory unless somebody says otherwise, in bytes.
pub const USUAL_MEMORY: u64 = 192 << 20;

/// How files are called that go with the process that writes them.
const UNFINISHED: &str = ".inkling-samples-";

/// How much memory the samples of a data set may take, and where they lie if they need more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Samples of more bytes lie in a file.
    pub memory: u64,
    /// The folder of that file; created where it is missing.
    pub folder: PathBuf,
}

impl Default for Room {
    /// [`USUAL_MEMORY`], and the system's folder for temporary files.
    fn default() -> Self {
        Self { memory: USUAL_MEMORY, folder: env::temp_dir() }
    }
}

/// Samples, one after the other, that do not change any more.
#[derive(Debug)]
pub struct Storage(Place);

#[derive(Debug)]
enum Place {
    Memory(Vec<u8>),
    // The map goes before its file does: some systems remove no file that is mapped.
    File { map: Mmap, file: Arc<OwnFile> },
}

/// A file that is removed with the last storage that lies in it, unless somebody keeps it.
#[derive(Debug)]
pub(crate) struct OwnFile {
    pub path: PathBuf,
    kept: bool,
    /// Locked while it is written or used, so that [`sweep`] finds what a killed process has left.
    lock: Option<File>,
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        if !self.kept {
            // It is litter in a folder for temporary files at worst.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl From<Vec<u8>> for Storage {
    fn from(samples: Vec<u8>) -> Self {
        Self(Place::Memory(samples))
    }
}

impl Deref for Storage {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Place::Memory(samples) => samples,
            Place::File { map, .. } => map,
        }
    }
}

impl Storage {
    /// The file that the samples lie in, if they do not lie in memory.
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            Place::Memory(_) => None,
            Place::File { file, .. } => Some(&file.path),
        }
    }

    /// What lies in a file, which stays when the storage goes.
    ///
    /// # Errors
    ///
    /// The file system's.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::map(File::open(path)?, OwnFile { path: path.to_path_buf(), kept: true, lock: None })
    }

    fn map(file: File, mut own: OwnFile) -> io::Result<Self> {
        if file.metadata()?.len() == 0 {
            return Ok(Vec::new().into());
        }
        // SAFETY: a map is sound as long as nobody changes the file. It is written by this process alone,
        // under a name that no other process has, and is whole before it is mapped; a new one replaces it
        // under its name, never its bytes.
        let map = unsafe { Mmap::map(&file)? };
        own.lock = Some(file);
        Ok(Self(Place::File { map, file: Arc::new(own) }))
    }
}

/// Gives a storage's file another name, under which it stays; memory is written there. Returns the
/// storage of the new file.
///
/// # Errors
///
/// The file system's, with the file.
pub(crate) fn keep(storage: &Storage, path: &Path) -> Result<Storage, WriteError> {
    match storage.file() {
        // A second name: the storage may be in use, and removes its own name when it goes.
        Some(file) => fs::hard_link(file, path).or_else(|_| fs::copy(file, path).map(|_| ())),
        None => fs::write(path, &storage[..]),
    }
    .map_err(failed(path))?;
    Storage::open(path).map_err(failed(path))
}

/// Takes samples one after the other: into memory as long as there is room, into a file from then on.
pub struct Sink {
    room: Room,
    memory: Vec<u8>,
    /// The bytes of all samples so far.
    length: u64,
    file: Option<(BufWriter<File>, OwnFile)>,
}

impl Sink {
    pub fn new(room: &Room) -> Self {
        Self { room: room.clone(), memory: Vec::new(), length: 0, file: None }
    }

    /// Takes more bytes.
    ///
    /// # Errors
    ///
    /// The file system's, with the file.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.length += bytes.len() as u64;
        if self.file.is_none() && self.length <= self.room.memory {
            self.memory.extend_from_slice(bytes);
            return Ok(());
        }
        if self.file.is_none() {
            let (file, own) = new_file(&self.room.folder)?;
            let mut file = BufWriter::with_capacity(1 << 20, file);
            file.write_all(&std::mem::take(&mut self.memory)).map_err(failed(&own.path))?;
            self.file = Some((file, own));
        }
        match &mut self.file {
            Some((file, own)) => file.write_all(bytes).map_err(failed(&own.path)),
            None => Ok(()),
        }
    }

    /// All that was taken.
    ///
    /// # Errors
    ///
    /// The file system's, with the file.
    pub fn finish(self) -> Result<Storage, WriteError> {
        let Some((file, own)) = self.file else { return Ok(self.memory.into()) };
        let path = own.path.clone();
        let file = file.into_inner().map_err(|error| failed(&path)(error.into_error()))?;
        Storage::map(file, own).map_err(failed(&path))
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> WriteError {
    move |error| WriteError::Io { path: path.to_path_buf(), error }
}

/// Removes what killed processes have left in a folder.
fn sweep(folder: &Path) {
    let entries = folder.read_dir().into_iter().flatten().filter_map(Result::ok);
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(UNFINISHED))
    {
        let free = File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok());
        if free {
            // Another process may have been faster.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A new file that no other process has.
fn new_file(folder: &Path) -> Result<(File, OwnFile), WriteError> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    fs::create_dir_all(folder).map_err(failed(folder))?;
    sweep(folder);
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{UNFINISHED}{}-{number}.tmp", process::id()));
        match File::options().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => {
                // Where the file system knows no locks, nothing is swept either.
                let _ = file.try_lock();
                return Ok((file, OwnFile { path, kept: false, lock: None }));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(&path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Room, Sink, Storage};
    use std::fs;

    #[test]
    fn samples_lie_in_memory_up_to_a_limit_and_in_a_file_above() {
        let folder = std::env::temp_dir().join(format!("inkling-room-{}", std::process::id()));
        let bytes: Vec<u8> = (0..=255).collect();
        let stored = |memory: u64| -> Storage {
            let mut sink = Sink::new(&Room { memory, folder: folder.clone() });
            bytes.chunks(10).for_each(|part| sink.push(part).expect("is taken"));
            sink.finish().expect("is mapped")
        };
        let [inside, outside] = [256, 255].map(stored);
        assert_eq!((inside.file(), &inside[..]), (None, &bytes[..]));
        assert_eq!(&outside[..], &bytes[..]);
        let file = outside.file().expect("it has a file").to_path_buf();
        assert_eq!(fs::read(&file).expect("is there"), bytes);
        drop(outside);
        assert!(!file.exists(), "it goes with the storage");
        let blocked = Room { memory: 0, folder: folder.join("file") };
        fs::write(&blocked.folder, "").expect("written");
        let error = Sink::new(&blocked).push(&[1]).expect_err("no folder");
        assert!(error.to_string().contains("file: cannot be written"), "{error}");
        assert!(Sink::new(&blocked).finish().expect("nothing is no file").is_empty());
        fs::remove_dir_all(folder).expect("removed");
    }
}
