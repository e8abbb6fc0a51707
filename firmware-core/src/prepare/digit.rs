//! One character in the form of MNIST's digits.
//!
//! MNIST's images were made from scans so: the character's box, scaled with its aspect kept until
//! the longer side has 20 pixels, grey from anti-aliasing, put into a field of 28 × 28 with the
//! centre of mass at its centre. Light ink, dark ground. Other field sizes keep the proportion.
//!
//! A frame is first reduced to cells, of which at most [`cells::MOST`] lie along its longer side. There
//! the ground is found, and the ink as the part of the ground's light that is missing: that is the
//! same on both sides of a shadow's edge. Where the character turns out to be small, its surroundings are
//! taken from the frame again, in smaller cells.

use super::cells::{self, Part, blocks, reduce};
use super::ground::{self, Ground};
use super::levels::{self, Levels};
use super::resample::{self, resample};
use super::runs::{self, Bounds, Strokes};
use super::{Error, Found, Polarity, Preparation, Rows, Scratch, Step, Watch};

/// A ground darker than this tells no shades: ink is measured as if it had this level.
const DARKEST_GROUND: u16 = 32;

/// 255 · 256 over the ground's level, for grounds of seven bits.
const RECIPROCALS: [u16; 128] = {
    let mut table = [0; 128];
    let mut at = 0;
    while at < 128 {
        let level = 2 * at as u16 + 1;
        let level = if level < DARKEST_GROUND { DARKEST_GROUND } else { level };
        table[at] = (65_280 + level / 2) / level;
        at += 1;
    }
    table
};

/// Ink weaker than this is a blank page.
const FAINTEST: u8 = 16;

/// Ink must stand out from the ground's noise by this factor.
const SIGNAL: u8 = 3;

/// A ground whose median distance from its surface is no more than this is clean, as that of a drawing
/// or a screenshot.
const CLEAN: u8 = 2;

/// The part of the ink that is weaker than full ink, in 256ths: nearly all on a clean ground, where the
/// strongest ink is what was drawn; less on a photo, where noise makes the strongest.
const CLEAN_CORE: u32 = 253;
const GRAINY_CORE: u32 = 205;

/// Cells around the box of the strokes that may belong to them.
const MARGIN: usize = 2;

/// The longer side of a small picture, whose pixels may be those of the image itself: nothing on it is
/// dirt, and the faintest ink counts.
const SMALL: usize = 2;

/// What is known of a frame's size.
#[derive(Clone, Copy)]
struct Sizes {
    /// The side of a cell in pixels, as a power of two.
    shift: usize,
    /// Rows and columns of cells.
    cells: [usize; 2],
    /// Rows and columns of the ground: a quarter as many.
    ground: [usize; 2],
}

const fn sizes([height, width]: [usize; 2]) -> Sizes {
    let shift = cells::shift(if height > width { height } else { width });
    let cells = [height >> shift, width >> shift];
    let ground = [cells[0].div_ceil(2), cells[1].div_ceil(2)];
    Sizes { shift, cells, ground }
}

/// Words of scratch.
pub const fn words(frame: [usize; 2], preparation: &Preparation) -> usize {
    let sizes = sizes(frame);
    let count = sizes.cells[0] * sizes.cells[1];
    let side = preparation.box_side();
    count.div_ceil(4)
        + ground::words(sizes.ground[0], sizes.ground[1])
        + levels::WORDS
        + cells::words(frame[1])
        + runs::words(count)
        + resample::scratch_words(side)
        + (side * side).div_ceil(4)
        + frame[0].div_ceil(4)
        + 4
}

/// Prepares a frame whose sizes have been checked.
pub fn prepare(
    frame: &impl Rows,
    preparation: &Preparation,
    scratch: &mut [u32],
    image: &mut [u8],
    watch: &mut impl Watch,
) -> Result<Found, Error> {
    let [height, width] = [frame.height(), frame.width()];
    let sizes = sizes([height, width]);
    let [rows, columns] = sizes.cells;
    if rows == 0 || columns == 0 {
        return Err(Error::FrameSize);
    }
    let mut scratch = Scratch(scratch);
    let picture = scratch.bytes(rows * columns);
    let mut ground = Ground::new(
        sizes.ground[0],
        sizes.ground[1],
        scratch.words(ground::words(sizes.ground[0], sizes.ground[1])),
    );
    let counts = bytemuck::must_cast_slice_mut::<u32, u16>(scratch.words(levels::WORDS));
    let lines = scratch.words(cells::words(width));
    let mut strokes = Strokes::new(scratch.words(runs::words(rows * columns)));
    let side = preparation.box_side();
    let resampling = scratch.words(resample::scratch_words(side));
    let boxed = scratch.bytes(side * side);
    let profile = scratch.bytes(height);

    let mut whole = Part { corner: [0, 0], size: sizes.cells, shift: sizes.shift, inverted: false };
    whole.inverted = preparation.polarity == Polarity::Light;
    reduce(frame, whole, picture, lines);
    if preparation.polarity == Polarity::Auto {
        let light = extent(picture, columns, &mut ground, true);
        let dark = extent(picture, columns, &mut ground, false);
        if light.surrounds(&dark) {
            whole.inverted = true;
            picture.iter_mut().for_each(|level| *level = !*level);
            close(picture, columns, &mut ground, false);
        }
    } else {
        close(picture, columns, &mut ground, false);
    }
    let counts: &mut [u16; 256] = counts.try_into().map_err(|_| Error::Scratch)?;
    counts.fill(0);
    for (row, line) in picture.chunks_exact_mut(columns).enumerate() {
        ink(line, 0, 1, ground.row(row / 2), |level| {
            let count = &mut counts[usize::from(level)];
            *count = count.saturating_add(1);
        });
    }
    watch.step(Step::Ground, sizes.cells, &mut picture.iter().copied());

    let levels = Levels(counts);
    let noise = levels.quantile(0, 128);
    let threshold = levels.threshold();
    let clean = noise <= CLEAN;
    let core = if clean { CLEAN_CORE } else { GRAINY_CORE };
    let peak = levels.quantile(usize::from(threshold), core);
    if peak < FAINTEST.max(noise.saturating_mul(SIGNAL)) {
        return Err(Error::Blank { contrast: peak, noise });
    }
    let floor = if clean { noise } else { (2 * noise.min(127)).max(threshold / 2) };
    let fine = height.min(width) >= SMALL * preparation.size[0].min(preparation.size[1]);
    if !strokes.find(picture, columns, threshold) {
        return Err(Error::Texture);
    }
    let removed = if fine { strokes.mark_dirt(rows, columns) } else { 0 };
    let Some(bounds) = strokes.bounds() else { return Err(Error::Blank { contrast: peak, noise }) };
    if fine {
        match strokes.characters() {
            0 | 1 => {}
            several => return Err(Error::Several(several)),
        }
    }
    let inked = (strokes.cells() * 255 / (rows * columns)).min(255) as u8;

    // The part of the picture around the ink, in smaller cells where the ink is small.
    let around = Bounds {
        top: bounds.top.saturating_sub(MARGIN),
        bottom: (bounds.bottom + MARGIN).min(rows),
        left: bounds.left.saturating_sub(MARGIN),
        right: (bounds.right + MARGIN).min(columns),
    };
    let longer = bounds.height().max(bounds.width());
    let mut finer = 0;
    while finer < sizes.shift
        && (longer << finer) * 2 < 3 * side
        && (around.height() * around.width()) << (2 * finer + 2) <= picture.len()
    {
        finer += 1;
    }
    let mut window = Window { stride: columns, around, finer: 0 };
    if finer > 0 {
        window = Window { stride: around.width() << finer, around: around.times(finer), finer };
        let part = Part {
            corner: [window.around.top, window.around.left],
            size: [window.around.height(), window.around.width()],
            shift: sizes.shift - finer,
            inverted: whole.inverted,
        };
        reduce(frame, part, picture, lines);
        for (row, line) in picture.chunks_exact_mut(window.stride).take(part.size[0]).enumerate() {
            let row = (window.around.top + row) >> (finer + 1);
            ink(line, window.around.left, finer + 1, ground.row(row), |_| ());
        }
    }
    window.clean(picture, strokes.dirt());

    let gain = (255 << 8) / u32::from(peak.saturating_sub(floor).max(1));
    let stretch = move |level: u8| {
        ((u32::from(level.saturating_sub(floor)) * gain + 128) >> 8).min(255) as u8
    };
    let least = match (fine, clean) {
        (false, true) => floor + 1,
        (true, true) => floor + (peak - floor) / 10,
        (_, false) => floor + (peak - floor) / 4,
    };
    let line = bytemuck::must_cast_slice_mut::<u32, u8>(lines);
    let exact = window.refined(picture, bounds.times(finer), least, profile, line);
    let [high, wide] = [exact.height(), exact.width()];
    watch.step(
        Step::Ink,
        [high, wide],
        &mut (exact.top..exact.bottom)
            .flat_map(|row| window.line(picture, row, exact.left, exact.right))
            .map(|&level| stretch(level)),
    );

    let longer = high.max(wide).max(1);
    let scaled = [high, wide].map(|own| ((own * side + longer / 2) / longer).clamp(1, side));
    resample(
        [high, wide],
        scaled,
        1,
        |row, out| {
            let line = window.line(picture, exact.top + row, exact.left, exact.right);
            out.iter_mut().zip(line).for_each(|(out, level)| *out = stretch(*level));
        },
        line,
        resampling,
        |row, levels| {
            let place = boxed.get_mut(row * scaled[1]..).unwrap_or_default();
            place.iter_mut().zip(levels).for_each(|(out, level)| *out = level);
        },
    );
    let boxed = boxed.get(..scaled[0] * scaled[1]).unwrap_or_default();
    watch.step(Step::Box, scaled, &mut boxed.iter().copied());
    let corner = centred(boxed, scaled, preparation, image);
    let pixels = sizes.shift - finer;
    Ok(Found {
        dark_ink: !whole.inverted,
        noise,
        threshold,
        floor,
        peak,
        separation: levels.separation(threshold),
        inked,
        removed: removed.min(255) as u8,
        bounds: exact.times(pixels),
        scaled,
        corner,
    })
}

/// Finds the ground of a picture of cells, whose rows are `columns` long; `inverted` if light and dark
/// are exchanged.
fn close(picture: &[u8], columns: usize, ground: &mut Ground, inverted: bool) {
    coarse(picture, columns, inverted, |row, cells| {
        ground.row(row).iter_mut().zip(cells).for_each(|(out, cell)| *out = cell);
    });
    ground.close();
}

/// Calls for each row of the means of 2 × 2 cells, in 7 bits, rounded down.
fn coarse(
    picture: &[u8],
    columns: usize,
    inverted: bool,
    mut each: impl FnMut(usize, &mut dyn Iterator<Item = u8>),
) {
    let flip = if inverted { 0x7f } else { 0 };
    for (row, pair) in picture.chunks(2 * columns).enumerate() {
        let (above, below) = pair.split_at(columns.min(pair.len()));
        // An odd last row or column stands for two.
        let below = if below.is_empty() { above } else { below };
        let pairs = above.chunks(2).zip(below.chunks(2));
        let mut cells = pairs.map(|(above, below)| {
            let sum = |pair: &[u8]| match *pair {
                [a, b] => u16::from(a) + u16::from(b),
                [a] => 2 * u16::from(a),
                _ => 0,
            };
            ((sum(above) + sum(below)) >> 3) as u8 ^ flip
        });
        each(row, &mut cells);
    }
    let _ = blocks;
}

/// How far and how strongly something stands out from the ground.
#[derive(Clone, Copy)]
struct Extent {
    strongest: u8,
    bounds: Bounds,
}

impl Extent {
    /// Whether this is the ink, and the other is what lies between its strokes: the ink reaches further.
    fn surrounds(&self, other: &Extent) -> bool {
        let area = |extent: &Extent| extent.bounds.height() * extent.bounds.width();
        if self.strongest / 2 > other.strongest {
            return true;
        }
        if other.strongest / 2 > self.strongest {
            return false;
        }
        (area(self), self.strongest) > (area(other), other.strongest)
    }
}

/// What stands out if ink is light (`inverted`) or dark; leaves that ground.
fn extent(picture: &[u8], columns: usize, ground: &mut Ground, inverted: bool) -> Extent {
    close(picture, columns, ground, inverted);
    let mut extent = Extent { strongest: 0, bounds: Bounds::default() };
    coarse(picture, columns, inverted, |row, cells| {
        for (cell, ground) in cells.zip(ground.row(row).iter()) {
            extent.strongest = extent.strongest.max(ground.saturating_sub(cell));
        }
    });
    let least = (extent.strongest / 2).max(1);
    coarse(picture, columns, inverted, |row, cells| {
        for (column, (cell, ground)) in cells.zip(ground.row(row).iter()).enumerate() {
            if ground.saturating_sub(cell) >= least {
                extent.bounds.include(row, column);
            }
        }
    });
    extent
}

/// Replaces levels by how much of the ground's light is missing. The line begins at column `left`, and
/// `1 << shift` of its places share a cell of the ground.
#[inline(always)]
fn ink(line: &mut [u8], left: usize, shift: usize, ground: &[u8], mut each: impl FnMut(u8)) {
    let side = 1 << shift;
    // The first cell of the ground may be shared with places in front of the line.
    let lead = (side - left % side) % side;
    let mut ground = ground.iter().skip(left >> shift);
    let (first, rest) = line.split_at_mut(lead.min(line.len()));
    for places in
        core::iter::once(first).filter(|first| !first.is_empty()).chain(rest.chunks_mut(side))
    {
        let Some(&cell) = ground.next() else { return };
        let level = 2 * cell + 1;
        let factor = RECIPROCALS.get(usize::from(cell)).copied().unwrap_or(0);
        for place in places {
            let missing = u32::from(level.saturating_sub(*place));
            let ink = ((missing * u32::from(factor)) >> 8) as u8;
            *place = ink;
            each(ink);
        }
    }
}

/// The part of a picture that is looked at: its rows are `stride` bytes apart.
#[derive(Clone, Copy)]
struct Window {
    stride: usize,
    /// Where it lies; if it was taken from the frame again, the picture holds nothing else.
    around: Bounds,
    /// How much smaller its cells are, as a power of two.
    finer: usize,
}

impl Window {
    /// Where in the picture a place lies.
    fn at(&self, row: usize, column: usize) -> usize {
        match self.finer {
            0 => row * self.stride + column,
            _ => {
                (row - self.around.top.min(row)) * self.stride + column
                    - self.around.left.min(column)
            }
        }
    }

    fn line<'p>(&self, picture: &'p [u8], row: usize, left: usize, right: usize) -> &'p [u8] {
        let start = self.at(row, left);
        picture.get(start..start + right.saturating_sub(left)).unwrap_or_default()
    }

    /// Clears runs of cells, and what is faint around them.
    fn clean(&self, picture: &mut [u8], runs: impl Iterator<Item = [usize; 3]>) {
        let Bounds { top, bottom, left, right } = self.around;
        for [row, start, end] in runs {
            let rows = (row.saturating_sub(1) << self.finer)..((row + 2) << self.finer);
            let start = (start.saturating_sub(1) << self.finer).max(left);
            let end = ((end + 1) << self.finer).min(right);
            for row in rows.start.max(top)..rows.end.min(bottom) {
                if start < end {
                    let place = self.at(row, start);
                    let places = picture.get_mut(place..place + end - start);
                    places.unwrap_or_default().fill(0);
                }
            }
        }
    }

    /// The box of the strokes as far as what is at least `least` reaches.
    fn refined(
        &self,
        picture: &[u8],
        bounds: Bounds,
        least: u8,
        rows: &mut [u8],
        columns: &mut [u8],
    ) -> Bounds {
        let Bounds { top, left, right, .. } = self.around;
        let [height, width] = [self.around.height(), self.around.width()];
        let rows = rows.get_mut(..height).unwrap_or_default();
        let columns = columns.get_mut(..width).unwrap_or_default();
        columns.fill(0);
        for (row, strongest) in rows.iter_mut().enumerate() {
            let mut most = 0;
            for (column, &level) in
                columns.iter_mut().zip(self.line(picture, top + row, left, right))
            {
                most = most.max(level);
                *column = level.max(*column);
            }
            *strongest = most;
        }
        let [first_row, last_row] = reach(
            rows,
            [bounds.top - top.min(bounds.top), bounds.bottom - top.min(bounds.bottom)],
            least,
        );
        let [first_column, last_column] = reach(
            columns,
            [bounds.left - left.min(bounds.left), bounds.right - left.min(bounds.right)],
            least,
        );
        Bounds {
            top: top + first_row,
            bottom: top + last_row,
            left: left + first_column,
            right: left + last_column,
        }
    }
}

/// Moves both ends of a range to where levels fall below `least`, outwards or inwards.
fn reach(levels: &[u8], [mut first, mut end]: [usize; 2], least: u8) -> [usize; 2] {
    let strong = |at: usize| levels.get(at).is_some_and(|&level| level >= least);
    while first + 1 < end && !strong(first) {
        first += 1;
    }
    while first > 0 && strong(first - 1) {
        first -= 1;
    }
    while end > first + 1 && !strong(end - 1) {
        end -= 1;
    }
    while strong(end) {
        end += 1;
    }
    [first, end]
}

/// Puts the box into the image, its centre of mass in the middle: in MNIST at row and column 14 of 28,
/// counted from 0. Returns the box's corner.
pub fn centred(
    boxed: &[u8],
    [height, width]: [usize; 2],
    preparation: &Preparation,
    image: &mut [u8],
) -> [usize; 2] {
    let (mut mass, mut moments) = (0_u32, [0_u64; 2]);
    for (row, line) in boxed.chunks_exact(width.max(1)).enumerate() {
        let (mut sum, mut moment) = (0_u32, 0_u32);
        for (column, &level) in line.iter().enumerate() {
            sum += u32::from(level);
            moment += column as u32 * u32::from(level);
        }
        mass += sum;
        moments[0] += row as u64 * u64::from(sum);
        moments[1] += u64::from(moment);
    }
    // Both are brought to 31 bits; what is lost is far below a pixel.
    let mut lost = 0;
    while moments.iter().any(|moment| moment >> lost > 0x0fff_ffff) {
        lost += 1;
    }
    let mass = (mass >> lost).max(1);
    let start = |axis: usize, side: usize, own: usize| {
        let moment = moments.get(axis).map_or(0, |moment| (moment >> lost) as u32);
        // The centre in 256ths, its distance to the middle rounded half up.
        let (whole, part) = (moment / mass, moment % mass);
        let mut rest = part;
        let mut bits = mass;
        while bits > 0x00ff_ffff {
            (bits, rest) = (bits >> 1, rest >> 1);
        }
        let centre = (whole << 8) + (rest << 8) / bits.max(1);
        let middle = (side as u32) << 7;
        ((middle + 128).saturating_sub(centre) >> 8).min(side.saturating_sub(own) as u32) as usize
    };
    let [rows, columns] = preparation.size;
    let corner = [start(0, rows, height), start(1, columns, width)];
    image.fill(0);
    let channels = preparation.channels.max(1);
    let lines = image.chunks_exact_mut((columns * channels).max(1)).skip(corner[0]);
    for (line, levels) in lines.zip(boxed.chunks_exact(width.max(1))) {
        let pixels = line.chunks_exact_mut(channels).skip(corner[1]);
        pixels.zip(levels).for_each(|(pixel, level)| pixel.fill(*level));
    }
    corner
}
