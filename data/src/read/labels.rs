//! Names of classes.

use std::fs;
use std::io;
use std::path::Path;

use inkling_support::files::write_atomically;

/// File beside a model or a data set: a name per line, that of class 0 first.
pub const FILE: &str = "labels.txt";

/// Puts names into the order of their classes: numbers by value, other names by their letters.
pub fn sort(names: &mut [String]) {
    let number = |name: &String| name.parse::<u64>().ok();
    if names.iter().all(|name| number(name).is_some()) {
        names.sort_by_key(number);
    } else {
        names.sort();
    }
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
        Ok(text) => {
            let names: Vec<String> = text.lines().map(|line| line.trim().to_string()).collect();
            match names.iter().position(String::is_empty) {
                Some(line) => Err(format!("{}: line {} is empty", path.display(), line + 1)),
                None => Ok(Some(names)),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: cannot be read: {error}", path.display())),
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
