//! Weights in the target's order, read in their natural one: what a checksum is computed over.

#[cfg(not(host))]
use super::nibbles::NibbleSum;
use super::weights::{WeightSum, stored};
use super::weights_connected::ConnectedSum;
use super::{Chosen, Target};
#[cfg(not(host))]
use crate::nibbles::{Arrangement, filter_bytes};
use crate::{Checked, Checksum};

/// A layer's weights in flash.
pub trait Arranged {
    /// Adds the weights, of as many channels with as many weights each, in the order in which they were given,
    /// and compares with them what was made of them.
    fn add_weights(&self, shape: [usize; 2], sum: &mut Checksum);
}

/// Filters as `weights::blocked` arranges them.
#[allow(clippy::modulo_one)]
pub(super) fn add_blocked(
    weights: &[i8],
    [channels, taps]: [usize; 2],
    sums: &[WeightSum],
    sum: &mut Checksum,
) {
    const BLOCK: usize = Chosen::BLOCK;
    add_filters([channels, taps], sums, sum, |channel, tap| {
        let at = if channel < channels / BLOCK * BLOCK {
            channel / BLOCK * BLOCK * taps + tap * BLOCK + channel % BLOCK
        } else {
            channel * taps + tap
        };
        stored(weights.get(at).copied().unwrap_or(0))
    });
}

/// The rows of a fully connected layer as `weights_connected::connected` arranges them.
pub(super) fn add_connected(
    weights: &[i8],
    [outputs, inputs]: [usize; 2],
    sums: &[ConnectedSum],
    sum: &mut Checksum,
) {
    let group = const { if Chosen::GROUP == 0 { 1 } else { Chosen::GROUP } };
    let blocked = if const { Chosen::GROUP == 0 } { 0 } else { outputs / 4 * 4 };
    let grouped = inputs / group * group;
    add_filters([outputs, inputs], sums, sum, |output, input| {
        let at = if output >= blocked {
            output * inputs + input
        } else if input < grouped {
            output / 4 * 4 * inputs + (input / group * 4 + output % 4) * group + input % group
        } else {
            let row = output % 4 * (inputs - grouped) + input - grouped;
            output / 4 * 4 * inputs + 4 * grouped + row
        };
        weights.get(at).copied().unwrap_or(0)
    });
}

/// Weights of four bits as `PackedConvolution` arranges them.
#[cfg(not(host))]
#[allow(clippy::modulo_one)]
pub(super) fn add_packed(
    bytes: &[u8],
    [channels, taps]: [usize; 2],
    sums: &[NibbleSum],
    sum: &mut Checksum,
) {
    const BLOCK: usize = Chosen::BLOCK;
    const ORDER: Arrangement = Chosen::NIBBLES;
    let len = filter_bytes(taps);
    add_filters([channels, taps], sums, sum, |channel, tap| {
        let (byte, bits) = ORDER.place(tap);
        let at = if channel < channels / BLOCK * BLOCK {
            (channel / BLOCK * len + byte) * BLOCK + channel % BLOCK
        } else {
            channel * len + byte
        };
        ORDER.weight(bytes.get(at).copied().unwrap_or(0), bits)
    });
}

/// Weights of four bits as `PackedConnected` arranges them.
#[cfg(not(host))]
#[allow(clippy::modulo_one)]
pub(super) fn add_packed_rows(bytes: &[u8], [outputs, inputs]: [usize; 2], sum: &mut Checksum) {
    use super::nibbles::RUN;
    const ROWS: usize = Chosen::NIBBLE_ROWS;
    let len = filter_bytes(inputs);
    let blocked = outputs / ROWS * ROWS;
    add_filters([outputs, inputs], NO_SUMS, sum, |output, input| {
        let order = if output < blocked { Chosen::NIBBLES } else { Arrangement::NATURAL };
        let (byte, bits) = order.place(input);
        let at = if output < blocked {
            let row = output % ROWS;
            output / ROWS * ROWS * len + (byte / RUN * ROWS + row) * RUN + byte % RUN
        } else {
            output * len + byte
        };
        order.weight(bytes.get(at).copied().unwrap_or(0), bits)
    });
}

/// What lies beside weights that need no sums.
#[cfg(not(host))]
const NO_SUMS: &[NibbleSum] = &[];

/// All weights, and whether those of a channel have the sum that lies beside them, if one does.
#[inline(always)]
fn add_filters<S: Copy + Into<i32>, const N: usize>(
    [channels, taps]: [usize; 2],
    sums: &[[S; N]],
    sum: &mut Checksum,
    weight: impl Fn(usize, usize) -> i8,
) {
    for channel in 0..channels {
        let mut total = 0i32;
        for tap in 0..taps {
            let weight = weight(channel, tap);
            total = total.wrapping_add(weight.into());
            weight.add_to(sum);
        }
        let sums: &[S] = sums.get(channel).map_or(&[], |sums| sums);
        sum.agrees(sums.iter().all(|&sum| sum.into() == total));
    }
}
