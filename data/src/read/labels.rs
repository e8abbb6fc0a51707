//! Names of classes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use inkling_support::files::write_atomically;

/// File beside a model or a data set: a name per line, that of class 0 first.
pub const FILE: &str = "labels.txt";

/// The name of a class as it is kept: without blanks around it.
///
/// # Errors
///
/// One line for a name that no line of [`FILE`] can hold.
pub fn checked(name: &str) -> Result<String, String> {
    let trimmed = name.trim();
    if trimmed.is_empty() {
        return Err("the label is missing".into());
    }
    if trimmed.chars().any(char::is_control) {
        return Err(format!("label {name:?} holds a line break or another control character"));
    }
    Ok(trimmed.to_string())
}

/// The names of the classes in their order, and the class of each of `labels`. Whole numbers go by
/// their value, so that `07` and `7.0` among others are `7`; other names by their letters.
pub fn classes(labels: &[String]) -> (Vec<String>, Vec<u16>) {
    let numbers: Option<Vec<u64>> = labels.iter().map(|label| number(label)).collect();
    match numbers {
        Some(numbers) => {
            // Of several ways to write a number, the first by length and letters.
            let mut names: BTreeMap<u64, &str> = BTreeMap::new();
            for (number, label) in numbers.iter().zip(labels) {
                let name = names.entry(*number).or_insert(label);
                if (label.len(), label.as_str()) < (name.len(), *name) {
                    *name = label;
                }
            }
            let order: Vec<u64> = names.keys().copied().collect();
            let class = |number| order.binary_search(number).unwrap_or(0) as u16;
            let names = names.values().map(|name| name.strip_suffix(".0").unwrap_or(name).into());
            (names.collect(), numbers.iter().map(class).collect())
        }
        None => {
            let names: Vec<String> =
                labels.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect();
            let class = |label| names.binary_search(label).unwrap_or(0) as u16;
            let classes = labels.iter().map(class).collect();
            (names, classes)
        }
    }
}

/// The value of a label that is a whole number; some programs write 7 as 7.0.
fn number(label: &str) -> Option<u64> {
    label.strip_suffix(".0").unwrap_or(label).parse().ok()
}

/// The names of classes that nobody has named: their numbers.
pub fn numbers(classes: usize) -> Vec<String> {
    (0..classes).map(|class| class.to_string()).collect()
}

/// Reads `labels.txt` of a folder; `None` if there is none.
///
/// # Errors
///
/// One line that names the file.
pub fn read(folder: &Path) -> Result<Option<Vec<String>>, String> {
    let path = folder.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => of_text(&text, &path).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: cannot be read: {error}", path.display())),
    }
}

/// The names in the text of such a file, which messages call `path`.
///
/// # Errors
///
/// One line that names the file.
pub fn of_text(text: &str, path: &Path) -> Result<Vec<String>, String> {
    let names: Vec<String> = text.lines().map(|line| line.trim().to_string()).collect();
    match names.iter().position(String::is_empty) {
        Some(line) => Err(format!("{}: line {} is empty", path.display(), line + 1)),
        None => Ok(names),
    }
}

/// What `labels.txt` holds for these names.
pub fn text(names: &[String]) -> String {
    names.join("\n") + "\n"
}

/// Writes `labels.txt` into a folder.
///
/// # Errors
///
/// The file system's, with the path.
pub fn write(folder: &Path, names: &[String]) -> io::Result<()> {
    write_atomically(&folder.join(FILE), text(names).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{checked, classes};

    fn of(labels: &[&str]) -> (Vec<String>, Vec<u16>) {
        classes(&labels.iter().map(|label| label.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn labels_are_classes_by_value_or_by_letters() {
        assert_eq!(of(&["10", "9", "9"]), (vec!["9".into(), "10".into()], vec![1, 0, 0]));
        assert_eq!(of(&["01", "00", "02"]).0, ["00", "01", "02"]);
        assert_eq!(of(&["7.0", "3", "07", "7"]), (vec!["3".into(), "7".into()], vec![1, 0, 1, 1]));
        assert_eq!(of(&["7.0", "3.0"]).0, ["3", "7"]);
        assert_eq!(
            of(&["b", "a", "10"]),
            (vec!["10".into(), "a".into(), "b".into()], vec![2, 1, 0])
        );
    }

    #[test]
    fn names_that_a_line_cannot_hold_are_refused() {
        assert_eq!(checked("  rust "), Ok("rust".into()));
        assert!(checked("a\nb").is_err_and(|what| what.contains("\\n")));
        assert!(checked("  ").is_err());
    }
}
