//! Convolutions of 3 x 3 whose weights may be transformed, in tiles of 2 x 2 outputs.

#![cfg(not(miri))]

use firmware_core::{Activation, Clip, Multiplier, PaddedWith, Requantize, Shift, Strided, Unit};

use crate::convolutions::{conv2d, requantized};
use crate::{Source, on_every_processor};

type Same = Strided<1, 1, 1, 1, 1, 1>;

/// Rows and columns of tiles that fill vectors and that do not, odd numbers of outputs, of which the last tiles have
/// only one row or column, and numbers of channels that are and that are no multiples of what is computed together.
#[test]
fn tiles() {
    on_every_processor(|| {
        conv2d::<u8, 12, 3, 3, 8, Unit, 26, 26, 24, 24, 12, 12>(200);
        conv2d::<u8, 16, 3, 3, 12, Unit, 12, 12, 10, 10, 5, 5>(201);
        conv2d::<i8, 16, 3, 3, 16, Unit, 10, 10, 8, 8, 4, 4>(202);
        conv2d::<i8, 4, 3, 3, 8, Unit, 7, 8, 5, 6, 2, 3>(203);
        conv2d::<u8, 20, 3, 3, 10, Unit, 5, 9, 3, 7, 1, 3>(204);
        conv2d::<u8, 8, 3, 3, 14, Unit, 9, 19, 7, 17, 3, 8>(205);
        conv2d::<u8, 28, 3, 3, 8, Unit, 13, 13, 11, 11, 5, 5>(206);
        conv2d::<i8, 24, 3, 3, 18, Unit, 6, 15, 4, 13, 2, 6>(207);
        conv2d::<u8, 40, 3, 3, 22, Unit, 4, 16, 2, 14, 1, 7>(208);
        conv2d::<u8, 4, 3, 3, 8, Unit, 40, 9, 38, 7, 19, 3>(209);
        conv2d::<u8, 4, 3, 3, 8, Unit, 4, 130, 2, 128, 1, 64>(210);
        conv2d::<u8, 4, 3, 3, 8, Unit, 5, 132, 3, 130, 1, 65>(211);
        conv2d::<u8, 6, 3, 3, 8, Unit, 10, 10, 8, 8, 4, 4>(212);
        conv2d::<u8, 9, 3, 3, 8, Unit, 10, 10, 8, 8, 4, 4>(213);
        conv2d::<u8, 8, 3, 3, 9, Unit, 10, 10, 8, 8, 4, 4>(214);
        conv2d::<u8, 8, 3, 3, 6, Unit, 10, 10, 8, 8, 4, 4>(215);
        conv2d::<u8, 8, 3, 3, 8, Unit, 6, 6, 4, 4, 2, 2>(216);
    });
}

/// Padding on all sides and on some, with zeros and with others.
#[test]
fn padded_tiles() {
    on_every_processor(|| {
        conv2d::<u8, 16, 3, 3, 16, Same, 20, 18, 20, 18, 10, 9>(220);
        conv2d::<u8, 20, 3, 3, 64, Same, 8, 8, 8, 8, 4, 4>(221);
        conv2d::<u8, 16, 3, 3, 32, PaddedWith<Same, 255>, 16, 16, 16, 16, 8, 8>(222);
        conv2d::<i8, 36, 3, 3, 16, PaddedWith<Same, -128>, 9, 7, 9, 7, 4, 3>(223);
        conv2d::<i8, 8, 3, 3, 8, PaddedWith<Strided<1, 1, 0, 2, 1, 0>, 77>, 7, 9, 6, 9, 3, 4>(224);
        conv2d::<u8, 12, 3, 3, 20, Strided<1, 1, 2, 0, 2, 0>, 3, 11, 5, 9, 2, 4>(225);
        conv2d::<u8, 4, 3, 3, 64, Same, 33, 6, 33, 6, 16, 3>(226);
        conv2d::<u8, 4, 3, 3, 64, Same, 6, 33, 6, 33, 3, 16>(227);
        conv2d::<u8, 4, 3, 3, 66, Same, 7, 7, 7, 7, 3, 3>(228);
        conv2d::<u8, 8, 3, 3, 8, Strided<2, 2, 1, 1, 1, 1>, 16, 16, 8, 8, 4, 4>(229);
        conv2d::<u8, 4, 3, 3, 64, Same, 3, 100, 3, 100, 1, 50>(230);
    });
}

/// Activations and weights that are all as large as they may be, or of either sign in the patterns that make the
/// transformed ones largest.
#[test]
fn extreme_tiles() {
    fn extreme<X: Activation>(low: i32, high: i32) {
        let value = |bit: usize| X::saturate(if bit & 1 == 1 { high } else { low });
        let weight = |bit: usize| if bit & 1 == 1 { 127 } else { -128 };
        for pattern in 0..16 {
            let [rows, columns, depths, signs] = [0, 1, 2, 3].map(|bit| pattern >> bit & 1);
            let mut x = [[[value(0); 8]; 11]; 8];
            let mut weights = [[[[0i8; 8]; 3]; 3]; 12];
            for (n, value_at) in x.as_flattened_mut().as_flattened_mut().iter_mut().enumerate() {
                *value_at = value(n / 88 / 2 * rows + n / 8 % 11 / 2 * columns + n * depths);
            }
            let all = weights.as_flattened_mut().as_flattened_mut().as_flattened_mut();
            for (n, weight_at) in all.iter_mut().enumerate() {
                *weight_at = weight(n / 24 * rows + n / 8 * columns + n * depths + n / 72 + signs);
            }
            let shifts = [0, 9, 12, 15, 10, 1, 14, 13, 11, 8, 2, 6].map(Shift::new);
            requantized::<X, u8, _, 12, 3, 3, 8, Unit, 8, 11, 6, 9, 3, 4>(
                x, weights, [0; 12], shifts,
            );
            type Padded = PaddedWith<Same, 127>;
            requantized::<X, i8, _, 12, 3, 3, 8, Padded, 8, 11, 8, 11, 4, 5>(
                x, weights, [0; 12], shifts,
            );
        }
    }
    on_every_processor(|| {
        extreme::<u8>(0, 255);
        extreme::<i8>(-128, 127);
        extreme::<u8>(255, 255);
        extreme::<i8>(-128, -128);
    });
}

/// Shifts that are clipped or too far for the vectors' rounding, large biases, and multipliers.
#[test]
fn requantized_tiles() {
    on_every_processor(|| {
        let source = &mut Source(240);
        let x = [(); 7].map(|()| [(); 10].map(|()| source.activations::<u8, 8>()));
        let weights = [(); 12].map(|()| [(); 3].map(|()| [(); 3].map(|()| source.bytes())));
        let (small, shifts) = source.channels::<12>();
        let mut large = small;
        large[3] = 1 << 30;
        large[7] = -(1 << 30);
        for bias in [small, large] {
            all(x, weights, bias, shifts);
            all(x, weights, bias, [0, 1, 10, 29, 30, 31, 8, 9, 5, 2, 12, 28].map(Shift::new));
            all(x, weights, bias, shifts.map(|shift| Clip::<3, 90>::new(shift.bits())));
            let multiplier = |shift: Shift| {
                Multiplier::new((1 << 30) + 12_345, -(shift.bits() as i8), -5, [-100, 120])
            };
            all(x, weights, bias, shifts.map(multiplier));
        }
    });

    fn all<R: Requantize>(
        x: [[[u8; 8]; 10]; 7],
        weights: [[[[i8; 8]; 3]; 3]; 12],
        bias: [i32; 12],
        requantize: [R; 12],
    ) {
        requantized::<_, u8, _, 12, 3, 3, 8, Unit, 7, 10, 5, 8, 2, 4>(x, weights, bias, requantize);
        requantized::<_, i8, _, 12, 3, 3, 8, Same, 7, 10, 7, 10, 3, 5>(
            x, weights, bias, requantize,
        );
    }
}
