//! What a data set holds, and what is wrong with it.

mod duplicates;
mod page;
mod statistics;
mod suspects;

use inkling_data::Dataset;

pub use duplicates::{Contradiction, Duplicates, NEAR, Near};
pub use statistics::{Statistics, blank};
pub use suspects::Suspect;

use crate::ask::model::{Model, ModelError};
use inkling_data::read::Collection;

/// A half of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Half {
    Train,
    Test,
}

/// An image's place in a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub half: Half,
    pub index: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let half = match self.half {
            Half::Train => "train",
            Half::Test => "test",
        };
        write!(f, "{half} {}", self.index)
    }
}

/// All that was found.
pub struct Inspection<'c> {
    pub collection: &'c Collection,
    pub train: Statistics,
    pub test: Statistics,
    pub blank: Vec<Place>,
    pub duplicates: Duplicates,
    /// Images whose label a model doubts, and the model's name; `None` without a model that fits.
    pub suspects: Option<(String, Vec<Suspect>)>,
}

impl<'c> Inspection<'c> {
    /// Looks at a data set; with a model also at its labels.
    ///
    /// # Errors
    ///
    /// The model's, if it does not fit the images.
    pub fn new(collection: &'c Collection, model: Option<&Model>) -> Result<Self, ModelError> {
        let halves = [(Half::Train, &collection.train), (Half::Test, &collection.test)];
        let blanks = halves.iter().flat_map(|&(half, dataset)| {
            let is_blank = |index: &usize| blank(dataset.image(*index));
            (0..dataset.len()).filter(is_blank).map(move |index| Place { half, index })
        });
        let suspects = match model {
            Some(model) => Some((model.name.clone(), suspects::find(model, collection)?)),
            None => None,
        };
        Ok(Self {
            collection,
            train: Statistics::new(&collection.train),
            test: Statistics::new(&collection.test),
            blank: blanks.collect(),
            duplicates: Duplicates::find(&collection.train, &collection.test),
            suspects,
        })
    }

    fn dataset(&self, place: Place) -> &Dataset {
        match place.half {
            Half::Train => &self.collection.train,
            Half::Test => &self.collection.test,
        }
    }

    fn image(&self, place: Place) -> &[u8] {
        self.dataset(place).image(place.index)
    }

    /// The place with its label and, where that helps, the file that the image comes from.
    fn described(&self, place: Place) -> String {
        let source = self.dataset(place).source(place.index).filter(|source| source.says_more());
        match source {
            Some(source) => format!("{place} ({}, {source})", self.label(place)),
            None => format!("{place} ({})", self.label(place)),
        }
    }

    fn label(&self, place: Place) -> &str {
        &self.dataset(place).names[usize::from(self.dataset(place).labels[place.index])]
    }
}

/// Which training images a clean data set leaves out, with the reason: blank ones, copies of a test
/// image, repetitions of an earlier one, and those whose copies carry another label. The test set
/// stays as it is: what is measured on must not depend on what was found in it.
pub fn unclean(collection: &Collection) -> Vec<(usize, &'static str)> {
    let train = &collection.train;
    let duplicates = Duplicates::exact(train, &collection.test);
    let mut found: Vec<(usize, &'static str)> = Vec::new();
    let blanks = (0..train.len()).filter(|&index| blank(train.image(index)));
    found.extend(blanks.map(|index| (index, "blank")));
    let in_train = |place: &&Place| place.half == Half::Train;
    for group in &duplicates.contradictions {
        found.extend(
            group
                .places
                .iter()
                .filter(in_train)
                .map(|place| (place.index, "copies have different labels")),
        );
    }
    for group in &duplicates.groups {
        let in_test = group.iter().any(|place| place.half == Half::Test);
        let copies = group.iter().filter(in_train).skip(usize::from(!in_test));
        let reason = if in_test { "copy of a test image" } else { "copy of another image" };
        found.extend(copies.map(|place| (place.index, reason)));
    }
    found.sort_by_key(|(index, _)| *index);
    found.dedup_by_key(|(index, _)| *index);
    found
}
