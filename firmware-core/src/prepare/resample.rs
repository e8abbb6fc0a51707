//! A picture in another size.
//!
//! Where a side shrinks, a pixel is the mean of what it covers, parts of pixels counted by their
//! part; where a side grows, it lies on the line between its two neighbours. All weights are integers:
//! a source pixel is `target` units wide and a target pixel `source` units. A value is rounded once, at
//! the end, half up.

/// `height · width` of a source from which on sums of a row lose lower bits, which no result shows.
const EXACT: usize = 1 << 24;

/// The weights of the source places that make up one target place, along one axis.
fn taps(source: usize, target: usize, place: usize) -> impl Iterator<Item = (usize, u32)> {
    let shrinks = source >= target;
    let (first, start, end) = if shrinks {
        let start = place * source;
        (start / target.max(1), start, start + source)
    } else {
        // Twice the middle of the place, in units of 1 / (2 · target), between the first and the last
        // middle of a source place.
        let middle = ((2 * place + 1) * source).saturating_sub(target);
        let middle = middle.min(2 * target * source.saturating_sub(1));
        (middle / (2 * target).max(1), middle, middle + 1)
    };
    (first..source).map_while(move |at| {
        if shrinks {
            let (from, to) = (at * target, (at + 1) * target);
            (from < end).then(|| (at, (to.min(end) - from.max(start)) as u32))
        } else {
            let part = start - first * 2 * target;
            match at - first {
                0 => Some((at, (2 * target - part) as u32)),
                1 if part > 0 => Some((at, part as u32)),
                _ => None,
            }
        }
    })
}

/// What the weights of one target place add up to.
const fn total(source: usize, target: usize) -> usize {
    if source >= target { source } else { 2 * target }
}

/// Words of [`resample`]'s scratch for rows of `values` target values.
pub const fn scratch_words(values: usize) -> usize {
    2 * values
}

/// Resamples a picture `[height][width][channels]` of `from` (height, width) to `to`.
///
/// `line` writes one row of the source to the buffer that it gets, which is `line_buffer`; `emit` takes
/// the target's rows in order. `scratch` has [`scratch_words`] of a target row's values.
pub fn resample(
    from: [usize; 2],
    to: [usize; 2],
    channels: usize,
    mut line: impl FnMut(usize, &mut [u8]),
    line_buffer: &mut [u8],
    scratch: &mut [u32],
    mut emit: impl FnMut(usize, &mut dyn Iterator<Item = u8>),
) {
    let values = to[1] * channels;
    let (wide, rest) = scratch.split_at_mut(values.min(scratch.len()));
    let sums = rest.get_mut(..values).unwrap_or_default();
    let source = line_buffer.get_mut(..from[1] * channels).unwrap_or_default();
    let [rows, columns] = [total(from[0], to[0]), total(from[1], to[1])];
    let mut lost = 0;
    while (rows * columns) >> lost > EXACT {
        lost += 1;
    }
    let whole = ((rows * columns) >> lost).max(1) as u32;
    let mut at_hand = usize::MAX;
    for place in 0..to[0] {
        sums.fill(0);
        for (row, weight) in taps(from[0], to[0], place) {
            if row != at_hand {
                line(row, source);
                across(source, from[1], to[1], channels, wide);
                at_hand = row;
            }
            for (sum, value) in sums.iter_mut().zip(wide.iter()) {
                *sum += (*value >> lost) * weight;
            }
        }
        emit(place, &mut sums.iter().map(|sum| ((sum + whole / 2) / whole).min(255) as u8));
    }
}

/// Resamples a row of `from` pixels to one of `to`; the weights are not divided out.
fn across(source: &[u8], from: usize, to: usize, channels: usize, wide: &mut [u32]) {
    for channel in 0..channels {
        let mut values = wide.iter_mut().skip(channel).step_by(channels.max(1));
        if from < to {
            for (place, value) in values.enumerate() {
                let near = taps(from, to, place).map(|(at, weight)| {
                    u32::from(source.get(at * channels + channel).copied().unwrap_or(0)) * weight
                });
                *value = near.sum();
            }
            continue;
        }
        let (from, to) = (from as u32, to as u32);
        let (mut sum, mut room) = (0, from);
        for &level in source.iter().skip(channel).step_by(channels.max(1)) {
            let level = u32::from(level);
            if to < room {
                sum += level * to;
                room -= to;
            } else {
                if let Some(value) = values.next() {
                    *value = sum + level * room;
                }
                sum = level * (to - room);
                room += from - to;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{resample, taps, total};
    use std::vec::Vec;

    fn resampled(pixels: &[u8], from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
        let mut out = Vec::new();
        let line = |row: usize, out: &mut [u8]| {
            out.copy_from_slice(&pixels[row * from[1]..(row + 1) * from[1]]);
        };
        let (mut buffer, mut scratch) = ([0; 64], [0; 128]);
        resample(from, to, 1, line, &mut buffer, &mut scratch, |_, row| out.extend(row));
        out
    }

    #[test]
    fn weights_add_up() {
        for source in 1..40 {
            for target in 1..40 {
                for place in 0..target {
                    let sum: u32 = taps(source, target, place).map(|(_, weight)| weight).sum();
                    assert_eq!(sum as usize, total(source, target), "{source} {target} {place}");
                    assert!(taps(source, target, place).all(|(at, _)| at < source));
                }
            }
        }
    }

    #[test]
    fn enlarging_by_copies_and_shrinking_back_changes_nothing() {
        let small = [0, 50, 255, 7, 200, 30];
        let large: Vec<u8> = (0..150).map(|at| small[at / 15 / 5 * 3 + at % 15 / 5]).collect();
        assert_eq!(resampled(&large, [10, 15], [2, 3]), small);
        assert_eq!(resampled(&small, [2, 3], [2, 3]), small);
    }

    #[test]
    fn a_constant_stays_constant_in_any_size() {
        for [height, width] in [[3, 11], [20, 2], [7, 5], [1, 1]] {
            let image = resampled(&[91; 35], [7, 5], [height, width]);
            assert_eq!(image, std::vec![91; height * width]);
        }
    }

    #[test]
    fn halves_and_lines_between_neighbours() {
        assert_eq!(resampled(&[10, 20, 40, 81], [1, 4], [1, 2]), [15, 61]);
        assert_eq!(resampled(&[0, 90, 30], [1, 3], [1, 2]), [30, 50]);
        assert_eq!(resampled(&[0, 100], [1, 2], [1, 4]), [0, 25, 75, 100]);
    }
}
