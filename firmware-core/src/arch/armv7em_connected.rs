//! Four outputs of a fully connected layer with the DSP extension.

use crate::Activation;

/// Four outputs of a fully connected layer: the sums of `x` times the weights of each, which lie
/// in groups of four.
pub(super) fn dot4<X: Activation>(x: &[X], weights: &[i8]) -> [i32; 4] {
    let mut sums = [0; 4];
    let groups = x.len() / 4;
    if weights.len() != 4 * x.len() {
        return sums;
    }
    if groups > 0 {
        let (x, weights) = (x.as_ptr().cast(), weights.as_ptr());
        // SAFETY: the routines read `groups * 4` bytes of `x` and `groups * 16` of the weights, and
        // write the four sums. They keep to the procedure call standard.
        unsafe {
            if X::UNSIGNED {
                dot4_unsigned(x, weights, &mut sums, groups);
            } else {
                dot4_signed(x, weights, &mut sums, groups);
            }
        }
    }
    let rest = x.get(groups * 4..).unwrap_or_default();
    let rows = weights.get(groups * 16..).unwrap_or_default().chunks_exact(rest.len().max(1));
    for (sum, row) in sums.iter_mut().zip(rows) {
        for (x, weight) in rest.iter().zip(row) {
            *sum += x.to_i32() * i32::from(*weight);
        }
    }
    sums
}

unsafe extern "C" {
    #[link_name = symbol!("dot4_unsigned")]
    fn dot4_unsigned(x: *const u8, weights: *const i8, sums: *mut [i32; 4], groups: usize);
    #[link_name = symbol!("dot4_signed")]
    fn dot4_signed(x: *const u8, weights: *const i8, sums: *mut [i32; 4], groups: usize);
}

// r0 values, r1 weights, r2 and r3 a group of values, r4-r7 sums, r8-r11 the weights of the four
// outputs, lr groups left. A group is 20 instructions for 16 multiply-accumulates, and 2 for two
// of them or one.
macro_rules! dot4 {
    ($name:expr, $unpack:literal) => {
        routine!(
            $name,
            "push {{r2, r4-r11, lr}}",
            "mov lr, r3",
            "movs r4, #0",
            "movs r5, #0",
            "movs r6, #0",
            "movs r7, #0",
            "lsls r2, r3, #31",
            "beq 2f",
            "add lr, #1", // an odd number: begin in the middle
            "b 3f",
            "2:",
            dot4_group!($unpack),
            "3:",
            dot4_group!($unpack),
            "subs lr, #2",
            "bne 2b",
            "pop {{r2}}",
            "stm r2!, {{r4-r7}}",
            "pop {{r4-r11, pc}}",
        );
    };
}

macro_rules! dot4_group {
    ($unpack:literal) => {
        concat!(
            "ldr r3, [r0], #4\n",
            "ldm r1!, {{r8-r11}}\n",
            $unpack,
            " r2, r3\n",
            $unpack,
            " r3, r3, ror #8\n",
            "sxtb16 r12, r8\n",
            "smlad r4, r2, r12, r4\n",
            "sxtb16 r8, r8, ror #8\n",
            "smlad r4, r3, r8, r4\n",
            "sxtb16 r12, r9\n",
            "smlad r5, r2, r12, r5\n",
            "sxtb16 r9, r9, ror #8\n",
            "smlad r5, r3, r9, r5\n",
            "sxtb16 r12, r10\n",
            "smlad r6, r2, r12, r6\n",
            "sxtb16 r10, r10, ror #8\n",
            "smlad r6, r3, r10, r6\n",
            "sxtb16 r12, r11\n",
            "smlad r7, r2, r12, r7\n",
            "sxtb16 r11, r11, ror #8\n",
            "smlad r7, r3, r11, r7",
        )
    };
}

dot4!(symbol!("dot4_unsigned"), "uxtb16");
dot4!(symbol!("dot4_signed"), "sxtb16");
