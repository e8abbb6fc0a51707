//! Printed signs of no alphabet: stems, bars, diagonals and bowls that hang together, thick and thin, with
//! serifs or without, in the form of characters. What comes out like a digit is drawn again.

use super::strokes::{BOX, Line, boxed, centre, from_line};
use crate::random::Random;

/// A place on a grid of 3 × 3: row and column.
type Place = [usize; 2];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// From one place to another, the upper or the left one first.
    Straight(Place, Place),
    /// Around the upper right quarter, from the upper left place to the left one in the middle.
    Bowl,
}

/// Half the width of a stem, as a share of the field's shorter side.
const PEN: [f32; 2] = [0.7 / 28.0, 2.4 / 28.0];
/// No line is thinner, in pixels.
const THINNEST: f32 = 0.6;
/// How wide an edge is between full and empty, in pixels: as sharp as prints, and as soft as scans.
const EDGE: [f32; 2] = [0.9, 2.2];
/// Lines that a bowl is made of.
const BOWL: usize = 8;
/// How far a serif reaches to each side of its stem, in units of the sign's box.
const SERIF: [f32; 2] = [0.08, 0.2];

impl Part {
    fn stem(column: usize) -> Self {
        Self::Straight([0, column], [2, column])
    }

    fn bar(row: usize) -> Self {
        Self::Straight([row, 0], [row, 2])
    }

    fn random(random: &mut Random) -> Self {
        match random.below(16) {
            0..=4 => Self::stem(random.below(3) as usize),
            5..=7 => Self::bar(random.below(3) as usize),
            8 => {
                let row = random.below(3) as usize;
                let left = random.below(2) as usize;
                Self::Straight([row, left], [row, left + 1])
            }
            9 => Self::Bowl,
            _ => {
                let [top, left] = [random.below(2) as usize, random.below(3) as usize];
                let bottom = top + 1 + random.below(2 - top as u32) as usize;
                let aside = (left + 1 + random.below(2) as usize) % 3;
                Self::Straight([top, left], [bottom, aside])
            }
        }
    }

    /// The places that it passes.
    fn places(self) -> Vec<Place> {
        match self {
            Self::Bowl => vec![[0, 0], [0, 1], [1, 0], [1, 1]],
            Self::Straight(a, b) => {
                let [rows, columns] = [a[0] + b[0], a[1] + b[1]];
                let even = rows % 2 == 0 && columns % 2 == 0;
                let middle = even.then_some([rows / 2, columns / 2]);
                [a, b].into_iter().chain(middle).collect()
            }
        }
    }

    fn is_bar(self) -> bool {
        matches!(self, Self::Straight(a, b) if a[0] == b[0])
    }
}

/// Whether parts together could be read as a digit.
fn is_digit(parts: &[Part]) -> bool {
    let has = |part: Part| parts.contains(&part);
    let any_stem = (0..3).any(|column| has(Part::stem(column)));
    let touches =
        |place: Place| parts.iter().any(|part| !part.is_bar() && part.places().contains(&place));
    let down_left = Part::Straight([0, 2], [2, 0]);
    match parts.len() {
        2 => {
            let seven =
                (has(Part::bar(0)) || has(Part::Straight([0, 1], [0, 2]))) && touches([0, 2]);
            let flag = |part: &Part| matches!(part, Part::Straight(top, end) if top[0] == 0 && end[1] < top[1] && has(Part::stem(top[1])));
            let one = (has(Part::bar(2)) && has(Part::stem(1))) || parts.iter().any(flag);
            let short_bar = |part: &Part| part.is_bar() && *part != Part::bar(1);
            let nick =
                any_stem && parts.iter().any(|part| short_bar(part) && part.places().len() == 2);
            seven || one || nick
        }
        3 => {
            let two = has(Part::bar(0)) && has(Part::bar(2)) && has(down_left);
            let hook = |part: &Part| matches!(part, Part::Straight(top, [1, 0]) if top[0] == 0);
            let four = has(Part::bar(1)) && any_stem && parts.iter().any(hook);
            two || four
        }
        _ => {
            let frame = [Part::stem(0), Part::stem(2), Part::bar(0), Part::bar(2)];
            frame.into_iter().all(has)
        }
    }
}

/// Two to five parts that hang together.
fn parts(random: &mut Random) -> Vec<Part> {
    loop {
        let count = 2 + random.below(4) as usize;
        let mut parts = vec![Part::random(random)];
        while parts.len() < count {
            let part = Part::random(random);
            let known: Vec<Place> = parts.iter().flat_map(|part| part.places()).collect();
            let shared = part.places().iter().filter(|place| known.contains(place)).count();
            // A part that lies wholly on others adds nothing.
            if shared > 0 && shared < part.places().len() {
                parts.push(part);
            } else if random.below(8) == 0 {
                break;
            }
        }
        let upright = parts.iter().any(|part| !part.is_bar());
        if parts.len() > 1 && upright && !is_digit(&parts) {
            return parts;
        }
    }
}

/// A field `[height][width]` with one sign.
pub fn draw(random: &mut Random, [height, width]: [usize; 2]) -> Vec<u8> {
    let parts = parts(random);
    let side = height.min(width) as f32;
    let stem = (side * random.between(PEN[0], PEN[1])).max(THINNEST);
    let contrast = if random.below(2) == 0 { 1.0 } else { random.between(0.35, 0.9) };
    let thin = (contrast * stem).max(THINNEST);
    let (mut lines, radii) = outline(random, &parts, [stem, thin]);
    if random.below(3) == 0 {
        let slant = random.between(-0.1, 0.35);
        lines.as_flattened_mut().iter_mut().for_each(|point| point[1] -= slant * point[0]);
    }
    boxed(&mut lines, BOX * side - 2.0 * stem, random.between(0.55, 1.2));
    centre(&mut lines, [height, width]);
    let flat = random.below(2) == 0;
    let edge = random.between(EDGE[0], EDGE[1]);
    (0..height * width)
        .map(|at| {
            let pixel = [(at / width) as f32, (at % width) as f32];
            let cover = |(line, radius): (&Line, &f32)| {
                let [across, beyond] = from_line(pixel, line);
                let away = if flat { across.max(beyond) } else { across.hypot(beyond) };
                0.5 + (radius - away) / edge
            };
            let level = lines.iter().zip(&radii).map(cover).fold(0.0, f32::max).min(1.0);
            (255.0 * level).round() as u8
        })
        .collect()
}

/// The lines of the parts on a paper of side 1, and half the width of each: that of stems or of what is thin.
fn outline(random: &mut Random, parts: &[Part], [stem, thin]: [f32; 2]) -> (Vec<Line>, Vec<f32>) {
    let middle = [random.between(0.35, 0.65), random.between(0.4, 0.6)];
    let mut at = |place: Place| -> [f32; 2] {
        [0, 1].map(|axis| {
            let steady = [0.0, middle[axis], 1.0][place[axis]];
            steady + random.between(-0.03, 0.03)
        })
    };
    let (mut lines, mut radii) = (Vec::new(), Vec::new());
    let mut add = |line: Line, radius: f32| {
        lines.push(line);
        radii.push(radius);
    };
    let mut ends: Vec<(Place, [f32; 2])> = Vec::new();
    for (index, &part) in parts.iter().enumerate() {
        match part {
            Part::Straight(a, b) => {
                let line = [at(a), at(b)];
                // Every second diagonal is thin, as in a printed A or V.
                let upright = a[1] == b[1] || (!part.is_bar() && index % 2 == 0);
                add(line, if upright { stem } else { thin });
                ends.extend([(a, line[0]), (b, line[1])]);
            }
            Part::Bowl => {
                let [top, bottom] = [at([0, 0]), at([1, 0])];
                let reach = at([0, 2])[1];
                let point = |part: usize| {
                    let turn = std::f32::consts::PI * part as f32 / BOWL as f32;
                    let middle = 0.5 * (top[0] + bottom[0]);
                    let radius = 0.5 * (bottom[0] - top[0]);
                    [middle - radius * turn.cos(), top[1] + reach * turn.sin().max(0.0).sqrt()]
                };
                (0..BOWL).for_each(|part| add([point(part), point(part + 1)], stem));
            }
        }
    }
    if random.below(5) < 2 {
        let reach = random.between(SERIF[0], SERIF[1]);
        for (place, end) in &ends {
            let alone = ends.iter().filter(|(other, _)| other == place).count() == 1;
            if alone && place[0] != 1 {
                add([[end[0], end[1] - reach], [end[0], end[1] + reach]], thin);
            }
        }
    }
    (lines, radii)
}

#[cfg(test)]
mod tests {
    use super::{Part, draw, is_digit, parts};
    use crate::random::{Purpose, Random};

    #[test]
    fn no_sign_is_a_digit() {
        let (stem, bar) = (Part::stem, Part::bar);
        let seven = [bar(0), Part::Straight([0, 2], [2, 1])];
        let four = [Part::Straight([0, 1], [1, 0]), bar(1), stem(1)];
        let two = [bar(0), Part::Straight([0, 2], [2, 0]), bar(2)];
        let one = [Part::Straight([0, 1], [1, 0]), stem(1)];
        for digit in [&seven[..], &four, &two, &one, &[stem(0), stem(2), bar(0), bar(2)]] {
            assert!(is_digit(digit), "{digit:?}");
        }
        for sign in [&[stem(0), stem(2), bar(1)][..], &[bar(0), stem(1)]] {
            assert!(!is_digit(sign), "{sign:?}");
        }
        for place in 0..500 {
            let parts = parts(&mut Random::new(2, Purpose::Strange, place));
            assert!(!is_digit(&parts) && (2..=5).contains(&parts.len()), "{parts:?}");
        }
    }

    #[test]
    fn signs_lie_in_the_middle_of_any_field() {
        for place in 0..60 {
            let sides = [[28, 28], [20, 40], [64, 48]][place as usize % 3];
            let image = draw(&mut Random::new(1, Purpose::Strange, place), sides);
            let ink = image.iter().filter(|&&value| value > 96).count();
            assert_eq!(image.len(), sides[0] * sides[1]);
            assert!(ink > 20 && 2 * ink < image.len(), "{place}: {ink}");
            assert!(image[..sides[1]].iter().all(|&value| value < 128), "{place}");
        }
    }
}
