//! Patches for cores that multiply 32 bits at a time and have nothing narrower: several pixels share a
//! word, so that one multiplication by a weight makes several products. `thirds.rs` says how with
//! weights of eight bits, `packed_nibbles.rs` with weights of four.

use super::{packed_nibbles, thirds};
use crate::Activation;

/// Words of one [`Patch`]: a compromise between its size on the stack and the work per patch.
const WORDS: usize = 129;

/// What the windows of four output pixels cover, [`Patch::TAPS`] taps at most.
#[repr(C)]
pub struct Patch(pub(super) [u32; WORDS]);

impl Patch {
    /// With weights of four bits, which take two words for each.
    pub(crate) const TAPS: usize = packed_nibbles::TAPS;

    pub(crate) const fn new() -> Self {
        const { assert!(2 * packed_nibbles::TAPS <= WORDS && thirds::WORDS <= WORDS) };
        Self([0; WORDS])
    }
}

unsafe extern "C" {
    #[link_name = symbol!("dot4_unsigned")]
    fn dot4_unsigned(x: *const u8, rows: *const i8, stride: usize, sums: *mut [i32; 4]);
    #[link_name = symbol!("dot4_signed")]
    fn dot4_signed(x: *const u8, rows: *const i8, stride: usize, sums: *mut [i32; 4]);
}

/// Four outputs of a fully connected layer: the sums of `x` times each row of weights.
pub(super) fn dot4<X: Activation>(x: &[X], rows: &[i8]) -> [i32; 4] {
    let mut sums = [0; 4];
    if !x.is_empty() && rows.len() == 4 * x.len() {
        let (x, stride) = (x.as_ptr().cast(), x.len());
        // SAFETY: the routines read `stride` elements of `x` and of each of the rows, which are as
        // long, and write the four sums. They keep to the procedure call standard.
        unsafe {
            if X::UNSIGNED {
                dot4_unsigned(x, rows.as_ptr(), stride, &mut sums);
            } else {
                dot4_signed(x, rows.as_ptr(), stride, &mut sums);
            }
        }
    }
    sums
}
