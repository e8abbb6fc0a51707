//! The larger bytes with the DSP extension: 7 instructions for four.

/// Bytes that are taken together.
pub(super) const TOGETHER: usize = 4;

unsafe extern "C" {
    #[link_name = symbol!("larger_unsigned")]
    pub(super) fn larger_unsigned(x: *const u8, y: *mut u8, count: usize);
    #[link_name = symbol!("larger_signed")]
    pub(super) fn larger_signed(x: *const u8, y: *mut u8, count: usize);
}

// r0 bytes, r1 those that are replaced where they are smaller, r2 bytes left.
macro_rules! larger {
    ($name:expr, $subtract:literal) => {
        routine!(
            $name,
            "push {{r4}}",
            "2:",
            "ldr r3, [r0], #4",
            "ldr r12, [r1]",
            concat!($subtract, " r4, r3, r12"), // which are not smaller
            "sel r3, r3, r12",
            "str r3, [r1], #4",
            "subs r2, #4",
            "bne 2b",
            "pop {{r4}}",
            "bx lr",
        );
    };
}

larger!(symbol!("larger_unsigned"), "usub8");
larger!(symbol!("larger_signed"), "ssub8");
