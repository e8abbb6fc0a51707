//! The weighted layers of `simple` by microflow, which has no max pooling: both convolutions and
//! both fully connected layers are run, the poolings between them are left out.

use std::hint::black_box;

use microflow::activation::FusedActivation;
use microflow::buffer::Buffer2D;
use microflow::ops::{Conv2DOptions, FullyConnectedOptions, conv_2d, fully_connected};
use microflow::tensor::{Tensor2D, Tensor4D, TensorViewPadding};

use super::weight;

/// An output step of 2^-6 of an accumulator's.
const SCALE: f32 = 1.0 / 64.0;

/// The layers with their weights and the inputs that poolings would have left.
pub struct Microflow {
    conv1: Tensor4D<i8, 10, 5, 5, 1, 1>,
    conv2: Tensor4D<i8, 20, 5, 5, 10, 1>,
    hidden: Tensor2D<i8, 320, 50, 1>,
    last: Tensor2D<i8, 50, 10, 1>,
    pooled1: [Buffer2D<[i8; 10], 12, 12>; 1],
    pooled2: Buffer2D<i8, 1, 320>,
}

impl Default for Microflow {
    fn default() -> Self {
        let filter1 =
            std::array::from_fn(|o| Buffer2D::from_fn(|r, c| [weight(o * 25 + r * 5 + c)]));
        let filter2 = std::array::from_fn(|o| {
            Buffer2D::from_fn(|r, c| {
                std::array::from_fn(|i| weight(((o * 5 + r) * 5 + c) * 10 + i))
            })
        });
        let pooled1 =
            Buffer2D::from_fn(|r, c| std::array::from_fn(|i| weight(r * 120 + c * 10 + i)));
        Self {
            conv1: Tensor4D::new(filter1, [1.0], [0]),
            conv2: Tensor4D::new(filter2, [1.0], [0]),
            hidden: Tensor2D::new(Buffer2D::from_fn(|i, o| weight(o * 320 + i)), [1.0], [0]),
            last: Tensor2D::new(Buffer2D::from_fn(|i, o| weight(o * 50 + i)), [1.0], [0]),
            pooled1: [pooled1],
            pooled2: Buffer2D::from_fn(|_, i| weight(i)),
        }
    }
}

impl Microflow {
    /// Runs the layers for one image.
    pub fn run(&self, image: &[i8]) {
        let pixels: Buffer2D<[i8; 1], 28, 28> =
            Buffer2D::from_fn(|row, column| [image[row * 28 + column]]);
        let image = Tensor4D::new([pixels], [1.0], [0]);
        let options = || Conv2DOptions {
            fused_activation: FusedActivation::Relu,
            view_padding: TensorViewPadding::Valid,
            strides: (1, 1),
        };
        let constants1 = (Buffer2D::from_element(0.5), Buffer2D::from_element(SCALE));
        let y: Tensor4D<i8, 1, 24, 24, 10, 1> =
            conv_2d(image, &self.conv1, [1.0], [0], options(), constants1);
        black_box(y);
        let constants2 = (Buffer2D::from_element(0.5), Buffer2D::from_element(SCALE));
        let y: Tensor4D<i8, 1, 8, 8, 20, 1> = conv_2d(
            Tensor4D::new(self.pooled1, [1.0], [0]),
            &self.conv2,
            [1.0],
            [0],
            options(),
            constants2,
        );
        black_box(y);
        let relu = FullyConnectedOptions { fused_activation: FusedActivation::Relu };
        let constants = (Buffer2D::from_element(0.5), SCALE, Buffer2D::from_element(0), 0);
        let hidden: Tensor2D<i8, 1, 50, 1> = fully_connected(
            Tensor2D::new(self.pooled2, [1.0], [0]),
            &self.hidden,
            [1.0],
            [0],
            relu,
            constants,
        );
        let none = FullyConnectedOptions { fused_activation: FusedActivation::None };
        let constants = (Buffer2D::from_element(0.5), SCALE, Buffer2D::from_element(0), 0);
        let logits: Tensor2D<i8, 1, 10, 1> =
            fully_connected(hidden, &self.last, [1.0], [0], none, constants);
        black_box(logits);
    }
}
