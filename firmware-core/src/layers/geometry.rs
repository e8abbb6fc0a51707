//! Stride and padding as a type.

mod sealed {
    pub trait Sealed {}
    impl<
        const SH: usize,
        const SW: usize,
        const T: usize,
        const L: usize,
        const B: usize,
        const R: usize,
    > Sealed for super::Strided<SH, SW, T, L, B, R>
    {
    }
}

/// How a layer's window moves over its input.
pub trait Geometry: sealed::Sealed {
    /// Rows and columns from one window to the next.
    const STRIDE: [usize; 2];
    /// Rows and columns of padding: top, left, bottom, right, as in ONNX's `pads`.
    const PADDING: [usize; 4];
}

/// Strides `SH` (rows) and `SW` (columns); padding at the `TOP` and `LEFT` (default: none) and at
/// the `BOTTOM` and `RIGHT` (default: as much as at the top and left).
///
/// `Strided<2, 2>` moves by two pixels; `Strided<1, 1, 1, 1>` pads one pixel all around.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strided<
    const SH: usize,
    const SW: usize,
    const TOP: usize = 0,
    const LEFT: usize = 0,
    const BOTTOM: usize = TOP,
    const RIGHT: usize = LEFT,
>;

/// One pixel at a time, without padding.
pub type Unit = Strided<1, 1>;

impl<
    const SH: usize,
    const SW: usize,
    const T: usize,
    const L: usize,
    const B: usize,
    const R: usize,
> Geometry for Strided<SH, SW, T, L, B, R>
{
    const STRIDE: [usize; 2] = [SH, SW];
    const PADDING: [usize; 4] = [T, L, B, R];
}
