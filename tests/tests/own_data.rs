//! Pictures and tables become the images that they show.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use image::{GrayImage, Luma, Rgb, RgbImage};
use inkling_data::prepare::{Fill, Preparation};
use inkling_data::read::{self, Options, read_picture};
use inkling_data::{Dataset, Split};
use tests::pictures::{Paper, on_paper};
use tests::{mnist, program, root, scratch};
use trainer::ask::model::Model;

fn test_images(count: usize) -> Dataset {
    let all = Dataset::load(&mnist(), Split::Test).expect("MNIST is there");
    all.subset(&(0..count).collect::<Vec<_>>())
}

/// Mean distance of two images in grey levels.
fn distance(a: &[u8], b: &[u8]) -> f64 {
    let sum: u32 = a.iter().zip(b).map(|(&a, &b)| u32::from(a.abs_diff(b))).sum();
    f64::from(sum) / a.len() as f64
}

/// A digit as a small light picture goes through unchanged.
#[test]
fn an_mnist_image_is_its_own_picture() {
    let images = test_images(300);
    let folder = scratch("own-identity");
    for index in 0..images.len() {
        let path = folder.join("digit.png");
        let picture = GrayImage::from_raw(28, 28, images.image(index).to_vec()).expect("28×28");
        picture.save(&path).expect("the picture is written");
        let picture = read_picture(&path).expect("it is a picture");
        let prepared = Preparation::default().apply(&picture).expect("it has ink");
        assert!(!prepared.inverted);
        let off = distance(&prepared.pixels, images.image(index));
        assert!(off < 1.0, "image {index} is off by {off:.2} grey levels");
    }
}

/// Large digits, dark on light, in every format and place, come back as nearly the same images,
/// and the network sees the same digits.
#[test]
fn large_dark_digits_become_mnist_images_again() {
    let images = test_images(400);
    let folder = scratch("own-large");
    let mut back = Vec::new();
    let mut total = 0.0;
    for index in 0..images.len() {
        let (format, paper) = match index % 4 {
            0 => ("png", Paper::WHITE),
            1 => ("jpg", Paper::WHITE),
            2 => ("bmp", Paper { light: 210.0, ink: 40.0, ..Paper::WHITE }),
            _ => ("jpg", Paper { light: 200.0, ink: 60.0, slope: 0.25, grain: 4.0 }),
        };
        let path = folder.join(format!("digit.{format}"));
        on_paper(images.image(index), &paper, index as u64)
            .save(&path)
            .expect("the picture is written");
        let picture = read_picture(&path).expect("it is a picture");
        let prepared = Preparation::default()
            .apply(&picture)
            .unwrap_or_else(|what| panic!("image {index} {what}"));
        assert!(prepared.inverted, "image {index}");
        total += distance(&prepared.pixels, images.image(index));
        back.extend(prepared.pixels);
    }
    let back = images.with_samples(images.shape, back);
    let mean = total / images.len() as f64;
    assert!(mean < 6.0, "the images are off by {mean:.2} grey levels");
    let model = Model::open(&root().join("models/simple")).expect("the model is committed");
    let correct = |images: &Dataset| {
        let logits = model.int8_logits(images).expect("the model runs");
        converter::reference::correct(&logits, &images.labels)
    };
    let (before, after) = (correct(&images), correct(&back));
    println!("mean distance {mean:.2}; {before} of {} right before, {after} after", images.len());
    assert!(after + images.len() / 50 >= before, "{before} right before, {after} after");
}

/// Writes `count` images of each of three digits into a folder per name.
fn folder_of_words(name: &str, count: usize) -> PathBuf {
    let images = Dataset::load(&mnist(), Split::Train).expect("MNIST is there");
    let folder = scratch(name);
    for (digit, word) in [(0, "null"), (1, "eins"), (7, "sieben")] {
        let dir = folder.join(word);
        fs::create_dir(&dir).expect("the folder is made");
        let of_digit = (0..images.len()).filter(|&index| images.labels[index] == digit).take(count);
        for (number, index) in of_digit.enumerate() {
            let picture = on_paper(images.image(index), &Paper::WHITE, index as u64);
            let end = ["png", "jpg", "bmp"][number % 3];
            picture.save(dir.join(format!("{number:03}.{end}"))).expect("the picture is written");
        }
    }
    folder
}

#[test]
fn a_folder_per_label_is_a_data_set() {
    let folder = folder_of_words("own-folder", 14);
    let options = Options { seed: 3, ..Options::default() };
    let collection = read::open(&folder, &options).expect("it is a data set");
    assert_eq!(collection.train.names, ["eins", "null", "sieben"]);
    assert_eq!((collection.train.len(), collection.test.len()), (36, 6));
    assert_eq!((collection.train.height(), collection.train.classes()), (28, 3));
    assert!(!collection.test_given && collection.preview.is_some() && collection.bad.is_empty());
    let again = read::open(&folder, &options).expect("it is a data set");
    assert!(again.train == collection.train && again.test == collection.test);
    let other = read::open(&folder, &Options { seed: 4, ..options }).expect("it is a data set");
    assert!(other.test != collection.test);
}

/// Every kind of bad file is named with its reason, refused at first, left out on demand.
#[test]
fn bad_files_are_listed_and_left_out_on_demand() {
    let folder = folder_of_words("own-bad", 4);
    let bad: [(&str, &[u8], &str); 3] = [
        ("eins/notes.txt", b"not a picture at all", "no picture"),
        ("null/empty.png", b"", "0 bytes"),
        ("sieben/half.png", &[], "damaged"),
    ];
    for (name, contents, _) in bad {
        fs::write(folder.join(name), contents).expect("the file is written");
    }
    let whole = fs::read(folder.join("sieben/000.png")).expect("it was written");
    fs::write(folder.join("sieben/half.png"), &whole[..whole.len() / 2])
        .expect("the file is written");
    GrayImage::from_pixel(90, 60, Luma([201]))
        .save(folder.join("eins/blank.png"))
        .expect("written");
    fs::write(folder.join("eins/.DS_Store"), b"x").expect("the file is written");

    let error = read::open(&folder, &Options::default()).err().expect("is refused");
    let read::ImportError::Bad { bad: found, .. } = &error else { panic!("{error}") };
    assert_eq!(found.len(), 4, "{found:?}");
    for (name, _, part) in bad.iter().chain(&[("eins/blank.png", &[][..], "blank")]) {
        let named = |file: &&read::BadFile| file.path.ends_with(name) && file.what.contains(part);
        assert!(found.iter().any(|file| named(&file)), "{name} in {found:?}");
    }
    let text = error.to_string();
    assert!(
        text.contains("4 cannot be used")
            && text.contains("--skip-bad")
            && text.lines().count() == 1,
        "{text}"
    );

    let skipping = Options { skip_bad: true, ..Options::default() };
    let collection = read::open(&folder, &skipping).expect("the rest is a data set");
    assert_eq!((collection.bad.len(), collection.train.len() + collection.test.len()), (4, 12));
}

/// A picture's colours, transparency and size do not matter.
#[test]
fn colour_and_transparency_are_no_obstacle() {
    let images = test_images(1);
    let folder = scratch("own-colour");
    let digit = |row: u32, column: u32| images.image(0)[(row * 28 + column) as usize];
    let blue_on_yellow = RgbImage::from_fn(280, 280, |x, y| {
        let part = f32::from(digit(y / 10, x / 10)) / 255.0;
        let mix = |paper: f32, ink: f32| (paper * (1.0 - part) + ink * part) as u8;
        Rgb([mix(250.0, 20.0), mix(240.0, 30.0), mix(150.0, 120.0)])
    });
    let on_glass = image::RgbaImage::from_fn(280, 280, |x, y| {
        image::Rgba([10, 10, 10, digit(y / 10, x / 10)])
    });
    blue_on_yellow.save(folder.join("colour.png")).expect("written");
    on_glass.save(folder.join("glass.png")).expect("written");
    for name in ["colour.png", "glass.png"] {
        let picture = read_picture(&folder.join(name)).expect("it is a picture");
        let prepared = Preparation::default().apply(&picture).expect("it has ink");
        let off = distance(&prepared.pixels, images.image(0));
        assert!(prepared.inverted && off < 5.0, "{name} is off by {off:.2}");
    }
}

/// Writes a table and reads it.
fn table(name: &str, text: &str, options: &Options) -> Result<read::Collection, String> {
    let path = scratch(name).join("data.csv");
    fs::write(&path, text).expect("the table is written");
    read::open(&path, options).map_err(|error| error.to_string())
}

fn rows(images: &Dataset, header: &str) -> String {
    let row = |index: usize| {
        let pixels: Vec<String> = images.image(index).iter().map(u8::to_string).collect();
        format!("{},{}\n", images.labels[index], pixels.join(","))
    };
    header.to_string() + &(0..images.len()).map(row).collect::<String>()
}

#[test]
fn tables_with_and_without_a_header_are_the_same_images() {
    let images = test_images(70);
    let titles: Vec<String> = (0..784).map(|pixel| format!("pixel{pixel}")).collect();
    let header = format!("label,{}\n", titles.join(","));
    let plain = table("own-csv-plain", &rows(&images, ""), &Options::default()).expect("is read");
    let titled =
        table("own-csv-header", &rows(&images, &header), &Options::default()).expect("is read");
    assert_eq!(plain.train.names, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert!(plain.train == titled.train && plain.test == titled.test);
    let mut all: Vec<&[u8]> = Vec::new();
    for set in [&plain.train, &plain.test] {
        all.extend((0..set.len()).map(|index| set.image(index)));
    }
    let mut expected: Vec<&[u8]> = (0..images.len()).map(|index| images.image(index)).collect();
    all.sort();
    expected.sort();
    assert!(all == expected);
}

#[test]
fn what_is_wrong_with_a_table_is_said_with_its_row() {
    let good = "a,0,10,20,30\nb,0,1,2,3\na,4,5,6,7\nb,9,9,9,250\n";
    assert!(table("own-csv-good", good, &Options::default()).is_ok());
    for (name, text, parts) in [
        ("short", "a,1,2,3,4\nb,1,2\n", vec!["row 2", "3 cells, expected 5"]),
        ("word", "a,1,2,3,4\nb,1,x,3,4\n", vec!["row 2", "column 3", "\"x\""]),
        ("label", "a,1,2,3,4\n,1,2,3,4\n", vec!["row 2", "label is missing"]),
        ("one", "a,1,2,3,4\na,1,2,3,4\n", vec!["1 different label", "\"a\""]),
        ("kaggle", "pixel0,pixel1,pixel2,pixel3\n1,2,3,4\n", vec!["no label column"]),
        ("empty", "", vec!["is empty"]),
        ("holes", "a,1,,3,4\nb,1,2,3,4\n", vec!["1 numbers are missing", "--fill"]),
    ] {
        let error = table(&format!("own-csv-{name}"), text, &Options::default()).err();
        let error = error.unwrap_or_else(|| panic!("{name} was read"));
        for part in parts {
            assert!(error.contains(part), "{name}: {part:?} is missing in {error:?}");
        }
    }
}

#[test]
fn missing_pixels_are_filled() {
    let images = test_images(20);
    let mut text = rows(&images, "");
    // Every row loses a pixel inside the digit.
    text = text
        .lines()
        .map(|line| {
            let mut cells: Vec<&str> = line.split(',').collect();
            cells[1 + 14 * 28 + 14] = "";
            cells.join(",") + "\n"
        })
        .collect();
    let options = Options { fill: Some(Fill::Interpolate), ..Options::default() };
    let filled = table("own-csv-fill", &text, &options).expect("is filled");
    let whole = table("own-csv-whole", &rows(&images, ""), &Options::default()).expect("is read");
    let (mut off, mut zero) = (0.0, 0.0);
    for index in 0..whole.train.len() {
        let [truth, found] =
            [&whole, &filled].map(|set| f64::from(set.train.image(index)[14 * 28 + 14]));
        off += (truth - found).abs();
        zero += truth;
    }
    assert!(off < 0.6 * zero, "interpolation is off by {off}, zeros by {zero}");
}

fn trainer(arguments: &[&str], folder: &Path) -> (bool, String, String) {
    let output = Command::new(program("trainer"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

/// From pictures to a model that answers with the folders' names.
#[test]
fn own_pictures_are_trained_on_and_recognized() {
    let folder = folder_of_words("own-training", 60);
    let data = folder.to_str().expect("UTF-8");
    let out = scratch("own-training-out");
    let (ok, said, wrong) =
        trainer(&["--data", data, "--epochs", "12", "--name", "words", "--out", "model"], &out);
    assert!(ok, "{said}{wrong}");
    assert!(said.contains("dark ink on light") && said.contains("sieben"), "{said}");
    let names = fs::read_to_string(out.join("model/labels.txt")).expect("labels are written");
    assert_eq!(names, "eins\nnull\nsieben\n");
    assert!(out.join("model/preview.png").is_file());
    let mut right = 0;
    for word in ["null", "eins", "sieben"] {
        let picture = folder.join(word).join("003.png");
        let (ok, said, wrong) = trainer(
            &["predict", "--brief", "--model", "model", picture.to_str().expect("UTF-8")],
            &out,
        );
        assert!(ok, "{wrong}");
        right += usize::from(said.contains(&format!(": {word} (")));
    }
    assert!(right >= 2, "{right} of 3 pictures were recognized");

    // The same folder through files: the converter takes them, and so does the trainer.
    let (ok, said, wrong) = trainer(&["import", data, "--out", "idx"], &out);
    assert!(ok, "{said}{wrong}");
    let direct = read::open(&folder, &Options::default()).expect("it is a data set");
    let through = read::open(&out.join("idx"), &Options::default()).expect("it is a data set");
    assert!(
        direct.train == through.train
            && direct.test == through.test
            && direct.train.names == through.train.names
    );
}

/// A sine of a frequency by class on the first of three sensors, as CSV files in a folder per class.
fn recordings(name: &str) -> PathBuf {
    let folder = scratch(name);
    let mut random = fastrand::Rng::with_seed(7);
    for (class, turns) in [("slow", 1.0), ("fast", 4.0)] {
        fs::create_dir(folder.join(class)).expect("a test can make folders");
        for index in 0..40 {
            let phase = random.f64() * 6.0;
            let rows = (0..40).map(|row| {
                let angle = phase + f64::from(row) / 40.0 * turns * std::f64::consts::TAU;
                format!("{:.3},{:.3},0.5\n", angle.sin(), random.f64())
            });
            let text = "x,y,z\n".to_string() + &rows.collect::<String>();
            fs::write(folder.join(class).join(format!("{index:03}.csv")), text)
                .expect("it is written");
        }
    }
    folder
}

/// The network follows from the data, and nothing turns or shifts what is no picture.
#[test]
fn sensors_and_tables_need_no_option() {
    let mut random = fastrand::Rng::with_seed(8);
    let mut table = String::from("a,b,c,d,e,f,kind\n");
    for row in 0..200 {
        let values = (0..6).map(|at| random.f64() + f64::from(u8::from(at == row % 3)));
        let values: Vec<String> = values.map(|value| format!("{value:.3}")).collect();
        table.push_str(&format!("{},{}\n", values.join(","), ["p", "q", "r"][row % 3]));
    }
    let out = scratch("own-numbers");
    fs::write(out.join("table.csv"), table).expect("a test can write");
    let sensors = recordings("own-recordings");
    for (data, network) in [(sensors.as_path(), "recordings"), (&out.join("table.csv"), "vector")] {
        let data = data.to_str().expect("UTF-8");
        let (ok, said, wrong) = trainer(&["--data", data, "--threads", "1"], &out);
        assert!(ok, "{said}{wrong}");
        assert!(said.contains(&format!("network:  {network}: ")), "{said}");
        assert!(said.contains("no augmentation"), "{said}");
        let accuracy = said.lines().find_map(|line| line.strip_prefix("int8 accuracy"));
        let accuracy =
            accuracy.and_then(|line| line.trim().strip_suffix(" %")).map(str::parse::<f64>);
        assert!(matches!(accuracy, Some(Ok(80.0..))), "{said}");
        assert!(out.join("target/inkling").join(network).join("model.rs").is_file());
    }
}
