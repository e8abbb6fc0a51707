//! A depthwise convolution's weights, which lie as they are written: channels side by side.

use super::arranged::Arranged;
use super::storage::DepthwiseStorage;
use crate::{Checked, Checksum};

/// The weights of a depthwise convolution.
pub struct DepthwiseWeights<const OC: usize, const KH: usize, const KW: usize>(
    pub(crate) [[[i8; OC]; KW]; KH],
);

impl<const OC: usize, const KH: usize, const KW: usize> DepthwiseStorage
    for DepthwiseWeights<OC, KH, KW>
{
    type Unpacked<'a> = &'a [i8];

    #[inline(always)]
    fn unpacked(&self) -> &[i8] {
        self.0.as_flattened().as_flattened()
    }
}

impl<const OC: usize, const KH: usize, const KW: usize> Arranged for DepthwiseWeights<OC, KH, KW> {
    fn add_weights(&self, _: [usize; 2], sum: &mut Checksum) {
        self.0.add_to(sum);
    }
}
