//! Checkpoints: all that a run needs to go on as if it had never stopped.
//!
//! A checkpoint is written after every epoch. Nothing else has to be remembered, because every
//! random number depends only on the seed and on what it is drawn for.

use std::path::{Path, PathBuf};

use inkling_support::files::write_atomically;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{EpochRecord, State};

/// Begins every checkpoint. The number is the version of the layout: raise it with any change to
/// [`Checkpoint`] or to what it contains.
pub const MAGIC: &[u8; 16] = b"INKLING-CKPT-002";

/// What a run is: two runs with equal identities give equal bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub network: String,
    /// The recipe, every value of it.
    pub recipe: String,
    pub seed: u64,
    /// The sha256 of all images and labels.
    pub dataset: String,
    pub backend: String,
    pub threads: usize,
}

impl Identity {
    /// What differs between a checkpoint's run and this one, one clause each.
    fn differences(&self, now: &Identity) -> Vec<String> {
        let pairs = [
            ("network", self.network.clone(), now.network.clone()),
            ("recipe", self.recipe.clone(), now.recipe.clone()),
            ("seed", self.seed.to_string(), now.seed.to_string()),
            ("data set (sha256)", self.dataset.clone(), now.dataset.clone()),
            ("backend", self.backend.clone(), now.backend.clone()),
            ("threads", self.threads.to_string(), now.threads.to_string()),
        ];
        let differing = pairs.into_iter().filter(|(_, then, now)| then != now);
        differing.map(|(what, then, now)| format!("{what} was {then} and is now {now}")).collect()
    }
}

/// The state of a run after an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub identity: Identity,
    pub state: State,
    /// The parameters of the epoch with the lowest validation loss, if they may be wanted.
    pub best: Option<Vec<f32>>,
    /// One record per finished epoch: the next epoch's number is its length.
    pub history: Vec<EpochRecord>,
}

impl Checkpoint {
    /// Writes the checkpoint so that `path` holds either the one before or this one, whole.
    pub fn write(&self, path: &Path) -> Result<(), CheckpointError> {
        let body = postcard::to_allocvec(self).map_err(|_| CheckpointError::Encode)?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&Sha256::digest(&body));
        bytes.extend_from_slice(&body);
        write_atomically(path, &bytes).map_err(CheckpointError::Write)
    }

    /// Reads the checkpoint of the run `identity`; `None` if there is no file.
    ///
    /// # Errors
    ///
    /// A file that is no checkpoint or is damaged, or one of another run.
    pub fn read(path: &Path, identity: &Identity) -> Result<Option<Self>, CheckpointError> {
        let path_buf = || path.to_path_buf();
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CheckpointError::Read { path: path_buf(), error }),
        };
        let damaged = || CheckpointError::Damaged { path: path_buf() };
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(damaged)?;
        let (digest, body) = rest.split_at_checked(32).ok_or_else(damaged)?;
        if Sha256::digest(body).as_slice() != digest {
            return Err(damaged());
        }
        let checkpoint: Self = postcard::from_bytes(body).map_err(|_| damaged())?;
        let differences = checkpoint.identity.differences(identity);
        if !differences.is_empty() {
            let what = differences.join("; ");
            return Err(CheckpointError::OtherRun { path: path_buf(), what });
        }
        Ok(Some(checkpoint))
    }
}

/// Why a checkpoint could not be written or used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Names the file.
    #[error("{0}")]
    Write(std::io::Error),
    #[error("a checkpoint could not be encoded")]
    Encode,
    #[error("{}: cannot be read: {error}", path.display())]
    Read { path: PathBuf, error: std::io::Error },
    #[error(
        "{}: not a checkpoint of this version, or damaged; start again without --resume",
        path.display()
    )]
    Damaged { path: PathBuf },
    #[error(
        "{}: belongs to another run: {what}; repeat that run's options, or start again without \
         --resume", path.display()
    )]
    OtherRun { path: PathBuf, what: String },
}
