//! Chooses how pictures become images, by looking at some of them.

use super::picture::Picture;
use super::preparation::{Layout, Polarity, Preparation};
use crate::MAX_SIDE;

/// What somebody asked for; the rest is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Height and width of the images.
    pub size: Option<[usize; 2]>,
    pub layout: Option<Layout>,
    /// The layout where none is asked for; else the pictures tell.
    pub usual: Option<Layout>,
    pub polarity: Polarity,
    /// Pictures in colour become grey.
    pub grey: bool,
}

/// The smallest side of an image.
pub const LEAST_SIDE: usize = 8;

/// So many pixels an image gets unless asked for: 96 × 96.
const PIXELS: usize = 96 * 96;

/// Pictures that must agree for a layout, in percent.
const MOST: usize = 80;

/// Ink covers no more of a picture of one character than this.
const INK: f32 = 0.4;

/// The box of a character is at most so many times as wide as high, in the median, and the other
/// way round.
const WIDE: f32 = 1.8;
const HIGH: f32 = 3.0;

/// The share of the brightness's variance that one division into ink and ground must explain.
const TWO_LEVELS: f32 = 0.8;

/// Chooses for pictures of which `some` are known; the reason is for a person.
///
/// # Errors
///
/// One line for a size that is not possible.
pub fn choose(some: &[Picture], wishes: &Wishes) -> Result<(Preparation, String), String> {
    if let Some([height, width]) = wishes.size {
        let possible = LEAST_SIDE..=MAX_SIDE;
        if !possible.contains(&height) || !possible.contains(&width) {
            return Err(format!(
                "images of {height}×{width} asked for; sides from {LEAST_SIDE} to {MAX_SIDE} are possible"
            ));
        }
    }
    let (layout, reason) = match (wishes.layout, wishes.usual) {
        (Some(layout), _) => (layout, "asked for".to_string()),
        (None, Some(layout)) => (layout, "unless --layout says otherwise".to_string()),
        (None, None) => layout(some),
    };
    let in_colour = some.iter().any(Picture::has_colour);
    let keeps_colour = layout != Layout::Glyph && !wishes.grey && in_colour;
    let size = wishes.size.unwrap_or_else(|| match layout {
        Layout::Glyph => Preparation::default().size,
        Layout::Whole | Layout::Crop => size(some),
    });
    let channels = if keeps_colour { 3 } else { 1 };
    let polarity = wishes.polarity;
    let name = match layout {
        Layout::Glyph => "glyph",
        Layout::Whole => "whole",
        Layout::Crop => "crop",
    };
    Ok((Preparation { size, channels, layout, polarity }, format!("layout {name}: {reason}")))
}

fn layout(some: &[Picture]) -> (Layout, String) {
    let count = some.len();
    let in_colour = some.iter().filter(|picture| picture.colour_matters()).count();
    if in_colour * 20 > count {
        let what =
            format!("colour tells things apart on {in_colour} of {count} pictures looked at");
        return (Layout::Whole, what);
    }
    let mut boxes: Vec<[usize; 2]> = some.iter().filter_map(character).collect();
    let found = boxes.len();
    if count > 0 && found * 100 >= count * MOST {
        let aspect = |[height, width]: &[usize; 2]| *width as f32 / *height as f32;
        boxes.sort_by(|a, b| aspect(a).total_cmp(&aspect(b)));
        let [height, width] = boxes[found / 2];
        return if width as f32 > WIDE * height as f32 || height as f32 > HIGH * width as f32 {
            let shape = if width > height { "wide" } else { "high" };
            (Layout::Whole, format!("what is on the pictures is too {shape} for a character"))
        } else {
            let what = "show one character or sign on an even ground; --layout whole takes \
                        pictures as they are";
            (Layout::Glyph, format!("{found} of {count} pictures looked at {what}"))
        };
    }
    let what = format!(
        "only {found} of {count} pictures looked at show one character on an even ground; --layout \
         glyph boxes and centres it"
    );
    (Layout::Whole, what)
}

/// Height and width of the ink, if a picture shows ink on a ground and little of it.
fn character(picture: &Picture) -> Option<[usize; 2]> {
    let (_, found) = Preparation::default().run(picture, &mut ()).ok()?;
    let parts = |part: u8| f32::from(part) / 255.0;
    let is_one = parts(found.inked) <= INK && parts(found.separation) >= TWO_LEVELS;
    is_one.then(|| [found.bounds.height(), found.bounds.width()])
}

/// The size of most pictures, brought down by one factor if they are large.
fn size(some: &[Picture]) -> [usize; 2] {
    let median = |axis: usize| {
        let mut sides: Vec<usize> = some.iter().map(|picture| picture.size[axis]).collect();
        sides.sort_unstable();
        sides.get(sides.len() / 2).copied().unwrap_or(28)
    };
    let typical = [median(0), median(1)];
    let one = some.iter().all(|picture| picture.size == typical);
    let fits = |size: [usize; 2]| {
        size[0] * size[1] <= PIXELS
            && size.iter().all(|side| (LEAST_SIDE..=MAX_SIDE).contains(side))
    };
    if one && fits(typical) {
        return typical;
    }
    // A whole factor keeps pixels as sharp as they are.
    let whole = (1..=64).find(|factor| {
        typical.iter().all(|side| side.is_multiple_of(*factor)) && fits(typical.map(|s| s / factor))
    });
    let factor = ((typical[0] * typical[1]) as f32 / PIXELS as f32).sqrt().max(1.0);
    match whole.filter(|&whole| one && (whole as f32) < 1.5 * factor) {
        Some(whole) => typical.map(|side| side / whole),
        None => typical.map(|side| {
            ((side as f32 / factor / 4.0).round() as usize * 4).clamp(LEAST_SIDE, MAX_SIDE)
        }),
    }
}
