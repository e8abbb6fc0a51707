//! Copies on RV32: 19 instructions for 32 bytes.

unsafe extern "C" {
    /// Copies bytes from the first to the last. Both sides begin with a word; where they overlap, `to` lies before
    /// `from`.
    #[link_name = symbol!("copy")]
    pub(in crate::arch) fn forward(from: *const u8, to: *mut u8, bytes: usize);
}

// a0 from, a1 to, a2 bytes, then the end; t0 the last place from which 32 bytes are left, t1 of a word; a3-a7 and
// t3-t5 words.
routine!(
    symbol!("copy"),
    "add a2, a0, a2",
    "addi t0, a2, -32",
    "bgtu a0, t0, 3f",
    "2:",
    "lw a3, 0(a0)",
    "lw a4, 4(a0)",
    "lw a5, 8(a0)",
    "lw a6, 12(a0)",
    "lw a7, 16(a0)",
    "lw t3, 20(a0)",
    "lw t4, 24(a0)",
    "lw t5, 28(a0)",
    "sw a3, 0(a1)",
    "sw a4, 4(a1)",
    "sw a5, 8(a1)",
    "sw a6, 12(a1)",
    "sw a7, 16(a1)",
    "sw t3, 20(a1)",
    "sw t4, 24(a1)",
    "sw t5, 28(a1)",
    "addi a0, a0, 32",
    "addi a1, a1, 32",
    "bleu a0, t0, 2b",
    "3:",
    "addi t1, a2, -4",
    "bgtu a0, t1, 5f",
    "4:",
    "lw a3, 0(a0)",
    "sw a3, 0(a1)",
    "addi a0, a0, 4",
    "addi a1, a1, 4",
    "bleu a0, t1, 4b",
    "5:",
    "bgeu a0, a2, 7f",
    "6:",
    "lbu a3, 0(a0)",
    "sb a3, 0(a1)",
    "addi a0, a0, 1",
    "addi a1, a1, 1",
    "bltu a0, a2, 6b",
    "7:",
    "ret",
);
