//! The emulated machine: instruction-count markers, stack painting, and what happens on a panic.

use core::arch::asm;
use core::panic::PanicInfo;

use firmware_core::Observer;

/// The instruction after this one is the first that is counted. The marker itself is not.
#[inline(always)]
pub fn start_count() {
    // SAFETY: an architectural no-op.
    unsafe {
        #[cfg(target_arch = "arm")]
        asm!("mov r10, r10");
        #[cfg(target_arch = "riscv32")]
        asm!("slti x0, x0, 10");
    }
}

/// The instruction before this one is the last that is counted.
#[inline(always)]
pub fn end_count() {
    // SAFETY: an architectural no-op.
    unsafe {
        #[cfg(target_arch = "arm")]
        asm!("mov r11, r11");
        #[cfg(target_arch = "riscv32")]
        asm!("slti x0, x0, 11");
    }
}

/// Counts every layer by itself.
pub struct PerLayer;

impl Observer for PerLayer {
    #[inline(always)]
    fn start(&mut self, _layer: usize) {
        start_count();
    }

    #[inline(always)]
    fn end(&mut self, _layer: usize) {
        end_count();
    }
}

const PAINTED: usize = 6 * 1024;
const PAINT: u32 = 0xa5a5_5a5a;

/// The stack bytes that `work` uses below this function's own frame.
#[inline(never)]
pub fn stack_depth(work: impl FnOnce()) -> usize {
    let mut top: usize;
    // SAFETY: reads the stack pointer.
    unsafe {
        #[cfg(target_arch = "arm")]
        asm!("mov {}, sp", out(reg) top);
        #[cfg(target_arch = "riscv32")]
        asm!("mv {}, sp", out(reg) top);
    }
    let bottom = top - PAINTED;
    // A loop over volatile writes calls nothing, so the memory below the stack pointer is free.
    for address in (bottom..top).step_by(4) {
        // SAFETY: every machine has more stack than PAINTED below its top, and `top` is aligned.
        unsafe { (address as *mut u32).write_volatile(PAINT) };
    }
    work();
    // SAFETY: as above.
    let touched = (bottom..top).step_by(4).find(|address| unsafe { (*address as *const u32).read_volatile() } != PAINT);
    touched.map_or(0, |address| top - address)
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    semihosting::println!("{info}");
    semihosting::process::exit(101)
}
