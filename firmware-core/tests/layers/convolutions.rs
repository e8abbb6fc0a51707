//! Convolutions, alone and fused with max pooling.

use firmware_core::kernels::{self, Conv2dShape, Pool2dShape};
use firmware_core::layers::Geometry;
use firmware_core::{
    Activation, Conv2d, Dilated, MaxPool2d, PaddedWith, Requantize, Shift, Strided, Unit, Window,
};

use crate::{Source, on_every_processor, untouched};

/// A convolution alone, its accumulators, and fused with a pooling of 2 x 2.
pub(crate) fn conv2d<
    X: Activation,
    const OC: usize,
    const KH: usize,
    const KW: usize,
    const IC: usize,
    G: Geometry,
    const IH: usize,
    const IW: usize,
    const OH: usize,
    const OW: usize,
    const PH: usize,
    const PW: usize,
>(
    seed: u64,
) {
    let source = &mut Source(seed);
    let x: [[[X; IC]; IW]; IH] = [(); IH].map(|()| [(); IW].map(|()| source.activations()));
    let weights = [(); OC].map(|()| [(); KH].map(|()| [(); KW].map(|()| source.bytes())));
    check_conv2d::<X, OC, KH, KW, IC, G, IH, IW, OH, OW, PH, PW>(source, x, weights);
}

/// The same with bright pixels and weights of which few are large, so that sums of pairs of products are just
/// below 2^15 or above.
#[cfg(not(miri))]
fn bright_conv2d<
    const OC: usize,
    const KH: usize,
    const KW: usize,
    const IC: usize,
    const IH: usize,
    const IW: usize,
    const OH: usize,
    const OW: usize,
    const PH: usize,
    const PW: usize,
>(
    seed: u64,
) {
    let source = &mut Source(seed);
    let bright = |x: u8| x.saturating_mul(2);
    let mild = |weight: i8| if weight % 32 == 0 { weight } else { weight / 3 };
    let x = [(); IH].map(|()| [(); IW].map(|()| source.activations().map(bright)));
    let weights = [(); OC].map(|()| [(); KH].map(|()| [(); KW].map(|()| source.bytes().map(mild))));
    check_conv2d::<u8, OC, KH, KW, IC, Unit, IH, IW, OH, OW, PH, PW>(source, x, weights);
}

fn check_conv2d<
    X: Activation,
    const OC: usize,
    const KH: usize,
    const KW: usize,
    const IC: usize,
    G: Geometry,
    const IH: usize,
    const IW: usize,
    const OH: usize,
    const OW: usize,
    const PH: usize,
    const PW: usize,
>(
    source: &mut Source,
    x: [[[X; IC]; IW]; IH],
    weights: [[[[i8; IC]; KW]; KH]; OC],
) {
    let (bias, shifts) = source.channels::<OC>();
    let shape = Conv2dShape::of::<G>([IH, IW, IC], [OH, OW, OC], [KH, KW]);
    let mut y = [[[-7; OC]; OW]; OH];
    let mut want = vec![0; OH * OW * OC];
    Conv2d::<OC, KH, KW, IC, G>::new(weights, bias, shifts).accumulate(&x, &mut y);
    let flat = weights.as_flattened().as_flattened().as_flattened();
    kernels::conv2d_accumulate(&shape, x.as_flattened().as_flattened(), flat, &bias, &mut want);
    assert_eq!(y.as_flattened().as_flattened(), want);
    requantized::<X, u8, _, OC, KH, KW, IC, G, IH, IW, OH, OW, PH, PW>(x, weights, bias, shifts);
    requantized::<X, i8, _, OC, KH, KW, IC, G, IH, IW, OH, OW, PH, PW>(x, weights, bias, shifts);
}

/// The outputs of a convolution alone, and fused with a pooling of 2 x 2.
pub(crate) fn requantized<
    X: Activation,
    Y: Activation + PartialEq + core::fmt::Debug,
    R: Requantize,
    const OC: usize,
    const KH: usize,
    const KW: usize,
    const IC: usize,
    G: Geometry,
    const IH: usize,
    const IW: usize,
    const OH: usize,
    const OW: usize,
    const PH: usize,
    const PW: usize,
>(
    x: [[[X; IC]; IW]; IH],
    weights: [[[[i8; IC]; KW]; KH]; OC],
    bias: [i32; OC],
    requantize: [R; OC],
) {
    let layer = Conv2d::<OC, KH, KW, IC, G, R>::new(weights, bias, requantize);
    let shape = Conv2dShape::of::<G>([IH, IW, IC], [OH, OW, OC], [KH, KW]);
    let flat = weights.as_flattened().as_flattened().as_flattened();
    let input = x.as_flattened().as_flattened();

    let mut y = [[[untouched::<Y>(); OC]; OW]; OH];
    let mut want = vec![untouched::<Y>(); OH * OW * OC];
    layer.forward(&x, &mut y);
    kernels::conv2d(&shape, input, flat, &bias, &requantize, &mut want);
    assert_eq!(y.as_flattened().as_flattened(), want);

    let mut y = [[[untouched::<Y>(); OC]; PW]; PH];
    let mut want = vec![untouched::<Y>(); PH * PW * OC];
    layer.forward_max_pool2d(&MaxPool2d::<2, 2>::new(), &x, &mut y);
    let window = Window::tiling([2, 2]);
    let pool = Pool2dShape { input: [OH, OW, OC], output: [PH, PW, OC], window };
    kernels::conv2d_max_pool2d(&shape, &pool, input, flat, &bias, &requantize, &mut want);
    assert_eq!(y.as_flattened().as_flattened(), want);
}

#[test]
fn convolutions() {
    on_every_processor(|| {
        conv2d::<u8, 3, 3, 3, 3, Unit, 5, 6, 3, 4, 1, 2>(1);
        conv2d::<i8, 5, 2, 3, 1, Unit, 4, 5, 3, 3, 1, 1>(2);
        conv2d::<u8, 4, 1, 1, 7, Unit, 2, 3, 2, 3, 1, 1>(3);
        conv2d::<u8, 6, 3, 3, 3, Strided<1, 1, 1, 1>, 3, 4, 3, 4, 1, 2>(4);
        conv2d::<i8, 9, 3, 2, 5, Strided<2, 1, 1, 0, 1, 1>, 5, 3, 3, 3, 1, 1>(5);
        conv2d::<u8, 3, 2, 2, 3, Dilated<Unit, 2, 3>, 5, 6, 3, 3, 1, 1>(6);
        type Padded = PaddedWith<Dilated<Strided<1, 1, 2, 2>, 2, 2>, -9>;
        conv2d::<i8, 2, 3, 3, 3, Padded, 4, 3, 4, 3, 2, 1>(7);
    });
}

/// Pooled rows of eight columns and more: kernel rows that share words and that do not, rows and columns that are
/// computed twice, and what is left over of weights that are not gentle.
#[cfg(not(miri))]
#[test]
fn pooled_columns() {
    on_every_processor(|| {
        conv2d::<u8, 10, 5, 5, 1, Unit, 28, 28, 24, 24, 12, 12>(60);
        conv2d::<u8, 7, 5, 5, 1, Unit, 15, 15, 11, 11, 5, 5>(61);
        conv2d::<u8, 6, 3, 3, 6, Unit, 9, 12, 7, 10, 3, 5>(62);
        conv2d::<i8, 5, 3, 3, 2, Unit, 8, 13, 6, 11, 3, 5>(63);
        conv2d::<u8, 3, 4, 3, 3, Unit, 9, 11, 6, 9, 3, 4>(64);
        conv2d::<u8, 8, 2, 3, 8, Unit, 6, 10, 5, 8, 2, 4>(65);
        conv2d::<u8, 4, 3, 3, 1, Unit, 8, 12, 6, 10, 3, 5>(66);
        conv2d::<u8, 4, 2, 3, 16, Unit, 6, 10, 5, 8, 2, 4>(67);
        for seed in 70..80 {
            bright_conv2d::<10, 5, 5, 1, 28, 28, 24, 24, 12, 12>(seed);
            bright_conv2d::<20, 5, 5, 10, 12, 12, 8, 8, 4, 4>(seed);
            bright_conv2d::<6, 3, 3, 8, 9, 12, 7, 10, 3, 5>(seed);
            bright_conv2d::<2, 2, 4, 3, 7, 15, 6, 12, 3, 6>(seed);
        }
    });
}

/// Rows of pooled columns of which all that windows cover is 32 bytes, or just more; and every number of channels that
/// is stored as whole pixels, and one more.
#[cfg(not(miri))]
#[test]
fn pooled_columns_of_few_words() {
    on_every_processor(|| {
        conv2d::<u8, 1, 5, 5, 1, Unit, 10, 12, 6, 8, 3, 4>(200);
        conv2d::<u8, 2, 3, 3, 1, Unit, 8, 10, 6, 8, 3, 4>(201);
        conv2d::<u8, 3, 3, 3, 3, Unit, 11, 13, 9, 11, 4, 5>(202);
        conv2d::<u8, 4, 2, 1, 4, Unit, 9, 9, 8, 9, 4, 4>(203);
        conv2d::<u8, 5, 2, 2, 4, Unit, 9, 9, 8, 8, 4, 4>(204);
        conv2d::<u8, 6, 3, 8, 2, Unit, 8, 15, 6, 8, 3, 4>(205);
        conv2d::<u8, 7, 3, 9, 2, Unit, 8, 16, 6, 8, 3, 4>(206);
        conv2d::<u8, 8, 4, 16, 1, Unit, 9, 24, 6, 9, 3, 4>(207);
        conv2d::<u8, 9, 4, 13, 1, Unit, 9, 20, 6, 8, 3, 4>(208);
        conv2d::<u8, 10, 3, 14, 1, Unit, 8, 21, 6, 8, 3, 4>(209);
        conv2d::<u8, 11, 6, 9, 1, Unit, 11, 18, 6, 10, 3, 5>(210);
        conv2d::<u8, 12, 7, 6, 1, Unit, 13, 14, 7, 9, 3, 4>(211);
        conv2d::<u8, 13, 5, 2, 1, Unit, 11, 9, 7, 8, 3, 4>(212);
        conv2d::<u8, 14, 4, 1, 1, Unit, 9, 8, 6, 8, 3, 4>(213);
        conv2d::<u8, 15, 5, 5, 1, Unit, 21, 17, 17, 13, 8, 6>(214);
        conv2d::<u8, 16, 3, 3, 1, Unit, 28, 28, 26, 26, 13, 13>(215);
        conv2d::<u8, 17, 5, 5, 1, Unit, 12, 12, 8, 8, 4, 4>(216);
        conv2d::<u8, 8, 7, 7, 1, Unit, 16, 18, 10, 12, 5, 6>(217);
        conv2d::<u8, 6, 4, 5, 2, Unit, 9, 12, 6, 8, 3, 4>(218);
        conv2d::<i8, 10, 5, 5, 1, Unit, 12, 12, 8, 8, 4, 4>(219);
    });
}

/// Shapes that fill vectors, channels and pixels that do not, kernel rows that are no whole groups of taps,
/// and inputs of which not all rows fit a strip.
#[cfg(not(miri))]
#[test]
fn wide_convolutions() {
    type Same = Strided<1, 1, 1, 1>;
    on_every_processor(|| {
        conv2d::<u8, 16, 3, 3, 16, Same, 9, 8, 9, 8, 4, 4>(40);
        conv2d::<i8, 16, 3, 3, 5, Same, 5, 7, 5, 7, 2, 3>(41);
        conv2d::<u8, 8, 3, 3, 3, Strided<2, 2, 0, 0, 1, 1>, 12, 10, 6, 5, 3, 2>(42);
        conv2d::<u8, 33, 1, 1, 20, Unit, 5, 5, 5, 5, 2, 2>(43);
        conv2d::<u8, 23, 1, 1, 7, Strided<2, 2>, 7, 9, 4, 5, 2, 2>(44);
        conv2d::<i8, 40, 2, 5, 3, Strided<1, 2, 1, 2, 0, 1>, 6, 9, 6, 4, 3, 2>(45);
        conv2d::<u8, 64, 1, 1, 64, Unit, 3, 3, 3, 3, 1, 1>(46);
        conv2d::<u8, 12, 3, 3, 6, Dilated<Same, 2, 1>, 8, 6, 6, 6, 3, 3>(47);
        type Padded = PaddedWith<Strided<1, 1, 2, 1, 1, 2>, 77>;
        conv2d::<u8, 19, 4, 4, 4, Padded, 6, 6, 6, 6, 3, 3>(48);
        type Negative = PaddedWith<Same, -128>;
        conv2d::<i8, 17, 3, 3, 8, Negative, 4, 5, 4, 5, 2, 2>(49);
        conv2d::<u8, 9, 3, 3, 40, Same, 40, 36, 40, 36, 20, 18>(50);
        conv2d::<u8, 9, 1, 3, 13, Unit, 3, 1001, 3, 999, 1, 499>(51);
    });
}

/// Eight channels, of which two pixels fill a vector: rows of eight pixels and more that do not come out even,
/// windows of one word to a row and of several, with padding and without, and rows that are too short.
#[cfg(not(miri))]
#[test]
fn convolutions_of_eight_channels() {
    type Same = Strided<1, 1, 1, 1>;
    on_every_processor(|| {
        conv2d::<u8, 8, 3, 3, 1, Unit, 28, 28, 26, 26, 13, 13>(80);
        conv2d::<u8, 8, 3, 3, 1, Same, 5, 9, 5, 9, 2, 4>(81);
        conv2d::<u8, 8, 2, 3, 1, Unit, 3, 25, 2, 23, 1, 11>(82);
        conv2d::<u8, 8, 3, 3, 3, Strided<2, 2, 0, 0, 1, 1>, 8, 34, 4, 17, 2, 8>(83);
        conv2d::<i8, 8, 3, 3, 3, Same, 4, 9, 4, 9, 2, 4>(84);
        conv2d::<u8, 8, 5, 5, 1, PaddedWith<Strided<1, 2, 2, 2, 2, 2>, 99>, 5, 33, 5, 17, 2, 8>(85);
        conv2d::<u8, 8, 1, 1, 4, Unit, 3, 11, 3, 11, 1, 5>(86);
        conv2d::<u8, 8, 3, 3, 8, Same, 4, 16, 4, 16, 2, 8>(87);
        conv2d::<u8, 8, 5, 5, 7, Unit, 6, 13, 2, 9, 1, 4>(88);
        conv2d::<u8, 8, 3, 3, 2, Dilated<Same, 2, 1>, 5, 10, 3, 10, 1, 5>(89);
        conv2d::<u8, 8, 3, 2, 1, Unit, 5, 8, 3, 7, 1, 3>(90);
    });
}

/// Sums of many products in few channels, over rows that end before, behind and between blocks of pixels.
#[cfg(not(miri))]
#[test]
fn long_sums() {
    type Same = Strided<1, 1, 1, 1>;
    on_every_processor(|| {
        conv2d::<u8, 16, 3, 3, 12, Unit, 12, 12, 10, 10, 5, 5>(100);
        conv2d::<u8, 12, 3, 3, 9, Same, 6, 11, 6, 11, 3, 5>(101);
        conv2d::<u8, 9, 4, 5, 5, Unit, 9, 12, 6, 8, 3, 4>(102);
        conv2d::<u8, 16, 5, 5, 4, Same, 9, 5, 7, 3, 3, 1>(103);
        conv2d::<i8, 13, 3, 3, 11, Same, 3, 17, 3, 17, 1, 8>(104);
        conv2d::<u8, 24, 3, 3, 16, Same, 5, 9, 5, 9, 2, 4>(105);
        conv2d::<u8, 16, 1, 1, 96, Unit, 4, 7, 4, 7, 2, 3>(106);
    });
}

/// Sums that the vectors' rounding may not take, beside those that it may, and ties.
#[test]
fn far_shifts_and_large_biases() {
    const BIAS: [i32; 9] = [0, 1 << 9, -(1 << 9), 3 << 9, 1 << 30, -(1 << 30), 1 << 29, 5, -5];
    on_every_processor(|| {
        let source = &mut Source(51);
        let weights: [[[[i8; 2]; 3]; 3]; 9] =
            [(); 9].map(|()| [(); 3].map(|()| [(); 3].map(|()| source.bytes())));
        // Nothing but the biases where the image is black.
        let mut x = [[[0u8; 2]; 5]; 4];
        x[3] = [(); 5].map(|()| source.activations());
        for bias in [BIAS, BIAS.map(|bias| bias % (1 << 11))] {
            for bits in [0, 1, 10, 29, 30, 31] {
                let shifts = [Shift::new(bits); 9];
                requantized::<u8, u8, _, 9, 3, 3, 2, Unit, 4, 5, 2, 3, 1, 1>(
                    x, weights, bias, shifts,
                );
            }
        }
    });
}
