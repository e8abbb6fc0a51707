//! Every kernel and every layer of firmware-core against a naive reference in `i64`.
//!
//! The reference is written from the definition, index by index, and shares no code with the
//! kernels. Shapes and values are random, with extremes and rounding ties over-represented.
//! Output buffers start as 0xa5, so that a byte nobody writes fails.

mod common;

use common::tensors::*;
use firmware_core::kernels::{self, Conv2dShape, Pool2dShape};
use firmware_core::{
    Activation, Conv2d, FullyConnected, MaxPool2d, Shift, Strided, Unit, Window, layers::Geometry,
};
use proptest::prelude::*;

/// Accumulators of a convolution, `[height][width][out]`.
fn naive_conv2d<X: Activation>(
    shape: &Conv2dShape,
    x: &[X],
    weights: &[i8],
    bias: &[i32],
) -> Vec<i64> {
    let ([height, width, depth], [out_height, out_width, channels]) = (shape.input, shape.output);
    let Window { kernel, stride, dilation, padding } = shape.window;
    let mut y = Vec::new();
    for oy in 0..out_height {
        for ox in 0..out_width {
            for o in 0..channels {
                let mut sum = i64::from(bias[o]);
                for ky in 0..kernel[0] {
                    for kx in 0..kernel[1] {
                        let iy = (oy * stride[0] + ky * dilation[0]) as i64 - padding[0] as i64;
                        let ix = (ox * stride[1] + kx * dilation[1]) as i64 - padding[1] as i64;
                        let outside = iy < 0 || iy >= height as i64 || ix < 0 || ix >= width as i64;
                        for i in 0..depth {
                            let value = match outside {
                                true => shape.padding_value,
                                false => {
                                    x[(iy as usize * width + ix as usize) * depth + i].to_i32()
                                }
                            };
                            let weight =
                                weights[((o * kernel[0] + ky) * kernel[1] + kx) * depth + i];
                            sum += i64::from(value) * i64::from(weight);
                        }
                    }
                }
                y.push(sum);
            }
        }
    }
    y
}

/// The maximum of every window of a `[height][width][channel]` tensor; `least` where a window has
/// nothing but padding.
fn naive_max_pool2d<T: Ord + Copy>(shape: &Pool2dShape, x: &[T], least: T) -> Vec<T> {
    let ([height, width, depth], [out_height, out_width, _]) = (shape.input, shape.output);
    let Window { kernel, stride, dilation, padding } = shape.window;
    let mut y = Vec::new();
    for oy in 0..out_height {
        for ox in 0..out_width {
            for c in 0..depth {
                let rows = (0..kernel[0])
                    .map(|k| (oy * stride[0] + k * dilation[0]) as i64 - padding[0] as i64);
                let inside = rows.filter(|&iy| iy >= 0 && iy < height as i64).flat_map(|iy| {
                    let columns = (0..kernel[1])
                        .map(|k| (ox * stride[1] + k * dilation[1]) as i64 - padding[1] as i64);
                    columns
                        .filter(|&ix| ix >= 0 && ix < width as i64)
                        .map(move |ix| (iy as usize, ix as usize))
                });
                y.push(
                    inside.map(|(iy, ix)| x[(iy * width + ix) * depth + c]).max().unwrap_or(least),
                );
            }
        }
    }
    y
}

fn naive_fully_connected<X: Activation>(x: &[X], weights: &[i8], bias: &[i32]) -> Vec<i64> {
    let sum = |o: usize| {
        (0..x.len())
            .map(|i| i64::from(x[i].to_i32()) * i64::from(weights[o * x.len() + i]))
            .sum::<i64>()
    };
    (0..bias.len()).map(|o| i64::from(bias[o]) + sum(o)).collect()
}

fn conv2d_shape() -> impl Strategy<Value = Conv2dShape> {
    (placement(), 1usize..=5, 1usize..=5, padding_value()).prop_map(
        |((input, output, window), depth, channels, padding_value)| Conv2dShape {
            input: [input[0], input[1], depth],
            output: [output[0], output[1], channels],
            window,
            padding_value,
        },
    )
}

fn check_conv2d<X: Activation, Y: Activation>(shape: &Conv2dShape, source: &mut Source) {
    let channels = shape.output[2];
    let taps = shape.window.kernel[0] * shape.window.kernel[1] * shape.input[2];
    let x: Vec<X> = source.activations(shape.input.iter().product());
    let weights = source.weights(channels * taps);
    let (bias, shifts) = (source.biases(channels), source.shifts(channels));
    let want = naive_conv2d(shape, &x, &weights, &bias);

    let mut accumulators = vec![0xa5a5_a5a5u32 as i32; want.len()];
    kernels::conv2d_accumulate(shape, &x, &weights, &bias, &mut accumulators);
    assert!(accumulators.iter().zip(&want).all(|(got, want)| i64::from(*got) == *want));

    let want: Vec<Y> =
        want.iter().enumerate().map(|(i, acc)| requantized(*acc, shifts[i % channels])).collect();
    let mut y = vec![untouched::<Y>(); want.len()];
    kernels::conv2d(shape, &x, &weights, &bias, &shifts, &mut y);
    assert!(y == want);
}

fn check_fused<X: Activation, Y: Activation>(
    shape: &Conv2dShape,
    pool: &Pool2dShape,
    source: &mut Source,
) {
    let channels = shape.output[2];
    let taps = shape.window.kernel[0] * shape.window.kernel[1] * shape.input[2];
    let x: Vec<X> = source.activations(shape.input.iter().product());
    let weights = source.weights(channels * taps);
    let (bias, shifts) = (source.biases(channels), source.shifts(channels));

    let mut y = vec![untouched::<Y>(); pool.output.iter().product()];
    kernels::conv2d_max_pool2d(shape, pool, &x, &weights, &bias, &shifts, &mut y);

    let largest = naive_max_pool2d(pool, &naive_conv2d(shape, &x, &weights, &bias), i64::MIN);
    let want: Vec<Y> = largest
        .iter()
        .enumerate()
        .map(|(i, acc)| requantized(*acc, shifts[i % channels]))
        .collect();
    assert!(y == want);

    let mut convolved = vec![untouched::<Y>(); shape.output.iter().product()];
    kernels::conv2d(shape, &x, &weights, &bias, &shifts, &mut convolved);
    let mut pooled = vec![untouched::<Y>(); want.len()];
    kernels::max_pool2d(pool, &convolved, &mut pooled);
    assert!(pooled == want, "unfused differs from fused");
}

fn check_fully_connected<X: Activation, Y: Activation>(
    inputs: usize,
    outputs: usize,
    source: &mut Source,
) {
    let x: Vec<X> = source.activations(inputs);
    let weights = source.weights(inputs * outputs);
    let (bias, shifts) = (source.biases(outputs), source.shifts(outputs));
    let accumulators = naive_fully_connected(&x, &weights, &bias);

    let mut logits = vec![0xa5a5_a5a5u32 as i32; outputs];
    kernels::fully_connected_logits(&x, &weights, &bias, &mut logits);
    assert!(logits.iter().zip(&accumulators).all(|(got, want)| i64::from(*got) == *want));

    let want: Vec<Y> =
        accumulators.iter().zip(&shifts).map(|(acc, shift)| requantized(*acc, *shift)).collect();
    let mut y = vec![untouched::<Y>(); outputs];
    kernels::fully_connected(&x, &weights, &bias, &shifts, &mut y);
    assert!(y == want);

    let best = kernels::argmax(&logits);
    assert!(
        logits
            .iter()
            .enumerate()
            .all(|(i, logit)| *logit < logits[best] || (*logit == logits[best] && i >= best))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn shift_rounds_half_to_even(accumulator: i32, bits in 0u8..=31, tie: bool) {
        use firmware_core::Requantize;
        let half = (1u64 << bits >> 1) as i32;
        // Half of the cases lie exactly between two integers.
        let accumulator = if tie && bits > 0 { (accumulator >> bits << bits) | half } else { accumulator };
        prop_assert_eq!(i64::from(Shift::new(bits).apply(accumulator)), round_half_even(accumulator.into(), bits));
    }

    #[test]
    fn conv2d(shape in conv2d_shape(), seed: u64) {
        check_conv2d::<u8, u8>(&shape, &mut Source(seed));
        check_conv2d::<u8, i8>(&shape, &mut Source(seed));
        check_conv2d::<i8, u8>(&shape, &mut Source(seed));
        check_conv2d::<i8, i8>(&shape, &mut Source(seed));
    }

    #[test]
    fn conv2d_max_pool2d(shape in conv2d_shape(), kernel in [1usize..=3, 1..=3], stride in [1usize..=3, 1..=3],
                         padding in [0usize..=1, 0..=1], seed: u64) {
        let [height, width, channels] = shape.output;
        // A pooling window that does not fit is cut to the convolution's output.
        let kernel = [kernel[0].min(height), kernel[1].min(width)];
        let padding = [padding[0].min(kernel[0] - 1), padding[1].min(kernel[1] - 1)];
        let window = Window { stride, padding: [padding[0], padding[1], 0, 0], ..Window::new(kernel) };
        let [height, width] = window.output_size([height, width]);
        let pool = Pool2dShape { input: shape.output, output: [height, width, channels], window };
        check_fused::<u8, u8>(&shape, &pool, &mut Source(seed));
        check_fused::<i8, i8>(&shape, &pool, &mut Source(seed));
    }

    #[test]
    fn max_pool2d((input, output, window) in placement(), channels in 1usize..=6, seed: u64) {
        let shape = Pool2dShape {
            input: [input[0], input[1], channels],
            output: [output[0], output[1], channels],
            window,
        };
        let x: Vec<i8> = Source(seed).activations(shape.input.iter().product());
        let mut y = vec![untouched::<i8>(); shape.output.iter().product()];
        kernels::max_pool2d(&shape, &x, &mut y);
        prop_assert_eq!(y, naive_max_pool2d(&shape, &x, i8::MIN));
        let x: Vec<u8> = Source(seed).activations(shape.input.iter().product());
        let mut y = vec![untouched::<u8>(); shape.output.iter().product()];
        kernels::max_pool2d(&shape, &x, &mut y);
        prop_assert_eq!(y, naive_max_pool2d(&shape, &x, u8::MIN));
    }

    #[test]
    fn fully_connected(inputs in 1usize..=400, outputs in 1usize..=20, seed: u64) {
        check_fully_connected::<u8, u8>(inputs, outputs, &mut Source(seed));
        check_fully_connected::<u8, i8>(inputs, outputs, &mut Source(seed));
        check_fully_connected::<i8, u8>(inputs, outputs, &mut Source(seed));
        check_fully_connected::<i8, i8>(inputs, outputs, &mut Source(seed));
    }

    #[test]
    fn softmax_sums_to_one(logits in prop::collection::vec(any::<i32>(), 1..20), exponent in -10i32..=30) {
        let mut probabilities = vec![f32::NAN; logits.len()];
        kernels::softmax(&logits, exponent, &mut probabilities);
        prop_assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        prop_assert!(probabilities.iter().all(|p| (0.0..=1.0).contains(p)));
    }

    #[test]
    fn wrong_lengths_do_not_panic(shape in conv2d_shape(), cut in [0usize..30, 0..30, 0..4, 0..4, 0..30], seed: u64) {
        let mut source = Source(seed);
        let taps = shape.window.kernel[0] * shape.window.kernel[1] * shape.input[2];
        let mut x: Vec<u8> = source.activations(shape.input.iter().product());
        let mut weights = source.weights(taps * shape.output[2]);
        let (mut bias, mut shifts) = (source.biases(shape.output[2]), source.shifts(shape.output[2]));
        let mut y = vec![0u8; shape.output.iter().product()];
        x.truncate(cut[0]);
        weights.truncate(cut[1]);
        bias.truncate(cut[2]);
        shifts.truncate(cut[3]);
        y.truncate(cut[4]);
        kernels::conv2d(&shape, &x, &weights, &bias, &shifts, &mut y);
        kernels::fully_connected(&x, &weights, &bias, &shifts, &mut y);
        let pool = Pool2dShape { input: shape.output, output: shape.output, window: shape.window };
        kernels::conv2d_max_pool2d(&shape, &pool, &x, &weights, &bias, &shifts, &mut y);
        kernels::max_pool2d(&pool, &x, &mut y);
    }

    #[test]
    fn layers(seed: u64) {
        let source = &mut Source(seed);
        // Each of the host's kernels in turn, as far as the processor has them.
        #[cfg(target_arch = "x86_64")]
        firmware_core::limit_vectors([16, 32, 63, 64][(seed % 4) as usize]);
        // The shapes of `simple`.
        fused_layer::<10, 5, 5, 1, Unit, 2, 2, Strided<2, 2>, 28, 28, 12, 12>(source);
        fused_layer::<20, 5, 5, 10, Unit, 2, 2, Strided<2, 2>, 12, 12, 4, 4>(source);
        fully_connected_layer::<50, 320>(source);
        fully_connected_layer::<10, 50>(source);
        // Channel and tap counts that leave remainders in every blocking.
        conv2d_layer::<1, 1, 1, 1, Unit, 1, 1, 1, 1>(source);
        conv2d_layer::<3, 3, 3, 3, Unit, 7, 5, 5, 3>(source);
        conv2d_layer::<7, 2, 3, 5, Unit, 4, 6, 3, 4>(source);
        conv2d_layer::<8, 3, 3, 4, Strided<1, 1, 1, 1>, 5, 6, 5, 6>(source);
        conv2d_layer::<9, 3, 3, 16, Strided<2, 2, 1, 1>, 7, 8, 4, 4>(source);
        conv2d_layer::<5, 3, 2, 2, Strided<2, 3, 0, 1, 1, 0>, 6, 7, 3, 3>(source);
        conv2d_layer::<16, 1, 1, 24, Unit, 3, 3, 3, 3>(source);
        conv2d_layer::<17, 5, 5, 3, Strided<1, 1, 2, 2>, 6, 7, 6, 7>(source);
        fused_layer::<1, 1, 1, 1, Unit, 1, 1, Strided<1, 1>, 2, 2, 2, 2>(source);
        fused_layer::<3, 3, 3, 2, Unit, 2, 2, Strided<2, 2>, 7, 9, 2, 3>(source);
        fused_layer::<6, 3, 3, 8, Strided<1, 1, 1, 1>, 2, 2, Strided<2, 2>, 6, 8, 3, 4>(source);
        fused_layer::<11, 2, 2, 3, Unit, 3, 3, Strided<3, 3>, 7, 10, 2, 3>(source);
        fused_layer::<5, 3, 3, 6, Unit, 2, 2, Strided<1, 1>, 6, 6, 3, 3>(source);
        fused_layer::<4, 4, 4, 4, Unit, 3, 2, Strided<2, 2, 1, 0>, 9, 9, 3, 3>(source);
        // Windows of four pooled pixels in one load, or not quite; rows that leave lanes over.
        fused_layer::<7, 3, 3, 1, Unit, 2, 2, Strided<2, 2>, 12, 14, 5, 6>(source);
        fused_layer::<5, 5, 7, 1, Unit, 2, 1, Strided<2, 1>, 9, 15, 2, 9>(source);
        fused_layer::<3, 2, 7, 1, Unit, 2, 2, Strided<2, 2>, 5, 15, 2, 4>(source);
        fused_layer::<9, 3, 4, 2, Unit, 1, 2, Strided<1, 2>, 7, 21, 5, 9>(source);
        fused_layer::<6, 1, 2, 3, Strided<1, 2>, 2, 2, Strided<1, 1>, 5, 28, 4, 13>(source);
        fused_layer::<8, 4, 5, 4, Unit, 2, 2, Strided<2, 2>, 22, 14, 9, 5>(source);
        // Padding at the bottom or at the right alone.
        fused_layer::<4, 3, 3, 2, Strided<1, 1, 0, 0, 1, 0>, 2, 2, Strided<2, 2>, 7, 8, 3, 3>(source);
        fused_layer::<4, 3, 3, 2, Strided<1, 1, 0, 0, 0, 1>, 2, 2, Strided<2, 2>, 9, 7, 3, 3>(source);
        fused_layer::<4, 3, 3, 2, Unit, 2, 2, Strided<2, 2, 0, 0, 1, 0>, 9, 8, 4, 3>(source);
        fused_layer::<4, 3, 3, 2, Unit, 2, 2, Strided<2, 2, 0, 0, 0, 1>, 9, 9, 3, 4>(source);
        fused_layer::<4, 2, 2, 1, Strided<2, 2>, 2, 2, Strided<2, 2, 0, 0, 0, 1>, 14, 11, 3, 3>(source);
        // More channels than a vector holds, more taps than a patch.
        fused_layer::<17, 3, 3, 3, Unit, 2, 2, Strided<2, 2>, 8, 8, 3, 3>(source);
        fused_layer::<33, 2, 2, 4, Strided<2, 1>, 2, 2, Strided<2, 2>, 9, 8, 2, 3>(source);
        fused_layer::<3, 5, 5, 24, Unit, 2, 2, Strided<2, 2>, 8, 8, 2, 2>(source);
        conv2d_layer::<2, 3, 3, 70, Strided<1, 1, 1, 1>, 4, 4, 4, 4>(source);
        fully_connected_layer::<1, 1>(source);
        fully_connected_layer::<3, 7>(source);
        fully_connected_layer::<13, 33>(source);
        fully_connected_layer::<4, 1024>(source);
        fully_connected_layer::<16, 64>(source);
        fully_connected_layer::<37, 130>(source);
    }
}

/// The layer against the scalar kernel, which the tests above hold against the reference.
fn conv2d_layer<
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
    conv2d_layer_of::<u8, u8, OC, KH, KW, IC, G, IH, IW, OH, OW>(source);
    conv2d_layer_of::<u8, i8, OC, KH, KW, IC, G, IH, IW, OH, OW>(source);
    conv2d_layer_of::<i8, u8, OC, KH, KW, IC, G, IH, IW, OH, OW>(source);
}

fn conv2d_layer_of<
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
    let weights = source.weights(OC * KH * KW * IC);
    let bias: [i32; OC] = source.biases(OC).try_into().unwrap();
    let shifts: [Shift; OC] = source.shifts(OC).try_into().unwrap();
    let layer = Conv2d::<OC, KH, KW, IC, G>::new(ohwi(&weights), bias, shifts);

    let mut want = vec![untouched::<Y>(); OH * OW * OC];
    kernels::conv2d(&shape, &x, &weights, &bias, &shifts, &mut want);
    let mut y = Box::new([[[untouched::<Y>(); OC]; OW]; OH]);
    layer.forward(&hwc::<X, IH, IW, IC>(&x), &mut y);
    assert!(y.as_flattened().as_flattened() == want);

    let mut want = vec![0; OH * OW * OC];
    kernels::conv2d_accumulate(&shape, &x, &weights, &bias, &mut want);
    let mut y = Box::new([[[0xa5a5; OC]; OW]; OH]);
    layer.accumulate(&hwc::<X, IH, IW, IC>(&x), &mut y);
    assert!(y.as_flattened().as_flattened() == want);
}

fn fused_layer<
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
    source: &mut Source,
) {
    fused_layer_of::<u8, u8, OC, KH, KW, IC, G, PH, PW, PG, IH, IW, OH, OW>(source);
    fused_layer_of::<u8, i8, OC, KH, KW, IC, G, PH, PW, PG, IH, IW, OH, OW>(source);
    fused_layer_of::<i8, i8, OC, KH, KW, IC, G, PH, PW, PG, IH, IW, OH, OW>(source);
}

fn fused_layer_of<
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
    source: &mut Source,
) {
    let [height, width] = Window::of::<G>([KH, KW]).output_size([IH, IW]);
    let convolved = [height, width, OC];
    let shape = Conv2dShape::of::<G>([IH, IW, IC], convolved, [KH, KW]);
    let pool =
        Pool2dShape { input: convolved, output: [OH, OW, OC], window: Window::of::<PG>([PH, PW]) };
    let x: Vec<X> = source.activations(IH * IW * IC);
    let weights = source.weights(OC * KH * KW * IC);
    let bias: [i32; OC] = source.biases(OC).try_into().unwrap();
    let shifts: [Shift; OC] = source.shifts(OC).try_into().unwrap();
    let layer = Conv2d::<OC, KH, KW, IC, G>::new(ohwi(&weights), bias, shifts);

    let mut want = vec![untouched::<Y>(); OH * OW * OC];
    kernels::conv2d_max_pool2d(&shape, &pool, &x, &weights, &bias, &shifts, &mut want);
    let mut y = Box::new([[[untouched::<Y>(); OC]; OW]; OH]);
    layer.forward_max_pool2d(&MaxPool2d::<PH, PW, PG>::new(), &hwc::<X, IH, IW, IC>(&x), &mut y);
    assert!(y.as_flattened().as_flattened() == want);
}

fn fully_connected_layer<const OUT: usize, const IN: usize>(source: &mut Source) {
    fully_connected_layer_of::<u8, u8, OUT, IN>(source);
    fully_connected_layer_of::<u8, i8, OUT, IN>(source);
    fully_connected_layer_of::<i8, i8, OUT, IN>(source);
}

fn fully_connected_layer_of<X: Activation, Y: Activation, const OUT: usize, const IN: usize>(
    source: &mut Source,
) {
    let x: [X; IN] = source.activations(IN).try_into().unwrap();
    let flat = source.weights(OUT * IN);
    let mut weights = [[0; IN]; OUT];
    weights.as_flattened_mut().copy_from_slice(&flat);
    let bias: [i32; OUT] = source.biases(OUT).try_into().unwrap();
    let shifts: [Shift; OUT] = source.shifts(OUT).try_into().unwrap();
    let layer = FullyConnected::<OUT, IN>::new(weights, bias, shifts);

    let mut want = [0; OUT];
    kernels::fully_connected_logits(&x, &flat, &bias, &mut want);
    assert!(layer.logits(&x) == want);
    let last = FullyConnected::<OUT, IN, ()>::logits_only(weights, bias);
    assert!(last.logits(&x) == want);

    let mut want = [untouched::<Y>(); OUT];
    kernels::fully_connected(&x, &flat, &bias, &shifts, &mut want);
    let mut y = [untouched::<Y>(); OUT];
    layer.forward(&x, &mut y);
    assert!(y == want);
}
