//! One function per kind of layer: what the layer computes against the scalar kernel, on values from a
//! seed. Type parameters are how weights are stored, input and output activation and the requantization;
//! constants are the shape: channels, window, geometry, input and output size.
//!
//! Results are filled with `0xa5` before, so that a value that is never written differs.

use firmware_core::kernels::{self, Conv2dShape, Pool2dShape};
use firmware_core::layers::{EightBits, Geometry};
use firmware_core::{
    Activation, Add, AveragePool2d, Concat, GroupedConv2d, LeakyRelu, MaxPool2d, Shift, Window,
};

use crate::compare::{must_check, must_match};
use crate::scalar;
use crate::source::Source;
use crate::stored::Stored;
use crate::values::{ALL_VALUES, OfBits, Values, activation};

/// Convolution alone: requantized, and its accumulators.
#[inline(never)]
pub fn conv2d<
    S: Stored,
    X: Activation,
    Y: Activation,
    R: OfBits,
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
    for values in ALL_VALUES {
        let source = &mut Source::new(seed);
        let shape = Conv2dShape::of::<G>([IH, IW, IC], [OH, OW, OC], [KH, KW]);
        let dimensions = [OC, KH, KW, IC, IH, IW, OH, OW];
        let mut x = [[[X::MIN; IC]; IW]; IH];
        values.input(source, x.as_flattened_mut().as_flattened_mut());
        let mut weights = [[[[0; IC]; KW]; KH]; OC];
        let flat = weights.as_flattened_mut().as_flattened_mut().as_flattened_mut();
        values.weights::<S>(source, flat);
        let (bias, requantize) = values.channels::<R, OC>(source, seed);
        let layer = S::conv2d::<OC, KH, KW, IC, G, R>(weights, bias, requantize);
        let (x_flat, flat) =
            (x.as_flattened().as_flattened(), weights.as_flattened().as_flattened().as_flattened());

        let mut y = [[[activation::<Y>(0xa5); OC]; OW]; OH];
        let mut want = y;
        layer.forward(&x, &mut y);
        let want = want.as_flattened_mut().as_flattened_mut();
        scalar::conv2d(&shape, x_flat, flat, &bias, &requantize, want);
        must_match(y.as_flattened().as_flattened(), want, "conv2d", &dimensions);

        let mut y = [[[-7; OC]; OW]; OH];
        let mut want = y;
        layer.accumulate(&x, &mut y);
        let want = want.as_flattened_mut().as_flattened_mut();
        scalar::conv2d_accumulate(&shape, x_flat, flat, &bias, want);
        must_match(y.as_flattened().as_flattened(), want, "conv2d accumulators", &dimensions);
        must_check(&layer, [&weights, &bias, &requantize], "conv2d", &dimensions);
    }
}

/// Convolution fused with max pooling.
#[inline(never)]
pub fn conv2d_max_pool2d<
    S: Stored,
    X: Activation,
    Y: Activation,
    R: OfBits,
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
    for values in ALL_VALUES {
        let source = &mut Source::new(seed);
        let [height, width] = Window::of::<G>([KH, KW]).output_size([IH, IW]);
        let convolved = [height, width, OC];
        let shape = Conv2dShape::of::<G>([IH, IW, IC], convolved, [KH, KW]);
        let pool = Pool2dShape {
            input: convolved,
            output: [OH, OW, OC],
            window: Window::of::<PG>([PH, PW]),
        };
        let mut x = [[[X::MIN; IC]; IW]; IH];
        values.input(source, x.as_flattened_mut().as_flattened_mut());
        let mut weights = [[[[0; IC]; KW]; KH]; OC];
        let flat = weights.as_flattened_mut().as_flattened_mut().as_flattened_mut();
        values.weights::<S>(source, flat);
        let (bias, requantize) = values.channels::<R, OC>(source, seed);
        let layer = S::conv2d::<OC, KH, KW, IC, G, R>(weights, bias, requantize);
        let mut y = [[[activation::<Y>(0xa5); OC]; OW]; OH];
        let mut want = y;
        layer.forward_max_pool2d(&MaxPool2d::<PH, PW, PG>::new(), &x, &mut y);
        let want = want.as_flattened_mut().as_flattened_mut();
        scalar::conv2d_max_pool2d(
            &shape,
            &pool,
            x.as_flattened().as_flattened(),
            weights.as_flattened().as_flattened().as_flattened(),
            &bias,
            &requantize,
            want,
        );
        let dimensions = [OC, KH, KW, IC, PH, PW, IH, IW, OH, OW];
        must_match(y.as_flattened().as_flattened(), want, "conv2d_max_pool2d", &dimensions);
    }
}

/// Convolution of each channel by itself.
#[inline(never)]
pub fn depthwise_conv2d<
    S: Stored,
    X: Activation,
    Y: Activation,
    R: OfBits,
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
    for values in ALL_VALUES {
        let source = &mut Source::new(seed);
        let shape = Conv2dShape::of::<G>([IH, IW, IC], [OH, OW, OC], [KH, KW]);
        let mut x = [[[X::MIN; IC]; IW]; IH];
        values.input(source, x.as_flattened_mut().as_flattened_mut());
        let mut weights = [[[0; OC]; KW]; KH];
        values.weights::<S>(source, weights.as_flattened_mut().as_flattened_mut());
        let (bias, requantize) = values.channels::<R, OC>(source, seed);
        let layer = S::depthwise_conv2d::<OC, KH, KW, G, R>(weights, bias, requantize);
        let mut y = [[[activation::<Y>(0xa5); OC]; OW]; OH];
        let mut want = y;
        layer.forward(&x, &mut y);
        let want = want.as_flattened_mut().as_flattened_mut();
        scalar::depthwise_conv2d(
            &shape,
            x.as_flattened().as_flattened(),
            weights.as_flattened().as_flattened(),
            &bias,
            &requantize,
            want,
        );
        let dimensions = [OC, KH, KW, IC, IH, IW, OH, OW];
        must_match(y.as_flattened().as_flattened(), want, "depthwise_conv2d", &dimensions);
        must_check(&layer, [&weights, &bias, &requantize], "depthwise_conv2d", &dimensions);
    }
}

/// Convolution in groups of `GC` input channels.
#[inline(never)]
pub fn grouped_conv2d<
    X: Activation,
    Y: Activation,
    R: OfBits,
    const OC: usize,
    const KH: usize,
    const KW: usize,
    const GC: usize,
    const IC: usize,
    G: Geometry,
    const IH: usize,
    const IW: usize,
    const OH: usize,
    const OW: usize,
>(
    seed: u64,
) {
    for values in ALL_VALUES {
        let source = &mut Source::new(seed);
        let shape = Conv2dShape::of::<G>([IH, IW, IC], [OH, OW, OC], [KH, KW]);
        let mut x = [[[X::MIN; IC]; IW]; IH];
        values.input(source, x.as_flattened_mut().as_flattened_mut());
        let mut weights = [[[[0; GC]; KW]; KH]; OC];
        let flat = weights.as_flattened_mut().as_flattened_mut().as_flattened_mut();
        values.weights::<EightBits>(source, flat);
        let (bias, requantize) = values.channels::<R, OC>(source, seed);
        let layer = GroupedConv2d::<OC, KH, KW, GC, G, R>::new(weights, bias, requantize);
        let mut y = [[[activation::<Y>(0xa5); OC]; OW]; OH];
        let mut want = y;
        layer.forward(&x, &mut y);
        let want = want.as_flattened_mut().as_flattened_mut();
        scalar::grouped_conv2d(
            &shape,
            IC / GC,
            x.as_flattened().as_flattened(),
            weights.as_flattened().as_flattened().as_flattened(),
            &bias,
            &requantize,
            want,
        );
        let dimensions = [OC, KH, KW, GC, IC, IH, IW, OH, OW];
        must_match(y.as_flattened().as_flattened(), want, "grouped_conv2d", &dimensions);
        must_check(&layer, [&weights, &bias, &requantize], "grouped_conv2d", &dimensions);
    }
}

/// A fully connected layer: requantized, and its logits.
#[inline(never)]
pub fn fully_connected<
    S: Stored,
    X: Activation,
    Y: Activation,
    R: OfBits,
    const OUT: usize,
    const IN: usize,
>(
    seed: u64,
) {
    for values in ALL_VALUES {
        let source = &mut Source::new(seed);
        let mut x = [X::MIN; IN];
        values.input(source, &mut x);
        let mut weights = [[0; IN]; OUT];
        values.weights::<S>(source, weights.as_flattened_mut());
        let (bias, requantize) = values.channels::<R, OUT>(source, seed);
        let layer = S::fully_connected::<OUT, IN, R>(weights, bias, requantize);
        let mut y = [activation::<Y>(0xa5); OUT];
        let mut want = y;
        let logits = S::connect(&layer, &x, &mut y);
        scalar::fully_connected(&x, weights.as_flattened(), &bias, &requantize, &mut want);
        must_match(&y, &want, "fully_connected", &[OUT, IN]);
        let mut want = [-7; OUT];
        scalar::fully_connected_logits(&x, weights.as_flattened(), &bias, &mut want);
        must_match(&logits, &want, "fully_connected logits", &[OUT, IN]);
        must_check(&layer, [&weights, &bias, &requantize], "fully_connected", &[OUT, IN]);
    }
}

/// Max pooling.
#[inline(never)]
pub fn max_pool2d<
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
    let source = &mut Source::new(seed);
    let shape =
        Pool2dShape { input: [IH, IW, C], output: [OH, OW, C], window: Window::of::<G>([KH, KW]) };
    let mut x = [[[X::MIN; C]; IW]; IH];
    Values::Random.input(source, x.as_flattened_mut().as_flattened_mut());
    let mut y = [[[activation::<X>(0xa5); C]; OW]; OH];
    let mut want = y;
    MaxPool2d::<KH, KW, G>::new().forward(&x, &mut y);
    let want = want.as_flattened_mut().as_flattened_mut();
    scalar::max_pool2d(&shape, x.as_flattened().as_flattened(), want);
    let dimensions = [C, KH, KW, IH, IW, OH, OW];
    must_match(y.as_flattened().as_flattened(), want, "max_pool2d", &dimensions);
}

/// Average pooling: the sum of a window, requantized.
#[inline(never)]
pub fn average_pool2d<
    X: Activation,
    Y: Activation,
    R: OfBits,
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
    for values in [Values::Random, Values::Extreme(0, false), Values::Extreme(0, true)] {
        let source = &mut Source::new(seed);
        let shape = Pool2dShape {
            input: [IH, IW, C],
            output: [OH, OW, C],
            window: Window::of::<G>([KH, KW]),
        };
        let mut x = [[[X::MIN; C]; IW]; IH];
        values.input(source, x.as_flattened_mut().as_flattened_mut());
        let requantize = R::of_bits((seed % 6) as u8);
        let mut y = [[[activation::<Y>(0xa5); C]; OW]; OH];
        let mut want = y;
        AveragePool2d::<KH, KW, G, R>::new(requantize).forward(&x, &mut y);
        let want = want.as_flattened_mut().as_flattened_mut();
        scalar::average_pool2d(&shape, x.as_flattened().as_flattened(), requantize, want);
        let dimensions = [C, KH, KW, IH, IW, OH, OW];
        must_match(y.as_flattened().as_flattened(), want, "average_pool2d", &dimensions);
    }
}

/// The sum of two tensors, beside them and in the place of the second.
#[inline(never)]
pub fn add<
    A: Activation,
    B: Activation,
    Y: Activation,
    R: OfBits,
    const A_BITS: u32,
    const B_BITS: u32,
    const C: usize,
    const W: usize,
    const H: usize,
>(
    seed: u64,
) {
    let source = &mut Source::new(seed);
    let (mut a, mut b) = ([[[A::MIN; C]; W]; H], [[[B::MIN; C]; W]; H]);
    Values::Random.input(source, a.as_flattened_mut().as_flattened_mut());
    Values::Random.input(source, b.as_flattened_mut().as_flattened_mut());
    let requantize = R::of_bits((seed % 9) as u8);
    let layer = Add::<A_BITS, B_BITS, R>::new(requantize);
    let bits = [A_BITS, B_BITS];
    let a_flat = a.as_flattened().as_flattened();
    let dimensions = [A_BITS as usize, B_BITS as usize, C, W, H];

    let mut y = [[[activation::<Y>(0xa5); C]; W]; H];
    let mut want = y;
    layer.forward(&a, &b, &mut y);
    let want_flat = want.as_flattened_mut().as_flattened_mut();
    kernels::add(bits, a_flat, b.as_flattened().as_flattened(), requantize, want_flat);
    must_match(y.as_flattened().as_flattened(), want_flat, "add", &dimensions);

    Values::Random.input(source, y.as_flattened_mut().as_flattened_mut());
    let mut want = y;
    layer.forward_in_place(&a, &mut y);
    let want_flat = want.as_flattened_mut().as_flattened_mut();
    kernels::add_in_place(bits, a_flat, requantize, want_flat);
    must_match(y.as_flattened().as_flattened(), want_flat, "add in place", &dimensions);
}

/// A part of a concatenation; the other channels stay as they were.
#[inline(never)]
pub fn concat<
    X: Activation,
    const C: usize,
    const FIRST: usize,
    const TOTAL: usize,
    const W: usize,
    const H: usize,
>(
    seed: u64,
) {
    let source = &mut Source::new(seed);
    let mut x = [[[X::MIN; C]; W]; H];
    Values::Random.input(source, x.as_flattened_mut().as_flattened_mut());
    let mut y = [[[activation::<X>(0xa5); TOTAL]; W]; H];
    let mut want = y;
    Concat::<FIRST>.forward(&x, &mut y);
    let want = want.as_flattened_mut().as_flattened_mut();
    kernels::concat(x.as_flattened().as_flattened(), C, want, TOTAL, FIRST);
    must_match(y.as_flattened().as_flattened(), want, "concat", &[C, FIRST, TOTAL, W, H]);
}

/// The leaky ReLU, beside its input and in its place.
#[inline(never)]
pub fn leaky_relu<
    X: Activation,
    const SLOPE: u16,
    const BITS: u8,
    const C: usize,
    const W: usize,
    const H: usize,
>(
    seed: u64,
) {
    let source = &mut Source::new(seed);
    let mut x = [[[X::MIN; C]; W]; H];
    Values::Random.input(source, x.as_flattened_mut().as_flattened_mut());
    let layer = LeakyRelu::<SLOPE, BITS>;
    let mut y = [[[activation::<X>(0xa5); C]; W]; H];
    let mut want = y;
    layer.forward(&x, &mut y);
    let want = want.as_flattened_mut().as_flattened_mut();
    kernels::leaky_relu(SLOPE, Shift::new(BITS), x.as_flattened().as_flattened(), want);
    let dimensions = [usize::from(SLOPE), usize::from(BITS), C, W, H];
    must_match(y.as_flattened().as_flattened(), want, "leaky_relu", &dimensions);
    layer.forward_in_place(&mut x);
    must_match(x.as_flattened().as_flattened(), want, "leaky_relu in place", &dimensions);
}
