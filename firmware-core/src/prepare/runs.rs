//! Connected strokes: how many there are, how large, where, and what of them is dirt.
//!
//! A row of ink is a list of *runs*; a stroke is runs that touch, be it at a corner. No picture of
//! labels is kept.

/// A run of marked cells of one row.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    row: u16,
    /// The first column, and the one behind the last.
    start: u16,
    end: u16,
    /// A run of the same stroke, no later than this one; the stroke's number once all are known.
    stroke: u16,
}

/// A connected stroke.
#[derive(Clone, Copy, Debug, Default)]
struct Stroke {
    cells: u16,
    top: u16,
    bottom: u16,
    left: u16,
    right: u16,
    /// 1 for what is no part of the character.
    dirt: u16,
    /// The strongest ink of it.
    strongest: u16,
}

/// A box: its first row and column, and the ones behind its last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The first row.
    pub top: usize,
    /// The row behind the last one.
    pub bottom: usize,
    /// The first column.
    pub left: usize,
    /// The column behind the last one.
    pub right: usize,
}

impl Bounds {
    /// Rows.
    pub const fn height(&self) -> usize {
        self.bottom.saturating_sub(self.top)
    }

    /// Columns.
    pub const fn width(&self) -> usize {
        self.right.saturating_sub(self.left)
    }

    /// Whether no more than `gap` cells lie between two boxes, along either axis.
    fn is_near(&self, other: &Self, gap: usize) -> bool {
        self.top <= other.bottom + gap
            && other.top <= self.bottom + gap
            && self.left <= other.right + gap
            && other.left <= self.right + gap
    }

    /// Whether a place lies in it.
    pub(super) fn holds(&self, row: usize, column: usize) -> bool {
        (self.top..self.bottom).contains(&row) && (self.left..self.right).contains(&column)
    }

    /// The box of cells of `side` pixels whose first one begins at `corner`, in pixels.
    pub(super) const fn in_pixels(&self, [row, column]: [usize; 2], side: usize) -> Self {
        let Self { top, bottom, left, right } = *self;
        Self {
            top: row + top * side,
            bottom: row + bottom * side,
            left: column + left * side,
            right: column + right * side,
        }
    }

    /// Grows to hold a place; an empty box then holds nothing else.
    pub(super) fn include(&mut self, row: usize, column: usize) {
        if self.bottom == 0 {
            *self = Self { top: row, bottom: row + 1, left: column, right: column + 1 };
        }
        self.top = self.top.min(row);
        self.bottom = self.bottom.max(row + 1);
        self.left = self.left.min(column);
        self.right = self.right.max(column + 1);
    }
}

/// The most strokes that are told apart; more are a texture.
const MOST_STROKES: usize = 64;

/// What a run takes, and all strokes.
const RUN_WORDS: usize = size_of::<[u16; 4]>() / 4;
const STROKES_WORDS: usize = size_of::<[[u16; 7]; MOST_STROKES]>() / 4;

/// Cells for each of which there is room for one run: more runs are a texture.
const CELLS_PER_RUN: usize = 12;

/// A speck has less than one in so many cells of the largest stroke.
const SPECK: u32 = 64;

/// A stroke away from the border must be one in so many of the picture's rows high, or of its columns
/// wide, for what touches the border to count as the picture's edge.
const STANDING: usize = 10;

/// A stroke at the border belongs to those that stand free if what lies between them is less than one in so
/// many of their longer side.
const NEAR: usize = 8;

/// A stroke is weak if its strongest ink is less than one in so many of the strongest of all.
const WEAK: u16 = 2;

/// A stroke counts as a character of its own beside others if it has at least one in so many of the
/// cells of the largest one.
const OWN_CELLS: u32 = 5;

/// Characters stand apart by at least one in so many of their height.
const GAP: u32 = 5;

/// Words that the strokes of so many cells take.
pub const fn words(cells: usize) -> usize {
    STROKES_WORDS + (cells / CELLS_PER_RUN + 64) * RUN_WORDS
}

/// The strokes of a picture.
pub struct Strokes<'s> {
    runs: &'s mut [[u16; 4]],
    strokes: &'s mut [[u16; 7]],
    count: usize,
    found: usize,
}

impl From<[u16; 4]> for Run {
    fn from([row, start, end, stroke]: [u16; 4]) -> Self {
        Self { row, start, end, stroke }
    }
}

impl From<Run> for [u16; 4] {
    fn from(run: Run) -> Self {
        [run.row, run.start, run.end, run.stroke]
    }
}

impl From<[u16; 7]> for Stroke {
    fn from([cells, top, bottom, left, right, dirt, strongest]: [u16; 7]) -> Self {
        Self { cells, top, bottom, left, right, dirt, strongest }
    }
}

impl From<Stroke> for [u16; 7] {
    fn from(stroke: Stroke) -> Self {
        let Stroke { cells, top, bottom, left, right, dirt, strongest } = stroke;
        [cells, top, bottom, left, right, dirt, strongest]
    }
}

impl Stroke {
    fn bounds(&self) -> Bounds {
        let [top, bottom, left, right] =
            [self.top, self.bottom, self.left, self.right].map(usize::from);
        Bounds { top, bottom, left, right }
    }
}

/// The box around strokes.
fn around(strokes: impl Iterator<Item = Stroke>) -> Option<Bounds> {
    strokes.map(|stroke| stroke.bounds()).reduce(|a, b| Bounds {
        top: a.top.min(b.top),
        bottom: a.bottom.max(b.bottom),
        left: a.left.min(b.left),
        right: a.right.max(b.right),
    })
}

impl<'s> Strokes<'s> {
    /// In `scratch`, which has [`words`] words.
    pub fn new(scratch: &'s mut [u32]) -> Self {
        let size = STROKES_WORDS.min(scratch.len());
        let (strokes, runs) = scratch.split_at_mut(size);
        let even = runs.len() / RUN_WORDS * RUN_WORDS;
        let runs = runs.get_mut(..even).unwrap_or_default();
        Self {
            runs: bytemuck::try_cast_slice_mut(runs).unwrap_or_default(),
            strokes: bytemuck::try_cast_slice_mut(strokes).unwrap_or_default(),
            count: 0,
            found: 0,
        }
    }

    fn run(&self, index: usize) -> Run {
        self.runs.get(index).copied().unwrap_or_default().into()
    }

    fn set_run(&mut self, index: usize, run: Run) {
        if let Some(place) = self.runs.get_mut(index) {
            *place = run.into();
        }
    }

    fn stroke(&self, index: usize) -> Stroke {
        self.strokes.get(index).copied().unwrap_or_default().into()
    }

    /// The first run of the stroke of run `index`.
    fn root(&self, index: usize) -> usize {
        let mut at = index;
        loop {
            match usize::from(self.run(at).stroke) {
                // Parents come first, so this ends.
                parent if parent < at => at = parent,
                _ => return at,
            }
        }
    }

    /// Finds the strokes of cells of at least `threshold` in `cells`, `[height][width]`; false if there
    /// are too many of them.
    pub fn find(&mut self, cells: &[u8], width: usize, threshold: u8) -> bool {
        self.count = 0;
        let mut above = 0..0;
        for (row, line) in cells.chunks_exact(width.max(1)).enumerate() {
            let first = self.count;
            let mut near = above.start;
            let mut at = 0;
            while let Some(gap) =
                line.get(at..).and_then(|rest| rest.iter().position(|&level| level >= threshold))
            {
                let start = at + gap;
                let rest = line.get(start..).unwrap_or_default();
                let length = rest.iter().position(|&level| level < threshold);
                let end = start + length.unwrap_or(rest.len());
                let mut parent = self.count;
                // Runs above that end before this one's left neighbour touch no later one either.
                while near < above.end && usize::from(self.run(near).end) < start {
                    near += 1;
                }
                for other in near..above.end {
                    if usize::from(self.run(other).start) > end {
                        break;
                    }
                    let root = self.root(other);
                    let (low, high) = (parent.min(root), parent.max(root));
                    if high < self.count {
                        let run = self.run(high);
                        self.set_run(high, Run { stroke: low as u16, ..run });
                    }
                    parent = low;
                }
                if self.count >= self.runs.len() {
                    return false;
                }
                let [row, start, end_at, stroke] =
                    [row, start, end, parent].map(|value| value as u16);
                self.set_run(self.count, Run { row, start, end: end_at, stroke });
                self.count += 1;
                at = end;
            }
            above = first..self.count;
        }
        self.number(cells, width)
    }

    /// Gives the strokes numbers and measures them.
    fn number(&mut self, cells: &[u8], width: usize) -> bool {
        self.found = 0;
        for index in 0..self.count {
            let run = self.run(index);
            let number = if usize::from(run.stroke) >= index {
                if self.found >= self.strokes.len() {
                    return false;
                }
                let stroke = Stroke { top: run.row, left: u16::MAX, ..Stroke::default() };
                if let Some(place) = self.strokes.get_mut(self.found) {
                    *place = stroke.into();
                }
                self.found += 1;
                self.found - 1
            } else {
                // An earlier run, which has its number by now.
                usize::from(self.run(usize::from(run.stroke)).stroke)
            };
            self.set_run(index, Run { stroke: number as u16, ..run });
            let [row, start, end] = [run.row, run.start, run.end].map(usize::from);
            let line = cells.get(row * width + start..row * width + end).unwrap_or_default();
            let strongest = line.iter().fold(0, |most, &level| level.max(most));
            if let Some(place) = self.strokes.get_mut(number) {
                let stroke = Stroke::from(*place);
                *place = Stroke {
                    strongest: stroke.strongest.max(u16::from(strongest)),
                    cells: stroke.cells + (run.end - run.start),
                    bottom: run.row + 1,
                    left: stroke.left.min(run.start),
                    right: stroke.right.max(run.end),
                    ..stroke
                }
                .into();
            }
        }
        true
    }

    fn all(&self) -> impl Iterator<Item = Stroke> + Clone {
        self.strokes.iter().take(self.found).map(|&stroke| stroke.into())
    }

    /// Marks as dirt what is much weaker than the strongest stroke, as noise in a shadow is; specks; and
    /// strokes that touch the frame's border where another one stands free and away from them: the edge of
    /// the paper, a finger. `inside` are the cells that do not lie at the border of the frame, which has
    /// room for `frame` cells (height, width).
    pub fn mark_dirt(&mut self, inside: Bounds, [height, width]: [usize; 2]) {
        let touches = |stroke: &Stroke| {
            usize::from(stroke.top) < inside.top
                || usize::from(stroke.left) < inside.left
                || usize::from(stroke.bottom) > inside.bottom
                || usize::from(stroke.right) > inside.right
        };
        let stands = |stroke: &Stroke| {
            !touches(stroke)
                && (usize::from(stroke.bottom - stroke.top) * STANDING >= height
                    || usize::from(stroke.right - stroke.left) * STANDING >= width)
        };
        let free = self.all().any(|stroke| stands(&stroke));
        let own = around(self.all().filter(|stroke| !touches(stroke))).unwrap_or_default();
        let longer = own.height().max(own.width());
        let apart = |stroke: &Stroke| {
            let bounds = stroke.bounds();
            bounds.height().max(bounds.width()) > longer || !bounds.is_near(&own, longer / NEAR)
        };
        let edge = |stroke: &Stroke| free && touches(stroke) && apart(stroke);
        let kept = || self.all().filter(|stroke| !edge(stroke));
        let largest = kept().map(|stroke| u32::from(stroke.cells)).max().unwrap_or(0);
        let strongest = kept().map(|stroke| stroke.strongest).max().unwrap_or(0);
        for place in self.strokes.iter_mut().take(self.found) {
            let stroke = Stroke::from(*place);
            let speck = u32::from(stroke.cells) * SPECK < largest;
            if edge(&stroke) || speck || stroke.strongest * WEAK < strongest {
                *place = Stroke { dirt: 1, ..stroke }.into();
            }
        }
    }

    /// How many strokes are dirt.
    pub fn removed(&self) -> usize {
        self.all().filter(|stroke| stroke.dirt == 1).count()
    }

    /// The cells that are ink, without dirt.
    pub fn cells(&self) -> usize {
        let kept = self.all().filter(|stroke| stroke.dirt == 0);
        kept.map(|stroke| usize::from(stroke.cells)).sum()
    }

    /// The box around everything that is no dirt.
    pub fn bounds(&self) -> Option<Bounds> {
        around(self.all().filter(|stroke| stroke.dirt == 0))
    }

    /// How many characters stand beside one another: strokes of about one height with no column in
    /// common and a gap between them. Parts of one character overlap, or differ in height.
    pub fn characters(&self) -> usize {
        let kept = || self.all().filter(|stroke| stroke.dirt == 0);
        let high = |stroke: &Stroke| u32::from(stroke.bottom - stroke.top);
        let highest = kept().map(|stroke| high(&stroke)).max().unwrap_or(0);
        let largest = kept().map(|stroke| u32::from(stroke.cells)).max().unwrap_or(0);
        let own = |stroke: &Stroke| {
            3 * high(stroke) >= 2 * highest && u32::from(stroke.cells) * OWN_CELLS >= largest
        };
        // From left to right, each time the one that ends first of those that start behind the last.
        let (mut count, mut end) = (0, 0);
        loop {
            let gap = if count == 0 { 0 } else { highest / GAP };
            let behind = kept().filter(|stroke| own(stroke) && u32::from(stroke.left) >= end + gap);
            match behind.map(|stroke| u32::from(stroke.right)).min() {
                Some(right) if right > end => (count, end) = (count + 1, right),
                _ => return count,
            }
        }
    }

    /// Row, first column and the one behind the last of every run that is dirt.
    pub fn dirt(&self) -> impl Iterator<Item = [usize; 3]> {
        let runs = (0..self.count).map(|index| self.run(index));
        let dirty = runs.filter(|run| self.stroke(usize::from(run.stroke)).dirt == 1);
        dirty.map(|run| [run.row, run.start, run.end].map(usize::from))
    }
}
