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

use super::lanes::{Pooled, ROUNDED, ZEROS, rounded};
use super::outputs::Rounding;
use super::panel::{Copied, PANEL, PIXELS, Panel};
use super::vectors::{Lanes, ROW};
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

/// Most words of a kernel row whose windows in eight columns cover no more than 16 bytes.
const MOST_GROUPS: usize = 4;

/// How the words of eight columns are made of what lies side by side in the input.
enum Filling {
    /// All are among 16 bytes: which bytes each word has.
    Arranged([[u32; COLUMNS]; MOST_GROUPS]),
    /// All are in one row of two vectors: which pairs of bytes the first two words have.
    Picked([u16; 2 * PIXELS]),
    /// Loaded column by column, and transposed.
    Columns,
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

    /// How a row of the panel is made of one of the input.
    #[inline(always)]
    fn filling<X: Activation, V: Lanes>(&self) -> Filling {
        let groups = self.groups();
        let reach = (COLUMNS - 1) * self.step;
        if X::UNSIGNED && reach + groups * V::TAPS <= 16 {
            let mut order = [[0u32; COLUMNS]; MOST_GROUPS];
            let right = V::ORDER_STEP.wrapping_mul(self.step as u32);
            let mut first = V::ORDER;
            for order in &mut order {
                for pixel in 0..COLUMNS {
                    order[pixel] = first.wrapping_add(right.wrapping_mul(pixel as u32));
                }
                first = first.wrapping_add(V::ORDER_STEP.wrapping_mul(V::TAPS as u32));
            }
            return Filling::Arranged(order);
        }
        let covered = reach + groups.next_multiple_of(2) * V::TAPS;
        if X::UNSIGNED && V::PICKS && self.step % 2 == 0 && covered <= ROW {
            let mut order = [0u16; 2 * PIXELS];
            for place in 0..2 * PIXELS {
                let [word, pixel] = [place / 2 / COLUMNS, place / 2 % COLUMNS];
                order[place] = (pixel * self.step / 2 + 2 * word + place % 2) as u16;
            }
            return Filling::Picked(order);
        }
        Filling::Columns
    }

    /// Words of a kernel row, with what is left over.
    #[inline(always)]
    fn groups(&self) -> usize {
        self.whole + usize::from(self.together > 1)
    }

    /// Fills the panel with what the windows in the eight columns cover of which the first one's begin at `x`:
    /// `[row][word]`, and behind that the words `[row]` that rows share.
    ///
    /// # Safety
    ///
    /// The processor must have the extension of `V`; the windows must be part of the input, which ends at `end`,
    /// and the panel good for all rows.
    #[inline(always)]
    unsafe fn fill<X: Activation, V: Lanes>(
        &self,
        x: *const X,
        end: usize,
        filling: &Filling,
        panel: *mut V,
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            match filling {
                // Loops of so many words that no row asks how many.
                Filling::Arranged(order) => match self.groups() {
                    1 => self.fill_arranged::<X, V, 1>(x, end, order, panel),
                    2 => self.fill_arranged::<X, V, 2>(x, end, order, panel),
                    3 => self.fill_arranged::<X, V, 3>(x, end, order, panel),
                    _ => self.fill_arranged::<X, V, MOST_GROUPS>(x, end, order, panel),
                },
                Filling::Picked(order) => self.fill_picked(x.cast(), end, order, panel),
                Filling::Columns => self.fill_columns(x, end, panel),
            }
        }
    }

    /// From the rows of the first eight pixels to those of the others, in values of the input.
    #[inline(always)]
    fn second<V: Lanes>(&self) -> usize {
        if V::PIXELS == PIXELS { 2 * self.apart * self.pitch } else { 0 }
    }

    /// [`Grid::fill`] from [`Filling::Arranged`].
    ///
    /// # Safety
    ///
    /// As [`Grid::fill`]; a kernel row must have `GROUPS` words.
    #[inline(always)]
    unsafe fn fill_arranged<X: Activation, V: Lanes, const GROUPS: usize>(
        &self,
        x: *const X,
        end: usize,
        order: &[[u32; COLUMNS]; MOST_GROUPS],
        panel: *mut V,
    ) {
        let second = self.second::<V>();
        let all = self.together == 1;
        // SAFETY: as the caller promises.
        unsafe {
            let mut below = V::zero();
            let mut to = panel.add(self.rows * self.whole);
            let mut shared = to.add(self.rows);
            let mut x = x.add(self.rows * self.pitch);
            for _ in 0..self.rows {
                x = x.sub(self.pitch);
                to = to.sub(self.whole);
                let values = if x as usize + second + 16 <= end {
                    V::load_twice(x.cast(), second)
                } else {
                    let copy = Copied::new(x, &[0, 0, second, second], 0, end);
                    V::load_twice(copy.0.as_ptr().cast(), Copied::<X>::QUADS[2])
                };
                for group in 0..GROUPS - 1 {
                    to.add(group).write(V::arrange(values, &order[group]));
                }
                let last = V::arrange(values, &order[GROUPS - 1]);
                if all {
                    to.add(GROUPS - 1).write(last);
                } else {
                    below = V::pile(last, below, self.bits);
                    shared = shared.sub(1);
                    shared.write(below);
                }
            }
        }
    }

    /// [`Grid::fill`] from [`Filling::Picked`].
    ///
    /// # Safety
    ///
    /// As [`Grid::fill`].
    #[inline(always)]
    unsafe fn fill_picked<V: Lanes>(
        &self,
        x: *const u8,
        end: usize,
        order: &[u16; 2 * PIXELS],
        panel: *mut V,
    ) {
        let second = self.second::<V>();
        let odd = self.whole % 2 > 0;
        // SAFETY: as the caller promises.
        unsafe {
            let mut below = V::zero();
            for row in (0..self.rows).rev() {
                let rows = V::load_rows(x.add(row * self.pitch), second, end);
                let to = panel.add(row * self.whole);
                for group in (1..self.whole).step_by(2) {
                    let [first, behind] = V::pick(&rows, order, 2 * (group - 1));
                    to.add(group - 1).write(first);
                    to.add(group).write(behind);
                }
                if !odd && self.together == 1 {
                    continue;
                }
                let [first, behind] = V::pick(&rows, order, 2 * (self.whole - usize::from(odd)));
                if odd {
                    to.add(self.whole - 1).write(first);
                }
                if self.together > 1 {
                    below = V::pile(if odd { behind } else { first }, below, self.bits);
                    panel.add(self.rows * self.whole + row).write(below);
                }
            }
        }
    }

    /// [`Grid::fill`] from [`Filling::Columns`].
    ///
    /// # Safety
    ///
    /// As [`Grid::fill`].
    #[inline(always)]
    unsafe fn fill_columns<X: Activation, V: Lanes>(&self, x: *const X, end: usize, panel: *mut V) {
        let (second, four) = (self.second::<V>(), 4 * self.step);
        let at = match V::PIXELS {
            PIXELS => [0, four, second, second + four],
            _ => [0, four, 0, 0],
        };
        let last = second + four + 3 * self.step + 4 * V::TAPS;
        let groups = self.groups();
        // SAFETY: as the caller promises.
        unsafe {
            let mut below = V::zero();
            for row in (0..self.rows).rev() {
                let x = x.add(row * self.pitch);
                let to = panel.add(row * self.whole);
                for group in (0..groups).step_by(4) {
                    let x = x.add(group * V::TAPS);
                    let columns = if x as usize + last <= end {
                        V::columns(x, &at, self.step)
                    } else {
                        let copy = Copied::new(x, &at, self.step, end);
                        V::columns(copy.0.as_ptr(), &Copied::<X>::QUADS, PIXELS)
                    };
                    for (n, word) in columns.into_iter().enumerate() {
                        if group + n < self.whole {
                            to.add(group + n).write(word);
                        } else if group + n < groups {
                            below = V::pile(word, below, self.bits);
                            panel.add(self.rows * self.whole + row).write(below);
                        }
                    }
                }
            }
        }
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
                Some(rounding) => rounded::<V, Y, R>(four, rounding, channel, N),
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
