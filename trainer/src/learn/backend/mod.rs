//! What runs the graphs: ONNX Runtime where a library is found, else the embedded tract.
//!
//! Both stand behind `ort`'s interface, which is global: a process has one backend.

mod discover;
pub mod probe;

use std::borrow::Cow;
use std::path::PathBuf;

use ort::environment::Environment;
use ort::session::SessionInputValue;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;

pub use discover::Found;

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Choice {
    /// ONNX Runtime if a usable library is found, else tract.
    #[default]
    Auto,
    /// ONNX Runtime, or an error.
    Onnxruntime,
    /// The embedded pure-Rust backend.
    Tract,
}

/// What runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    OnnxRuntime,
    Tract,
}

/// The backend of this process.
pub struct Backend {
    environment: Environment,
    kind: Kind,
    /// One line: what runs and why.
    description: String,
    /// What decides the bits of a result besides the graph: name and version.
    identity: String,
}

impl Backend {
    /// Chooses and starts the backend.
    ///
    /// # Errors
    ///
    /// A library that was named (by `library` or the environment variable `ORT_DYLIB_PATH`) but
    /// does not load or is too old; no library where ONNX Runtime was asked for.
    pub fn start(choice: Choice, library: Option<PathBuf>) -> Result<Self, BackendError> {
        if choice == Choice::Tract {
            if let Some(path) = library {
                return Err(BackendError::Contradiction { path });
            }
            return Self::tract("asked for with --backend tract");
        }
        match discover::find(library)? {
            Found::Library { builder, version, path, why } => {
                let environment = builder.with_name("inkling").with_telemetry(false).build()?;
                Ok(Self {
                    environment,
                    kind: Kind::OnnxRuntime,
                    description: format!("ONNX Runtime {version} ({why}: {})", path.display()),
                    identity: format!("onnxruntime {version}"),
                })
            }
            Found::Nothing { looked } if choice == Choice::Onnxruntime => {
                Err(BackendError::NoLibrary { looked })
            }
            Found::Nothing { looked } => Self::tract(&looked),
        }
    }

    fn tract(why: &str) -> Result<Self, BackendError> {
        ort::set_api(ort_tract::api());
        Ok(Self {
            environment: ort::init().with_name("inkling").build()?,
            kind: Kind::Tract,
            description: format!("tract, embedded ({why})"),
            identity: format!("tract {}", tract_version()),
        })
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn description(&self) -> &str {
        &self.description
    }

    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// For sessions of another kind than [`Backend::session`] makes.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Loads a graph, to be run on the calling thread alone.
    pub fn session(&self, model: &[u8]) -> Result<Session, BackendError> {
        let level = GraphOptimizationLevel::Level3;
        let mut builder = ort::session::Session::builder(&self.environment)?
            .with_optimization_level(level)
            .map_err(ort::Error::from)?;
        if self.kind == Kind::OnnxRuntime {
            builder = builder
                .with_intra_threads(1)
                .and_then(|builder| builder.with_inter_threads(1))
                .and_then(|builder| builder.with_deterministic_compute(true))
                .map_err(ort::Error::from)?;
        }
        Ok(Session { session: builder.commit_from_memory(model)? })
    }
}

/// The version of tract that this program is built with.
fn tract_version() -> &'static str {
    let lock = include_str!("../../../../Cargo.lock");
    let (_, package) = lock.split_once("name = \"tract-onnx\"\nversion = \"").unwrap_or_default();
    package.split('"').next().unwrap_or_default()
}

/// An input of a graph: name, shape, values in row-major order.
pub type Input<'a> = (&'a str, &'a [usize], &'a [f32]);

/// A loaded graph of `f32` inputs and outputs.
pub struct Session {
    session: ort::session::Session,
}

impl Session {
    /// Runs the graph and returns its outputs in the graph's order.
    pub fn run(&mut self, inputs: &[Input<'_>]) -> Result<Vec<Vec<f32>>, BackendError> {
        let mut values: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::new();
        for (name, shape, data) in inputs {
            let tensor = TensorRef::from_array_view((*shape, *data))?;
            values.push(((*name).into(), tensor.into()));
        }
        let outputs = self.session.run(values)?;
        outputs.values().map(|value| Ok(value.try_extract_tensor::<f32>()?.1.to_vec())).collect()
    }
}

/// Why a backend did not start or a graph did not run.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    #[error(
        "ONNX Runtime was asked for, but {looked}; install it with `pip install onnxruntime`, name \
         a library with --ort-lib, or leave --backend away"
    )]
    NoLibrary { looked: String },
    #[error(
        "--ort-lib {} contradicts --backend tract; leave one of them away", path.display()
    )]
    Contradiction { path: PathBuf },
    #[error("{}: {what} ({why})", path.display())]
    Library { path: PathBuf, what: String, why: &'static str },
    #[error("the backend failed: {0}")]
    Run(#[from] ort::Error),
}

#[cfg(test)]
mod tests {
    use super::tract_version;

    #[test]
    fn the_version_of_tract_is_found() {
        let parts: Vec<&str> = tract_version().split('.').collect();
        assert_eq!(parts.len(), 3, "{parts:?}");
        assert!(parts.iter().all(|part| part.parse::<u32>().is_ok()), "{parts:?}");
    }
}
