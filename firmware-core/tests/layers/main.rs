//! Every layer that has kernels of its own against the scalar kernels, on small shapes with odd
//! numbers of taps and channels: small enough for Miri, which sees a read of what is uninitialized
//! or not the layer's.
//!
//! `cargo +nightly miri test -p firmware-core --test layers`

mod connected;
mod convolutions;
mod depthwise;
mod elements;
mod winograd;

use firmware_core::{Activation, Shift};

/// A multiplicative generator; its high bits are used.
struct Source(u64);

impl Source {
    fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 40) as u8
    }

    fn bytes<const N: usize>(&mut self) -> [i8; N] {
        [(); N].map(|()| self.byte() as i8)
    }

    fn activations<X: Activation, const N: usize>(&mut self) -> [X; N] {
        self.bytes().map(|byte: i8| match X::UNSIGNED {
            true => X::saturate(i32::from(byte as u8)),
            false => X::saturate(i32::from(byte)),
        })
    }

    fn channels<const N: usize>(&mut self) -> ([i32; N], [Shift; N]) {
        let bias = self.bytes().map(|byte: i8| i32::from(byte) * 50);
        (bias, self.bytes().map(|byte: i8| Shift::new(4 + (byte as u8) % 8)))
    }
}

/// Runs `test` with each of the host's kernels, as far as the processor has them; alone, since the choice
/// is the process's.
fn on_every_processor(test: impl Fn()) {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(|error| error.into_inner());
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    for bytes in [16, 32, 63, 64] {
        firmware_core::limit_vectors(bytes);
        test();
    }
    #[cfg(target_arch = "aarch64")]
    for dot_products in [false, true] {
        firmware_core::limit_kernels(dot_products);
        test();
    }
    #[cfg(not(any(all(target_arch = "x86_64", not(miri)), target_arch = "aarch64")))]
    test();
}

/// What no layer leaves in its output.
fn untouched<Y: Activation>() -> Y {
    Y::saturate(0x5a)
}
