//! Samples that do not fit into memory, kept on disk: decoded once, and again when anything has changed.
//!
//! A folder holds the samples as they are in memory, `0.samples` and so on, and `index.json` with all else.
//! The index comes last, so that a folder without one is none. It has the SHA-256 of the source's names and
//! contents: times can be set, contents decide.

mod index;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use flate2::Crc;
use inkling_support::digest::{sha256, sha256_of};
use inkling_support::files::{self, WriteError, write_atomically};
use inkling_support::{parallel, stage};

use super::tree::Tree;
use super::{Collection, ImportError, Options, decode, malformed};
use crate::dataset::Stored;
use crate::storage::{self, Room};
use crate::{Dataset, Storage};
use index::{Index, StoredIndex};

const INDEX: &str = "index.json";

/// A data set out of `folder` if it is kept there as it is now; else it is read, and kept if its samples do
/// not fit into memory.
///
/// # Errors
///
/// What reading finds wrong; a source that changes meanwhile; the file system's.
pub fn open(folder: &Path, path: &Path, options: &Options) -> Result<Collection, ImportError> {
    let folder = folder.join(name(path, options));
    let mut told = None;
    if folder.join(INDEX).is_file() {
        let _alone = files::wait_for_folder(&folder, &[INDEX], || waiting(&folder))?;
        match load(&folder, path) {
            Ok(mut collection) => {
                let at = folder.display();
                collection.notes.push(format!("decoded before, for the same files: {at}"));
                return Ok(collection);
            }
            Err(why) => told = Some(format!("{}: {why}; made again", folder.display())),
        }
    }
    let before = listing(path)?;
    let room = Room { folder: folder.clone(), ..options.room.clone() };
    let mut collection = decode(path, &Options { room, ..options.clone() })?;
    if parts(&collection).any(|set| set.stored().0.samples.file().is_some()) {
        let source = checksum(path)?;
        if listing(path)? != before {
            let what = "was changed while it was read; start again when it is whole".into();
            return Err(malformed(path, what));
        }
        let _alone = files::wait_for_folder(&folder, &[INDEX], || waiting(&folder))?;
        store(&folder, source, &mut collection)?;
        told.get_or_insert_with(|| {
            format!("samples are larger than memory and kept in {}", folder.display())
        });
    } else if told.is_some() {
        // What was kept is of another source, and nothing need be.
        fs::remove_dir_all(&folder)
            .map_err(|error| WriteError::Io { path: folder.clone(), error })?;
    }
    collection.notes.extend(told);
    Ok(collection)
}

fn waiting(folder: &Path) {
    stage::show(format_args!("waiting for another run that reads or writes {}", folder.display()));
}

/// The folder of a source as it is read with these options.
fn name(path: &Path, options: &Options) -> String {
    let place = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let Options { pictures, skip_bad, numbers, fill, missing_value, label_column, .. } = options;
    let how =
        format!("{pictures:?} {skip_bad} {numbers:?} {fill:?} {missing_value:?} {label_column:?}");
    let hash = sha256([place.to_string_lossy().as_bytes(), b"\0", how.as_bytes()]);
    let stem = place.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let plain: String =
        stem.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(32).collect();
    format!("{plain}-{}", &hash[..12])
}

/// Which program made the samples: another may prepare them otherwise.
fn program() -> String {
    let of = |path: PathBuf| {
        let known = fs::metadata(path).ok()?;
        let since = known.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(format!("{} bytes of {}", known.len(), since.as_nanos()))
    };
    let stamp = std::env::current_exe().ok().and_then(of).unwrap_or_default();
    format!("{} {stamp}", env!("CARGO_PKG_VERSION"))
}

fn parts(collection: &Collection) -> impl Iterator<Item = &Dataset> {
    let Collection { train, validation, test, .. } = collection;
    [Some(train), validation.as_ref(), Some(test)].into_iter().flatten()
}

/// The files of a source with sizes and times.
fn listing(path: &Path) -> Result<Vec<(PathBuf, u64, Option<SystemTime>)>, ImportError> {
    let known = |file: PathBuf| {
        let failed = |error| ImportError::Read { path: file.clone(), error };
        let known = fs::metadata(&file).map_err(failed)?;
        Ok((file, known.len(), known.modified().ok()))
    };
    sources(path)?.into_iter().map(known).collect()
}

/// The files of a source, below its own name.
fn sources(path: &Path) -> Result<Vec<PathBuf>, ImportError> {
    if path.is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    let tree = Tree::open(path, &Room::default())?;
    Ok((0..tree.files.len()).map(|index| tree.path(index)).collect())
}

/// The SHA-256 of the names and contents of a source's files.
fn checksum(path: &Path) -> Result<String, ImportError> {
    let sources = sources(path)?;
    stage::show(format_args!("comparing {} files with what was decoded", sources.len()));
    let hashes =
        parallel::map(sources.len(), |index| File::open(&sources[index]).and_then(sha256_of));
    let mut text = String::new();
    for (file, hash) in sources.iter().zip(hashes) {
        let hash = hash.map_err(|error| ImportError::Read { path: file.clone(), error })?;
        let below = file.strip_prefix(path).unwrap_or(file);
        text.push_str(&format!("{hash} {}\0", below.display()));
    }
    Ok(sha256([text.as_bytes()]))
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Keeps a data set, and lets it lie where it is kept.
fn store(folder: &Path, source: String, collection: &mut Collection) -> Result<(), ImportError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |error| ImportError::Write(WriteError::Io { path, error })
    };
    let place = folder.join(INDEX);
    files::remove(&place)?;
    for entry in folder.read_dir().map_err(failed(folder))?.filter_map(Result::ok) {
        if entry.path().extension().is_some_and(|end| end == "samples") {
            files::remove(&entry.path())?;
        }
    }
    let mut known: Vec<Stored> = Vec::new();
    let mut of_parts = Vec::new();
    for set in parts(collection) {
        let (stored, places) = set.stored();
        let same = |other: &Stored| Arc::ptr_eq(&other.samples, &stored.samples);
        let number = known.iter().position(same).unwrap_or_else(|| {
            known.push(stored.clone());
            known.len() - 1
        });
        of_parts.push((number, places.to_vec(), set.labels.clone()));
    }
    let mut stored = Vec::new();
    for (number, old) in known.iter_mut().enumerate() {
        let samples = storage::keep(&old.samples, &folder.join(format!("{number}.samples")))?;
        stored.push(StoredIndex::new(samples.len() as u64, crc(&samples), &old.sources));
        old.samples = Arc::new(samples);
    }
    let preview = collection.preview.as_ref().map(|preview| [preview.width(), preview.height()]);
    if let Some(preview) = &collection.preview {
        write_atomically(&folder.join(index::PREVIEW), preview.as_raw()).map_err(failed(folder))?;
    }
    let index = Index::new(source, program(), collection, stored, &of_parts, preview);
    let text = index.text().map_err(|what| malformed(&place, what))?;
    write_atomically(&place, text.as_bytes()).map_err(failed(&place))?;
    let Collection { train, validation, test, .. } = collection;
    let sets = [Some(train), validation.as_mut(), Some(test)].into_iter().flatten();
    for (set, (number, places, labels)) in sets.zip(of_parts) {
        let names = set.names.clone();
        *set = Dataset::of(set.shape, known[number].clone(), places, labels, names);
    }
    Ok(())
}

/// What is kept, if it is whole and of the source as it is now; else why it is not.
fn load(folder: &Path, path: &Path) -> Result<Collection, String> {
    let spoiled = |what: &str| format!("what was decoded before is spoiled ({what})");
    let text = fs::read_to_string(folder.join(INDEX)).map_err(|e| spoiled(&e.to_string()))?;
    let index = Index::read(&text).ok_or_else(|| spoiled("its index cannot be read"))?;
    if index.program != program() {
        return Err("was decoded by another build of this program".into());
    }
    let source = checksum(path).map_err(|error| error.to_string())?;
    if index.source != source {
        return Err("was decoded from other files than there are now".into());
    }
    let mut stored = Vec::new();
    for (number, known) in index.stored.iter().enumerate() {
        let file = format!("{number}.samples");
        let samples = Storage::open(&folder.join(&file)).map_err(|e| spoiled(&e.to_string()))?;
        if samples.len() as u64 != known.bytes || crc(&samples) != known.crc {
            return Err(spoiled(&format!("{file} has another checksum")));
        }
        let sources = known.sources().ok_or_else(|| spoiled("its sources cannot be read"))?;
        stored.push(Stored { samples: Arc::new(samples), sources: Arc::new(sources) });
    }
    index.collection(&stored, folder).ok_or_else(|| spoiled("its parts do not fit together"))
}
