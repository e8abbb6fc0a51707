//! The parts of a data set, by the names that people give them.

/// What samples serve for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Train,
    Validation,
    Test,
}

impl Part {
    pub const ALL: [Part; 3] = [Part::Train, Part::Validation, Part::Test];

    /// The part that a folder or a cell of this name means, in any case of its letters.
    pub fn named(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Self::Train),
            "val" | "valid" | "validation" | "dev" => Some(Self::Validation),
            "test" | "testing" => Some(Self::Test),
            _ => None,
        }
    }

    /// The part that a file's name speaks of in one of its words: `mnist_train.csv`, `x-test.npy`.
    pub fn in_name(name: &str) -> Option<Self> {
        name.split(|c: char| !c.is_ascii_alphanumeric()).find_map(Self::named)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "training",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// Something for each part; training there always is.
pub struct Parts<T> {
    pub train: T,
    pub validation: Option<T>,
    pub test: Option<T>,
}

impl<T> Parts<T> {
    pub fn map<U, E>(self, mut work: impl FnMut(Part, T) -> Result<U, E>) -> Result<Parts<U>, E> {
        Ok(Parts {
            train: work(Part::Train, self.train)?,
            validation: self.validation.map(|one| work(Part::Validation, one)).transpose()?,
            test: self.test.map(|one| work(Part::Test, one)).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Part;

    #[test]
    fn parts_go_by_many_names() {
        for (name, part) in [
            ("train", Part::Train),
            ("Training", Part::Train),
            ("VAL", Part::Validation),
            ("valid", Part::Validation),
            ("validation", Part::Validation),
            ("Testing", Part::Test),
        ] {
            assert_eq!(Part::named(name), Some(part), "{name}");
        }
        assert_eq!(Part::named("trains"), None);
        assert_eq!(Part::in_name("sign_mnist_Test"), Some(Part::Test));
        assert_eq!(Part::in_name("contestants"), None);
    }
}
