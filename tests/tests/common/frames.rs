//! Requests, good and spoiled, for the tests that attack the device's side of the protocol.

use fastrand::Rng;
use inkling_protocol::{Request, encode, encoded_len, request_len};

/// The line's bytes of a good request.
pub fn line(sequence: u16, request: &Request) -> Vec<u8> {
    let image_len = match request {
        Request::Hello => 0,
        Request::Infer { image } => image.len(),
    };
    let mut scratch = vec![0xa5; request_len(image_len)];
    let mut buffer = vec![0xa5; encoded_len(scratch.len())];
    let line = encode(sequence, request, &mut scratch, &mut buffer);
    line.expect("the buffers are as long as the protocol says")
        .to_vec()
}

/// Bytes that are unlike a good request in one of the ways a line or a foreign program makes them:
/// noise, flipped bits, lost, doubled and inserted bytes, a cut frame, one far too long, an image of
/// another size, a sequence number out of order. Ends with a zero, so that it is complete.
pub fn spoiled(rng: &mut Rng, image_len: usize) -> Vec<u8> {
    let image: Vec<u8> = (0..image_len).map(|_| rng.u8(..)).collect();
    let mut bytes = match rng.u8(..8) {
        0 => line(rng.u16(..), &Request::Hello),
        1 => {
            let other = rng.usize(..2 * image_len + 2);
            line(
                rng.u16(..),
                &Request::Infer {
                    image: &vec![rng.u8(..); other],
                },
            )
        }
        _ => line(rng.u16(..), &Request::Infer { image: &image }),
    };
    match rng.u8(..9) {
        0 => {
            bytes = (0..rng.usize(..2 * bytes.len()))
                .map(|_| rng.u8(..))
                .collect()
        }
        1 | 2 => {
            for _ in 0..rng.usize(1..=4) {
                let at = rng.usize(..bytes.len());
                bytes[at] ^= 1 << rng.u8(..8);
            }
        }
        3 => bytes.truncate(rng.usize(..bytes.len())),
        4 => drop(bytes.drain(..rng.usize(..bytes.len()))),
        5 => {
            let from = rng.usize(..bytes.len());
            let to = rng.usize(from..=bytes.len());
            bytes.drain(from..to);
        }
        6 => {
            let from = rng.usize(..bytes.len());
            let to = rng.usize(from..=bytes.len());
            let doubled = bytes[from..to].to_vec();
            bytes.splice(to..to, doubled);
        }
        7 => bytes
            .splice(1..1, vec![rng.u8(1..); rng.usize(..4 * image_len + 64)])
            .for_each(drop),
        _ => {} // an intact frame with whatever sequence number it has
    }
    bytes.push(0);
    bytes
}
