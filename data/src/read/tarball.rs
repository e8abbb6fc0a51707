//! Tar archives, as they are or compressed with gzip.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;

use flate2::read::MultiGzDecoder;
use inkling_support::stage;

use super::archive::{Entry, plain, too_much};
use crate::Room;
use crate::storage::{Sink, Storage};

/// Bytes that are read at once.
const AT_ONCE: usize = 1 << 20;

/// A tar file consists of blocks.
const BLOCK: u64 = 512;

fn damaged(error: io::Error) -> String {
    format!("is no tar file, or damaged: {error}")
}

/// The files of an archive of `size` bytes, and where their bytes are in it.
///
/// # Errors
///
/// One line without the archive's path.
pub fn entries(file: &File, size: u64) -> Result<Vec<(PathBuf, Entry)>, String> {
    let (mut found, mut end) = (Vec::new(), 0);
    let mut archive = tar::Archive::new(BufReader::new(file));
    for entry in archive.entries_with_seek().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        end = entry.raw_file_position().saturating_add(entry.size());
        if entry.header().entry_type().is_file() {
            let name = plain(&entry.path().map_err(damaged)?);
            let (at, length) = (entry.raw_file_position(), entry.size());
            if at.checked_add(length).is_none_or(|end| end > size) {
                return Err(format!("{} in it is cut off", name.display()));
            }
            found.push((name, Entry { at, length, size: length, deflated: false, crc: None }));
        }
    }
    // Blocks of zeros are the end; without them more files may have followed.
    if end.next_multiple_of(BLOCK) >= size {
        return Err("is no whole tar file: it is cut off; copy it again".into());
    }
    Ok(found)
}

/// The files of a compressed archive, their bytes one after the other, at most `most`, and where they are
/// in these.
///
/// # Errors
///
/// One line without the archive's path.
pub fn unpack(
    file: File,
    most: u64,
    room: &Room,
) -> Result<(Vec<(PathBuf, Entry)>, Storage), String> {
    let (mut found, mut all) = (Vec::new(), 0);
    let (mut sink, mut part) = (Sink::new(room), vec![0; AT_ONCE]);
    let mut packed = MultiGzDecoder::new(file);
    for entry in tar::Archive::new(&mut packed).entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = plain(&entry.path().map_err(damaged)?);
        let at = all;
        loop {
            let count = entry
                .read(&mut part)
                .map_err(|error| format!("{} in it cannot be unpacked: {error}", name.display()))?;
            if count == 0 {
                break;
            }
            all += count as u64;
            if all > most {
                return Err(too_much(most));
            }
            sink.push(&part[..count]).map_err(|error| error.to_string())?;
        }
        let length = all - at;
        found.push((name, Entry { at, length, size: length, deflated: false, crc: None }));
        if found.len() % 1000 == 0 {
            stage::show(format_args!("unpacking: {} files, {} MB", found.len(), all >> 20));
        }
    }
    // The checksum stands behind the end of the tar.
    io::copy(&mut packed.take(most), &mut io::sink()).map_err(damaged)?;
    Ok((found, sink.finish().map_err(|error| error.to_string())?))
}
