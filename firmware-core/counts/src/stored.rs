//! The layers that have weights, however these are stored.

use firmware_core::layers::{EightBits, FourBits, Geometry, Storage};
use firmware_core::{Activation, Conv2d, DepthwiseConv2d, FullyConnected, Requantize};

/// How weights are stored, with the layers that have them.
pub trait Stored: Storage + Sized {
    /// The largest magnitude of a weight.
    const LARGEST: i8;

    fn conv2d<
        const OC: usize,
        const KH: usize,
        const KW: usize,
        const IC: usize,
        G: Geometry,
        R: Copy,
    >(
        weights: [[[[i8; IC]; KW]; KH]; OC],
        bias: [i32; OC],
        requantize: [R; OC],
    ) -> Conv2d<OC, KH, KW, IC, G, R, Self>;

    fn depthwise_conv2d<const OC: usize, const KH: usize, const KW: usize, G: Geometry, R: Copy>(
        weights: [[[i8; OC]; KW]; KH],
        bias: [i32; OC],
        requantize: [R; OC],
    ) -> DepthwiseConv2d<OC, KH, KW, G, R, Self>;

    fn fully_connected<const OUT: usize, const IN: usize, R: Copy>(
        weights: [[i8; IN]; OUT],
        bias: [i32; OUT],
        requantize: [R; OUT],
    ) -> FullyConnected<OUT, IN, R, Self>;

    fn connect<X: Activation, Y: Activation, const OUT: usize, const IN: usize, R: Requantize>(
        layer: &FullyConnected<OUT, IN, R, Self>,
        x: &[X; IN],
        y: &mut [Y; OUT],
    ) -> [i32; OUT];
}

/// The constructors of a kind of storage.
macro_rules! stored {
    ($constructor:ident) => {
        fn conv2d<
            const OC: usize,
            const KH: usize,
            const KW: usize,
            const IC: usize,
            G: Geometry,
            R: Copy,
        >(
            weights: [[[[i8; IC]; KW]; KH]; OC],
            bias: [i32; OC],
            requantize: [R; OC],
        ) -> Conv2d<OC, KH, KW, IC, G, R, Self> {
            Conv2d::$constructor(weights, bias, requantize)
        }

        fn depthwise_conv2d<
            const OC: usize,
            const KH: usize,
            const KW: usize,
            G: Geometry,
            R: Copy,
        >(
            weights: [[[i8; OC]; KW]; KH],
            bias: [i32; OC],
            requantize: [R; OC],
        ) -> DepthwiseConv2d<OC, KH, KW, G, R, Self> {
            DepthwiseConv2d::$constructor(weights, bias, requantize)
        }

        fn fully_connected<const OUT: usize, const IN: usize, R: Copy>(
            weights: [[i8; IN]; OUT],
            bias: [i32; OUT],
            requantize: [R; OUT],
        ) -> FullyConnected<OUT, IN, R, Self> {
            FullyConnected::$constructor(weights, bias, requantize)
        }

        fn connect<
            X: Activation,
            Y: Activation,
            const OUT: usize,
            const IN: usize,
            R: Requantize,
        >(
            layer: &FullyConnected<OUT, IN, R, Self>,
            x: &[X; IN],
            y: &mut [Y; OUT],
        ) -> [i32; OUT] {
            layer.forward(x, y);
            layer.logits(x)
        }
    };
}

impl Stored for EightBits {
    const LARGEST: i8 = 127;
    stored!(new);
}

impl<const BYTES: usize> Stored for FourBits<BYTES> {
    const LARGEST: i8 = 7;
    stored!(four_bits);
}
