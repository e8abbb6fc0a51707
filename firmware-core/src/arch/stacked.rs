//! Words of a convolution's weights in orders of their own: where kernel rows are no whole number of words,
//! what is left over of several rows shares one; and none of them so large that pairs of products leave 16 bits.

use super::weights::word;
use super::{Chosen, Target};

/// Weights in a word.
const GROUP: usize = 4;

/// Kernel rows of `row` weights whose last weights share a word of `group`; 1 where each row has words of
/// its own.
pub(crate) const fn rows_of_word(row: usize, group: usize) -> usize {
    let left = row % group;
    if left > 0 && group % left == 0 { group / left } else { 1 }
}

/// Words of a channel with so many kernel rows.
pub(crate) const fn words(rows: usize, row: usize, group: usize) -> usize {
    match rows_of_word(row, group) {
        1 => rows * row.div_ceil(group),
        together => rows * (row / group) + rows.div_ceil(together),
    }
}

/// Where in a channel's words a weight of kernel row `y` is, and how many bits up.
const fn place([y, at]: [usize; 2], [rows, row]: [usize; 2], group: usize) -> (usize, usize) {
    let (whole, bits) = (row / group, 32 / group);
    if at < whole * group {
        return (y * whole + at / group, at % group * bits);
    }
    let together = rows_of_word(row, group);
    (rows * whole + y / together, (y % together * (row % group) + at % group) * bits)
}

/// Tables of each kind here, if the target asks for them.
pub(super) const TABLES: usize = 2 * Chosen::STACKED as usize;

/// As many words as a convolution has weights.
pub(super) type Table<const OC: usize, const KH: usize, const KW: usize, const IC: usize> =
    [[[[i32; IC]; KW]; KH]; OC];

/// The weights in words of four and of two, channel by channel: the whole words of each kernel row, then those of
/// what is left over. Zeros where no word is shared.
// Where there are no tables, this is known not to run.
#[allow(clippy::absurd_extreme_comparisons)]
pub(super) const fn stacked<const OC: usize, const KH: usize, const KW: usize, const IC: usize>(
    weights: &[[[[i8; IC]; KW]; KH]; OC],
) -> [Table<OC, KH, KW, IC>; TABLES] {
    let mut stacked = [[[[[0; IC]; KW]; KH]; OC]; TABLES];
    let row = KW * IC;
    let mut form = 0;
    while form < TABLES {
        let group = GROUP >> form;
        let mask = u32::MAX >> (32 - 32 / group);
        let mut i = 0;
        while rows_of_word(row, group) > 1 && i < OC * KH * row {
            let [o, y, at] = [i / row / KH, i / row % KH, i % row];
            let weight = weights[o][y][at / IC][at % IC] as i32 as u32 & mask;
            let (word, bits) = place([y, at], [KH, row], group);
            let n = o * words(KH, row, group) + word;
            stacked[form][n / IC / KW / KH][n / IC / KW % KH][n / IC % KW][n % IC] |=
                (weight << bits) as i32;
            i += 1;
        }
        form += 1;
    }
    stacked
}

/// A word without what is too much: of two weights that follow each other, the sum of the products with two
/// bytes is 16 bits long. And what is left, for which the same is true.
pub(super) const fn halved(word: i32) -> [i32; 2] {
    let mut parts = [0, 0];
    let mut at = 0;
    while at < GROUP {
        let pair = [(word >> (8 * at)) as i8 as i32, (word >> (8 * at + 8)) as i8 as i32];
        let too_much = pair[0] + pair[1] > 128 || pair[0] + pair[1] < -128;
        let mut n = 0;
        while n < 2 {
            let first = if too_much { pair[n] / 2 } else { pair[n] };
            parts[0] |= (first & 0xff) << (8 * (at + n));
            parts[1] |= ((pair[n] - first) & 0xff) << (8 * (at + n));
            n += 1;
        }
        at += 2;
    }
    parts
}

/// Of the words `[channel][word]` of [`stacked`], or of [`Target::WIDE`](Target) where none is shared, what
/// [`halved`] leaves in their places; and of each two channels the number of words of which something is left
/// and then, for each, its number and what is left of both channels. The first number is -1 where that is more
/// than an eighth of all words, or there is no room; all is zeros for kernels of one pixel, which are not worth it.
pub(super) const fn gentle<const OC: usize, const KH: usize, const KW: usize, const IC: usize>(
    all: &Table<OC, KH, KW, IC>,
) -> [Table<OC, KH, KW, IC>; TABLES] {
    let mut tables = [[[[[0; IC]; KW]; KH]; OC]; TABLES];
    let found: &mut [_] = &mut tables;
    let [first, rest] = found else { return tables };
    let (count, taps) = (words(KH, KW * IC, GROUP), KH * KW * IC);
    if !has_room([OC, KH, KW, IC]) {
        rest[0][0][0][0] = -1;
        return tables;
    }
    let mut number = 0;
    let mut pair = 0;
    while pair < OC / 2 {
        let (start, mut found) = (pair * 2 * taps, 0);
        let mut word = 0;
        while word < count {
            let mut parts = [0; 3];
            let mut n = 0;
            while n < 2 {
                let at = (2 * pair + n) * count + word;
                let [x, y] = [at / IC / KW % KH, at / IC % KW];
                let [part, more] = halved(all[at / IC / KW / KH][x][y][at % IC]);
                first[at / IC / KW / KH][x][y][at % IC] = part;
                parts[n + 1] = more;
                n += 1;
            }
            if parts[1] != 0 || parts[2] != 0 {
                parts[0] = word as i32;
                n = 0;
                while n < 3 {
                    let at = start + 1 + 3 * found + n;
                    rest[at / IC / KW / KH][at / IC / KW % KH][at / IC % KW][at % IC] = parts[n];
                    n += 1;
                }
                found += 1;
            }
            word += 1;
        }
        rest[2 * pair][0][0][0] = found as i32;
        number += found;
        pair += 1;
    }
    if 8 * number > count * OC / 2 {
        rest[0][0][0][0] = -1;
    }
    tables
}

/// Whether [`gentle`] has room for what is left of every word of two channels of such a kernel.
const fn has_room([channels, rows, columns, depth]: [usize; 4]) -> bool {
    let taps = rows * columns * depth;
    channels % 2 == 0 && rows * columns > 1 && 3 * words(rows, columns * depth, GROUP) < 2 * taps
}

/// Whether the two tables `found` are what [`gentle`] makes of these words.
pub(super) fn is_gentle(all: &[i32], shape: [usize; 4], found: [&[i32]; 2]) -> bool {
    let [channels, rows, columns, depth] = shape;
    let [first, left] = found;
    if !has_room(shape) {
        return left.first() == Some(&-1);
    }
    let (count, taps) = (words(rows, columns * depth, GROUP), rows * columns * depth);
    let all = all.get(..channels * count).unwrap_or_default();
    let parts = |word: &i32| halved(*word);
    let (mut number, mut first_number) = (0, None);
    let pairs = all.chunks_exact(2 * count).zip(left.chunks_exact(2 * taps));
    let same = pairs.fold(true, |same, (words, left)| {
        let (a, b) = words.split_at_checked(count).unwrap_or_default();
        let more = a.iter().map(parts).zip(b.iter().map(parts)).enumerate();
        let more = more.filter(|(_, ([_, a], [_, b]))| *a != 0 || *b != 0);
        let entries = more.clone().flat_map(|(n, ([_, a], [_, b]))| [n as i32, a, b]);
        let found = more.count();
        number += found;
        // The very first number may say that there are too many.
        let counted = first_number.is_none() || left.first() == Some(&(found as i32));
        first_number.get_or_insert(found as i32);
        same && counted && entries.eq(left.iter().skip(1).take(3 * found).copied())
    });
    let begin = if 8 * number > count * channels / 2 { Some(-1) } else { first_number };
    same && left.first().copied() == begin
        && all.iter().map(|word| parts(word)[0]).eq(first.iter().take(all.len()).copied())
}

/// Whether `found` is what [`stacked`] makes of the weights of channels with so many kernel rows.
pub(super) fn is_stacked(
    weights: &[i8],
    [rows, row]: [usize; 2],
    group: usize,
    found: &[i32],
) -> bool {
    let row = row.max(1);
    if rows_of_word(row, group) == 1 {
        return true;
    }
    let (whole, together) = (row / group, rows_of_word(row, group));
    let channels = weights.chunks_exact((rows * row).max(1));
    channels.zip(found.chunks(words(rows, row, group).max(1))).all(|(channel, found)| {
        let lines = || channel.chunks_exact(row);
        let first = lines().flat_map(|line| line.chunks_exact(group));
        let first = first.map(|weights| word(weights, group));
        let behind = lines().map(|line| line.get(whole * group..).unwrap_or_default());
        let shared = (0..rows).step_by(together).map(|y| {
            let rows = behind.clone().skip(y).take(together).enumerate();
            let bits = 32 / group * (row % group);
            rows.fold(0, |all, (n, weights)| all | word(weights, group) << (n * bits))
        });
        first.chain(shared).eq(found.iter().copied())
    })
}
