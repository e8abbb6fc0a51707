//! A NumPy array in its file, which may be larger than memory.

use std::io::Read;

use inkling_support::files::WriteError;
use inkling_support::stage;

use super::floats::{FloatSink, Floats};
use super::tree::failed;
use crate::storage::{Room, Sink, Storage};

/// The most bytes of a header.
const HEADER: usize = 1 << 16;

/// Bytes that are read at once, about.
const AT_ONCE: usize = 1 << 20;

/// An array as it is in a file.
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Values,
}

pub enum Values {
    Numbers(Floats),
    /// Unsigned bytes.
    Bytes(Storage),
    Words(Vec<String>),
}

/// Why an array cannot be read.
pub enum Wrong {
    /// What is wrong with it, in a line without its path.
    Array(String),
    /// What was read cannot be put down.
    Room(WriteError),
}

impl From<String> for Wrong {
    fn from(what: String) -> Self {
        Self::Array(what)
    }
}

impl From<WriteError> for Wrong {
    fn from(error: WriteError) -> Self {
        Self::Room(error)
    }
}

/// What stands before the values of a `.npy` file.
struct Head {
    /// Order, letter and width of an element.
    kind: String,
    shape: Vec<usize>,
    /// The product of the shape.
    count: usize,
}

/// Reads a `.npy` file, versions 1 to 3, in pieces.
///
/// # Errors
///
/// What is wrong with it, or with `room`.
pub fn read(mut reader: impl Read, room: &Room) -> Result<Array, Wrong> {
    let Head { kind, shape, count } = header(&mut reader)?;
    let values = values(&kind, &mut reader, count, room)?;
    Ok(Array { shape, values })
}

fn header(reader: &mut impl Read) -> Result<Head, String> {
    let damaged = || "is no .npy file, or damaged".to_string();
    let mut bytes = |count: usize| -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        reader.by_ref().take(count as u64).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() == count { Ok(bytes) } else { Err(damaged()) }
    };
    let start = bytes(8)?;
    let length = match (&start[..6], start[6]) {
        (b"\x93NUMPY", 1) => 2,
        (b"\x93NUMPY", 2 | 3) => 4,
        _ => return Err(damaged()),
    };
    let length =
        bytes(length)?.iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte));
    let header = if length <= HEADER { bytes(length)? } else { return Err(damaged()) };
    let header = std::str::from_utf8(&header).map_err(|_| damaged())?;
    let after = |key: &str| header.split_once(key).map(|(_, rest)| rest.trim_start());
    let kind = after("'descr':")
        .and_then(|rest| rest.strip_prefix('\''))
        .and_then(|rest| rest.split_once('\''))
        .map(|(kind, _)| kind)
        .ok_or("holds records; plain arrays are read")?;
    if after("'fortran_order':").is_none_or(|rest| rest.starts_with("True")) {
        return Err("is in Fortran's order; save it with numpy.ascontiguousarray".into());
    }
    let shape = after("'shape':")
        .and_then(|rest| rest.strip_prefix('('))
        .and_then(|rest| rest.split_once(')'))
        .map(|(dims, _)| dims.split(',').map(str::trim).filter(|dim| !dim.is_empty()))
        .and_then(|dims| dims.map(|dim| dim.parse().ok()).collect::<Option<Vec<usize>>>())
        .ok_or_else(damaged)?;
    let count = shape.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim));
    let count = count.ok_or_else(damaged)?;
    Ok(Head { kind: kind.to_string(), shape, count })
}

/// The values behind a header.
fn values(kind: &str, reader: &mut impl Read, count: usize, room: &Room) -> Result<Values, Wrong> {
    let (order, letter, width) = match kind.split_at_checked(2) {
        Some((head, width)) => (&head[..1], &head[1..], width.parse::<usize>().ok()),
        None => ("", "", None),
    };
    let unknown = || {
        format!("has elements {kind:?}; numbers of 8 to 64 bits and words are read, little-endian")
    };
    let width = width.filter(|_| order != ">").ok_or_else(unknown)?;
    let size = if letter == "U" { width.checked_mul(4).ok_or_else(unknown)? } else { width };
    let total = count.checked_mul(size).ok_or_else(unknown)?;
    macro_rules! numbers {
        ($number:ty) => {{
            let (mut sink, mut numbers) = (FloatSink::new(room), Vec::new());
            pieces(reader, size, total, |piece| {
                let (chunks, _) = piece.as_chunks::<{ size_of::<$number>() }>();
                numbers.clear();
                numbers.extend(chunks.iter().map(|chunk| <$number>::from_le_bytes(*chunk) as f32));
                Ok(sink.push(&numbers)?)
            })?;
            Ok(Values::Numbers(sink.finish()?))
        }};
    }
    let mut words = |word: &dyn Fn(&[u8]) -> String| {
        let mut words = Vec::new();
        pieces(reader, size, total, |piece| {
            words.extend(piece.chunks(size).map(word));
            Ok(())
        })?;
        Ok(Values::Words(words))
    };
    match (letter, width) {
        ("u", 1) => {
            let mut sink = Sink::new(room);
            pieces(reader, size, total, |piece| Ok(sink.push(piece)?))?;
            Ok(Values::Bytes(sink.finish()?))
        }
        ("b", 1) => numbers!(u8),
        ("i", 1) => numbers!(i8),
        ("u", 2) => numbers!(u16),
        ("i", 2) => numbers!(i16),
        ("u", 4) => numbers!(u32),
        ("i", 4) => numbers!(i32),
        ("u", 8) => numbers!(u64),
        ("i", 8) => numbers!(i64),
        ("f", 4) => numbers!(f32),
        ("f", 8) => numbers!(f64),
        ("U", 1..) => words(&|bytes| {
            let (chars, _) = bytes.as_chunks::<4>();
            chars
                .iter()
                .map_while(|c| char::from_u32(u32::from_le_bytes(*c)).filter(|&c| c != '\0'))
                .collect()
        }),
        ("S", 1..) => {
            words(&|bytes| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_string())
        }
        _ => Err(unknown().into()),
    }
}

/// Hands the `total` bytes of elements of `size` to `work`, some whole ones at a time; nothing may follow.
fn pieces(
    reader: &mut impl Read,
    size: usize,
    total: usize,
    mut work: impl FnMut(&[u8]) -> Result<(), Wrong>,
) -> Result<(), Wrong> {
    let most = (AT_ONCE / size).max(1) * size;
    let (mut piece, mut done) = (Vec::new(), 0);
    let wrong = |held: String| {
        Err(Wrong::Array(format!("its header announces {total} bytes, it holds {held}")))
    };
    while done < total {
        piece.clear();
        let wanted = most.min(total - done);
        reader.take(wanted as u64).read_to_end(&mut piece).map_err(failed)?;
        if piece.len() < wanted {
            return wrong((done + piece.len()).to_string());
        }
        work(&piece)?;
        done += wanted;
        if done > most {
            stage::show(format_args!("reading numbers: {} of {} MB", done >> 20, total >> 20));
        }
    }
    match reader.take(1).read_to_end(&mut piece).map_err(failed)? {
        0 => Ok(()),
        _ => wrong("more".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Values, Wrong};
    use crate::Room;

    fn parse(bytes: &[u8]) -> Result<Array, String> {
        super::read(bytes, &Room::default()).map_err(|wrong| match wrong {
            Wrong::Array(what) => what,
            Wrong::Room(error) => error.to_string(),
        })
    }

    fn npy(header: &str, body: &[u8]) -> Vec<u8> {
        let length = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), body].concat()
    }

    #[test]
    fn arrays_are_read_as_numpy_writes_them() {
        let file = npy("{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }\n", &{
            [3_i64.to_le_bytes(), (-1_i64).to_le_bytes()].concat()
        });
        let array = parse(&file).expect("is an array");
        let Values::Numbers(values) = array.values else { panic!("numbers") };
        assert_eq!((array.shape, values.iter().collect()), (vec![2], vec![3.0, -1.0]));
        let word: Vec<u8> = "ab\0c\0\0".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        let file = npy("{'descr': '<U3', 'fortran_order': False, 'shape': (2,), }\n", &word);
        let Values::Words(words) = parse(&file).expect("is an array").values else {
            panic!("words")
        };
        assert_eq!(words, ["ab", "c"]);
    }

    #[test]
    fn what_is_no_array_is_refused() {
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2), }\n";
        assert!(parse(&npy(header, &[0; 4])).is_ok());
        for (file, part) in [
            (npy(header, &[0; 3]), "announces 4 bytes, it holds 3"),
            (npy(header, &[0; 5]), "announces 4 bytes, it holds more"),
            (npy(&header.replace("False", "True"), &[0; 4]), "Fortran"),
            (npy(&header.replace("(2, 2)", "(18446744073709551615, 2)"), &[0; 4]), "damaged"),
            (npy(&header.replace("|u1", "|O"), &[0; 4]), "elements"),
            (b"\x93NUMPY\x01\x00\xff\xff".to_vec(), "damaged"),
            (b"PK".to_vec(), "no .npy"),
        ] {
            let error = parse(&file).err().unwrap_or_else(|| panic!("{part}: is read"));
            assert!(error.contains(part), "{error}");
        }
    }
}
