//! CRC-32 as in Ethernet and zip: reflected, polynomial `0xedb88320`, all bits inverted at both ends.

/// The remainders of four bits: a table of 64 bytes, where one of eight bits takes a kilobyte.
const TABLE: [u32; 16] = {
    let mut table = [0; 16];
    let mut i = 0;
    while i < 16 {
        let (mut remainder, mut bit) = (i as u32, 0);
        while bit < 4 {
            let low = remainder & 1;
            remainder = (remainder >> 1) ^ (0xedb8_8320 & 0u32.wrapping_sub(low));
            bit += 1;
        }
        table[i] = remainder;
        i += 1;
    }
    table
};

/// What `bytes` make of a remainder, which is `u32::MAX` before the first byte; inverted it is the checksum.
#[inline]
pub(crate) const fn remainder(mut crc: u32, bytes: &[u8]) -> u32 {
    let mut rest = bytes;
    while let [byte, after @ ..] = rest {
        crc ^= *byte as u32;
        crc = (crc >> 4) ^ TABLE[(crc & 15) as usize];
        crc = (crc >> 4) ^ TABLE[(crc & 15) as usize];
        rest = after;
    }
    crc
}

/// The checksum of `bytes`.
///
/// ```
/// assert_eq!(firmware_core::blob::crc32(b"123456789"), 0xcbf4_3926);
/// ```
pub const fn crc32(bytes: &[u8]) -> u32 {
    !remainder(u32::MAX, bytes)
}
