//! What a model returns: accumulators, 8-bit values, or several arrays of them.

/// The outputs of a model.
pub trait Outputs {
    /// How many integers they are.
    const COUNT: usize;
    /// The same number of `i32`s.
    type Wide;
    /// All integers, one output behind the other, as the protocol sends them.
    fn widen(self) -> Self::Wide;
}

impl<const N: usize> Outputs for [i32; N] {
    const COUNT: usize = N;
    type Wide = Self;

    #[inline(always)]
    fn widen(self) -> Self {
        self
    }
}

impl<const N: usize> Outputs for [i8; N] {
    const COUNT: usize = N;
    type Wide = [i32; N];

    #[inline(always)]
    fn widen(self) -> Self::Wide {
        self.map(i32::from)
    }
}

impl<const N: usize> Outputs for [u8; N] {
    const COUNT: usize = N;
    type Wide = [i32; N];

    #[inline(always)]
    fn widen(self) -> Self::Wide {
        self.map(i32::from)
    }
}
