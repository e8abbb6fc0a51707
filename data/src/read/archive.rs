//! Archives whose files are read one by one where they lie, so that an archive may be larger than memory.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::{tarball, zip};
use crate::Room;
use crate::storage::Storage;

/// A compressed archive, or a file in it, may unpack to so many times its size: samples stay far below.
const MOST_UNPACKED: u64 = 100;
/// What every archive may unpack to, in bytes.
const SMALL: u64 = 2 << 30;

/// An archive that is open.
pub struct Archive {
    bytes: Bytes,
    /// In the order of the names that they were returned with.
    entries: Vec<Entry>,
    /// The most bytes of one file.
    most: u64,
}

/// Where the bytes are that entries are parts of.
pub enum Bytes {
    File(Mutex<File>),
    /// A compressed archive knows no places: it was unpacked.
    Unpacked(Storage),
}

/// Where the bytes of a file are.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub at: u64,
    /// As they lie there.
    pub length: u64,
    /// Unpacked, as the archive tells.
    pub size: u64,
    pub deflated: bool,
    /// Of the unpacked bytes, where the archive tells.
    pub crc: Option<u32>,
}

/// Kinds of archives, by their names.
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
}

/// Whether a path is an archive, by its name.
pub fn is_archive(path: &Path) -> bool {
    Kind::of(path).is_some()
}

impl Archive {
    /// The names of an archive's files, and what reads them; nothing of a path that names no archive. What
    /// has to be unpacked lies in `room`.
    ///
    /// # Errors
    ///
    /// One line without the path.
    pub fn open(path: &Path, room: &Room) -> Option<Result<(Vec<PathBuf>, Self), String>> {
        Kind::of(path).map(|kind| Self::of_kind(kind, path, room))
    }

    fn of_kind(kind: Kind, path: &Path, room: &Room) -> Result<(Vec<PathBuf>, Self), String> {
        let failed = |error: io::Error| format!("cannot be read: {error}");
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let most = size.saturating_mul(MOST_UNPACKED).max(SMALL);
        let (found, bytes) = match kind {
            Kind::Zip => (zip::entries(&file, size)?, Bytes::File(Mutex::new(file))),
            Kind::Tar => (tarball::entries(&file, size)?, Bytes::File(Mutex::new(file))),
            Kind::TarGz => {
                let (found, unpacked) = tarball::unpack(file, most, room)?;
                (found, Bytes::Unpacked(unpacked))
            }
        };
        let (names, entries) = found.into_iter().unzip();
        Ok((names, Self { bytes, entries, most }))
    }

    /// Keeps the files at `order`, in that order.
    pub fn select(&mut self, order: &[usize]) {
        self.entries = order.iter().map(|&at| self.entries[at]).collect();
    }

    /// The bytes of a file, as the archive tells.
    pub fn size(&self, index: usize) -> u64 {
        self.entries[index].size
    }

    /// Reads a file. Its checksum, if it has one, is compared at its end.
    pub fn reader(&self, index: usize) -> Unpacking<'_> {
        let entry = self.entries[index];
        let part = Part { bytes: &self.bytes, at: entry.at, left: entry.length };
        let from = match entry.deflated {
            true => From::Deflated(DeflateDecoder::new(part)),
            false => From::Stored(part),
        };
        Unpacking { from, sum: Crc::new(), expected: entry.crc, count: 0, most: self.most }
    }
}

/// A path inside of an archive without what would lead out of it.
pub fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, Component::Normal(_))).collect()
}

/// Bytes of an archive from a place on.
struct Part<'a> {
    bytes: &'a Bytes,
    at: u64,
    left: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = match self.bytes {
            Bytes::File(file) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(self.at))?;
                file.read(&mut buffer[..most])?
            }
            Bytes::Unpacked(all) => {
                let start = usize::try_from(self.at).unwrap_or(usize::MAX).min(all.len());
                (&all[start..]).read(&mut buffer[..most])?
            }
        };
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

/// The contents of a file of an archive.
pub struct Unpacking<'a> {
    from: From<'a>,
    sum: Crc,
    expected: Option<u32>,
    count: u64,
    most: u64,
}

enum From<'a> {
    Stored(Part<'a>),
    Deflated(DeflateDecoder<Part<'a>>),
}

impl Read for Unpacking<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.from {
            From::Stored(part) => part.read(buffer)?,
            From::Deflated(part) => part.read(buffer)?,
        };
        self.sum.update(&buffer[..count]);
        self.count += count as u64;
        let wrong = |what: String| Err(io::Error::new(io::ErrorKind::InvalidData, what));
        if self.count > self.most {
            return wrong(too_much(self.most));
        }
        if count == 0
            && !buffer.is_empty()
            && self.expected.is_some_and(|expected| expected != self.sum.sum())
        {
            return wrong("damaged, its checksum is wrong".into());
        }
        Ok(count)
    }
}

/// The line for what unpacks to more than samples would.
pub fn too_much(most: u64) -> String {
    format!("it unpacks to more than {} GB; unpack it into a folder and name that", most >> 30)
}
