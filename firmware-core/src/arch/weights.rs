//! A convolution's weights as the target's kernels want them, made at compile time.

use super::arranged::{Arranged, add_blocked};
use super::stacked::{TABLES, Table, gentle, is_gentle, is_stacked, rows_of_word, stacked};
use super::storage::{ConvolutionFilters, ConvolutionStorage};
#[cfg(kernels)]
use super::storage::{Copies, room};
use super::winograd::{are_transformed, is_transformed, with_transformed};
#[cfg(kernels)]
use super::{Begin, Cursor, Patch};
use super::{Chosen, Target};
#[cfg(kernels)]
use crate::Activation;
use crate::Checksum;
use crate::kernels::Filters;

/// What a target's kernels know of one output channel beside its weights: their sum, if it asks.
pub type WeightSum = [i32; Chosen::WEIGHT_SUMS as usize];

/// Weights in the target's order, with as many zeros behind them as a kernel may load beyond the
/// last one. Nothing but bytes, so that none of it is uninitialized.
#[repr(C)]
struct Bytes<W> {
    weights: W,
    tail: [i8; Chosen::TAIL],
}

/// Weights `[out][kernel row][kernel column][in]` and what else the target's kernels want of them.
pub struct ConvolutionWeights<const OC: usize, const KH: usize, const KW: usize, const IC: usize> {
    sums: [WeightSum; OC],
    wide: [[[[[i32; IC]; KW]; KH]; OC]; Chosen::WIDE.len()],
    pub(super) stacked: [Table<OC, KH, KW, IC>; TABLES],
    gentle: [Table<OC, KH, KW, IC>; TABLES],
    side_by_side: [[[[[i32; IC]; KW]; KH]; OC]; Chosen::SIDE_BY_SIDE.len()],
    bytes: Bytes<[[[[i8; IC]; KW]; KH]; OC]>,
}

/// The same without its sizes.
#[derive(Clone, Copy)]
pub struct Weights<'a> {
    /// One after the other, with the zeros behind them.
    #[cfg_attr(not(kernels), allow(dead_code))]
    pub bytes: &'a [i8],
    /// One element per output channel.
    #[cfg_attr(not(kernels), allow(dead_code))]
    pub sums: &'a [WeightSum],
    /// For each of [`Target::WIDE`] the words that vectors take.
    #[cfg_attr(not(host), allow(dead_code))]
    pub wide: [&'a [i32]; Chosen::WIDE.len()],
    /// The words of four weights and of two that several kernel rows share; of no account where none do, but for
    /// what [`Weights::transformed`] has.
    #[cfg_attr(not(kernels = "x86_64"), allow(dead_code))]
    pub stacked: [&'a [i32]; TABLES],
    /// The words whose products of 16 bits are pairs' sums, and what is left of others: see
    /// [`stacked`](super::stacked).
    #[cfg_attr(not(kernels = "x86_64"), allow(dead_code))]
    pub gentle: [&'a [i32]; TABLES],
    /// For each of [`Target::SIDE_BY_SIDE`] the words `[block of channels][kernel row][group][channel]`,
    /// with zeros where there are no more weights or channels. Empty where they take more room than a
    /// word for each weight.
    #[cfg_attr(not(host), allow(dead_code))]
    pub side_by_side: [&'a [i32]; Chosen::SIDE_BY_SIDE.len()],
}

impl<const OC: usize, const KH: usize, const KW: usize, const IC: usize>
    ConvolutionWeights<OC, KH, KW, IC>
{
    pub(crate) const fn new(weights: [[[[i8; IC]; KW]; KH]; OC]) -> Self {
        let (wide, stacked) = (wide(&weights), stacked(&weights));
        Self {
            sums: sums(&weights),
            gentle: match (&wide as &[_], &stacked as &[_]) {
                (_, [words, _]) if rows_of_word(KW * IC, 4) > 1 => gentle(words),
                ([words, ..], _) => gentle(words),
                _ => stacked,
            },
            wide,
            stacked: with_transformed(stacked, &weights),
            side_by_side: side_by_side(&weights),
            bytes: Bytes { weights: blocked(weights), tail: [0; Chosen::TAIL] },
        }
    }

    /// Words of each of [`Target::SIDE_BY_SIDE`]: a constant, because every call of a layer asks.
    const SIDE_BY_SIDE: [usize; Chosen::SIDE_BY_SIDE.len()] = {
        let mut lengths = [0; Chosen::SIDE_BY_SIDE.len()];
        let mut form = 0;
        while form < lengths.len() {
            lengths[form] = side_by_side_words([OC, KH, KW * IC], Chosen::SIDE_BY_SIDE[form]);
            form += 1;
        }
        lengths
    };

    fn all(&self) -> Weights<'_> {
        let Bytes { weights, tail } = &self.bytes;
        const {
            assert!(
                size_of::<Bytes<[[[[i8; IC]; KW]; KH]; OC]>>() == OC * KH * KW * IC + Chosen::TAIL,
                "no byte between or behind the weights is uninitialized"
            )
        };
        let len = size_of_val(weights) + size_of_val(tail);
        // SAFETY: the assertion says that weights and tail are all of `bytes`, and both are `i8`.
        let bytes = unsafe { core::slice::from_raw_parts((&raw const self.bytes).cast(), len) };
        let mut lengths = Self::SIDE_BY_SIDE.iter();
        let side_by_side = self.side_by_side.each_ref().map(|words| {
            let length = lengths.next().copied().unwrap_or_default();
            flat(words).get(..length).unwrap_or_default()
        });
        Weights {
            side_by_side,
            bytes,
            sums: &self.sums,
            wide: self
                .wide
                .each_ref()
                .map(|words| words.as_flattened().as_flattened().as_flattened()),
            stacked: self.stacked.each_ref().map(flat),
            gentle: self.gentle.each_ref().map(flat),
        }
    }
}

impl<const OC: usize, const KH: usize, const KW: usize, const IC: usize> ConvolutionStorage
    for ConvolutionWeights<OC, KH, KW, IC>
{
    type Filters<'a> = Weights<'a>;

    #[inline(always)]
    fn get(&self) -> Weights<'_> {
        self.all()
    }
}

impl<const OC: usize, const KH: usize, const KW: usize, const IC: usize> Arranged
    for ConvolutionWeights<OC, KH, KW, IC>
{
    fn add_weights(&self, shape: [usize; 2], sum: &mut Checksum) {
        let weights = self.bytes.weights.as_flattened().as_flattened().as_flattened();
        add_blocked(weights, shape, &self.sums, sum);
        let rows = weights.chunks_exact((KW * IC).max(1));
        for (group, words) in Chosen::WIDE.iter().zip(&self.wide) {
            let words = words.as_flattened().as_flattened().as_flattened();
            sum.agrees(is_wide(rows.clone(), *group, words));
        }
        let stacked: &[_] = &self.stacked;
        if let ([fours, pairs], [first, left]) = (stacked, &self.gentle as &[_]) {
            let [fours, pairs, first, left] = [fours, pairs, first, left].map(flat);
            sum.agrees(is_stacked(weights, [KH, KW * IC], 4, fours));
            sum.agrees(match is_transformed([OC, KH, KW, IC]) {
                true => are_transformed(weights, IC, pairs),
                false => is_stacked(weights, [KH, KW * IC], 2, pairs),
            });
            let words = match rows_of_word(KW * IC, 4) {
                1 => self.wide.first().map(flat).unwrap_or_default(),
                _ => fours,
            };
            sum.agrees(is_gentle(words, [OC, KH, KW, IC], [first, left]));
        }
        for (form, words) in Chosen::SIDE_BY_SIDE.iter().zip(&self.side_by_side) {
            let words = words.as_flattened().as_flattened().as_flattened();
            sum.agrees(is_side_by_side(rows.clone(), [OC, KH, KW * IC], *form, words));
        }
    }
}

/// The words of a table.
fn flat<const OC: usize, const KH: usize, const KW: usize, const IC: usize>(
    table: &Table<OC, KH, KW, IC>,
) -> &[i32] {
    table.as_flattened().as_flattened().as_flattened()
}

/// Whether `words` is what [`wide`] makes of these kernel rows, in groups of so many weights.
fn is_wide<'a>(rows: impl Iterator<Item = &'a [i8]>, group: usize, words: &[i32]) -> bool {
    let group = group.clamp(1, 4);
    let mut groups = rows.flat_map(|row| row.chunks(group)).zip(words);
    groups.all(|(weights, found)| word(weights, group) == *found)
}

/// Whether `words` is what [`side_by_side`] makes of these kernel rows.
fn is_side_by_side<'a>(
    rows: impl Iterator<Item = &'a [i8]>,
    shape: [usize; 3],
    [group, block]: [usize; 2],
    words: &[i32],
) -> bool {
    let [_, height, row] = shape;
    let (group, block) = (group.clamp(1, 4), block.max(1));
    // Those that take more room are left out.
    if side_by_side_words(shape, [group, block]) > words.len() {
        return true;
    }
    let groups = row.div_ceil(group);
    rows.enumerate().all(|(number, row)| {
        let (channel, y) = (number / height.max(1), number % height.max(1));
        row.chunks(group).enumerate().all(|(at, weights)| {
            let place = ((channel / block * height + y) * groups + at) * block + channel % block;
            words.get(place) == Some(&word(weights, group))
        })
    })
}

/// The word of a group of weights, of which as many as `group` fill it.
pub(super) fn word(weights: &[i8], group: usize) -> i32 {
    let bits = 32 / group;
    let parts = weights
        .iter()
        .enumerate()
        .map(|(at, weight)| (i32::from(*weight) as u32 & (u32::MAX >> (32 - bits))) << (at * bits));
    parts.fold(0, |sum, part| sum | part) as i32
}

impl ConvolutionFilters for Weights<'_> {
    const GROUP: usize = 4;
    #[cfg(kernels)]
    const TAPS: usize = Chosen::TAPS;
    #[cfg(kernels)]
    type Copies<X: Activation> = Copies<X, { 4 * room(Chosen::TAPS) }>;
    #[cfg(kernels)]
    const BEGIN: Begin = Chosen::BEGIN;
    #[cfg(kernels)]
    type Sum = WeightSum;

    #[inline(always)]
    fn scalar(self) -> impl Filters {
        self.bytes
    }

    #[inline(always)]
    fn eight_bits(&self) -> Option<Weights<'_>> {
        Some(*self)
    }

    #[cfg(kernels)]
    #[inline(always)]
    fn sums(&self) -> &[WeightSum] {
        self.sums
    }

    #[cfg(all(kernels, not(host)))]
    #[inline(always)]
    fn part(&self, first: usize, count: usize, taps: usize) -> Self {
        let bytes = self.bytes.get(first * taps..).unwrap_or_default();
        Self { bytes, sums: self.sums.get(first..first + count).unwrap_or_default(), ..*self }
    }

    #[cfg(kernels)]
    #[inline(always)]
    fn gather<X: Activation>(patch: &mut Patch, cursor: &mut Cursor<X>, taps: usize) {
        patch.gather(cursor, taps);
    }

    #[cfg(kernels)]
    #[inline(always)]
    fn accumulate(&self, patch: &mut Patch, place: [usize; 3], sums: &mut [[i32; 4]]) {
        patch.accumulate(place, self.bytes, sums);
    }

    #[cfg(kernels)]
    const ONE: bool = Chosen::ONE;

    #[cfg(kernels)]
    #[inline(always)]
    fn accumulate_one(&self, patch: &mut Patch, place: [usize; 3], sums: &mut [[i32; 4]]) {
        Chosen::accumulate_one(patch, place, self.bytes, sums);
    }

    #[cfg(kernels)]
    #[inline(always)]
    fn finish(sums: [i32; 4]) -> [i32; 4] {
        Patch::finish(sums)
    }

    #[cfg(kernels)]
    #[inline(always)]
    fn correction<X: Activation>(sum: &WeightSum) -> i32 {
        Patch::correction::<X>(sum)
    }
}

/// Elements for targets without sums: they take no memory. On hosts no kernel that takes stored weights asks
/// for their sums.
const NO_SUMS: &[WeightSum] = &[[0; Chosen::WEIGHT_SUMS as usize];
    match (Chosen::WEIGHT_SUMS, cfg!(host)) {
        (true, true) => 1 << 12,
        (true, false) => 0,
        (false, _) => 1 << 16,
    }];

impl<'a> Weights<'a> {
    /// The weights that are [`transformed`](super::winograd), or of no account where the kernel's shape has none.
    #[cfg(kernels = "x86_64")]
    pub(crate) fn transformed(&self) -> &'a [i32] {
        self.stacked.last().copied().unwrap_or_default()
    }

    /// Weights that lie in the target's order already, with the zeros behind them, of up to 65,535
    /// channels. Where the target wants the weights in several orders at once there are none of them.
    pub(crate) fn stored(bytes: &'a [i8], sums: &'a [i32], channels: usize) -> Self {
        let sums = match Chosen::WEIGHT_SUMS {
            true if !cfg!(host) => bytemuck::try_cast_slice(sums).unwrap_or_default(),
            _ => NO_SUMS.get(..channels).unwrap_or_default(),
        };
        let wide = [&[][..]; Chosen::WIDE.len()];
        let side_by_side = [&[][..]; Chosen::SIDE_BY_SIDE.len()];
        Self { bytes, sums, wide, stacked: [&[]; TABLES], gentle: [&[]; TABLES], side_by_side }
    }
}

/// Per block of [`Target::BLOCK`] output channels tap after tap, the channels of a tap side by
/// side, so that one pointer reaches the weights of a block. The channels that are left over stay
/// as they are. With 128 more than they are where the target says so.
const fn blocked<const OC: usize, const KH: usize, const KW: usize, const IC: usize>(
    weights: [[[[i8; IC]; KW]; KH]; OC],
) -> [[[[i8; IC]; KW]; KH]; OC] {
    // Where it is 1, this is known not to run.
    #[allow(clippy::modulo_one)]
    const fn place(i: usize, taps: usize) -> (usize, usize, usize) {
        const BLOCK: usize = Chosen::BLOCK;
        (i / (BLOCK * taps), i / BLOCK % taps, i % BLOCK)
    }
    const BLOCK: usize = Chosen::BLOCK;
    if BLOCK == 1 && !Chosen::BIASED {
        return weights;
    }
    let taps = KH * KW * IC;
    let mut arranged = weights;
    let mut i = 0;
    while Chosen::BIASED && i < OC * taps {
        let weight = &mut arranged[i / taps][i % taps / IC / KW][i % taps / IC % KW][i % IC];
        *weight = biased(*weight);
        i += 1;
    }
    if BLOCK == 1 {
        return arranged;
    }
    i = 0;
    while i < OC / BLOCK * BLOCK * taps {
        let (block, tap, channel) = place(i, taps);
        let [o, y, x, c] = [block * BLOCK + channel, tap / IC / KW, tap / IC % KW, tap % IC];
        let weight = weights[o][y][x][c];
        arranged[i / taps][i % taps / IC / KW][i % taps / IC % KW][i % IC] =
            if Chosen::BIASED { biased(weight) } else { weight };
        i += 1;
    }
    arranged
}

/// A weight as it is stored where [`Target::BIASED`] says so, and back.
pub(crate) const fn biased(weight: i8) -> i8 {
    weight ^ i8::MIN
}

/// A weight of a convolution from how it is stored.
#[inline(always)]
pub(super) fn stored(weight: i8) -> i8 {
    if const { Chosen::BIASED } { biased(weight) } else { weight }
}

/// The sum of each channel's weights, if there is room for one.
pub(super) const fn sums<
    const N: usize,
    const OC: usize,
    const KH: usize,
    const KW: usize,
    const IC: usize,
>(
    weights: &[[[[i8; IC]; KW]; KH]; OC],
) -> [[i32; N]; OC] {
    let mut sums = [[0; N]; OC];
    let mut i = 0;
    while N > 0 && i < OC * KH * KW * IC {
        let [o, y, x, c] = [i / IC / KW / KH, i / IC / KW % KH, i / IC % KW, i % IC];
        let sum: &mut [i32] = &mut sums[o];
        sum[0] += weights[o][y][x][c] as i32;
        i += 1;
    }
    sums
}

/// For each of [`Target::WIDE`] the weights in groups of that many: channel by channel, kernel row
/// by kernel row. A row's last group is filled up with zeros. There is room for as many words as
/// there are weights.
const fn wide<const OC: usize, const KH: usize, const KW: usize, const IC: usize>(
    weights: &[[[[i8; IC]; KW]; KH]; OC],
) -> [[[[[i32; IC]; KW]; KH]; OC]; Chosen::WIDE.len()] {
    let mut arranged = [[[[[0; IC]; KW]; KH]; OC]; Chosen::WIDE.len()];
    let row = KW * IC;
    let mut form = 0;
    while form < Chosen::WIDE.len() {
        let group = Chosen::WIDE[form];
        let (bits, mask) = (32 / group, u32::MAX >> (32 - 32 / group));
        let mut i = 0;
        while i < OC * KH * row {
            let [o, y, at] = [i / row / KH, i / row % KH, i % row];
            let weight = weights[o][y][at / IC][at % IC] as i32 as u32 & mask;
            let n = (o * KH + y) * row.div_ceil(group) + at / group;
            arranged[form][n / IC / KW / KH][n / IC / KW % KH][n / IC % KW][n % IC] |=
                (weight << (at % group * bits)) as i32;
            i += 1;
        }
        form += 1;
    }
    arranged
}

/// The words of one of [`Target::SIDE_BY_SIDE`] for `channels` output channels with so many kernel rows
/// of `row` weights.
const fn side_by_side_words(
    [channels, rows, row]: [usize; 3],
    [group, block]: [usize; 2],
) -> usize {
    channels.next_multiple_of(block) * rows * row.div_ceil(group)
}

/// See [`Weights::side_by_side`].
const fn side_by_side<const OC: usize, const KH: usize, const KW: usize, const IC: usize>(
    weights: &[[[[i8; IC]; KW]; KH]; OC],
) -> [[[[[i32; IC]; KW]; KH]; OC]; Chosen::SIDE_BY_SIDE.len()] {
    let mut arranged = [[[[[0; IC]; KW]; KH]; OC]; Chosen::SIDE_BY_SIDE.len()];
    let row = KW * IC;
    let mut form = 0;
    while form < Chosen::SIDE_BY_SIDE.len() {
        let [group, block] = Chosen::SIDE_BY_SIDE[form];
        let (bits, mask) = (32 / group, u32::MAX >> (32 - 32 / group));
        let fits = side_by_side_words([OC, KH, row], [group, block]) <= OC * KH * row;
        let mut i = 0;
        while fits && i < OC * KH * row {
            let [o, y, at] = [i / row / KH, i / row % KH, i % row];
            let weight = weights[o][y][at / IC][at % IC] as i32 as u32 & mask;
            let group_number = (o / block * KH + y) * row.div_ceil(group) + at / group;
            let n = group_number * block + o % block;
            arranged[form][n / IC / KW / KH][n / IC / KW % KH][n / IC % KW][n % IC] |=
                (weight << (at % group * bits)) as i32;
            i += 1;
        }
        form += 1;
    }
    arranged
}

#[cfg(all(test, host))]
mod tests {
    use super::{Arranged, Checksum, Chosen, ConvolutionWeights, Target};

    /// 18 channels of 2 x 3 x 3 weights, all different from their neighbours.
    fn weights() -> ConvolutionWeights<18, 2, 3, 3> {
        let mut weights = [[[[0i8; 3]; 3]; 2]; 18];
        let all = weights.as_flattened_mut().as_flattened_mut().as_flattened_mut();
        all.iter_mut().enumerate().for_each(|(n, weight)| *weight = (n * 37 % 255) as u8 as i8);
        ConvolutionWeights::new(weights)
    }

    fn is_consistent(weights: &ConvolutionWeights<18, 2, 3, 3>) -> bool {
        let mut sum = Checksum::new();
        weights.add_weights([18, 18], &mut sum);
        sum.value().is_some()
    }

    /// Everything that kernels read counts, in every one of its forms.
    #[test]
    fn a_lost_bit_in_what_was_made_of_weights_is_noticed() {
        assert!(is_consistent(&weights()));
        let mut noticed = 0;
        for form in 0..weights().side_by_side.len() {
            for place in 0..18 * 18 {
                let mut spoiled = weights();
                let words = spoiled.side_by_side[form].as_flattened_mut();
                words.as_flattened_mut().as_flattened_mut()[place] ^= 1;
                noticed += usize::from(!is_consistent(&spoiled));
            }
        }
        // A row of nine weights has three words of four or five of two; what belongs to no channel is
        // multiplied for nothing.
        let words = Chosen::SIDE_BY_SIDE.iter().map(|[group, _]| 18 * 2 * 9usize.div_ceil(*group));
        assert_eq!(noticed, words.sum());
    }

    /// The words that rows share, and the gentle ones with what is left of others.
    #[cfg(kernels = "x86_64")]
    #[test]
    fn a_lost_bit_in_words_that_rows_share_is_noticed() {
        use crate::arch::stacked::halved;
        let all = weights();
        // A row of nine weights has two words and what is left over; of two words of four, or of two, that
        // is one for both rows.
        let [fours, pairs] = [18 * (2 * 2 + 1), 18 * (2 * 4 + 1)];
        let words = all.all().stacked[0].get(..fours).expect("the words of four");
        let harsh = |n: &usize| words.get(*n).is_some_and(|word| halved(*word)[1] != 0);
        let left = (0..fours).filter(|n| n / 5 % 2 == 0).filter(|n| harsh(n) || harsh(&(n + 5)));
        let left = left.count();
        assert!(left > 0);
        let spoil = |change: &dyn Fn(&mut ConvolutionWeights<18, 2, 3, 3>) -> &mut [i32]| {
            let noticed = (0..18 * 18).filter(|&place| {
                let mut spoiled = weights();
                let words = change(&mut spoiled);
                words.iter_mut().skip(place).take(1).for_each(|word| *word ^= 1);
                !is_consistent(&spoiled)
            });
            noticed.count()
        };
        assert_eq!(spoil(&|all| flat(&mut all.stacked[0])), fours);
        assert_eq!(spoil(&|all| flat(&mut all.stacked[1])), pairs);
        assert_eq!(spoil(&|all| flat(&mut all.gentle[0])), fours);
        // A number for each two channels, and three words for each of which something is left.
        assert_eq!(spoil(&|all| flat(&mut all.gentle[1])), 9 + 3 * left);
    }

    #[cfg(kernels = "x86_64")]
    fn flat(table: &mut super::Table<18, 2, 3, 3>) -> &mut [i32] {
        table.as_flattened_mut().as_flattened_mut().as_flattened_mut()
    }
}
