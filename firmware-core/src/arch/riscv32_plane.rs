//! Lines of `packed_planes.rs` on RV32IM: 49 instructions make two outputs of 9 products each.

use crate::arch::lines::Weights;
use crate::arch::packed_planes::Job;

/// See `lines::Plane::LEAST`.
pub(in crate::arch) const LEAST: [usize; 2] = [10, usize::MAX];

unsafe extern "C" {
    #[link_name = symbol!("plane")]
    pub(in crate::arch) fn plane(
        job: *const Job,
        x: *const i32,
        weights: *const Weights,
        sums: *mut i32,
    );
}

/// Two taps: what their products add to s2 and s3, `all` and `high` of `packed_planes.rs`.
macro_rules! taps {
    ($first:literal, $w0:literal, $second:literal, $w1:literal) => {
        concat!(
            "lw t0, ",
            $first,
            "\n",
            "lw t1, ",
            $second,
            "\n",
            "mul t0, t0, ",
            $w0,
            "\n",
            "mul t1, t1, ",
            $w1,
            "\n",
            "add t0, t0, t1\n",
            "add s2, s2, t0\n",
            "add t0, t0, s4\n",
            "srai t0, t0, 16\n",
            "add s3, s3, t0\n",
        )
    };
}

// a1, a0 and a2 the lines, a3 sums, a4-a7, t2-t6 weights, t0 and t1 products, s0 from pair to pair, s1
// the end, s2 and s3 all and high, s4 0x8000.
routine!(
    symbol!("plane"),
    "addi sp, sp, -32",
    "sw s0, 0(sp)",
    "sw s1, 4(sp)",
    "sw s2, 8(sp)",
    "sw s3, 12(sp)",
    "sw s4, 16(sp)",
    "lw t0, 0(a0)", // from line to line
    "lw s0, 4(a0)",
    "lw s1, 8(a0)",
    "lui s4, 8",
    "lw a4, 0(a2)",
    "lw a5, 4(a2)",
    "lw a6, 8(a2)",
    "lw a7, 12(a2)",
    "lw t2, 16(a2)",
    "lw t3, 20(a2)",
    "lw t4, 24(a2)",
    "lw t5, 28(a2)",
    "lw t6, 32(a2)",
    "add a0, a1, t0",
    "add a2, a0, t0",
    "2:",
    "lw t0, 0(a1)",
    "lw t1, 4(a1)",
    "mul t0, t0, a4",
    "mul t1, t1, a5",
    "add s2, t0, t1",
    "add t0, s2, s4",
    "srai s3, t0, 16",
    taps!("8(a1)", "a6", "0(a0)", "a7"),
    taps!("4(a0)", "t2", "8(a0)", "t3"),
    taps!("0(a2)", "t4", "4(a2)", "t5"),
    "lw t0, 8(a2)",
    "mul t0, t0, t6",
    "add s2, s2, t0",
    "add t0, t0, s4",
    "srai t0, t0, 16",
    "add s3, s3, t0",
    "slli t0, s3, 16", // the sums of the lower and of the upper halves
    "sub s2, s2, t0",
    "sw s2, 0(a3)",
    "sw s3, 4(a3)",
    "add a0, a0, s0",
    "add a1, a1, s0",
    "add a2, a2, s0",
    "addi a3, a3, 8",
    "bne a3, s1, 2b",
    "lw s0, 0(sp)",
    "lw s1, 4(sp)",
    "lw s2, 8(sp)",
    "lw s3, 12(sp)",
    "lw s4, 16(sp)",
    "addi sp, sp, 32",
    "ret",
);
