//! A data set in IDX files.

use std::path::Path;

use super::idx::{self, IdxFile};
use super::idx_names::IdxFiles;
use super::parts::Parts;
use super::tree::Tree;
use super::{Collection, ImportError, Options, labels, malformed};
use crate::prepare::{Fill, Gaps, InputForm, Scaling};
use crate::{Dataset, Room};

/// Reads the files; names of the classes come from a `labels.txt` beside them.
pub fn read(tree: &Tree, files: IdxFiles, options: &Options) -> Result<Collection, ImportError> {
    let IdxFiles { parts, transposed } = files;
    let train_labels = parts.train.1.clone();
    let mut places = Vec::new();
    let mut parts = parts.map(|_, (images, labels)| {
        let paths = [&images, &labels].map(|file| tree.root.join(file));
        let [images, labels] = [(&images, &paths[0]), (&labels, &paths[1])].map(|(file, path)| {
            let opened = tree.find(file).ok_or_else(|| "is not there".to_string());
            let opened = opened.and_then(|index| Ok((tree.reader(index)?, tree.size(index)?)));
            let (reader, size) = opened.map_err(|what| malformed(path, what))?;
            Ok::<_, ImportError>(IdxFile { path, reader, size })
        });
        let dataset = idx::read_opened(images?, labels?, &options.room)?;
        let [images, labels] = paths;
        places.push((images, labels));
        Ok::<_, ImportError>(dataset)
    })?;
    let twins = [&parts.validation, &parts.test].into_iter().flatten();
    for (twin, (images, labels)) in twins.zip(&places[1..]) {
        parts.train.check_twin(twin, images, labels)?;
    }

    let mut notes = Vec::new();
    name_classes(&mut parts, tree, &train_labels, &mut notes)?;
    if transposed {
        notes.push("EMNIST's images lie on their side and were turned".into());
        parts = parts.map(|_, dataset| turned(&dataset, &options.room))?;
    }
    if let Some(missing) = options.missing_value {
        let how = options.fill.unwrap_or(Fill::Interpolate);
        parts = parts.map(|part, dataset| {
            let shape = dataset.shape;
            let (gaps, count) = Gaps::find(dataset.images(), missing, shape, how);
            let part = part.name();
            notes.push(format!("{count} missing {part} pixels (value {missing}) filled: {how:?}"));
            let fill = |image: &[u8], out: &mut Vec<u8>| gaps.fill(image, out);
            Ok::<_, ImportError>(dataset.made_of_each(shape, &options.room, fill)?)
        })?;
    }
    let mut form = InputForm::Bytes;
    let largest = parts.train.images().flatten().copied().max().unwrap_or(255);
    // Bytes have no fractions, so the largest decides.
    if let Some(scaling) = Scaling::of_pixels([f32::from(largest)]) {
        notes.push(format!("pixels from {}", scaling.words()));
        parts = parts.map(|_, set| {
            let scale = |image: &[u8], out: &mut Vec<u8>| {
                let values: Vec<f32> = image.iter().map(|&x| f32::from(x)).collect();
                out.extend(scaling.apply(&values));
            };
            Ok::<_, ImportError>(set.made_of_each(set.shape, &options.room, scale)?)
        })?;
        form = InputForm::Numbers(scaling);
    }
    Ok(Collection::new(parts, form, notes))
}

/// Names the classes: by `labels.txt`, or by the numbers that training has. A number that no
/// training image has is no class.
fn name_classes(
    parts: &mut Parts<Dataset>,
    tree: &Tree,
    train_labels: &Path,
    notes: &mut Vec<String>,
) -> Result<(), ImportError> {
    let path = tree.root.join(train_labels);
    let wrong = |what: String| malformed(&path, what);
    let Parts { train, validation, test } = parts;
    let folder = path.parent().unwrap_or(Path::new("."));
    let count = train.classes();
    let beside = train_labels.with_file_name(labels::FILE);
    let named = tree.find(&beside).map(|index| {
        let text =
            tree.read(index).map_err(|what| format!("{}: {what}", tree.path(index).display()))?;
        labels::of_text(&String::from_utf8_lossy(&text), &tree.path(index))
    });
    let names = match named.transpose().map_err(ImportError::Labels)? {
        Some(names) if names.len() >= count => names,
        Some(names) => {
            let what = format!("{} names in {} for {count} classes", names.len(), labels::FILE);
            return Err(ImportError::Malformed { path: folder.to_path_buf(), what });
        }
        None => {
            let mut present = vec![false; count];
            train.labels.iter().for_each(|&label| present[usize::from(label)] = true);
            let kept: Vec<usize> = (0..count).filter(|&label| present[label]).collect();
            if kept.len() < 2 {
                return Err(wrong(format!("all labels are {}; two are needed", kept[0])));
            }
            if kept.len() < count {
                notes.push(format!(
                    "{} of the labels from 0 to {} have images: they are the classes",
                    kept.len(),
                    count - 1
                ));
            }
            let others = [validation.as_mut(), test.as_mut()].into_iter().flatten();
            for label in std::iter::once(&mut *train).chain(others).flat_map(|set| &mut set.labels)
            {
                let class = kept.binary_search(&usize::from(*label)).map_err(|_| {
                    wrong(format!("no training image has label {label}, but another has"))
                })?;
                *label = class as u16;
            }
            kept.iter().map(usize::to_string).collect()
        }
    };
    for set in [Some(train), validation.as_mut(), test.as_mut()].into_iter().flatten() {
        set.names.clone_from(&names);
    }
    Ok(())
}

/// Rows become columns.
fn turned(dataset: &Dataset, room: &Room) -> Result<Dataset, ImportError> {
    let [height, width, channels] = dataset.shape;
    let turn = |image: &[u8], out: &mut Vec<u8>| {
        for column in 0..width {
            for row in 0..height {
                let at = (row * width + column) * channels;
                out.extend_from_slice(&image[at..at + channels]);
            }
        }
    };
    Ok(dataset.made_of_each([width, height, channels], room, turn)?)
}

#[cfg(test)]
mod tests {
    use crate::read::labels;
    use crate::{Dataset, Room};

    #[test]
    fn turning_exchanges_rows_and_columns() {
        let dataset = Dataset::new([2, 3, 1], (0..6).collect(), vec![0], labels::numbers(2));
        let turned = |dataset: &Dataset| super::turned(dataset, &Room::default()).expect("fits");
        assert_eq!(turned(&dataset).shape, [3, 2, 1]);
        assert_eq!(turned(&dataset).image(0), [0, 3, 1, 4, 2, 5]);
        assert_eq!(turned(&turned(&dataset)), dataset);
    }
}
