//! Archives as other programs write them.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::write::{DeflateEncoder, GzEncoder};
use flate2::{Compression, Crc};

/// Names and contents of files.
pub type Files = Vec<(String, Vec<u8>)>;

/// All files below a folder.
pub fn files(folder: &Path) -> Files {
    let mut found = Vec::new();
    for entry in folder.read_dir().expect("is there") {
        let path = entry.expect("is there").path();
        let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
        match path.is_dir() {
            true => {
                found.extend(
                    files(&path).into_iter().map(|(file, all)| (name.clone() + "/" + &file, all)),
                );
            }
            false => found.push((name, fs::read(&path).expect("is read"))),
        }
    }
    found
}

/// A zip of deflated files; a large one has its lengths and places where Zip64 has them.
pub fn zip(files: &Files, large: bool) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    let little = |value: usize, count: usize| value.to_le_bytes()[..count].to_vec();
    for (name, contents) in files {
        let mut crc = Crc::new();
        crc.update(contents);
        let mut packer = DeflateEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(contents).expect("into memory");
        let packed = packer.finish().expect("into memory");
        let sizes = [contents.len(), packed.len(), bytes.len()];
        let short = |size: usize| little(if large { 0xffff_ffff } else { size }, 4);
        let extra = if large {
            let sizes: Vec<u8> = sizes.iter().flat_map(|&size| little(size, 8)).collect();
            // Another program's field comes first.
            [b"\x99\x99\x02\0ab\x01\0", &little(24, 2)[..], &sizes].concat()
        } else {
            Vec::new()
        };
        let middle = |extra: usize| {
            let head = [&little(8, 2)[..], &[0; 4], &little(crc.sum() as usize, 4)].concat();
            let tail = [little(name.len(), 2), little(extra, 2)].concat();
            [head, short(sizes[1]), short(sizes[0]), tail].concat()
        };
        directory
            .extend([b"PK\x01\x02\x2d\0\x2d\0\0\0", &middle(extra.len())[..], &[0; 10]].concat());
        directory.extend([&short(sizes[2])[..], name.as_bytes(), &extra].concat());
        bytes.extend([b"PK\x03\x04\x2d\0\0\0", &middle(0)[..], name.as_bytes(), &packed].concat());
    }
    let (start, length, count) = (bytes.len(), directory.len(), files.len());
    bytes.extend(directory);
    if large {
        let end = bytes.len();
        let counts = [little(count, 8), little(count, 8), little(length, 8), little(start, 8)];
        bytes.extend(
            [b"PK\x06\x06\x2c\0\0\0\0\0\0\0\x2d\0\x2d\0", &[0; 8][..], &counts.concat()].concat(),
        );
        bytes.extend([b"PK\x06\x07\0\0\0\0", &little(end, 8)[..], &little(1, 4)].concat());
    }
    let told = |value: usize, count: usize| little(if large { usize::MAX } else { value }, count);
    let counts = [told(count, 2), told(count, 2), told(length, 4), told(start, 4)].concat();
    bytes.extend([b"PK\x05\x06\0\0\0\0", &counts[..], &[0; 2]].concat());
    bytes
}

/// A tar of files.
pub fn tar(files: &Files) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, contents) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, &contents[..]).expect("into memory");
    }
    archive.into_inner().expect("into memory")
}

/// Compressed with gzip.
pub fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).expect("into memory");
    packer.finish().expect("into memory")
}
