//! Conversion in a `build.rs`: without tract, without a command line, in seconds.
//!
//! ```no_run
//! // In `main` of build.rs; converter is a build dependency with default-features = false.
//! converter::build::Model::new("models/digits/float.onnx")
//!     .proof("models/digits/model.json")
//!     .generate()
//!     .unwrap_or_else(|error| panic!("{error}"));
//! ```
//!
//! and in the crate `mod model { include!(concat!(env!("OUT_DIR"), "/model.rs")); }`.
//!
//! tract, which checks every reading on the command line, is not there. So one of three things must
//! vouch for it: a proof ([`Model::proof`]), the evaluation of the file's own nodes
//! ([`nodes`](crate::nodes)) if there are calibration images, or the word of whoever writes
//! [`Model::unchecked`]. A quantized file needs none: of a `.tflite` nothing is chosen or rewritten, and a
//! quantized ONNX file is compared with an evaluation of its own nodes. A float `.tflite` file is brought to
//! ONNX first; its proof is for the `float.onnx` beside it.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use sha2::{Digest, Sha256};

use crate::arena::{self, Favour};
use crate::convert::{ConvertError, Converter, restored, unknown};
use crate::emit::{Origin, rust};
use crate::nodes::{READING_TOLERANCE, off_from_nodes};
use crate::qdq;
use crate::read::ReadError;
use crate::record::{ModelRecord, RecordError};
use crate::source::{Source, SourceError};
use crate::tflite::{self, TfliteError};
use inkling_data::{Dataset, DatasetError, Split};
use inkling_support::digest::sha256;
use inkling_support::files::write_set;
use inkling_support::names;

/// Why no `model.rs` was made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{}: {error}", path.display())]
    Convert { path: PathBuf, error: ConvertError },
    #[error("{}: {error}", path.display())]
    Tflite { path: PathBuf, error: TfliteError },
    #[error("{}: {error}", path.display())]
    Read { path: PathBuf, error: ReadError },
    #[error("{}: {error}", path.display())]
    Record { path: PathBuf, error: RecordError },
    #[error(transparent)]
    Images(#[from] DatasetError),
    #[error(
        "{}: its SHA-256 is not in the proof {}: convert it with the command line again, or give the \
         float.onnx that lies beside the proof", path.display(), proof.display()
    )]
    NotProven { path: PathBuf, proof: PathBuf },
    #[error(
        "{}: the model.rs that it gives is not the one of {}: that was converted with --favour memory, or \
         by another version of Inkling; convert it with the command line again", path.display(), proof.display()
    )]
    Another { path: PathBuf, proof: PathBuf },
    #[error(
        "{}: nothing vouches for how it is read ({why}): give a proof, which is the model.json that the \
         command line wrote, or say unchecked(true)", path.display()
    )]
    Unchecked { path: PathBuf, why: String },
    #[error("{}: a float model needs calibration(DIR) or a proof", .0.display())]
    NoImages(PathBuf),
    #[error("the model is called {name:?}: {what}; give it another name with name(…)")]
    Name { name: String, what: String },
    #[error("OUT_DIR is not set: this is for build scripts; elsewhere say out(DIR)")]
    NoFolder,
}

/// A model that is converted while a crate is built.
#[derive(Clone, Debug)]
pub struct Model {
    path: PathBuf,
    name: Option<String>,
    proof: Option<PathBuf>,
    calibration: Option<PathBuf>,
    unchecked: bool,
    out: Option<PathBuf>,
}

impl Model {
    /// The model in an `.onnx` or `.tflite` file, float or quantized. A path is relative to the folder of the
    /// crate that is built.
    pub fn new(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_path_buf();
        Self { path, name: None, proof: None, calibration: None, unchecked: false, out: None }
    }

    /// The network's name, and the generated file's: `NAME.rs`. By default the network is called what
    /// the proof says, or as the file, and the generated file `model.rs`.
    pub fn name(self, name: &str) -> Self {
        Self { name: Some(name.to_string()), ..self }
    }

    /// The `model.json` that the command line wrote beside the file: its exponents are taken, and what is
    /// generated must be what it wrote, byte for byte.
    pub fn proof(self, path: impl AsRef<Path>) -> Self {
        Self { proof: Some(path.as_ref().to_path_buf()), ..self }
    }

    /// The folder with the IDX files whose training images choose the exponents, without a proof.
    pub fn calibration(self, folder: impl AsRef<Path>) -> Self {
        Self { calibration: Some(folder.as_ref().to_path_buf()), ..self }
    }

    /// Whether a file is taken that nothing has checked.
    pub fn unchecked(self, unchecked: bool) -> Self {
        Self { unchecked, ..self }
    }

    /// The folder for the generated file: `OUT_DIR` by default.
    pub fn out(self, folder: impl AsRef<Path>) -> Self {
        Self { out: Some(folder.as_ref().to_path_buf()), ..self }
    }

    /// Writes the Rust of the model, and tells cargo which files it was made of; its path.
    ///
    /// # Errors
    ///
    /// What cannot be read, is not supported or has nobody to vouch for it: one line that says what to
    /// do. Nothing is written then.
    pub fn generate(&self) -> Result<PathBuf, BuildError> {
        for path in [Some(&self.path), self.proof.as_ref(), self.calibration.as_ref()] {
            path.into_iter()
                .for_each(|path| println!("cargo::rerun-if-changed={}", path.display()));
        }
        let folder = self.out.clone().or_else(|| env::var_os("OUT_DIR").map(PathBuf::from));
        let folder = folder.ok_or(BuildError::NoFolder)?;
        let code = self.code()?;
        let file = format!("{}.rs", self.name.as_deref().unwrap_or("model"));
        let path = folder.join(&file);
        write_set(&folder, &[(&file[..], code.into_bytes())])
            .map_err(|error| BuildError::Io { path: path.clone(), error })?;
        Ok(path)
    }

    /// The Rust of the model.
    fn code(&self) -> Result<String, BuildError> {
        let path = || self.path.clone();
        let convert = |error| BuildError::Convert { path: path(), error };
        let tflite = |error| BuildError::Tflite { path: path(), error };
        let read = |error| BuildError::Read { path: path(), error };
        let source = Source::read(&self.path).map_err(|error| match error {
            SourceError::Io(error) => BuildError::Io { path: path(), error },
            SourceError::Tflite(error) => tflite(error),
            SourceError::Onnx(error) => read(error),
        })?;
        let proof = self.proof.as_ref().map(|proof| record(proof)).transpose()?;
        let name = self.network_name(proof.as_ref())?;
        let imported = match &source {
            Source::Tflite(bytes) => {
                let model = tflite::convert(&name, bytes, Favour::Time);
                Some((bytes, model.map_err(tflite)?))
            }
            Source::Quantized(bytes) => {
                let model = qdq::convert(&name, bytes, Favour::Time);
                Some((bytes, model.map_err(read)?))
            }
            Source::Float { .. } => None,
        };
        if let Some((bytes, model)) = imported {
            let code = model.model_rs();
            self.check(proof.as_ref(), bytes, Some(&code))?;
            return Ok(code);
        }
        let Source::Float { onnx, .. } = source else { return Err(BuildError::NoImages(path())) };
        if let Some(record) = &proof {
            self.check(proof.as_ref(), &onnx, None)?;
            let (_, network) = restored(&onnx, record).map_err(convert)?;
            let origin = Origin {
                name,
                source: "float.onnx".into(),
                source_sha256: Sha256::digest(&onnx).into(),
                command: record.command.clone(),
                labels: record.labels.clone(),
                unknown: unknown(record, &network).map_err(|error| convert(error.into()))?,
                section: None,
            };
            let code = rust::emit(&network, &arena::plan(&network), &origin);
            self.check(proof.as_ref(), &onnx, Some(&code))?;
            return Ok(code);
        }
        let folder = self.calibration.as_ref().ok_or_else(|| BuildError::NoImages(path()))?;
        let images = Dataset::load(folder, Split::Train)?;
        let conversion = Converter::new(&name, &onnx).convert(&images).map_err(convert)?;
        if !self.unchecked {
            let off = off_from_nodes(&conversion.float, &onnx, &conversion.pixels, &images);
            let why = match off {
                Ok(off) if off <= READING_TOLERANCE => None,
                Ok(off) => Some(format!("it differs from its own nodes by {:.1} %", off * 100.0)),
                Err(why) => Some(why),
            };
            if let Some(why) = why {
                return Err(BuildError::Unchecked { path: path(), why });
            }
        }
        Ok(conversion.model_rs())
    }

    /// Whether a proof, if there is one, is about this file and this code. A name of its own changes the
    /// code.
    fn check(
        &self,
        proof: Option<&ModelRecord>,
        file: &[u8],
        code: Option<&str>,
    ) -> Result<(), BuildError> {
        let (Some(record), Some(proof)) = (proof, self.proof.clone()) else { return Ok(()) };
        let path = self.path.clone();
        let digest = sha256([file]);
        let named = record.source.as_ref().is_some_and(|source| source.sha256 == digest)
            || record.files.values().any(|known| *known == digest);
        if !named && !self.unchecked {
            return Err(BuildError::NotProven { path, proof });
        }
        let own_name = self.name.as_ref().is_some_and(|name| *name != record.name);
        let same = |code: &str| record.files.get("model.rs") == Some(&sha256([code.as_bytes()]));
        match code {
            Some(code) if !own_name && !self.unchecked && !same(code) => {
                Err(BuildError::Another { path, proof })
            }
            _ => Ok(()),
        }
    }

    fn network_name(&self, proof: Option<&ModelRecord>) -> Result<String, BuildError> {
        let stem = || self.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("model");
        let name = match (&self.name, proof) {
            (Some(name), _) => name.clone(),
            (None, Some(record)) => record.name.clone(),
            (None, None) => stem().to_string(),
        };
        match names::check(&name) {
            Ok(()) => Ok(name),
            Err(what) => Err(BuildError::Name { name, what }),
        }
    }
}

fn record(path: &Path) -> Result<ModelRecord, BuildError> {
    let text = fs::read_to_string(path)
        .map_err(|error| BuildError::Io { path: path.to_path_buf(), error })?;
    ModelRecord::parse(&text)
        .map_err(|error| BuildError::Record { path: path.to_path_buf(), error })
}
