//! Pictures with labels: in one folder per label, or listed in a table.

use std::path::PathBuf;
use std::sync::Arc;

use inkling_support::{parallel, stage};

use super::parts::{Part, Parts};
use super::preview::{PREVIEWS, Tile};
use super::tree::Tree;
use super::{BadFile, Collection, ImportError, Options, labels, picture, preview};
use crate::dataset::Stored;
use crate::prepare::{InputForm, Layout, Picture, Preparation, choose};
use crate::{Dataset, MAX_CLASSES, Sink, Source};

/// A file with its label.
pub struct Item {
    /// Its place in the tree.
    pub file: usize,
    pub label: String,
    pub part: Part,
}

/// Pictures that are looked at to choose how all become images.
const LOOKED_AT: usize = 64;

/// Pictures that are decoded before what they became is put away.
pub const AT_ONCE: usize = 64;

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
    let outcome = |index: usize| -> Result<Outcome, String> {
        let picture = decoded(ordered[index].0)?;
        let prepared = preparation.apply(&picture)?;
        Ok(Outcome {
            size: picture.size,
            colour: picture.colours.is_some() && picture.has_colour(),
            inverted: prepared.inverted,
            pixels: prepared.pixels,
            found: shown[index].then(|| Tile::of_picture(&picture, 2 * height.max(width))),
        })
    };
    let mut collected = Collected::new(names.len(), options);
    for start in (0..ordered.len()).step_by(AT_ONCE) {
        let count = AT_ONCE.min(ordered.len() - start);
        let outcomes = parallel::map(count, |index| outcome(start + index));
        for (&(item, class), outcome) in ordered[start..].iter().zip(outcomes) {
            collected.add(tree.path(item.file), item.part, class, outcome, &preparation)?;
        }
        stage::show(format_args!("reading pictures: {} of {}", start + count, ordered.len()));
    }
    collected.finish(tree, &names, &preparation, reason, options)
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

/// What pictures became so far.
struct Collected {
    samples: Sink,
    sources: Vec<Source>,
    /// Of each part the places of its samples and their labels.
    parts: [(Vec<u32>, Vec<u16>); 3],
    previews: Vec<Vec<(Tile, Tile)>>,
    looks: Vec<([usize; 2], bool, bool)>,
    bad: Vec<BadFile>,
    /// Which parts have pictures, good or bad.
    given: [bool; 3],
}

impl Collected {
    fn new(labels: usize, options: &Options) -> Self {
        Self {
            samples: Sink::new(&options.room),
            sources: Vec::new(),
            parts: Default::default(),
            previews: vec![Vec::new(); labels],
            looks: Vec::new(),
            bad: Vec::new(),
            given: [false; 3],
        }
    }

    fn add(
        &mut self,
        path: PathBuf,
        part: Part,
        class: usize,
        outcome: Result<Outcome, String>,
        preparation: &Preparation,
    ) -> Result<(), ImportError> {
        self.given[part as usize] = true;
        match outcome {
            Ok(outcome) => {
                self.samples.push(&outcome.pixels)?;
                let (places, labels) = &mut self.parts[part as usize];
                places.push(self.sources.len() as u32);
                labels.push(class as u16);
                self.sources.push(Source::file(path));
                self.looks.push((outcome.size, outcome.colour, outcome.inverted));
                if let Some(found) = outcome.found {
                    let became = Tile::new(preparation.shape(), &outcome.pixels);
                    self.previews[class].push((found, became));
                }
            }
            Err(what) => self.bad.push(BadFile { path, what }),
        }
        Ok(())
    }

    fn finish(
        self,
        tree: &Tree,
        names: &[(String, usize)],
        preparation: &Preparation,
        reason: String,
        options: &Options,
    ) -> Result<Collection, ImportError> {
        let (classes, _) =
            labels::classes(&names.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>());
        if !self.bad.is_empty() && !options.skip_bad {
            return Err(ImportError::Bad { path: tree.root.clone(), bad: self.bad });
        }
        let (samples, sources) = (Arc::new(self.samples.finish()?), Arc::new(self.sources));
        let [train, validation, test] = self.parts.map(|(places, labels)| {
            let stored = Stored { samples: samples.clone(), sources: sources.clone() };
            Dataset::of(preparation.shape(), stored, places, labels, classes.clone())
        });
        let given = |dataset: Dataset, part: Part| self.given[part as usize].then_some(dataset);
        let parts = Parts {
            validation: given(validation, Part::Validation),
            test: given(test, Part::Test),
            train,
        };
        let preview = preview::before_and_after(&self.previews[..classes.len()], preparation.size);
        let notes = notes(&self.looks, preparation, reason, options);
        let mut collection = Collection::new(parts, InputForm::Pictures(*preparation), notes);
        collection.bad = self.bad;
        collection.preview = Some(preview);
        Ok(collection)
    }
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
