//! Every layer against the scalar kernels, bit for bit, over random shapes and values.

#![no_std]
#![no_main]

use counts::model::{
    self, CONV1_BIAS, CONV1_SHIFTS, CONV1_WEIGHTS, CONV2_BIAS, CONV2_SHIFTS, CONV2_WEIGHTS,
    FC1_BIAS, FC1_SHIFTS,
};
use counts::source::Source;
use firmware_core::kernels::{self, Conv2dShape, Pool2dShape};
use firmware_core::layers::Geometry;
use firmware_core::{
    Activation, Conv2d, FullyConnected, MaxPool2d, Shift, Strided, Unit, Window,
};
use semihosting::{println, process::ExitCode};

const ROUNDS: u64 = 3;

fn activation<X: Activation>(byte: u8) -> X {
    X::saturate(if X::MIN.to_i32() < 0 { i32::from(byte as i8) } else { i32::from(byte) })
}

fn fill<X: Activation>(source: &mut Source, x: &mut [X]) {
    x.iter_mut().for_each(|x| *x = activation(source.byte()));
}

fn must_match<T: PartialEq>(got: &[T], want: &[T], what: &str, shape: &[usize]) {
    if got != want {
        println!("FAILED: {what} {shape:?} differs from the scalar kernel");
        semihosting::process::exit(1);
    }
}

/// Convolution alone: requantized, and its accumulators.
#[inline(never)]
fn conv2d<
    X: Activation,
    Y: Activation,
    const OC: usize,
    const KH: usize,
    const KW: usize,
    const IC: usize,
    G: Geometry,
    const IH: usize,
    const IW: usize,
    const OH: usize,
    const OW: usize,
>(
    seed: u64,
) {
    let source = &mut Source::new(seed);
    let shape =
        Conv2dShape::of::<G>([IH, IW, IC], [OH, OW, OC], [KH, KW]);
    let dimensions = [OC, KH, KW, IC, IH, IW, OH, OW];
    let mut x = [[[X::MIN; IC]; IW]; IH];
    fill(source, x.as_flattened_mut().as_flattened_mut());
    let weights: [[[[i8; IC]; KW]; KH]; OC] = source.weights();
    let bias: [i32; OC] = source.biases();
    let shifts: [Shift; OC] = source.shifts((seed % 12) as u8);
    let layer = Conv2d::<OC, KH, KW, IC, G>::new(weights, bias, shifts);
    let flat = weights.as_flattened().as_flattened().as_flattened();
    let mut y = [[[activation::<Y>(0xa5); OC]; OW]; OH];
    let mut want = y;
    layer.forward(&x, &mut y);
    kernels::conv2d(
        &shape,
        x.as_flattened().as_flattened(),
        flat,
        &bias,
        &shifts,
        want.as_flattened_mut().as_flattened_mut(),
    );
    must_match(
        y.as_flattened().as_flattened(),
        want.as_flattened().as_flattened(),
        "conv2d",
        &dimensions,
    );
    let mut y = [[[-7; OC]; OW]; OH];
    let mut want = y;
    layer.accumulate(&x, &mut y);
    let want_flat = want.as_flattened_mut().as_flattened_mut();
    kernels::conv2d_accumulate(&shape, x.as_flattened().as_flattened(), flat, &bias, want_flat);
    must_match(y.as_flattened().as_flattened(), want_flat, "conv2d accumulators", &dimensions);
}

/// Convolution fused with pooling.
#[inline(never)]
fn fused<
    X: Activation,
    Y: Activation,
    const OC: usize,
    const KH: usize,
    const KW: usize,
    const IC: usize,
    G: Geometry,
    const PH: usize,
    const PW: usize,
    PG: Geometry,
    const IH: usize,
    const IW: usize,
    const OH: usize,
    const OW: usize,
>(
    seed: u64,
) {
    // Random, then every product at its extreme.
    for extreme in [None, Some(-128), Some(127)] {
        let source = &mut Source::new(seed);
        let [height, width] = Window::of::<G>([KH, KW]).output_size([IH, IW]);
        let convolved = [height, width, OC];
        let shape =
            Conv2dShape::of::<G>([IH, IW, IC], convolved, [KH, KW]);
        let pool =
            Pool2dShape { input: convolved, output: [OH, OW, OC], window: Window::of::<PG>([PH, PW]) };
        let mut x = [[[X::MIN; IC]; IW]; IH];
        fill(source, x.as_flattened_mut().as_flattened_mut());
        let mut weights: [[[[i8; IC]; KW]; KH]; OC] = source.weights();
        let mut bias: [i32; OC] = source.biases();
        let mut shifts: [Shift; OC] = source.shifts((seed % 12) as u8);
        if let Some(extreme) = extreme {
            x.as_flattened_mut().as_flattened_mut().fill(X::saturate(i32::MAX));
            weights.as_flattened_mut().as_flattened_mut().as_flattened_mut().fill(extreme);
            // So that a 5 x 5 kernel's sums do not saturate.
            (bias, shifts) = ([900_000; OC], [Shift::new(13); OC]);
        }
        let layer = Conv2d::<OC, KH, KW, IC, G>::new(weights, bias, shifts);
        let mut y = [[[activation::<Y>(0xa5); OC]; OW]; OH];
        let mut want = y;
        layer.forward_max_pool2d(&MaxPool2d::<PH, PW, PG>::new(), &x, &mut y);
        kernels::conv2d_max_pool2d(
            &shape,
            &pool,
            x.as_flattened().as_flattened(),
            weights.as_flattened().as_flattened().as_flattened(),
            &bias,
            &shifts,
            want.as_flattened_mut().as_flattened_mut(),
        );
        let (got, want) = (y.as_flattened().as_flattened(), want.as_flattened().as_flattened());
        must_match(got, want, "conv2d_max_pool2d", &[OC, KH, KW, IC, PH, PW, IH, IW, OH, OW]);
    }
}

#[inline(never)]
fn fully_connected<X: Activation, Y: Activation, const OUT: usize, const IN: usize>(seed: u64) {
    let source = &mut Source::new(seed);
    let mut x = [X::MIN; IN];
    fill(source, &mut x);
    let [[weights]] = source.weights::<1, 1, OUT, IN>();
    let bias: [i32; OUT] = source.biases();
    let shifts: [Shift; OUT] = source.shifts((seed % 12) as u8);
    let layer = FullyConnected::<OUT, IN>::new(weights, bias, shifts);
    let mut y = [activation::<Y>(0xa5); OUT];
    let mut want = y;
    layer.forward(&x, &mut y);
    kernels::fully_connected(&x, weights.as_flattened(), &bias, &shifts, &mut want);
    must_match(&y, &want, "fully_connected", &[OUT, IN]);
    let mut want = [-7; OUT];
    kernels::fully_connected_logits(&x, weights.as_flattened(), &bias, &mut want);
    must_match(&layer.logits(&x), &want, "fully_connected logits", &[OUT, IN]);
}

/// `simple` itself, whose layers are in flash, layer by layer.
fn simple(seed: u64) {
    static WEIGHTS: [[[[i8; 10]; 5]; 5]; 20] = CONV2_WEIGHTS;
    static FC1_WEIGHTS: [[i8; 320]; 50] = model::FC1_WEIGHTS;
    let source = &mut Source::new(seed);
    let mut image = [[[0u8; 1]; 28]; 28];
    fill(source, image.as_flattened_mut().as_flattened_mut());
    let mut y = [[[0xa5u8; 10]; 12]; 12];
    let mut want = y;
    model::CONV1.forward_max_pool2d(&model::POOL, &image, &mut y);
    kernels::conv2d_max_pool2d(
        &Conv2dShape::new([28, 28, 1], [24, 24, 10], Window::new([5, 5])),
        &Pool2dShape { input: [24, 24, 10], output: [12, 12, 10], window: Window::tiling([2, 2]) },
        image.as_flattened().as_flattened(),
        CONV1_WEIGHTS.as_flattened().as_flattened().as_flattened(),
        &CONV1_BIAS,
        &CONV1_SHIFTS,
        want.as_flattened_mut().as_flattened_mut(),
    );
    must_match(y.as_flattened().as_flattened(), want.as_flattened().as_flattened(), "conv1", &[]);

    let mut x = y;
    fill(source, x.as_flattened_mut().as_flattened_mut());
    let mut y = [[[0xa5u8; 20]; 4]; 4];
    let mut want = y;
    model::CONV2.forward_max_pool2d(&model::POOL, &x, &mut y);
    kernels::conv2d_max_pool2d(
        &Conv2dShape::new([12, 12, 10], [8, 8, 20], Window::new([5, 5])),
        &Pool2dShape { input: [8, 8, 20], output: [4, 4, 20], window: Window::tiling([2, 2]) },
        x.as_flattened().as_flattened(),
        WEIGHTS.as_flattened().as_flattened().as_flattened(),
        &CONV2_BIAS,
        &CONV2_SHIFTS,
        want.as_flattened_mut().as_flattened_mut(),
    );
    must_match(y.as_flattened().as_flattened(), want.as_flattened().as_flattened(), "conv2", &[]);

    let mut x = [0u8; 320];
    fill(source, &mut x);
    let mut y = [0xa5u8; 50];
    let mut want = y;
    model::FC1.forward(&x, &mut y);
    kernels::fully_connected(&x, FC1_WEIGHTS.as_flattened(), &FC1_BIAS, &FC1_SHIFTS, &mut want);
    must_match(&y, &want, "fc1", &[]);
}

/// The same shape with unsigned and with signed activations.
macro_rules! both {
    ($check:ident, $seed:expr; $($shape:tt)*) => {
        $check::<u8, u8, $($shape)*>($seed);
        $check::<i8, i8, $($shape)*>($seed);
    };
}

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
fn main() -> ! {
    for round in 0..ROUNDS {
        let seed = round * 100;
        shapes(seed);
    }
    println!("checked");
    ExitCode::SUCCESS.exit_process()
}

fn shapes(seed: u64) {
    simple(seed);
    // Channel, tap and pixel counts that leave every remainder, and every kind of geometry.
    both!(conv2d, seed + 4; 1, 1, 1, 1, Unit, 1, 1, 1, 1);
    both!(conv2d, seed + 5; 3, 3, 3, 3, Unit, 7, 5, 5, 3);
    both!(conv2d, seed + 6; 7, 2, 3, 5, Unit, 4, 6, 3, 4);
    both!(conv2d, seed + 7; 8, 3, 3, 4, Strided<1, 1, 1, 1>, 5, 6, 5, 6);
    both!(conv2d, seed + 8; 9, 3, 3, 16, Strided<2, 2, 1, 1>, 7, 8, 4, 4);
    both!(conv2d, seed + 9; 5, 3, 2, 2, Strided<2, 3, 0, 1, 1, 0>, 6, 7, 3, 3);
    both!(conv2d, seed + 10; 16, 1, 1, 24, Unit, 3, 3, 3, 3);
    both!(conv2d, seed + 11; 6, 5, 5, 3, Strided<1, 1, 2, 2>, 6, 7, 6, 7);
    both!(fused, seed + 12; 1, 1, 1, 1, Unit, 1, 1, Strided<1, 1>, 2, 2, 2, 2);
    both!(fused, seed + 13; 3, 3, 3, 2, Unit, 2, 2, Strided<2, 2>, 7, 9, 2, 3);
    both!(fused, seed + 14; 6, 3, 3, 8, Strided<1, 1, 1, 1>, 2, 2, Strided<2, 2>, 6, 8, 3, 4);
    both!(fused, seed + 15; 11, 2, 2, 3, Unit, 3, 3, Strided<3, 3>, 7, 10, 2, 3);
    both!(fused, seed + 16; 5, 3, 3, 6, Unit, 2, 2, Strided<1, 1>, 6, 6, 3, 3);
    both!(fused, seed + 17; 4, 4, 4, 4, Unit, 3, 2, Strided<2, 2, 1, 0>, 9, 9, 3, 3);
    // One input channel: whole rows at a time on some cores.
    both!(fused, seed + 22; 3, 3, 3, 1, Unit, 2, 2, Strided<2, 2>, 9, 8, 3, 3);
    both!(fused, seed + 23; 2, 5, 5, 1, Unit, 2, 2, Strided<2, 2>, 9, 10, 2, 3);
    both!(fused, seed + 24; 2, 7, 4, 1, Unit, 2, 2, Strided<2, 2>, 11, 7, 2, 2);
    both!(fused, seed + 25; 2, 5, 6, 1, Unit, 2, 2, Strided<2, 2>, 8, 11, 2, 3);
    both!(fused, seed + 26; 3, 2, 2, 1, Unit, 2, 2, Strided<2, 2>, 5, 5, 2, 2);
    both!(fused, seed + 27; 2, 5, 5, 1, Unit, 2, 2, Strided<2, 2>, 28, 28, 12, 12);
    both!(fully_connected, seed + 18; 1, 1);
    both!(fully_connected, seed + 19; 3, 7);
    both!(fully_connected, seed + 20; 13, 33);
    both!(fully_connected, seed + 21; 4, 259);
}
