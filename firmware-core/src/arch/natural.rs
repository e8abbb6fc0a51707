//! Weights in their natural order, multiplied with values as they are.

pub(crate) const fn arrange<const OC: usize, const KH: usize, const KW: usize, const IC: usize>(
    weights: [[[[i8; IC]; KW]; KH]; OC],
) -> [[[[i8; IC]; KW]; KH]; OC] {
    weights
}

/// Nothing needs the sum of a channel's weights.
#[cfg(any(kernels = "armv7em", kernels = "x86_64"))]
#[derive(Clone, Copy)]
pub(crate) struct WeightSum;

#[cfg(any(kernels = "armv7em", kernels = "x86_64"))]
pub(crate) const fn weight_sums<
    const OC: usize,
    const KH: usize,
    const KW: usize,
    const IC: usize,
>(
    _weights: &[[[[i8; IC]; KW]; KH]; OC],
) -> [WeightSum; OC] {
    [WeightSum; OC]
}

/// What to add to a channel's sums.
#[cfg(any(kernels = "armv7em", kernels = "x86_64"))]
#[allow(clippy::extra_unused_type_parameters)] // other targets need it
#[inline(always)]
pub(crate) fn correction<X: crate::Activation>(_: WeightSum) -> i32 {
    0
}
