//! The names under which IDX files go: MNIST's, with dots, EMNIST's, in torchvision's folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::parts::{Part, Parts};

/// The files of images and of labels of a part.
pub type Pair = (PathBuf, PathBuf);

/// A data set in IDX files.
pub struct IdxFiles {
    pub parts: Parts<Pair>,
    /// Its images lie on their side, as EMNIST's do.
    pub transposed: bool,
}

/// Finds the IDX files among those of a folder; with several data sets, as torchvision's EMNIST has,
/// the error says which there are.
pub fn find(files: &[PathBuf]) -> Option<Result<IdxFiles, String>> {
    let mut sets: BTreeMap<(PathBuf, String), [Option<PathBuf>; 6]> = BTreeMap::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let name = name.strip_suffix(".gz").map_or(name.clone(), str::to_string);
        let words: Vec<&str> = name.split(['-', '.', '_']).collect();
        let is_idx = words.iter().any(|word| word.starts_with("idx"));
        let kind = words.iter().position(|word| ["images", "labels"].contains(word));
        let (Some(kind), true) = (kind, is_idx) else { continue };
        let Some(part) = words[..kind].last().and_then(|word| match *word {
            "t10k" => Some(Part::Test),
            word => Part::named(word),
        }) else {
            continue;
        };
        let folder = file.parent().unwrap_or(Path::new("")).to_path_buf();
        let slots = sets.entry((folder, words[..kind - 1].join("-"))).or_default();
        let slot = &mut slots[2 * part as usize + usize::from(words[kind] == "labels")];
        // The raw file wins where both are there.
        if slot.as_ref().is_none_or(|old| old.extension().is_some_and(|end| end == "gz")) {
            *slot = Some(file.clone());
        }
    }
    let mut whole: Vec<(String, IdxFiles)> = Vec::new();
    for ((folder, prefix), files) in sets {
        let [train, validation, test] = match pairs(files) {
            Ok(pairs) => pairs,
            Err(what) => return Some(Err(what)),
        };
        let Some(train) = train else {
            return Some(Err("IDX files for a test, but none for training".into()));
        };
        let transposed = prefix.contains("emnist");
        let name = folder.join(&prefix).display().to_string();
        let parts = Parts { train, validation, test };
        whole.push((name, IdxFiles { parts, transposed }));
    }
    match whole.len() {
        0 => None,
        1 => whole.pop().map(|(_, files)| Ok(files)),
        _ => {
            let names: Vec<String> = whole.into_iter().map(|(name, _)| name).collect();
            Some(Err(format!(
                "several data sets in IDX files: {}; put the one to use into a folder of its own",
                names.join(", ")
            )))
        }
    }
}

fn pairs(files: [Option<PathBuf>; 6]) -> Result<[Option<Pair>; 3], String> {
    let [a, b, c, d, e, f] = files;
    Ok([pair(a, b)?, pair(c, d)?, pair(e, f)?])
}

/// Both files of a part, or none; one alone is an error.
fn pair(images: Option<PathBuf>, labels: Option<PathBuf>) -> Result<Option<Pair>, String> {
    let (one, missing) = match (images, labels) {
        (Some(images), Some(labels)) => return Ok(Some((images, labels))),
        (None, None) => return Ok(None),
        (Some(images), None) => {
            (images, [("images", "labels"), ("idx3", "idx1"), ("idx4", "idx1")])
        }
        (None, Some(labels)) => (labels, [("labels", "images"), ("idx1", "idx3"), ("", "")]),
    };
    let name = one.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let other = missing.iter().fold(name.to_string(), |name, (from, to)| match from.is_empty() {
        true => name,
        false => name.replace(from, to),
    });
    Err(format!("no {other} or {other}.gz beside {}", one.display()))
}

#[cfg(test)]
mod tests {
    use super::{Parts, find};

    fn found(names: &[&str]) -> Option<Result<(String, bool, bool), String>> {
        let files: Vec<_> = names.iter().map(|name| name.into()).collect();
        find(&files).map(|found| {
            found.map(|files| {
                let Parts { train, test, .. } = files.parts;
                (train.0.display().to_string(), test.is_some(), files.transposed)
            })
        })
    }

    #[test]
    fn idx_files_go_by_many_names() {
        let four = |form: &str| -> Vec<String> {
            let parts = ["train", "t10k"].map(|part| {
                [("images", "3"), ("labels", "1")].map(|(kind, dims)| {
                    form.replace("P", part).replace("K", kind).replace("D", dims)
                })
            });
            parts.into_iter().flatten().collect()
        };
        for (form, transposed) in [
            ("P-K-idxD-ubyte", false),
            ("P-K.idxD-ubyte", false),
            ("P-K-idxD-ubyte.gz", false),
            ("MNIST/raw/P-K-idxD-ubyte", false),
            ("emnist-letters-P-K-idxD-ubyte.gz", true),
        ] {
            let names = four(form);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            assert_eq!(found(&names), Some(Ok((names[0].into(), true, transposed))), "{form}");
        }
        let emnist =
            ["emnist-letters-test-images-idx3-ubyte", "emnist-letters-test-labels-idx1-ubyte"];
        assert!(found(&emnist).is_some_and(|found| found.is_err()));
        assert_eq!(found(&["notes.txt", "a/b.png"]), None);
        let both = [
            "a-train-images-idx3",
            "a-train-labels-idx1",
            "b-train-images-idx3",
            "b-train-labels-idx1",
        ];
        assert!(
            found(&both).is_some_and(|found| found.is_err_and(|what| what.contains("several")))
        );
    }
}
