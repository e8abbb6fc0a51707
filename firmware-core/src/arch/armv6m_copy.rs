//! Copies on Arm cores: 6 instructions for 32 bytes, or for 64 where they reach all registers.

unsafe extern "C" {
    /// Copies bytes from the first to the last. Both sides begin with a word; where they overlap, `to` lies before
    /// `from`.
    #[link_name = symbol!("copy")]
    pub(super) fn forward(from: *const u8, to: *mut u8, bytes: usize);
}

/// The words that are left by themselves, and the bytes behind them.
macro_rules! rest {
    () => {
        "bmi 5f\n\
         4:\n\
         ldmia r0!, {{r3}}\n\
         stmia r1!, {{r3}}\n\
         subs r2, #4\n\
         bpl 4b\n\
         5:\n\
         adds r2, #4\n\
         beq 7f\n\
         6:\n\
         ldrb r3, [r0]\n\
         strb r3, [r1]\n\
         adds r0, #1\n\
         adds r1, #1\n\
         subs r2, #1\n\
         bne 6b\n\
         7:"
    };
}

// r0 from, r1 to, r2 bytes left, less those that are taken at a time.
#[cfg(kernels = "armv6m")]
routine!(
    symbol!("copy"),
    "push {{r4-r6, lr}}",
    "subs r2, #32",
    "blo 3f",
    "2:",
    "ldmia r0!, {{r3-r6}}",
    "stmia r1!, {{r3-r6}}",
    "ldmia r0!, {{r3-r6}}",
    "stmia r1!, {{r3-r6}}",
    "subs r2, #32",
    "bhs 2b",
    "3:",
    "adds r2, #28",
    rest!(),
    "pop {{r4-r6, pc}}",
);

#[cfg(not(kernels = "armv6m"))]
routine!(
    symbol!("copy"),
    "push {{r4-r10, lr}}",
    "subs r2, #64",
    "blo 3f",
    "2:",
    "ldmia r0!, {{r3-r10}}",
    "stmia r1!, {{r3-r10}}",
    "ldmia r0!, {{r3-r10}}",
    "stmia r1!, {{r3-r10}}",
    "subs r2, #64",
    "bhs 2b",
    "3:",
    "adds r2, #32",
    "bmi 8f",
    "ldmia r0!, {{r3-r10}}",
    "stmia r1!, {{r3-r10}}",
    "subs r2, #32",
    "8:",
    "adds r2, #28",
    rest!(),
    "pop {{r4-r10, pc}}",
);
