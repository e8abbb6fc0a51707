//! Pseudo-random tensors. What fills them takes slices of any shape, so that it is there once.

/// A multiplicative generator (Lehmer's, 64 bits); its high bits are used.
pub struct Source(u64);

impl Source {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15))
    }

    #[inline(never)]
    pub fn word(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let mixed = self.0 ^ (self.0 >> 29);
        (mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32) as u32
    }

    /// A byte; one in four is an extreme.
    pub fn byte(&mut self) -> u8 {
        let r = self.word();
        if r & 3 == 0 {
            [0, 1, 127, 128, 129, 254, 255, 0][(r >> 2) as usize & 7]
        } else {
            (r >> 16) as u8
        }
    }

    /// Weights of any order.
    #[inline(never)]
    pub fn weights(&mut self, weights: &mut [i8]) {
        weights.iter_mut().for_each(|weight| *weight = self.byte() as i8);
    }

    /// Biases of every size up to 2^23.
    #[inline(never)]
    pub fn biases(&mut self, biases: &mut [i32]) {
        biases.iter_mut().for_each(|bias| *bias = (self.word() as i32 >> 8) >> (self.word() % 24));
    }

    /// A number of bits from `least` to `least + 3`.
    pub fn shift(&mut self, least: u8) -> u8 {
        least + (self.word() % 4) as u8
    }
}
