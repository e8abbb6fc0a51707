//! What the programs share: the layers against the scalar kernels, pseudo-random tensors, and what
//! happens on a panic.

#![no_std]

pub mod arithmetic;
pub mod cases;
pub mod compare;
pub mod rows;
mod scalar;
pub mod source;
#[cfg(target_arch = "aarch64")]
mod start;
pub mod stored;
pub mod values;

use core::panic::PanicInfo;

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    semihosting::println!("{info}");
    semihosting::process::exit(101)
}
