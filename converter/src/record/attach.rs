//! Puts a record into an ONNX file and leaves every other byte as it is.
//!
//! A protobuf message is a sequence of fields in any order, so a record is one more field at the
//! end. Decoding and encoding the whole file instead would drop what this program does not know.

use crate::pb;
use prost::Message;

use super::{ENTRY, ModelRecord};

/// The number of `metadata_props` in ONNX's `ModelProto`.
const METADATA_PROPS: u64 = 14;

/// The file `onnx` with `record` in its metadata, instead of the one that it may have.
///
/// Attaching the same record again gives the same bytes. What is no protobuf message is returned
/// with the record behind it; it is for [`crate::read`] to refuse it.
pub fn attach(onnx: &[u8], record: &ModelRecord) -> Vec<u8> {
    let entry = pb::StringStringEntryProto { key: ENTRY.to_string(), value: record.to_line() };
    let only = pb::ModelProto { metadata_props: vec![entry], ..Default::default() };
    let mut bytes = without_record(onnx);
    bytes.extend(only.encode_to_vec());
    bytes
}

fn without_record(onnx: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(onnx.len());
    let mut rest = onnx;
    while let Some((number, payload, length)) = field(rest) {
        let is_record = number == METADATA_PROPS
            && pb::StringStringEntryProto::decode(payload).is_ok_and(|entry| entry.key == ENTRY);
        if !is_record {
            kept.extend_from_slice(&rest[..length]);
        }
        rest = &rest[length..];
    }
    kept.extend_from_slice(rest);
    kept
}

/// The first field of a message: its number, its payload where it has a length, and how many bytes
/// all of it takes. `None` at the end, and before what is no field.
fn field(bytes: &[u8]) -> Option<(u64, &[u8], usize)> {
    let (tag, head) = varint(bytes)?;
    let (payload, length) = match tag & 7 {
        0 => (&bytes[..0], head + varint(bytes.get(head..)?)?.1),
        1 => (&bytes[..0], head + 8),
        2 => {
            let (size, more) = varint(bytes.get(head..)?)?;
            let start = head + more;
            let end = start.checked_add(usize::try_from(size).ok()?)?;
            (bytes.get(start..end)?, end)
        }
        5 => (&bytes[..0], head + 4),
        _ => return None,
    };
    (length <= bytes.len()).then_some((tag >> 3, payload, length))
}

/// A number and the bytes that it takes.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index as u32).min(63);
        if byte < 0x80 {
            return Some((value, index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{ModelRecord, attach};
    use crate::onnx::{ElementType, ModelBuilder};

    fn file() -> Vec<u8> {
        let mut model = ModelBuilder::new("m");
        model.metadata("author", "somebody");
        let x = model.input("x", ElementType::F32, &[1.into(), 2.into()]);
        let y = model.node("Relu", "y", &[&x], &[]);
        model.output(&y, ElementType::F32, &[1.into(), 2.into()]);
        model.finish()
    }

    #[test]
    fn every_other_byte_stays() {
        let (file, record) = (file(), ModelRecord::new("first"));
        let with = attach(&file, &record);
        assert!(with.starts_with(&file));
        assert_eq!(ModelRecord::of_onnx(&with), Ok(Some(record.clone())));
        assert_eq!(ModelRecord::of_onnx(&file), Ok(None));
        assert_eq!(attach(&with, &record), with);
    }

    #[test]
    fn a_record_takes_the_place_of_the_one_before() {
        let with = attach(&attach(&file(), &ModelRecord::new("first")), &ModelRecord::new("other"));
        assert_eq!(with, attach(&file(), &ModelRecord::new("other")));
    }

    #[test]
    fn what_is_no_message_is_kept() {
        for bytes in [&b""[..], b"\xff\xff", b"\x0a\x7fshort", &[0x80; 40]] {
            assert!(attach(bytes, &ModelRecord::new("m")).starts_with(bytes));
        }
    }
}
