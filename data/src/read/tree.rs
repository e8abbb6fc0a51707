//! The files of a data set: those of a folder, or of an archive.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::ImportError;
use super::archive::{self, Archive};
use crate::Room;

/// The largest file of a sample, in bytes.
const MOST_FILE: u64 = 256 << 20;

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
    /// In an archive.
    Archive(Archive),
    /// In rows of Parquet files.
    #[cfg(feature = "parquet")]
    Shards(super::parquet::Shards),
}

impl Tree {
    /// Lists the files of a folder, or those of an archive (zip, tar, tar.gz); what has to be unpacked for
    /// that lies in `room`.
    ///
    /// # Errors
    ///
    /// What cannot be read.
    pub fn open(path: &Path, room: &Room) -> Result<Self, ImportError> {
        let root = path.to_path_buf();
        let mut tree = match Archive::open(path, room) {
            None => {
                let mut files = Vec::new();
                walk(path, Path::new(""), DEPTH, &mut files)?;
                Self { root, files, contents: Contents::Files }
            }
            Some(opened) => {
                let malformed = |what| ImportError::Malformed { path: path.to_path_buf(), what };
                let (files, archive) = opened.map_err(malformed)?;
                Self { root, files, contents: Contents::Archive(archive) }
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
        path.is_file() && archive::is_archive(path)
    }

    /// Whether the files are those of an archive.
    #[cfg(feature = "parquet")]
    pub fn is_archive_open(&self) -> bool {
        matches!(self.contents, Contents::Archive(_))
    }

    /// Brings the files into order, and leaves litter out.
    fn sort(&mut self) {
        let kept = |&index: &usize| !self.files[index].iter().any(is_litter);
        let mut order: Vec<usize> = (0..self.files.len()).filter(kept).collect();
        order.sort_by(|&a, &b| self.files[a].cmp(&self.files[b]));
        self.files = order.iter().map(|&at| std::mem::take(&mut self.files[at])).collect();
        if let Contents::Archive(archive) = &mut self.contents {
            archive.select(&order);
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

    /// The contents of a file of a sample.
    ///
    /// # Errors
    ///
    /// One line without the path.
    pub fn read(&self, index: usize) -> Result<Vec<u8>, String> {
        match &self.contents {
            Contents::Files => contents(&self.path(index)),
            Contents::Archive(archive) => whole(archive.reader(index), 0),
            #[cfg(feature = "parquet")]
            Contents::Shards(shards) => shards.read(index),
        }
    }

    /// The place of a file among the others.
    pub fn find(&self, file: &Path) -> Option<usize> {
        self.files.binary_search_by(|other| other.as_path().cmp(file)).ok()
    }

    /// The bytes of a file.
    ///
    /// # Errors
    ///
    /// One line without the path.
    pub fn size(&self, index: usize) -> Result<u64, String> {
        Ok(match &self.contents {
            Contents::Files => self.path(index).metadata().map_err(failed)?.len(),
            Contents::Archive(archive) => archive.size(index),
            #[cfg(feature = "parquet")]
            Contents::Shards(shards) => shards.read(index)?.len() as u64,
        })
    }

    /// Reads a file that may be larger than memory.
    ///
    /// # Errors
    ///
    /// One line without the path.
    pub fn reader(&self, index: usize) -> Result<Box<dyn Read + '_>, String> {
        Ok(match &self.contents {
            Contents::Files => Box::new(File::open(self.path(index)).map_err(failed)?),
            Contents::Archive(archive) => Box::new(archive.reader(index)),
            #[cfg(feature = "parquet")]
            Contents::Shards(shards) => Box::new(io::Cursor::new(shards.read(index)?)),
        })
    }
}

/// What the file system finds wrong, in a line without the path.
pub fn failed(error: io::Error) -> String {
    format!("cannot be read: {error}")
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
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    whole(file, size)
}

/// All that a reader has, probably `size` bytes, unless it is too much for a sample.
fn whole(reader: impl Read, size: u64) -> Result<Vec<u8>, String> {
    let too_large = |size: u64| {
        Err(format!("has {} MB; files up to {} MB are read", size >> 20, MOST_FILE >> 20))
    };
    if size > MOST_FILE {
        return too_large(size);
    }
    let mut bytes = Vec::with_capacity(size as usize);
    reader.take(MOST_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST_FILE {
        return too_large(bytes.len() as u64);
    }
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
