//! A row of outputs that is alone: the routines of `armv7em_strip.rs` for two columns to a word.
//!
//! The words of a row lie side by side, those of its three rows of input one behind the other. Two words of
//! each make two outputs, with stride 2 three of them. The last of an odd number of outputs is made behind
//! the pairs, with a second one that is written in its place before it.

use core::mem::offset_of;

use super::{ALONE, Job};

const _: () = assert!(2 * ALONE == 104, "the routines know how far the rows lie apart");

unsafe extern "C" {
    #[link_name = symbol!("line_uu")]
    pub(super) fn line_uu(job: *mut Job);
    #[link_name = symbol!("line_us")]
    pub(super) fn line_us(job: *mut Job);
    #[link_name = symbol!("line_su")]
    pub(super) fn line_su(job: *mut Job);
    #[link_name = symbol!("line_ss")]
    pub(super) fn line_ss(job: *mut Job);
    #[link_name = symbol!("line_by_two_uu")]
    pub(super) fn line_by_two_uu(job: *mut Job);
    #[link_name = symbol!("line_by_two_us")]
    pub(super) fn line_by_two_us(job: *mut Job);
    #[link_name = symbol!("line_by_two_su")]
    pub(super) fn line_by_two_su(job: *mut Job);
    #[link_name = symbol!("line_by_two_ss")]
    pub(super) fn line_by_two_ss(job: *mut Job);
    #[link_name = symbol!("line_um")]
    pub(super) fn line_um(job: *mut Job);
    #[link_name = symbol!("line_sm")]
    pub(super) fn line_sm(job: *mut Job);
    #[link_name = symbol!("line_by_two_um")]
    pub(super) fn line_by_two_um(job: *mut Job);
    #[link_name = symbol!("line_by_two_sm")]
    pub(super) fn line_by_two_sm(job: *mut Job);
}

/// A channel's outputs; `$pair` is how many bytes one pair of them is behind the other.
macro_rules! line {
    ($name:literal, $load:literal, $how:ident, $pair:literal, $($rows:expr),*) => {
        strip!(
            $name,
            $how,
            {
            concat!($load, " r10, [r1]"),
            concat!($load, " r11, [r1, r2]"),
            concat!($load, " r12, [r1, r3]"),
            "add r1, r7",
            "strh r11, [r8, #104]",
            "strh r12, [r8, #208]",
            "strh r10, [r8], #2",
            },
            2,
            {
            "7:",
            "ldrd r10, r11, [sp]",
            $($rows,)*
            requantize!($how),
            "ldr r6, [sp, #24]",
            "strb r11, [r1, r6]",
            "strb r10, [r1]",
            "ldrd r6, r7, [sp, #16]",
            "add r1, r6",
            concat!("adds r0, #", $pair),
            "cmp r0, r7",
            "bne 7b",
            "ldr r6, [sp, #8]",
            "cbz r6, 9f",
            "ldr r7, [sp, #24]",
            "cbz r7, 8f",
            "movs r7, #0",
            "str r7, [sp, #24]",
            concat!("add r7, r0, #", $pair),
            "str r7, [sp, #20]",
            "b 7b",
            "8:", // that was the last, and the next channel begins with pairs again
            "str r6, [sp, #24]",
            concat!("subs r0, #", $pair),
            "str r0, [sp, #20]",
            "9:",
            }
        );
    };
}

macro_rules! by_one {
    ($name:literal, $load:literal, $how:ident) => {
        line!(
            $name,
            $load,
            $how,
            4,
            column!(0, "r2", "r3"),
            column!(104, "r4", "r5"),
            column!(208, "r8", "r9")
        );
    };
}

macro_rules! by_two {
    ($name:literal, $load:literal, $how:ident) => {
        line!(
            $name,
            $load,
            $how,
            8,
            column_by_two!(0, 8, "r2", "r3"),
            column_by_two!(104, 112, "r4", "r5"),
            column_by_two!(208, 216, "r8", "r9")
        );
    };
}

by_one!("line_uu", "ldrb", unsigned);
by_one!("line_us", "ldrb", signed);
by_one!("line_su", "ldrsb", unsigned);
by_one!("line_ss", "ldrsb", signed);
by_two!("line_by_two_uu", "ldrb", unsigned);
by_two!("line_by_two_us", "ldrb", signed);
by_two!("line_by_two_su", "ldrsb", unsigned);
by_two!("line_by_two_ss", "ldrsb", signed);
by_one!("line_um", "ldrb", multiplied);
by_one!("line_sm", "ldrsb", multiplied);
by_two!("line_by_two_um", "ldrb", multiplied);
by_two!("line_by_two_sm", "ldrsb", multiplied);
