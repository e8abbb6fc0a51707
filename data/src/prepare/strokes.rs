//! Ink on an even ground of 0: how strong it is, where it is, and what of it is dirt.

use super::plane::Plane;

/// A speck has less than this share of the largest stroke's pixels.
const SPECK: f32 = 0.015;

/// A stroke away from the border must be this high or wide, in units of the picture's side, for
/// what touches the border to count as the picture's edge.
const STANDING: f32 = 0.1;

/// The brightness that best separates ink from ground (Otsu: the largest variance between both).
pub fn threshold(ink: &Plane) -> f32 {
    let mut counts = [0_u32; 256];
    ink.pixels.iter().for_each(|pixel| counts[pixel.clamp(0.0, 255.0) as usize] += 1);
    let total = ink.pixels.len() as f64;
    let sum: f64 =
        counts.iter().enumerate().map(|(level, &count)| level as f64 * f64::from(count)).sum();
    let (mut below, mut below_sum) = (0.0, 0.0);
    let (mut best, mut best_variance) = (0, -1.0);
    for (level, &count) in counts.iter().enumerate() {
        below += f64::from(count);
        below_sum += level as f64 * f64::from(count);
        let above = total - below;
        if below == 0.0 || above == 0.0 {
            continue;
        }
        let distance = below_sum / below - (sum - below_sum) / above;
        let variance = below * above * distance * distance;
        if variance > best_variance {
            (best, best_variance) = (level, variance);
        }
    }
    best as f32 + 1.0
}

#[cfg(feature = "files")]
/// The share of the brightness's variance that lies between what is below and above `threshold`: 1
/// for two levels, about 0.65 for one bell of them.
pub fn separation(ink: &Plane, threshold: f32) -> f32 {
    let moments = |above: bool| {
        let part = ink.pixels.iter().filter(|&&pixel| (pixel >= threshold) == above);
        part.fold([0.0_f64; 3], |[count, sum, squares], &pixel| {
            let pixel = f64::from(pixel);
            [count + 1.0, sum + pixel, squares + pixel * pixel]
        })
    };
    let [below, above] = [moments(false), moments(true)];
    let all: [f64; 3] = std::array::from_fn(|i| below[i] + above[i]);
    let spread = |[count, sum, squares]: [f64; 3]| squares - sum * sum / count.max(1.0);
    let total = spread(all);
    if total <= 0.0 { 0.0 } else { (1.0 - (spread(below) + spread(above)) / total) as f32 }
}

/// How strong the core of the strokes is: `share` of the pixels above the threshold are weaker.
pub fn peak(ink: &Plane, threshold: f32, share: f32) -> f32 {
    let mut strong: Vec<f32> =
        ink.pixels.iter().copied().filter(|&pixel| pixel >= threshold).collect();
    if strong.is_empty() {
        return 0.0;
    }
    let place = ((strong.len() as f32 * share) as usize).min(strong.len() - 1);
    *strong.select_nth_unstable_by(place, f32::total_cmp).1
}

/// The smallest box around all pixels of at least `least`: its corner and its size.
pub fn bounds(ink: &Plane, least: f32) -> Option<([usize; 2], [usize; 2])> {
    let marked = |row: usize, column: usize| ink.at(row, column) >= least;
    let rows = |row: &usize| (0..ink.width).any(|column| marked(*row, column));
    let columns = |column: &usize| (0..ink.height).any(|row| marked(row, *column));
    let (top, bottom) = ((0..ink.height).find(rows)?, (0..ink.height).rev().find(rows)?);
    let (left, right) = ((0..ink.width).find(columns)?, (0..ink.width).rev().find(columns)?);
    Some(([top, left], [bottom - top + 1, right - left + 1]))
}

/// Connected pixels.
struct Stroke {
    pixels: Vec<usize>,
    touches_border: bool,
    height: usize,
    width: usize,
}

/// Clears specks, and strokes that touch the border where another one stands free: the edge of
/// the paper, a finger, a shadow. Returns how many were cleared.
pub fn remove_specks(ink: &mut Plane, threshold: f32) -> usize {
    let strokes = connected(ink, threshold);
    let stands = |stroke: &&Stroke| {
        !stroke.touches_border
            && (stroke.height as f32 >= STANDING * ink.height as f32
                || stroke.width as f32 >= STANDING * ink.width as f32)
    };
    let free = strokes.iter().any(|stroke| stands(&stroke));
    let candidates = strokes.iter().filter(|stroke| !free || !stroke.touches_border);
    let largest = candidates.map(|stroke| stroke.pixels.len()).max().unwrap_or(0);
    let dirt = |stroke: &&Stroke| {
        (free && stroke.touches_border) || (stroke.pixels.len() as f32) < SPECK * largest as f32
    };
    let mut keep = vec![false; ink.pixels.len()];
    let kept = strokes.iter().filter(|stroke| !dirt(stroke));
    kept.flat_map(|stroke| &stroke.pixels).for_each(|&at| keep[at] = true);
    let near_kept = grown(&keep, ink, 3);
    // Specks have soft edges too: what is left is near a stroke that stays.
    let mut cleared = 0;
    for stroke in strokes.iter().filter(dirt) {
        cleared += 1;
        stroke.pixels.iter().for_each(|&at| ink.pixels[at] = 0.0);
    }
    if cleared > 0 {
        ink.pixels.iter_mut().zip(near_kept).for_each(|(pixel, near)| {
            if !near {
                *pixel = 0.0;
            }
        });
    }
    cleared
}

/// Marks all pixels within `reach` of a marked one, along rows and columns.
fn grown(marked: &[bool], plane: &Plane, reach: usize) -> Vec<bool> {
    let (height, width) = (plane.height, plane.width);
    let mut wide = vec![false; marked.len()];
    let mut result = vec![false; marked.len()];
    for at in (0..marked.len()).filter(|&at| marked[at]) {
        let (row, column) = (at / width, at % width);
        for near in column.saturating_sub(reach)..(column + reach + 1).min(width) {
            wide[row * width + near] = true;
        }
    }
    for at in (0..wide.len()).filter(|&at| wide[at]) {
        let (row, column) = (at / width, at % width);
        for near in row.saturating_sub(reach)..(row + reach + 1).min(height) {
            result[near * width + column] = true;
        }
    }
    result
}

/// The strokes above the threshold; pixels that share a corner are connected.
fn connected(ink: &Plane, threshold: f32) -> Vec<Stroke> {
    let (height, width) = (ink.height, ink.width);
    let mut open: Vec<bool> = ink.pixels.iter().map(|&pixel| pixel >= threshold).collect();
    let mut strokes = Vec::new();
    for start in 0..open.len() {
        if !std::mem::take(&mut open[start]) {
            continue;
        }
        let mut pixels = vec![start];
        let (mut top, mut bottom, mut left, mut right) = (height, 0, width, 0);
        let mut next = 0;
        while let Some(&at) = pixels.get(next) {
            next += 1;
            let (row, column) = (at / width, at % width);
            (top, bottom) = (top.min(row), bottom.max(row));
            (left, right) = (left.min(column), right.max(column));
            for near_row in row.saturating_sub(1)..(row + 2).min(height) {
                for near_column in column.saturating_sub(1)..(column + 2).min(width) {
                    let near = near_row * width + near_column;
                    if std::mem::take(&mut open[near]) {
                        pixels.push(near);
                    }
                }
            }
        }
        strokes.push(Stroke {
            pixels,
            touches_border: top == 0 || left == 0 || bottom + 1 == height || right + 1 == width,
            height: bottom - top + 1,
            width: right - left + 1,
        });
    }
    strokes
}
