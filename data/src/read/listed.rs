//! Pictures in one folder with a table that says what is on them: `metadata.csv` or `labels.csv`
//! with a column of file names.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::parts::Part;
use super::pictures::Item;
use super::table::{self, Columns};
use super::tree::Tree;
use super::{ImportError, Options, labels};

/// Names of such tables, without `.csv`.
const NAMES: [&str; 4] = ["metadata", "labels", "annotations", "train"];

/// Titles of columns that say the part.
const PART_TITLES: [&str; 5] = ["split", "set", "subset", "part", "usage"];

/// The files that a tree's tables list; `None` if there is no table that lists files.
pub fn items(tree: &Tree, options: &Options) -> Result<Option<Vec<Item>>, ImportError> {
    let places: HashMap<&Path, usize> =
        tree.files.iter().enumerate().map(|(index, file)| (file.as_path(), index)).collect();
    let mut items = Vec::new();
    for (index, file) in tree.files.iter().enumerate() {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let is_csv = file.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
        if is_csv && NAMES.contains(&stem.as_str()) {
            items.extend(listed(tree, index, &places, options)?);
        }
    }
    Ok((!items.is_empty()).then_some(items))
}

fn listed(
    tree: &Tree,
    table_index: usize,
    places: &HashMap<&Path, usize>,
    options: &Options,
) -> Result<Vec<Item>, ImportError> {
    let path = tree.path(table_index);
    let malformed = |what: String| ImportError::Malformed { path: path.clone(), what };
    let folder = tree.files[table_index].parent().unwrap_or(Path::new(""));
    let reader = tree.reader(table_index).map_err(malformed)?;
    let mut reader = table::rows(&path, reader)?;
    let mut records = reader.records().map(|record| record.map_err(|e| table::failed(&path, e)));
    // A table of numbers may be larger than memory: the second row tells whether it lists files.
    let mut rows: Vec<csv::StringRecord> = records.by_ref().take(2).collect::<Result<_, _>>()?;
    // Where a cell's file is: beside the table, or in a folder of the part's or the pictures' name.
    let find = |cell: &str| {
        let file = PathBuf::from(cell.replace('\\', "/"));
        let beside = folder.join(&file);
        places.get(beside.as_path()).or_else(|| {
            let ends = |place: &&&Path| place.starts_with(folder) && place.ends_with(&file);
            places.keys().find(ends).and_then(|place| places.get(place))
        })
    };
    let Some(names) = rows.get(1).and_then(|row| row.iter().position(|cell| find(cell).is_some()))
    else {
        return Ok(Vec::new());
    };
    for record in records {
        rows.push(record?);
    }
    let titles: Vec<String> = rows[0].iter().map(str::to_ascii_lowercase).collect();
    let part_column = titles.iter().position(|title| PART_TITLES.contains(&title.as_str()));
    let label = match &options.label_column {
        Some(wanted) => Columns::find(&rows, Some(wanted)).map_err(malformed)?.label,
        None => {
            let others: Vec<usize> = (0..titles.len())
                .filter(|&column| column != names && Some(column) != part_column)
                .collect();
            let titled = others.iter().find(|&&column| titles[column].contains("label"));
            let titled = titled.or_else(|| {
                others.iter().find(|&&column| {
                    ["class", "category", "target"].contains(&titles[column].as_str())
                })
            });
            match (titled, &others[..]) {
                (Some(&column), _) | (None, &[column]) => column,
                _ => {
                    return Err(malformed(
                        "no column is titled label; --label-column NAME says which it is".into(),
                    ));
                }
            }
        }
    };
    let folder_part = folder.iter().find_map(|name| Part::named(&name.to_string_lossy()));
    let header = usize::from(find(&rows[0][names]).is_none());
    let mut items = Vec::new();
    for (row, record) in rows.iter().enumerate().skip(header) {
        let cell = |column: usize| record.get(column).unwrap_or("");
        let wrong = |what: String| malformed(format!("row {}: {what}", row + 1));
        let file = *find(cell(names))
            .ok_or_else(|| wrong(format!("there is no file {:?}", cell(names))))?;
        let label = labels::checked(cell(label)).map_err(wrong)?;
        let part = match part_column.map(cell) {
            Some(name) => Part::named(name)
                .ok_or_else(|| wrong(format!("{name:?} is neither train, validation nor test")))?,
            None => folder_part.unwrap_or(Part::Train),
        };
        items.push(Item { file, label, part });
    }
    Ok(items)
}
