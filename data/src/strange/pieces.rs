//! Samples made of pieces of images.

use crate::Border;
use crate::corrupt::Canvas;
use crate::random::Random;
use crate::warp::{Matrix, Sampler};

/// How far from the middle a cut may lie, as a share of the side.
const AROUND_THE_MIDDLE: f32 = 0.05;

/// Blocks along a side of a scrambled image.
const BLOCKS: [u32; 2] = [2, 5];

/// Where to cut an image in two: along rows or columns, and before which one.
fn cut(random: &mut Random, [height, width, _]: [usize; 3]) -> (bool, usize) {
    let upright = if height == 1 || width == 1 { height == 1 } else { random.below(2) == 0 };
    let side = if upright { width } else { height };
    let share = random.between(0.5 - AROUND_THE_MIDDLE, 0.5 + AROUND_THE_MIDDLE);
    (upright, ((share * side as f32).round() as usize).clamp(1, side - 1))
}

/// Whether the value at `at` lies before the cut.
fn before((upright, place): (bool, usize), at: usize, [_, width, channels]: [usize; 3]) -> bool {
    let (row, column) = (at / channels / width, at / channels % width);
    (if upright { column } else { row }) < place
}

/// What an image is empty with: black, or its mean in each channel.
fn ground(image: &[u8], canvas: Canvas) -> Vec<u8> {
    let channels = canvas.shape[2];
    match canvas.border {
        Border::Black => vec![0; channels],
        Border::Continued => (0..channels)
            .map(|channel| {
                let values = image.iter().skip(channel).step_by(channels);
                let sum: usize = values.map(|&value| usize::from(value)).sum();
                (sum / (image.len() / channels).max(1)) as u8
            })
            .collect(),
    }
}

pub fn half(random: &mut Random, image: &[u8], canvas: Canvas) -> Vec<u8> {
    let cut = cut(random, canvas.shape);
    let first = random.below(2) == 0;
    let ground = ground(image, canvas);
    let kept = |(at, &value): (usize, &u8)| match before(cut, at, canvas.shape) == first {
        true => value,
        false => ground[at % canvas.shape[2]],
    };
    image.iter().enumerate().map(kept).collect()
}

pub fn joined(random: &mut Random, a: &[u8], b: &[u8], shape: [usize; 3]) -> Vec<u8> {
    let cut = cut(random, shape);
    let pairs = a.iter().zip(b).enumerate();
    pairs.map(|(at, (&a, &b))| if before(cut, at, shape) { a } else { b }).collect()
}

/// The second image a little aside, over the first: the lighter value where the ground is black, else
/// the mean.
pub fn mixed(random: &mut Random, a: &[u8], b: &[u8], canvas: Canvas) -> Vec<u8> {
    let [height, width, _] = canvas.shape;
    let mut aside = |side: usize| {
        let most = (side / 7) as f32;
        random.between(-most, most).round()
    };
    let shift = [aside(height), aside(width)];
    let b = mapped(b, canvas, &Matrix { shift, ..Matrix::default() });
    let both = |(&a, b): (&u8, u8)| match canvas.border {
        Border::Black => a.max(b),
        Border::Continued => ((u16::from(a) + u16::from(b)) / 2) as u8,
    };
    a.iter().zip(b).map(both).collect()
}

/// A piece of the image, two to four times as large, or rectangles of random levels.
pub fn patch(random: &mut Random, image: &[u8], canvas: Canvas) -> Vec<u8> {
    let [height, width, channels] = canvas.shape;
    if random.below(2) == 0 {
        let scale = random.between(0.25, 0.5);
        let mut aside = |side: usize| random.between(-0.3, 0.3) * side as f32 / scale;
        let shift = [aside(height), aside(width)];
        return mapped(image, canvas, &Matrix { scale: [scale; 2], shift, ..Matrix::default() });
    }
    let mut result = ground(image, canvas).repeat(height * width);
    for _ in 0..=random.below(4) {
        let mut span = |side: usize| {
            let length = 1 + random.below(side as u32) as usize;
            (random.below((side - length) as u32 + 1) as usize, length)
        };
        let ((top, rows), (left, columns)) = (span(height), span(width));
        let colour: Vec<u8> = (0..channels).map(|_| random.below(256) as u8).collect();
        for row in result.chunks_exact_mut(width * channels).skip(top).take(rows) {
            for pixel in row.chunks_exact_mut(channels).skip(left).take(columns) {
                pixel.copy_from_slice(&colour);
            }
        }
    }
    result
}

/// The blocks of a grid over the image, in random order.
pub fn scrambled(
    random: &mut Random,
    image: &[u8],
    [height, width, channels]: [usize; 3],
) -> Vec<u8> {
    let mut blocks = |side: usize| {
        let [least, most] = BLOCKS;
        (least + random.below(most - least)).min(side as u32) as usize
    };
    let (down, across) = (blocks(height), blocks(width));
    let (rows, columns) = (height / down, width / across);
    let mut order: Vec<usize> = (0..down * across).collect();
    random.shuffle(&mut order);
    if order.is_sorted() {
        order.reverse();
    }
    let mut result = image.to_vec();
    for (to, from) in order.into_iter().enumerate() {
        for row in 0..rows {
            let place = |block: usize| {
                let (top, left) = (block / across * rows + row, block % across * columns);
                (top * width + left) * channels
            };
            let (to, from) = (place(to), place(from));
            result[to..to + columns * channels]
                .copy_from_slice(&image[from..from + columns * channels]);
        }
    }
    result
}

/// A square image on its left or its right side, mirrored or not.
pub fn turned(random: &mut Random, image: &[u8], [side, _, channels]: [usize; 3]) -> Vec<u8> {
    let [down, across] = [(); 2].map(|()| random.below(2) == 0);
    let mut result = Vec::with_capacity(image.len());
    for row in 0..side {
        for column in 0..side {
            let from_row = if down { side - 1 - column } else { column };
            let from_column = if across { side - 1 - row } else { row };
            let at = (from_row * side + from_column) * channels;
            result.extend_from_slice(&image[at..at + channels]);
        }
    }
    result
}

fn mapped(image: &[u8], canvas: Canvas, map: &Matrix) -> Vec<u8> {
    let mut out = vec![0.0; image.len()];
    Sampler::new(image, canvas.shape, canvas.border).sample(map, |_| [0.0, 0.0], &mut out);
    out.into_iter().map(|value| (255.0 * value).round() as u8).collect()
}
