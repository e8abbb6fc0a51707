//! What is known of kept samples beside their bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::super::{BadFile, Collection};
use crate::dataset::{Dataset, Stored};
use crate::prepare::InputForm;
use crate::{Source, shape_problem};

/// The file of the preview's pixels.
pub const PREVIEW: &str = "preview.rgb";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// The SHA-256 of what was decoded.
    pub source: String,
    /// What decoded it.
    pub program: String,
    shape: [usize; 3],
    names: Vec<String>,
    form: InputForm,
    notes: Vec<String>,
    /// Paths, and what is wrong.
    bad: Vec<(String, String)>,
    test_given: bool,
    /// Width and height.
    preview: Option<[u32; 2]>,
    pub stored: Vec<StoredIndex>,
    train: PartIndex,
    validation: Option<PartIndex>,
    test: PartIndex,
}

/// A file of samples.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredIndex {
    pub bytes: u64,
    pub crc: u32,
    files: Vec<String>,
    /// The file of each sample, and where in it.
    samples: Vec<(u32, Option<(String, u32)>)>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartIndex {
    stored: usize,
    places: Vec<u32>,
    labels: Vec<u16>,
}

impl StoredIndex {
    pub fn new(bytes: u64, crc: u32, sources: &[Source]) -> Self {
        let (mut files, mut samples): (Vec<String>, Vec<_>) = Default::default();
        for source in sources {
            let (file, part) = source.parts();
            let file = file.to_string_lossy();
            if files.last().is_none_or(|last| *last != file) {
                files.push(file.into_owned());
            }
            let part = part.map(|(noun, number)| (noun.to_string(), number));
            samples.push((files.len() as u32 - 1, part));
        }
        Self { bytes, crc, files, samples }
    }

    /// Where the samples come from.
    pub fn sources(&self) -> Option<Vec<Source>> {
        let files: Vec<Arc<Path>> =
            self.files.iter().map(|file| Arc::from(Path::new(file))).collect();
        let source = |(file, part): &(u32, Option<(String, u32)>)| {
            let part = part.as_ref().map(|(noun, number)| (noun.as_str(), *number));
            Source::of_parts(files.get(*file as usize)?, part)
        };
        self.samples.iter().map(source).collect()
    }
}

impl Index {
    /// `parts` are training, validation if there is one, and test: the number of the stored samples, places
    /// in them and labels.
    pub fn new(
        source: String,
        program: String,
        collection: &Collection,
        stored: Vec<StoredIndex>,
        parts: &[(usize, Vec<u32>, Vec<u16>)],
        preview: Option<[u32; 2]>,
    ) -> Self {
        let part = |(stored, places, labels): &(usize, Vec<u32>, Vec<u16>)| PartIndex {
            stored: *stored,
            places: places.clone(),
            labels: labels.clone(),
        };
        let bad = |file: &BadFile| (file.path.to_string_lossy().into_owned(), file.what.clone());
        Self {
            source,
            program,
            shape: collection.train.shape,
            names: collection.train.names.clone(),
            form: collection.form.clone(),
            notes: collection.notes.clone(),
            bad: collection.bad.iter().map(bad).collect(),
            test_given: collection.test_given,
            preview,
            stored,
            train: part(&parts[0]),
            validation: collection.validation.is_some().then(|| part(&parts[1])),
            test: part(&parts[parts.len() - 1]),
        }
    }

    pub fn text(&self) -> Result<String, String> {
        serde_json::to_string(self).map_err(|error| error.to_string())
    }

    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The data set; nothing if a part does not fit to what is stored.
    pub fn collection(self, stored: &[Stored], folder: &Path) -> Option<Collection> {
        let size: usize = self.shape.iter().product();
        if shape_problem(self.shape).is_some() || self.names.len() < 2 {
            return None;
        }
        let set = |part: &PartIndex| {
            let stored = stored.get(part.stored)?;
            let count = stored.samples.len() / size;
            let fits = part.places.len() == part.labels.len()
                && part.places.iter().all(|&place| (place as usize) < count)
                && part.labels.iter().all(|&label| usize::from(label) < self.names.len())
                && (stored.sources.is_empty() || stored.sources.len() == count);
            fits.then(|| {
                let (places, labels) = (part.places.clone(), part.labels.clone());
                Dataset::of(self.shape, stored.clone(), places, labels, self.names.clone())
            })
        };
        let (train, test) = (set(&self.train)?, set(&self.test)?);
        let validation = match &self.validation {
            Some(part) => Some(set(part)?),
            None => None,
        };
        let preview = match self.preview {
            Some([width, height]) => {
                let pixels = fs::read(folder.join(PREVIEW)).ok()?;
                Some(RgbImage::from_raw(width, height, pixels)?)
            }
            None => None,
        };
        let bad = |(path, what): (String, String)| BadFile { path: PathBuf::from(path), what };
        Some(Collection {
            train,
            validation,
            test,
            test_given: self.test_given,
            form: self.form,
            // Samples of several inputs are kept input by input.
            forms: Vec::new(),
            notes: self.notes,
            bad: self.bad.into_iter().map(bad).collect(),
            preview,
        })
    }
}
