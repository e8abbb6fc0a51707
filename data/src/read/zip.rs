//! Zip archives: what of the format pictures and NumPy arrays come in. No encryption, stored or deflated;
//! of any length and number of files (Zip64).

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;

use super::archive::{Entry, plain};

/// Signatures of the end of the directory, of an entry in it, and of an entry before its data; of the end's
/// large twin, and of what tells where that is.
const END: &[u8] = b"PK\x05\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";
const LARGE_END: &[u8] = b"PK\x06\x06";
const LARGE_PLACE: &[u8] = b"PK\x06\x07";

/// The longest comment behind the end of the directory.
const COMMENT: u64 = 1 << 16;

/// Bytes of the end of the directory, and of what tells the place of its large twin.
const END_BYTES: usize = 22;
const LARGE_PLACE_BYTES: usize = 20;

/// The number of the extra field with what is too large for its place, and what stands there then.
const LARGE: u64 = 1;
const FULL: u64 = u32::MAX as u64;

/// The files of an archive of `size` bytes, and where their bytes are in it.
///
/// # Errors
///
/// One line without the archive's path.
pub fn entries(file: &File, size: u64) -> Result<Vec<(PathBuf, Entry)>, String> {
    let damaged = || "is no zip file, or damaged".to_string();
    let (count, start) = directory(file, size).ok_or_else(damaged)?;
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(start)).map_err(|_| damaged())?;
    let mut listed = Vec::new();
    for _ in 0..count {
        let entry = Listed::read(&mut reader).ok_or_else(damaged)?;
        if !entry.name.ends_with('/') {
            listed.push(entry);
        }
    }
    let mut found = Vec::new();
    for entry in listed {
        let name = plain(entry.name.as_ref());
        let wrong = |what: &str| format!("{} in it {what}", name.display());
        if entry.encrypted {
            return Err(wrong("is encrypted"));
        }
        let deflated = match entry.method {
            0 => false,
            8 => true,
            other => return Err(wrong(&format!("is packed by method {other}; use deflate"))),
        };
        let at = entry.data(file).ok_or_else(|| wrong("is cut off"))?;
        if at.checked_add(entry.packed).is_none_or(|end| end > size) {
            return Err(wrong("is cut off"));
        }
        let (length, size) = (entry.packed, entry.unpacked);
        found.push((name, Entry { at, length, size, deflated, crc: Some(entry.crc) }));
    }
    Ok(found)
}

/// How many entries the directory has, and where it begins.
fn directory(file: &File, size: u64) -> Option<(u64, u64)> {
    let most = COMMENT + (END_BYTES + LARGE_PLACE_BYTES) as u64;
    let first = size.saturating_sub(most);
    let tail = bytes(file, first, (size - first) as usize)?;
    let end =
        (0..=tail.len().checked_sub(END_BYTES)?).rev().find(|&at| tail[at..].starts_with(END))?;
    let (count, start) = (number(&tail, end + 10, 2)?, number(&tail, end + 16, 4)?);
    let place = end.checked_sub(LARGE_PLACE_BYTES).map(|at| &tail[at..end]);
    let Some(place) = place.filter(|place| place.starts_with(LARGE_PLACE)) else {
        return Some((count, start));
    };
    let large = bytes(file, number(place, 8, 8)?, 56)?;
    large.starts_with(LARGE_END).then_some(())?;
    Some((number(&large, 32, 8)?, number(&large, 48, 8)?))
}

/// An entry of the directory.
struct Listed {
    name: String,
    encrypted: bool,
    method: u64,
    crc: u32,
    packed: u64,
    unpacked: u64,
    /// Where its local header is.
    local: u64,
}

impl Listed {
    fn read(reader: &mut impl Read) -> Option<Self> {
        let mut head = [0; 46];
        reader.read_exact(&mut head).ok()?;
        head.starts_with(ENTRY).then_some(())?;
        let [name, extra, comment] = [28, 30, 32].map(|at| number(&head, at, 2).unwrap_or(0));
        let mut rest = vec![0; (name + extra + comment) as usize];
        reader.read_exact(&mut rest).ok()?;
        let (text, rest) = rest.split_at(name as usize);
        let extra = &rest[..extra as usize];
        let [mut unpacked, mut packed, mut local] =
            [number(&head, 24, 4)?, number(&head, 20, 4)?, number(&head, 42, 4)?];
        let mut large = large_field(extra);
        for value in [&mut unpacked, &mut packed, &mut local] {
            if *value == FULL
                && let Some(field) = large
            {
                *value = number(field, 0, 8)?;
                large = field.get(8..);
            }
        }
        Some(Self {
            name: String::from_utf8_lossy(text).replace('\\', "/"),
            encrypted: number(&head, 8, 2)? & 1 == 1,
            method: number(&head, 10, 2)?,
            crc: number(&head, 16, 4)? as u32,
            packed,
            unpacked,
            local,
        })
    }

    /// Where its data are.
    fn data(&self, file: &File) -> Option<u64> {
        let head = bytes(file, self.local, 30)?;
        head.starts_with(LOCAL).then_some(())?;
        self.local.checked_add(30 + number(&head, 26, 2)? + number(&head, 28, 2)?)
    }
}

/// The extra field with what is too large for its place.
fn large_field(mut extra: &[u8]) -> Option<&[u8]> {
    loop {
        let length = number(extra, 2, 2)? as usize;
        let field = extra.get(4..4 + length)?;
        if number(extra, 0, 2)? == LARGE {
            return Some(field);
        }
        extra = &extra[4 + length..];
    }
}

/// Bytes of a file from a place on.
fn bytes(mut file: &File, at: u64, count: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; count];
    file.seek(SeekFrom::Start(at)).ok()?;
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// A number of `count` bytes.
fn number(bytes: &[u8], at: usize, count: usize) -> Option<u64> {
    let digits = bytes.get(at..at.checked_add(count)?)?.iter().rev();
    Some(digits.fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::path::{Path, PathBuf};

    use crate::Room;
    use crate::read::archive::Archive;

    /// All files of an archive with their contents.
    fn entries(bytes: &[u8]) -> Result<Vec<(PathBuf, Vec<u8>)>, String> {
        let thread = std::thread::current().id();
        let name = format!("inkling-zip-{}-{thread:?}.zip", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, bytes).expect("is written");
        let found = read_all(&path);
        fs::remove_file(&path).expect("is removed");
        found
    }

    fn read_all(path: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, String> {
        let opened = Archive::open(path, &Room::default()).expect("a known ending");
        let (names, archive) = opened?;
        let mut found = Vec::new();
        for (index, name) in names.into_iter().enumerate() {
            let mut contents = Vec::new();
            let read = archive.reader(index).read_to_end(&mut contents);
            read.map_err(|error| error.to_string())?;
            found.push((name, contents));
        }
        Ok(found)
    }

    /// A stored entry, as any program writes it.
    fn archive(name: &str, contents: &[u8], crc: u32) -> Vec<u8> {
        let (size, length) =
            ((contents.len() as u32).to_le_bytes(), (name.len() as u16).to_le_bytes());
        let middle =
            [&[0_u8; 2][..], &[0; 2], &[0; 4], &crc.to_le_bytes()[..], &size, &size, &length]
                .concat();
        let mut bytes =
            [b"PK\x03\x04\x14\0", &middle[..], &[0; 2], name.as_bytes(), contents].concat();
        let start = (bytes.len() as u32).to_le_bytes();
        bytes.extend([b"PK\x01\x02\x14\0\x14\0", &middle[..], &[0; 16], name.as_bytes()].concat());
        let length = (bytes.len() as u32 - u32::from_le_bytes(start)).to_le_bytes();
        bytes.extend([b"PK\x05\x06\0\0\0\0\x01\0\x01\0", &length[..], &start, &[0; 2]].concat());
        bytes
    }

    #[test]
    fn an_archive_is_read_or_refused() {
        // CRC-32 of "123456789" is a well-known one.
        let good = archive("a/../b.png", b"123456789", 0xcbf4_3926);
        assert_eq!(entries(&good), Ok(vec![("a/b.png".into(), b"123456789".to_vec())]));
        let wrong = archive("b.png", b"123456789", 1);
        assert!(entries(&wrong).is_err_and(|what| what.contains("checksum")));
        for length in 0..good.len() {
            assert!(entries(&good[..length]).is_err(), "{length}");
        }
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] = !bytes[at];
            let _ = entries(&bytes);
        }
    }
}
