//! The line from a `.tflite` file to the files of a model folder.

use std::io;
use std::path::Path;

use super::{Imported, TfliteError, import};
use crate::imported::{ImportedModel, Source};
use crate::record;

/// The name of the source in a model's folder.
pub const SOURCE: &str = "model.tflite";

/// What a conversion writes.
pub const FILES: [&str; 5] = [SOURCE, "model.rs", "golden.rs", "MODEL_CARD.md", record::FILE];

/// An imported model with all that is written of it.
pub struct Conversion {
    pub imported: Imported,
    pub model: ImportedModel,
}

impl Conversion {
    /// Imports the bytes of a `.tflite` file as a network called `name`.
    ///
    /// # Errors
    ///
    /// What is damaged or not supported, with the tensor or the operator.
    pub fn new(name: &str, tflite: &[u8]) -> Result<Self, TfliteError> {
        let imported = import(tflite)?;
        let ending = imported.softmax.then(|| "softmax".to_string());
        let statement = "Every value is what TensorFlow Lite for Microcontrollers computes";
        let source = Source { name: SOURCE, bytes: tflite };
        let network = imported.network.clone();
        let model = ImportedModel::new(name, network, ending, vec![statement.into()], &source);
        Ok(Self { imported, model })
    }

    /// The Rust module: statics and `infer`.
    pub fn model_rs(&self) -> String {
        self.model.model_rs()
    }

    /// The report as Markdown, the body of a model card.
    pub fn report_markdown(&self) -> String {
        self.model.report_markdown()
    }

    /// Writes model.tflite, model.rs, golden.rs, MODEL_CARD.md and model.json into a folder, all of
    /// them or none.
    ///
    /// # Errors
    ///
    /// The file system's, with the path.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        self.model.write(folder)
    }
}
