//! From what a camera or a touch screen gives to the bytes of a model's input, in integers.
//!
//! A [`Frame`] of any [`Format`] becomes an image `[height][width][channel]` in one of three
//! [`Form`]s: the whole frame with its aspect kept, the largest part of the frame that has the image's
//! aspect, or one character in the form of MNIST's digits. [`strokes`] draws what a finger wrote in the
//! latter. The host prepares its pictures with this code, so that both see the same bytes.
//!
//! ```
//! use firmware_core::prepare::{self, Form, Format, Frame, Polarity, Preparation};
//!
//! const DIGITS: Preparation =
//!     Preparation { form: Form::Digit, size: [28, 28], channels: 1, polarity: Polarity::Dark };
//! const WORDS: usize = prepare::scratch_words([120, 160], &DIGITS);
//!
//! # let mut camera = [200; 120 * 160];
//! # for row in 40..80 { camera[row * 160 + 70..row * 160 + 78].fill(30); }
//! let frame = Frame::new(Format::Grey, 120, 160, &camera)?;
//! let (mut scratch, mut image) = ([0; WORDS], [0; 28 * 28]);
//! let found = prepare::prepare(&frame, &DIGITS, &mut scratch, &mut image)?;
//! assert!(found.dark_ink);
//! assert_eq!(image[14 * 28 + 14], 255); // light ink on a dark ground, whatever it was
//! # Ok::<(), prepare::Error>(())
//! ```
//!
//! Nothing here allocates, panics or computes in floats. What is larger than a few words lies in the
//! caller's scratch, whose size [`scratch_words`] says; every pass goes through the frame row by row.

mod cells;
mod centred;
mod digit;
mod frame;
mod ground;
mod levels;
mod polarity;
mod resample;
mod runs;
mod slope;
mod touch;
mod whole;

pub use frame::{Format, Frame, MAX_SIDE, MIN_SIDE, Rows, luma};
pub(crate) use ground::slide;
pub use resample::{resample, scratch_words as resample_words};
pub use runs::Bounds;
pub use touch::{Point, strokes, strokes_words};

/// What part of a frame becomes the image, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The largest part around the middle that has the image's aspect.
    Crop,
    /// The whole frame with its aspect kept; beside it, the image has the brightness of the frame's
    /// border, in the median.
    Fit,
    /// One character as in MNIST: its ground is taken off, its box scaled until the longer side fills 20
    /// of 28 pixels, and its centre of mass put into the middle. Light ink, dark ground.
    Digit,
}

/// How ink is told from its ground. It matters to [`Form::Digit`]; the other forms exchange light and
/// dark for [`Polarity::Dark`] and leave both as they are for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polarity {
    /// Find out, which takes up to twice the time.
    Auto,
    /// Light ink on a dark ground.
    Light,
    /// Dark ink on a light ground, as on paper.
    Dark,
}

/// How frames become images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preparation {
    /// What part of the frame.
    pub form: Form,
    /// Height and width of the image, 1 to [`MAX_SIDE`].
    pub size: [usize; 2],
    /// 1 for grey, 3 for red, green and blue. A digit has the same bytes in all of them.
    pub channels: usize,
    /// Whether ink is dark or light.
    pub polarity: Polarity,
}

impl Preparation {
    /// Bytes of an image.
    pub const fn bytes(&self) -> usize {
        self.size[0] * self.size[1] * self.channels
    }

    /// The longer side of a character's box: 20 of 28 pixels of the image's shorter side.
    pub const fn box_side(&self) -> usize {
        let [height, width] = self.size;
        let shorter = if height < width { height } else { width };
        let side = (shorter * 20 + 14) / 28;
        if side == 0 { 1 } else { side }
    }
}

/// What was found on a frame. Of [`Form::Digit`], all of it; of the others, the part that was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Ink was darker than its ground, so that light and dark were exchanged.
    pub dark_ink: bool,
    /// How far the ground lies from its surface, in the median; this and the next three in 255ths of
    /// the ground's brightness.
    pub noise: u8,
    /// From here on it is ink.
    pub threshold: u8,
    /// What became 0.
    pub floor: u8,
    /// What became 255: full ink.
    pub peak: u8,
    /// How much of the variance lies between ink and ground, in 255ths: nearly all on an even ground.
    pub separation: u8,
    /// How much of the frame is ink, in 255ths.
    pub inked: u8,
    /// Specks and edges that were left out.
    pub removed: u8,
    /// Where the ink is, or what part was taken, in pixels of the frame.
    pub bounds: Bounds,
    /// Height and width that this got in the image.
    pub scaled: [usize; 2],
    /// Where this lies in the image: its first row and column.
    pub corner: [usize; 2],
}

/// Why a frame becomes no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A frame's sides or its number of bytes are not possible.
    FrameSize,
    /// The image's sides are not possible, or the output has another number of bytes.
    ImageSize,
    /// The scratch is shorter than [`scratch_words`].
    Scratch,
    /// Nothing stands out from the ground: the strongest ink and the ground's noise.
    Blank {
        /// In 255ths of the ground's brightness.
        contrast: u8,
        /// In the same.
        noise: u8,
    },
    /// So many characters stand side by side.
    Several(usize),
    /// Too much stands out from the ground to be one character.
    Texture,
}

impl core::fmt::Display for Error {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Error::FrameSize => out.write_str("a frame of other sides or bytes"),
            Error::ImageSize => out.write_str("an image of other sides or bytes"),
            Error::Scratch => out.write_str("the scratch is too small"),
            Error::Blank { .. } => out.write_str("is blank: nothing stands out from the ground"),
            Error::Several(_) => out.write_str("shows several characters side by side"),
            Error::Texture => {
                out.write_str("shows no single character: too much stands out from the ground")
            }
        }
    }
}

impl core::error::Error for Error {}

/// A step on the way from a frame to a digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// What stands out from the ground, as cells of the frame.
    Ground,
    /// The part around the ink, without dirt, stretched.
    Ink,
    /// The character in its final size.
    Box,
}

/// Sees a preparation's steps; `()` sees nothing.
pub trait Watch {
    /// A picture of `height × width` levels, `[height][width]`.
    fn step(&mut self, _step: Step, _size: [usize; 2], _levels: &mut dyn Iterator<Item = u8>) {}
}

impl Watch for () {}

/// Words of scratch for frames of `[height, width]`.
pub const fn scratch_words(frame: [usize; 2], preparation: &Preparation) -> usize {
    match preparation.form {
        Form::Digit => digit::words(frame, preparation),
        Form::Crop | Form::Fit => whole::words(frame, preparation),
    }
}

/// Prepares one frame: writes the image `[height][width][channel]` to `image`.
///
/// # Errors
///
/// [`Error`] says why there is no image; `image` then holds anything.
pub fn prepare(
    frame: &impl Rows,
    preparation: &Preparation,
    scratch: &mut [u32],
    image: &mut [u8],
) -> Result<Found, Error> {
    prepare_watched(frame, preparation, scratch, image, &mut ())
}

/// As [`prepare`], with someone who sees the steps.
///
/// # Errors
///
/// As [`prepare`].
pub fn prepare_watched(
    frame: &impl Rows,
    preparation: &Preparation,
    scratch: &mut [u32],
    image: &mut [u8],
    watch: &mut impl Watch,
) -> Result<Found, Error> {
    let [height, width] = [frame.height(), frame.width()];
    let possible = |side: usize| (1..=MAX_SIDE).contains(&side);
    if !(possible(height) && possible(width)) {
        return Err(Error::FrameSize);
    }
    let sides = preparation.size.iter().all(|&side| possible(side));
    if !sides || !matches!(preparation.channels, 1 | 3) || image.len() != preparation.bytes() {
        return Err(Error::ImageSize);
    }
    if scratch.len() < scratch_words([height, width], preparation) {
        return Err(Error::Scratch);
    }
    match preparation.form {
        Form::Digit => digit::prepare(frame, preparation, scratch, image, watch),
        Form::Crop | Form::Fit => Ok(whole::prepare(frame, preparation, scratch, image)),
    }
}

/// Hands out parts of a scratch, in order; where it is too short, shorter ones.
struct Scratch<'s>(&'s mut [u32]);

impl<'s> Scratch<'s> {
    fn words(&mut self, count: usize) -> &'s mut [u32] {
        let whole = core::mem::take(&mut self.0);
        let (part, rest) = whole.split_at_mut(count.min(whole.len()));
        self.0 = rest;
        part
    }

    fn bytes(&mut self, count: usize) -> &'s mut [u8] {
        let bytes = bytemuck::must_cast_slice_mut::<u32, u8>(self.words(count.div_ceil(4)));
        bytes.get_mut(..count).unwrap_or_default()
    }
}
