//! How a weight is stored.

mod sealed {
    pub trait Sealed {}
    impl Sealed for i8 {}
    impl Sealed for super::Offset {}
}

/// A stored weight. A model's weights are `i8`; a layer may store them differently for its
/// target, and the scalar kernels then read that form.
pub trait Weight: sealed::Sealed + Copy {
    /// The weight, -128..=127.
    fn to_i32(self) -> i32;
}

impl Weight for i8 {
    #[inline(always)]
    fn to_i32(self) -> i32 {
        i32::from(self)
    }
}

/// A weight plus 128, so that it is never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Offset(u8);

impl Offset {
    /// Stores `weight` with its offset.
    pub const fn new(weight: i8) -> Self {
        Self(weight as u8 ^ 0x80)
    }
}

impl Weight for Offset {
    #[inline(always)]
    fn to_i32(self) -> i32 {
        i32::from(self.0) - 128
    }
}
