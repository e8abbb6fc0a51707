//! Convolution and max pooling with a column of the convolution's output to each lane of a vector.
//!
//! Eight columns of one row fill a vector, or of two rows that are far apart. What the windows in these
//! columns cover is first put into a panel with a row for each row of the input, so that all windows that
//! cover a row share it, above each other and side by side. Four rows of pixels are added up together, and the
//! larger ones of two rows and of two columns kept.
//!
//! Where a kernel row is no whole number of words, the panel has what is left over of several rows in one:
//! see [`stacked`](crate::arch::stacked).

use core::mem::MaybeUninit;

#[path = "x86_64_columns_few.rs"]
mod few;
#[path = "x86_64_columns_fill.rs"]
mod fill;

pub(super) use few::few_words;

use super::lanes::{Pooled, ROUNDED, ZEROS, rounded};
use super::outputs::Rounding;
use super::panel::{PANEL, PIXELS, Panel};
use super::vectors::Lanes;
use crate::arch::stacked::{rows_of_word, words};
use crate::kernels::{Conv2dShape, Pool2dShape};
use crate::{Activation, Requantize};

/// Columns of the convolution's output in a vector.
const COLUMNS: usize = 8;

/// Where things are, in values of the input and vectors of the panel.
struct Grid {
    /// Rows of the input in a panel, and from one to the next in the input.
    rows: usize,
    pitch: usize,
    /// From one column to the next.
    step: usize,
    /// Rows of a kernel, and whole words in each.
    kernel: usize,
    whole: usize,
    /// Rows that share a word of what is left over, or 1 where none do and all words count as whole; and bits of
    /// each.
    together: usize,
    bits: u32,
    /// Rows of pooled pixels in each half of a vector, and from the first ones of a half to those of the other.
    pooled: usize,
    apart: usize,
    /// Words of a channel.
    words: usize,
}

impl Grid {
    /// `None` where a window needs padding, moves or is pooled otherwise than with 2 x 2 others, where there are
    /// too few of them, or where a panel does not fit.
    #[inline(always)]
    fn new<V: Lanes>(shape: &Conv2dShape, pool: &Pool2dShape) -> Option<Self> {
        let [height, width, depth] = shape.input;
        let [pooled_height, pooled_width, channels] = pool.output;
        let [kernel, columns] = shape.window.kernel;
        let row = columns * depth;
        let [down, right] = shape.window.stride;
        let ([high, wide], [below, beside]) = (pool.window.kernel, pool.window.stride);
        let ([dy, dx], [py, px]) = (shape.window.dilation, pool.window.dilation);
        // Of single numbers: arrays are copied to be compared, and loaded before they are stored.
        let plain = !shape.window.is_padded()
            && !pool.window.is_padded()
            && (down, right) == (1, 1)
            && (high, wide, below, beside) == (2, 2, 2, 2)
            && (dy, dx, py, px) == (1, 1, 1, 1)
            && kernel > 0
            && row > 0
            && channels > 0
            && 2 * pooled_width >= COLUMNS
            && 2 * pooled_height + kernel <= height + 1
            && 2 * pooled_width + columns <= width + 1;
        let pooled = pooled_height.div_ceil(V::PIXELS / COLUMNS);
        let rows = 2 * pooled + kernel - 1;
        let groups = row.div_ceil(V::TAPS);
        if !plain || pooled < 2 || rows * groups * size_of::<V>() > PANEL {
            return None;
        }
        let together = rows_of_word(row, V::TAPS);
        Some(Self {
            rows,
            pitch: width * depth,
            step: depth,
            kernel,
            whole: if together > 1 { groups - 1 } else { groups },
            together,
            bits: (row % V::TAPS * (32 / V::TAPS)) as u32,
            pooled,
            apart: pooled_height - pooled,
            words: words(kernel, row, V::TAPS),
        })
    }

    /// For `N` channels the largest of the sums under each pooled pixel of two rows, the first of which is row `row`
    /// of the panel: of each four lanes two pixels of the first row and two of the second. Sums begin with `starts`,
    /// and `rest` is what is left of weights that are not gentle.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`; the panel must have all rows of the windows, and `weights`
    /// and `starts` be those of `N` channels, as must `rest`, of two, where `V` is for gentle weights.
    #[inline(always)]
    unsafe fn largest<V: Lanes, const N: usize>(
        &self,
        panel: *const V,
        row: usize,
        [weights, starts, rest]: [*const i32; 3],
    ) -> [V; N] {
        // SAFETY: as the caller promises.
        unsafe {
            let mut sums = [[V::zero(); 4]; N];
            for n in 0..N {
                sums[n] = [V::broadcast(starts.add(n)); 4];
            }
            let first = panel.add(row * self.whole);
            let lines = [0, 1, 2, 3].map(|line| first.wrapping_add(line * self.whole));
            // A kernel's rows lie one behind the other.
            let count = self.kernel * self.whole;
            for word in 0..count {
                let x = lines.map(|line| line.wrapping_add(word));
                add(&mut sums, x, weights.add(word), self.words);
            }
            if self.together > 1 {
                let shared = panel.add(self.rows * self.whole + row);
                for (n, y) in (0..self.kernel).step_by(self.together).enumerate() {
                    let x = [0, 1, 2, 3].map(|line| shared.wrapping_add(y + line));
                    add(&mut sums, x, weights.add(count + n), self.words);
                }
            }
            if V::GENTLE {
                let mut entry = rest.add(1);
                for _ in 0..*rest {
                    let word = *entry as usize;
                    let x = if word < count {
                        lines.map(|line| line.wrapping_add(word))
                    } else {
                        let first = self.rows * self.whole + row + (word - count) * self.together;
                        [0, 1, 2, 3].map(|line| panel.wrapping_add(first + line))
                    };
                    add(&mut sums, x, entry.add(1), 1);
                    entry = entry.add(3);
                }
            }
            // Not a closure: those do not inherit the caller's extensions.
            let mut largest = [V::zero(); N];
            for n in 0..N {
                let [a, b, c, d] = sums[n];
                largest[n] = V::pairs(V::max(a, b), V::max(c, d));
            }
            largest
        }
    }
}

/// Adds the products of the values at four places and of a word of each channel, which lie `next` words apart.
///
/// # Safety
///
/// The processor must have the extension of `V`, and all pointers be good for a vector or a word.
#[inline(always)]
unsafe fn add<V: Lanes, const N: usize>(
    sums: &mut [[V; 4]; N],
    x: [*const V; 4],
    weights: *const i32,
    next: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let mut w = [V::zero(); N];
        for n in 0..N {
            w[n] = V::broadcast(weights.add(n * next));
        }
        for line in 0..4 {
            let x = x[line].read();
            for n in 0..N {
                sums[n][line] = V::multiply(sums[n][line], x, w[n]);
            }
        }
    }
}

/// A layer and how it is computed.
struct Run<'a, X, R, V> {
    layer: &'a Pooled<'a, X, R>,
    grid: &'a Grid,
    weights: &'a [i32],
    /// What is left of weights that are not gentle, and how far apart that of two channels is.
    rest: &'a [i32],
    taps: usize,
    rounding: Option<&'a Rounding<ROUNDED>>,
    panel: *const V,
}

impl<X: Activation, R: Requantize> Pooled<'_, X, R> {
    /// Computes all of `y`, `CHANNELS` channels at a time, or returns false where [`Grid::new`] says so or a slice
    /// is not as long as its shape says.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`.
    #[inline(always)]
    pub(super) unsafe fn columns<V: Lanes, Y: Activation, const CHANNELS: usize>(
        &self,
        y: &mut [Y],
    ) -> bool {
        let Some(grid) = Grid::new::<V>(self.shape, self.pool) else { return false };
        let [height, width, depth] = self.pool.output;
        let [gentle, rest] = self.gentle;
        let form = usize::from(V::TAPS == 2);
        let weights = match V::GENTLE {
            true => gentle,
            false if grid.together > 1 => self.stacked[form],
            false => self.weights[form],
        };
        // Two channels have the words of as many weights.
        let taps = grid.kernel * self.shape.window.kernel[1] * grid.step;
        if V::GENTLE && (rest.len() < depth * taps || rest.first() == Some(&-1) || depth % 2 > 0) {
            return false;
        }
        if self.x.len() < self.shape.input.iter().product()
            || weights.len() < depth * grid.words
            || self.bias.len() < depth
            || self.requantize.len() < depth
            || y.len() != height * width * depth
        {
            return false;
        }
        let filling = grid.filling::<X, V>();
        // A word has four products or two.
        let mut room = MaybeUninit::uninit();
        // SAFETY: as the caller promises.
        let rounding = unsafe { self.rounding::<V>(&mut room, grid.words * 4) };
        let mut panel = MaybeUninit::<Panel>::uninit();
        let panel: *mut V = panel.as_mut_ptr().cast();
        let run = Run { layer: self, grid: &grid, weights, rest, taps, rounding, panel };
        let end = self.x.as_ptr_range().end as usize;
        for column in (0..width).step_by(COLUMNS / 2) {
            // The last columns, and rows, overlap the ones before where they are no multiple of what is computed
            // at a time.
            let column = column.min(width - COLUMNS / 2);
            // SAFETY: `Grid::new` has checked that every window is part of `x`, that the panel has room, and that
            // there are four pooled columns and two rows; there are weights, biases, requantizations and outputs for
            // every channel of every pixel.
            unsafe {
                grid.fill(self.x.as_ptr().add(2 * column * grid.step), end, &filling, panel);
                for row in (0..grid.pooled).step_by(2) {
                    let place = [row.min(grid.pooled - 2), column];
                    let mut channel = 0;
                    while channel < depth {
                        channel += match depth - channel {
                            4.. => run.channels::<Y, CHANNELS, 4>(place, channel, y),
                            2.. => run.channels::<Y, CHANNELS, 2>(place, channel, y),
                            _ => run.channels::<Y, CHANNELS, 1>(place, channel, y),
                        };
                    }
                }
            }
        }
        true
    }
}

impl<X: Activation, R: Requantize, V: Lanes> Run<'_, X, R, V> {
    /// Computes `N` channels, one, two or four, from `channel` on of two rows of four pooled pixels, of which
    /// the first is at `[row, column]`, and the same some rows below where vectors have two halves; returns `N`.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`; the panel must be that of the column, and `y` have these
    /// channels of all these pixels.
    #[inline(always)]
    unsafe fn channels<Y: Activation, const CHANNELS: usize, const N: usize>(
        &self,
        [row, column]: [usize; 2],
        channel: usize,
        y: &mut [Y],
    ) -> usize {
        let [_, width, depth] = self.layer.pool.output;
        let first = (row * width + column) * depth + channel;
        let y = y.as_mut_ptr().wrapping_add(first).cast::<u8>();
        // From a half of the lanes to the other, from a row to the one below, and to the pixel on the right.
        let steps = [self.grid.apart * width * depth, width * depth, depth];
        let mut all = [0u64; PIXELS / 2];
        // SAFETY: as the caller promises; a vector has no more lanes than `all`.
        unsafe {
            let vectors = all.as_mut_ptr().cast::<V>();
            match N {
                4 => {
                    vectors.write_unaligned(self.words::<Y, CHANNELS, 4>(row, channel));
                    put::<V>(&all, y, steps, |y, word| y.cast::<u32>().write_unaligned(word));
                }
                2 => {
                    vectors.write_unaligned(self.words::<Y, CHANNELS, 2>(row, channel));
                    let half = |word: u32| word as u16;
                    put::<V>(&all, y, steps, |y, word| y.cast::<u16>().write_unaligned(half(word)));
                }
                _ => {
                    vectors.write_unaligned(self.words::<Y, CHANNELS, 1>(row, channel));
                    put::<V>(&all, y, steps, |y, word| y.write(word as u8));
                }
            }
        }
        N
    }

    /// The `N` channels from `channel` on, one, two or four, of the pooled pixels from row `row` on: a byte of a
    /// lane's word for each, where [`Grid::largest`] has them.
    ///
    /// # Safety
    ///
    /// As [`Run::channels`].
    #[inline(always)]
    unsafe fn words<Y: Activation, const CHANNELS: usize, const N: usize>(
        &self,
        row: usize,
        channel: usize,
    ) -> V {
        let Self { layer, grid, rounding, panel, .. } = *self;
        // SAFETY: as the caller promises.
        unsafe {
            let weights = self.weights.as_ptr().add(channel * grid.words);
            let starts = match rounding {
                Some(rounding) => rounding.start.as_ptr().add(channel),
                None => ZEROS.as_ptr(),
            };
            // Of no account where weights need not be gentle.
            let rest = self.rest.as_ptr().wrapping_add(channel * self.taps);
            let mut four = [V::zero(); 4];
            if N <= CHANNELS {
                let largest = grid.largest::<V, N>(panel, 2 * row, [weights, starts, rest]);
                four.iter_mut().zip(largest).for_each(|(to, sum)| *to = sum);
            } else {
                for n in [0, 2] {
                    let weights = weights.add(n * grid.words);
                    let rest = rest.wrapping_add(n * self.taps);
                    let places = [weights, starts.add(n), rest];
                    let [a, b] = grid.largest::<V, 2>(panel, 2 * row, places);
                    (four[n], four[n + 1]) = (a, b);
                }
            }
            match rounding {
                Some(rounding) => rounded::<V, Y, R, ROUNDED>(four, rounding, channel, N),
                None => V::words(layer.finished::<V, Y>(four, channel, N).as_ptr().cast()),
            }
        }
    }
}

/// Puts the words, two to each of `words`, of two rows of four pixels, one half of the lanes and then the other, where
/// they belong: how far it is from one half to the other, from one row to the next and from a pixel to the next.
#[inline(always)]
fn put<V: Lanes>(
    words: &[u64; PIXELS / 2],
    y: *mut u8,
    [half, below, right]: [usize; 3],
    write: impl Fn(*mut u8, u32),
) {
    for (n, two) in words.iter().enumerate().take(V::PIXELS / 2) {
        // Each four lanes have two pixels of the first row, then two of the second.
        let place = n / 4 * half + n % 2 * below + n / 2 % 2 * 2 * right;
        let place = y.wrapping_add(place);
        let two = loaded::<V>(two);
        write(place, two as u32);
        write(place.wrapping_add(right), (two >> 32) as u32);
    }
}

/// What is there, loaded from there.
#[inline(always)]
fn loaded<V: Lanes>(word: &u64) -> u64 {
    match V::PIXELS {
        // SAFETY: a reference is good for a load. Volatile, because the compiler otherwise takes each word out of
        // the vector, for which there are fewer units than for loads.
        PIXELS => unsafe { (&raw const *word).read_volatile() },
        _ => *word,
    }
}
