//! The kernels and layers of residual, dense, separable and averaging networks against a naive
//! reference in `i64`, which shares no code with them. See `kernels` for the others.

mod common;

use common::tensors::*;
use firmware_core::kernels::{self, Conv2dShape, Pool2dShape};
use firmware_core::layers::Geometry;
use firmware_core::{
    Activation, Add, AveragePool2d, Clip, Concat, DepthwiseConv2d, GroupedConv2d, LeakyRelu,
    Requantize, Shift, Strided, Unit, Window,
};
use proptest::prelude::*;

/// Accumulators `[height][width][out]` of a convolution in groups; weights
/// `[out][kernel row][kernel column][in / groups]`.
fn naive_conv2d<X: Activation>(
    shape: &Conv2dShape,
    groups: usize,
    x: &[X],
    weights: &[i8],
    bias: &[i32],
) -> Vec<i64> {
    let ([height, width, depth], [out_height, out_width, channels]) = (shape.input, shape.output);
    let Window { kernel, stride, dilation, padding } = shape.window;
    let (group_in, group_out) = (depth / groups, channels / groups);
    let mut y = Vec::new();
    for (oy, ox) in (0..out_height).flat_map(|oy| (0..out_width).map(move |ox| (oy, ox))) {
        for o in 0..channels {
            let mut sum = i64::from(bias[o]);
            for (ky, kx) in (0..kernel[0]).flat_map(|ky| (0..kernel[1]).map(move |kx| (ky, kx))) {
                let iy = (oy * stride[0] + ky * dilation[0]) as i64 - padding[0] as i64;
                let ix = (ox * stride[1] + kx * dilation[1]) as i64 - padding[1] as i64;
                let outside = iy < 0 || iy >= height as i64 || ix < 0 || ix >= width as i64;
                for i in 0..group_in {
                    let channel = o / group_out * group_in + i;
                    let value = match outside {
                        true => shape.padding_value,
                        false => x[(iy as usize * width + ix as usize) * depth + channel].to_i32(),
                    };
                    let weight = weights[((o * kernel[0] + ky) * kernel[1] + kx) * group_in + i];
                    sum += i64::from(value) * i64::from(weight);
                }
            }
            y.push(sum);
        }
    }
    y
}

/// Weights `[out][tap]` as `[tap][out]`.
fn by_tap(weights: &[i8], channels: usize) -> Vec<i8> {
    let taps = weights.len() / channels;
    (0..taps).flat_map(|tap| (0..channels).map(move |o| weights[o * taps + tap])).collect()
}

fn check_grouped<X: Activation, Y: Activation>(
    shape: &Conv2dShape,
    groups: usize,
    source: &mut Source,
) {
    let channels = shape.output[2];
    let taps = shape.window.kernel[0] * shape.window.kernel[1] * shape.input[2] / groups;
    let x: Vec<X> = source.activations(shape.input.iter().product());
    let weights = source.weights(channels * taps);
    let (bias, shifts) = (source.biases(channels), source.shifts(channels));
    let want: Vec<Y> = naive_conv2d(shape, groups, &x, &weights, &bias)
        .iter()
        .enumerate()
        .map(|(i, acc)| requantized(*acc, shifts[i % channels]))
        .collect();
    let mut y = vec![untouched::<Y>(); want.len()];
    kernels::grouped_conv2d(shape, groups, &x, &weights, &bias, &shifts, &mut y);
    assert!(y == want);
    if groups == shape.input[2] {
        y.fill(untouched());
        kernels::depthwise_conv2d(shape, &x, &by_tap(&weights, channels), &bias, &shifts, &mut y);
        assert!(y == want);
    }
}

fn check_average<X: Activation, Y: Activation>(shape: &Pool2dShape, source: &mut Source) {
    let channels = shape.input[2];
    let x: Vec<X> = source.activations(shape.input.iter().product());
    let shift = source.shifts(1)[0];
    // A convolution in which every channel has a window of ones.
    let ones = vec![1; shape.window.kernel[0] * shape.window.kernel[1] * channels];
    let convolution = Conv2dShape::new(shape.input, shape.output, shape.window);
    let sums = naive_conv2d(&convolution, channels, &x, &ones, &vec![0; channels]);
    let want: Vec<Y> = sums.iter().map(|sum| requantized(*sum, shift)).collect();
    let mut y = vec![untouched::<Y>(); want.len()];
    kernels::average_pool2d(shape, &x, shift, &mut y);
    assert!(y == want);
}

fn check_add<A: Activation, B: Activation, Y: Activation>(
    bits: [u32; 2],
    len: usize,
    source: &mut Source,
) {
    let (a, b): (Vec<A>, Vec<B>) = (source.activations(len), source.activations(len));
    let shift = source.shifts(1)[0];
    let sum =
        |(a, b): (&A, &B)| (i64::from(a.to_i32()) << bits[0]) + (i64::from(b.to_i32()) << bits[1]);
    let want: Vec<Y> = a.iter().zip(&b).map(|pair| requantized(sum(pair), shift)).collect();
    let mut y = vec![untouched::<Y>(); len];
    kernels::add(bits, &a, &b, shift, &mut y);
    assert!(y == want);
}

fn check_add_in_place<A: Activation, Y: Activation>(
    bits: [u32; 2],
    len: usize,
    source: &mut Source,
) {
    let (a, b): (Vec<A>, Vec<Y>) = (source.activations(len), source.activations(len));
    let shift = source.shifts(1)[0];
    let mut want = vec![untouched::<Y>(); len];
    kernels::add(bits, &a, &b, shift, &mut want);
    let mut y = b;
    kernels::add_in_place(bits, &a, shift, &mut y);
    assert!(y == want);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn grouped_and_depthwise((input, output, window) in placement(), groups in 1usize..=4,
                             padding_value in padding_value(), group in [1usize..=3, 1..=3], seed: u64) {
        let shape = Conv2dShape {
            input: [input[0], input[1], groups * group[0]],
            output: [output[0], output[1], groups * group[1]],
            window,
            padding_value,
        };
        check_grouped::<u8, u8>(&shape, groups, &mut Source(seed));
        check_grouped::<u8, i8>(&shape, groups, &mut Source(seed));
        check_grouped::<i8, u8>(&shape, groups, &mut Source(seed));
        check_grouped::<i8, i8>(&shape, groups, &mut Source(seed));
    }

    #[test]
    fn average_pool2d((input, output, window) in placement(), channels in 1usize..=6, seed: u64) {
        let shape = Pool2dShape {
            input: [input[0], input[1], channels],
            output: [output[0], output[1], channels],
            window,
        };
        check_average::<u8, u8>(&shape, &mut Source(seed));
        check_average::<i8, i8>(&shape, &mut Source(seed));
        check_average::<i8, u8>(&shape, &mut Source(seed));
    }

    #[test]
    fn add(bits in 0u32..=15, second: bool, len in 1usize..=60, seed: u64) {
        let bits = if second { [0, bits] } else { [bits, 0] };
        check_add::<u8, u8, u8>(bits, len, &mut Source(seed));
        check_add::<u8, i8, u8>(bits, len, &mut Source(seed));
        check_add::<i8, u8, i8>(bits, len, &mut Source(seed));
        check_add::<i8, i8, i8>(bits, len, &mut Source(seed));
        check_add_in_place::<i8, u8>(bits, len, &mut Source(seed));
        check_add_in_place::<u8, i8>(bits, len, &mut Source(seed));
    }

    #[test]
    fn concat(pixels in 1usize..=9, channels in prop::collection::vec(1usize..=5, 1..=4), seed: u64) {
        let total: usize = channels.iter().sum();
        let mut source = Source(seed);
        let parts: Vec<Vec<i8>> = channels.iter().map(|c| source.activations(pixels * c)).collect();
        let mut y = vec![untouched::<i8>(); pixels * total];
        let mut first = 0;
        for (x, channels) in parts.iter().zip(&channels) {
            kernels::concat(x, *channels, &mut y, total, first);
            first += channels;
        }
        let want: Vec<i8> = (0..pixels)
            .flat_map(|p| parts.iter().zip(&channels).flat_map(move |(x, c)| x[p * c..(p + 1) * c].to_vec()))
            .collect();
        prop_assert_eq!(y, want);
    }

    #[test]
    fn leaky_relu(slope: u16, bits in 0u8..=31, len in 1usize..=40, seed: u64) {
        let x: Vec<i8> = Source(seed).activations(len);
        let want: Vec<i8> = x
            .iter()
            .map(|&x| match x {
                0.. => x,
                _ => round_half_even(i64::from(x) * i64::from(slope), bits).max(-128) as i8,
            })
            .collect();
        let mut y = vec![untouched::<i8>(); len];
        kernels::leaky_relu(slope, Shift::new(bits), &x, &mut y);
        prop_assert_eq!(&y, &want);
        y.copy_from_slice(&x);
        kernels::leaky_relu_in_place(slope, Shift::new(bits), &mut y);
        prop_assert_eq!(y, want);
    }

    #[test]
    fn clip(accumulator: i32, bits in 0u8..=31) {
        let rounded = round_half_even(accumulator.into(), bits);
        prop_assert_eq!(i64::from(Clip::<0, 96>::new(bits).apply(accumulator)), rounded.clamp(0, 96));
        prop_assert_eq!(i64::from(Clip::<-3, 127>::new(bits).apply(accumulator)), rounded.clamp(-3, 127));
    }

    #[test]
    fn wrong_lengths_do_not_panic((input, output, window) in placement(), cut in [0usize..30, 0..30, 0..4, 0..30],
                                  groups in 0usize..4, padding_value in padding_value(), seed: u64) {
        let source = &mut Source(seed);
        let shape = Conv2dShape { padding_value, ..Conv2dShape::new([input[0], input[1], 3], [output[0], output[1], 4], window) };
        let pool = Pool2dShape { input: shape.input, output: shape.output, window };
        let (x, weights): (Vec<u8>, _) = (source.activations(cut[0]), source.weights(cut[1]));
        let (bias, shifts) = (source.biases(cut[2]), source.shifts(4));
        let mut y = vec![0u8; cut[3]];
        kernels::depthwise_conv2d(&shape, &x, &weights, &bias, &shifts, &mut y);
        kernels::grouped_conv2d(&shape, groups, &x, &weights, &bias, &shifts, &mut y);
        kernels::average_pool2d(&pool, &x, shifts[0], &mut y);
        kernels::add([0, 3], &x, &weights, shifts[0], &mut y);
        kernels::concat(&x, groups, &mut y, cut[1], cut[2]);
        kernels::leaky_relu(9, shifts[0], &x, &mut y);
    }

    #[test]
    fn layers(seed: u64) {
        let source = &mut Source(seed);
        depthwise_layer::<u8, u8, 1, 1, 1, 1, Unit, 1, 1, 1, 1>(source);
        depthwise_layer::<u8, i8, 5, 3, 3, 5, Strided<1, 1, 1, 1>, 6, 7, 6, 7>(source);
        depthwise_layer::<i8, u8, 8, 2, 3, 4, Strided<2, 1, 0, 1, 1, 1>, 6, 5, 3, 5>(source);
        grouped_layer::<u8, u8, 4, 3, 2, 3, 6, Unit, 5, 5, 3, 4>(source);
        grouped_layer::<i8, i8, 6, 1, 1, 1, 3, Strided<2, 2>, 5, 4, 3, 2>(source);
        average_layer::<u8, u8, 3, 2, 2, Strided<2, 2>, 6, 8, 3, 4>(source);
        average_layer::<i8, i8, 2, 3, 2, Strided<1, 2, 1, 0, 0, 1>, 5, 5, 4, 3>(source);
        add_layer::<u8, i8, u8, 0, 4, 3, 4, 5>(source);
        add_layer::<i8, i8, i8, 15, 0, 1, 2, 3>(source);
        concat_layer::<u8, 2, 3, 5, 4, 3>(source);
        leaky_layer::<3, 4, 2>(source);
    }
}

fn depthwise_layer<
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
    source: &mut Source,
) {
    let shape = Conv2dShape::of::<G>([IH, IW, IC], [OH, OW, OC], [KH, KW]);
    let x: Vec<X> = source.activations(IH * IW * IC);
    let weights = source.weights(KH * KW * OC);
    let bias: [i32; OC] = source.biases(OC).try_into().unwrap();
    let shifts: [Shift; OC] = source.shifts(OC).try_into().unwrap();
    let mut want = vec![untouched::<Y>(); OH * OW * OC];
    kernels::depthwise_conv2d(&shape, &x, &weights, &bias, &shifts, &mut want);
    let mut array = [[[0; OC]; KW]; KH];
    array.as_flattened_mut().as_flattened_mut().copy_from_slice(&weights);
    let mut y = hwc::<Y, OH, OW, OC>(&vec![untouched(); OH * OW * OC]);
    DepthwiseConv2d::<OC, KH, KW, G>::new(array, bias, shifts)
        .forward(&hwc::<X, IH, IW, IC>(&x), &mut y);
    assert!(y.as_flattened().as_flattened() == want);
}

fn grouped_layer<
    X: Activation,
    Y: Activation,
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
    source: &mut Source,
) {
    let shape = Conv2dShape::of::<G>([IH, IW, IC], [OH, OW, OC], [KH, KW]);
    let x: Vec<X> = source.activations(IH * IW * IC);
    let weights = source.weights(OC * KH * KW * GC);
    let bias: [i32; OC] = source.biases(OC).try_into().unwrap();
    let shifts: [Shift; OC] = source.shifts(OC).try_into().unwrap();
    let mut want = vec![untouched::<Y>(); OH * OW * OC];
    kernels::grouped_conv2d(&shape, IC / GC, &x, &weights, &bias, &shifts, &mut want);
    let mut y = hwc::<Y, OH, OW, OC>(&vec![untouched(); OH * OW * OC]);
    let layer = GroupedConv2d::<OC, KH, KW, GC, G>::new(ohwi(&weights), bias, shifts);
    layer.forward(&hwc::<X, IH, IW, IC>(&x), &mut y);
    assert!(y.as_flattened().as_flattened() == want);
}

fn average_layer<
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
    source: &mut Source,
) {
    let shape =
        Pool2dShape { input: [IH, IW, C], output: [OH, OW, C], window: Window::of::<G>([KH, KW]) };
    let x: Vec<X> = source.activations(IH * IW * C);
    let shift = source.shifts(1)[0];
    let mut want = vec![untouched::<Y>(); OH * OW * C];
    kernels::average_pool2d(&shape, &x, shift, &mut want);
    let mut y = hwc::<Y, OH, OW, C>(&vec![untouched(); OH * OW * C]);
    AveragePool2d::<KH, KW, G>::new(shift).forward(&hwc::<X, IH, IW, C>(&x), &mut y);
    assert!(y.as_flattened().as_flattened() == want);
}

fn add_layer<
    T: Activation,
    U: Activation,
    Y: Activation,
    const A: u32,
    const B: u32,
    const C: usize,
    const W: usize,
    const H: usize,
>(
    source: &mut Source,
) {
    let (a, b): (Vec<T>, Vec<U>) = (source.activations(H * W * C), source.activations(H * W * C));
    let shift = source.shifts(1)[0];
    let mut want = vec![untouched::<Y>(); H * W * C];
    kernels::add([A, B], &a, &b, shift, &mut want);
    let mut y = hwc::<Y, H, W, C>(&vec![untouched(); H * W * C]);
    Add::<A, B>::new(shift).forward(&hwc::<T, H, W, C>(&a), &hwc::<U, H, W, C>(&b), &mut y);
    assert!(y.as_flattened().as_flattened() == want);
}

fn concat_layer<
    X: Activation,
    const C: usize,
    const D: usize,
    const TOTAL: usize,
    const W: usize,
    const H: usize,
>(
    source: &mut Source,
) {
    let (a, b): (Vec<X>, Vec<X>) = (source.activations(H * W * C), source.activations(H * W * D));
    let mut want = vec![untouched::<X>(); H * W * TOTAL];
    kernels::concat(&a, C, &mut want, TOTAL, 0);
    kernels::concat(&b, D, &mut want, TOTAL, 2);
    let mut y = hwc::<X, H, W, TOTAL>(&vec![untouched(); H * W * TOTAL]);
    Concat::<0>.forward(&hwc::<X, H, W, C>(&a), &mut y);
    Concat::<2>.forward(&hwc::<X, H, W, D>(&b), &mut y);
    assert!(y.as_flattened().as_flattened() == want);
}

fn leaky_layer<const C: usize, const W: usize, const H: usize>(source: &mut Source) {
    let x: Vec<i8> = source.activations(H * W * C);
    let mut want = vec![untouched::<i8>(); x.len()];
    kernels::leaky_relu(5, Shift::new(3), &x, &mut want);
    let mut y = hwc::<i8, H, W, C>(&vec![untouched(); x.len()]);
    LeakyRelu::<5, 3>.forward(&hwc::<i8, H, W, C>(&x), &mut y);
    assert!(y.as_flattened().as_flattened() == want);
}
