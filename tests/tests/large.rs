//! Samples that do not fit into memory: the same bytes as those that do, decoded once, and never an answer
//! that the source does not give any more.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use image::{Rgb, RgbImage};
use inkling_data::read::{self, Collection, Options, idx};
use inkling_data::{Dataset, Room, Split};
use tests::several::npy;
use tests::{archives, program, random_images, scratch};

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
    let [files, arrays, floats, idx] =
        ["pictures", "arrays", "floats", "idx"].map(|name| folder.join(name));
    pictures(&files);
    fs::create_dir_all(&idx).expect("a folder is made");
    let train = random_images(1, 60, 9, 8, 3);
    let labels: Vec<u8> = train.labels.iter().map(|&label| label as u8).collect();
    // Levels up to 15 are brought to 255.
    let dim: Vec<u8> = train.batch(0..60).iter().map(|level| level / 17).collect();
    let signed = dim.iter().flat_map(|&level| (f32::from(level) / 3.0 - 2.0).to_le_bytes());
    npy(&arrays, "x_train", "|u1", &[60, 9, 8], dim.clone());
    npy(&arrays, "y_train", "|u1", &[60], labels.clone());
    npy(&floats, "x_train", "<f4", &[60, 9, 8], signed.collect());
    npy(&floats, "y_train", "|u1", &[60], labels);
    idx::write_pair(&idx, Split::Train, &train).expect("is written");
    idx::write_pair(&idx, Split::Test, &random_images(2, 20, 9, 8, 3)).expect("is written");
    let row = |(index, &label): (usize, &u16)| {
        let pixels = train.image(index).iter().map(u8::to_string).collect::<Vec<_>>().join(",");
        format!("{label},{pixels}\n")
    };
    let rows: String = train.labels.iter().enumerate().map(row).collect();
    let in_archive = |name: &str, bytes: Vec<u8>| {
        fs::write(folder.join(name), bytes).expect("is written");
        folder.join(name)
    };
    let listed = archives::files(&files);
    let mut all = vec![
        in_archive("pictures.zip", archives::zip(&listed, false)),
        in_archive("large.zip", archives::zip(&listed, true)),
        in_archive("pictures.tar", archives::tar(&listed)),
        in_archive("pictures.tar.gz", archives::gz(&archives::tar(&listed))),
        in_archive("arrays.npz", archives::zip(&archives::files(&arrays), true)),
        in_archive("floats.npz", archives::zip(&archives::files(&floats), false)),
        in_archive("idx.zip", archives::zip(&archives::files(&idx), false)),
        in_archive("table.csv", rows.clone().into_bytes()),
        in_archive("table.tar", archives::tar(&vec![("set/table.csv".into(), rows.into_bytes())])),
    ];
    all.extend([files, arrays, floats, idx]);
    all
}

/// In an archive are the same samples as in a folder.
#[test]
fn an_archive_holds_what_its_folder_would() {
    let folder = scratch("large-archives");
    let all = forms(&folder);
    for path in all.iter().filter(|path| path.is_file()) {
        let stem = path.file_stem().expect("it has a name").to_string_lossy();
        let stem = stem.trim_end_matches(".tar").replace("large", "pictures");
        let plain = if stem == "table" { folder.join("table.csv") } else { folder.join(stem) };
        let [archive, plain] = [path, &plain].map(|path| open(path, None));
        assert!(archive.train == plain.train && archive.test == plain.test, "{}", path.display());
    }
}

/// Of an archive that is cut off nothing is read as if it were all.
#[test]
fn half_an_archive_is_refused() {
    let folder = scratch("large-cut");
    pictures(&folder.join("data"));
    let files = archives::files(&folder.join("data"));
    let tar = archives::tar(&files);
    let all =
        [("a.zip", archives::zip(&files, true)), ("a.tar.gz", archives::gz(&tar)), ("a.tar", tar)];
    for (name, bytes) in all {
        let path = folder.join(name);
        // A tar ends with two blocks of zeros, of which one is enough.
        let whole = bytes.len() - if name == "a.tar" { 1024 } else { 1 };
        for length in (0..whole).step_by(whole / 40).chain([whole]) {
            fs::write(&path, &bytes[..length]).expect("is written");
            let error = read::open(&path, &Options::default()).err();
            let error =
                error.unwrap_or_else(|| panic!("{name}: {length} bytes are read")).to_string();
            assert!(
                error.starts_with(&path.display().to_string()) && error.lines().count() == 1,
                "{error}"
            );
        }
    }
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

/// The most anonymous memory, in KB, that the trainer takes with these arguments.
#[cfg(target_os = "linux")]
fn anonymous(arguments: &[&str], source: &Path, out: &Path) -> u64 {
    let mut command = Command::new(program("trainer"));
    command.args(arguments).arg(source).args(["--memory", "1", "--out"]).arg(out);
    let mut running = command.stdout(std::process::Stdio::null()).spawn().expect("it starts");
    let status = format!("/proc/{}/status", running.id());
    let mut most = 0;
    loop {
        if let Some(ended) = running.try_wait().expect("it is ours") {
            assert!(ended.success(), "{}", source.display());
            return most;
        }
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        most = most.max(number.and_then(|number| number.parse().ok()).unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// Whatever the samples lie in, they are never in memory all at once.
#[cfg(target_os = "linux")]
#[test]
fn archives_arrays_and_tables_take_less_memory_than_their_samples() {
    let folder = scratch("large-anonymous");
    let arrays = folder.join("arrays");
    // Three bytes of a colour for each of 96 columns.
    let image = random_images(3, 16, 96, 3 * 96, 3);
    let count = 1600;
    let sample = |index: usize| image.image(index % 16);
    let labels: Vec<u8> = (0..count).map(|index| (index % 2) as u8).collect();
    npy(&arrays, "x", "|u1", &[count, 96, 96, 3], (0..count).flat_map(sample).copied().collect());
    npy(&arrays, "y", "|u1", &[count], labels.clone());
    let floats = folder.join("floats");
    let numbers = (0..count / 2).flat_map(sample).flat_map(|&x| (f32::from(x) - 9.5).to_le_bytes());
    npy(&floats, "x", "<f4", &[count / 2, 96, 96, 3], numbers.collect());
    npy(&floats, "y", "|u1", &[count / 2], labels[..count / 2].to_vec());
    let pictures = |index: usize| {
        let mut png = std::io::Cursor::new(Vec::new());
        let picture = RgbImage::from_raw(96, 96, sample(index).to_vec()).expect("96 × 96");
        picture.write_to(&mut png, image::ImageFormat::Bmp).expect("into memory");
        (format!("{}/{index}.bmp", index % 2), png.into_inner())
    };
    let pictures: archives::Files = (0..count).map(pictures).collect();
    let row = |index: usize| {
        let cells = sample(index).iter().map(u8::to_string).collect::<Vec<_>>().join(",");
        format!("{},{cells}\n", index % 2)
    };
    let forms = [
        ("arrays.npz", archives::zip(&archives::files(&arrays), true)),
        ("pictures.zip", archives::zip(&pictures, false)),
        ("pictures.tar", archives::tar(&pictures)),
        ("pictures.tar.gz", archives::gz(&archives::tar(&pictures))),
    ];
    let table = folder.join("table");
    fs::create_dir_all(&table).expect("a folder is made");
    fs::write(table.join("train.csv"), (0..count / 2).map(row).collect::<String>())
        .expect("is written");
    let mut sources = vec![arrays, floats, table];
    for (name, bytes) in forms {
        fs::write(folder.join(name), bytes).expect("is written");
        sources.push(folder.join(name));
    }
    // 44 MB of samples, or 22 MB that are numbers of four bytes each on the way: 88 MB. The columns of a
    // table are found by cells that are text, up to so many.
    for source in sources {
        let most = anonymous(&["import"], &source, &folder.join("out"));
        println!("{}: {most} KB", source.display());
        let bound = if source.ends_with("table") { 44_000 } else { 22_000 };
        assert!((1_000..bound).contains(&most), "{}: {most} KB", source.display());
    }
}

/// Large images go through the graphs a few at a time: all 64 of a batch at once would take 600 MB.
#[cfg(target_os = "linux")]
#[test]
fn training_on_large_images_takes_a_part_of_a_batch_at_a_time() {
    let folder = scratch("large-images");
    let data = folder.join("data");
    let count = 140;
    let images = random_images(5, count, 96, 3 * 96, 3);
    npy(&data, "x", "|u1", &[count, 96, 96, 3], images.batch(0..count));
    npy(&data, "y", "|u1", &[count], (0..count).map(|index| (index % 2) as u8).collect());
    let arguments = "train --network photo --epochs 1 --threads 1 --backend tract --data";
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let taken = anonymous(&arguments, &data, &folder.join("out"));
    println!("training 96 × 96 × 3 takes {taken} KB");
    assert!((10_000..400_000).contains(&taken), "{taken} KB");
}
