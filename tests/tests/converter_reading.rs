//! The converter reads every dialect as the same network, and its integers equal tract's.

use converter::passes::PixelScale;
use converter::{Converter, evaluate, prove};
use tests::dialects::{Batch, CLASSES, Dialect, Flatten, PLAIN, SIDE, network};
use tests::random_images;

fn dialects() -> Vec<Dialect> {
    let mut all = vec![
        PLAIN,
        Dialect { gemm_trans_b: Some(false), ..PLAIN },
        Dialect { gemm_trans_b: None, ..PLAIN },
        Dialect { flatten: Flatten::Reshape, ..PLAIN },
        Dialect { flatten: Flatten::ShapeComputation, ..PLAIN },
        Dialect { flatten: Flatten::ShapeComputation, opset: 11, ..PLAIN },
        Dialect { batch: Batch::Fixed(1), ..PLAIN },
        Dialect { batch: Batch::Fixed(4), ..PLAIN },
        Dialect { constants: true, ..PLAIN },
        Dialect { channels_last: true, gemm_trans_b: None, flatten: Flatten::Reshape, ..PLAIN },
        Dialect { relu_after_pool: true, ..PLAIN },
        Dialect { softmax: true, dropout: true, ..PLAIN },
    ];
    all.extend((7..=25).map(|opset| Dialect { opset, ..PLAIN }));
    all
}

/// The float logits of one image are the yardstick: all dialects have the same weights.
#[test]
fn every_dialect_is_the_same_network() {
    let images = random_images(1, 40, SIDE, SIDE, CLASSES);
    let expected =
        Converter::new("plain", &network(7, &PLAIN)).lower().expect("the plain form is read");
    for dialect in dialects() {
        let onnx = network(7, &dialect);
        let read =
            Converter::new("other", &onnx).lower().unwrap_or_else(|e| panic!("{dialect:?}: {e}"));
        assert_eq!(read.layers.len(), expected.layers.len(), "{dialect:?}");
        for index in 0..images.len() {
            let image = images.image(index);
            assert_eq!(
                evaluate::logits(&read, image),
                evaluate::logits(&expected, image),
                "{dialect:?}"
            );
        }
    }
}

/// tract, on the file itself, agrees with the network as read.
#[test]
fn tract_reads_the_same() {
    let images = random_images(2, 10, SIDE, SIDE, CLASSES);
    let pixels = [PixelScale { divisor: 255.0, mean: 0.0.into(), deviation: 0.5.into() }];
    for dialect in dialects().into_iter().chain([Dialect { batch_norm: true, ..PLAIN }]) {
        let onnx = network(8, &dialect);
        let read =
            Converter::new("net", &onnx).pixel_scale(pixels[0].clone()).lower().expect("is read");
        let reading = prove::reading(&read, &onnx, &pixels, &images).expect("is confirmed");
        assert!(
            matches!(reading, prove::Reading::Tract(error) if error < 1e-5),
            "{dialect:?}: {reading:?}"
        );
    }
}

/// A mean in front of a padded convolution must not move the padding: it becomes a layer of its own.
#[test]
fn a_mean_before_a_padded_convolution_is_kept_in_front_of_it() {
    let images = random_images(2, 10, SIDE, SIDE, CLASSES);
    let onnx = network(8, &PLAIN);
    let pixels = [PixelScale { divisor: 255.0, mean: 0.1307.into(), deviation: 0.3081.into() }];
    let read =
        Converter::new("net", &onnx).pixel_scale(pixels[0].clone()).lower().expect("is read");
    let reading = prove::reading(&read, &onnx, &pixels, &images).expect("is confirmed");
    assert!(matches!(reading, prove::Reading::Tract(_)), "{reading:?}");
}

/// Stride, asymmetric padding, batch norm: every integer equals tract's on the int8.onnx.
#[test]
fn integers_equal_tract_in_every_dialect() {
    let images = random_images(3, 120, SIDE, SIDE, CLASSES);
    for seed in 0..6 {
        for dialect in [PLAIN, Dialect { batch_norm: true, channels_last: true, ..PLAIN }] {
            let onnx = network(seed, &dialect);
            let conversion = Converter::new("net", &onnx).convert(&images).expect("is converted");
            let agreement =
                prove::against_tract(&conversion.network, &conversion.int8_onnx(), &images)
                    .expect("tract runs the int8.onnx");
            assert_eq!(agreement.logits, images.len() * CLASSES);
            assert_eq!(agreement.mismatches, 0, "seed {seed}, {dialect:?}");
        }
    }
}

/// The same input gives the same bytes, and another image set may give others.
#[test]
fn conversion_is_deterministic() {
    let images = random_images(4, 90, SIDE, SIDE, CLASSES);
    let onnx = network(9, &PLAIN);
    let convert = || Converter::new("net", &onnx).convert(&images).expect("is converted");
    let (one, two) = (convert(), convert());
    assert_eq!(one.model_rs(), two.model_rs());
    assert_eq!(one.int8_onnx(), two.int8_onnx());
    assert_eq!(one.golden_rs(&images), two.golden_rs(&images));
    assert_eq!(one.report_markdown(), two.report_markdown());
}
