//! The inputs of Winograd's convolution: a panel with a column's pairs of channels to each lane, even and odd columns
//! apart, and what the transformation makes of it at each point.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::super::avx2::{Avx2, transposed};
use super::super::panel::QUADS;
use super::super::vectors::Lanes;
use super::{POINTS, TILES};
use crate::Activation;

/// Words of a panel, and of the transformed values of a block: what fits a first-level cache.
const PANEL: usize = 4096;
const VALUES: usize = 8192;

/// Tiles to a line of the cache.
const LANES: usize = 16;

/// Channels of a pixel that are loaded together.
const LOADED: usize = 8;

/// Columns that are put into the panel together, of the even ones as of the odd ones.
const QUAD: usize = 4;

/// How tiles lie in blocks of some rows of them.
pub(in super::super) struct Tiles {
    pub rows: usize,
    pub columns: usize,
    /// Rows in a block.
    pub together: usize,
    /// Channels of the input, and pairs of them.
    pub depth: usize,
    pub pairs: usize,
    /// Words from a pair's values at a point to those at the next, one to four times [`LANES`].
    pub lanes: usize,
}

impl Tiles {
    /// `None` where a pixel has too few channels, or a row too few tiles, to be loaded, or where not even a row fits.
    pub(super) fn new([rows, columns]: [usize; 2], depth: usize) -> Option<Self> {
        if rows == 0 || columns + 1 < QUAD || depth < LOADED {
            return None;
        }
        let pairs = depth / 2;
        let words = |rows: usize| (2 * rows + 2) * pairs * 2 * (columns + 1) + TILES;
        let lanes = |rows: usize| {
            // Rows of few tiles are stored as whole vectors or halves, the next one over what is too much.
            let stored = columns.max(if columns <= QUAD { QUAD } else { TILES });
            ((rows - 1) * columns + stored).next_multiple_of(LANES)
        };
        let most = if columns <= QUAD { LANES } else { 4 * LANES };
        let fits = |rows: usize| {
            let lanes = lanes(rows);
            words(rows) <= PANEL && lanes <= most && POINTS * pairs * lanes <= VALUES
        };
        let most = (1..=rows).take_while(|rows| fits(*rows)).last()?;
        let together = rows.div_ceil(rows.div_ceil(most));
        Some(Self { rows, columns, together, depth, pairs, lanes: lanes(together) })
    }

    /// Vectors of tiles: of whole blocks, and of the rows that are left over.
    pub(super) fn vectors(&self) -> usize {
        let vectors = |rows: usize| (rows * self.columns).div_ceil(TILES);
        self.rows / self.together * vectors(self.together) + vectors(self.rows % self.together)
    }
}

/// Some rows of tiles.
#[repr(C, align(64))]
pub(super) struct Block {
    values: MaybeUninit<[i32; VALUES]>,
    panel: MaybeUninit<[i32; PANEL]>,
}

impl Block {
    #[inline(always)]
    pub(super) const fn new() -> Self {
        Self { values: MaybeUninit::uninit(), panel: MaybeUninit::uninit() }
    }

    /// The transformed values `[pair of channels][point][tile]`.
    #[inline(always)]
    pub(super) fn values(&self) -> *const i32 {
        self.values.as_ptr().cast()
    }

    /// Makes the values of `count` rows of tiles, whose first window begins at `x`, and rows of pixels are `pitch`
    /// values apart.
    ///
    /// # Safety
    ///
    /// The processor must have AVX2; `x` must be good for all that the windows cover, and `count` no more rows than
    /// a block has.
    #[inline(always)]
    pub(super) unsafe fn transform<X: Activation>(
        &mut self,
        tiles: &Tiles,
        x: *const X,
        pitch: usize,
        count: usize,
    ) {
        // SAFETY: as the caller promises; `Tiles::new` has checked that there is room.
        unsafe {
            let panel: *mut i32 = self.panel.as_mut_ptr().cast();
            fill(tiles, x, pitch, 2 * count + 2, panel);
            let values = self.values.as_mut_ptr().cast();
            match tiles.lanes / LANES {
                1 if tiles.columns <= QUAD => transform::<LANES, true>(tiles, panel, count, values),
                1 => transform::<LANES, false>(tiles, panel, count, values),
                2 => transform::<{ 2 * LANES }, false>(tiles, panel, count, values),
                3 => transform::<{ 3 * LANES }, false>(tiles, panel, count, values),
                _ => transform::<{ 4 * LANES }, false>(tiles, panel, count, values),
            }
        }
    }
}

/// Fills rows `[pair of channels][even columns, odd columns]` of the panel.
///
/// # Safety
///
/// As [`Block::transform`]; the panel must have room for so many rows and [`TILES`] words behind them.
#[inline(always)]
unsafe fn fill<X: Activation>(
    tiles: &Tiles,
    x: *const X,
    pitch: usize,
    rows: usize,
    panel: *mut i32,
) {
    let Tiles { columns, depth, pairs, .. } = *tiles;
    let line = columns + 1;
    let row = pairs * 2 * line;
    // SAFETY: as the caller promises: a row has two columns more than its tiles, and each pixel all channels.
    unsafe {
        for y in 0..rows {
            let (x, panel) = (x.add(y * pitch), panel.add(y * row));
            for column in (0..line).step_by(QUAD) {
                // The last columns, and channels, overlap the ones before where they are no multiple.
                let column = column.min(line - QUAD);
                for channel in (0..depth).step_by(LOADED) {
                    let channel = channel.min(depth - LOADED);
                    let x = x.add(2 * column * depth + channel);
                    let four = if depth == LOADED { adjacent(x) } else { apart(x, depth) };
                    let to = panel.add(channel * line + column);
                    for n in 0..4 {
                        let to = to.add(n * 2 * line);
                        _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(four[n].0));
                        let odd = _mm256_extracti128_si256::<1>(four[n].0);
                        _mm_storeu_si128(to.add(line).cast(), odd);
                    }
                }
            }
        }
        // Whole vectors are loaded.
        _mm256_storeu_si256(panel.add(rows * row).cast(), _mm256_setzero_si256());
    }
}

/// The first four pairs of channels of four even columns from `x` on, and of the odd ones behind them in the upper
/// half, where pixels have `depth` channels.
///
/// # Safety
///
/// The processor must have AVX2, and `x` be good for eight channels of eight pixels.
#[inline(always)]
unsafe fn apart<X: Activation>(x: *const X, depth: usize) -> [Avx2; 4] {
    let mut at = [0; QUADS];
    at[1] = depth;
    // SAFETY: as the caller promises.
    unsafe { Avx2::columns(x, &at, 2 * depth) }
}

/// The same where pixels have no other channels: an even column and the odd one behind it lie side by side.
///
/// # Safety
///
/// As [`apart`].
#[inline(always)]
unsafe fn adjacent<X: Activation>(x: *const X) -> [Avx2; 4] {
    // SAFETY: as the caller promises.
    unsafe {
        let mut rows = [_mm256_setzero_si256(); 4];
        for n in 0..4 {
            let both = _mm_loadu_si128(x.add(n * 2 * LOADED).cast());
            rows[n] = match X::UNSIGNED {
                true => _mm256_cvtepu8_epi16(both),
                false => _mm256_cvtepi8_epi16(both),
            };
        }
        transposed(rows).map(Avx2)
    }
}

/// Transforms `count` rows of tiles, of which half a vector is stored if `HALF`, whose values at the next point are `N`
/// words behind: a constant, so that one pointer reaches all points.
///
/// # Safety
///
/// The processor must have AVX2; the panel must be filled, and `values` have room as [`Tiles::new`] has checked.
#[inline(never)]
#[target_feature(enable = "avx2")]
unsafe fn transform<const N: usize, const HALF: bool>(
    tiles: &Tiles,
    panel: *const i32,
    count: usize,
    values: *mut i32,
) {
    let Tiles { columns, pairs, .. } = *tiles;
    let line = columns + 1;
    let row = pairs * 2 * line;
    let last = (count * columns).next_multiple_of(TILES) - TILES;
    // SAFETY: as the caller promises.
    unsafe {
        for pair in 0..pairs {
            let values = values.add(pair * POINTS * N);
            // What is behind the last tile is multiplied, too.
            for at in 0..POINTS {
                _mm256_storeu_si256(values.add(at * N + last).cast(), _mm256_setzero_si256());
            }
            for tile in (0..columns).step_by(TILES) {
                let tile = tile.min(columns.saturating_sub(TILES));
                let mut x = panel.add(pair * 2 * line + tile);
                let mut to = values.add(tile);
                let mut above = [across(x, line), across(x.add(row), line)];
                for _ in 0..count {
                    x = x.add(2 * row);
                    let below = [across(x, line), across(x.add(row), line)];
                    for n in 0..4 {
                        let down = widen([above[0][n], above[1][n], below[0][n], below[1][n]]);
                        for at in 0..4 {
                            let to = to.add((4 * at + n) * N);
                            match HALF {
                                true => {
                                    _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(down[at]))
                                }
                                false => _mm256_storeu_si256(to.cast(), down[at]),
                            }
                        }
                    }
                    above = below;
                    to = to.add(columns);
                }
            }
        }
    }
}

/// Of a row, from an even column on, what each tile's four columns become.
///
/// # Safety
///
/// The processor must have AVX2, and a vector be readable from either kind of column on, and one behind.
#[inline(always)]
unsafe fn across(x: *const i32, line: usize) -> [__m256i; 4] {
    // SAFETY: as the caller promises.
    unsafe {
        let mut columns = [_mm256_setzero_si256(); 4];
        for n in 0..4 {
            columns[n] = _mm256_loadu_si256(x.add(n % 2 * line + n / 2).cast());
        }
        widen(columns)
    }
}

/// `[[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]` times four values of at most 10 bits.
///
/// # Safety
///
/// The processor must have AVX2.
#[inline(always)]
unsafe fn widen([a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
    // SAFETY: as the caller promises.
    unsafe {
        [
            _mm256_sub_epi16(a, c),
            _mm256_add_epi16(b, c),
            _mm256_sub_epi16(c, b),
            _mm256_sub_epi16(b, d),
        ]
    }
}
