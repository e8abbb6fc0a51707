//! What layers do to sums: requantization, of one sum and of several at a time, and sums of scaled values,
//! against their definitions, on values from a seed.

use firmware_core::kernels::Combine;
use firmware_core::{
    Activation, AffineAdd, Clip, Conv2d, DepthwiseConv2d, Elementwise, Multiplier, Requantize,
    Shift, Term, Unit,
};

use crate::compare::must_match;
use crate::source::Source;
use crate::values::activation;

/// The division by a power of two against its definition, at every number of bits.
#[inline(never)]
pub fn division(seed: u64) {
    let mut source = Source::new(seed);
    let extremes = [i32::MIN, i32::MIN + 1, -1, 0, 1, i32::MAX - 1, i32::MAX];
    for bits in 0..=31 {
        let divisor = 1i64 << bits;
        for number in 0..64 {
            // Random ones, of which some are halves and some of those beside them.
            let random = source.word() as i32;
            let half = (random >> bits << bits).wrapping_add((divisor / 2) as i32);
            let value = match number % 4 {
                0 => random,
                1 => half,
                2 => half.wrapping_add(random % 2),
                _ => extremes[number / 4 % extremes.len()],
            };
            let (floor, rest) =
                (i64::from(value).div_euclid(divisor), i64::from(value).rem_euclid(divisor));
            let up = 2 * rest > divisor || (2 * rest == divisor && floor % 2 != 0);
            let want = (floor + i64::from(up)) as i32;
            must_match(
                &[Shift::new(bits).apply(value)],
                &[want],
                "division by a power of two",
                &[usize::from(bits)],
            );
        }
    }
}

/// Several requantizations at a time against one after the other: each with its own accumulator, and one
/// for all of them.
#[inline(never)]
pub fn requantizations(seed: u64) {
    let mut source = Source::new(seed);
    for bits in 0..=31 {
        let around = |source: &mut Source| around(source, bits);
        let shift = |source: &mut Source| (source.word() % 32) as u8;
        for_all(&mut source, |_| Shift::new(bits as u8), around);
        for_all(&mut source, |source| Shift::new(shift(source)), around);
        for_all(&mut source, |source| Clip::<-5, 96>::new(shift(source)), around);
        for_all(&mut source, |source| multiplier(source, -bits), around);
        // A multiplication shifts left no further than the accumulator fits.
        let small = |source: &mut Source| source.word() as i32 >> (bits + 1).min(31);
        for_all(&mut source, |source| multiplier(source, bits.min(30)), small);
    }
}

/// A number: a half of 2^`bits`, what lies beside one, or another one.
fn around(source: &mut Source, bits: i32) -> i32 {
    let random = source.word() as i32 >> (source.word() % 32);
    let half = (random >> bits << bits).wrapping_add(((1u64 << bits) / 2) as i32);
    [random, half, half.wrapping_add(1), half.wrapping_sub(1), i32::MIN, i32::MAX]
        [(source.word() % 6) as usize]
}

fn multiplier(source: &mut Source, exponent: i32) -> Multiplier {
    let (a, b) = (source.byte() as i8, source.byte() as i8);
    let (factor, zero) = ((source.word() >> 1) as i32, source.byte() as i8);
    Multiplier::new(factor, exponent as i8, zero, [a.min(b), a.max(b)])
}

fn for_all<R: Requantize>(
    source: &mut Source,
    mut requantization: impl FnMut(&mut Source) -> R,
    mut accumulator: impl FnMut(&mut Source) -> i32,
) {
    const MOST: usize = 21;
    let all = [(); MOST].map(|()| requantization(source));
    let accumulators = [(); MOST].map(|()| accumulator(source));
    for count in [1, 3, 4, 7, 16, MOST] {
        several::<R, u8>(&all[..count], &accumulators[..count]);
        several::<R, i8>(&all[..count], &accumulators[..count]);
        several::<R, i8>(&all[..1], &accumulators[..count]);
    }
}

/// Convolutions that make their outputs of biases of all sizes alone, with every exponent, against one after the
/// other: what kernels do that requantize several sums.
#[inline(never)]
pub fn multiplied_biases(seed: u64) {
    const CHANNELS: usize = 24;
    let mut source = Source::new(seed);
    for bits in 1..=31i8 {
        let biases = [(); CHANNELS].map(|()| around(&mut source, bits.into()));
        let plain = [(); CHANNELS].map(|()| {
            let factor = match source.word() % 8 {
                0 => 1 << 30,
                1 => i32::MAX,
                _ => (source.word() >> 2) as i32 | 1 << 30,
            };
            Multiplier::new(factor, -bits, source.byte() as i8, [i8::MIN, i8::MAX])
        });
        // One that is not like the others.
        let mut other = plain;
        other[(source.word() % CHANNELS as u32) as usize] = multiplier(&mut source, 0);
        for multipliers in [plain, other] {
            let mut want = [0i8; CHANNELS];
            for (want, (bias, multiplier)) in want.iter_mut().zip(biases.iter().zip(&multipliers)) {
                *want = i8::saturate(multiplier.apply(*bias));
            }
            let mut got = [[[-91i8; CHANNELS]; 3]; 2];
            let layer =
                Conv2d::<CHANNELS, 1, 1, 1, Unit, _>::new([[[[1]]]; CHANNELS], biases, multipliers);
            layer.forward(&[[[0i8]; 3]; 2], &mut got);
            for got in got.as_flattened() {
                must_match(got, &want, "multiplied biases", &[bits as usize]);
            }
            let mut got = [[[-91i8; CHANNELS]; 3]; 3];
            let weights = [[[1; CHANNELS]; 3]; 3];
            let layer =
                DepthwiseConv2d::<CHANNELS, 3, 3, Unit, _>::new(weights, biases, multipliers);
            layer.forward(&[[[0i8; CHANNELS]; 5]; 5], &mut got);
            for got in got.as_flattened() {
                must_match(got, &want, "multiplied biases, depthwise", &[bits as usize]);
            }
        }
    }
}

fn several<R: Requantize, Y: Activation>(all: &[R], accumulators: &[i32]) {
    let (mut got, mut want) = ([activation::<Y>(0xa5); 21], [activation::<Y>(0xa5); 21]);
    R::apply_all(all, accumulators, &mut got[..accumulators.len()]);
    for (n, (want, accumulator)) in want.iter_mut().zip(accumulators).enumerate() {
        let requantize = all[if all.len() == 1 { 0 } else { n }];
        *want = Y::saturate(requantize.apply(*accumulator));
    }
    must_match(&got, &want, "requantization of several", &[all.len(), accumulators.len()]);
}

/// Sums of scaled values, several at a time, against one after the other; with `B`'s values repeated, and in
/// the place of the first.
#[inline(never)]
pub fn scaled_sums<A: Activation, B: Activation>(seed: u64) {
    const COUNT: usize = 141;
    let mut source = Source::new(seed);
    for round in 0..32 {
        let term = |source: &mut Source, unsigned: bool, exact: bool| {
            let zero = i16::from(source.byte() as i8) + if unsigned { 128 } else { 0 };
            let other = Term::new((source.word() >> 1) as i32, -((source.word() % 32) as i8), zero);
            if exact { Term::new(1 << 30, 0, zero) } else { other }
        };
        // The factor of the larger scale is one half.
        let exact = [round % 4 == 1 || round % 4 == 3, round % 4 >= 2];
        let first = term(&mut source, A::UNSIGNED, exact[0]);
        let terms = [first, term(&mut source, B::UNSIGNED, exact[1])];
        let exponent = -((source.word() % 26) as i32);
        let function = AffineAdd::new(terms, multiplier(&mut source, exponent));
        let a = [(); COUNT].map(|()| activation::<A>(source.byte()));
        let b = [(); COUNT].map(|()| activation::<B>(source.byte()));
        let (mut got, mut want) = ([activation::<A>(0xa5); COUNT], [activation::<A>(0xa5); COUNT]);
        for (want, (a, b)) in want.iter_mut().zip(a.iter().zip(&b)) {
            *want = A::saturate(function.combine(a.to_i32(), b.to_i32()));
        }
        let layer = Elementwise::new(function);
        layer.forward(&[[a]], &[[b]], core::array::from_mut(core::array::from_mut(&mut got)));
        must_match(&got, &want, "sums of scaled values", &[COUNT]);
        let mut got = a;
        layer.forward_in_place(&[[b]], core::array::from_mut(core::array::from_mut(&mut got)));
        must_match(&got, &want, "sums of scaled values in place", &[COUNT]);
        // One pixel of three values for all.
        let a = [[a[0], a[1], a[2]], [a[3], a[4], a[5]]];
        let mut got = [[activation::<A>(0xa5); 3]; 2];
        layer.forward(&[a], &[[[b[0], b[1], b[2]]]], core::array::from_mut(&mut got));
        let want = a.map(|a| {
            [0, 1, 2].map(|n| A::saturate(function.combine(a[n].to_i32(), b[n].to_i32())))
        });
        must_match(got.as_flattened(), want.as_flattened(), "sums of scaled pixels", &[3]);
    }
}
