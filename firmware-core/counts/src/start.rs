//! Start-up of a 64-bit Arm core, as QEMU's machine `virt` leaves it: a stack, vectors, and memory that may
//! be loaded from at every address, which it may not before it is mapped.
//!
//! The linker script is in `build/main.rs`; QEMU has written all statics, zeros too.

use core::arch::global_asm;

/// The map: the second gigabyte, where the RAM is, as a block of ordinary memory; nothing else.
#[repr(align(4096))]
struct Map(#[allow(dead_code)] [u64; 512]); // the core reads it

#[used]
#[unsafe(export_name = "counts_map")]
static MAP: Map = {
    let mut blocks = [0; 512];
    // Accessed, shared, cached: a block.
    blocks[1] = 0x4000_0000 | 1 << 10 | 3 << 8 | 1;
    Map(blocks)
};

global_asm!(
    ".section .text.start, \"ax\", %progbits",
    ".global _start",
    "_start:",
    "ldr x0, =_stack_start",
    "mov sp, x0",
    // Vectors without traps.
    "mov x0, #(3 << 20)",
    "msr cpacr_el1, x0",
    // The first kind of memory is cached; addresses have 39 bits, in pages of 4 KB.
    "mov x0, #0xff",
    "msr mair_el1, x0",
    "ldr x0, =(25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23)",
    "msr tcr_el1, x0",
    "ldr x0, =counts_map",
    "msr ttbr0_el1, x0",
    "isb",
    // Mapped and cached, unaligned addresses allowed.
    "mrs x0, sctlr_el1",
    "ldr x1, =(1 | 1 << 2 | 1 << 12)",
    "orr x0, x0, x1",
    "bic x0, x0, #2",
    "msr sctlr_el1, x0",
    "isb",
    "bl counts_main",
    "b .",
);
