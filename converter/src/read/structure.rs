//! Counts what a file would cost in memory before it is decoded.
//!
//! A field of protobuf takes as little as two bytes in the file and some hundred once decoded, so
//! a file of a few megabytes could ask for gigabytes.

use crate::limits::FIELDS;

/// Bytes of a file outside its tensors: names, dimensions, attributes, documentation.
const BYTES: usize = 1 << 23;

/// The messages of ONNX that hold others in numbers.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Function,
    Tensor,
}

impl Message {
    /// The message in a field of this one.
    fn child(self, field: u64) -> Option<Message> {
        match (self, field) {
            (Message::Model, 7) | (Message::Attribute, 6 | 11) => Some(Message::Graph),
            (Message::Model, 25) => Some(Message::Function),
            (Message::Graph, 1) | (Message::Function, 7) => Some(Message::Node),
            (Message::Graph, 5) | (Message::Attribute, 5 | 10) => Some(Message::Tensor),
            (Message::Node, 5) | (Message::Function, 11) => Some(Message::Attribute),
            _ => None,
        }
    }
}

/// Refuses a file with more structure than a network for a microcontroller has. What is no
/// protobuf passes: decoding it says more.
pub fn check(file: &[u8]) -> Result<(), String> {
    let mut count = Count { fields: 0, bytes: 0 };
    count.walk(Message::Model, file, 0);
    match count {
        Count { fields, .. } if fields > FIELDS => {
            Err(format!("its structure has more than {FIELDS} fields"))
        }
        Count { bytes, .. } if bytes > BYTES => {
            Err(format!("more than {BYTES} bytes outside its tensors"))
        }
        _ => Ok(()),
    }
}

struct Count {
    fields: usize,
    bytes: usize,
}

impl Count {
    /// Walks over one message; `None` where it ends too early or has seen enough.
    fn walk(&mut self, message: Message, mut rest: &[u8], depth: usize) -> Option<()> {
        // As deep as prost decodes.
        if depth > 100 {
            return None;
        }
        while !rest.is_empty() {
            self.fields += 1;
            if self.fields > FIELDS {
                return None;
            }
            let key = varint(&mut rest)?;
            let length = match key & 7 {
                0 => varint(&mut rest).map(|_| 0)?,
                1 => 8,
                2 => usize::try_from(varint(&mut rest)?).ok()?,
                5 => 4,
                _ => return None,
            };
            let field = rest.get(..length)?;
            rest = &rest[length..];
            match message.child(key >> 3) {
                Some(child) if key & 7 == 2 => self.walk(child, field, depth + 1)?,
                _ if matches!(message, Message::Tensor) => {}
                _ => self.bytes += length,
            }
        }
        Some(())
    }
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::check;

    /// A field of bytes around others.
    fn field(number: u8, contents: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        let mut length = contents.len();
        while length > 127 {
            bytes.push(length as u8 & 127 | 128);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend_from_slice(contents);
        bytes
    }

    #[test]
    fn a_file_of_empty_nodes_is_refused() {
        let few = field(7, &field(1, &[]).repeat(1000));
        assert_eq!(check(&few), Ok(()));
        let many = field(7, &field(1, &[]).repeat(1 << 19));
        assert!(check(&many).is_err_and(|error| error.contains("fields")));
        let attributes = field(7, &field(1, &field(5, &[]).repeat(1 << 19)));
        assert!(check(&attributes).is_err_and(|error| error.contains("fields")));
    }

    #[test]
    fn bytes_of_tensors_are_free_and_others_are_not() {
        let megabytes = vec![0; 9 << 20];
        assert_eq!(check(&field(7, &field(5, &field(9, &megabytes)))), Ok(()));
        assert!(check(&field(7, &field(10, &megabytes))).is_err_and(|e| e.contains("bytes")));
    }
}
