//! A 3×3 convolution worked through on a 5×5 image, by the kernels that a device runs: products,
//! accumulator, requantization, ReLU, pooling. The guide explains what it prints.

use firmware_core::kernels::{self, Conv2dShape, Pool2dShape};
use firmware_core::{Requantize, Shift, Window};

/// A bright area on the left of a dark one: an edge, and a fainter one at the very left.
const IMAGE: [u8; 25] = [
    150, 200, 200, 10, 10, //
    150, 200, 200, 10, 10, //
    150, 200, 210, 10, 10, //
    150, 200, 200, 10, 10, //
    150, 200, 200, 10, 10,
];

/// Answers to what is brighter on its left than on its right.
const WEIGHTS: [i8; 9] = [
    1, 0, -1, //
    1, 0, -1, //
    1, 0, -1,
];
const BIAS: [i32; 1] = [8];
const SHIFT: Shift = Shift::new(2);

fn main() {
    println!("image, 5×5:");
    table(&IMAGE, 5);
    println!("weights, 3×3, and bias {}:", BIAS[0]);
    table(&WEIGHTS, 3);

    println!("the window in the middle, row by row:");
    let mut accumulator = BIAS[0];
    for row in 0..3 {
        let products = (0..3).map(|column| {
            let (x, w) = (
                i32::from(IMAGE[(row + 1) * 5 + column + 1]),
                i32::from(WEIGHTS[row * 3 + column]),
            );
            accumulator += x * w;
            format!("{x}·{w}")
        });
        println!("  {}", products.collect::<Vec<_>>().join(" + "));
    }
    println!("plus the bias: the accumulator is {accumulator}");

    let shape = Conv2dShape::new([5, 5, 1], [3, 3, 1], Window::new([3, 3]));
    let mut accumulators = [0; 9];
    kernels::conv2d_accumulate(&shape, &IMAGE, &WEIGHTS, &BIAS, &mut accumulators);
    assert_eq!(accumulators[4], accumulator);
    println!("all accumulators, 3×3:");
    table(&accumulators, 3);

    let rounded = accumulators.map(|accumulator| SHIFT.apply(accumulator));
    println!("divided by 2^{}, a half rounded to the even neighbour:", SHIFT.bits());
    table(&rounded, 3);

    let mut activations = [0xa5_u8; 9];
    kernels::conv2d(&shape, &IMAGE, &WEIGHTS, &BIAS, &[SHIFT], &mut activations);
    println!("saturated to 0…255, which is the ReLU:");
    table(&activations, 3);

    let pool = Pool2dShape { input: [3, 3, 1], output: [2, 2, 1], window: Window::new([2, 2]) };
    let mut pooled = [0xa5_u8; 4];
    kernels::max_pool2d(&pool, &activations, &mut pooled);
    println!("the largest of every 2×2:");
    table(&pooled, 2);
}

fn table<T: ToString>(values: &[T], columns: usize) {
    for row in values.chunks(columns) {
        let cells = row.iter().map(|value| format!("{:>5}", value.to_string()));
        println!("{}", cells.collect::<String>());
    }
}
