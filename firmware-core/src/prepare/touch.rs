//! What a finger or a pen wrote on a touch screen, as an image in the form of MNIST's digits.

use super::centred::centred;
use super::{Error, Preparation, Scratch};

/// A place of the pen, in any unit, at most 16,383 apart in either direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Downwards.
    pub row: i16,
    /// To the right.
    pub column: i16,
    /// The pen was put down here; else it was drawn here from the point before.
    pub first: bool,
}

/// Units in a pixel.
const UNIT: i32 = 64;

/// The pen is one in so many of the box's side wide: 2.5 of 20 pixels.
const PEN: i32 = 8;

/// Words of scratch of [`strokes`].
pub const fn strokes_words(preparation: &Preparation) -> usize {
    let side = preparation.box_side() + 1;
    (side * side).div_ceil(4)
}

/// Draws strokes with a round pen so that they fill the box, and puts their centre of mass into the
/// middle of `image`, `[height][width][channel]`: light ink on 0.
///
/// # Errors
///
/// [`Error::Blank`] if there is no point; [`Error::ImageSize`] and [`Error::Scratch`] as for
/// [`prepare`](super::prepare).
///
/// ```
/// use firmware_core::prepare::{self, Form, Point, Polarity, Preparation};
///
/// const DIGITS: Preparation =
///     Preparation { form: Form::Digit, size: [28, 28], channels: 1, polarity: Polarity::Dark };
/// const WORDS: usize = prepare::strokes_words(&DIGITS);
///
/// let one = [(10, 50), (200, 40)].map(|(row, column)| Point { row, column, first: row == 10 });
/// let (mut scratch, mut image) = ([0; WORDS], [0; 784]);
/// prepare::strokes(&one, &DIGITS, &mut scratch, &mut image)?;
/// assert_eq!((image[14 * 28 + 14], image[14 * 28 + 4]), (255, 0));
/// # Ok::<(), prepare::Error>(())
/// ```
pub fn strokes(
    points: &[Point],
    preparation: &Preparation,
    scratch: &mut [u32],
    image: &mut [u8],
) -> Result<(), Error> {
    let sides = preparation.size.iter().all(|&side| (1..=super::MAX_SIDE).contains(&side));
    if !sides || !matches!(preparation.channels, 1 | 3) || image.len() != preparation.bytes() {
        return Err(Error::ImageSize);
    }
    if scratch.len() < strokes_words(preparation) {
        return Err(Error::Scratch);
    }
    let Some(first) = points.first() else { return Err(Error::Blank { contrast: 0, noise: 0 }) };
    let places = |of: fn(&Point) -> i16| {
        points
            .iter()
            .map(of)
            .fold((of(first), of(first)), |(low, high), at| (low.min(at), high.max(at)))
    };
    let (top, bottom) = places(|point| point.row);
    let (left, right) = places(|point| point.column);
    let span = |low: i16, high: i16| (i32::from(high) - i32::from(low)).min(0x3fff);
    let longer = span(top, bottom).max(span(left, right));
    let side = preparation.box_side() as i32 * UNIT;
    let pen = side / PEN;
    // The pen's middle stays half a pen away from the box's sides.
    let scaled = |at: i32| match longer {
        0 => pen / 2,
        _ => pen / 2 + (at * (side - pen) + longer / 2) / longer,
    };
    let place = |point: &Point| [scaled(span(top, point.row)), scaled(span(left, point.column))];
    let size = [span(top, bottom), span(left, right)]
        .map(|span| ((scaled(span) + pen / 2 + UNIT - 1) / UNIT) as usize);
    let boxed = Scratch(scratch).bytes(size[0] * size[1]);
    boxed.fill(0);
    let mut last = place(first);
    for (index, point) in points.iter().enumerate() {
        let at = place(point);
        if point.first {
            last = at;
        }
        let next_lifts = points.get(index + 1).is_none_or(|next| next.first);
        let near = |axis: usize| matches!((at.get(axis), last.get(axis)), (Some(a), Some(b)) if a.abs_diff(*b) < UNIT as u32 / 2);
        if !point.first && !next_lifts && near(0) && near(1) {
            continue;
        }
        line(boxed, size, last, at, pen / 2);
        last = at;
    }
    centred(boxed, size, preparation, image);
    Ok(())
}

/// Draws a line with a round pen of radius `reach`, its edge one pixel soft.
fn line(boxed: &mut [u8], [_, width]: [usize; 2], from: [i32; 2], to: [i32; 2], reach: i32) {
    let [down, right] = [to[0] - from[0], to[1] - from[1]];
    let length = root(square(down) + square(right)) as i32;
    let range = |axis: usize| {
        let (a, b) = (from.get(axis).copied().unwrap_or(0), to.get(axis).copied().unwrap_or(0));
        let first = (a.min(b) - reach - UNIT).max(0) / UNIT;
        first as usize..((a.max(b) + reach + 2 * UNIT) / UNIT) as usize
    };
    let rows = boxed.chunks_exact_mut(width.max(1)).enumerate();
    let wanted = range(0);
    for (row, levels) in rows.skip(wanted.start).take(wanted.len()) {
        let wanted = range(1);
        for (column, level) in levels.iter_mut().enumerate().skip(wanted.start).take(wanted.len()) {
            let middle = [row, column].map(|at| at as i32 * UNIT + UNIT / 2);
            let [y, x] = [middle[0] - from[0], middle[1] - from[1]];
            // Along the line from its start, times its length.
            let along = y * down + x * right;
            let distance = if along <= 0 {
                root(square(y) + square(x))
            } else if along >= length * length {
                root(square(middle[0] - to[0]) + square(middle[1] - to[1]))
            } else {
                (y * right - x * down).unsigned_abs() / length.max(1) as u32
            };
            let inside = (reach + UNIT / 2 - distance as i32).clamp(0, UNIT);
            *level = (*level).max((inside * 255 / UNIT) as u8);
        }
    }
}

fn square(value: i32) -> u32 {
    let value = value.unsigned_abs();
    value * value
}

/// The square root, rounded down.
fn root(value: u32) -> u32 {
    let (mut rest, mut result) = (value, 0);
    let mut bit = 1 << 30;
    while bit > 0 {
        if rest >= result + bit {
            rest -= result + bit;
            result = (result >> 1) + bit;
        } else {
            result >>= 1;
        }
        bit >>= 2;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::super::{Error, Form, Polarity, Preparation};
    use super::{Point, root, strokes, strokes_words};
    use std::vec;

    const DIGITS: Preparation =
        Preparation { form: Form::Digit, size: [28, 28], channels: 1, polarity: Polarity::Dark };

    #[test]
    fn roots_are_rounded_down() {
        for value in [0, 1, 3, 4, 15, 16, 17, 1 << 20, u32::MAX] {
            let found = u64::from(root(value));
            assert!(found * found <= value.into() && (found + 1) * (found + 1) > value.into());
        }
    }

    #[test]
    fn strokes_fill_their_box_in_any_unit() {
        for unit in [1, 10, 1000] {
            let at = |row: i16, column: i16, first| Point {
                row: (row - 8) * unit,
                column: column * unit,
                first,
            };
            let cross = [at(0, 8, true), at(16, 8, false), at(8, 0, true), at(8, 16, false)];
            let mut scratch = vec![u32::MAX; strokes_words(&DIGITS)];
            let mut image = vec![9; 784];
            strokes(&cross, &DIGITS, &mut scratch, &mut image).expect("is drawn");
            let inked = |row: usize| image[row * 28..][..28].iter().filter(|&&x| x > 0).count();
            let rows: usize = (0..28).filter(|&row| inked(row) > 0).count();
            assert_eq!(rows, 20, "{unit}");
            assert!((3..=4).contains(&inked(6)) && inked(13).max(inked(14)) == 20);
        }
    }

    #[test]
    fn a_dot_is_drawn_and_nothing_is_blank() {
        let mut scratch = vec![0; strokes_words(&DIGITS)];
        let mut image = vec![0; 784];
        let dot = [Point { row: -5, column: 70, first: true }];
        strokes(&dot, &DIGITS, &mut scratch, &mut image).expect("is drawn");
        assert!(image.iter().any(|&level| level > 200));
        assert_eq!(
            strokes(&[], &DIGITS, &mut scratch, &mut image),
            Err(Error::Blank { contrast: 0, noise: 0 })
        );
    }
}
