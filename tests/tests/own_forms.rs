//! Data sets in the forms that people have them in: each is read right, or refused in one line.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use image::{GrayImage, Luma};
use inkling_data::prepare::{InputForm, Layout, Wishes};
use inkling_data::read::{self, Collection, Options, idx, read_picture};
use inkling_data::{Dataset, Sets, Split};
use tests::pictures::{Paper, on_paper};
use tests::several::npy;
use tests::{archives, colour, mnist, program, scratch};

fn digits(count: usize) -> Dataset {
    let all = Dataset::load(&mnist(), Split::Test).expect("MNIST is there");
    all.subset(&(0..count).collect::<Vec<_>>())
}

fn open(path: &Path) -> Result<Collection, String> {
    open_with(path, &Options::default())
}

fn open_with(path: &Path, options: &Options) -> Result<Collection, String> {
    let result = read::open(path, options).map_err(|error| error.to_string());
    if let Err(error) = &result {
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    result
}

fn good(path: &Path) -> Collection {
    open(path).unwrap_or_else(|error| panic!("{error}"))
}

/// Writes digits as pictures, a folder per label below `folder`.
fn write_digits(folder: &Path, images: &Dataset) {
    for (index, image) in images.images().enumerate() {
        let dir = folder.join(images.labels[index].to_string());
        fs::create_dir_all(&dir).expect("the folder is made");
        let picture = GrayImage::from_raw(28, 28, image.to_vec()).expect("28 × 28");
        picture.save(dir.join(format!("{index}.png"))).expect("is written");
    }
}

fn file(folder: &Path, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("it is below a folder")).expect("the folder is made");
    fs::write(&path, contents).expect("is written");
    path
}

#[test]
fn parts_of_any_name_are_parts_and_litter_is_none() {
    let images = digits(120);
    for [train, validation, test] in [["train", "val", "test"], ["Training", "Valid", "TESTING"]] {
        let folder = scratch(&format!("forms-parts-{train}"));
        let of = |range: std::ops::Range<usize>| images.subset(&range.collect::<Vec<_>>());
        write_digits(&folder.join("set").join(train), &of(0..80));
        write_digits(&folder.join("set").join(validation), &of(80..95));
        write_digits(&folder.join("set").join(test), &of(95..120));
        file(&folder, "__MACOSX/set/train/0/._0.png", "x");
        file(&folder, "set/Thumbs.db", "x");
        file(&folder.join("set").join(train), "3/desktop.ini", "x");
        let sets = Sets::load(&folder, &Options::default(), 1).expect("is a data set");
        assert_eq!(
            (sets.training.len(), sets.validation.len(), sets.test.len()),
            (80, 15, 25),
            "{:?}",
            sets.notes
        );
        assert!(sets.validation_given && sets.bad.is_empty());
        assert_eq!(sets.validation.names, sets.images.names);
        let source = sets.validation.source(0).expect("files are known").to_string();
        assert!(source.contains(validation), "{source}");
    }
}

#[test]
fn parquet_is_read_by_a_build_that_has_it_and_named_by_any_other() {
    let folder = scratch("forms-parquet");
    let one = file(&folder, "data/train-00000-of-00001.parquet", "PAR1");
    for path in [&folder, &one] {
        let error = open(path).err().expect("it is no Parquet file either");
        let says = ["build with --features parquet", "is no Parquet file, or damaged"];
        assert!(says.iter().any(|says| error.contains(says)), "{error}");
    }
}

/// What is imported keeps its validation set.
#[test]
fn importing_keeps_the_parts() {
    let folder = scratch("forms-import");
    let images = digits(150);
    for (part, range) in [("train", 0..110), ("val", 110..130), ("test", 130..150)] {
        write_digits(&folder.join("set").join(part), &images.subset(&range.collect::<Vec<_>>()));
    }
    let output = Command::new(program("trainer"))
        .args(["import", "set", "--out", "idx"])
        .current_dir(&folder)
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (direct, through) = (good(&folder.join("set")), good(&folder.join("idx")));
    assert!(direct.train == through.train && direct.test == through.test);
    assert!(through.validation.is_some() && direct.validation == through.validation);
}

fn table(name: &str, text: &str) -> Result<Collection, String> {
    open(&file(&scratch(&format!("forms-{name}")), "data.csv", text))
}

/// Rows of digits: `row` makes a line of index, label and pixels.
fn rows(count: usize, row: impl Fn(usize, u16, &[u8]) -> String) -> String {
    let images = digits(count);
    (0..count).map(|i| row(i, images.labels[i], images.image(i)) + "\n").collect()
}

fn joined(pixels: &[u8], separator: &str) -> String {
    pixels.iter().map(u8::to_string).collect::<Vec<_>>().join(separator)
}

#[test]
fn tables_are_read_however_they_are_written() {
    let plain = rows(100, |_, label, pixels| format!("{label},{}", joined(pixels, ",")));
    let plain = table("plain", &plain).expect("is a table");
    let titles: Vec<String> = (0..784).map(|pixel| pixel.to_string()).collect();
    let titles = titles.join(",");
    let same = [
        ("tabs", rows(100, |_, l, p| format!("{l}\t{}", joined(p, "\t")))),
        ("semicolons", rows(100, |_, l, p| format!("{l};{}", joined(p, ";")))),
        ("last", rows(100, |_, l, p| format!("{},{l}", joined(p, ",")))),
        ("float", rows(100, |_, l, p| format!("{l}.0,{}", joined(p, ",")))),
        (
            "pandas",
            format!(",label,{titles}\n")
                + &rows(100, |i, l, p| format!("{i},{l},{}", joined(p, ","))),
        ),
    ];
    for (name, text) in same {
        let other = table(name, &text).unwrap_or_else(|error| panic!("{error}"));
        assert!(other.train == plain.train && other.test == plain.test, "{name}");
    }
    let padded = rows(100, |_, label, p| format!("0{label},{}", joined(p, ",")));
    let padded = table("padded", &padded).expect("is a table");
    assert_eq!(padded.train.names, ["00", "01", "02", "03", "04", "05", "06", "07", "08", "09"]);
    assert_eq!(padded.train.labels, plain.train.labels);

    // A gap between labels is no class.
    let gaps = rows(100, |_, label, p| format!("{},{}", 10 * label, joined(p, ",")));
    let gaps = table("gaps", &gaps).expect("is a table");
    assert_eq!((gaps.train.classes(), gaps.train.names[9].as_str()), (10, "90"));
    let one = rows(20, |_, _, p| format!("5,{}", joined(p, ",")));
    assert!(table("one", &one).is_err_and(|error| error.contains("1 different label")));
}

#[test]
fn pixels_of_other_scales_are_scaled_and_told() {
    let images = digits(60);
    let scaled = |name: &str, by: &dyn Fn(u8) -> f32| {
        let text: String = (0..60)
            .map(|i| {
                let cells: Vec<String> =
                    images.image(i).iter().map(|&pixel| by(pixel).to_string()).collect();
                format!("{},{}\n", images.labels[i], cells.join(","))
            })
            .collect();
        table(name, &text).unwrap_or_else(|error| panic!("{error}"))
    };
    for (name, by) in [
        ("binary", (&|pixel: u8| f32::from(pixel / 128)) as &dyn Fn(u8) -> f32),
        ("unit", &|pixel| f32::from(pixel) / 255.0),
        ("sixteen", &|pixel| (f32::from(pixel) * 16.0 / 255.0).round()),
        ("twelve-bit", &|pixel| f32::from(pixel) * 16.0),
    ] {
        let collection = scaled(name, by);
        let largest = collection.train.images().flatten().max().copied().unwrap_or(0);
        assert!(largest >= 254, "{name}: {largest}");
        assert!(
            collection.notes.iter().any(|note| note.contains("became 0 to 255")),
            "{name}: {:?}",
            collection.notes
        );
        assert!(matches!(collection.form, InputForm::Numbers(_)), "{name}");
    }
    assert_eq!(scaled("bytes", &f32::from).form, InputForm::Bytes);
}

#[test]
fn numbers_that_are_no_pixels_become_vectors() {
    let text = "sepal,petal,width,species\n5.1,1.4,-0.2,setosa\n6.0,4.5,1.5,versicolor\n\
                5.0,1.5,0.2,setosa\n6.5,4.6,1.4,versicolor\n";
    let collection = table("vector", text).expect("is a table");
    assert_eq!(collection.train.shape, [1, 1, 3]);
    assert_eq!(collection.train.names, ["setosa", "versicolor"]);
    let InputForm::Numbers(scaling) = &collection.form else { panic!("{:?}", collection.form) };
    assert_eq!((scaling.offset.len(), scaling.offset[2]), (3, -0.2));
}

#[test]
fn idx_files_go_by_other_names_and_their_labels_may_have_gaps() {
    let folder = scratch("forms-idx");
    let images = digits(150);
    let write = |name: &str, set: &Dataset, first: u16| {
        let dims = [set.len(), 28, 28];
        let samples = set.batch(0..set.len());
        let labels: Vec<u8> = set.labels.iter().map(|&label| (label + first) as u8).collect();
        file(&folder, &name.replace('K', "images.idx3"), idx::encode_bytes(&dims, &samples));
        file(&folder, &name.replace('K', "labels.idx1"), idx::encode_bytes(&dims[..1], &labels));
    };
    let of = |range: std::ops::Range<usize>| images.subset(&range.collect::<Vec<_>>());
    write("MNIST/raw/train-K-ubyte", &of(0..110), 1);
    write("MNIST/raw/t10k-K-ubyte", &of(110..150), 1);
    let collection = good(&folder);
    assert_eq!((collection.train.len(), collection.test.len()), (110, 40));
    assert_eq!(collection.train.names[0], "1");
    assert_eq!(collection.train.labels, of(0..110).labels);
    fs::remove_file(folder.join("MNIST/raw/t10k-labels.idx1-ubyte")).expect("was there");
    assert!(open(&folder).is_err_and(|error| error.contains("t10k-labels.idx1-ubyte")));
}

#[test]
fn what_unpacks_to_too_much_is_refused() {
    let folder = scratch("forms-bombs");
    let (images, labels) = Split::Train.file_names();
    // 3 GB of zeros in 3 MB: announced by the header, never unpacked.
    let header = [0, 0, 8, 3, 0, 0x3a, 0x98, 0, 0, 0, 1, 0, 0, 0, 1, 0];
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(1));
    packer.write_all(&header).expect("into memory");
    packer.write_all(&vec![0; 16 << 20]).expect("into memory");
    file(&folder, &format!("{images}.gz"), packer.finish().expect("into memory"));
    file(&folder, labels, idx::encode_bytes(&[2], &[0, 1]));
    let error = open(&folder).err().expect("is refused");
    assert!(error.contains("100 times") && error.contains("gunzip"), "{error}");

    // A picture of 20,000 × 20,000 in colour, as its header says.
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    let body =
        [&20_000_u32.to_be_bytes()[..], &20_000_u32.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let mut crc = flate2::Crc::new();
    crc.update(&[b"IHDR", &body[..]].concat());
    png.extend([&body[..], &crc.sum().to_be_bytes()].concat());
    png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    let path = file(&folder, "large.png", png);
    let error = read_picture(&path).err().expect("is refused");
    assert!(error.contains("20000×20000") && error.contains("192 MB"), "{error}");
}

#[test]
fn half_a_jpeg_is_no_picture() {
    let folder = scratch("forms-jpeg");
    let whole = folder.join("whole.jpg");
    on_paper(digits(1).image(0), &Paper::WHITE, 1).save(&whole).expect("is written");
    assert!(read_picture(&whole).is_ok());
    let bytes = fs::read(&whole).expect("was written");
    for part in [3, 5, 9] {
        let half = file(&folder, "half.jpg", &bytes[..bytes.len() * part / 10]);
        let error = read_picture(&half).err().expect("is refused");
        assert!(error.contains("damaged"), "{error}");
    }
}

#[test]
fn pictures_may_be_listed() {
    let folder = scratch("forms-listed");
    let images = digits(40);
    let mut list = String::from("file_name,what,label,split\n");
    for (index, image) in images.images().enumerate() {
        let picture = GrayImage::from_raw(28, 28, image.to_vec()).expect("28 × 28");
        fs::create_dir_all(folder.join("files")).expect("the folder is made");
        picture.save(folder.join(format!("files/{index}.png"))).expect("is written");
        let split = if index < 30 { "train" } else { "test" };
        list += &format!("files/{index}.png,a digit,is {},{split}\n", images.labels[index]);
    }
    file(&folder, "metadata.csv", &list);
    let collection = good(&folder);
    assert_eq!((collection.train.len(), collection.test.len()), (30, 10));
    assert!(collection.train.names[0].starts_with("is "), "{:?}", collection.train.names);
    let zip = file(&folder.join("in"), "all.zip", archives::zip(&archives::files(&folder), false));
    let packed = good(&zip);
    assert!(packed.train == collection.train && packed.test == collection.test);
    fs::remove_file(zip).expect("was there");
    file(&folder, "metadata.csv", list + "files/none.png,a digit,is 1,train\n");
    assert!(open(&folder).is_err_and(|error| error.contains("files/none.png")));
}

#[test]
fn recordings_of_sensors_are_samples_of_one_row() {
    let folder = scratch("forms-series");
    for (label, step) in [("still", 0.0), ("shaken", 1.0)] {
        for number in 0..6 {
            let row = |t: usize| {
                let swing = step * if t.is_multiple_of(2) { 2.5 } else { -2.5 };
                format!("{t},{swing},{},9.81\n", swing + 0.1 * number as f32)
            };
            let rows: String = (0..40 + number).map(row).collect();
            file(&folder, &format!("{label}/{number}.csv"), format!("time,x,y,z\n{rows}"));
        }
    }
    let collection = good(&folder);
    assert_eq!(collection.train.shape, [1, 40, 3]);
    assert_eq!(collection.train.names, ["shaken", "still"]);
    assert!(collection.notes.iter().any(|note| note.contains("40 to 45 rows")));
    let zip = file(
        &scratch("forms-series-zip"),
        "all.zip",
        archives::zip(&archives::files(&folder), true),
    );
    assert!(good(&zip).train == collection.train);
    file(&folder, "still/bad.csv", "time,x,y,z\n0,1,2,word\n");
    assert!(open(&folder).is_err_and(|error| error.contains("still/bad.csv")));
}

#[test]
fn how_pictures_become_images_is_chosen_by_looking_at_them() {
    let preparation = |collection: &Collection| match collection.form {
        InputForm::Pictures(preparation) => preparation,
        ref other => panic!("{other:?}"),
    };
    let folder = scratch("forms-choose");
    let images = digits(60);
    for (index, image) in images.images().enumerate() {
        let paper = Paper { light: 205.0, ink: 50.0, slope: 0.2, grain: 3.0 };
        let dir = folder.join(format!("digits/{}", images.labels[index]));
        fs::create_dir_all(&dir).expect("the folder is made");
        on_paper(image, &paper, index as u64)
            .save(dir.join(format!("{index}.png")))
            .expect("is written");
    }
    let found = preparation(&good(&folder.join("digits")));
    assert_eq!((found.layout, found.shape()), (Layout::Glyph, [28, 28, 1]));

    colour::write(&folder.join("metal"), 8, [48, 64]);
    let metal = good(&folder.join("metal"));
    assert_eq!((preparation(&metal).layout, metal.train.shape), (Layout::Whole, [48, 64, 3]));
    // Taken as they are, channel by channel.
    let first = metal.train.source(0).expect("files are known").to_string();
    let picture = image::open(first).expect("is a picture").to_rgb8();
    assert_eq!(metal.train.image(0), picture.as_raw());
    let grey = Options {
        pictures: Wishes { grey: true, size: Some([24, 32]), ..Wishes::default() },
        ..Options::default()
    };
    let grey = open_with(&folder.join("metal"), &grey).expect("is a data set");
    assert_eq!(grey.train.shape, [24, 32, 1]);
    assert!(grey.notes.iter().any(|note| note.contains("--grey")), "{:?}", grey.notes);

    // Writing that is wide, dark on light: neither pressed into a square nor inverted.
    let mut rng = fastrand::Rng::with_seed(5);
    for (label, wave) in [("anna", 9.0), ("bert", 23.0)] {
        for number in 0..6 {
            let (shift, height) = (rng.u32(..20), 12.0 + 8.0 * rng.f32());
            let picture = GrayImage::from_fn(300, 100, |x, y| {
                let line = 50.0 + height * ((x + shift) as f32 / wave).sin();
                let inside = (20..280).contains(&x) && (y as f32 - line).abs() < 3.0;
                Luma([if inside { 30 } else { 240 }])
            });
            let dir = folder.join("hands").join(label);
            fs::create_dir_all(&dir).expect("the folder is made");
            picture.save(dir.join(format!("{number}.png"))).expect("is written");
        }
    }
    let hands = good(&folder.join("hands"));
    let [height, width, channels] = hands.train.shape;
    assert_eq!((preparation(&hands).layout, channels), (Layout::Whole, 1));
    assert!(width > 2 * height, "{:?}", hands.train.shape);
    assert!(hands.train.image(0)[0] > 200, "the paper is light: {}", hands.train.image(0)[0]);
}

/// Hue decides, and nobody says an option: the network sees colour, and its integers are exact.
#[test]
fn what_differs_in_hue_alone_is_learned() {
    let folder = scratch("forms-hue");
    colour::write(&folder.join("data"), 60, [48, 64]);
    let output = Command::new(program("trainer"))
        .args(["--data", "data", "--out", "model", "--backend", "tract"])
        .current_dir(&folder)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("colour stays colour"), "{said}");
    let card = fs::read_to_string(folder.join("model/MODEL_CARD.md")).expect("is written");
    assert!(card.contains("48×64×3") || said.contains("3×48×64"), "{said}{card}");
    let output = Command::new(program("trainer"))
        .args(["evaluate", "--model", "model", "--data", "data", "--json", "scores.json"])
        .current_dir(&folder)
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let scores: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("scores.json")).expect("is written"))
            .expect("is JSON");
    let accuracy = scores["int8"]["accuracy"].as_f64().expect("is a number");
    println!("{said}");
    // Of 27 images; guessing gives a third.
    assert!(accuracy > 0.9, "{accuracy}");
}

/// Arrays of one data set must be on one scale, and what is too narrow for a picture is a recording.
#[test]
fn arrays_say_what_they_are_or_are_refused() {
    let images = digits(60);
    let bytes: Vec<u8> = (0..60).flat_map(|at| images.image(at).to_vec()).collect();
    let labels: Vec<u8> = images.labels.iter().map(|&label| label as u8).collect();
    let folder = scratch("forms-scales");
    let fractions: Vec<u8> =
        bytes.iter().flat_map(|&byte| (f32::from(byte) / 255.0).to_le_bytes()).collect();
    for part in ["train", "test"] {
        npy(&folder, &format!("y_{part}"), "|u1", &[60], labels.clone());
    }
    npy(&folder, "x_train", "|u1", &[60, 28, 28], bytes.clone());
    npy(&folder, "x_test", "<f4", &[60, 28, 28], fractions.clone());
    let error = open(&folder).err().expect("0 to 1 beside 0 to 255");
    assert!(error.contains("go up to 1, those of training up to 255"), "{error}");
    npy(&folder, "x_train", "<f4", &[60, 28, 28], fractions);
    npy(&folder, "x_test", "|u1", &[60, 28, 28], bytes.clone());
    let error = open(&folder).err().expect("0 to 255 beside 0 to 1");
    assert!(error.contains("go up to 255, those of training up to 1"), "{error}");
    npy(&folder, "x_train", "|u1", &[60, 28, 28], bytes.iter().map(|byte| byte / 3).collect());
    assert_eq!(good(&folder).test.len(), 60, "darker is no other scale");

    let moments: Vec<u8> =
        (0..60 * 40 * 3).flat_map(|at| ((at % 17) as f32 - 8.0).to_le_bytes()).collect();
    let folder = scratch("forms-moments");
    npy(&folder, "x", "<f4", &[60, 40, 3], moments);
    npy(&folder, "y", "|u1", &[60], (0..60).map(|at| at % 2).collect());
    let recordings = good(&folder);
    assert_eq!(recordings.train.shape, [1, 40, 3]);
    let note = "taken for 40 moments of 3 sensors";
    assert!(recordings.notes.iter().any(|line| line == note), "{:?}", recordings.notes);
}

/// Cells of statistics for what is not known are holes, which nobody fills unasked.
#[test]
fn words_for_missing_numbers_are_holes() {
    let rows: String = (0..40)
        .map(|i| {
            format!("{},{},{}\n", ["no", "yes"][i % 2], ["NA", "2.5"][(i > 3) as usize], i * i)
        })
        .collect();
    let error = table("missing", &rows).err().expect("holes");
    assert!(error.contains("4 numbers are missing, in 4 images"), "{error}");
}
