//! The line from a `.tflite` file to the files of a model folder.

use super::{Imported, TfliteError, import};
use crate::arena::Favour;
use crate::imported::{ImportedModel, Source};
use crate::record;

/// The name of the source in a model's folder.
pub const SOURCE: &str = "model.tflite";

/// What a conversion writes.
pub const FILES: [&str; 5] = [SOURCE, "model.rs", "golden.rs", "MODEL_CARD.md", record::FILE];

/// Whose arithmetic it is.
const RUNTIME: &str = "Every value is what TensorFlow Lite for Microcontrollers computes";

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
        Self::new_for(name, tflite, Favour::Time)
    }

    /// The same for time or memory.
    ///
    /// # Errors
    ///
    /// As [`Conversion::new`].
    pub fn new_for(name: &str, tflite: &[u8], favour: Favour) -> Result<Self, TfliteError> {
        let imported = import(tflite)?;
        let ending = imported.softmax.then(|| "softmax".to_string());
        let source = Source { name: SOURCE, bytes: tflite };
        let network = imported.network.clone();
        let statements = vec![RUNTIME.into()];
        let model = ImportedModel::new(name, network, ending, statements, &source, favour);
        Ok(Self { imported, model })
    }
}
