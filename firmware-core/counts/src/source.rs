//! Pseudo-random tensors, at compile time and at run time.

use firmware_core::Shift;

/// A multiplicative generator (Lehmer's, 64 bits); its high bits are used.
pub struct Source(u64);

impl Source {
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15))
    }

    pub const fn word(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let mixed = self.0 ^ (self.0 >> 29);
        (mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32) as u32
    }

    /// A byte; one in four is an extreme.
    pub const fn byte(&mut self) -> u8 {
        let r = self.word();
        if r & 3 == 0 {
            [0, 1, 127, 128, 129, 254, 255, 0][(r >> 2) as usize & 7]
        } else {
            (r >> 16) as u8
        }
    }

    pub const fn bytes<const N: usize>(&mut self) -> [i8; N] {
        let mut bytes = [0; N];
        let mut i = 0;
        while i < N {
            bytes[i] = self.byte() as i8;
            i += 1;
        }
        bytes
    }

    /// Weights `[out][kernel row][kernel column][in]`.
    pub const fn weights<const OC: usize, const KH: usize, const KW: usize, const IC: usize>(
        &mut self,
    ) -> [[[[i8; IC]; KW]; KH]; OC] {
        let mut weights = [[[[0; IC]; KW]; KH]; OC];
        let mut i = 0;
        while i < OC * KH * KW {
            weights[i / (KH * KW)][i / KW % KH][i % KW] = self.bytes();
            i += 1;
        }
        weights
    }

    /// Biases of every size up to 2^23.
    pub const fn biases<const N: usize>(&mut self) -> [i32; N] {
        let mut biases = [0; N];
        let mut i = 0;
        while i < N {
            biases[i] = (self.word() as i32 >> 8) >> (self.word() % 24);
            i += 1;
        }
        biases
    }

    /// Shifts from `least` to `least + 3`.
    pub const fn shifts<const N: usize>(&mut self, least: u8) -> [Shift; N] {
        let mut shifts = [Shift::new(0); N];
        let mut i = 0;
        while i < N {
            shifts[i] = Shift::new(least + (self.word() % 4) as u8);
            i += 1;
        }
        shifts
    }
}
