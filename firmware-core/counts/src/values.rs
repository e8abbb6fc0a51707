//! What a case is computed on: random values, or every product at its extreme.

use firmware_core::{Activation, Checked, Clip, Multiplier, Requantize, Shift};

use crate::source::Source;
use crate::stored::Stored;

/// A requantization that can be made of a number of bits.
pub trait OfBits: Requantize + Checked {
    fn of_bits(bits: u8) -> Self;
}

impl OfBits for Shift {
    fn of_bits(bits: u8) -> Self {
        Self::new(bits)
    }
}

impl<const LOW: i32, const HIGH: i32> OfBits for Clip<LOW, HIGH> {
    fn of_bits(bits: u8) -> Self {
        Self::new(bits)
    }
}

impl OfBits for Multiplier {
    /// Nearly a shift by as many bits: as imported models have them from 1 to 10 bits and from 12 on.
    fn of_bits(bits: u8) -> Self {
        let mixed = i32::from(bits).wrapping_mul(0x2545_f491);
        let factor = 1 << 30 | (mixed & ((1 << 30) - 1));
        let bounds = if bits == 11 { [-100, 90] } else { [i8::MIN, i8::MAX] };
        Self::new(factor, -(bits as i8), (mixed >> 8) as i8, bounds)
    }
}

pub(crate) fn activation<X: Activation>(byte: u8) -> X {
    X::saturate(if X::MIN.to_i32() < 0 { i32::from(byte as i8) } else { i32::from(byte) })
}

/// What the values of a case are: random, or every product at its extreme.
#[derive(Clone, Copy)]
pub(crate) enum Values {
    Random,
    /// Every weight has the largest magnitude and this sign, every input the largest (or, for signed
    /// ones, the smallest) value.
    Extreme(i8, bool),
}

pub(crate) const ALL_VALUES: [Values; 5] = [
    Values::Random,
    Values::Extreme(-1, false),
    Values::Extreme(1, false),
    Values::Extreme(-1, true),
    Values::Extreme(1, true),
];

impl Values {
    #[inline(never)]
    pub(crate) fn input<X: Activation>(self, source: &mut Source, x: &mut [X]) {
        x.iter_mut().for_each(|x| *x = activation(source.byte()));
        if let Self::Extreme(_, least) = self {
            x.fill(X::saturate(if least { i32::MIN } else { i32::MAX }));
        }
    }

    #[inline(never)]
    pub(crate) fn weights<S: Stored>(self, source: &mut Source, weights: &mut [i8]) {
        source.weights(weights);
        match self {
            Self::Random if S::LARGEST == 127 => {}
            Self::Random => weights.iter_mut().for_each(|weight| *weight %= S::LARGEST + 1),
            // What others quantized may have -128.
            Self::Extreme(-1, _) if S::LARGEST == 127 => weights.fill(i8::MIN),
            Self::Extreme(sign, _) => weights.fill(sign * S::LARGEST),
        }
    }

    /// Biases, and requantizations under which not everything saturates.
    pub(crate) fn channels<R: OfBits, const N: usize>(
        self,
        source: &mut Source,
        seed: u64,
    ) -> ([i32; N], [R; N]) {
        let (mut biases, mut requantize) = ([0; N], [R::of_bits(15); N]);
        source.biases(&mut biases);
        if let Self::Random = self {
            shifts(source, (seed % 12) as u8, &mut requantize);
        }
        (biases, requantize)
    }
}

/// Requantizations by `least` to `least + 3` bits.
#[inline(never)]
fn shifts<R: OfBits>(source: &mut Source, least: u8, requantize: &mut [R]) {
    requantize.iter_mut().for_each(|requantize| *requantize = R::of_bits(source.shift(least)));
}
