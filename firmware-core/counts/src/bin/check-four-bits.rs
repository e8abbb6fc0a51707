//! Every kind of layer with weights of four bits against the scalar kernels on the same weights, bit for
//! bit, in random shapes and in some that leave every remainder of what the kernels unroll. Ends with the
//! exit code 1 at the first difference.

#![no_std]
#![no_main]

use counts::cases;
// Which of them random shapes need depends on their number.
#[allow(unused_imports)]
use firmware_core::layers::{Dilated, PaddedWith};
use firmware_core::{Clip, FourBits, Shift, Strided, Unit};
use semihosting::{println, process::ExitCode};

include!(concat!(env!("OUT_DIR"), "/four_bit_shapes.rs"));

const ROUNDS: u64 = 3;

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
#[cfg_attr(target_arch = "aarch64", unsafe(export_name = "counts_main"))]
fn main() -> ! {
    for round in 0..ROUNDS {
        random_shapes(round * 1000);
        known_shapes(round * 1000);
    }
    println!("checked");
    ExitCode::SUCCESS.exit_process()
}

/// The same shape with unsigned and with signed activations.
macro_rules! both {
    ($check:ident, $seed:expr; $bytes:literal; $($shape:tt)*) => {
        cases::$check::<FourBits<$bytes>, u8, u8, Shift, $($shape)*>($seed);
        cases::$check::<FourBits<$bytes>, i8, i8, Shift, $($shape)*>($seed);
    };
}

fn known_shapes(seed: u64) {
    both!(conv2d, seed + 601; 256; 8, 2, 2, 16, Unit, 3, 4, 2, 3);
    both!(conv2d, seed + 602; 216; 3, 3, 3, 16, Strided<1, 1, 1, 1>, 4, 5, 4, 5);
    // Kernel rows of twelve taps at the edge: no whole groups of eight.
    both!(conv2d, seed + 603; 100; 5, 3, 3, 4, Strided<1, 1, 1, 1>, 5, 4, 5, 4);
    both!(conv2d_max_pool2d, seed + 604; 84; 7, 2, 3, 4, Unit, 2, 2, Strided<2, 2>, 5, 6, 2, 2);
    // More output channels than are computed at a time.
    both!(conv2d, seed + 609; 280; 70, 1, 1, 5, Unit, 2, 3, 2, 3);
    both!(conv2d_max_pool2d, seed + 610; 528; 66, 2, 2, 3, Unit, 3, 2, Strided<2, 2, 1, 0>, 7, 7, 3, 3);
    both!(fully_connected, seed + 605; 528; 4, 257);
    both!(fully_connected, seed + 606; 180; 9, 33);
    both!(fully_connected, seed + 607; 136; 1, 265);
    both!(depthwise_conv2d, seed + 608; 24; 5, 3, 3, 5, Strided<1, 1, 1, 1, 1, 1>, 6, 7, 6, 7);
}
