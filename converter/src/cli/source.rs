//! What a model's file is: which way it goes.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use converter::{qdq, read, tflite};

/// A model's file, read.
pub enum Source {
    /// An int8 `.tflite` file.
    Tflite(Vec<u8>),
    /// An ONNX file that was quantized for ONNX Runtime.
    Quantized(Vec<u8>),
    /// A float network as ONNX.
    Float {
        onnx: Vec<u8>,
        /// Whether it was a `.tflite` file.
        translated: bool,
    },
}

impl Source {
    /// Reads a file of any form that converts.
    ///
    /// # Errors
    ///
    /// What cannot be read, with the path.
    pub fn read(path: &Path) -> Result<Self> {
        let at_file = || path.display().to_string();
        let bytes = fs::read(path).with_context(at_file)?;
        if tflite::is_tflite(&bytes) {
            return Ok(match tflite::is_float(&bytes).with_context(at_file)? {
                true => {
                    let onnx = tflite::to_onnx(&bytes).with_context(at_file)?;
                    Self::Float { onnx, translated: true }
                }
                false => Self::Tflite(bytes),
            });
        }
        let onnx = read::load(path).with_context(at_file)?;
        match read::File::decode(&onnx).is_ok_and(|file| qdq::is_quantized(&file)) {
            true => Ok(Self::Quantized(onnx)),
            false => Ok(Self::Float { onnx, translated: false }),
        }
    }

    /// The form in words.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tflite(_) => "int8 .tflite",
            Self::Quantized(_) => "quantized ONNX",
            Self::Float { translated: true, .. } => "float .tflite",
            Self::Float { translated: false, .. } => "float ONNX",
        }
    }
}
