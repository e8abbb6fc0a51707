//! Where a sample comes from.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A file, and where in it, for whoever has to look at a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    file: Arc<Path>,
    /// What the file has many of, and which of them, as a person counts.
    part: Option<(&'static str, u32)>,
}

impl Default for Source {
    /// Nowhere.
    fn default() -> Self {
        Self { file: Arc::from(Path::new("")), part: None }
    }
}

impl Source {
    /// A file that is one sample.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self { file: Arc::from(path.as_ref()), part: None }
    }

    /// Part `number` of a file that holds many: a `row` of a table, an `image` of an IDX file.
    pub fn part(file: &Arc<Path>, noun: &'static str, number: usize) -> Self {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        Self { file: Arc::clone(file), part: Some((noun, number)) }
    }
}

/// What files have many of.
const NOUNS: [&str; 3] = ["row", "image", "sample"];

impl Source {
    /// The file, and which part of it with what it is called.
    pub(crate) fn parts(&self) -> (&Path, Option<(&'static str, u32)>) {
        (&self.file, self.part)
    }

    /// What [`Source::parts`] told; nothing for a noun that no reader uses.
    pub(crate) fn of_parts(file: &Arc<Path>, part: Option<(&str, u32)>) -> Option<Self> {
        let part = match part {
            Some((noun, number)) => Some((*NOUNS.iter().find(|known| **known == noun)?, number)),
            None => None,
        };
        Some(Self { file: Arc::clone(file), part })
    }

    /// Whether the sample is a file of its own, or a row of a table: something that a person finds
    /// by it more easily than by an index.
    pub fn says_more(&self) -> bool {
        self.part.is_none_or(|(noun, _)| noun == "row") && !self.file.as_os_str().is_empty()
    }

    /// The file, if the sample is all of it.
    pub fn whole_file(&self) -> Option<&Path> {
        Some(&*self.file).filter(|file| self.part.is_none() && !file.as_os_str().is_empty())
    }

    /// Where in its file, such as `row 7`.
    pub fn place(&self) -> String {
        self.part.map_or(String::new(), |(noun, number)| format!("{noun} {number}"))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        match self.part {
            Some((noun, number)) => write!(f, ", {noun} {number}"),
            None => Ok(()),
        }
    }
}
