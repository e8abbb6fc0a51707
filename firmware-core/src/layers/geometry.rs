//! Stride, dilation and padding as a type.

use core::marker::PhantomData;

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
    impl<G, const DH: usize, const DW: usize> Sealed for super::Dilated<G, DH, DW> {}
    impl<G, const VALUE: i32> Sealed for super::PaddedWith<G, VALUE> {}
}

/// How a layer's window moves over its input.
pub trait Geometry: sealed::Sealed {
    /// Rows and columns from one window to the next.
    const STRIDE: [usize; 2];
    /// Rows and columns from one tap of a window to the next.
    const DILATION: [usize; 2] = [1, 1];
    /// Rows and columns of padding: top, left, bottom, right, as in ONNX's `pads`.
    const PADDING: [usize; 4];
    /// What a convolution reads on the padding: 0, or the zero point of a model that has one.
    /// Poolings do not look at it.
    const PADDING_VALUE: i32 = 0;
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

/// `G` with `DH` rows and `DW` columns from one tap of a window to the next.
///
/// ```
/// use firmware_core::{Conv2d, Dilated, Shift, Unit};
/// static CONV: Conv2d<1, 1, 2, 1, Dilated<Unit, 1, 2>> =
///     Conv2d::new([[[[1], [-1]]]], [3], [Shift::new(0)]);
/// let mut y = [[[0xa5u8]; 2]];
/// CONV.forward(&[[[9u8], [4], [8], [7]]], &mut y);
/// assert_eq!(y, [[[4], [0]]]); // 9 - 8 + 3 and 4 - 7 + 3
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Dilated<G, const DH: usize, const DW: usize>(PhantomData<G>);

impl<G: Geometry, const DH: usize, const DW: usize> Geometry for Dilated<G, DH, DW> {
    const STRIDE: [usize; 2] = G::STRIDE;
    const DILATION: [usize; 2] = [DH, DW];
    const PADDING: [usize; 4] = G::PADDING;
    const PADDING_VALUE: i32 = G::PADDING_VALUE;
}

/// `G` with `VALUE` on the padding.
///
/// ```
/// use firmware_core::{Conv2d, PaddedWith, Shift, Strided};
/// type Geometry = PaddedWith<Strided<1, 1, 0, 1, 0, 0>, -5>;
/// static CONV: Conv2d<1, 1, 2, 1, Geometry> =
///     Conv2d::new([[[[2], [1]]]], [0], [Shift::new(0)]);
/// let mut y = [[[0xa5u8 as i8]; 2]];
/// CONV.forward(&[[[9i8], [4]]], &mut y);
/// assert_eq!(y, [[[-1], [22]]]); // 2 * -5 + 9 and 2 * 9 + 4
/// ```
///
/// ```compile_fail
/// use firmware_core::{Conv2d, PaddedWith, Shift, Strided};
/// type Geometry = PaddedWith<Strided<1, 1, 0, 1, 0, 0>, -5>;
/// static CONV: Conv2d<1, 1, 2, 1, Geometry> =
///     Conv2d::new([[[[2], [1]]]], [0], [Shift::new(0)]);
/// CONV.forward(&[[[9u8], [4]]], &mut [[[0i8]; 2]]); // no u8 is -5
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct PaddedWith<G, const VALUE: i32>(PhantomData<G>);

impl<G: Geometry, const VALUE: i32> Geometry for PaddedWith<G, VALUE> {
    const STRIDE: [usize; 2] = G::STRIDE;
    const DILATION: [usize; 2] = G::DILATION;
    const PADDING: [usize; 4] = G::PADDING;
    const PADDING_VALUE: i32 = VALUE;
}

/// Whether an activation of type `X` can be what lies on `G`'s padding.
pub(super) const fn padding_value_fits<G: Geometry, X: crate::Activation>() -> bool {
    let [low, high] = if X::UNSIGNED { [0, 255] } else { [-128, 127] };
    low <= G::PADDING_VALUE && G::PADDING_VALUE <= high
}
