//! The line from a `.tflite` file to the files of a model folder.

use super::{TfliteError, import};
use crate::arena::Favour;
use crate::imported::{ImportedModel, Source};
use crate::record;

/// The name of the source in a model's folder.
pub const SOURCE: &str = "model.tflite";

/// What a conversion writes.
pub const FILES: [&str; 5] = [SOURCE, "model.rs", "golden.rs", "MODEL_CARD.md", record::FILE];

/// Whose arithmetic it is.
const RUNTIME: &str = "Every value is what TensorFlow Lite for Microcontrollers computes";

/// Imports the bytes of a `.tflite` file as a model called `name`.
///
/// # Errors
///
/// What is damaged or not supported, with the tensor or the operator.
pub fn convert(name: &str, tflite: &[u8], favour: Favour) -> Result<ImportedModel, TfliteError> {
    let imported = import(tflite)?;
    let ending = imported.softmax.then(|| "softmax".to_string());
    let source = Source { name: SOURCE, bytes: tflite };
    let statements = vec![RUNTIME.into()];
    Ok(ImportedModel::new(name, imported.network, ending, statements, &source, favour))
}
