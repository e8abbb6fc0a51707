//! Many images on a host's cores: the one thing here that needs an operating system.

use core::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::Arena;
use crate::arch::{Chosen, Target};

/// Images that a thread takes at a time: some hundred microseconds of work, so that taking them
/// costs nothing and no thread waits long for the others.
const SHARE: usize = 64;

/// Runs `infer`, a model's, on every image, on `threads` threads of which the caller's is one;
/// `None` takes as many as the processor runs at once. `logits` has one element per image, and
/// what is too long of either is left out.
///
/// Each thread has an arena on its stack; the logits are those of one call per image.
///
/// ```
/// # mod model {
/// #     pub type Image = [u8; 2];
/// #     pub type Logits = [i32; 1];
/// #     pub fn infer(x: &Image, _: &mut firmware_core::Arena<8>) -> Logits {
/// #         [i32::from(x[0]) - i32::from(x[1])]
/// #     }
/// # }
/// let images: [model::Image; 3] = [[5, 2], [0, 9], [7, 7]];
/// let mut logits = [[0; 1]; 3];
/// firmware_core::infer_batch(model::infer, &images, &mut logits, None);
/// assert_eq!(logits, [[3], [-9], [0]]);
/// ```
pub fn infer_batch<Image: Sync, Logits: Send, const ARENA_BYTES: usize>(
    infer: impl Fn(&Image, &mut Arena<ARENA_BYTES>) -> Logits + Sync,
    images: &[Image],
    logits: &mut [Logits],
    threads: Option<NonZero<usize>>,
) {
    let threads = threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let others = threads.min(images.len().div_ceil(SHARE)).saturating_sub(1);
    let shares = Mutex::new(images.chunks(SHARE).zip(logits.chunks_mut(SHARE)));
    let work = || {
        let mut arena = Arena::new();
        loop {
            let share = shares.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((images, logits)) = share else { return };
            for (n, (image, logits)) in images.iter().zip(logits).enumerate() {
                if let Some(next) = images.get(n + 1) {
                    Chosen::prefetch(next);
                }
                *logits = infer(image, &mut arena);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..others {
            // Where the system gives no more threads, those there are do the work.
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn every_image_once_whatever_the_threads() {
        let infer = |image: &u32, arena: &mut Arena<4>| {
            *arena.region::<u32, 0>() = *image;
            arena.region::<u32, 0>().wrapping_mul(3)
        };
        for count in [0, 1, SHARE, 10 * SHARE + 1] {
            let images: Vec<u32> = (0..count as u32).collect();
            for threads in [None, NonZero::new(1), NonZero::new(3), NonZero::new(100)] {
                let mut logits = vec![u32::MAX; count];
                infer_batch(infer, &images, &mut logits, threads);
                assert!(logits.iter().zip(&images).all(|(logits, image)| *logits == 3 * image));
            }
        }
    }
}
