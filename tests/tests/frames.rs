//! Frames of a camera become digits on the cores that QEMU emulates, by the very bytes of the host, and
//! the committed model knows them.

use firmware_core::prepare::{self, Form, Format, Frame, Polarity, Preparation};
use inkling_data::frames::Scene;
use inkling_data::{Dataset, Split};
use tests::mcu::{CORES, Toolchain, expected};
use tests::{mnist, skip};

const DIGITS: Preparation =
    Preparation { form: Form::Digit, size: [28, 28], channels: 1, polarity: Polarity::Dark };

/// Frames whose accuracy is measured; as many as the README speaks of.
const FRAMES: usize = 2000;

/// Of these so many are also prepared on emulated cores.
const EMULATED: usize = 40;

fn prepared(pixels: &[u8], polarity: Polarity) -> Result<Vec<u8>, prepare::Error> {
    let preparation = Preparation { polarity, ..DIGITS };
    let frame = Frame::new(Format::Grey, 120, 160, pixels)?;
    let mut scratch = vec![0; prepare::scratch_words([120, 160], &preparation)];
    let mut image = vec![0; 784];
    prepare::prepare(&frame, &preparation, &mut scratch, &mut image)?;
    Ok(image)
}

/// Right answers of the committed model among all frames and among those with a hard shadow.
fn right(frames: &[(inkling_data::frames::CameraFrame, u16)], polarity: Polarity) -> [usize; 2] {
    let mut right = [0; 2];
    for (frame, label) in frames {
        let image = prepared(&frame.pixels, polarity);
        if image.is_ok_and(|image| firmware_core::argmax(&expected(&image)) == usize::from(*label))
        {
            right[0] += 1;
            right[1] += usize::from(frame.shadowed);
        }
    }
    right
}

#[test]
fn the_model_knows_digits_on_frames() {
    let images = Dataset::load(&mnist(), Split::Test).expect("MNIST is there");
    let frames = Scene::default().frames(&images, FRAMES, 1);
    let shadowed = frames.iter().filter(|(frame, _)| frame.shadowed).count();
    assert_eq!(shadowed, FRAMES / 5);
    for polarity in [Polarity::Dark, Polarity::Auto] {
        let [all, in_shadow] = right(&frames, polarity);
        println!(
            "{polarity:?} ink: {all} of {FRAMES} right, {in_shadow} of {shadowed} in a hard shadow"
        );
        assert!(all * 1000 >= FRAMES * 993, "{polarity:?}: {all} of {FRAMES}");
    }
}

/// The same bytes on every core, for so many instructions: the bounds are those of the README.
#[test]
fn frames_become_the_same_bytes_on_cores() {
    let Some(toolchain) = Toolchain::or_skip("frames on emulated cores") else { return };
    let images = Dataset::load(&mnist(), Split::Test).expect("MNIST is there");
    let frames = Scene::default().frames(&images, EMULATED, 1);
    let pixels: Vec<u8> = frames.iter().flat_map(|(frame, _)| frame.pixels.clone()).collect();
    for (name, most) in [("Cortex-M0", 1_000_000), ("Cortex-M4F", 400_000)] {
        let core = CORES.iter().find(|core| core.name == name).expect("it is listed");
        if !core.is_known_to(&toolchain) {
            let missing = "the toolchain has no library for its target";
            skip(name, missing, "tools/mcu-toolchain", "INKLING_REQUIRE_MCU");
            continue;
        }
        let found = core.prepare(&toolchain, &pixels).unwrap_or_else(|error| panic!("{error}"));
        for (index, (image, (frame, _))) in found.images.iter().zip(&frames).enumerate() {
            let host = prepared(&frame.pixels, Polarity::Dark).ok();
            assert_eq!(*image, host, "{name}: frame {index}");
        }
        let mean = found.instructions.iter().sum::<u64>() / EMULATED as u64;
        let worst = found.instructions.iter().max().expect("some");
        println!(
            "{name}: {mean} instructions in the mean, {worst} at most, {} bytes of code, {} of stack",
            found.code, found.stack
        );
        assert!(mean <= most, "{name}: {mean} instructions in the mean");
    }
}
