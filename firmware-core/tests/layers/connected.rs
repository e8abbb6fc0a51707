//! Fully connected layers.

use firmware_core::kernels;
use firmware_core::{Activation, FullyConnected, Shift};

use crate::{Source, on_every_processor, untouched};

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
