//! Names of models and sections: words that are safe in a path, in generated code and in a model card.

/// The longest name, in bytes.
pub const LONGEST: usize = 32;

/// Checks that a model may be called `name`: 1 to [`LONGEST`] ASCII letters, digits, `-` and `_`.
///
/// # Errors
///
/// What a name may be, without the name.
pub fn check(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match (1..=LONGEST).contains(&name.len()) && name.chars().all(fits) {
        true => Ok(()),
        false => Err(format!("use 1 to {LONGEST} letters, digits, '-' and '_'")),
    }
}

/// Checks that a linker's section may be called `name`: a full stop and ASCII letters, digits, `_` and `.`.
///
/// # Errors
///
/// What a name may be, without the name.
pub fn check_section(name: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    match name.strip_prefix('.').is_some_and(|rest| !rest.is_empty() && rest.chars().all(fits)) {
        true => Ok(name.to_string()),
        false => {
            Err("a section's name is a full stop and letters, digits, '_' or '.', as .data".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{check, check_section};

    #[test]
    fn sections_have_names() {
        for good in [".data", ".rwtext", ".data.weights_1"] {
            assert_eq!(check_section(good).as_deref(), Ok(good));
        }
        for bad in ["", ".", "data", ".da ta", ".data\"]", ".é"] {
            assert!(check_section(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_plain_words_are_names() {
        for good in ["a", "simple", "Digits-10k_2", &"x".repeat(32)] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", "a b", "é", "../x", "a\n", &"x".repeat(33)] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
