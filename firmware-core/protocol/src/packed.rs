//! Images with their zero bytes counted instead of sent.
//!
//! A serial line is slow: at 115,200 baud the 784 bytes of a 28 x 28 image take 68 ms, longer than
//! the inference. A digit on an empty background has three zeros in four bytes and takes a third of
//! that.

use serde::{Deserialize, Serialize};

/// The largest run of either kind.
const RUN: usize = 128;

/// A packed row of bytes: runs one after the other. A first byte `n` below 128 is followed by the
/// `n + 1` bytes it stands for; one of 128 and more stands for `n - 127` zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed<'a>(#[serde(borrow)] &'a [u8]);

/// Bytes that a row of `len` bytes takes at most once packed.
pub const fn packed_len(len: usize) -> usize {
    len + len.div_ceil(RUN)
}

impl<'a> Packed<'a> {
    /// Packs `bytes` into `buffer`. [`packed_len`] bytes are always enough; `None` when there are
    /// fewer than needed.
    pub fn pack(bytes: &[u8], buffer: &'a mut [u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut len = 0;
        let mut put = |run: &[u8]| {
            let place = buffer.get_mut(len..len + run.len())?;
            place.copy_from_slice(run);
            len += run.len();
            Some(())
        };
        while !rest.is_empty() {
            let zeros = rest.iter().take(RUN).take_while(|&&byte| byte == 0).count();
            if zeros > 0 {
                put(&[(zeros + RUN - 1) as u8])?;
                rest = rest.get(zeros..)?;
                continue;
            }
            // A single zero inside stays: a run for it would take one byte more, not less.
            let end = rest.windows(2).take(RUN).position(|pair| pair == [0, 0]);
            let literal = end.unwrap_or(rest.len()).min(RUN);
            let (run, after) = rest.split_at_checked(literal)?;
            put(&[(literal - 1) as u8])?;
            put(run)?;
            rest = after;
        }
        Some(Self(buffer.get(..len)?))
    }

    /// Unpacks into `bytes`; `false` when it is not exactly as long as what was packed. `bytes` is
    /// then partly overwritten.
    pub fn unpack(self, bytes: &mut [u8]) -> bool {
        let mut packed = self.0;
        let mut rest = bytes;
        while let Some((&head, after)) = packed.split_first() {
            let head = usize::from(head);
            let len = if head < RUN { head + 1 } else { head - RUN + 1 };
            let Some((place, later)) = rest.split_at_mut_checked(len) else {
                return false;
            };
            rest = later;
            packed = after;
            if head < RUN {
                let Some((run, after)) = packed.split_at_checked(len) else {
                    return false;
                };
                place.copy_from_slice(run);
                packed = after;
            } else {
                place.fill(0);
            }
        }
        rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    fn round_trip(bytes: &[u8]) -> usize {
        let mut buffer = vec![0xa5; packed_len(bytes.len())];
        let packed = Packed::pack(bytes, &mut buffer).expect("the length is always enough");
        let mut back = vec![0xa5; bytes.len()];
        assert!(packed.unpack(&mut back));
        assert_eq!(back, bytes);
        if !bytes.is_empty() {
            assert!(!packed.unpack(&mut vec![0; bytes.len() - 1]));
        }
        assert!(!packed.unpack(&mut vec![0; bytes.len() + 1]));
        packed.0.len()
    }

    #[test]
    fn every_row_comes_back() {
        for len in [0, 1, 2, 127, 128, 129, 130, 256, 784, 1000] {
            assert!(round_trip(&vec![0; len]) <= len.div_ceil(128));
            round_trip(&vec![7; len]);
            for period in 1..5 {
                let row: vec::Vec<u8> = (0..len).map(|i| u8::from(i % period == 0)).collect();
                round_trip(&row);
                round_trip(&row.iter().map(|byte| 1 - byte).collect::<vec::Vec<u8>>());
            }
        }
    }

    #[test]
    fn a_cut_run_is_refused() {
        assert!(!Packed(&[3, 1, 2]).unpack(&mut [0; 4]));
        assert!(!Packed(&[3]).unpack(&mut [0; 4]));
        assert!(!Packed(&[131]).unpack(&mut [0; 3]));
        assert!(Packed(&[131]).unpack(&mut [0; 4]));
    }
}
