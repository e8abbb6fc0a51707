//! Which of its forms a data set has.

use std::path::Path;

use super::idx_names::{self, IdxFiles};
use super::parts::{Part, Parts};
use super::pictures::Item;
use super::tree::{self, Tree};
use super::{ImportError, Options, arrays, listed};

/// What lies at a path.
pub enum Form {
    Idx(IdxFiles),
    Arrays,
    /// CSV files, by their place in the tree.
    Tables(Parts<usize>),
    Pictures(Vec<Item>),
    Series(Vec<Item>),
}

/// What is taken, for a message.
const TAKEN: &str = "expected a folder per label with pictures or recordings, pictures with a \
                     metadata.csv, a CSV file of label,value,…, IDX files as MNIST has them, or \
                     NumPy arrays";

/// Finds the form of a data set; notes say what is left out.
pub fn find(tree: &Tree, options: &Options, notes: &mut Vec<String>) -> Result<Form, ImportError> {
    let malformed = |what: String| ImportError::Malformed { path: tree.root.clone(), what };
    if let Some(files) = idx_names::find(&tree.files) {
        return files.map(Form::Idx).map_err(malformed);
    }
    if arrays::are_in(tree) {
        return Ok(Form::Arrays);
    }
    if let Some(items) = listed::items(tree, options)? {
        return Ok(Form::Pictures(items));
    }
    let tables: Vec<usize> =
        (0..tree.files.len()).filter(|&index| is_table(&tree.files[index])).collect();
    let top = |&&index: &&usize| tree::depth(&tree.files[index]) == 1;
    let top_tables: Vec<usize> = tables.iter().filter(top).copied().collect();
    if !top_tables.is_empty() {
        return parts_of(tree, &top_tables).map(Form::Tables).map_err(malformed);
    }
    // One folder is no set of labels: an archive has its tables there.
    let folders = tree.files.iter().map(|file| file.parent()).collect::<Vec<_>>();
    let together = folders.windows(2).all(|pair| pair[0] == pair[1]);
    if together
        && tables.len() == tree.files.len()
        && let Ok(parts) = parts_of(tree, &tables)
    {
        return Ok(Form::Tables(parts));
    }
    let items = items(tree, notes);
    if items.is_empty() {
        return Err(malformed(format!("no data set; {TAKEN}")));
    }
    let recordings = items.iter().filter(|item| is_table(&tree.files[item.file])).count();
    Ok(if 2 * recordings > items.len() { Form::Series(items) } else { Form::Pictures(items) })
}

/// Whether a file is a table, by its name.
pub fn is_table(path: &Path) -> bool {
    path.extension()
        .is_some_and(|end| ["csv", "tsv"].iter().any(|known| end.eq_ignore_ascii_case(known)))
}

/// Which table is for what, by their names.
fn parts_of(tree: &Tree, tables: &[usize]) -> Result<Parts<usize>, String> {
    if let [one] = tables {
        return Ok(Parts { train: *one, validation: None, test: None });
    }
    let of = |part: Part| {
        let mut found = tables.iter().filter(|&&index| {
            let stem = tree.files[index].file_stem().unwrap_or_default().to_string_lossy();
            Part::in_name(&stem) == Some(part)
        });
        (found.next().copied(), found.next().is_some())
    };
    match Part::ALL.map(of) {
        [(Some(train), false), (validation, false), (test, false)] => {
            Ok(Parts { train, validation, test })
        }
        _ => Err(format!(
            "{} CSV files; name the one to use, or call them train.csv and test.csv",
            tables.len()
        )),
    }
}

/// The files below folders that are labels, or below those of the parts.
fn items(tree: &Tree, notes: &mut Vec<String>) -> Vec<Item> {
    let names = |file: &Path| file.iter().map(tree::text).collect::<Vec<_>>();
    // A folder called train divides the data only if it has folders of its own; else it is a label.
    let divides = |file: &std::path::PathBuf| {
        let names = names(file);
        names.len() > 2 && Part::named(&names[0]) == Some(Part::Train)
    };
    let divided = tree.files.iter().any(divides);
    let (mut items, mut ignored) = (Vec::new(), Vec::new());
    for (file, path) in tree.files.iter().enumerate() {
        let names = names(path);
        match (divided, &names[..]) {
            (true, [folder, label, _, ..]) if Part::named(folder).is_some() => {
                let part = Part::named(folder).unwrap_or(Part::Train);
                items.push(Item { file, label: label.clone(), part });
            }
            (false, [label, _, ..]) => {
                items.push(Item { file, label: label.clone(), part: Part::Train });
            }
            (_, [first, ..]) if !ignored.contains(first) => ignored.push(first.clone()),
            _ => {}
        }
    }
    if !ignored.is_empty() && !items.is_empty() {
        let some: Vec<&str> = ignored.iter().take(3).map(String::as_str).collect();
        notes.push(format!(
            "{} beside the folders of labels left out: {}{}",
            ignored.len(),
            some.join(", "),
            if ignored.len() > 3 { ", …" } else { "" }
        ));
    }
    items
}
