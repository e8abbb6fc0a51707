//! The larger bytes in vectors: 5 instructions for sixteen.

/// Bytes that are taken together: loops know how many are left.
pub(super) const TOGETHER: usize = 1;

unsafe extern "C" {
    #[link_name = symbol!("larger_unsigned")]
    pub(super) fn larger_unsigned(x: *const u8, y: *mut u8, count: usize);
    #[link_name = symbol!("larger_signed")]
    pub(super) fn larger_signed(x: *const u8, y: *mut u8, count: usize);
}

macro_rules! larger {
    ($name:expr, $type:literal) => {
        routine!(
            $name,
            "push {{r4, lr}}",
            "dlstp.8 lr, r2",
            "2:",
            "vldrb.u8 q0, [r0], #16",
            "vldrb.u8 q1, [r1]",
            concat!("vmax.", $type, " q0, q0, q1"),
            "vstrb.8 q0, [r1], #16",
            "letp lr, 2b",
            "pop {{r4, pc}}",
        );
    };
}

larger!(symbol!("larger_unsigned"), "u8");
larger!(symbol!("larger_signed"), "s8");
