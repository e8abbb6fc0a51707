//! Rows of a tensor on their way from one layer to the next, where no image is stored as a whole.
//!
//! A layer that computes some of its rows takes [`InputRows`] and writes [`OutputRows`]. Between
//! two layers lies a buffer with room for a few rows; [`Rows`] says which of them it holds. Rows
//! are counted from the top of the whole tensor everywhere.

use crate::arch::copy;

/// Some rows of a layer's input.
///
/// They must hold all that the windows of the wanted output rows cover: what lies behind the last
/// of them counts as the padding at the bottom.
#[derive(Clone, Copy, Debug)]
pub struct InputRows<'a, Row> {
    rows: &'a [Row],
    first: usize,
}

impl<'a, Row> InputRows<'a, Row> {
    /// Rows of which the first is number `first` of the whole input.
    #[inline(always)]
    pub const fn new(rows: &'a [Row], first: usize) -> Self {
        Self { rows, first }
    }

    /// The rows from number `row` on; none if that is not at hand.
    #[inline(always)]
    pub fn from(self, row: usize) -> &'a [Row] {
        self.rows.get(row.wrapping_sub(self.first)..).unwrap_or_default()
    }

    /// `count` rows from number `row` on; none if they are not at hand.
    #[inline(always)]
    pub fn some(self, row: usize, count: usize) -> &'a [Row] {
        self.from(row).get(..count).unwrap_or_default()
    }
}

/// The rows of a layer's output that are to be computed.
#[derive(Debug)]
pub struct OutputRows<'a, Row> {
    /// Room for them.
    pub rows: &'a mut [Row],
    /// The number of the first.
    pub first: usize,
}

/// Which rows of a tensor a buffer holds, from the buffer's beginning on.
///
/// ```
/// use firmware_core::Rows;
/// let (mut rows, mut buffer) = (Rows::new(), [[0u8; 2]; 3]);
/// rows.output(&mut buffer, 3).rows.copy_from_slice(&[[1; 2], [2; 2], [3; 2]]);
/// rows.slide(2, &mut buffer); // rows 0 and 1 are not needed any more
/// rows.output(&mut buffer, 1).rows.copy_from_slice(&[[4; 2]]);
/// assert_eq!(rows.input(&buffer).from(2), [[3; 2], [4; 2]]);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Rows {
    first: usize,
    end: usize,
}

impl Rows {
    /// None yet.
    pub const fn new() -> Self {
        Self { first: 0, end: 0 }
    }

    /// How many rows have been computed, those that are not kept any more too.
    #[inline(always)]
    pub const fn end(&self) -> usize {
        self.end
    }

    /// The rows that the buffer holds.
    #[inline(always)]
    pub fn input<'a, Row>(&self, buffer: &'a [Row]) -> InputRows<'a, Row> {
        let count = self.end.wrapping_sub(self.first);
        InputRows::new(buffer.get(..count).unwrap_or_default(), self.first)
    }

    /// Room for the next `count` rows, which count as computed from now on. There is none if the
    /// buffer is too small.
    #[inline(always)]
    pub fn output<'a, Row>(&mut self, buffer: &'a mut [Row], count: usize) -> OutputRows<'a, Row> {
        let (at, first) = (self.end.wrapping_sub(self.first), self.end);
        self.end = self.end.wrapping_add(count);
        let rows = buffer.get_mut(at..).unwrap_or_default();
        OutputRows { rows: rows.get_mut(..count).unwrap_or_default(), first }
    }

    /// Counts `count` more rows where there is no buffer.
    #[inline(always)]
    pub fn advance(&mut self, count: usize) {
        self.end = self.end.wrapping_add(count);
    }

    /// Rows from the buffer's first to row `keep`, and how many there are from that on; what was
    /// dropped is forgotten.
    #[inline(always)]
    fn drop_before(&mut self, keep: usize) -> (usize, usize) {
        let keep = keep.max(self.first).min(self.end);
        let skip = keep.wrapping_sub(self.first);
        self.first = keep;
        (skip, self.end.wrapping_sub(keep))
    }

    /// Moves the rows from number `keep` on to the buffer's beginning; what lies before is dropped.
    #[inline(always)]
    pub fn slide<Row: Copy>(&mut self, keep: usize, buffer: &mut [Row]) {
        let (skip, count) = self.drop_before(keep);
        if skip > 0 {
            copy::slide_down(buffer.get_mut(..skip.wrapping_add(count)).unwrap_or_default(), skip);
        }
    }

    /// Copies the rows from number `keep` on from the buffer to where they are kept while others
    /// use the buffer.
    #[inline(always)]
    pub fn save<Row: Copy>(&mut self, keep: usize, buffer: &[Row], kept: &mut [Row]) {
        let (skip, count) = self.drop_before(keep);
        let rows = buffer.get(skip..).and_then(|rows| rows.get(..count));
        copy::copy(rows.unwrap_or_default(), kept);
    }

    /// Copies the rows to another place: what [`Rows::save`] has kept back into the buffer, or to where it waits.
    #[inline(always)]
    pub fn load<Row: Copy>(&self, kept: &[Row], place: &mut [Row]) {
        let count = self.end.wrapping_sub(self.first);
        copy::copy(kept.get(..count).unwrap_or_default(), place);
    }
}
