//! The ground of a picture: paper, wall or screen behind the ink, and which of both is lighter.

use serde::{Deserialize, Serialize};

use super::plane::Plane;

/// Grey levels within which border pixels count as one even ground.
const EVEN: f32 = 3.0;

/// Terms of the surface that is fitted to an uneven ground: 1, x, y, x², xy, y².
const TERMS: usize = 6;

/// What separates ink from ground.
#[derive(Clone, Debug)]
pub struct Ground {
    /// The median brightness along the border, 0 to 255.
    pub border: f32,
    /// The ink is lighter than its ground.
    pub light_ink: bool,
    /// The border has one brightness, as in a drawing or a screenshot.
    pub even: bool,
    /// The standard deviation of the ground, from its median deviation.
    pub noise: f32,
    /// How far each pixel is from its ground towards ink, at least 0.
    pub ink: Plane,
}

/// How the ink is told from its ground.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Polarity {
    /// Find out for each character; a whole picture stays as it is
    #[default]
    Auto,
    /// Light ink on a dark ground, as in MNIST
    Light,
    /// Dark ink on a light ground, as on paper
    Dark,
}

/// Finds the ground of a picture.
pub fn find(plane: &Plane, polarity: Polarity) -> Ground {
    let mut border = border(plane);
    let level = median(&mut border);
    let outside = border.iter().filter(|&&pixel| (pixel - level).abs() > EVEN).count();
    let even = outside * 20 <= border.len();
    let surface = if even { vec![level; plane.pixels.len()] } else { fit(plane, level) };
    let residual: Vec<f32> = plane.pixels.iter().zip(&surface).map(|(p, g)| p - g).collect();
    // A stroke is far from the ground; cubes let it outvote the paper's grain on either side.
    let skew: f64 = residual.iter().map(|&r| f64::from(r).powi(3)).sum();
    let light_ink = match polarity {
        Polarity::Auto => skew > 0.0,
        Polarity::Light => true,
        Polarity::Dark => false,
    };
    let sign = if light_ink { 1.0 } else { -1.0 };
    let mut deviations: Vec<f32> = residual.iter().map(|r| r.abs()).collect();
    let noise = 1.4826 * median(&mut deviations);
    let pixels = residual.iter().map(|r| (sign * r).max(0.0)).collect();
    let ink = Plane { height: plane.height, width: plane.width, pixels };
    // In a tight crop the median pixel may be ink; an even border then is the better witness.
    let noise = if even { noise.min(EVEN) } else { noise };
    Ground { border: level, light_ink, even, noise, ink }
}

/// The brightness of the border, in the median.
pub fn border_level(plane: &Plane) -> f32 {
    median(&mut border(plane))
}

/// The pixels along the four sides, one in two hundred of a side deep.
fn border(plane: &Plane) -> Vec<f32> {
    let depth = 1 + plane.height.min(plane.width) / 200;
    let inside = |at: usize, side: usize| at >= depth && at + depth < side;
    let mut pixels = Vec::new();
    for row in 0..plane.height {
        for column in 0..plane.width {
            if !(inside(row, plane.height) && inside(column, plane.width)) {
                pixels.push(plane.at(row, column));
            }
        }
    }
    pixels
}

fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// A smooth surface through the ground: least squares, repeated with what lies near the surface
/// so far, so that ink drops out.
fn fit(plane: &Plane, level: f32) -> Vec<f32> {
    let mut surface = vec![level; plane.pixels.len()];
    let peak = plane.pixels.iter().map(|pixel| (pixel - level).abs()).fold(0.0, f32::max);
    let mut tolerance = (0.5 * peak).max(24.0);
    for _ in 0..6 {
        let near = |(pixel, ground): (&f32, &f32)| (pixel - ground).abs() <= tolerance;
        let inliers: Vec<bool> = plane.pixels.iter().zip(&surface).map(near).collect();
        let Some(coefficients) = least_squares(plane, &inliers) else { break };
        for row in 0..plane.height {
            for column in 0..plane.width {
                let terms = terms(plane, row, column);
                let value = terms.iter().zip(&coefficients).map(|(t, c)| t * c).sum::<f64>();
                surface[row * plane.width + column] = value as f32;
            }
        }
        let mut deviations: Vec<f32> = plane
            .pixels
            .iter()
            .zip(&surface)
            .zip(&inliers)
            .filter(|(_, inlier)| **inlier)
            .map(|((pixel, ground), _)| (pixel - ground).abs())
            .collect();
        tolerance = (3.0 * 1.4826 * median(&mut deviations)).clamp(4.0, tolerance);
    }
    surface
}

fn terms(plane: &Plane, row: usize, column: usize) -> [f64; TERMS] {
    let y = 2.0 * row as f64 / plane.height as f64 - 1.0;
    let x = 2.0 * column as f64 / plane.width as f64 - 1.0;
    [1.0, x, y, x * x, x * y, y * y]
}

/// Coefficients of the surface through the pixels marked; `None` if these do not determine it.
fn least_squares(plane: &Plane, marked: &[bool]) -> Option<[f64; TERMS]> {
    let mut system = [[0.0; TERMS + 1]; TERMS];
    for row in 0..plane.height {
        for column in 0..plane.width {
            if !marked[row * plane.width + column] {
                continue;
            }
            let terms = terms(plane, row, column);
            let value = f64::from(plane.at(row, column));
            for (equation, term) in system.iter_mut().zip(terms) {
                equation.iter_mut().zip(terms).for_each(|(sum, other)| *sum += term * other);
                equation[TERMS] += term * value;
            }
        }
    }
    solve(system)
}

/// Gaussian elimination with the largest pivot.
fn solve(mut system: [[f64; TERMS + 1]; TERMS]) -> Option<[f64; TERMS]> {
    for step in 0..TERMS {
        let size = |row: &usize| system[*row][step].abs();
        let pivot = (step..TERMS).max_by(|a, b| size(a).total_cmp(&size(b)))?;
        system.swap(step, pivot);
        let chosen = system[step];
        if chosen[step].abs() < 1e-9 {
            return None;
        }
        for (row, equation) in system.iter_mut().enumerate() {
            if row != step {
                let factor = equation[step] / chosen[step];
                equation.iter_mut().zip(chosen).for_each(|(value, above)| *value -= factor * above);
            }
        }
    }
    Some(std::array::from_fn(|row| system[row][TERMS] / system[row][row]))
}

#[cfg(test)]
mod tests {
    use super::{Plane, Polarity, find};

    /// Paper lit from one corner with a dark bar on it.
    #[test]
    fn a_slope_of_light_is_no_ink() {
        let mut plane = Plane::new(60, 80);
        for row in 0..60 {
            for column in 0..80 {
                let light = 120.0 + row as f32 + 0.5 * column as f32;
                let bar = (20..40).contains(&row) && (35..45).contains(&column);
                plane.pixels[row * 80 + column] = if bar { light - 90.0 } else { light };
            }
        }
        let ground = find(&plane, Polarity::Auto);
        assert!(!ground.light_ink && !ground.even);
        assert!(ground.noise < 2.0, "{}", ground.noise);
        assert!((ground.ink.at(30, 40) - 90.0).abs() < 3.0, "{}", ground.ink.at(30, 40));
        assert!(ground.ink.at(5, 5) < 3.0 && ground.ink.at(55, 75) < 3.0);
    }
}
