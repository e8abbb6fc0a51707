//! The committed models beside `simple`: their files belong together, are what the converter writes, and
//! keep what their names and cards say.

use std::fs;
use std::path::PathBuf;

use converter::record::ModelRecord;
use converter::{Converter, Favour, prove, reference};
use inkling_data::{Dataset, Split};
use tests::{mnist, root};

/// The folders of `models/` with the bytes of weights that their names allow.
fn folders() -> Vec<(PathBuf, usize)> {
    let entries = fs::read_dir(root().join("models")).expect("the folder is there");
    let mut folders = Vec::new();
    for entry in entries {
        let folder = entry.expect("the folder can be read").path();
        let name = folder.file_name().expect("it has a name").to_string_lossy().into_owned();
        if let Some(size) = name.strip_prefix("digits-").and_then(|size| size.strip_suffix('k')) {
            folders.push((folder, 1024 * size.parse::<usize>().expect("a number of KB")));
        }
    }
    folders.sort();
    folders
}

#[test]
fn every_file_is_what_the_others_say() {
    let test = Dataset::load(&mnist(), Split::Test).expect("MNIST is committed");
    let train = Dataset::load(&mnist(), Split::Train).expect("MNIST is committed");
    let folders = folders();
    assert!(folders.len() >= 4, "{folders:?}");
    for (folder, most) in folders {
        let name = folder.file_name().expect("it has a name").to_string_lossy().into_owned();
        let read = |file: &str| fs::read(folder.join(file)).expect("is committed");
        let record = ModelRecord::of_folder(&folder).expect("readable").expect("is there");
        let (float, int8) = (read("float.onnx"), read("int8.onnx"));
        let (_, network) = converter::restore(&float, &record, &int8)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(network.parameter_bytes() <= most, "{name}: {} bytes", network.parameter_bytes());

        // Exponents and bits are the file's own; what was spared shows in the code.
        let code = String::from_utf8(read("model.rs")).expect("it is text");
        let rows = code.contains("pub struct Stream");
        let favour = if rows { Favour::Memory } else { Favour::Time };
        let conversion =
            Converter::new(&name, &float).favour(favour).convert(&train).expect("it converts");
        assert!(conversion.int8_onnx() == int8, "{name}: int8.onnx differs");
        assert!(conversion.model_rs() == code, "{name}: model.rs differs");
        assert!(conversion.golden_rs(&test).as_bytes() == read("golden.rs"), "{name}: golden.rs");

        // Every logit of every test image, and the accuracy of the card.
        let logits = prove::int8_logits(&int8, 10, &test).expect("tract runs it");
        assert!(reference::all_logits(&network, &test) == logits, "{name}: other logits");
        let correct = reference::correct(&logits, &test.labels);
        let card = String::from_utf8(read("MODEL_CARD.md")).expect("it is text");
        // The trainer says of how many images behind it, the converter in front of it.
        let said = format!("{:.2} % in int8", correct as f64 / 100.0);
        let line = card.lines().find(|line| line.contains(&said) && line.contains("10000"));
        assert!(line.is_some(), "{name}: {said} of 10000 images is not in its card");
    }
}
