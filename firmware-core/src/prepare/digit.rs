//! One character in the form of MNIST's digits.
//!
//! MNIST's images were made from scans so: the character's box, scaled with its aspect kept until
//! the longer side has 20 pixels, grey from anti-aliasing, put into a field of 28 × 28 with the
//! centre of mass at its centre. Light ink, dark ground. Other field sizes keep the proportion.
//!
//! A frame is looked at twice. First as a whole, in at most 48 cells along its longer side: where is ink?
//! Then at the surroundings of the ink alone, in cells of which the character has about as many as it
//! will have pixels. Each time the ground is found, and the ink as the part of the ground's light that is
//! missing: that is the same on both sides of a shadow's edge.

use super::cells::{self, Part, reduce};
use super::centred::centred;
use super::ground::{self, Ground, Window};
use super::levels::{self, Levels};
use super::polarity;
use super::resample::{self, resample};
use super::runs::{self, Bounds, Strokes};
use super::slope::Slope;
use super::{Error, Found, Polarity, Preparation, Rows, Scratch, Step, Watch};

/// Ink weaker than this is a blank page.
const FAINTEST: u8 = 16;

/// Ink must stand out from the ground's noise by this factor.
const SIGNAL: u8 = 3;

/// Ink is at least one in so many of the strongest ink.
const FAINT: u8 = 3;

/// A ground whose median distance from its surface is no more than this is clean, as that of a drawing
/// or a screenshot.
const CLEAN: u8 = 2;

/// The part of the ink that is weaker than full ink, in 256ths: nearly all on a clean ground, where the
/// strongest ink is what was drawn; less on a photo, where noise makes the strongest.
const CLEAN_CORE: u32 = 253;
const GRAINY_CORE: u32 = 205;

/// A picture is small if it is less than so many times as large as the image: its pixels may be those
/// of the image itself, nothing on it is dirt, and the faintest ink counts.
const SMALL: usize = 2;

/// Cells of the first look around the ink that the second one sees too.
const MARGIN: usize = 1;

/// So many cells more than pixels a character has in the second look, at least; and so many at most,
/// where it has as many pixels in the frame.
const SPARE: usize = 2;

/// Cells of so many pixels are divided once more for the final size: a large frame has more to show.
const LARGE: usize = 4;

const fn most_cells(side: usize) -> usize {
    2 * (side + SPARE) + 2 * MARGIN + 2
}

/// Rows and columns of cells of the first look.
const fn first_size([height, width]: [usize; 2]) -> (usize, [usize; 2]) {
    let side = cells::side(if height > width { height } else { width });
    (side, [height / side, width / side])
}

/// The most cells that are looked at, and the words of their ground.
const fn room(frame: [usize; 2], side: usize) -> (usize, usize) {
    let (_, [rows, columns]) = first_size(frame);
    let most = most_cells(side);
    let (cells, words) = (most * most, ground::words(most, most));
    let (first, first_words) = (rows * columns, ground::words(rows, columns));
    (
        if cells > first { cells } else { first },
        if words > first_words { words } else { first_words },
    )
}

/// The most cells of a part from which the final size is made.
const fn finest_cells(most: usize, side: usize) -> usize {
    let finest = 3 * (side + SPARE);
    if finest * finest > most { finest * finest } else { most }
}

/// Words of scratch.
pub const fn words(frame: [usize; 2], preparation: &Preparation) -> usize {
    let side = preparation.box_side();
    let (cells, ground) = room(frame, side);
    finest_cells(cells, side).div_ceil(4)
        + ground
        + levels::WORDS
        + cells::words(frame[1])
        + runs::words(cells)
        + resample::scratch_words(side)
        + (side * side).div_ceil(4)
        + (frame[0] + frame[1]).div_ceil(4)
}

/// The parts of the scratch that each look uses.
struct Room<'s> {
    picture: &'s mut [u8],
    ground: &'s mut [u32],
    counts: &'s mut [u16; 256],
    lines: &'s mut [u32],
}

/// What a look at a part of a frame tells.
#[derive(Clone, Copy)]
struct Look {
    part: Part,
    window: &'static Window,
    noise: u8,
    threshold: u8,
    /// The ground is that of a drawing.
    clean: bool,
    peak: u8,
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
    let side = preparation.box_side();
    let (most, ground) = room([height, width], side);
    let finest = finest_cells(most, side);
    let mut scratch = Scratch(scratch);
    let mut room = Room {
        picture: scratch.bytes(finest),
        ground: scratch.words(ground),
        counts: bytemuck::must_cast_slice_mut::<u32, u16>(scratch.words(levels::WORDS))
            .try_into()
            .map_err(|_| Error::Scratch)?,
        lines: scratch.words(cells::words(width)),
    };
    let mut strokes = Strokes::new(scratch.words(runs::words(most)));
    let resampling = scratch.words(resample::scratch_words(side));
    let boxed = scratch.bytes(side * side);
    let profile = scratch.bytes(height + width);

    let (cell, size) = first_size([height, width]);
    let mut part = Part { corner: [0, 0], size, side: cell, inverted: false };
    part.inverted = preparation.polarity == Polarity::Light;
    reduce(frame, part, room.picture, room.lines);
    if preparation.polarity == Polarity::Auto {
        let picture = room.picture.get(..size[0] * size[1]).unwrap_or_default();
        if polarity::is_light(picture, size, room.ground) {
            part.inverted = true;
            room.cells(&part).iter_mut().for_each(|level| *level = !*level);
        }
    }
    let cells = room.picture.get(..size[0] * size[1]).unwrap_or_default();
    let slope = Slope::of(cells, &part, [height, width], room.counts);
    slope.level(room.picture, &part);
    let mut look = room.look(part, &Window::SMALL);
    watch.step(Step::Ground, size, &mut room.cells(&part).iter().copied());
    let fine = height.min(width) >= SMALL * preparation.size[0].min(preparation.size[1]);
    let mut bounds = find(&mut strokes, &mut room, &look, [height, width], fine)?;

    let longer = cell * bounds.height().max(bounds.width());
    let closer = (longer / (side + SPARE)).clamp(1, cell);
    if closer < cell {
        part = around(bounds, part, closer, [height, width], most);
        reduce(frame, part, room.picture, room.lines);
        slope.level(room.picture, &part);
        look = room.look(part, &Window::LARGE);
        bounds = find(&mut strokes, &mut room, &look, [height, width], fine)?;
    }
    let Look { noise, threshold, clean, peak, .. } = look;
    if peak < FAINTEST.max(noise.saturating_mul(SIGNAL)) {
        return Err(Error::Blank { contrast: peak, noise });
    }
    if fine {
        match strokes.characters() {
            0 | 1 => {}
            several => return Err(Error::Several(several)),
        }
    }
    let pixels = strokes.cells() * part.side * part.side;
    let removed = strokes.removed();
    clear(room.cells(&part), part.size[1], strokes.dirt());
    let floor = if clean { noise } else { (2 * noise.min(127)).max(threshold / 4) };
    let gain = (255 << 8) / u32::from(peak.saturating_sub(floor).max(1));
    let stretch = move |level: u8| {
        ((u32::from(level.saturating_sub(floor)) * gain + 128) >> 8).min(255) as u8
    };
    let over = peak.saturating_sub(floor);
    let least = floor.saturating_add(match (fine, clean) {
        (false, true) => 1,
        (true, true) => over / 10,
        (_, false) => over / 4,
    });
    if part.side >= LARGE {
        let closer = around(bounds, part, part.side / 3, [height, width], finest);
        bounds = room.closer(frame, &look, closer, bounds, least, &slope);
        part = closer;
    }
    let line = bytemuck::must_cast_slice_mut::<u32, u8>(room.lines);
    let picture = room.picture.get(..part.size[0] * part.size[1]).unwrap_or_default();
    let exact = refined(picture, part.size, bounds, least, profile);
    let rows = || picture.chunks_exact(part.size[1].max(1)).skip(exact.top).take(exact.height());
    let [high, wide] = [exact.height(), exact.width()];
    let columns = exact.left..exact.right;
    watch.step(
        Step::Ink,
        [high, wide],
        &mut rows()
            .flat_map(|row| row.get(columns.clone()).unwrap_or_default())
            .map(|&level| stretch(level)),
    );

    let longer = high.max(wide).max(1);
    let scaled = [high, wide].map(|own| ((own * side + longer / 2) / longer).clamp(1, side));
    resample(
        [high, wide],
        scaled,
        1,
        |row, out| {
            let start = (exact.top + row) * part.size[1] + exact.left;
            let line = picture.get(start..).unwrap_or_default();
            out.iter_mut().zip(line).for_each(|(out, level)| *out = stretch(*level));
        },
        line,
        resampling,
        |row, levels| {
            let place = boxed.get_mut(row * scaled[1]..(row + 1) * scaled[1]).unwrap_or_default();
            place.iter_mut().zip(levels).for_each(|(out, level)| *out = level);
        },
    );
    let boxed = boxed.get(..scaled[0] * scaled[1]).unwrap_or_default();
    watch.step(Step::Box, scaled, &mut boxed.iter().copied());
    let corner = centred(boxed, scaled, preparation, image);
    Ok(Found {
        dark_ink: !part.inverted,
        noise,
        threshold,
        floor,
        peak,
        separation: Levels(room.counts).separation(threshold),
        inked: (pixels * 255 / (height * width).max(1)).min(255) as u8,
        removed: removed.min(255) as u8,
        bounds: exact.in_pixels(part.corner, part.side),
        scaled,
        corner,
    })
}

impl Room<'_> {
    /// The cells of a part.
    fn cells(&mut self, part: &Part) -> &mut [u8] {
        self.picture.get_mut(..part.size[0] * part.size[1]).unwrap_or_default()
    }

    /// Replaces the levels of a part's cells by how much of the ground's light is missing.
    #[inline(never)] // twice
    fn look(&mut self, part: Part, window: &'static Window) -> Look {
        let columns = part.size[1];
        let picture = self.picture.get_mut(..part.size[0] * columns).unwrap_or_default();
        let ground = Ground::of_cells(picture, part.size, window, self.ground, false);
        self.counts.fill(0);
        for (row, line) in picture.chunks_exact_mut(columns.max(1)).enumerate() {
            for (place, &cell) in line.iter_mut().zip(ground.row(row)) {
                let ink = ground::missing(cell, (2 * cell + 1).saturating_sub(*place));
                *place = ink;
                self.counts[usize::from(ink)] += 1;
            }
        }
        let levels = Levels(self.counts);
        let threshold = levels.threshold().max(levels.strongest() / FAINT);
        let noise = levels.quantile(0..usize::from(threshold), 128);
        let clean = noise <= CLEAN;
        let core = if clean { CLEAN_CORE } else { GRAINY_CORE };
        let peak = levels.quantile(usize::from(threshold)..256, core);
        Look { part, window, noise, threshold, clean, peak }
    }
}

impl Room<'_> {
    /// Takes a look's surroundings from the frame once more, in the smaller cells of `closer`, where its
    /// part shows ink of at least `least` nearby; its ground is that of the part. Returns the box there.
    fn closer(
        &mut self,
        frame: &impl Rows,
        look: &Look,
        closer: Part,
        bounds: Bounds,
        least: u8,
        slope: &Slope,
    ) -> Bounds {
        let part = look.part;
        let [rows, columns] = part.size;
        let picture = self.picture.get(..rows * columns).unwrap_or_default();
        let mut ground = Ground::left_in(part.size, look.window, self.ground);
        for row in 0..rows {
            let near = |at: usize, count: usize| at.saturating_sub(1)..(at + 2).min(count);
            for (column, cell) in ground.row_mut(row).iter_mut().enumerate() {
                let inked = near(row, rows).any(|row| {
                    let beside = near(column, columns);
                    let line =
                        picture.get(row * columns + beside.start..row * columns + beside.end);
                    line.unwrap_or_default().iter().any(|&level| level >= least)
                });
                // No light, nothing that could be missing.
                if !inked {
                    *cell = 0;
                }
            }
        }
        reduce(frame, closer, self.picture, self.lines);
        slope.level(self.picture, &closer);
        // The cell of the part in which a cell of the closer look has its middle.
        let place = |axis: usize, at: usize| {
            let middle = closer.corner[axis] + at * closer.side + closer.side / 2;
            middle.saturating_sub(part.corner[axis]) / part.side.max(1)
        };
        let lines = self.picture.chunks_exact_mut(closer.size[1].max(1)).take(closer.size[0]);
        for (row, line) in lines.enumerate() {
            let ground = ground.row(place(0, row));
            for (column, level) in line.iter_mut().enumerate() {
                let cell = ground.get(place(1, column)).copied().unwrap_or(0);
                let light = if cell == 0 { 0 } else { 2 * cell + 1 };
                *level = ground::missing(cell, light.saturating_sub(*level));
            }
        }
        let scaled = |axis: usize, at: usize| {
            let pixel = part.corner[axis] + at * part.side;
            let cell = pixel.saturating_sub(closer.corner[axis]) / closer.side.max(1);
            cell.min(closer.size[axis])
        };
        Bounds {
            top: scaled(0, bounds.top),
            bottom: scaled(0, bounds.bottom),
            left: scaled(1, bounds.left),
            right: scaled(1, bounds.right),
        }
    }
}

/// The box of what is ink without dirt. Nothing is dirt where pictures are not `fine`.
fn find(
    strokes: &mut Strokes,
    room: &mut Room,
    look: &Look,
    frame: [usize; 2],
    fine: bool,
) -> Result<Bounds, Error> {
    let [rows, columns] = look.part.size;
    if !strokes.find(room.cells(&look.part), columns, look.threshold) {
        return Err(Error::Texture);
    }
    if fine {
        // A row or column of cells at the border of the part counts if nothing of the frame lies beyond.
        let Part { corner, side, .. } = look.part;
        let first = |axis: usize| usize::from(corner[axis] < side);
        let last = |axis: usize, cells: usize| {
            let beyond = frame[axis].saturating_sub(corner[axis] + cells * side);
            if beyond < side { cells.saturating_sub(1) } else { cells }
        };
        let inside = Bounds {
            top: first(0),
            bottom: last(0, rows),
            left: first(1),
            right: last(1, columns),
        };
        strokes.mark_dirt(inside, frame.map(|pixels| pixels / side.max(1)));
    }
    let blank = Error::Blank { contrast: look.peak, noise: look.noise };
    strokes.bounds().ok_or(blank)
}

/// The surroundings of a box of a part, in cells of another side.
fn around(bounds: Bounds, part: Part, mut side: usize, frame: [usize; 2], most: usize) -> Part {
    let start =
        |axis: usize, first: usize| part.corner[axis] + first.saturating_sub(MARGIN) * part.side;
    let corner = [start(0, bounds.top), start(1, bounds.left)];
    let end =
        |axis: usize, end: usize| (part.corner[axis] + (end + MARGIN) * part.side).min(frame[axis]);
    let pixels = [
        end(0, bounds.bottom).saturating_sub(corner[0]),
        end(1, bounds.right).saturating_sub(corner[1]),
    ];
    let limit = |side: usize| pixels.map(|pixels| pixels / side.max(1));
    while limit(side)[0] * limit(side)[1] > most {
        side += 1;
    }
    Part { corner, size: limit(side), side, ..part }
}

/// Clears runs of cells, and what is faint around them.
fn clear(picture: &mut [u8], columns: usize, runs: impl Iterator<Item = [usize; 3]>) {
    for [row, start, end] in runs {
        let lines = picture.chunks_exact_mut(columns.max(1)).skip(row.saturating_sub(1));
        for line in lines.take(if row == 0 { 2 } else { 3 }) {
            let end = (end + 1).min(columns);
            line.get_mut(start.saturating_sub(1)..end).unwrap_or_default().fill(0);
        }
    }
}

/// The box of the strokes as far as what is at least `least` reaches.
fn refined(
    picture: &[u8],
    [height, width]: [usize; 2],
    bounds: Bounds,
    least: u8,
    profile: &mut [u8],
) -> Bounds {
    let (rows, columns) = profile.split_at_mut(height.min(profile.len()));
    let columns = columns.get_mut(..width).unwrap_or_default();
    columns.fill(0);
    for (strongest, line) in rows.iter_mut().zip(picture.chunks_exact(width.max(1))) {
        let mut most = 0;
        for (column, &level) in columns.iter_mut().zip(line) {
            most = most.max(level);
            *column = level.max(*column);
        }
        *strongest = most;
    }
    let [top, bottom] = reach(rows, [bounds.top, bounds.bottom], least);
    let [left, right] = reach(columns, [bounds.left, bounds.right], least);
    Bounds { top, bottom, left, right }
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
