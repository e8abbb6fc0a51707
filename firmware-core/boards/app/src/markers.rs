//! Marker instructions around what is counted: `tools/icount.c` looks for them in QEMU.
//!
//! Each is a no-op that compilers do not emit. On hardware they cost one cycle.

use core::arch::asm;

use firmware_core::Observer;

/// Opens a counted region.
#[inline(always)]
pub fn begin() {
    // SAFETY: moving a register onto itself changes nothing. The default options make the compiler
    // assume that memory is read and written, so no load or store crosses the marker.
    #[cfg(target_arch = "arm")]
    unsafe {
        asm!("mov r10, r10", options(nostack, preserves_flags))
    };
    // SAFETY: a write to x0 changes nothing; memory as above.
    #[cfg(target_arch = "riscv32")]
    unsafe {
        asm!("slti x0, x0, 10", options(nostack, preserves_flags))
    };
    // SAFETY: as for the smaller Arm cores.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("mov x10, x10", options(nostack, preserves_flags))
    };
}

/// Closes a counted region.
#[inline(always)]
pub fn end() {
    // SAFETY: as in `begin`.
    #[cfg(target_arch = "arm")]
    unsafe {
        asm!("mov r11, r11", options(nostack, preserves_flags))
    };
    // SAFETY: as in `begin`.
    #[cfg(target_arch = "riscv32")]
    unsafe {
        asm!("slti x0, x0, 11", options(nostack, preserves_flags))
    };
    // SAFETY: as in `begin`.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("mov x11, x11", options(nostack, preserves_flags))
    };
}

/// Puts every layer into a region of its own.
pub struct EachLayer;

impl Observer for EachLayer {
    #[inline(always)]
    fn start(&mut self, _: usize) {
        begin();
    }

    #[inline(always)]
    fn end(&mut self, _: usize) {
        end();
    }
}
