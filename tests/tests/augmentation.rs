//! Random changes: repeatable, each at work, none that hides the digit.

use std::sync::Arc;

use inkling_data::random::{Purpose, Random};
use inkling_data::{Augmentation, Border};
use inkling_data::{Dataset, Split};
use tests::{mnist, program, root, scratch};
use trainer::ask::model::Model;
use trainer::learn::batches::{Feed, Part};

const SIZE: [usize; 3] = [28, 28, 1];

fn images(count: usize) -> Dataset {
    let all = Dataset::load(&mnist(), Split::Test).expect("MNIST is there");
    all.subset(&(0..count).collect::<Vec<_>>())
}

fn random(seed: u64, place: u64) -> Random {
    Random::new(seed, Purpose::Augmentation, place)
}

fn apply(augmentation: &Augmentation, seed: u64, place: u64, image: &[u8]) -> Vec<f32> {
    let mut out = vec![f32::NAN; image.len()];
    augmentation.apply(&mut random(seed, place), image, SIZE, Border::Black, &mut out);
    out
}

/// Each change alone, at a strength that is plain to see.
fn alone() -> Vec<Augmentation> {
    let off = Augmentation::default;
    vec![
        Augmentation { rotation: 15.0, ..off() },
        Augmentation { scale: 0.15, ..off() },
        Augmentation { shift: 2.0, ..off() },
        Augmentation { shear: 0.2, ..off() },
        Augmentation { elastic: 2.5, ..off() },
        Augmentation { crop: 0.15, ..off() },
        Augmentation { noise: 0.15, ..off() },
        Augmentation { erase: 0.05, ..off() },
    ]
}

#[test]
fn nothing_changes_without_strength() {
    let images = images(5);
    for index in 0..images.len() {
        let expected: Vec<f32> =
            images.image(index).iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
        assert_eq!(apply(&Augmentation::default(), 1, 1, images.image(index)), expected);
    }
}

/// A row of numbers moves along itself: nothing of what lies beside it comes in.
#[test]
fn what_is_one_row_moves_along_itself() {
    let row: Vec<u8> = (0..60).map(|place| 40 + place).collect();
    let strong = Augmentation {
        rotation: 90.0,
        shear: 1.0,
        shift: 5.0,
        scale: 0.2,
        elastic: 3.0,
        ..Default::default()
    };
    let mut out = vec![f32::NAN; row.len()];
    for place in 0..50 {
        strong.apply(&mut random(3, place), &row, [1, 60, 1], Border::Continued, &mut out);
        let inside = out.iter().all(|value| (39.9 / 255.0..=99.1 / 255.0).contains(value));
        assert!(inside && out[50] > out[10], "{out:?}");
    }
    let still = strong.unmoved();
    strong.apply(&mut random(3, 1), &row, [1, 60, 1], Border::Continued, &mut out);
    let moved = out.clone();
    still.apply(&mut random(3, 1), &row, [1, 60, 1], Border::Continued, &mut out);
    assert!(out.iter().zip(&row).all(|(&value, &byte)| value == f32::from(byte) / 255.0));
    assert_ne!(out, moved);
}

#[test]
fn the_seed_decides_and_every_change_works() {
    let images = images(20);
    for augmentation in alone() {
        for index in 0..images.len() {
            let image = images.image(index);
            let first = apply(&augmentation, 1, index as u64, image);
            // Rounding in the sampler is far below a grey level.
            assert!(first.iter().all(|pixel| (-0.001..=1.001).contains(pixel)), "{augmentation}");
            assert_eq!(first, apply(&augmentation, 1, index as u64, image), "{augmentation}");
            assert_ne!(first, apply(&augmentation, 2, index as u64, image), "{augmentation}");
        }
    }
}

/// What augmentation must not do is change the digit: the trained network still reads it.
#[test]
fn a_changed_digit_is_still_the_digit() {
    let images = images(500);
    let model = Model::open(&root().join("models/simple")).expect("the model is committed");
    for augmentation in alone() {
        let byte = |pixel: f32| (255.0 * pixel).round() as u8;
        let changed = (0..images.len()).flat_map(|index| {
            apply(&augmentation, 3, index as u64, images.image(index)).into_iter().map(byte)
        });
        let changed = images.with_samples(images.shape, changed.collect());
        let logits = model.int8_logits(&changed).expect("it runs");
        let correct = converter::reference::correct(&logits, &images.labels);
        println!("{augmentation}: {correct} of 500 right");
        assert!(correct >= 470, "{augmentation}: {correct} of 500 right");
    }
}

#[test]
fn strengths_out_of_range_are_refused_by_name() {
    let wrong = Augmentation { erase: 1.5, ..Augmentation::default() };
    assert!(wrong.check().expect_err("is refused").contains("erase is 1.5"));
    let wrong = Augmentation { noise: f32::NAN, ..Augmentation::default() };
    assert!(wrong.check().is_err());
    assert!(alone().iter().all(|augmentation| augmentation.check().is_ok()));
}

/// A recipe may leave out what is off, and a word that is none is an error.
#[test]
fn it_is_read_from_a_recipe() {
    let read: Augmentation =
        serde_json::from_str(r#"{"rotation": 10.0, "elastic": 1.5}"#).expect("is read");
    assert_eq!(read, Augmentation { rotation: 10.0, elastic: 1.5, ..Augmentation::default() });
    assert!(serde_json::from_str::<Augmentation>(r#"{"rotatoin": 10.0}"#).is_err());
}

#[test]
fn the_command_draws_a_sheet() {
    let sheet = scratch("augmentation-sheet").join("sheet.png");
    let output = std::process::Command::new(program("trainer"))
        .current_dir(root())
        .args(["augment", "--count", "5", "--elastic", "2", "--preview"])
        .arg(&sheet)
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let picture = image::open(&sheet).expect("it is a picture");
    assert_eq!((picture.width(), picture.height()), (6 * 58 + 2, 10 * 58 + 2));
}

/// Mixed images share their labels; nothing else of a batch changes.
#[test]
fn mixed_images_share_their_labels() {
    let dataset = Arc::new(images(60));
    let batches = |augmentation: Augmentation| {
        let feed = Feed {
            dataset: dataset.clone(),
            indices: (0..60).collect(),
            augmentation: Some(augmentation),
            label_smoothing: 0.0,
            class_weights: Vec::new(),
            seed: 5,
            batch: 20,
            parts: 1,
            noise: 0,
            strangers: None,
        };
        feed.epoch(0).into_iter().flatten().collect::<Vec<Part>>()
    };
    let plain = batches(Augmentation::default());
    for mixing in [
        Augmentation { mix_up: 0.5, ..Augmentation::default() },
        Augmentation { cut_mix: 0.5, ..Augmentation::default() },
    ] {
        let (mut mixed, mut shared) = (0, 0);
        for (part, plain) in batches(mixing).iter().zip(&plain) {
            for column in 0..20 {
                let of = |values: &[f32]| -> Vec<f32> {
                    values.iter().skip(column).step_by(20).copied().collect()
                };
                let targets = of(&part.targets);
                assert!((targets.iter().sum::<f32>() - 0.05).abs() < 1e-6, "{targets:?}");
                mixed += usize::from(of(&part.images) != of(&plain.images));
                shared += usize::from(targets.iter().filter(|&&target| target > 0.0).count() == 2);
            }
        }
        // Two of one class share nothing.
        assert!((15..45).contains(&mixed) && (10..=mixed).contains(&shared), "{mixed} {shared}");
    }
}
