//! The record of a model: what must be known in order to use it right, and where it comes from.
//!
//! It is `model.json` in a model's folder ([`FILE`]) and the metadata entry `inkling` ([`ENTRY`]) of
//! its `float.onnx` and `int8.onnx`, so that it travels with whichever of them is passed on. A
//! reader refuses a version that it does not know; fields that it does not know it keeps.

mod attach;
pub(crate) mod describe;
mod input;
pub mod pixels;
pub(crate) mod unknown;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::pb;
use prost::Message;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use attach::attach;
pub use input::{InputRecord, PreparationRecord};
pub use unknown::{Rule, UNKNOWN, UnknownRecord};

/// The version that is written, and the newest that is read.
pub const VERSION: u32 = 1;

/// Key of the metadata entry in ONNX files.
pub const ENTRY: &str = "inkling";

/// The record's file in a model's folder.
pub const FILE: &str = "model.json";

/// The threshold below which the probability of an answer is called unsure.
pub const UNSURE: &str = "unsure";

/// What is known of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelRecord {
    pub version: u32,
    pub name: String,
    pub inputs: Vec<InputRecord>,
    pub outputs: Vec<OutputRecord>,
    /// Names of the classes, in the order of the outputs; empty where nobody has named them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// What the model was trained and tested on, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitRecord>,
    /// How the model says that what it is shown is none of its classes, if it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<UnknownRecord>,
    /// Bounds on the outputs by name, such as [`UNSURE`] and [`UNKNOWN`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub thresholds: BTreeMap<String, f64>,
    /// Of the results of layers, each under the name of its first node in `float.onnx`: the integer
    /// `q` stands for `q · 2^-exponent`. In `float.onnx` those that the model was trained for, if it
    /// was for any; beside it those of all layers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub exponents: BTreeMap<String, i32>,
    /// Of the weights of layers that do not have eight bits, under the same names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bits: BTreeMap<String, u8>,
    /// The file that the integers were made of; `float.onnx` itself cannot say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceRecord>,
    /// The models that it learned to answer as, under their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teachers: Vec<SourceRecord>,
    /// The command that makes the model again.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// In `model.json`, how many samples of the test set are answered right, if it has labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested: Option<TestedRecord>,
    /// What is doubtful about the model, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// In `model.json` the SHA-256 of the files beside it: a file with another is of another
    /// conversion, such as one that was interrupted, or was changed since.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One output of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputRecord {
    pub name: String,
    /// Without the batch.
    pub shape: Vec<usize>,
    pub element: Element,
    /// The integer `q` stands for `scale · q + offset`.
    pub scale: f64,
    pub offset: f64,
    pub meaning: Meaning,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The type of the integers of an input or output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    U8,
    I8,
    I32,
}

/// What the numbers of an output are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Meaning {
    /// Their softmax are the probabilities of the classes.
    Logits,
    Probabilities,
    /// Numbers of their own, such as what a regression estimates.
    Values,
}

/// The data of a training and how it was divided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitRecord {
    /// Where the data lay.
    pub data: String,
    /// SHA-256 of all samples and labels, as they were prepared and divided.
    pub sha256: String,
    /// Chose the validation samples, and the test samples where the data had no test set.
    pub seed: u64,
    /// Whether the data had a test set of its own.
    pub test_given: bool,
    /// The limit on training samples of each class, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_class: Option<usize>,
    pub training: usize,
    pub validation: usize,
    /// Whether the validation samples are among those of the training.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub validation_learned: bool,
    pub test: usize,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// How a model did on a test set with labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestedRecord {
    pub samples: usize,
    /// How many of them the float network answers right, and how many the integers.
    pub float_right: usize,
    pub int8_right: usize,
}

/// A file and its contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    pub file: String,
    pub sha256: String,
}

impl ModelRecord {
    /// The record of a model called `name` of which nothing else is known.
    pub fn new(name: &str) -> Self {
        Self {
            version: VERSION,
            name: name.to_string(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            labels: Vec::new(),
            split: None,
            unknown: None,
            thresholds: BTreeMap::new(),
            exponents: BTreeMap::new(),
            bits: BTreeMap::new(),
            source: None,
            teachers: Vec::new(),
            command: String::new(),
            tested: None,
            warnings: Vec::new(),
            files: BTreeMap::new(),
            other: Map::new(),
        }
    }

    /// Reads a record from JSON.
    ///
    /// # Errors
    ///
    /// A version that is not known; what is no record, and where.
    pub fn parse(text: &str) -> Result<Self, RecordError> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let wrong = |error: serde_json::Error| RecordError::Malformed(error.to_string());
        let Head { version } = serde_json::from_str(text).map_err(wrong)?;
        if version == 0 || version > VERSION {
            return Err(RecordError::Version { found: version });
        }
        let record: Self = serde_json::from_str(text).map_err(wrong)?;
        record.check()?;
        Ok(record)
    }

    fn check(&self) -> Result<(), RecordError> {
        let wrong = |what: String| Err(RecordError::Malformed(what));
        for input in &self.inputs {
            let fits = |values: &[f32]| {
                (values.len() == 1 || values.len() == input.shape[2])
                    && values.iter().all(|value| value.is_finite())
            };
            if !fits(&input.scale) || !fits(&input.offset) {
                return wrong(format!(
                    "input '{}': scale and offset must be one finite number, or one for each of its \
                     {} channels",
                    input.name, input.shape[2]
                ));
            }
            if input.scale.contains(&0.0) {
                return wrong(format!("input '{}': the scale is 0", input.name));
            }
        }
        if let Some(tested) = &self.tested
            && tested.float_right.max(tested.int8_right) > tested.samples
        {
            return wrong("more samples are answered right than were tested".into());
        }
        match self.exponents.iter().find(|(_, exponent)| !(-64..=64).contains(*exponent)) {
            Some((layer, exponent)) => {
                wrong(format!("layer '{layer}': the exponent {exponent} is beyond ±64"))
            }
            None => Ok(()),
        }
    }

    /// The record as ONNX files carry it: without what only `model.json` says.
    pub fn embedded(&self) -> Self {
        Self { tested: None, files: BTreeMap::new(), ..self.clone() }
    }

    /// The record as JSON for a person's eyes, with a line feed at its end.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The record as one line, for the metadata of a file.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads the record of an ONNX file; `None` if it has none.
    ///
    /// # Errors
    ///
    /// As [`ModelRecord::parse`]. What is no ONNX file has no record.
    pub fn of_onnx(onnx: &[u8]) -> Result<Option<Self>, RecordError> {
        match pb::ModelProto::decode(onnx) {
            Ok(model) => Self::of_metadata(&model.metadata_props),
            Err(_) => Ok(None),
        }
    }

    /// Reads the record among the metadata of an ONNX file; `None` if there is none.
    ///
    /// # Errors
    ///
    /// As [`ModelRecord::parse`].
    pub fn of_metadata(
        metadata: &[pb::StringStringEntryProto],
    ) -> Result<Option<Self>, RecordError> {
        let entry = metadata.iter().find(|entry| entry.key == ENTRY);
        entry.map(|entry| Self::parse(&entry.value)).transpose()
    }

    /// Reads `model.json` of a folder; `None` if there is none.
    ///
    /// # Errors
    ///
    /// Names the file: cannot be read, no record, or of another version.
    pub fn of_folder(folder: &Path) -> Result<Option<Self>, RecordFileError> {
        let path = folder.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => match Self::parse(&text) {
                Ok(record) => Ok(Some(record)),
                Err(error) => Err(RecordFileError::Record { path, error }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(RecordFileError::Read { path, error }),
        }
    }
}

/// Why there is no record where there should be one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RecordError {
    #[error(
        "the record of the model has version {found}, this program knows up to {VERSION}; use the \
         Inkling that made the model, or a newer one"
    )]
    Version { found: u32 },
    #[error("the record of the model is damaged: {0}")]
    Malformed(String),
}

/// Why `model.json` could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordFileError {
    #[error("{}: {error}", path.display())]
    Record { path: PathBuf, error: RecordError },
    #[error("{}: cannot be read: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
}

#[cfg(test)]
mod tests {
    use super::{Element, InputRecord, Meaning, ModelRecord, OutputRecord, RecordError, VERSION};
    use serde_json::{Map, Value, json};

    fn record() -> ModelRecord {
        let mut record = ModelRecord::new("letters");
        record.inputs = vec![InputRecord {
            name: "image".into(),
            shape: [28, 28, 1],
            element: Element::U8,
            scale: vec![1.0 / 255.0],
            offset: vec![-0.5],
            preparation: Default::default(),
            other: Map::new(),
        }];
        record.outputs = vec![OutputRecord {
            name: "logits".into(),
            shape: vec![2],
            element: Element::I32,
            scale: 2f64.powi(-9),
            offset: 0.0,
            meaning: Meaning::Logits,
            other: Map::new(),
        }];
        record.labels = vec!["a\n\"b".into(), "ä".into()];
        record.exponents = [("conv1".to_string(), 4)].into();
        record
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(ModelRecord::parse(&record().to_json()), Ok(record()));
        assert_eq!(ModelRecord::parse(&record().to_line()), Ok(record()));
        assert!(!record().to_line().contains('\n'));
    }

    #[test]
    fn unknown_fields_are_kept_at_every_level() {
        let mut value: Value = serde_json::from_str(&record().to_json()).expect("is JSON");
        value["colour of the board"] = json!("green");
        value["inputs"][0]["unit"] = json!("m/s²");
        value["inputs"][0]["preparation"]["window"] = json!([1, 2]);
        let read = ModelRecord::parse(&value.to_string()).expect("is a record");
        let again: Value = serde_json::from_str(&read.to_json()).expect("is JSON");
        assert_eq!(again, value);
    }

    #[test]
    fn another_version_is_refused_before_anything_else() {
        for version in [0, VERSION + 1] {
            let text = format!("{{\"version\": {version}, \"inputs\": 5}}");
            assert_eq!(ModelRecord::parse(&text), Err(RecordError::Version { found: version }));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let good = record().to_json();
        for (from, to) in [
            ("\"version\": 1", "\"version\": \"one\""),
            ("\"conv1\": 4", "\"conv1\": 400"),
            ("-0.5", "-0.5, 1, 2"),
            ("\"u8\"", "\"u9\""),
            ("\"logits\"\n", "\"guesses\"\n"),
        ] {
            assert!(good.contains(from), "{from} is not in {good}");
            let error = ModelRecord::parse(&good.replacen(from, to, 1)).expect_err(to);
            assert!(matches!(error, RecordError::Malformed(_)), "{to}: {error}");
        }
        assert!(ModelRecord::parse("").is_err() && ModelRecord::parse("{}").is_err());
    }
}
