//! Requests, good and spoiled, for the tests that attack the device's side of the protocol.

use fastrand::Rng;
use inkling_protocol::{Packed, Request, encode, encoded_len, packed_len, request_len};

/// The line's bytes of a request for the logits of `image`.
pub fn infer(sequence: u16, image: &[u8]) -> Vec<u8> {
    let len = image.len();
    let mut buffer = vec![0xa5; packed_len(len)];
    let image = Packed::pack(image, &mut buffer).expect("the buffer is long enough");
    line(sequence, &Request::Infer { image }, len)
}

fn line(sequence: u16, request: &Request, image_len: usize) -> Vec<u8> {
    let mut scratch = vec![0xa5; request_len(image_len)];
    let mut buffer = vec![0xa5; encoded_len(scratch.len())];
    let line = encode(sequence, request, &mut scratch, &mut buffer);
    line.expect("the buffers are as long as the protocol says").to_vec()
}

/// The line's bytes of a greeting.
pub fn hello(sequence: u16) -> Vec<u8> {
    line(sequence, &Request::Hello, 0)
}

/// A random image, in which zeros are as common as in a digit.
pub fn image(rng: &mut Rng, len: usize) -> Vec<u8> {
    let mut background = false;
    let mut pixel = |rng: &mut Rng| {
        background ^= rng.u8(..8) == 0;
        if background { 0 } else { rng.u8(..) }
    };
    (0..len).map(|_| pixel(rng)).collect()
}

/// Bytes that are unlike a good request in one of the ways a line or a foreign program makes them:
/// noise, flipped bits, lost, doubled and inserted bytes, a cut frame, one far too long, an image of
/// another size, a sequence number out of order. Ends with a zero, so that it is complete.
pub fn spoiled(rng: &mut Rng, image_len: usize) -> Vec<u8> {
    let image = image(rng, image_len);
    let mut bytes = match rng.u8(..8) {
        0 => hello(rng.u16(..)),
        1 => infer(rng.u16(..), &vec![rng.u8(..); rng.usize(..2 * image_len + 2)]),
        _ => infer(rng.u16(..), &image),
    };
    match rng.u8(..9) {
        0 => bytes = (0..rng.usize(..2 * bytes.len())).map(|_| rng.u8(..)).collect(),
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
        7 => bytes.splice(1..1, vec![rng.u8(1..); rng.usize(..4 * image_len + 64)]).for_each(drop),
        _ => {} // an intact frame with whatever sequence number it has
    }
    bytes.push(0);
    bytes
}
