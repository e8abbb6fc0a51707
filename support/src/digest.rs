//! SHA-256 as hexadecimal digits.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

/// The SHA-256 of `pieces`, one after the other, as 64 lower-case hexadecimal digits.
pub fn sha256<'b>(pieces: impl IntoIterator<Item = &'b [u8]>) -> String {
    let mut hasher = Sha256::new();
    pieces.into_iter().for_each(|piece| hasher.update(piece));
    hex(&hasher.finalize())
}

/// The SHA-256 of all that a reader gives, as [`sha256`].
///
/// # Errors
///
/// The reader's.
pub fn sha256_of(mut reader: impl Read) -> io::Result<String> {
    let (mut hasher, mut part) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match reader.read(&mut part) {
            Ok(0) => return Ok(hex(&hasher.finalize())),
            Ok(count) => hasher.update(&part[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Bytes as lower-case hexadecimal digits, two for each.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{sha256, sha256_of};

    #[test]
    fn pieces_are_hashed_as_one() {
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256([&b"abc"[..]]), abc);
        assert_eq!(sha256([&b"a"[..], b"", b"bc"]), abc);
        assert_eq!(sha256_of(&b"abc"[..]).expect("no error"), abc);
    }
}
