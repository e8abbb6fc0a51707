//! Windows of which a kernel row is few words and pixels of few channels, with AVX-512's VBMI and VBMI2.
//!
//! Bytes are permuted across a vector: one instruction makes a word of all windows from rows of the input, and the
//! channels of four pixels that lie side by side become one store. With so few products to a sum it is the
//! instructions around them that count.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::super::lanes::{Pooled, ROUNDED};
use super::super::outputs::{Rounding, bounds};
use super::super::vectors::Lanes;
use super::super::vnni::{VnniBytes, saturate};
use super::{COLUMNS, Grid};
use crate::{Activation, Requantize};

/// Bytes of a row that are loaded.
const ROW: usize = 32;

/// Most words of a kernel row, and vectors of a panel.
const MOST_GROUPS: usize = 4;
const VECTORS: usize = 128;

/// Most channels: four pixels are a vector.
const MOST: usize = 16;

/// How four pixels of so many channels are put together, of which a vector of words has up to four.
#[repr(C, align(64))]
struct Pixels {
    /// For each byte the one of the vector that has it, where [`saturate`] puts it.
    order: [u8; 4 * MOST],
    /// For each vector which bytes are from it, and how many channels it has.
    from: [u64; MOST / 4],
    count: [usize; MOST / 4],
}

/// [`Pixels`] of each number of channels.
static PIXELS: [Pixels; MOST + 1] = {
    const NONE: Pixels = Pixels { order: [0; 4 * MOST], from: [0; MOST / 4], count: [0; MOST / 4] };
    let mut all = [NONE; MOST + 1];
    let mut depth = 1;
    while depth <= MOST {
        // As equal as can be: a sum's products wait for each other.
        let vectors = depth.div_ceil(4);
        let [mut vector, mut first] = [0, 0];
        while vector < vectors {
            let count = (depth - first).div_ceil(vectors - vector);
            all[depth].count[vector] = count;
            let mut at = 0;
            while at < 4 * count {
                let [pixel, channel] = [at / count, at % count];
                let place = pixel * depth + first + channel;
                all[depth].order[place] = (pixel / 2 * 16 + channel * 4 + pixel % 2) as u8;
                all[depth].from[vector] |= 1 << place;
                at += 1;
            }
            [vector, first] = [vector + 1, first + count];
        }
        depth += 1;
    }
    all
};

/// Computes all of `y`, or returns false where windows or pixels are larger, or [`Grid::new`] or
/// [`Rounding::set`] say so.
///
/// # Safety
///
/// The processor must have AVX-512 with VNNI, VBMI and VBMI2.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi,avx512vbmi2")]
pub(in super::super) unsafe fn few_words<X: Activation, Y: Activation, R: Requantize>(
    layer: &Pooled<X, R>,
    y: &mut [Y],
) -> bool {
    let Some(grid) = Grid::new::<VnniBytes>(layer.shape, layer.pool) else { return false };
    let [height, width, depth] = layer.pool.output;
    let groups = grid.groups();
    let weights = if grid.together > 1 { layer.stacked[0] } else { layer.weights[0] };
    if !X::UNSIGNED
        || groups > MOST_GROUPS
        || (COLUMNS - 1 + layer.shape.window.kernel[1]) * grid.step > ROW
        || grid.rows * groups > VECTORS
        || depth > MOST
        || layer.x.len() < layer.shape.input.iter().product()
        || weights.len() < depth * grid.words
        || layer.bias.len() < depth
        || layer.requantize.len() < depth
        || y.len() != height * width * depth
    {
        return false;
    }
    let mut room = MaybeUninit::uninit();
    // SAFETY: as the caller promises.
    let rounding = unsafe { layer.rounding::<VnniBytes>(&mut room, grid.words * 4) };
    let Some(rounding) = rounding else { return false };
    let few = Few { layer, grid: &grid, weights, rounding };
    // SAFETY: as the caller promises; windows and slices are as the checks above and `Grid::new` say.
    unsafe {
        match (grid.kernel, grid.whole, grid.together) {
            (5, 1, 4) => few.run::<Y, 5, 1, 4>(y),
            (3, 1, 1) => few.run::<Y, 3, 1, 1>(y),
            (_, 0, _) => few.run::<Y, 0, 0, 0>(y),
            (_, 1, 1) => few.run::<Y, 0, 1, 1>(y),
            (_, 1, _) => few.run::<Y, 0, 1, 0>(y),
            (_, 2, 1) => few.run::<Y, 0, 2, 1>(y),
            (_, 2, _) => few.run::<Y, 0, 2, 0>(y),
            (_, 3, 1) => few.run::<Y, 0, 3, 1>(y),
            (_, 3, _) => few.run::<Y, 0, 3, 0>(y),
            _ => few.run::<Y, 0, MOST_GROUPS, 1>(y),
        }
    }
    true
}

/// A layer and how it is computed.
struct Few<'a, X, R> {
    layer: &'a Pooled<'a, X, R>,
    grid: &'a Grid,
    weights: &'a [i32],
    rounding: &'a Rounding<ROUNDED>,
}

impl<X: Activation, R: Requantize> Few<'_, X, R> {
    /// Computes all of `y`, with kernels of `ROWS` rows with `WHOLE` whole words, of which `TOGETHER` share a word
    /// of what is left over; where `ROWS` or `TOGETHER` are 0, the grid says how many.
    ///
    /// # Safety
    ///
    /// The processor must have the extensions, there must be weights, roundings and outputs for all channels of all
    /// pixels, no more than [`MOST`], and [`ROW`] and [`VECTORS`] be enough.
    #[inline(never)]
    #[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi,avx512vbmi2")]
    unsafe fn run<Y: Activation, const ROWS: usize, const WHOLE: usize, const TOGETHER: usize>(
        &self,
        y: &mut [Y],
    ) {
        let grid = self.grid;
        let [_, width, depth] = self.layer.pool.output;
        let mut panel = [const { MaybeUninit::<__m512i>::uninit() }; VECTORS];
        let panel: *mut __m512i = panel.as_mut_ptr().cast();
        let line = width * depth;
        for column in (0..width).step_by(COLUMNS / 2) {
            // The last columns, and rows, overlap the ones before where they are no multiple of what is computed
            // at a time.
            let column = column.min(width - COLUMNS / 2);
            // SAFETY: as the caller promises: `Grid::new` has checked that every window is part of `x` and that there
            // are four pooled columns and two rows.
            unsafe {
                self.fill::<WHOLE, TOGETHER>(2 * column * grid.step, panel);
                for row in (0..grid.pooled).step_by(2) {
                    let row = row.min(grid.pooled - 2);
                    let y = y.as_mut_ptr().add((row * width + column) * depth);
                    let other = y.add(grid.apart * line);
                    let to = [y, y.add(line), other, other.add(line)];
                    self.pixels::<Y, ROWS, WHOLE, TOGETHER>(panel, 2 * row, to);
                }
            }
        }
    }

    /// Fills the panel, `[row][word]`, with what the windows in the eight columns cover of which the first one's
    /// begin at `first` in the input; the last word is the one that rows share, if any.
    ///
    /// # Safety
    ///
    /// As [`Few::run`]; the windows must be part of the input.
    #[inline(always)]
    unsafe fn fill<const WHOLE: usize, const TOGETHER: usize>(
        &self,
        first: usize,
        panel: *mut __m512i,
    ) {
        let grid = self.grid;
        let shared = usize::from(TOGETHER != 1);
        let second = 2 * grid.apart * grid.pitch;
        let end = self.layer.x.as_ptr_range().end as usize;
        // SAFETY: as the caller promises; nothing behind the end is loaded.
        unsafe {
            let mut orders = [_mm512_setzero_si512(); MOST_GROUPS];
            for group in 0..WHOLE + shared {
                // What is left over is pushed from above.
                let bits = if group < WHOLE { 0 } else { 32 - grid.bits };
                orders[group] = order(grid.step, 4 * group, bits);
            }
            let bits = _mm512_set1_epi32(grid.bits.cast_signed());
            let mut below = _mm512_setzero_si512();
            let mut to = panel.add(grid.rows * (WHOLE + shared));
            let mut x = self.layer.x.as_ptr().cast::<u8>().add(first + grid.rows * grid.pitch);
            while to > panel && x as usize + ROW + second > end + grid.pitch {
                x = x.sub(grid.pitch);
                to = to.sub(WHOLE + shared);
                let other = x.wrapping_add(second);
                let first = _mm256_maskz_loadu_epi8(until(x, end), x.cast());
                let other = _mm256_maskz_loadu_epi8(until(other, end), other.cast());
                below = words::<WHOLE, TOGETHER>([first, other], &orders, (below, bits), to);
            }
            // All others are inside.
            while to > panel {
                x = x.sub(grid.pitch);
                to = to.sub(WHOLE + shared);
                let first = _mm256_loadu_si256(x.cast());
                let other = _mm256_loadu_si256(x.add(second).cast());
                below = words::<WHOLE, TOGETHER>([first, other], &orders, (below, bits), to);
            }
        }
    }

    /// All channels of two rows of four pixels, the first of which is row `row` of the panel, and of two rows further
    /// down, to where they belong.
    ///
    /// # Safety
    ///
    /// As [`Few::run`]; the panel must be full.
    #[inline(always)]
    unsafe fn pixels<
        Y: Activation,
        const ROWS: usize,
        const WHOLE: usize,
        const TOGETHER: usize,
    >(
        &self,
        panel: *const __m512i,
        row: usize,
        to: [*mut Y; 4],
    ) {
        let depth = self.layer.pool.output[2];
        let Some(table) = PIXELS.get(depth) else { return };
        // SAFETY: as the caller promises.
        unsafe {
            let panel = panel.add(row * (WHOLE + usize::from(TOGETHER != 1)));
            let first = _mm512_load_si512(table.order.as_ptr().cast());
            let mut orders = [first; 4];
            let mut pixels = [_mm512_setzero_si512(); 4];
            for n in 0..4 {
                // From a row to the one below, and from a half of the lanes to the other.
                let step = (n % 2 * 2 + n / 2 * 32) as i8;
                orders[n] = _mm512_add_epi8(first, _mm512_set1_epi8(step));
            }
            let mut channel = 0;
            for (&count, &from) in table.count.iter().zip(&table.from) {
                let bytes = match count {
                    4 => self.bytes::<Y, ROWS, WHOLE, TOGETHER, 4>(panel, channel),
                    3 => self.bytes::<Y, ROWS, WHOLE, TOGETHER, 3>(panel, channel),
                    2 => self.bytes::<Y, ROWS, WHOLE, TOGETHER, 2>(panel, channel),
                    1 => self.bytes::<Y, ROWS, WHOLE, TOGETHER, 1>(panel, channel),
                    _ => break,
                };
                for n in 0..4 {
                    pixels[n] = _mm512_mask_permutexvar_epi8(pixels[n], from, orders[n], bytes);
                }
                channel += count;
            }
            let all = u64::MAX >> (64 - 4 * depth);
            for n in 0..4 {
                _mm512_mask_storeu_epi8(to[n].cast(), all, pixels[n]);
            }
        }
    }

    /// `N` channels from `channel` on, of the pixels that begin at `panel`, where [`saturate`] puts them.
    ///
    /// # Safety
    ///
    /// As [`Few::pixels`].
    #[inline(always)]
    unsafe fn bytes<
        Y: Activation,
        const ROWS: usize,
        const WHOLE: usize,
        const TOGETHER: usize,
        const N: usize,
    >(
        &self,
        panel: *const __m512i,
        channel: usize,
    ) -> __m512i {
        let grid = self.grid;
        let kernel = if ROWS > 0 { ROWS } else { grid.kernel };
        let together = if TOGETHER > 0 { TOGETHER } else { grid.together };
        let width = WHOLE + usize::from(TOGETHER != 1);
        // SAFETY: as the caller promises.
        unsafe {
            let mut sums = [[_mm512_setzero_si512(); 4]; N];
            let start = self.rounding.start.as_ptr().add(channel);
            for n in 0..N {
                sums[n] = [_mm512_set1_epi32(start.add(n).read()); 4];
            }
            let mut weights = self.weights.as_ptr().add(channel * grid.words);
            for y in 0..kernel {
                for group in 0..WHOLE {
                    add(&mut sums, panel.add(y * width + group), width, weights, grid.words);
                    weights = weights.add(1);
                }
            }
            if TOGETHER != 1 {
                for y in (0..kernel).step_by(together) {
                    add(&mut sums, panel.add(y * width + WHOLE), width, weights, grid.words);
                    weights = weights.add(1);
                }
            }
            let mut largest = [VnniBytes(_mm512_setzero_si512()); 4];
            for n in 0..N {
                let [a, b, c, d] = sums[n];
                let [upper, lower] = [_mm512_max_epi32(a, b), _mm512_max_epi32(c, d)];
                let pooled = VnniBytes::pairs(VnniBytes(upper), VnniBytes(lower));
                let mask = VnniBytes::broadcast(self.rounding.mask.as_ptr().add(channel + n));
                let tie = VnniBytes::broadcast(self.rounding.tie.as_ptr().add(channel + n));
                let bits = VnniBytes::broadcast(self.rounding.bits.as_ptr().add(channel + n));
                largest[n] = VnniBytes::round(pooled, mask, tie, bits);
            }
            saturate::<Y>(largest, bounds::<R>())
        }
    }
}

/// Puts the `WHOLE` words of two rows and, unless `TOGETHER` is 1, what they share with the rows below them, of which
/// `below` is; returns that.
///
/// # Safety
///
/// The processor must have the extensions, and `to` be good for all words.
#[inline(always)]
unsafe fn words<const WHOLE: usize, const TOGETHER: usize>(
    [first, other]: [__m256i; 2],
    orders: &[__m512i; MOST_GROUPS],
    (below, bits): (__m512i, __m512i),
    to: *mut __m512i,
) -> __m512i {
    // SAFETY: as the caller promises.
    unsafe {
        let values = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(first), other);
        for group in 0..WHOLE {
            to.add(group).write(_mm512_permutexvar_epi8(orders[group], values));
        }
        if TOGETHER != 1 {
            let last = _mm512_permutexvar_epi8(orders[WHOLE], values);
            let shared = _mm512_shldv_epi32(below, last, bits);
            to.add(WHOLE).write(shared);
            return shared;
        }
        below
    }
}

/// Adds the products of four vectors from `x` on, which lie `line` vectors apart, and of a word of each channel, which
/// lie `next` words apart.
///
/// # Safety
///
/// The processor must have the extensions, and all pointers be good for a vector or a word.
#[inline(always)]
unsafe fn add<const N: usize>(
    sums: &mut [[__m512i; 4]; N],
    x: *const __m512i,
    line: usize,
    weights: *const i32,
    next: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let mut w = [_mm512_setzero_si512(); N];
        for n in 0..N {
            w[n] = _mm512_set1_epi32(weights.add(n * next).read());
        }
        for i in 0..4 {
            let x = x.add(i * line).read();
            for n in 0..N {
                sums[n][i] = _mm512_dpbusd_epi32(sums[n][i], x, w[n]);
            }
        }
    }
}

/// Which of the bytes of two rows are the word of each pixel, of which eight are `step` bytes apart in each row, that
/// begins `first` bytes behind the pixel; moved up by so many bits. What is behind a kernel row is any byte.
#[inline(always)]
unsafe fn order(step: usize, first: usize, bits: u32) -> __m512i {
    // The same number in each byte of a word.
    const EACH: u32 = 0x0101_0101;
    // SAFETY: the caller has found the extension.
    unsafe {
        let pixels = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7);
        let steps = _mm512_set1_epi32((step as u32).wrapping_mul(EACH).cast_signed());
        let first = (first as u32).wrapping_mul(EACH).wrapping_add(0x0302_0100);
        let other = first.wrapping_add((ROW as u32).wrapping_mul(EACH));
        let [first, other] = [first, other].map(u32::cast_signed);
        let rows = _mm512_mask_set1_epi32(_mm512_set1_epi32(first), 0xff00, other);
        let order = _mm512_add_epi32(_mm512_mullo_epi32(pixels, steps), rows);
        _mm512_sll_epi32(order, _mm_cvtsi32_si128(bits.cast_signed()))
    }
}

/// Those of the [`ROW`] bytes from `x` on that are before `end`.
#[inline(always)]
fn until(x: *const u8, end: usize) -> u32 {
    match end.saturating_sub(x as usize) {
        ROW.. => u32::MAX,
        left => (1 << left) - 1,
    }
}
