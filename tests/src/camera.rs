//! Digits on frames of a camera: what the committed model makes of them.

use firmware_core::prepare::{self, Error, Form, Format, Frame, Polarity, Preparation};
use inkling_data::frames::CameraFrame;

use crate::mcu::expected;

/// Height and width of the frames that [`inkling_data::frames::Scene`] has unless told otherwise.
pub const SIZE: [usize; 2] = [120, 160];

/// Frames of which the README tells the accuracy.
pub const FRAMES: usize = 2000;

/// As `firmware-core/counts` prepares them, but for the polarity.
pub fn digits(polarity: Polarity) -> Preparation {
    Preparation { form: Form::Digit, size: [28, 28], channels: 1, polarity }
}

/// Prepares the grey pixels of a frame.
///
/// # Errors
///
/// Why there is no image.
pub fn prepared(pixels: &[u8], polarity: Polarity) -> Result<Vec<u8>, Error> {
    let preparation = digits(polarity);
    let frame = Frame::new(Format::Grey, SIZE[0], SIZE[1], pixels)?;
    let mut scratch = vec![0; prepare::scratch_words(SIZE, &preparation)];
    let mut image = vec![0; preparation.bytes()];
    prepare::prepare(&frame, &preparation, &mut scratch, &mut image)?;
    Ok(image)
}

/// How many frames the committed model answers right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// All frames, and those with a hard shadow.
    pub frames: [usize; 2],
    /// The right answers among them.
    pub right: [usize; 2],
    /// Frames that were refused, which is no right answer either.
    pub refused: usize,
}

/// Asks the committed model about frames with their labels.
pub fn ask(frames: &[(CameraFrame, u16)], polarity: Polarity) -> Answers {
    let mut answers = Answers::default();
    for (frame, label) in frames {
        let image = prepared(&frame.pixels, polarity);
        answers.refused += usize::from(image.is_err());
        let right = image
            .is_ok_and(|image| firmware_core::argmax(&expected(&image)) == usize::from(*label));
        for (kind, counts) in [true, frame.shadowed].into_iter().enumerate() {
            answers.frames[kind] += usize::from(counts);
            answers.right[kind] += usize::from(counts && right);
        }
    }
    answers
}

impl std::fmt::Display for Answers {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = |kind: usize| 100.0 * self.right[kind] as f64 / self.frames[kind].max(1) as f64;
        write!(
            out,
            "{} of {} frames right ({:.2} %), {} of {} in a hard shadow ({:.2} %), {} refused",
            self.right[0],
            self.frames[0],
            share(0),
            self.right[1],
            self.frames[1],
            share(1),
            self.refused
        )
    }
}
