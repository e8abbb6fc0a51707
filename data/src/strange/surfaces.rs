//! Samples without anything on them: noise and even grounds.

use crate::random::Random;

/// Pixels of noise that are one grain, along a side, at most.
const COARSEST: u32 = 8;

fn byte(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

/// Noise: even, bell-shaped around a level, or of few bright grains on a dark ground; fine or coarse.
pub fn noise(random: &mut Random, [height, width, channels]: [usize; 3]) -> Vec<u8> {
    let grain = match random.below(2) {
        0 => 1,
        _ => 1 + random.below(COARSEST) as usize,
    };
    let rows = height.div_ceil(grain);
    let columns = width.div_ceil(grain);
    let sort = random.below(3);
    let (level, spread) = (random.between(0.0, 255.0), random.between(20.0, 100.0));
    let density = random.between(0.02, 0.6);
    let mut value = || match sort {
        0 => random.below(256) as u8,
        1 => byte(level + spread * random.normal()),
        _ if random.unit() < density => 128 + random.below(128) as u8,
        _ => 0,
    };
    let grains: Vec<u8> = (0..rows * columns * channels).map(|_| value()).collect();
    (0..height * width * channels)
        .map(|at| {
            let (pixel, channel) = (at / channels, at % channels);
            let (row, column) = (pixel / width / grain, pixel % width / grain);
            grains[(row * columns + column) * channels + channel]
        })
        .collect()
}

/// One level for each channel; with a trace of noise, or brighter to one side.
pub fn blank(random: &mut Random, [height, width, channels]: [usize; 3]) -> Vec<u8> {
    let even = random.below(2) == 0;
    let levels: Vec<f32> = match random.below(3) {
        0 => vec![if random.below(2) == 0 { 0.0 } else { 255.0 }; channels],
        _ => (0..channels).map(|_| random.between(0.0, 255.0)).collect(),
    };
    if even {
        return levels.into_iter().map(byte).collect::<Vec<_>>().repeat(height * width);
    }
    let noise = random.between(0.0, 12.0);
    let slope = [(); 2].map(|()| random.between(-100.0, 100.0));
    let along = |at: usize, side: usize| at as f32 / side as f32 - 0.5;
    (0..height * width * channels)
        .map(|at| {
            let (pixel, channel) = (at / channels, at % channels);
            let [down, across] = slope;
            let light = down * along(pixel / width, height) + across * along(pixel % width, width);
            byte(levels[channel] + light + noise * random.normal())
        })
        .collect()
}
