//! Frames as a cheap camera takes them of one written digit: some place, some size, uneven light,
//! noise, and now and then the edge of a hard shadow across it.
//!
//! They are what the digit form of `firmware_core::prepare` is measured on.

use crate::Dataset;
use crate::random::{Purpose, Random};

/// What frames are like; ranges are `[low, high]`, drawn from evenly.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// Height and width of the frame.
    pub size: [usize; 2],
    /// The side of the digit's image in pixels of the frame. Of MNIST's 28 × 28 the ink takes 20.
    pub side: [f32; 2],
    /// The brightness of the ground where it is lightest.
    pub light: [f32; 2],
    /// What the ink reflects of the light, as a part of what the ground reflects.
    pub ink: [f32; 2],
    /// The part of the light that is lost from one corner of the frame to the opposite one.
    pub gradient: [f32; 2],
    /// The deviation of the noise on each pixel, in grey levels.
    pub noise: [f32; 2],
    /// One frame of so many has a hard shadow; 0 for none.
    pub shadowed: usize,
    /// The part of the light that is left in the shadow.
    pub shadow: [f32; 2],
}

impl Default for Scene {
    /// 160 × 120 pixels, a fifth of the frames in a hard shadow.
    fn default() -> Self {
        Self {
            size: [120, 160],
            side: [36.0, 112.0],
            light: [130.0, 240.0],
            ink: [0.15, 0.5],
            gradient: [0.0, 0.45],
            noise: [1.0, 8.0],
            shadowed: 5,
            shadow: [0.35, 0.65],
        }
    }
}

/// One frame and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraFrame {
    /// Grey, `[height][width]`.
    pub pixels: Vec<u8>,
    /// The edge of a shadow crosses the digit.
    pub shadowed: bool,
}

/// The line that is the edge of a shadow: its direction, and a point of it.
struct Edge {
    normal: [f32; 2],
    point: [f32; 2],
    left: f32,
}

impl Edge {
    /// How much light is left at a place; the edge is as wide as one pixel.
    fn light(&self, [row, column]: [f32; 2]) -> f32 {
        let [down, right] = self.normal;
        let distance = down * (row - self.point[0]) + right * (column - self.point[1]);
        let lit = (distance + 0.5).clamp(0.0, 1.0);
        self.left + (1.0 - self.left) * lit
    }
}

impl Scene {
    /// The frame number `index` of those that `seed` gives: dark ink in the form of `digit`, an image
    /// `[height][width]` of `shape` with light ink.
    pub fn frame(&self, digit: &[u8], shape: [usize; 2], seed: u64, index: usize) -> CameraFrame {
        let mut random = Random::new(seed, Purpose::Frames, index as u64);
        let mut within = |[low, high]: [f32; 2]| random.between(low, high);
        let [height, width] = self.size;
        let inked = inked(digit, shape);
        let scale = within(self.side) / shape[0].max(shape[1]) as f32;
        // The ink lies within the frame; the empty rest of the image may reach beyond it.
        let mut start = |axis: usize| {
            let [first, last] = inked[axis].map(|at| at as f32 * scale);
            let free = self.size[axis] as f32 - (last - first) - 4.0;
            2.0 - first + within([0.0, free.max(0.0)])
        };
        let corner = [start(0), start(1)];
        let (light, ink) = (within(self.light), within(self.ink));
        let (gradient, noise) = (within(self.gradient), within(self.noise));
        let towards = within([0.0, std::f32::consts::TAU]);
        let shadowed = self.shadowed > 0 && index % self.shadowed == self.shadowed - 1;
        let edge = shadowed.then(|| {
            let angle = within([0.0, std::f32::consts::TAU]);
            let middle = |axis: usize| {
                let [first, last] = inked[axis].map(|at| at as f32 * scale);
                corner[axis] + 0.5 * (first + last)
            };
            let reach = 0.3 * (inked[0][1] - inked[0][0]) as f32 * scale;
            let off = within([-reach, reach]);
            let normal = [angle.sin(), angle.cos()];
            let point = [middle(0) + off * normal[0], middle(1) + off * normal[1]];
            Edge { normal, point, left: within(self.shadow) }
        });
        let half = 0.5 * (height as f32).hypot(width as f32);
        let mut pixels = Vec::with_capacity(height * width);
        for row in 0..height {
            for column in 0..width {
                let at = [row as f32, column as f32];
                let place = [0, 1].map(|axis| (at[axis] + 0.5 - corner[axis]) / scale - 0.5);
                let covered = sampled(digit, shape, place);
                let away = (at[0] - 0.5 * height as f32) * towards.sin()
                    + (at[1] - 0.5 * width as f32) * towards.cos();
                let slope = 1.0 - gradient * (0.5 + 0.5 * away / half);
                let shade = edge.as_ref().map_or(1.0, |edge| edge.light(at));
                let level = light * slope * shade * (1.0 - covered * (1.0 - ink));
                let level = level + noise * random.normal();
                pixels.push(level.round().clamp(0.0, 255.0) as u8);
            }
        }
        CameraFrame { pixels, shadowed }
    }

    /// `count` frames of images that are spread evenly over a data set, each with its label.
    pub fn frames(&self, images: &Dataset, count: usize, seed: u64) -> Vec<(CameraFrame, u16)> {
        let shape = [images.height(), images.width()];
        inkling_support::parallel::map(count, |index| {
            let image = index * images.len() / count.max(1);
            (self.frame(images.image(image), shape, seed, index), images.labels[image])
        })
    }
}

/// First and last row, first and last column with ink; everything where there is none.
fn inked(digit: &[u8], [height, width]: [usize; 2]) -> [[usize; 2]; 2] {
    let places: Vec<usize> = (0..digit.len()).filter(|&at| digit[at] > 0).collect();
    let range = |of: &dyn Fn(usize) -> usize, side: usize| {
        let first = places.iter().map(|&at| of(at)).min().unwrap_or(0);
        [first, places.iter().map(|&at| of(at)).max().unwrap_or(side - 1) + 1]
    };
    [range(&|at| at / width, height), range(&|at| at % width, width)]
}

/// How much of a place of the image is ink, 0 to 1, between its four neighbours.
fn sampled(digit: &[u8], [height, width]: [usize; 2], [row, column]: [f32; 2]) -> f32 {
    let pixel = |row: f32, column: f32| {
        let inside = (0.0..height as f32).contains(&row) && (0.0..width as f32).contains(&column);
        if inside { f32::from(digit[row as usize * width + column as usize]) / 255.0 } else { 0.0 }
    };
    let (top, left) = (row.floor(), column.floor());
    let (down, right) = (row - top, column - left);
    let line = |row: f32| pixel(row, left) * (1.0 - right) + pixel(row, left + 1.0) * right;
    line(top) * (1.0 - down) + line(top + 1.0) * down
}

#[cfg(test)]
mod tests {
    use super::Scene;

    #[test]
    fn frames_are_fixed_by_their_seed_and_a_fifth_is_shadowed() {
        let mut digit = [0; 784];
        digit[300..320].fill(255);
        let scene = Scene::default();
        let frame = |seed, index| scene.frame(&digit, [28, 28], seed, index);
        assert_eq!(frame(1, 4), frame(1, 4));
        assert_ne!(frame(1, 4).pixels, frame(2, 4).pixels);
        assert_eq!((0..20).filter(|&index| frame(1, index).shadowed).count(), 4);
        assert_eq!(frame(1, 0).pixels.len(), 120 * 160);
    }
}
