//! The order of weights in a blob: kernels of different processors want different ones.

use crate::arch::{Chosen, Target, biased};

/// How the weights of a blob lie. A blob is made for one layout, because flash cannot be rearranged;
/// [`Layout::NATIVE`] is the one that this program takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Output channels of a convolution whose weights lie side by side, tap by tap; 1 is the natural
    /// order.
    pub block: u8,
    /// Zeros behind the last weight of a convolution, which kernels may load.
    pub tail: u8,
    /// Whether the sum of each output channel's weights stands in front of a convolution's weights:
    /// 0 or 1.
    pub sums: u8,
    /// Inputs of a fully connected layer of which the weights of four outputs lie side by side; 0 is
    /// the natural order.
    pub group: u8,
    /// Whether the weights of a convolution are 128 too large, as bytes without a sign: 0 or 1.
    pub biased: u8,
}

/// Every layout, by the name of the kernels that want it: see [`KERNELS`](crate::KERNELS).
pub const LAYOUTS: [(&str, Layout); 6] = [
    ("portable", Layout::PORTABLE),
    ("armv6m", Layout { biased: 1, ..Layout::PORTABLE }),
    ("armv7m", Layout { biased: 1, ..Layout::PORTABLE }),
    ("armv7em", Layout { tail: 3, group: 4, ..Layout::PORTABLE }),
    ("mve", Layout { sums: 1, group: 16, ..Layout::PORTABLE }),
    ("riscv32", Layout { block: 4, ..Layout::PORTABLE }),
];

impl Layout {
    /// The natural order of all weights, for hosts, browsers and whatever has no kernels of its own.
    pub const PORTABLE: Self = Self { block: 1, tail: 0, sums: 0, group: 0, biased: 0 };

    /// What the kernels of this program take.
    pub const NATIVE: Self = match Chosen::WIDE {
        [] => Self {
            block: Chosen::BLOCK as u8,
            tail: Chosen::TAIL as u8,
            sums: Chosen::WEIGHT_SUMS as u8,
            group: Chosen::GROUP as u8,
            biased: Chosen::BIASED as u8,
        },
        // Kernels with weights in several orders at once run on hosts, where a blob is portable.
        _ => Self::PORTABLE,
    };

    /// The layout that the kernels called `name` take; hosts' are portable.
    pub const fn of(name: &str) -> Option<Self> {
        const fn equal(a: &[u8], b: &[u8]) -> bool {
            let mut i = 0;
            while i < a.len() && i < b.len() && a[i] == b[i] {
                i += 1;
            }
            i == a.len() && i == b.len()
        }
        let mut i = 0;
        while i < LAYOUTS.len() {
            if equal(LAYOUTS[i].0.as_bytes(), name.as_bytes()) {
                return Some(LAYOUTS[i].1);
            }
            i += 1;
        }
        None
    }

    /// As it stands in a blob's header.
    pub const fn to_word(self) -> u32 {
        u32::from_le_bytes([self.block, self.tail, self.sums | self.biased << 1, self.group])
    }

    /// Puts the weights `[out][kernel row][kernel column][in]` of `channels` output channels into the
    /// order of this layout; `arranged` has as many elements as `weights`.
    pub fn arrange_convolution(&self, weights: &[i8], channels: usize, arranged: &mut [i8]) {
        let taps = weights.len() / channels.max(1);
        let block = usize::from(self.block).max(1);
        let blocked = channels / block * block;
        for (i, to) in arranged.iter_mut().enumerate() {
            let (first, tap, channel) =
                (i / (block * taps).max(1), i / block % taps.max(1), i % block);
            let from = match first * block < blocked {
                true => (first * block + channel) * taps + tap,
                false => i,
            };
            let weight = weights.get(from).copied().unwrap_or(0);
            *to = if self.biased != 0 { biased(weight) } else { weight };
        }
    }

    /// Puts the weights `[out][in]` of a fully connected layer into the order of this layout; `arranged`
    /// has as many elements as `weights`.
    pub fn arrange_connected(&self, weights: &[i8], outputs: usize, arranged: &mut [i8]) {
        let inputs = weights.len() / outputs.max(1);
        let group = usize::from(self.group);
        let grouped = inputs.checked_div(group).unwrap_or(0) * group;
        for (i, to) in arranged.iter_mut().enumerate() {
            let (block, at) = (i / (4 * inputs).max(1), i % (4 * inputs).max(1));
            let (output, input) = if group == 0 || 4 * block + 4 > outputs {
                (i / inputs.max(1) % 4, i % inputs.max(1))
            } else if at < 4 * grouped {
                (at / group % 4, at / (4 * group) * group + at % group)
            } else {
                let left = inputs - grouped;
                ((at - 4 * grouped) / left, grouped + (at - 4 * grouped) % left)
            };
            let from = (4 * block + output) * inputs + input;
            *to = weights.get(from).copied().unwrap_or(0);
        }
    }
}

// A blob is made on a host, which does not have these kernels: what they want must stand in the list.
const _: () = assert!(
    matches!((Layout::of(Chosen::NAME), Layout::NATIVE), (None, Layout::PORTABLE) | (Some(_), _))
        && match Layout::of(Chosen::NAME) {
            Some(known) => known.to_word() == Layout::NATIVE.to_word(),
            None => true,
        },
    "LAYOUTS must say in which order the kernels of this target want their weights"
);

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn portable_weights_stay_as_they_are() {
        let weights: Vec<i8> = (0..60).collect();
        let mut arranged = vec![0; 60];
        Layout::PORTABLE.arrange_convolution(&weights, 5, &mut arranged);
        assert_eq!(arranged, weights);
        Layout::PORTABLE.arrange_connected(&weights, 6, &mut arranged);
        assert_eq!(arranged, weights);
    }

    #[test]
    fn channels_of_a_block_lie_side_by_side() {
        let layout = Layout { block: 4, ..Layout::PORTABLE };
        let weights: Vec<i8> = (0..10).collect();
        let mut arranged = vec![0; 10];
        layout.arrange_convolution(&weights, 5, &mut arranged);
        assert_eq!(arranged, [0, 2, 4, 6, 1, 3, 5, 7, 8, 9]);
    }

    #[test]
    fn groups_of_four_outputs_lie_side_by_side() {
        let layout = Layout { group: 2, ..Layout::PORTABLE };
        let weights: Vec<i8> = (0..15).collect();
        let mut arranged = vec![0; 15];
        layout.arrange_connected(&weights, 5, &mut arranged);
        assert_eq!(arranged, [0, 1, 3, 4, 6, 7, 9, 10, 2, 5, 8, 11, 12, 13, 14]);
    }
}
