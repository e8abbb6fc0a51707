//! Random strokes in the form of characters: light lines of a pen on a dark ground, boxed and centred
//! like characters of [`Layout::Glyph`](crate::prepare::Layout::Glyph).

use crate::random::Random;

/// A straight stroke: two ends, `[row, column]` each.
pub type Line = [[f32; 2]; 2];

/// The longer side of the box, and the radius of the pen, as shares of the field's shorter side.
pub const BOX: f32 = 20.0 / 28.0;
const PEN: [f32; 2] = [0.75 / 28.0, 2.2 / 28.0];

/// Lines that an arc is made of.
const PARTS: usize = 8;

/// How far points are off the places of a grid, in units of its spacing.
const UNSTEADY: f32 = 0.15;

/// A field `[height][width]` with 3 to 6 strokes.
pub fn draw(random: &mut Random, [height, width]: [usize; 2]) -> Vec<u8> {
    let count = 3 + random.below(4);
    let on_grid = random.below(2) == 0;
    let mut lines: Vec<Line> = Vec::new();
    let mut last = point(random, on_grid);
    for stroke in 0..count {
        // A stroke begins where the last one ended, or elsewhere on the paper.
        let from = if stroke > 0 && random.below(2) == 0 { last } else { point(random, on_grid) };
        let to = point(random, on_grid);
        match random.below(4) {
            0 => arc(random, from, to, &mut lines),
            _ => lines.push([from, to]),
        }
        last = to;
    }
    let side = height.min(width) as f32;
    let radius = side * random.between(PEN[0], PEN[1]);
    boxed(&mut lines, BOX * side - 2.0 * radius, random.between(0.6, 1.0));
    centre(&mut lines, [height, width]);
    let pixels = (0..height * width).map(|at| [(at / width) as f32, (at % width) as f32]);
    pixels
        .map(|pixel| {
            let away = lines.iter().map(|line| distance(pixel, line)).fold(f32::INFINITY, f32::min);
            (255.0 * (radius + 0.5 - away).clamp(0.0, 1.0)).round() as u8
        })
        .collect()
}

/// A place on a paper of side 1: anywhere, or near one of 3 × 3.
fn point(random: &mut Random, on_grid: bool) -> [f32; 2] {
    [(); 2].map(|()| match on_grid {
        true => 0.5 * (random.below(3) as f32 + random.between(-UNSTEADY, UNSTEADY)),
        false => random.unit(),
    })
}

/// A bow from one point to another, to a random side.
fn arc(random: &mut Random, from: [f32; 2], to: [f32; 2], lines: &mut Vec<Line>) {
    let bow = random.between(0.2, 0.8) * if random.below(2) == 0 { 1.0 } else { -1.0 };
    let [down, across] = [to[0] - from[0], to[1] - from[1]];
    let at = |part: usize| {
        let t = part as f32 / PARTS as f32;
        let aside = bow * 4.0 * t * (1.0 - t);
        [from[0] + t * down + aside * across, from[1] + t * across - aside * down]
    };
    lines.extend((0..PARTS).map(|part| [at(part), at(part + 1)]));
}

/// Brings the lines into a box whose longer side is `side`, the other by `aspect` narrower than it is.
pub fn boxed(lines: &mut [Line], side: f32, aspect: f32) {
    lines.as_flattened_mut().iter_mut().for_each(|point| point[1] *= aspect);
    let range = |axis: usize| {
        let places = lines.as_flattened().iter().map(|point| point[axis]);
        places
            .fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], at| [low.min(at), high.max(at)])
    };
    let ranges = [range(0), range(1)];
    let longer = ranges.iter().map(|[low, high]| high - low).fold(1e-3, f32::max);
    for point in lines.as_flattened_mut() {
        for axis in 0..2 {
            point[axis] = (point[axis] - ranges[axis][0]) * side / longer;
        }
    }
}

/// Moves the lines so that the middle of their lengths is the middle of the field.
pub fn centre(lines: &mut [Line], sides: [usize; 2]) {
    let mut sum = [0.0; 2];
    let mut all = 1e-3;
    for [from, to] in lines.iter() {
        let length = (to[0] - from[0]).hypot(to[1] - from[1]).max(1e-3);
        for axis in 0..2 {
            sum[axis] += 0.5 * length * (from[axis] + to[axis]);
        }
        all += length;
    }
    for point in lines.as_flattened_mut() {
        for axis in 0..2 {
            point[axis] += 0.5 * sides[axis] as f32 - sum[axis] / all;
        }
    }
}

/// How far a place is from a line.
fn distance(place: [f32; 2], [from, to]: &Line) -> f32 {
    let [down, across] = [to[0] - from[0], to[1] - from[1]];
    let [y, x] = [place[0] - from[0], place[1] - from[1]];
    let length = (down * down + across * across).max(1e-6);
    let along = ((y * down + x * across) / length).clamp(0.0, 1.0);
    (y - along * down).hypot(x - along * across)
}

/// How far a place is aside of a line, and beyond its nearer end along it.
pub fn from_line(place: [f32; 2], [from, to]: &Line) -> [f32; 2] {
    let [down, across] = [to[0] - from[0], to[1] - from[1]];
    let [y, x] = [place[0] - from[0], place[1] - from[1]];
    let length = down.hypot(across).max(1e-3);
    let along = (y * down + x * across) / length;
    [(x * down - y * across).abs() / length, (-along).max(along - length).max(0.0)]
}

#[cfg(test)]
mod tests {
    use super::draw;
    use crate::random::{Purpose, Random};

    #[test]
    fn strokes_lie_in_the_middle_of_the_field() {
        for place in 0..50 {
            let image = draw(&mut Random::new(1, Purpose::Strange, place), [28, 28]);
            let ink: f32 = image.iter().map(|&value| f32::from(value)).sum();
            let mass = |of: &dyn Fn(usize) -> usize| {
                let sum: f32 =
                    image.iter().enumerate().map(|(i, &v)| f32::from(v) * of(i) as f32).sum();
                sum / ink
            };
            let [row, column] = [mass(&|at| at / 28), mass(&|at| at % 28)];
            assert!(ink > 255.0 * 20.0, "{place}");
            assert!((row - 14.0).abs() < 3.0 && (column - 14.0).abs() < 3.0, "{row} {column}");
            assert!(image[..28].iter().all(|&value| value < 128), "{place}");
        }
    }
}
