//! The routines of `armv7em_strip.rs`, and the macros that those for a row that is alone are made of, too.

use core::mem::offset_of;

use super::Job;

/// Two outputs of the sums r10 and r11: divided by a power of two, rounded half to even (`divide.rs`), and saturated;
/// or multiplied as `armv7em_outputs.rs` says.
macro_rules! requantize {
    (unsigned) => {
        requantize!("usat")
    };
    (signed) => {
        requantize!("ssat")
    };
    (multiplied) => {
        "ldr r6, [sp, #32]
        smmlar r10, r10, r12, r10
        smmlar r11, r11, r12, r11
        add r10, r10, r10, asr #31
        asrs r10, r10, lr
        adc r10, r10, r6
        add r11, r11, r11, asr #31
        asrs r11, r11, lr
        adc r11, r11, r6
        ssat r10, #8, r10
        ssat r11, #8, r11
        "
    };
    ($saturate:literal) => {
        concat!(
            "mvn r6, #0x80000000
            lsl r7, r10, lr
            asr r10, r10, r12
            cmn r6, r7, ror #31
            adc r10, r10, #0
            lsl r7, r11, lr
            asr r11, r11, r12
            cmn r6, r7, ror #31
            adc r11, r11, #0\n",
            $saturate,
            " r10, #8, r10\n",
            $saturate,
            " r11, #8, r11\n",
        )
    };
}

/// Takes what requantizes the outputs of a channel from r4: r12 its bits and lr 31 less them, or r12 the doubled
/// multiplier, lr bits, and the zero point on the stack.
macro_rules! parameters {
    (multiplied) => {
        "ldrd r10, r11, [r4], #8
        lsl r12, r10, #1
        sbfx r10, r11, #8, #8
        str r10, [sp, #32]
        sxtb r11, r11
        rsb lr, r11, #0"
    };
    ($shifted:ident) => {
        "ldrb r12, [r4], #1
        rsb lr, r12, #31"
    };
}

/// Bytes on the stack.
macro_rules! frame {
    (multiplied) => {
        "40"
    };
    ($shifted:ident) => {
        "32"
    };
}

/// What a column of the window makes of four rows: the sums of two outputs above each other.
macro_rules! column {
    ($at:literal, $upper:literal, $lower:literal) => {
        concat!(
            "ldrd r6, r7, [r0, #",
            $at,
            "]\n",
            "smlad r10, r6, ",
            $upper,
            ", r10\n",
            "smlabt r10, r7, ",
            $lower,
            ", r10\n",
            "smlatb r11, r6, ",
            $upper,
            ", r11\n",
            "smlad r11, r7, ",
            $lower,
            ", r11\n",
        )
    };
}

/// The same of five rows with stride 2.
macro_rules! column_by_two {
    ($at:literal, $third:literal, $upper:literal, $lower:literal) => {
        concat!(
            "ldrd r6, r7, [r0, #",
            $at,
            "]\n",
            "smlad r10, r6, ",
            $upper,
            ", r10\n",
            "smlabt r10, r7, ",
            $lower,
            ", r10\n",
            "smlad r11, r7, ",
            $upper,
            ", r11\n",
            "ldr r6, [r0, #",
            $third,
            "]\n",
            "smlabt r11, r6, ",
            $lower,
            ", r11\n",
        )
    };
}

// At first r0 is the job, r1 values, r2-r6 from the first row to the others, r7 from pixel to pixel, r8 and
// r9 words and their end, r10-r12 and lr pixels. Then r0 words, r1 outputs, r2-r5, r8 and r9 weights, a
// column's first two and last two in a word each, r6 and r7 pixels, r10 and r11 sums, r12 and lr `parameters`. On
// the stack the bias, twice, what the job has from `later` on, the job, and a zero point.
macro_rules! strip {
    ($name:literal, $how:ident, { $($pack:expr,)* }, $right:literal, { $($outputs:expr,)* }) => {
        routine!(
            symbol!($name),
            const {
                packed = offset_of!(Job, packed),
                padded = offset_of!(Job, padded),
                pads = offset_of!(Job, pads),
                padding = offset_of!(Job, padding),
                channels = offset_of!(Job, channels),
                later = offset_of!(Job, later)
            },
            "push {{r4-r11, lr}}",
            concat!("sub sp, #", frame!($how)),
            "str r0, [sp, #28]",
            "add r1, r0, #{later}",
            "ldm r1, {{r1-r5}}",
            "add r6, sp, #8",
            "stm r6, {{r1-r5}}",
            "2:", // a channel
            "ldm r0, {{r1-r9}}",
            "cmp r8, r9",
            "beq 6f", // all is packed
            "3:",
            $($pack,)*
            "cmp r8, r9",
            "bne 3b",
            "ldr r1, [r0, #{padded}]",
            "cbz r1, 6f",
            "ldr r2, [r0, #{packed}]",
            "sub r9, r2",
            "add r2, r0, #{pads}",
            "ldr r4, [r0, #{padding}]",
            "4:", // a row of padding
            "ldr r3, [r2], #4",
            "add r5, r3, r9",
            "5:",
            concat!("strh r4, [r3], #", $right),
            "cmp r3, r5",
            "bne 5b",
            "subs r1, #1",
            "bne 4b",
            "6:",
            // The channel's place, and the next one's.
            "ldr r1, [r0]",
            "adds r1, #1",
            "str r1, [r0]",
            "add r3, r0, #{channels}",
            // Channels, weights, bias, shifts or multipliers, y, plane, steps of the weights.
            "ldm r3, {{r0-r2, r4-r9}}",
            "ldr lr, [r2], #4",
            "strd lr, lr, [sp]",
            parameters!($how),
            "subs r0, #1",
            "mov r10, r1",
            "add r1, r9",
            "mov r11, r5",
            "adds r5, #1",
            "stm r3, {{r0-r2, r4-r5}}",
            "mov r0, r6",
            "mov r1, r11",
            "ldrsb r2, [r10]",
            "ldrsb r3, [r10, r8]",
            "ldrsb r4, [r10, r8, lsl #1]",
            "add r10, r7",
            "pkhbt r2, r2, r3, lsl #16",
            "pkhbt r3, r3, r4, lsl #16",
            "ldrsb r4, [r10]",
            "ldrsb r5, [r10, r8]",
            "ldrsb r6, [r10, r8, lsl #1]",
            "add r10, r7",
            "pkhbt r4, r4, r5, lsl #16",
            "pkhbt r5, r5, r6, lsl #16",
            "ldrsb r6, [r10]",
            "ldrsb r9, [r10, r8]",
            "ldrsb r10, [r10, r8, lsl #1]",
            "pkhbt r8, r6, r9, lsl #16",
            "pkhbt r9, r9, r10, lsl #16",
            $($outputs,)*
            "ldr r0, [sp, #28]",
            "ldr r1, [r0, #{channels}]",
            "cmp r1, #0",
            "bne 2b",
            concat!("add sp, #", frame!($how)),
            "pop {{r4-r11, pc}}",
        );
    };
}

/// Six rows of a column.
macro_rules! columns {
    ($name:literal, $load:literal, $how:ident, $($outputs:expr),*) => {
        strip!(
            $name,
            $how,
            {
            concat!($load, " r10, [r1]"),
            concat!($load, " r11, [r1, r2]"),
            concat!($load, " r12, [r1, r4]"),
            concat!($load, " lr, [r1, r6]"),
            "pkhbt r10, r10, r11, lsl #16",
            concat!($load, " r11, [r1, r3]"),
            "pkhbt r11, r11, r12, lsl #16",
            concat!($load, " r12, [r1, r5]"),
            "pkhbt r12, r12, lr, lsl #16",
            "add r1, r7",
            "stm r8!, {{r10-r12}}",
            },
            12,
            { $($outputs,)* }
        );
    };
}

/// The outputs of a channel: two or four rows.
macro_rules! by_one {
    ($name:literal, $load:literal, $how:ident) => {
        columns!(
            $name,
            $load,
            $how,
            "7:",
            "ldr r6, [sp, #8]",
            "cbz r6, 8f",
            "ldrd r10, r11, [sp]",
            column!(4, "r2", "r3"),
            column!(16, "r4", "r5"),
            column!(28, "r8", "r9"),
            requantize!($how),
            "ldrd r6, r7, [sp, #8]",
            "strb r11, [r1, r7]",
            "strb r10, [r1, r6]",
            "8:",
            "ldrd r10, r11, [sp]",
            column!(0, "r2", "r3"),
            column!(12, "r4", "r5"),
            column!(24, "r8", "r9"),
            requantize!($how),
            "ldr r6, [sp, #24]",
            "strb r11, [r1, r6]",
            "strb r10, [r1]",
            "ldrd r6, r7, [sp, #16]",
            "add r1, r6",
            "adds r0, #12",
            "cmp r0, r7",
            "bne 7b"
        );
    };
}

/// The outputs of a channel: two rows.
macro_rules! by_two {
    ($name:literal, $load:literal, $how:ident) => {
        columns!(
            $name,
            $load,
            $how,
            "7:",
            "ldrd r10, r11, [sp]",
            column_by_two!(0, 8, "r2", "r3"),
            column_by_two!(12, 20, "r4", "r5"),
            column_by_two!(24, 32, "r8", "r9"),
            requantize!($how),
            "ldr r6, [sp, #24]",
            "strb r11, [r1, r6]",
            "strb r10, [r1]",
            "ldrd r6, r7, [sp, #16]",
            "add r1, r6",
            "adds r0, #24",
            "cmp r0, r7",
            "bne 7b"
        );
    };
}

by_one!("strip_uu", "ldrb", unsigned);
by_one!("strip_us", "ldrb", signed);
by_one!("strip_su", "ldrsb", unsigned);
by_one!("strip_ss", "ldrsb", signed);
by_two!("strip_by_two_uu", "ldrb", unsigned);
by_two!("strip_by_two_us", "ldrb", signed);
by_two!("strip_by_two_su", "ldrsb", unsigned);
by_two!("strip_by_two_ss", "ldrsb", signed);
by_one!("strip_um", "ldrb", multiplied);
by_one!("strip_sm", "ldrsb", multiplied);
by_two!("strip_by_two_um", "ldrb", multiplied);
by_two!("strip_by_two_sm", "ldrsb", multiplied);
