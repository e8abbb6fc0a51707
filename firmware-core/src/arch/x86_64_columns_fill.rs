//! Filling the panel of [`columns`](super): how a row of it is made of what lies side by side in the input, and the
//! words of what is left over of several kernel rows.

use super::super::panel::{Copied, PIXELS};
use super::super::vectors::{Lanes, ROW};
use super::{COLUMNS, Grid};
use crate::Activation;

/// Most words of a kernel row whose windows in eight columns cover no more than 16 bytes.
const MOST_GROUPS: usize = 4;

/// How the words of eight columns are made of what lies side by side in the input.
pub(super) enum Filling {
    /// All are among 16 bytes: which bytes each word has.
    Arranged([[u32; COLUMNS]; MOST_GROUPS]),
    /// All are in one row of two vectors: which pairs of bytes the first two words have.
    Picked([u16; 2 * PIXELS]),
    /// Loaded column by column, and transposed.
    Columns,
}

impl Grid {
    /// How a row of the panel is made of one of the input.
    #[inline(always)]
    pub(super) fn filling<X: Activation, V: Lanes>(&self) -> Filling {
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
    pub(super) fn groups(&self) -> usize {
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
    pub(super) unsafe fn fill<X: Activation, V: Lanes>(
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
}
