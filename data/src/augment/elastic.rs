//! The elastic map: a grid of points moves at random, and what lies between moves smoothly along.

use crate::random::Random;

/// How far every pixel of an image moves, `[height × width]`, as rows and columns. Points every
/// `spacing` pixels draw up to `strength` pixels per axis; between them runs a cubic B-spline, which
/// is smooth and stays below the strength.
pub fn moves(
    random: &mut Random,
    [height, width]: [usize; 2],
    strength: f32,
    spacing: f32,
) -> Vec<[f32; 2]> {
    let rows = weights(height, spacing);
    let columns = weights(width, spacing);
    // Four points act on every pixel: one more than the intervals on each side.
    let points = |side: &[(usize, [f32; 4])]| side.last().map_or(0, |(first, _)| first + 4);
    let (down, across) = (points(&rows), points(&columns));
    let grid: Vec<[f32; 2]> =
        (0..down * across).map(|_| [(); 2].map(|()| random.between(-strength, strength))).collect();
    // First along the columns of each grid row, then along the rows.
    let mut wide = Vec::with_capacity(down * width);
    for line in grid.chunks_exact(across) {
        wide.extend(columns.iter().map(|(first, weights)| weigh(&line[*first..], 1, weights)));
    }
    let mut moves = Vec::with_capacity(height * width);
    for (first, weights) in &rows {
        moves.extend(
            (0..width).map(|column| weigh(&wide[first * width + column..], width, weights)),
        );
    }
    moves
}

fn weigh(points: &[[f32; 2]], step: usize, weights: &[f32; 4]) -> [f32; 2] {
    let mut sum = [0.0; 2];
    for (point, weight) in points.iter().step_by(step).zip(weights) {
        sum[0] += weight * point[0];
        sum[1] += weight * point[1];
    }
    sum
}

/// For every pixel of a side the first of its four points and their weights.
fn weights(side: usize, spacing: f32) -> Vec<(usize, [f32; 4])> {
    (0..side)
        .map(|pixel| {
            let place = pixel as f32 / spacing;
            let (first, t) = (place as usize, place.fract());
            let (t2, t3) = (t * t, t * t * t);
            let weights = [
                (1.0 - t).powi(3) / 6.0,
                (3.0 * t3 - 6.0 * t2 + 4.0) / 6.0,
                (-3.0 * t3 + 3.0 * t2 + 3.0 * t + 1.0) / 6.0,
                t3 / 6.0,
            ];
            (first, weights)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::moves;
    use crate::random::{Purpose, Random};

    #[test]
    fn moves_are_smooth_and_bounded() {
        let mut random = Random::new(1, Purpose::Augmentation, 1);
        let moves = moves(&mut random, [28, 20], 3.0, 7.0);
        assert_eq!(moves.len(), 28 * 20);
        assert!(moves.iter().flatten().all(|step| step.abs() <= 3.0));
        assert!(moves.iter().flatten().any(|step| step.abs() > 0.3));
        for row in moves.chunks_exact(20) {
            let jump = |pair: &[[f32; 2]]| {
                (pair[0][0] - pair[1][0]).abs().max((pair[0][1] - pair[1][1]).abs())
            };
            assert!(row.windows(2).all(|pair| jump(pair) < 1.0));
        }
    }
}
