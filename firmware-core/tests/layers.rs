//! Every layer that has kernels of its own against the scalar kernels, on small shapes with odd
//! numbers of taps and channels: small enough for Miri, which sees a read of what is uninitialized
//! or not the layer's.
//!
//! `cargo +nightly miri test -p firmware-core --test layers`

use firmware_core::kernels::{self, Conv2dShape, Pool2dShape};
use firmware_core::layers::Geometry;
use firmware_core::{
    Activation, Add, AveragePool2d, Clip, Conv2d, DepthwiseConv2d, Dilated, FullyConnected,
    MaxPool2d, PaddedWith, Requantize, Shift, Strided, Unit, Window,
};

#[cfg(not(miri))]
use firmware_core::Multiplier;

/// A multiplicative generator; its high bits are used.
struct Source(u64);

impl Source {
    fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 40) as u8
    }

    fn bytes<const N: usize>(&mut self) -> [i8; N] {
        [(); N].map(|()| self.byte() as i8)
    }

    fn activations<X: Activation, const N: usize>(&mut self) -> [X; N] {
        self.bytes().map(|byte: i8| match X::UNSIGNED {
            true => X::saturate(i32::from(byte as u8)),
            false => X::saturate(i32::from(byte)),
        })
    }

    fn channels<const N: usize>(&mut self) -> ([i32; N], [Shift; N]) {
        let bias = self.bytes().map(|byte: i8| i32::from(byte) * 50);
        (bias, self.bytes().map(|byte: i8| Shift::new(4 + (byte as u8) % 8)))
    }
}

/// Runs `test` with each of the host's kernels, as far as the processor has them; alone, since the choice
/// is the process's.
fn on_every_processor(test: impl Fn()) {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(|error| error.into_inner());
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    for bytes in [16, 32, 64] {
        firmware_core::limit_vectors(bytes);
        test();
    }
    #[cfg(target_arch = "aarch64")]
    for dot_products in [false, true] {
        firmware_core::limit_kernels(dot_products);
        test();
    }
    #[cfg(not(any(all(target_arch = "x86_64", not(miri)), target_arch = "aarch64")))]
    test();
}

/// What no layer leaves in its output.
fn untouched<Y: Activation>() -> Y {
    Y::saturate(0x5a)
}

/// A convolution alone, its accumulators, and fused with a pooling of 2 x 2.
fn conv2d<
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
    let (bias, shifts) = source.channels();
    let layer = Conv2d::<OC, KH, KW, IC, G>::new(weights, bias, shifts);
    let shape = Conv2dShape::of::<G>([IH, IW, IC], [OH, OW, OC], [KH, KW]);
    let flat = weights.as_flattened().as_flattened().as_flattened();
    let input = x.as_flattened().as_flattened();

    let mut y = [[[untouched::<u8>(); OC]; OW]; OH];
    let mut want = vec![0; OH * OW * OC];
    layer.forward(&x, &mut y);
    kernels::conv2d(&shape, input, flat, &bias, &shifts, &mut want);
    assert_eq!(y.as_flattened().as_flattened(), want);

    let mut y = [[[-7; OC]; OW]; OH];
    let mut want = vec![0; OH * OW * OC];
    layer.accumulate(&x, &mut y);
    kernels::conv2d_accumulate(&shape, input, flat, &bias, &mut want);
    assert_eq!(y.as_flattened().as_flattened(), want);

    let mut y = [[[untouched::<i8>(); OC]; PW]; PH];
    let mut want = vec![0; PH * PW * OC];
    layer.forward_max_pool2d(&MaxPool2d::<2, 2>::new(), &x, &mut y);
    let window = Window::tiling([2, 2]);
    let pool = Pool2dShape { input: [OH, OW, OC], output: [PH, PW, OC], window };
    kernels::conv2d_max_pool2d(&shape, &pool, input, flat, &bias, &shifts, &mut want);
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

#[test]
fn average_poolings() {
    on_every_processor(|| {
        let source = &mut Source(21);
        let x: [[[u8; 6]; 5]; 4] = [(); 4].map(|()| [(); 5].map(|()| source.activations()));
        let (mut y, mut want) = ([[[0x5au8; 6]; 2]; 2], [0; 24]);
        AveragePool2d::<3, 2, Strided<2, 2, 1, 0, 0, 0>>::new(Shift::new(2)).forward(&x, &mut y);
        let window = Window { stride: [2, 2], padding: [1, 0, 0, 0], ..Window::new([3, 2]) };
        let shape = Pool2dShape { input: [4, 5, 6], output: [2, 2, 6], window };
        kernels::average_pool2d(&shape, x.as_flattened().as_flattened(), Shift::new(2), &mut want);
        assert_eq!(y.as_flattened().as_flattened(), want);
        // More channels than a vector has lanes, and some that are left over.
        let x: [[[i8; 18]; 3]; 3] = [(); 3].map(|()| [(); 3].map(|()| source.activations()));
        let (mut y, mut want) = ([[[0x5ai8; 18]; 2]; 2], [0; 72]);
        AveragePool2d::<2, 2, Unit>::new(Shift::new(1)).forward(&x, &mut y);
        let window = Window::new([2, 2]);
        let shape = Pool2dShape { input: [3, 3, 18], output: [2, 2, 18], window };
        kernels::average_pool2d(&shape, x.as_flattened().as_flattened(), Shift::new(1), &mut want);
        assert_eq!(y.as_flattened().as_flattened(), want);
    });
}

/// Both tensors have `N` values, more than a vector; one sum is kept in place.
fn addition<A: Activation, B: Activation, const N: usize, const A_BITS: u32, const B_BITS: u32>(
    bits: u8,
) {
    let source = &mut Source(u64::from(bits) + 41);
    let (mut a, mut b): ([A; N], [B; N]) = (source.activations(), source.activations());
    // The least and the largest sum.
    (a[0], b[0]) = (A::saturate(-128), B::saturate(-128));
    (a[1], b[1]) = (A::saturate(255), B::saturate(255));
    let (mut y, mut want) = ([[[untouched::<i8>(); N]]], [0; N]);
    let left = [A_BITS, B_BITS];
    Add::<A_BITS, B_BITS>::new(Shift::new(bits)).forward(&[[a]], &[[b]], &mut y);
    kernels::add(left, &a, &b, Shift::new(bits), &mut want);
    assert_eq!(y, [[want]]);
    let (mut y, mut want) = ([[[untouched::<u8>(); N]]], [0; N]);
    Add::<A_BITS, B_BITS>::new(Shift::new(bits)).forward(&[[a]], &[[b]], &mut y);
    kernels::add(left, &a, &b, Shift::new(bits), &mut want);
    assert_eq!(y, [[want]]);
    let (mut y, mut want) = ([[b]], b);
    Add::<A_BITS, B_BITS, Clip<3, 90>>::new(Clip::new(bits)).forward_in_place(&[[a]], &mut y);
    kernels::add_in_place(left, &a, Clip::<3, 90>::new(bits), &mut want);
    assert_eq!(y, [[want]]);
}

#[test]
fn additions() {
    on_every_processor(|| {
        for bits in [0, 1, 5, 13, 31] {
            addition::<i8, u8, 37, 0, 2>(bits);
            addition::<u8, u8, 19, 5, 0>(bits);
            addition::<i8, i8, 70, 6, 5>(bits);
            addition::<u8, i8, 101, 4, 6>(bits);
            addition::<u8, u8, 32, 5, 6>(bits);
            addition::<i8, u8, 33, 1, 15>(bits); // more than 16 bits
        }
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
                let mut y = [[[0x5au8; 9]; 3]; 2];
                let layer = Conv2d::<9, 3, 3, 2>::new(weights, bias, shifts);
                layer.forward(&x, &mut y);
                let shape = Conv2dShape::new([4, 5, 2], [2, 3, 9], Window::new([3, 3]));
                let (x_flat, w) = (x.as_flattened().as_flattened(), weights.as_flattened());
                let w = w.as_flattened().as_flattened();
                let mut want = [0; 54];
                kernels::conv2d(&shape, x_flat, w, &bias, &shifts, &mut want);
                assert_eq!(y.as_flattened().as_flattened(), want);
                let mut y = [[[0x5au8; 9]; 1]; 1];
                layer.forward_max_pool2d(&MaxPool2d::<2, 2>::new(), &x, &mut y);
                let pool = Pool2dShape {
                    input: [2, 3, 9],
                    output: [1, 1, 9],
                    window: Window { stride: [2, 2], ..Window::new([2, 2]) },
                };
                let mut want = [0; 9];
                kernels::conv2d_max_pool2d(&shape, &pool, x_flat, w, &bias, &shifts, &mut want);
                assert_eq!(y.as_flattened().as_flattened(), want);
            }
        }
    });
}

fn fully_connected<X: Activation, const OUT: usize, const IN: usize>(seed: u64) {
    let source = &mut Source(seed);
    let x: [X; IN] = source.activations();
    let weights: [[i8; IN]; OUT] = [(); OUT].map(|()| source.bytes());
    let (bias, shifts) = source.channels();
    check_connected(&x, weights, bias, shifts);
    // The largest products, and values next to the middle, whose sums of pairs have just 16 bits.
    let extreme = |weight: i8| if weight % 2 == 0 { -128 } else { 127 };
    let weights = weights.map(|row| row.map(extreme));
    check_connected(&x.map(|x| X::saturate(256 * (x.to_i32() % 2))), weights, bias, shifts);
    check_connected(&x.map(|x| X::saturate(127 + x.to_i32() % 3)), weights, bias, shifts);
    check_connected(&[X::saturate(-128); IN], weights, bias, shifts);
    // Values of which few are large.
    check_connected(&x.map(|x| X::saturate(x.to_i32() - 120)), weights, bias, shifts);
}

fn check_connected<X: Activation, const OUT: usize, const IN: usize>(
    x: &[X; IN],
    weights: [[i8; IN]; OUT],
    bias: [i32; OUT],
    shifts: [Shift; OUT],
) {
    let layer = FullyConnected::<OUT, IN>::new(weights, bias, shifts);
    let (mut y, mut want) = ([untouched::<u8>(); OUT], [0; OUT]);
    layer.forward(x, &mut y);
    kernels::fully_connected(x, weights.as_flattened(), &bias, &shifts, &mut want);
    assert_eq!(y, want);
    let (mut y, mut want) = ([untouched::<i8>(); OUT], [0; OUT]);
    layer.forward(x, &mut y);
    kernels::fully_connected(x, weights.as_flattened(), &bias, &shifts, &mut want);
    assert_eq!(y, want);
    let mut want = [0; OUT];
    kernels::fully_connected_logits(x, weights.as_flattened(), &bias, &mut want);
    assert_eq!(layer.logits(x), want);
}

#[test]
fn fully_connected_layers() {
    on_every_processor(|| {
        fully_connected::<u8, 1, 3>(31);
        fully_connected::<i8, 4, 9>(32);
        fully_connected::<u8, 6, 17>(33);
        fully_connected::<u8, 18, 35>(34);
        fully_connected::<i8, 11, 18>(35);
        fully_connected::<u8, 8, 4>(36);
        fully_connected::<u8, 12, 5>(37);
    });
}

#[cfg(not(miri))]
#[test]
fn wide_fully_connected_layers() {
    on_every_processor(|| {
        fully_connected::<u8, 128, 8>(91);
        fully_connected::<i8, 128, 8>(92);
        fully_connected::<u8, 33, 1>(93);
        fully_connected::<u8, 40, 2>(94);
        fully_connected::<i8, 9, 15>(95);
        fully_connected::<u8, 8, 16>(96);
        fully_connected::<u8, 17, 31>(97);
        fully_connected::<i8, 16, 32>(98);
        fully_connected::<u8, 16, 33>(99);
        fully_connected::<i8, 23, 63>(100);
        fully_connected::<u8, 10, 64>(101);
        fully_connected::<u8, 25, 127>(102);
        fully_connected::<i8, 50, 320>(103);
        fully_connected::<u8, 50, 320>(104);
        fully_connected::<u8, 15, 200>(105);
    });
}
