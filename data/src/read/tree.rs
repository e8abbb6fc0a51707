//! The files of a data set: those of a folder, or of an archive.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::{ImportError, zip};

/// The largest file of a sample, in bytes.
const MOST_FILE: u64 = 256 << 20;

/// What an archive may unpack to, in bytes.
const MOST_ARCHIVE: u64 = 2 << 30;

/// Folders in folders that are looked into.
const DEPTH: usize = 8;

/// Files and folders that systems leave behind.
const LITTER: [&str; 7] = [
    "__macosx",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "@eadir",
    "$recycle.bin",
    "system volume information",
];

/// Files with their places below a root, sorted.
pub struct Tree {
    /// The folder or the archive.
    pub root: PathBuf,
    /// Relative to the root.
    pub files: Vec<PathBuf>,
    pub(super) contents: Contents,
}

/// Where the contents of a tree's files are.
pub enum Contents {
    /// In files of these names.
    Files,
    /// In memory: an archive was unpacked.
    Unpacked(Vec<Vec<u8>>),
    /// In rows of Parquet files.
    #[cfg(feature = "parquet")]
    Shards(super::parquet::Shards),
}

impl Tree {
    /// Lists the files of a folder, or reads an archive (zip, tar, tar.gz).
    ///
    /// # Errors
    ///
    /// What cannot be read.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        let mut tree = match Kind::of(path) {
            None => {
                let mut files = Vec::new();
                walk(path, Path::new(""), DEPTH, &mut files)?;
                Self { root: path.to_path_buf(), files, contents: Contents::Files }
            }
            Some(kind) => {
                let malformed = |what| ImportError::Malformed { path: path.to_path_buf(), what };
                let entries = kind.entries(path).map_err(malformed)?;
                let (files, contents) =
                    entries.into_iter().filter(|(file, _)| !file.iter().any(is_litter)).unzip();
                let contents = Contents::Unpacked(contents);
                Self { root: path.to_path_buf(), files, contents }
            }
        };
        tree.sort();
        tree.descend();
        Ok(tree)
    }

    /// A file that is a tree by itself.
    pub fn of_file(path: &Path) -> Self {
        let root = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let files = path.file_name().map(PathBuf::from).into_iter().collect();
        Self { root, files, contents: Contents::Files }
    }

    /// Whether a file is an archive that [`Tree::open`] reads.
    pub fn is_archive(path: &Path) -> bool {
        path.is_file() && Kind::of(path).is_some()
    }

    /// Whether the files are those of an archive.
    pub fn is_archive_open(&self) -> bool {
        matches!(self.contents, Contents::Unpacked(_))
    }

    fn sort(&mut self) {
        let mut order: Vec<usize> = (0..self.files.len()).collect();
        order.sort_by(|&a, &b| self.files[a].cmp(&self.files[b]));
        self.files = order.iter().map(|&at| std::mem::take(&mut self.files[at])).collect();
        if let Contents::Unpacked(contents) = &mut self.contents {
            *contents = order.iter().map(|&at| std::mem::take(&mut contents[at])).collect();
        }
    }

    /// Takes a folder in which all others lie for the root.
    fn descend(&mut self) {
        let first = |file: &PathBuf| file.iter().next().map(|name| name.to_os_string());
        while let Some(name) = self.files.first().and_then(first)
            && self.files.iter().all(|file| first(file).as_ref() == Some(&name) && depth(file) > 2)
        {
            self.root.push(&name);
            self.files.iter_mut().for_each(|file| *file = file.iter().skip(1).collect());
        }
    }

    /// Where a file is, for a message.
    pub fn path(&self, index: usize) -> PathBuf {
        self.root.join(&self.files[index])
    }

    /// The contents of a file.
    ///
    /// # Errors
    ///
    /// One line without the path.
    pub fn read(&self, index: usize) -> Result<Vec<u8>, String> {
        match &self.contents {
            Contents::Files => contents(&self.path(index)),
            Contents::Unpacked(contents) => Ok(contents[index].clone()),
            #[cfg(feature = "parquet")]
            Contents::Shards(shards) => shards.read(index),
        }
    }
}

/// Names on the way to a file, its own among them.
pub fn depth(file: &Path) -> usize {
    file.iter().count()
}

/// A name as text.
pub fn text(name: &std::ffi::OsStr) -> String {
    name.to_string_lossy().into_owned()
}

fn is_litter(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') || LITTER.contains(&name.trim_end().to_ascii_lowercase().as_str())
}

/// Reads a file of a sample.
///
/// # Errors
///
/// One line without the path.
pub fn contents(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: io::Error| format!("cannot be read: {error}");
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    if size > MOST_FILE {
        return Err(format!("has {} MB; files up to {} MB are read", size >> 20, MOST_FILE >> 20));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    file.take(MOST_FILE).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn walk(
    root: &Path,
    below: &Path,
    depth: usize,
    files: &mut Vec<PathBuf>,
) -> Result<(), ImportError> {
    let folder = root.join(below);
    let failed = |error| ImportError::Read { path: folder.clone(), error };
    for entry in folder.read_dir().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if is_litter(&name) {
            continue;
        }
        let place = below.join(&name);
        // Links are followed, to a depth.
        if entry.path().is_dir() {
            if depth > 0 {
                walk(root, &place, depth - 1, files)?;
            }
        } else {
            files.push(place);
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Kind {
    Zip,
    Tar,
    TarGz,
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        match () {
            _ if path.is_dir() => None,
            _ if ends(&[".zip", ".npz"]) => Some(Self::Zip),
            _ if ends(&[".tar"]) => Some(Self::Tar),
            _ if ends(&[".tar.gz", ".tgz"]) => Some(Self::TarGz),
            _ => None,
        }
    }

    /// All files with their contents.
    fn entries(self, path: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, String> {
        let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
        match self {
            Self::Zip => {
                let mut bytes = Vec::new();
                file.take(MOST_ARCHIVE)
                    .read_to_end(&mut bytes)
                    .map_err(|error| format!("cannot be read: {error}"))?;
                zip::entries(&bytes)
            }
            Self::Tar => tar(file),
            Self::TarGz => tar(MultiGzDecoder::new(file)),
        }
    }
}

/// Reads an entry, unless all together become too much.
pub fn unpack(from: impl Read, name: &Path, total: &mut u64) -> Result<Vec<u8>, String> {
    let room = MOST_ARCHIVE - *total;
    let mut bytes = Vec::new();
    from.take(room + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("{} in it cannot be unpacked: {error}", name.display()))?;
    *total += bytes.len() as u64;
    if *total > MOST_ARCHIVE {
        return Err(format!(
            "unpacks to more than {} GB; unpack it into a folder and name that",
            MOST_ARCHIVE >> 30
        ));
    }
    Ok(bytes)
}

/// A path inside of an archive without what would lead out of it.
pub fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, Component::Normal(_))).collect()
}

fn tar(file: impl Read) -> Result<Vec<(PathBuf, Vec<u8>)>, String> {
    let damaged = |error: io::Error| format!("is no tar file, or damaged: {error}");
    let (mut entries, mut total) = (Vec::new(), 0);
    for entry in tar::Archive::new(file).entries().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        if entry.header().entry_type().is_file() {
            let name = plain(&entry.path().map_err(damaged)?);
            let bytes = unpack(entry, &name, &mut total)?;
            entries.push((name, bytes));
        }
    }
    Ok(entries)
}
