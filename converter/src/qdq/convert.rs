//! The line from a quantized `.onnx` file to the files of a model folder.

use super::{Ending, import, reading};
use crate::arena::Favour;
use crate::imported::{ImportedModel, Source};
use crate::read::ReadError;
use crate::record;

/// The name of the source in a model's folder.
pub const SOURCE: &str = "model.onnx";

/// What a conversion writes.
pub const FILES: [&str; 5] = [SOURCE, "model.rs", "golden.rs", "MODEL_CARD.md", record::FILE];

/// Whose arithmetic it is.
const RUNTIME: &str = "Every value is what ONNX Runtime's integer kernels compute (1.32, x86-64 with \
    AVX2, all optimizations, `session.x64quantprecision`)";

/// Imports the bytes of a quantized `.onnx` file as a model called `name`, and compares it with an
/// evaluation of the file's own nodes.
///
/// # Errors
///
/// What is not supported, or computed in floats by ONNX Runtime, with the node; a network that
/// computes something else than the file's nodes.
pub fn convert(name: &str, onnx: &[u8], favour: Favour) -> Result<ImportedModel, ReadError> {
    let imported = import(onnx)?;
    let statements = vec![RUNTIME.into(), reading::check(&imported)?];
    // Of several outputs each says what it is.
    let ending = match &imported.endings[..] {
        [Ending { functions, .. }] if !functions.is_empty() => Some(functions.join(" and ")),
        _ => None,
    };
    let source = Source { name: SOURCE, bytes: onnx };
    Ok(ImportedModel::new(name, imported.network, ending, statements, &source, favour))
}
