//! Layers whose outputs are more than shifted sums, against the scalar kernels, bit for bit: those of imported models,
//! which multiply, and those with closer bounds than their type's. Ends with the exit code 1 at the first difference.

#![no_std]
#![no_main]

use counts::{arithmetic, cases};
use firmware_core::layers::EightBits;
use firmware_core::{Clip, Multiplier, PaddedWith, Strided, Unit};
use semihosting::{println, process::ExitCode};

/// Numbers of bits from 0, 4 and 8 on: some layers are not as others.
const ROUNDS: [u64; 3] = [12_000, 12_004, 12_008];

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
#[cfg_attr(target_arch = "aarch64", unsafe(export_name = "counts_main"))]
fn main() -> ! {
    for seed in ROUNDS {
        known_shapes(seed);
    }
    println!("checked");
    ExitCode::SUCCESS.exit_process()
}

/// The same shape with every pair of activations.
macro_rules! all {
    ($check:ident, $seed:expr; $($shape:tt)*) => {
        cases::$check::<EightBits, i8, i8, Multiplier, $($shape)*>($seed);
        cases::$check::<EightBits, u8, i8, Multiplier, $($shape)*>($seed);
        cases::$check::<EightBits, i8, u8, Multiplier, $($shape)*>($seed);
    };
}

/// The same shape with bounds, those of one type both closer than the type's.
macro_rules! bounded {
    ($check:ident, $seed:expr; $($shape:tt)*) => {
        cases::$check::<EightBits, u8, u8, Clip<3, 96>, $($shape)*>($seed);
        cases::$check::<EightBits, i8, u8, Clip<-5, 250>, $($shape)*>($seed);
        cases::$check::<EightBits, u8, i8, Clip<-100, 96>, $($shape)*>($seed);
    };
}

fn known_shapes(seed: u64) {
    bounded!(conv2d, seed; 9, 1, 1, 20, Unit, 3, 3, 3, 3);
    bounded!(conv2d, seed; 3, 3, 3, 1, Unit, 5, 7, 3, 5);
    bounded!(depthwise_conv2d, seed; 5, 3, 3, 5, Strided<1, 1, 1, 1, 1, 1>, 6, 7, 6, 7);
    bounded!(depthwise_conv2d, seed; 7, 3, 3, 7, Strided<2, 2, 1, 1, 1, 1>, 5, 5, 3, 3);
    arithmetic::multiplied_biases(seed);
    arithmetic::scaled_sums::<u8, u8>(seed);
    arithmetic::scaled_sums::<u8, i8>(seed);
    arithmetic::scaled_sums::<i8, u8>(seed);
    arithmetic::scaled_sums::<i8, i8>(seed);
    all!(conv2d, seed; 6, 3, 3, 4, Strided<1, 1, 1, 1>, 5, 6, 5, 6);
    all!(conv2d, seed; 9, 1, 1, 20, Unit, 3, 3, 3, 3);
    // More output channels than are computed at a time.
    all!(conv2d, seed; 70, 1, 1, 5, Unit, 2, 3, 2, 3);
    all!(conv2d_max_pool2d, seed; 5, 3, 3, 4, Unit, 2, 2, Strided<2, 2>, 6, 8, 2, 3);
    all!(fully_connected, seed; 13, 33);
    // One input channel, and each channel by itself: rows by fours, by twos and alone.
    all!(conv2d, seed; 3, 3, 3, 1, Unit, 9, 28, 7, 26);
    all!(conv2d, seed; 2, 3, 3, 1, Strided<2, 2, 1, 1, 0, 0>, 25, 30, 12, 15);
    all!(depthwise_conv2d, seed; 5, 3, 3, 5, Strided<1, 1, 1, 1, 1, 1>, 7, 14, 7, 14);
    all!(depthwise_conv2d, seed; 5, 3, 3, 5, Strided<1, 1, 1, 1, 1, 1>, 9, 3, 9, 3);
    all!(depthwise_conv2d, seed; 4, 3, 3, 4, Strided<1, 1, 2, 1, 1, 1>, 8, 4, 9, 4);
    all!(depthwise_conv2d, seed; 6, 3, 3, 6, Strided<1, 1, 1, 1, 1, 1>, 8, 5, 8, 5);
    all!(depthwise_conv2d, seed; 4, 3, 3, 4, Strided<1, 1, 2, 2, 0, 1>, 9, 30, 9, 31);
    all!(depthwise_conv2d, seed; 6, 3, 3, 6, Strided<1, 1, 1, 0, 1, 2>, 5, 5, 5, 5);
    all!(depthwise_conv2d, seed; 4, 3, 3, 4, Strided<2, 2, 0, 0, 1, 1>, 10, 50, 5, 25);
    all!(depthwise_conv2d, seed; 7, 3, 3, 7, Strided<2, 2, 1, 1, 1, 1>, 9, 11, 5, 6);
    all!(depthwise_conv2d, seed; 4, 3, 3, 4, PaddedWith<Strided<1, 1, 1, 1>, 93>, 1, 8, 1, 8);
    all!(depthwise_conv2d, seed; 5, 2, 3, 5, Unit, 4, 5, 3, 3);
}
