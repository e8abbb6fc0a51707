//! Depthwise convolution with the DSP extension: four channels of a tap in one load, 10
//! instructions for four multiply-accumulates: the routines of `depthwise_blocks.rs`.

/// Four channels of a tap, whose values are in r8 and whose weights in r10.
macro_rules! tap {
    ($unpack:literal) => {
        concat!(
            $unpack,
            " r9, r8\n",
            "sxtb16 r11, r10\n",
            "smlabb r4, r9, r11, r4\n",
            "smlatt r6, r9, r11, r6\n",
            $unpack,
            " r9, r8, ror #8\n",
            "sxtb16 r11, r10, ror #8\n",
            "smlabb r5, r9, r11, r5\n",
            "smlatt r7, r9, r11, r7",
        )
    };
}

// r0 values, r1 weights, r2 and r3 from one tap to the next, r4-r7 sums, r8-r11 a tap, r12 the job,
// lr what is left of rows or of columns.
macro_rules! depthwise {
    ($name:expr, { $($rows:expr,)* }, { $($row:expr,)* }, { $($next:expr,)* }) => {
        routine!(
            $name,
            "push {{r4-r11, lr}}",
            "mov r12, r0",
            "2:", // four channels
            "ldm r12, {{r0-r2}}",
            "ldm r2!, {{r4-r7}}",
            "str r2, [r12, #8]",
            "ldrd r2, r3, [r12, #16]",
            $($rows,)*
            "3:", // a row
            $($row,)*
            "ldrd r8, r9, [r12, #24]",
            "add r0, r8",
            "add r1, r9",
            $($next,)*
            "bne 3b",
            "ldm r12, {{r0-r3}}",
            "adds r0, #4",
            "adds r1, #4",
            "stm r3!, {{r4-r7}}",
            "stm r12, {{r0-r3}}",
            "ldr r8, [r12, #44]", // blocks
            "subs r8, #1",
            "str r8, [r12, #44]",
            "bne 2b",
            "pop {{r4-r11, pc}}",
        );
    };
}

macro_rules! depthwise3 {
    ($name:expr, $unpack:literal) => {
        depthwise!(
            $name,
            { "ldr lr, [r12, #36]", }, // rows
            {
            "ldr r8, [r0]",
            "ldr r10, [r1]",
            tap!($unpack),
            "ldr r8, [r0, r2]",
            "ldr r10, [r1, r3]",
            tap!($unpack),
            "ldr r8, [r0, r2, lsl #1]",
            "ldr r10, [r1, r3, lsl #1]",
            tap!($unpack),
            },
            { "subs lr, #1", }
        );
    };
}

macro_rules! depthwise_any {
    ($name:expr, $unpack:literal) => {
        depthwise!(
            $name,
            {
            "ldr r8, [r12, #36]", // rows
            "str r8, [r12, #32]",
            },
            {
            "ldr lr, [r12, #40]", // columns
            "4:",
            "ldr r8, [r0]",
            "ldr r10, [r1]",
            "add r0, r2",
            "add r1, r3",
            tap!($unpack),
            "subs lr, #1",
            "bne 4b",
            },
            {
            "ldr r10, [r12, #32]",
            "subs r10, #1",
            "str r10, [r12, #32]",
            }
        );
    };
}

depthwise3!(symbol!("depthwise3_unsigned"), "uxtb16");
depthwise3!(symbol!("depthwise3_signed"), "sxtb16");
depthwise_any!(symbol!("depthwise_unsigned"), "uxtb16");
depthwise_any!(symbol!("depthwise_signed"), "sxtb16");
