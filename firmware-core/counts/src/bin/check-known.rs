//! Every kind of layer against the scalar kernels, bit for bit, in shapes that once were hard. Ends with
//! the exit code 1 at the first difference.

#![no_std]
#![no_main]

use counts::{arithmetic, cases, rows};
use firmware_core::layers::EightBits;
use firmware_core::{PaddedWith, Shift, Strided, Unit};
use semihosting::{println, process::ExitCode};

const ROUNDS: u64 = 3;

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
#[cfg_attr(target_arch = "aarch64", unsafe(export_name = "counts_main"))]
fn main() -> ! {
    for round in 0..ROUNDS {
        known_shapes(round * 1000);
    }
    println!("checked");
    ExitCode::SUCCESS.exit_process()
}

/// The same shape with unsigned and with signed activations.
macro_rules! both {
    ($check:ident, $seed:expr; $($shape:tt)*) => {
        cases::$check::<EightBits, u8, u8, Shift, $($shape)*>($seed);
        cases::$check::<EightBits, i8, i8, Shift, $($shape)*>($seed);
    };
}

/// The same shape with input and output of unlike signs.
macro_rules! unlike {
    ($check:ident, $seed:expr; $($shape:tt)*) => {
        cases::$check::<EightBits, u8, i8, Shift, $($shape)*>($seed);
        cases::$check::<EightBits, i8, u8, Shift, $($shape)*>($seed);
    };
}

/// Channel, tap and pixel counts that leave every remainder of what the kernels unroll, and every kind of
/// geometry.
fn known_shapes(seed: u64) {
    arithmetic::division(seed + 501);
    rows::moved(seed + 565);
    rows::summed(seed + 566);
    both!(conv2d, seed + 502; 3, 3, 3, 3, Unit, 7, 5, 5, 3);
    both!(conv2d, seed + 503; 7, 2, 3, 5, Unit, 4, 6, 3, 4);
    both!(conv2d, seed + 504; 8, 3, 3, 4, Strided<1, 1, 1, 1>, 5, 6, 5, 6);
    both!(conv2d, seed + 505; 9, 3, 3, 16, Strided<2, 2, 1, 1>, 7, 8, 4, 4);
    both!(conv2d, seed + 506; 5, 3, 2, 2, Strided<2, 3, 0, 1, 1, 0>, 6, 7, 3, 3);
    both!(conv2d, seed + 508; 6, 5, 5, 3, Strided<1, 1, 2, 2>, 6, 7, 6, 7);
    both!(conv2d_max_pool2d, seed + 510; 3, 3, 3, 2, Unit, 2, 2, Strided<2, 2>, 7, 9, 2, 3);
    both!(conv2d_max_pool2d, seed + 511; 6, 3, 3, 8, Strided<1, 1, 1, 1>, 2, 2, Strided<2, 2>, 6, 8, 3, 4);
    both!(conv2d_max_pool2d, seed + 514; 4, 4, 4, 4, Unit, 3, 2, Strided<2, 2, 1, 0>, 9, 9, 3, 3);
    // More taps than fit into three words on some cores, and the one pixel that nine leave over.
    both!(conv2d, seed + 551; 6, 3, 3, 32, Strided<1, 1, 1, 1>, 3, 4, 3, 4);
    both!(conv2d, seed + 552; 5, 1, 1, 300, Unit, 2, 3, 2, 3);
    both!(conv2d, seed + 553; 5, 1, 1, 20, Unit, 3, 3, 3, 3);
    both!(conv2d, seed + 554; 3, 1, 1, 84, Unit, 1, 5, 1, 5);
    // One input channel: whole rows at a time on some cores.
    both!(conv2d_max_pool2d, seed + 515; 3, 3, 3, 1, Unit, 2, 2, Strided<2, 2>, 9, 8, 3, 3);
    both!(conv2d_max_pool2d, seed + 516; 2, 5, 5, 1, Unit, 2, 2, Strided<2, 2>, 9, 10, 2, 3);
    both!(conv2d_max_pool2d, seed + 517; 2, 7, 4, 1, Unit, 2, 2, Strided<2, 2>, 11, 7, 2, 2);
    both!(conv2d_max_pool2d, seed + 518; 2, 5, 6, 1, Unit, 2, 2, Strided<2, 2>, 8, 11, 2, 3);
    both!(conv2d_max_pool2d, seed + 519; 3, 2, 2, 1, Unit, 2, 2, Strided<2, 2>, 5, 5, 2, 2);
    both!(conv2d_max_pool2d, seed + 520; 2, 5, 5, 1, Unit, 2, 2, Strided<2, 2>, 28, 28, 12, 12);
    both!(fully_connected, seed + 523; 13, 33);
    both!(fully_connected, seed + 524; 4, 256);
    both!(depthwise_conv2d, seed + 525; 8, 3, 3, 8, Strided<1, 1, 1, 1>, 5, 5, 5, 5);
    both!(depthwise_conv2d, seed + 526; 7, 3, 3, 7, Strided<2, 2, 0, 0, 1, 1>, 6, 6, 3, 3);
    // Windows of 3 x 3 over one channel: whole lines at a time on some cores, several bands of them, rows
    // or columns, with every kind of padding.
    both!(depthwise_conv2d, seed + 527; 5, 3, 3, 5, Strided<1, 1, 1, 1, 1, 1>, 7, 14, 7, 14);
    both!(depthwise_conv2d, seed + 528; 4, 3, 3, 4, Strided<1, 1, 2, 2, 0, 1>, 9, 30, 9, 31);
    both!(depthwise_conv2d, seed + 529; 6, 3, 3, 6, Strided<1, 1, 1, 0, 1, 2>, 25, 5, 25, 5);
    both!(depthwise_conv2d, seed + 530; 4, 3, 3, 4, Unit, 24, 9, 22, 7);
    both!(depthwise_conv2d, seed + 531; 4, 3, 3, 4, Strided<2, 2, 0, 0, 1, 1>, 10, 50, 5, 25);
    both!(depthwise_conv2d, seed + 532; 4, 3, 3, 4, Strided<2, 2, 1, 2, 0, 0>, 12, 28, 6, 14);
    both!(depthwise_conv2d, seed + 533; 4, 3, 3, 4, Strided<2, 2, 1, 1, 1, 1>, 30, 11, 15, 6);
    both!(depthwise_conv2d, seed + 534; 7, 3, 3, 7, PaddedWith<Strided<1, 1, 1, 1, 1, 1>, 113>, 6, 6, 6, 6);
    // Rows that are short enough to be in registers on some cores, with windows that reach beyond the image by up to
    // two rows.
    both!(depthwise_conv2d, seed + 567; 5, 3, 3, 5, Strided<1, 1, 1, 1, 1, 1>, 7, 3, 7, 3);
    both!(depthwise_conv2d, seed + 568; 4, 3, 3, 4, Strided<1, 1, 2, 1, 2, 1>, 2, 4, 4, 4);
    both!(depthwise_conv2d, seed + 569; 6, 3, 3, 6, Strided<1, 1, 0, 1, 2, 1>, 8, 5, 8, 5);
    both!(depthwise_conv2d, seed + 570; 4, 3, 3, 4, Strided<1, 1, 1, 1, 1, 1>, 1, 5, 1, 5);
    unlike!(depthwise_conv2d, seed + 571; 4, 3, 3, 4, Strided<1, 1, 0, 1, 0, 1>, 5, 3, 3, 3);
    unlike!(depthwise_conv2d, seed + 572; 4, 3, 3, 4, Strided<1, 1, 1, 1, 0, 1>, 5, 4, 4, 4);
    unlike!(depthwise_conv2d, seed + 573; 5, 3, 3, 5, Strided<1, 1, 1, 1, 1, 1>, 3, 5, 3, 5);
    cases::depthwise_conv2d::<
        EightBits,
        i8,
        i8,
        Shift,
        4,
        3,
        3,
        4,
        PaddedWith<Strided<1, 1, 1, 1>, -5>,
        6,
        8,
        6,
        8,
    >(seed + 535);
    // Windows that are too large for a copy, cut between rows, pixels and channels, and as many inputs.
    // Only vectors have several requantizations at a time.
    if firmware_core::KERNELS == "mve" {
        arithmetic::requantizations(seed + 539);
        both!(conv2d, seed + 540; 5, 3, 3, 100, Strided<1, 1, 1, 1, 0, 1>, 3, 4, 2, 4);
        both!(conv2d, seed + 541; 2, 1, 3, 300, Strided<1, 2, 0, 1>, 1, 4, 1, 2);
        both!(conv2d, seed + 542; 6, 1, 1, 700, Unit, 2, 1, 2, 1);
        both!(fully_connected, seed + 543; 7, 1300);
        both!(fully_connected, seed + 544; 133, 16);
        both!(fully_connected, seed + 545; 13, 64);
        both!(depthwise_conv2d, seed + 546; 93, 2, 3, 93, Strided<1, 1, 1, 1, 0, 1>, 2, 3, 2, 3);
    }
    both!(conv2d, seed + 536; 3, 3, 3, 1, Unit, 9, 28, 7, 26);
    both!(conv2d, seed + 537; 3, 3, 3, 1, Strided<1, 1, 1, 2, 2, 1>, 31, 8, 32, 9);
    both!(conv2d, seed + 538; 2, 3, 3, 1, Strided<2, 2, 1, 1, 0, 0>, 25, 48, 12, 24);
    // An odd number of windows of which the last ends with the input.
    both!(depthwise_conv2d, seed + 558; 4, 3, 3, 4, Unit, 6, 9, 4, 7);
    both!(conv2d, seed + 559; 3, 3, 3, 1, Unit, 7, 11, 5, 9);
    // More output channels than are computed at a time.
    both!(conv2d, seed + 560; 70, 1, 1, 5, Unit, 2, 3, 2, 3);
    both!(conv2d, seed + 561; 130, 1, 3, 2, Unit, 1, 4, 1, 2);
    both!(conv2d, seed + 562; 66, 3, 3, 3, Strided<1, 1, 1, 1>, 3, 3, 3, 3);
    both!(conv2d_max_pool2d, seed + 563; 65, 2, 2, 3, Unit, 2, 2, Strided<2, 2>, 5, 5, 2, 2);
    both!(conv2d_max_pool2d, seed + 564; 67, 2, 2, 2, Unit, 3, 2, Strided<2, 2, 1, 0>, 7, 7, 3, 3);
    // Strips of two long lines.
    both!(conv2d, seed + 555; 3, 3, 3, 1, Strided<1, 1, 1, 1, 0, 1>, 3, 28, 2, 28);
    cases::depthwise_conv2d::<
        EightBits,
        u8,
        u8,
        Shift,
        5,
        3,
        3,
        5,
        Strided<1, 1, 0, 1, 1, 1>,
        3,
        24,
        2,
        24,
    >(seed + 557);
}
