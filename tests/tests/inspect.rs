//! `trainer inspect` finds what was planted.

use std::fs;
use std::process::Command;

use inkling_data::prepare::InputForm;
use inkling_data::read::{Collection, labels};
use inkling_data::{Dataset, Split};
use tests::{mnist, program, root, scratch};
use trainer::ask::inspect::{Half, Inspection, Place, unclean};
use trainer::ask::model::Model;

/// A part of MNIST with faults at known places.
fn planted() -> Collection {
    let all = Dataset::load(&mnist(), Split::Train).expect("MNIST is there");
    let mut train = all.subset(&(0..500).collect::<Vec<_>>());
    let mut test = all.subset(&(1000..1100).collect::<Vec<_>>());
    let size = train.image_size();
    let [mut train_images, mut test_images] = [&train, &test].map(|set| set.batch(0..set.len()));
    let place = |index: usize| index * size..(index + 1) * size;
    // Train 10 is a copy of train 3, train 20 of train 5 under another label.
    train_images[place(10)].copy_from_slice(train.image(3));
    train.labels[10] = train.labels[3];
    train_images[place(20)].copy_from_slice(train.image(5));
    train.labels[20] = (train.labels[5] + 1) % 10;
    // Test 7 is train 30, test 8 nearly train 31.
    test_images[place(7)].copy_from_slice(train.image(30));
    test.labels[7] = train.labels[30];
    let nearly: Vec<u8> = train.image(31).iter().map(|pixel| pixel.saturating_sub(6)).collect();
    test_images[place(8)].copy_from_slice(&nearly);
    // Train 40 is blank, train 50 mislabelled.
    train_images[place(40)].fill(3);
    train.labels[50] = (train.labels[50] + 3) % 10;
    Collection {
        train: train.with_samples(train.shape, train_images),
        test: test.with_samples(test.shape, test_images),
        validation: None,
        form: InputForm::Bytes,
        forms: Vec::new(),
        test_given: true,
        notes: Vec::new(),
        bad: Vec::new(),
        preview: None,
    }
}

fn train(index: usize) -> Place {
    Place { half: Half::Train, index }
}

fn test(index: usize) -> Place {
    Place { half: Half::Test, index }
}

#[test]
fn planted_faults_are_found() {
    let collection = planted();
    let model = Model::open(&root().join("models/simple")).expect("the model is committed");
    let inspection = Inspection::new(&collection, Some(&model)).expect("the model fits");
    assert_eq!(inspection.blank, [train(40)]);
    let groups = &inspection.duplicates.groups;
    assert_eq!(
        *groups,
        [vec![train(3), train(10)], vec![train(5), train(20)], vec![train(30), test(7)]]
    );
    assert_eq!(inspection.duplicates.leaks(), 1);
    assert_eq!(inspection.duplicates.contradictions.len(), 1);
    assert_eq!(inspection.duplicates.contradictions[0].places, [train(5), train(20)]);
    let near = &inspection.duplicates.near;
    assert_eq!((near[0].test, near[0].train), (8, 31));
    let (_, suspects) = inspection.suspects.as_ref().expect("there is a model");
    let doubted: Vec<Place> = suspects.iter().map(|suspect| suspect.place).collect();
    for place in [train(50), train(20)] {
        assert!(doubted.contains(&place), "{place} is not among {doubted:?}");
    }
    assert!(doubted.len() < 15, "{doubted:?}");

    let dropped: Vec<(usize, &str)> = unclean(&collection);
    let indices: Vec<usize> = dropped.iter().map(|(index, _)| *index).collect();
    assert_eq!(indices, [5, 10, 20, 30, 40], "{dropped:?}");
}

#[test]
fn counts_and_means_are_right() {
    let dataset =
        Dataset::new([1, 2, 1], vec![0, 255, 0, 255, 10, 10], vec![0, 0, 1], labels::numbers(3));
    let collection = Collection { train: dataset.clone(), test: dataset, ..planted() };
    let inspection = Inspection::new(&collection, None).expect("no model is needed");
    let found = &inspection.train;
    assert_eq!(found.counts, [2, 1, 0]);
    assert!((found.mean - 530.0 / 6.0).abs() < 1e-9);
    let variance = (2.0 * 255.0_f64.powi(2) + 200.0) / 6.0 - found.mean * found.mean;
    assert!((found.deviation - variance.sqrt()).abs() < 1e-9);
    assert_eq!((found.histogram[0], found.histogram[1], found.histogram[31]), (2, 2, 2));
    assert_eq!(found.mean_images, [vec![0, 255], vec![10, 10], vec![]]);
}

/// The command tells and draws it; labels that look like HTML do no harm.
#[test]
fn the_command_writes_a_page_of_its_own() {
    let folder = scratch("inspect-command");
    let mut rng = fastrand::Rng::with_seed(2);
    for label in ["<b>bold", "plain"] {
        fs::create_dir_all(folder.join("data").join(label)).expect("made");
        for number in 0..8 {
            let (left, top) = (rng.u32(5..20), rng.u32(5..20));
            let picture = image::GrayImage::from_fn(60, 60, |x, y| {
                // A hook: an upright and a foot.
                let upright =
                    (left..left + 4).contains(&x) && (top..top + 22 + number).contains(&y);
                let foot = (left..left + 20).contains(&x)
                    && (top + 18 + number..top + 22 + number).contains(&y);
                image::Luma([if upright || foot { 20 } else { 240 }])
            });
            picture
                .save(folder.join("data").join(label).join(format!("{number}.png")))
                .expect("written");
        }
    }
    let output = Command::new(program("trainer"))
        .current_dir(&folder)
        .args(["inspect", "--data", "data", "--html", "page.html"])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("16 pictures") && said.contains("28×28"), "{said}");
    let page = fs::read_to_string(folder.join("page.html")).expect("it is written");
    assert!(page.contains("&lt;b&gt;bold") && !page.contains("<b>bold"));
    assert!(!page.contains("<script") && !page.contains("http"));
}
