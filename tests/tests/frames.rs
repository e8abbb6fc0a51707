//! Frames of a camera become digits on the cores that QEMU emulates, by the very bytes of the host, and
//! the committed model knows them.

use firmware_core::prepare::Polarity;
use inkling_data::frames::Scene;
use inkling_data::{Dataset, Split};
use tests::camera::{self, FRAMES};
use tests::mcu::{CORES, Toolchain};
use tests::{mnist, skip};

/// Frames that are prepared on emulated cores too.
const EMULATED: usize = 40;

#[test]
fn the_model_knows_digits_on_frames() {
    let images = Dataset::load(&mnist(), Split::Test).expect("MNIST is there");
    let mut right = [0; 2];
    for (seed, polarity) in [1, 2, 3, 4, 5].map(|seed| (seed, Polarity::Dark)) {
        let frames = Scene::default().frames(&images, FRAMES, seed);
        let answers = camera::ask(&frames, polarity);
        println!("{polarity:?} ink, seed {seed}: {answers}");
        assert_eq!(answers.frames, [FRAMES, FRAMES / 5]);
        right[0] += answers.right[0];
        right[1] += answers.right[1];
    }
    println!("{} of {} frames, {} in a hard shadow", right[0], 5 * FRAMES, right[1]);
    assert!(right[0] * 1000 >= 5 * FRAMES * 993, "{} of {} right", right[0], 5 * FRAMES);
    let frames = Scene::default().frames(&images, FRAMES, 1);
    let answers = camera::ask(&frames, Polarity::Auto);
    println!("Auto ink, seed 1: {answers}");
    assert!(answers.right[0] * 1000 >= FRAMES * 985, "{answers}");
}

/// The same bytes, for no more instructions than were aimed at, and nothing that could panic.
#[test]
fn frames_become_the_same_bytes_on_cores() {
    let Some(toolchain) = Toolchain::or_skip("frames on emulated cores") else { return };
    let images = Dataset::load(&mnist(), Split::Test).expect("MNIST is there");
    let frames = Scene::default().frames(&images, EMULATED, 1);
    let pixels: Vec<u8> = frames.iter().flat_map(|(frame, _)| frame.pixels.clone()).collect();
    let most =
        [("Cortex-M0", 1_000_000), ("Cortex-M4F", 400_000), ("Cortex-M55 with MVE", 450_000)];
    for (name, most) in most {
        let core = CORES.iter().find(|core| core.name == name).expect("it is listed");
        if !core.is_known_to(&toolchain) {
            let missing = "the toolchain has no library for its target";
            skip(name, missing, "tools/mcu-toolchain", "INKLING_REQUIRE_MCU");
            continue;
        }
        let found = core.prepare(&toolchain, &pixels).unwrap_or_else(|error| panic!("{error}"));
        for (index, (image, (frame, _))) in found.images.iter().zip(&frames).enumerate() {
            let host = camera::prepared(&frame.pixels, Polarity::Dark).ok();
            assert_eq!(*image, host, "{name}: frame {index}");
        }
        println!("{name}: {found}");
        assert!(found.mean() <= most, "{name}: {found}");
        assert!(found.panics.is_empty(), "{name} links {:?}", found.panics);
    }
}
