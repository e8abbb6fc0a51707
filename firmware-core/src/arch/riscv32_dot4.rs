//! The fully connected layer on RV32IM: 13 instructions for four multiply-accumulates, less the
//! loop.

use core::arch::global_asm;

use crate::Activation;

/// Four outputs of a fully connected layer: the sums of `x` times each of four rows of weights.
pub(crate) fn dot4<X: Activation>(x: &[X], rows: &[i8]) -> [i32; 4] {
    let mut sums = [0; 4];
    if !x.is_empty() && rows.len() == 4 * x.len() {
        let (x, stride) = (x.as_ptr().cast(), x.len());
        // SAFETY: the routines read `stride` elements of `x` and of each of the rows, which are as
        // long, and write the four sums. They keep to the procedure call standard.
        unsafe {
            if X::UNSIGNED {
                inkling_dot4_unsigned(x, rows.as_ptr(), stride, &mut sums);
            } else {
                inkling_dot4_signed(x, rows.as_ptr(), stride, &mut sums);
            }
        }
    }
    sums
}

unsafe extern "C" {
    fn inkling_dot4_unsigned(x: *const u8, rows: *const i8, stride: usize, sums: *mut [i32; 4]);
    fn inkling_dot4_signed(x: *const u8, rows: *const i8, stride: usize, sums: *mut [i32; 4]);
}

// a1, a4-a6 the rows, a7, t0-t2 the sums, a2 taps left. A tap is 13 instructions, and 7 for four of
// them or one.
macro_rules! dot4 {
    ($name:literal, $load:literal) => {
        routine!(
            $name,
            "add a4, a1, a2",
            "add a5, a4, a2",
            "add a6, a5, a2",
            "li a7, 0",
            "li t0, 0",
            "li t1, 0",
            "li t2, 0",
            "li t5, 4",
            "bltu a2, t5, 3f",
            "2:", // four taps
            concat!($load, " t3, 0(a0)"),
            "lb t4, 0(a1)",
            "mul t4, t3, t4",
            "add a7, a7, t4",
            "lb t4, 0(a4)",
            "mul t4, t3, t4",
            "add t0, t0, t4",
            "lb t4, 0(a5)",
            "mul t4, t3, t4",
            "add t1, t1, t4",
            "lb t4, 0(a6)",
            "mul t4, t3, t4",
            "add t2, t2, t4",
            concat!($load, " t3, 1(a0)"),
            "lb t4, 1(a1)",
            "mul t4, t3, t4",
            "add a7, a7, t4",
            "lb t4, 1(a4)",
            "mul t4, t3, t4",
            "add t0, t0, t4",
            "lb t4, 1(a5)",
            "mul t4, t3, t4",
            "add t1, t1, t4",
            "lb t4, 1(a6)",
            "mul t4, t3, t4",
            "add t2, t2, t4",
            concat!($load, " t3, 2(a0)"),
            "lb t4, 2(a1)",
            "mul t4, t3, t4",
            "add a7, a7, t4",
            "lb t4, 2(a4)",
            "mul t4, t3, t4",
            "add t0, t0, t4",
            "lb t4, 2(a5)",
            "mul t4, t3, t4",
            "add t1, t1, t4",
            "lb t4, 2(a6)",
            "mul t4, t3, t4",
            "add t2, t2, t4",
            concat!($load, " t3, 3(a0)"),
            "lb t4, 3(a1)",
            "mul t4, t3, t4",
            "add a7, a7, t4",
            "lb t4, 3(a4)",
            "mul t4, t3, t4",
            "add t0, t0, t4",
            "lb t4, 3(a5)",
            "mul t4, t3, t4",
            "add t1, t1, t4",
            "lb t4, 3(a6)",
            "mul t4, t3, t4",
            "add t2, t2, t4",
            "addi a0, a0, 4",
            "addi a1, a1, 4",
            "addi a4, a4, 4",
            "addi a5, a5, 4",
            "addi a6, a6, 4",
            "addi a2, a2, -4",
            "bgeu a2, t5, 2b",
            "beqz a2, 4f",
            "3:", // one tap
            concat!($load, " t3, 0(a0)"),
            "lb t4, 0(a1)",
            "mul t4, t3, t4",
            "add a7, a7, t4",
            "lb t4, 0(a4)",
            "mul t4, t3, t4",
            "add t0, t0, t4",
            "lb t4, 0(a5)",
            "mul t4, t3, t4",
            "add t1, t1, t4",
            "lb t4, 0(a6)",
            "mul t4, t3, t4",
            "add t2, t2, t4",
            "addi a0, a0, 1",
            "addi a1, a1, 1",
            "addi a4, a4, 1",
            "addi a5, a5, 1",
            "addi a6, a6, 1",
            "addi a2, a2, -1",
            "bnez a2, 3b",
            "4:",
            "sw a7, 0(a3)",
            "sw t0, 4(a3)",
            "sw t1, 8(a3)",
            "sw t2, 12(a3)",
            "ret",
        );
    };
}

dot4!("inkling_dot4_unsigned", "lbu");
dot4!("inkling_dot4_signed", "lb");
