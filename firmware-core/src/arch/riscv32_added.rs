//! `added.rs` on RV32: 31 instructions for each sum.

use crate::arch::added::Job;

unsafe extern "C" {
    #[link_name = symbol!("added")]
    pub(in crate::arch) fn added(job: *const Job);
}

/// The upper half of the product of t0 and a multiplier, rounded half up, in t0; t1 changes.
macro_rules! upper {
    ($multiplier:literal) => {
        concat!(
            "mul t1, t0, ",
            $multiplier,
            "\nmulh t0, t0, ",
            $multiplier,
            "\nsrli t1, t1, 31\nadd t0, t0, t1"
        )
    };
}

/// t0 divided by a power of two: `half` has half a unit; t1 changes.
macro_rules! divided {
    ($half:literal, $bits:literal) => {
        concat!("srai t1, t0, 31\nadd t0, t0, t1\nadd t0, t0, ", $half, "\nsra t0, t0, ", $bits)
    };
}

// a0 and a1 values, a2 sums, a3 the last one's end, a4-a7 the other term's zero point, multiplier, half and bits, t2 the
// offset, t3-t5 the output's multiplier, offset and bits, s0 and s1 bounds, t0 a sum, t1 a value.
routine!(
    symbol!("added"),
    "addi sp, sp, -16",
    "sw s0, 0(sp)",
    "sw s1, 4(sp)",
    "mv t6, a0",
    "lw a0, 0(t6)",
    "lw a1, 4(t6)",
    "lw a2, 8(t6)",
    "lw a3, 12(t6)",
    "lw a4, 16(t6)",
    "lw a5, 20(t6)",
    "lw a6, 24(t6)",
    "lw a7, 28(t6)",
    "lw t2, 32(t6)",
    "lw t3, 36(t6)",
    "lw t4, 40(t6)",
    "lw t5, 44(t6)",
    "lw s0, 48(t6)",
    "lw s1, 52(t6)",
    "2:",
    "lb t0, 0(a1)",
    "addi a1, a1, 1",
    "slli t0, t0, 21",
    "sub t0, t0, a4",
    upper!("a5"),
    divided!("a6", "a7"),
    "lb t1, 0(a0)",
    "addi a0, a0, 1",
    "slli t1, t1, 19",
    "add t0, t0, t1",
    "slli t0, t0, 1",
    "add t0, t0, t2",
    upper!("t3"),
    divided!("t4", "t5"),
    "bge t0, s0, 3f",
    "mv t0, s0",
    "3:",
    "ble t0, s1, 4f",
    "mv t0, s1",
    "4:",
    "sb t0, 0(a2)",
    "addi a2, a2, 1",
    "bne a2, a3, 2b",
    "lw s0, 0(sp)",
    "lw s1, 4(sp)",
    "addi sp, sp, 16",
    "ret",
);
