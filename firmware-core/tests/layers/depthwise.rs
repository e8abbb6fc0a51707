//! Depthwise convolutions.

use firmware_core::kernels::{self, Conv2dShape};
use firmware_core::layers::Geometry;
use firmware_core::{
    Activation, DepthwiseConv2d, Dilated, PaddedWith, Requantize, Shift, Strided, Unit,
};
#[cfg(not(miri))]
use firmware_core::{Clip, Multiplier};

use crate::{Source, on_every_processor, untouched};

#[cfg(not(miri))]
#[test]
fn wide_depthwise_convolutions() {
    type Same = Strided<1, 1, 1, 1>;
    on_every_processor(|| {
        depthwise::<u8, 8, 3, 3, Same, 9, 8, 9, 8>(61);
        depthwise::<i8, 16, 3, 3, Strided<2, 2, 0, 0, 1, 1>, 8, 10, 4, 5>(62);
        depthwise::<u8, 27, 3, 3, PaddedWith<Same, 200>, 5, 4, 5, 4>(63);
        depthwise::<i8, 24, 5, 4, PaddedWith<Strided<1, 2, 2, 1, 2, 2>, -77>, 6, 7, 6, 4>(64);
        depthwise::<u8, 39, 2, 2, Dilated<Same, 2, 3>, 6, 6, 6, 5>(65);
        depthwise::<u8, 16, 8, 8, Unit, 9, 9, 2, 2>(66);
        depthwise::<u8, 16, 9, 8, Unit, 9, 9, 1, 2>(67);
        depthwise::<u8, 48, 3, 3, Same, 40, 30, 40, 30>(68);
        depthwise::<u8, 8, 3, 3, Unit, 3, 3, 1, 1>(69);
        depthwise::<i8, 8, 3, 3, Unit, 4, 4, 2, 2>(70);
        depthwise::<u8, 9, 3, 3, Unit, 5, 6, 3, 4>(71);
        depthwise::<u8, 40, 3, 3, Same, 25, 5, 25, 5>(72);
        depthwise::<i8, 17, 3, 3, PaddedWith<Strided<1, 1, 2, 2, 2, 1>, -9>, 4, 7, 6, 8>(73);
        depthwise::<u8, 16, 3, 3, Strided<2, 2, 1, 1, 1, 1>, 5, 5, 3, 3>(74);
        depthwise::<u8, 8, 3, 3, Strided<2, 2>, 8, 14, 3, 6>(75);
        depthwise::<i8, 20, 3, 3, PaddedWith<Strided<2, 2, 2, 0, 0, 2>, 31>, 7, 9, 4, 5>(76);
        depthwise::<u8, 18, 3, 3, Strided<1, 2, 1, 0, 0, 1>, 6, 8, 5, 4>(77);
        depthwise::<u8, 24, 3, 3, Strided<2, 1, 1, 1, 1, 1>, 7, 5, 4, 5>(78);
        depthwise::<u8, 8, 3, 3, Dilated<Same, 2, 1>, 6, 6, 4, 6>(79);
        depthwise::<i8, 16, 3, 3, Strided<3, 3>, 9, 9, 3, 3>(80);
        depthwise::<u8, 8, 3, 3, Same, 2, 400, 2, 400>(81);
        depthwise::<u8, 8, 3, 3, Same, 3, 370, 3, 370>(84);
        depthwise::<u8, 16, 1, 7, Strided<1, 1, 0, 3, 0, 3>, 2, 9, 2, 9>(82);
        depthwise::<i8, 33, 6, 2, Unit, 8, 6, 3, 5>(83);
        bounded_depthwise::<27, 3, 3, Same, 5, 5, 5, 5>(85);
        bounded_depthwise::<8, 3, 3, Strided<2, 2>, 7, 15, 3, 7>(86);
        bounded_depthwise::<16, 2, 3, Unit, 4, 9, 3, 7>(87);
    });
}

fn depthwise<
    X: Activation,
    const C: usize,
    const KH: usize,
    const KW: usize,
    G: Geometry,
    const IH: usize,
    const IW: usize,
    const OH: usize,
    const OW: usize,
>(
    seed: u64,
) {
    let source = &mut Source(seed);
    let x: [[[X; C]; IW]; IH] = [(); IH].map(|()| [(); IW].map(|()| source.activations()));
    let weights = [(); KH].map(|()| [(); KW].map(|()| source.bytes()));
    let (bias, shifts): (_, [Shift; C]) = source.channels();
    check_depthwise::<X, i8, C, KH, KW, G, IH, IW, OH, OW>(&x, weights, bias, shifts);
    // The largest products, and many halves, which go to the even number.
    let x = x.map(|row| row.map(|pixel| pixel.map(|x| X::saturate(256 * (x.to_i32() % 2)))));
    let extreme = |weight: i8| if weight % 2 == 0 { -128 } else { 127 };
    let weights = weights.map(|row| row.map(|taps| taps.map(extreme)));
    let halves = shifts.map(|shift| Shift::new(shift.bits() % 4));
    check_depthwise::<X, u8, C, KH, KW, G, IH, IW, OH, OW>(&x, weights, bias, halves);
    // Sums that have more bits than an `f32`.
    let large = bias.map(|bias| (bias << 16).wrapping_add(bias));
    let far = shifts.map(|shift| Shift::new(20 + shift.bits()));
    check_depthwise::<X, i8, C, KH, KW, G, IH, IW, OH, OW>(&x, weights, large, far);
}

/// The same with requantizations that are more than shifts.
#[cfg(not(miri))]
fn bounded_depthwise<
    const C: usize,
    const KH: usize,
    const KW: usize,
    G: Geometry,
    const IH: usize,
    const IW: usize,
    const OH: usize,
    const OW: usize,
>(
    seed: u64,
) {
    let source = &mut Source(seed);
    let x: [[[u8; C]; IW]; IH] = [(); IH].map(|()| [(); IW].map(|()| source.activations()));
    let weights = [(); KH].map(|()| [(); KW].map(|()| source.bytes()));
    let (bias, shifts): (_, [Shift; C]) = source.channels();
    let clips = shifts.map(|shift| Clip::<-90, 90>::new(shift.bits()));
    check_depthwise::<u8, u8, C, KH, KW, G, IH, IW, OH, OW>(&x, weights, bias, clips);
    check_depthwise::<u8, i8, C, KH, KW, G, IH, IW, OH, OW>(&x, weights, bias, clips);
    let multipliers = shifts
        .map(|shift| Multiplier::new((1 << 30) + 12_345, -(shift.bits() as i8), -5, [-100, 120]));
    check_depthwise::<u8, i8, C, KH, KW, G, IH, IW, OH, OW>(&x, weights, bias, multipliers);
}

fn check_depthwise<
    X: Activation,
    Y: Activation,
    const C: usize,
    const KH: usize,
    const KW: usize,
    G: Geometry,
    const IH: usize,
    const IW: usize,
    const OH: usize,
    const OW: usize,
>(
    x: &[[[X; C]; IW]; IH],
    weights: [[[i8; C]; KW]; KH],
    bias: [i32; C],
    requantize: [impl Requantize; C],
) {
    let shape = Conv2dShape::of::<G>([IH, IW, C], [OH, OW, C], [KH, KW]);
    let (input, flat) = (x.as_flattened().as_flattened(), weights.as_flattened().as_flattened());
    let mut y = [[[untouched::<Y>(); C]; OW]; OH];
    let mut want = vec![untouched(); OH * OW * C];
    DepthwiseConv2d::<C, KH, KW, G, _>::new(weights, bias, requantize).forward(x, &mut y);
    kernels::depthwise_conv2d(&shape, input, flat, &bias, &requantize, &mut want);
    assert_eq!(y.as_flattened().as_flattened(), want);
}

#[test]
fn depthwise_convolutions() {
    on_every_processor(|| {
        depthwise::<u8, 3, 3, 3, Unit, 4, 4, 2, 2>(11);
        depthwise::<u8, 4, 3, 3, Strided<1, 1, 1, 1>, 3, 4, 3, 4>(12);
        depthwise::<i8, 7, 3, 3, PaddedWith<Strided<2, 2, 0, 0, 1, 1>, 17>, 4, 4, 2, 2>(13);
        depthwise::<u8, 67, 2, 1, Dilated<Unit, 2, 1>, 3, 2, 1, 2>(14);
        depthwise::<i8, 70, 1, 2, Strided<1, 1, 0, 1>, 1, 2, 1, 3>(15);
    });
}
