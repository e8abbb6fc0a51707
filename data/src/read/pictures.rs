//! Pictures with labels: in one folder per label, or listed in a table.

use std::path::PathBuf;

use inkling_support::parallel;

use super::parts::{Part, Parts};
use super::preview::{PREVIEWS, Tile};
use super::tree::Tree;
use super::{BadFile, Collection, ImportError, Options, labels, picture, preview};
use crate::prepare::{InputForm, Layout, Picture, Preparation, choose};
use crate::{Dataset, MAX_CLASSES, Source};

/// A file with its label.
pub struct Item {
    /// Its place in the tree.
    pub file: usize,
    pub label: String,
    pub part: Part,
}

/// Pictures that are looked at to choose how all become images.
const LOOKED_AT: usize = 64;

/// What one picture became.
struct Outcome {
    /// Height and width in the file.
    size: [usize; 2],
    colour: bool,
    inverted: bool,
    pixels: Vec<u8>,
    found: Option<Tile>,
}

/// Reads the pictures of `items`.
pub fn read(tree: &Tree, items: &[Item], options: &Options) -> Result<Collection, ImportError> {
    let malformed = |what: String| ImportError::Malformed { path: tree.root.clone(), what };
    let names = class_names(tree, items)?;
    let class = |item: &Item| names.binary_search_by(|(label, _)| label.cmp(&item.label));
    let (mut ordered, mut bad): (Vec<(&Item, usize)>, Vec<BadFile>) = Default::default();
    for item in items {
        match class(item) {
            Ok(place) => ordered.push((item, names[place].1)),
            Err(_) => bad.push(BadFile {
                path: tree.path(item.file),
                what: format!("label {:?} is not among the training labels", item.label),
            }),
        }
    }
    if let Some(first) = bad.first() {
        return Err(malformed(first.what.clone()));
    }

    let decoded = |item: &Item| tree.read(item.file).and_then(|bytes| picture::decode(&bytes));
    let count = ordered.len().min(LOOKED_AT);
    let some: Vec<Picture> =
        parallel::map(count, |i| decoded(ordered[i * ordered.len() / count].0).ok())
            .into_iter()
            .flatten()
            .collect();
    let (preparation, reason) = choose(&some, &options.pictures).map_err(malformed)?;
    drop(some);

    let mut seen = vec![0; names.len()];
    let shown: Vec<bool> = ordered
        .iter()
        .map(|&(item, class)| {
            seen[class] += usize::from(item.part == Part::Train);
            item.part == Part::Train && seen[class] <= PREVIEWS
        })
        .collect();
    let [height, width] = preparation.size;
    let outcomes = parallel::map(ordered.len(), |index| -> Result<Outcome, String> {
        let picture = decoded(ordered[index].0)?;
        let prepared = preparation.apply(&picture)?;
        Ok(Outcome {
            size: picture.size,
            colour: picture.colours.is_some() && picture.has_colour(),
            inverted: prepared.inverted,
            pixels: prepared.pixels,
            found: shown[index].then(|| Tile::of_picture(&picture, 2 * height.max(width))),
        })
    });
    collect(tree, &names, &ordered, outcomes, &preparation, reason, options)
}

/// The labels of the training pictures in the order of their letters, each with its class.
fn class_names(tree: &Tree, items: &[Item]) -> Result<Vec<(String, usize)>, ImportError> {
    let malformed = |what: String| ImportError::Malformed { path: tree.root.clone(), what };
    let train = items.iter().filter(|item| item.part == Part::Train);
    let mut found: Vec<String> = train.map(|item| item.label.clone()).collect();
    found.sort();
    found.dedup();
    let (names, classes) = labels::classes(&found);
    if !(2..=MAX_CLASSES).contains(&names.len()) {
        let label = found.first().map_or(String::new(), |name| format!(" ({name:?})"));
        return Err(malformed(match found.len() {
            0 | 1 => format!(
                "pictures of {} label{label}; a classifier needs folders of two labels at least",
                found.len()
            ),
            count => format!("{count} labels; up to {MAX_CLASSES} are possible"),
        }));
    }
    Ok(found.into_iter().zip(classes.into_iter().map(usize::from)).collect())
}

fn collect(
    tree: &Tree,
    names: &[(String, usize)],
    items: &[(&Item, usize)],
    outcomes: Vec<Result<Outcome, String>>,
    preparation: &Preparation,
    reason: String,
    options: &Options,
) -> Result<Collection, ImportError> {
    let (classes, _) =
        labels::classes(&names.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>());
    let mut parts: [(Vec<u8>, Vec<u16>, Vec<Source>); 3] = Default::default();
    let mut previews = vec![Vec::new(); classes.len()];
    let (mut bad, mut looks) = (Vec::new(), Vec::new());
    for ((item, class), outcome) in items.iter().zip(outcomes) {
        let path: PathBuf = tree.path(item.file);
        match outcome {
            Ok(outcome) => {
                let (samples, labels, sources) = &mut parts[item.part as usize];
                samples.extend_from_slice(&outcome.pixels);
                labels.push(*class as u16);
                sources.push(Source::file(path));
                looks.push((outcome.size, outcome.colour, outcome.inverted));
                if let Some(found) = outcome.found {
                    let became = Tile::new(preparation.shape(), &outcome.pixels);
                    previews[*class].push((found, became));
                }
            }
            Err(what) => bad.push(BadFile { path, what }),
        }
    }
    if !bad.is_empty() && !options.skip_bad {
        return Err(ImportError::Bad { path: tree.root.clone(), bad });
    }
    let [train, validation, test] = parts.map(|(samples, labels, sources)| {
        Dataset::new(preparation.shape(), samples, labels, classes.clone()).with_sources(sources)
    });
    let given = |dataset: Dataset, part: Part| {
        items.iter().any(|(item, _)| item.part == part).then_some(dataset)
    };
    let parts = Parts {
        validation: given(validation, Part::Validation),
        test: given(test, Part::Test),
        train,
    };
    let preview = preview::before_and_after(&previews, preparation.size);
    let notes = notes(&looks, preparation, reason, options);
    let mut collection = Collection::new(parts, InputForm::Pictures(*preparation), notes);
    collection.bad = bad;
    collection.preview = Some(preview);
    Ok(collection)
}

/// The choices in words.
fn notes(
    looks: &[([usize; 2], bool, bool)],
    preparation: &Preparation,
    reason: String,
    options: &Options,
) -> Vec<String> {
    let count = looks.len();
    let area = |(size, ..): &&([usize; 2], bool, bool)| size[0] * size[1];
    let (Some((smallest, ..)), Some((largest, ..))) =
        (looks.iter().min_by_key(area), looks.iter().max_by_key(area))
    else {
        return Vec::new();
    };
    let colour = looks.iter().filter(|(_, colour, _)| *colour).count();
    let mut notes = vec![format!(
        "{count} pictures from {}×{} to {}×{} (height × width), {colour} in colour, {} grey",
        smallest[0],
        smallest[1],
        largest[0],
        largest[1],
        count - colour
    )];
    notes.push(reason);
    let inverted = looks.iter().filter(|(.., inverted)| *inverted).count();
    if preparation.layout == Layout::Glyph {
        notes.push(format!(
            "{} with light ink on dark, {inverted} with dark ink on light: inverted",
            count - inverted
        ));
    }
    notes.push(match (preparation.channels, colour) {
        (3, _) => "colour stays colour: red, green and blue".into(),
        (_, 0) => "all is grey".into(),
        _ if options.pictures.grey => "colour became grey, as --grey asks".into(),
        _ => "colour became grey: a glyph has none; --layout whole keeps it".into(),
    });
    let [height, width] = preparation.size;
    notes.push(format!("converted to {height}×{width}: {}", preparation.words()));
    notes
}
