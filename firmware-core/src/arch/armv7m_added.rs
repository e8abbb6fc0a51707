//! `added.rs` on Armv7-M and later: 15 instructions for each sum, four more without the DSP extension, of which one
//! takes the rounded upper half of a product.

use super::Job;

unsafe extern "C" {
    #[link_name = symbol!("added")]
    pub(super) fn added(job: *const Job);
}

/// The upper half of the product of r12 and a multiplier, rounded half up; lr may change.
#[cfg(not(kernels = "armv7m"))]
macro_rules! upper {
    ($multiplier:literal) => {
        concat!("smmulr r12, r12, ", $multiplier)
    };
}
#[cfg(kernels = "armv7m")]
macro_rules! upper {
    ($multiplier:literal) => {
        concat!("smull lr, r12, r12, ", $multiplier, "\nadds lr, #0x80000000\nadc r12, r12, #0")
    };
}

// r0 and r1 values, r2 sums, r3 the last one's end, r4-r11 the rest of the job, r12 a sum, lr a value.
routine!(
    symbol!("added"),
    "push {{r4-r11, lr}}",
    "ldm r0, {{r0-r11}}",
    "2:",
    "ldrsb r12, [r1], #1",
    "rsb r12, r4, r12, lsl #21",
    upper!("r5"),
    "add r12, r12, r12, asr #31",
    "add r12, r6",
    "asr r12, r7",
    "ldrsb lr, [r0], #1",
    "add r12, r12, lr, lsl #19",
    "add r12, r8, r12, lsl #1",
    upper!("r9"),
    "add r12, r12, r12, asr #31",
    "add r12, r10",
    "asr r12, r11",
    "ssat r12, #8, r12",
    "strb r12, [r2], #1",
    "cmp r2, r3",
    "bne 2b",
    "pop {{r4-r11, pc}}",
);
