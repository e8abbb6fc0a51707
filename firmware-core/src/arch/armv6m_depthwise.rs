//! Depthwise convolution on Armv6-M: 18 instructions make four multiply-accumulates, the routines of
//! `depthwise_blocks.rs`.

/// Four channels of a tap, and on to the next one.
macro_rules! tap {
    ($load:literal) => {
        concat!(
            $load,
            " r2, [r0, r4]\n",
            "ldrsb r3, [r1, r4]\n",
            "muls r2, r3, r2\n",
            "add r8, r2\n",
            $load,
            " r2, [r0, r5]\n",
            "ldrsb r3, [r1, r5]\n",
            "muls r2, r3, r2\n",
            "add r9, r2\n",
            $load,
            " r2, [r0, r6]\n",
            "ldrsb r3, [r1, r6]\n",
            "muls r2, r3, r2\n",
            "add r10, r2\n",
            $load,
            " r2, [r0, r7]\n",
            "ldrsb r3, [r1, r7]\n",
            "muls r2, r3, r2\n",
            "add r11, r2\n",
            "add r0, r12\n",
            "add r1, lr",
        )
    };
}

// r0 values, r1 weights, r2 and r3 a tap, r4-r7 the numbers of the channels, r8-r11 their sums, r12 and lr from
// one tap to the next. On the stack the job and what is left of columns.
macro_rules! depthwise {
    ($name:expr, $($row:expr),*) => {
        routine!(
            $name,
            "push {{r4-r7, lr}}",
            "mov r4, r8",
            "mov r5, r9",
            "mov r6, r10",
            "mov r7, r11",
            "push {{r4-r7}}",
            "push {{r0, r1}}",
            "ldr r1, [r0, #16]",
            "mov r12, r1",
            "ldr r1, [r0, #20]",
            "mov lr, r1",
            "2:", // four channels
            "ldr r3, [sp]",
            "ldr r2, [r3, #8]",
            "ldm r2!, {{r4-r7}}",
            "str r2, [r3, #8]",
            "mov r8, r4",
            "mov r9, r5",
            "mov r10, r6",
            "mov r11, r7",
            "ldr r2, [r3, #36]", // rows
            "str r2, [r3, #32]",
            "ldr r0, [r3]",
            "ldr r1, [r3, #4]",
            "movs r4, #0",
            "movs r5, #1",
            "movs r6, #2",
            "movs r7, #3",
            "3:", // a row
            $($row,)*
            "ldr r2, [sp]",
            "ldr r3, [r2, #24]",
            "adds r0, r3",
            "ldr r3, [r2, #28]",
            "adds r1, r3",
            "ldr r3, [r2, #32]",
            "subs r3, #1",
            "str r3, [r2, #32]",
            "bne 3b",
            "ldr r3, [r2, #12]",
            "mov r4, r8",
            "mov r5, r9",
            "mov r6, r10",
            "mov r7, r11",
            "stm r3!, {{r4-r7}}",
            "str r3, [r2, #12]",
            "ldr r0, [r2]",
            "ldr r1, [r2, #4]",
            "adds r0, #4",
            "adds r1, #4",
            "str r0, [r2]",
            "str r1, [r2, #4]",
            "ldr r3, [r2, #44]", // blocks
            "subs r3, #1",
            "str r3, [r2, #44]",
            "bne 2b",
            "pop {{r0, r1}}",
            "pop {{r4-r7}}",
            "mov r8, r4",
            "mov r9, r5",
            "mov r10, r6",
            "mov r11, r7",
            "pop {{r4-r7, pc}}",
        );
    };
}

macro_rules! depthwise_any {
    ($name:expr, $load:literal) => {
        depthwise!(
            $name,
            "ldr r2, [sp]",
            "ldr r2, [r2, #40]", // columns
            "4:",
            "str r2, [sp, #4]",
            tap!($load),
            "ldr r2, [sp, #4]",
            "subs r2, #1",
            "bne 4b"
        );
    };
}

depthwise!(symbol!("depthwise3_unsigned"), tap!("ldrb"), tap!("ldrb"), tap!("ldrb"));
depthwise!(symbol!("depthwise3_signed"), tap!("ldrsb"), tap!("ldrsb"), tap!("ldrsb"));
depthwise_any!(symbol!("depthwise_unsigned"), "ldrb");
depthwise_any!(symbol!("depthwise_signed"), "ldrsb");
