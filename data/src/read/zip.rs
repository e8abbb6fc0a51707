//! Zip archives: what of the format pictures and NumPy arrays come in. No encryption, no parts over
//! 4 GB, stored or deflated.

use std::path::PathBuf;

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::tree::{plain, unpack};

/// Signatures of the end of the directory, of an entry in it, and of an entry before its data.
const END: &[u8] = b"PK\x05\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";

/// The longest comment behind the end of the directory.
const COMMENT: usize = 1 << 16;

/// All files of an archive with their contents.
///
/// # Errors
///
/// One line without the archive's path.
pub fn entries(archive: &[u8]) -> Result<Vec<(PathBuf, Vec<u8>)>, String> {
    let damaged = || "is no zip file, or damaged".to_string();
    let tail = archive.len().saturating_sub(COMMENT + 22);
    let last = archive.len().saturating_sub(21);
    let end = (tail..last).rev().find(|&at| archive[at..].starts_with(END));
    let end = end.ok_or_else(damaged)?;
    let count = u16_at(archive, end + 10).ok_or_else(damaged)?;
    let mut at = u32_at(archive, end + 16).ok_or_else(damaged)?;
    let (mut entries, mut total) = (Vec::new(), 0);
    for _ in 0..count {
        let entry = Entry::at(archive, at).ok_or_else(damaged)?;
        at = entry.next;
        if entry.name.ends_with('/') {
            continue;
        }
        let name = plain(entry.name.as_ref());
        let wrong = |what: &str| format!("{} in it {what}", name.display());
        if entry.encrypted {
            return Err(wrong("is encrypted"));
        }
        let packed = entry.packed(archive).ok_or_else(|| wrong("is cut off"))?;
        let bytes = match entry.method {
            0 => unpack(packed, &name, &mut total)?,
            8 => unpack(DeflateDecoder::new(packed), &name, &mut total)?,
            other => return Err(wrong(&format!("is packed by method {other}; use deflate"))),
        };
        let mut crc = Crc::new();
        crc.update(&bytes);
        if crc.sum() != entry.crc {
            return Err(wrong("is damaged: its checksum is wrong"));
        }
        entries.push((name, bytes));
    }
    Ok(entries)
}

/// An entry of the directory.
struct Entry {
    name: String,
    encrypted: bool,
    method: u16,
    crc: u32,
    packed: usize,
    /// Where its local header is.
    local: usize,
    /// Where the next entry is.
    next: usize,
}

impl Entry {
    fn at(archive: &[u8], at: usize) -> Option<Self> {
        archive.get(at..)?.starts_with(ENTRY).then_some(())?;
        let short = |offset: usize| u16_at(archive, at + offset);
        let (name, extra, comment) = (short(28)?, short(30)?, short(32)?);
        let start = at + 46;
        let text = archive.get(start..start + usize::from(name))?;
        Some(Self {
            name: String::from_utf8_lossy(text).replace('\\', "/"),
            encrypted: short(8)? & 1 == 1,
            method: short(10)?,
            crc: u32_at(archive, at + 16)? as u32,
            packed: u32_at(archive, at + 20)?,
            local: u32_at(archive, at + 42)?,
            next: start + usize::from(name) + usize::from(extra) + usize::from(comment),
        })
    }

    /// Its data.
    fn packed<'a>(&self, archive: &'a [u8]) -> Option<&'a [u8]> {
        archive.get(self.local..)?.starts_with(LOCAL).then_some(())?;
        let short = |offset: usize| u16_at(archive, self.local + offset).map(usize::from);
        let start = self.local + 30 + short(26)? + short(28)?;
        archive.get(start..start.checked_add(self.packed)?)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.first_chunk().map(|pair| u16::from_le_bytes(*pair))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..at + 4)?.first_chunk().map(|four| u32::from_le_bytes(*four) as usize)
}

#[cfg(test)]
mod tests {
    use super::entries;

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
