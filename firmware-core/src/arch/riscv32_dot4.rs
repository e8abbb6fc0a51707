//! The fully connected layer on RV32IM: 13 instructions for four multiply-accumulates, less the
//! loop.

// a1, a4-a6 the rows, a7, t0-t2 the sums, a2 taps left. A tap is 13 instructions, and 7 for sixteen of
// them or one.
macro_rules! dot4 {
    ($name:expr, $load:literal) => {
        routine!(
            $name,
            "add a4, a1, a2",
            "add a5, a4, a2",
            "add a6, a5, a2",
            "li a7, 0",
            "li t0, 0",
            "li t1, 0",
            "li t2, 0",
            "li t5, 16",
            "bltu a2, t5, 3f",
            "2:", // sixteen taps
            ".set offset, 0",
            ".rept 16",
            dot4_tap!($load, "offset"),
            ".set offset, offset + 1",
            ".endr",
            "addi a0, a0, 16",
            "addi a1, a1, 16",
            "addi a4, a4, 16",
            "addi a5, a5, 16",
            "addi a6, a6, 16",
            "addi a2, a2, -16",
            "bgeu a2, t5, 2b",
            "beqz a2, 4f",
            "3:", // one tap
            dot4_tap!($load, "0"),
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

macro_rules! dot4_tap {
    ($load:literal, $at:literal) => {
        concat!(
            $load,
            " t3, (",
            $at,
            ")(a0)\n",
            "lb t4, (",
            $at,
            ")(a1)\n",
            "mul t4, t3, t4\n",
            "add a7, a7, t4\n",
            "lb t4, (",
            $at,
            ")(a4)\n",
            "mul t4, t3, t4\n",
            "add t0, t0, t4\n",
            "lb t4, (",
            $at,
            ")(a5)\n",
            "mul t4, t3, t4\n",
            "add t1, t1, t4\n",
            "lb t4, (",
            $at,
            ")(a6)\n",
            "mul t4, t3, t4\n",
            "add t2, t2, t4",
        )
    };
}

dot4!(symbol!("dot4_unsigned"), "lbu");
dot4!(symbol!("dot4_signed"), "lb");
