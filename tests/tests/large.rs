//! Samples that do not fit into memory: the same bytes as those that do, decoded once, and never an answer
//! that the source does not give any more.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use image::{Rgb, RgbImage};
use inkling_data::read::{self, Collection, Options, idx};
use inkling_data::{Dataset, Room, Split};
use tests::{program, random_images, scratch};

/// Pictures of two classes in parts, some of them for the test.
fn pictures(folder: &Path) {
    for (part, count) in [("train", 40), ("test", 10)] {
        for index in 0..count {
            let class = ["blue", "red"][index % 2];
            let dir = folder.join(part).join(class);
            fs::create_dir_all(&dir).expect("a folder is made");
            write(&dir.join(format!("{index}.png")), (index * 5) as u8, class == "red");
        }
    }
}

/// A picture whose file has the same size for every `level`.
fn write(path: &Path, level: u8, red: bool) {
    let pixel = |x: u32, y: u32| {
        let at = (level as u32).wrapping_mul(x * 31 + y * 17 + 1) as u8;
        Rgb(if red { [255, at, level] } else { [at, level, 255] })
    };
    RgbImage::from_fn(20, 16, pixel).save(path).expect("is written");
}

/// In memory, or all in files below `folder`.
fn options(cache: Option<&Path>) -> Options {
    let memory = if cache.is_some() { 100 } else { u64::MAX };
    let room = Room { memory, ..Room::default() };
    Options { room, cache: cache.map(Path::to_path_buf), ..Options::default() }
}

fn open(path: &Path, cache: Option<&Path>) -> Collection {
    read::open(path, &options(cache)).unwrap_or_else(|error| panic!("{error}"))
}

/// The notes that tell of the file.
fn told(collection: &Collection) -> Vec<&String> {
    let of_file =
        |note: &&String| ["kept in", "decoded", "made again"].iter().any(|w| note.contains(w));
    collection.notes.iter().filter(of_file).collect()
}

fn equal(a: &Collection, b: &Collection) {
    let same = |a: &Dataset, b: &Dataset| {
        assert!(a == b, "the samples differ");
        for index in 0..a.len() {
            assert_eq!(a.source(index), b.source(index));
        }
    };
    same(&a.train, &b.train);
    same(&a.test, &b.test);
    assert_eq!(a.validation.is_some(), b.validation.is_some());
    assert_eq!((&a.form, a.test_given, &a.bad), (&b.form, b.test_given, &b.bad));
    assert_eq!(a.preview, b.preview);
    let plain = |notes: &Collection| -> Vec<String> {
        let told = told(notes);
        notes.notes.iter().filter(|note| !told.contains(note)).cloned().collect()
    };
    assert_eq!(plain(a), plain(b));
}

/// A data set in each form that may be large.
fn forms(folder: &Path) -> Vec<PathBuf> {
    let [files, arrays, idx] = ["pictures", "arrays", "idx"].map(|name| folder.join(name));
    pictures(&files);
    for dir in [&arrays, &idx] {
        fs::create_dir_all(dir).expect("a folder is made");
    }
    let train = random_images(1, 60, 9, 8, 3);
    let npy = |name: &str, shape: &str, bytes: &[u8]| {
        let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({shape}), }}\n");
        let length = (header.len() as u16).to_le_bytes();
        let head = [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes()].concat();
        fs::write(arrays.join(name), [&head[..], bytes].concat()).expect("is written");
    };
    // Levels up to 15 are brought to 255.
    let dim: Vec<u8> = train.batch(0..60).iter().map(|level| level / 17).collect();
    let labels: Vec<u8> = train.labels.iter().map(|&label| label as u8).collect();
    npy("x_train.npy", "60, 9, 8", &dim);
    npy("y_train.npy", "60,", &labels);
    idx::write_pair(&idx, Split::Train, &train).expect("is written");
    idx::write_pair(&idx, Split::Test, &random_images(2, 20, 9, 8, 3)).expect("is written");
    vec![files, arrays, idx]
}

#[test]
fn files_hold_the_bytes_that_memory_would_and_are_decoded_once() {
    let folder = scratch("large-forms");
    let cache = folder.join("kept");
    for source in forms(&folder.join("data")) {
        let memory = open(&source, None);
        assert!(told(&memory).is_empty());
        let first = open(&source, Some(&cache));
        assert!(told(&first)[0].contains("kept in"), "{:?}", first.notes);
        let second = open(&source, Some(&cache));
        assert!(told(&second)[0].contains("decoded before"), "{:?}", second.notes);
        equal(&memory, &first);
        equal(&memory, &second);
        // What fits is kept nowhere.
        let small = Options { room: Room::default(), ..options(Some(&folder.join("none"))) };
        equal(&memory, &read::open(&source, &small).expect("is read"));
        assert!(!folder.join("none").exists());
    }
    let left: Vec<_> = walk(&cache).into_iter().filter(|file| file.contains(".tmp")).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn walk(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in folder.read_dir().expect("is there").map(|entry| entry.expect("is there")) {
        match entry.path().is_dir() {
            true => found.extend(walk(&entry.path())),
            false => found.push(entry.path().display().to_string()),
        }
    }
    found
}

#[test]
fn a_change_or_damage_is_decoded_again() {
    let folder = scratch("large-changes");
    let (source, cache) = (folder.join("data"), folder.join("kept"));
    pictures(&source);
    open(&source, Some(&cache));
    let again = |why: &str| {
        let now = open(&source, Some(&cache));
        equal(&open(&source, None), &now);
        let told = told(&now);
        assert!(told.len() == 1 && told[0].contains(why), "{why}: {:?}", now.notes);
        assert!(told[0].contains("made again"), "{told:?}");
        let then = open(&source, Some(&cache));
        assert!(then.notes.iter().any(|note| note.contains("decoded before")), "{:?}", then.notes);
    };
    // A picture of the same size at the same time.
    let picture = source.join("train/red/1.png");
    let before = fs::metadata(&picture).expect("is there");
    let bytes = fs::read(&picture).expect("is there");
    let other = fs::read(source.join("train/red/3.png")).expect("is there");
    fs::write(&picture, &other).expect("is written");
    let file = File::options().write(true).open(&picture).expect("is there");
    file.set_modified(before.modified().expect("has a time")).expect("is set");
    again("from other files");
    fs::write(&picture, bytes).expect("is written");
    again("from other files");
    // One that was renamed, into another class.
    fs::rename(&picture, source.join("train/blue/1.png")).expect("is renamed");
    again("from other files");

    let kept = |end: &str| {
        let found = walk(&cache).into_iter().find(|file| file.ends_with(end));
        PathBuf::from(found.expect("is kept"))
    };
    let samples = kept("0.samples");
    let mut bytes = fs::read(&samples).expect("is there");
    bytes[77] ^= 1;
    fs::write(&samples, &bytes).expect("is written");
    again("spoiled (0.samples has another checksum)");
    fs::write(&samples, &bytes[1..]).expect("is written");
    again("spoiled (0.samples has another checksum)");
    fs::remove_file(&samples).expect("is removed");
    again("spoiled");
    let text = fs::read_to_string(kept("index.json")).expect("is there");
    fs::write(kept("index.json"), &text[..text.len() / 2]).expect("is written");
    again("spoiled (its index cannot be read)");
    fs::write(kept("index.json"), text.replacen("\"program\":\"", "\"program\":\"x", 1))
        .expect("is written");
    again("another build");
    // Without its index, as a run leaves it that was killed, it is nothing.
    fs::remove_file(kept("index.json")).expect("is removed");
    let now = open(&source, Some(&cache));
    assert!(told(&now)[0].contains("kept in"), "{:?}", now.notes);
    equal(&open(&source, None), &now);
}

#[test]
fn training_on_files_gives_the_bytes_of_training_in_memory() {
    let folder = scratch("large-training");
    let data = folder.join("data");
    pictures(&data);
    let models = [("memory", "100", false), ("files", "0", false), ("again", "0", true)].map(
        |(name, limit, kept)| {
            let out = folder.join("out").join(name);
            let mut command = Command::new(program("trainer"));
            command.args([
                "--network",
                "tiny",
                "--epochs",
                "2",
                "--threads",
                "1",
                "--backend",
                "tract",
            ]);
            command
                .args(["--memory", limit, "--name", "same", "--data"])
                .arg(&data)
                .arg("--out")
                .arg(&out);
            let output = command.output().expect("the trainer starts");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(text.contains("decoded before"), kept, "{text}");
            assert_eq!(folder.join("out/samples").exists(), limit == "0");
            ["float.onnx", "int8.onnx", "model.rs", "model.json", "preview.png"]
                .map(|file| fs::read(out.join(file)).expect("is written"))
        },
    );
    assert!(models[0] == models[1] && models[0] == models[2], "the models differ");
}
