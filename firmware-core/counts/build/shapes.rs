//! Random layers: shapes, strides, paddings, channels and types, as calls of `src/cases.rs`.
//!
//! Layers have their shapes at compile time, so that random ones must be written before the compiler
//! runs.

use std::fmt::Write;

/// No tensor of a case is larger, so that all of them fit on the stack of the smallest machine.
const MOST_VALUES: usize = 700;
/// No sum has more terms, so that products at their extremes stay below 2^24 with every bias.
const MOST_TERMS: usize = 256;

/// Draws a shape of a kind of layer, as a call of its case.
type Draw = fn(&mut Random) -> Option<String>;

/// A program that tries `each` random shapes of every kind of layer with weights of four bits.
pub fn four_bits(seed: u64, each: usize) -> String {
    let kinds: [Draw; 4] = [
        |random| Some(conv2d(random)?.with_four_bits()),
        |random| Some(conv2d_max_pool2d(random)?.with_four_bits()),
        |random| Some(depthwise_conv2d(random)?.with_four_bits()),
        |random| Some(fully_connected(random)?.with_four_bits()),
    ];
    calls(seed ^ 4, each, &kinds)
}

/// A program that tries `each` random shapes of every kind of layer.
pub fn program(seed: u64, each: usize) -> String {
    let kinds: [Draw; 10] = [
        |random| Some(conv2d(random)?.with_eight_bits()),
        |random| Some(conv2d_max_pool2d(random)?.with_eight_bits()),
        |random| Some(depthwise_conv2d(random)?.with_eight_bits()),
        grouped_conv2d,
        |random| Some(fully_connected(random)?.with_eight_bits()),
        max_pool2d,
        average_pool2d,
        add,
        concat,
        leaky_relu,
    ];
    calls(seed, each, &kinds)
}

/// The calls of `each` random shapes of all `kinds`.
fn calls(seed: u64, each: usize, kinds: &[Draw]) -> String {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1);
    let mut text = String::from("fn random_shapes(seed: u64) {\n");
    let mut number = 0;
    for kind in kinds {
        for _ in 0..each {
            // Shapes that are too large, or whose window does not fit, are drawn again.
            let call = (0..10_000).find_map(|_| kind(&mut random)).expect("some shape fits");
            number += 1;
            writeln!(text, "    cases::{call}(seed + {number});").expect("a string takes it");
        }
    }
    text + "}\n"
}

/// A call of the case of a layer with weights, which says how they are stored.
struct Weighted {
    case: &'static str,
    /// Its generic arguments behind that.
    arguments: String,
    /// Filters, and the weights of each.
    weights: [usize; 2],
}

impl Weighted {
    fn with_eight_bits(&self) -> String {
        format!("{}::<EightBits, {}>", self.case, self.arguments)
    }

    fn with_four_bits(&self) -> String {
        let [filters, taps] = self.weights;
        let bytes = filters * taps.div_ceil(8) * 4;
        format!("{}::<FourBits<{bytes}>, {}>", self.case, self.arguments)
    }
}

/// A window on an input, with what comes out of it.
struct Placed {
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    /// Top, left, bottom, right.
    padding: [usize; 4],
    input: [usize; 2],
    output: [usize; 2],
}

impl Placed {
    fn on(random: &mut Random, input: [usize; 2]) -> Option<Self> {
        // Square windows of odd size are most of what there is; the others break what assumes them.
        let side = random.one_of(&[1, 2, 3, 3, 3, 4, 5]);
        let kernel = match random.below(3) {
            0 => [random.between(1, 5), random.between(1, 5)],
            _ => [side; 2],
        };
        let step = random.one_of(&[1, 1, 1, 2, 2, 3]);
        let stride = match random.below(4) {
            0 => [random.between(1, 3), random.between(1, 3)],
            _ => [step; 2],
        };
        let dilation = match random.below(6) {
            0 => [random.between(1, 3), random.between(1, 3)],
            _ => [1; 2],
        };
        let extent = [0, 1].map(|axis| (kernel[axis] - 1) * dilation[axis] + 1);
        let both = [extent[0], extent[1], extent[0], extent[1]];
        let padding = match random.below(3) {
            0 => [0; 4],
            1 => both.map(|extent| (extent - 1) / 2),
            _ => both.map(|extent| random.below(extent)),
        };
        let mut output = [0; 2];
        for axis in 0..2 {
            let size = input[axis] + padding[axis] + padding[axis + 2];
            output[axis] = size.checked_sub(extent[axis])? / stride[axis] + 1;
        }
        Some(Self { kernel, stride, dilation, padding, input, output })
    }

    fn geometry(&self) -> String {
        let ([sh, sw], [top, left, bottom, right]) = (self.stride, self.padding);
        let strided = format!("Strided<{sh}, {sw}, {top}, {left}, {bottom}, {right}>");
        match self.dilation {
            [1, 1] => strided,
            [rows, columns] => format!("Dilated<{strided}, {rows}, {columns}>"),
        }
    }

    /// The same for a convolution of `x`: what lies on the padding may be a zero point.
    fn convolution(&self, random: &mut Random, x: &str) -> String {
        match random.below(4) {
            0 => {
                let value = random.below(256) as i32 - if x == "i8" { 128 } else { 0 };
                format!("PaddedWith<{}, {value}>", self.geometry())
            }
            _ => self.geometry(),
        }
    }

    /// Input and output size as the cases take them.
    fn sizes(&self) -> String {
        let ([ih, iw], [oh, ow]) = (self.input, self.output);
        format!("{ih}, {iw}, {oh}, {ow}")
    }
}

fn fits(values: &[usize]) -> Option<()> {
    values.iter().all(|&values| values <= MOST_VALUES).then_some(())
}

fn conv2d(random: &mut Random) -> Option<Weighted> {
    let ([x, y], requantize) = (random.types(), random.requantization());
    let (oc, ic) = (random.channels(), random.channels());
    let size = random.size();
    let window = Placed::on(random, size)?;
    let [kh, kw] = window.kernel;
    fits(&[ic * size[0] * size[1], oc * window.output[0] * window.output[1], oc * kh * kw * ic])?;
    (kh * kw * ic <= MOST_TERMS).then_some(())?;
    let (geometry, sizes) = (window.convolution(random, x), window.sizes());
    let arguments = format!("{x}, {y}, {requantize}, {oc}, {kh}, {kw}, {ic}, {geometry}, {sizes}");
    Some(Weighted { case: "conv2d", arguments, weights: [oc, kh * kw * ic] })
}

fn conv2d_max_pool2d(random: &mut Random) -> Option<Weighted> {
    let ([x, y], requantize) = (random.types(), random.requantization());
    let (oc, ic) = (random.channels(), random.channels());
    let size = random.size();
    let window = Placed::on(random, size)?;
    let pool = match random.below(2) {
        // What nearly every network has: 2 x 2, side by side.
        0 => Placed {
            kernel: [2; 2],
            stride: [2; 2],
            dilation: [1; 2],
            padding: [0; 4],
            input: window.output,
            output: window.output.map(|size| size / 2),
        },
        _ => Placed::on(random, window.output)?,
    };
    (pool.output.iter().all(|&size| size > 0)).then_some(())?;
    let ([kh, kw], [ph, pw]) = (window.kernel, pool.kernel);
    let convolved = oc * window.output[0] * window.output[1];
    let pooled = oc * pool.output[0] * pool.output[1];
    fits(&[ic * size[0] * size[1], convolved, pooled, oc * kh * kw * ic])?;
    (kh * kw * ic <= MOST_TERMS).then_some(())?;
    let ([ih, iw], [oh, ow]) = (size, pool.output);
    let (geometry, pooling) = (window.convolution(random, x), pool.geometry());
    let arguments = format!(
        "{x}, {y}, {requantize}, {oc}, {kh}, {kw}, {ic}, {geometry}, {ph}, {pw}, {pooling}, {ih}, \
         {iw}, {oh}, {ow}"
    );
    Some(Weighted { case: "conv2d_max_pool2d", arguments, weights: [oc, kh * kw * ic] })
}

fn depthwise_conv2d(random: &mut Random) -> Option<Weighted> {
    let ([x, y], requantize) = (random.types(), random.requantization());
    let ic = random.channels();
    let oc = ic * random.one_of(&[1, 1, 1, 2, 3]);
    let size = random.size();
    let window = Placed::on(random, size)?;
    let [kh, kw] = window.kernel;
    fits(&[ic * size[0] * size[1], oc * window.output[0] * window.output[1], oc * kh * kw])?;
    let (geometry, sizes) = (window.convolution(random, x), window.sizes());
    let arguments = format!("{x}, {y}, {requantize}, {oc}, {kh}, {kw}, {ic}, {geometry}, {sizes}");
    // All weights are one filter.
    Some(Weighted { case: "depthwise_conv2d", arguments, weights: [1, oc * kh * kw] })
}

fn grouped_conv2d(random: &mut Random) -> Option<String> {
    let ([x, y], requantize) = (random.types(), random.requantization());
    let (groups, gc) = (random.between(1, 4), random.between(1, 6));
    let (ic, oc) = (groups * gc, groups * random.between(1, 4));
    let size = random.size();
    let window = Placed::on(random, size)?;
    let [kh, kw] = window.kernel;
    fits(&[ic * size[0] * size[1], oc * window.output[0] * window.output[1], oc * kh * kw * gc])?;
    let (geometry, sizes) = (window.convolution(random, x), window.sizes());
    Some(format!(
        "grouped_conv2d::<{x}, {y}, {requantize}, {oc}, {kh}, {kw}, {gc}, {ic}, {geometry}, {sizes}>"
    ))
}

fn fully_connected(random: &mut Random) -> Option<Weighted> {
    let ([x, y], requantize) = (random.types(), random.requantization());
    let (outputs, inputs) = (random.between(1, 13), random.between(1, MOST_TERMS));
    fits(&[outputs * inputs / 4])?;
    let arguments = format!("{x}, {y}, {requantize}, {outputs}, {inputs}");
    Some(Weighted { case: "fully_connected", arguments, weights: [outputs, inputs] })
}

fn max_pool2d(random: &mut Random) -> Option<String> {
    let [x, _] = random.types();
    let channels = random.channels();
    let size = random.size();
    let window = Placed::on(random, size)?;
    fits(&[channels * size[0] * size[1], channels * window.output[0] * window.output[1]])?;
    let ([kh, kw], geometry, sizes) = (window.kernel, window.geometry(), window.sizes());
    Some(format!("max_pool2d::<{x}, {channels}, {kh}, {kw}, {geometry}, {sizes}>"))
}

fn average_pool2d(random: &mut Random) -> Option<String> {
    let ([x, y], requantize) = (random.types(), random.requantization());
    let channels = random.channels();
    let size = random.size();
    let window = Placed::on(random, size)?;
    fits(&[channels * size[0] * size[1], channels * window.output[0] * window.output[1]])?;
    let ([kh, kw], geometry, sizes) = (window.kernel, window.geometry(), window.sizes());
    Some(format!(
        "average_pool2d::<{x}, {y}, {requantize}, {channels}, {kh}, {kw}, {geometry}, {sizes}>"
    ))
}

fn add(random: &mut Random) -> Option<String> {
    let ([a, b], [y, _], requantize) = (random.types(), random.types(), random.requantization());
    // One of the two is already at the finer exponent.
    let bits = random.below(8);
    let [first, second] = if random.below(2) == 0 { [bits, 0] } else { [0, bits] };
    let (channels, [height, width]) = (random.channels(), random.size());
    fits(&[channels * height * width])?;
    Some(format!(
        "add::<{a}, {b}, {y}, {requantize}, {first}, {second}, {channels}, {width}, {height}>"
    ))
}

fn concat(random: &mut Random) -> Option<String> {
    let [x, _] = random.types();
    let (channels, [height, width]) = (random.channels(), random.size());
    let (before, after) = (random.below(9), random.below(9));
    let total = before + channels + after;
    fits(&[total * height * width])?;
    Some(format!("concat::<{x}, {channels}, {before}, {total}, {width}, {height}>"))
}

fn leaky_relu(random: &mut Random) -> Option<String> {
    let [x, _] = random.types();
    let bits = random.between(1, 16);
    let slope = random.below(1 << bits);
    let (channels, [height, width]) = (random.channels(), random.size());
    fits(&[channels * height * width])?;
    Some(format!("leaky_relu::<{x}, {slope}, {bits}, {channels}, {width}, {height}>"))
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }

    fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }

    fn one_of(&mut self, values: &[usize]) -> usize {
        values[self.below(values.len())]
    }

    /// Channels: what networks have, and odd numbers.
    fn channels(&mut self) -> usize {
        match self.below(2) {
            0 => self.one_of(&[1, 2, 3, 4, 8, 12, 16, 24, 32]),
            _ => self.between(1, 17),
        }
    }

    fn size(&mut self) -> [usize; 2] {
        [self.between(1, 11), self.between(1, 11)]
    }

    /// Input and output activation.
    fn types(&mut self) -> [&'static str; 2] {
        [self.below(2), self.below(2)].map(|which| ["u8", "i8"][which])
    }

    /// Plain, or with the bounds of a ReLU6.
    fn requantization(&mut self) -> &'static str {
        ["Shift", "Shift", "Clip<0, 96>"][self.below(3)]
    }
}
