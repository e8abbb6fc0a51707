//! The folder of a sweep: whose it is, and that nobody else writes into it.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use inkling_support::files::{self, OwnFolder, write_new};
use serde::{Deserialize, Serialize};

use super::plan::Plan;
use super::run::Material;
use super::{BEST, Design, HTML, JSON};
use crate::learn::backend::Backend;

/// What a sweep is, to tell whether its folder belongs to it.
const IDENTITY: &str = "identity.json";

/// What to do about a folder that is another sweep's.
const ANOTHER: &str = "give --out a new folder, or delete this one";

/// Two sweeps with equal identities give equal results.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    plan: String,
    /// The recipe that gives what is not varied.
    recipe: String,
    /// The sha256 of all images and labels.
    dataset: String,
    /// The sha256 of what is learned from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    teachers: Vec<String>,
    network: String,
    backend: String,
}

impl Identity {
    /// What differs, in words.
    fn differences(&self, other: &Identity) -> Vec<&'static str> {
        [
            ("the sweep file", self.plan == other.plan),
            ("the recipe", self.recipe == other.recipe),
            ("the data set", self.dataset == other.dataset),
            ("the teachers", self.teachers == other.teachers),
            ("the network", self.network == other.network),
            // Whoever only collects has none.
            ("the backend", other.backend.is_empty() || self.backend == other.backend),
        ]
        .iter()
        .filter(|(_, same)| !same)
        .map(|(what, _)| *what)
        .collect()
    }

    /// Of a sweep on a backend; without one of what the folder's runs were done by.
    pub fn new(design: &Design, material: &Material, backend: Option<&Backend>) -> Result<Self> {
        // Where teachers lie is no part of what a sweep is, but what they are.
        let mut base = design.base.clone();
        if let Some(teacher) = &mut base.teacher {
            teacher.models.clear();
        }
        let teachers = material.teachers.values().map(|teacher| teacher.sha256().to_string());
        let plan = Plan { data: Default::default(), ..design.plan.clone() };
        Ok(Self {
            plan: toml::to_string(&plan).context("the sweep as TOML")?,
            recipe: base.to_toml(),
            dataset: material.fingerprint.clone(),
            teachers: teachers.collect(),
            network: material.network.to_string(),
            backend: backend.map(|backend| backend.identity().to_string()).unwrap_or_default(),
        })
    }

    /// Makes the folder `out` this sweep's alone, unless it is another's; returns whether it was
    /// before, which is refused unless the sweep is `resumed`.
    pub fn own(&self, out: &Path, resumed: bool) -> Result<(bool, OwnFolder)> {
        let before = self.is_of(out)?;
        if before && !resumed {
            bail!(
                "{}: this sweep has been here before; --resume goes on with it, or {ANOTHER}",
                out.display(),
            );
        }
        let folder = files::prepare_folder(out, &[IDENTITY, JSON, HTML, BEST])?;
        self.share(out)?;
        Ok((before, folder))
    }

    /// Makes the folder `out` this sweep's, unless it is another's. Others that do the same sweep may
    /// write into it at the same time: what they do is divided by runs, and each has its own folder.
    pub fn share(&self, out: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("the sweep as JSON")?;
        write_new(&out.join(IDENTITY), (text + "\n").as_bytes())?;
        self.is_of(out).map(|_| ())
    }

    /// Whether there is a sweep in the folder `out`.
    ///
    /// # Errors
    ///
    /// It is another than this one.
    pub fn is_of(&self, out: &Path) -> Result<bool> {
        let path = out.join(IDENTITY);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => bail!("{}: cannot be read: {error}", path.display()),
            Ok(text) => text,
        };
        let before: Identity = serde_json::from_str(&text)
            .map_err(|error| anyhow!("{}: damaged ({error}); {ANOTHER}", path.display()))?;
        let differences = before.differences(self);
        if !differences.is_empty() {
            bail!(
                "{}: holds another sweep: changed since then: {}; {ANOTHER}",
                out.display(),
                differences.join(", "),
            );
        }
        Ok(true)
    }
}
