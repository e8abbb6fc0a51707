//! What a model's file is: which way it goes.

use std::path::Path;
use std::{fs, io};

use crate::read::ReadError;
use crate::tflite::TfliteError;
use crate::{qdq, read, tflite};

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

/// Why a file is no model that converts.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Tflite(#[from] TfliteError),
    #[error(transparent)]
    Onnx(#[from] ReadError),
}

impl Source {
    /// Reads a file of any form that converts.
    ///
    /// # Errors
    ///
    /// What cannot be read; does not name the file.
    pub fn read(path: &Path) -> Result<Self, SourceError> {
        let bytes = fs::read(path)?;
        if tflite::is_tflite(&bytes) {
            return Ok(match tflite::is_float(&bytes)? {
                true => {
                    let onnx = tflite::to_onnx(&bytes)?;
                    Self::Float { onnx, translated: true }
                }
                false => Self::Tflite(bytes),
            });
        }
        let onnx = read::load(path)?;
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
