//! Whether ink is lighter or darker than its ground.
//!
//! Both is tried. What stands out on the wrong side is what lies between the strokes, or between a stroke
//! and the edge of a shadow: as light as the ground that surrounds it. Ink is darker, or lighter, than all
//! that surrounds it, in any light.

use super::ground::{self, Ground, Window};
use super::runs::Bounds;

/// How far a box's surroundings reach, in cells, behind the one next to it.
const SURROUNDINGS: usize = 2;

/// What stands out from the ground if ink is light, or dark.
#[derive(Clone, Copy, Default)]
struct Extent {
    /// The strongest, in 255ths of the lighter one of it and its ground.
    strongest: u8,
    /// Cells of at least half the strength, and the box around them.
    cells: usize,
    bounds: Bounds,
    /// They reach the picture's border.
    cut: bool,
    /// How far it exceeds everything that surrounds the box, in the same unit.
    beyond: u8,
}

/// Whether the ink on a picture of cells is light.
pub fn is_light(picture: &[u8], size: [usize; 2], scratch: &mut [u32]) -> bool {
    let light = extent(picture, size, scratch, true);
    let dark = extent(picture, size, scratch, false);
    light.is_ink_beside(&dark)
}

impl Extent {
    /// Whether this is the ink, and the other is what lies between its strokes or around them. Where
    /// both exceed their surroundings or none does, ink stands free, and reaches further than the holes
    /// in it.
    fn is_ink_beside(&self, other: &Extent) -> bool {
        if self.beyond / 2 > other.beyond {
            return true;
        }
        if other.beyond / 2 >= self.beyond {
            return false;
        }
        let area = |extent: &Extent| extent.bounds.height() * extent.bounds.width();
        match (self.cut, other.cut) {
            (false, true) => true,
            (true, false) => false,
            (false, false) => area(self) > area(other),
            (true, true) => self.cells < other.cells,
        }
    }
}

/// What stands out if ink is light or dark.
fn extent(picture: &[u8], size: [usize; 2], scratch: &mut [u32], light: bool) -> Extent {
    let ground = Ground::of_cells(picture, size, &Window::SMALL, scratch, light);
    let rows = || picture.chunks_exact(size[1].max(1)).enumerate();
    let line = |row: usize, levels| {
        ground.row(row).iter().zip(levels).map(|(&ground, &level): (&u8, &u8)| {
            let (ground, level) =
                if light { (0x7f - ground, level >> 1) } else { (ground, level >> 1) };
            let (lighter, darker) = if light { (level, ground) } else { (ground, level) };
            ground::missing(lighter, 2 * lighter.saturating_sub(darker))
        })
    };
    let mut extent = Extent::default();
    for (row, levels) in rows() {
        extent.strongest = line(row, levels).fold(extent.strongest, u8::max);
    }
    let least = (extent.strongest / 2).max(1);
    for (row, levels) in rows() {
        for (column, strength) in line(row, levels).enumerate() {
            if strength >= least {
                extent.bounds.include(row, column);
                extent.cells += 1;
            }
        }
    }
    let Bounds { top, bottom, left, right } = extent.bounds;
    extent.cut = top == 0 || left == 0 || bottom >= size[0] || right >= size[1];
    extent.beyond = beyond(picture, size, extent.bounds, light);
    extent
}

/// How much darker or lighter than its surroundings the darkest or lightest place of a box is.
fn beyond(picture: &[u8], size: [usize; 2], bounds: Bounds, light: bool) -> u8 {
    let flip = if light { 0 } else { 0xff };
    let grown = |by: usize| Bounds {
        top: bounds.top.saturating_sub(by),
        bottom: bounds.bottom + by,
        left: bounds.left.saturating_sub(by),
        right: bounds.right + by,
    };
    let (near, far) = (grown(1), grown(1 + SURROUNDINGS));
    // The largest of levels, exchanged where ink is dark.
    let (mut inside, mut around, mut cells) = (0, 0, 0);
    for (row, levels) in picture.chunks_exact(size[1].max(1)).enumerate() {
        for (column, &level) in levels.iter().enumerate() {
            let level = level ^ flip;
            if bounds.holds(row, column) {
                inside = inside.max(level);
            } else if far.holds(row, column) && !near.holds(row, column) {
                around = around.max(level);
                cells += 1;
            }
        }
    }
    if cells == 0 {
        return 0;
    }
    let [inside, around] = [inside, around].map(|level| level ^ flip);
    let (lighter, darker) = if light { (inside, around) } else { (around, inside) };
    ground::missing(lighter >> 1, lighter.saturating_sub(darker))
}
