//! CSV files: a label and the pixels of an image per row.

use std::collections::BTreeSet;
use std::path::Path;

use crate::{Dataset, MAX_CLASSES, MAX_SIDE};

use super::{BadFile, ImportError, labels};

/// Titles that mark the label's column; without one of them it is the first.
const LABEL_TITLES: [&str; 4] = ["label", "class", "target", "y"];

/// A table of images.
pub struct Table {
    pub height: usize,
    pub width: usize,
    /// The label of each row, as written.
    pub labels: Vec<String>,
    /// Pixels of all rows, 0 to 255; NaN where a cell is empty.
    pub pixels: Vec<f32>,
    pub bad: Vec<BadFile>,
    pub notes: Vec<String>,
}

/// Reads a table; `missing` is a value that stands for a missing pixel, as an empty cell does.
pub fn read(path: &Path, missing: Option<f32>) -> Result<Table, ImportError> {
    let malformed = |what: String| ImportError::Malformed { path: path.to_path_buf(), what };
    let failed = |error: csv::Error| match error.into_kind() {
        csv::ErrorKind::Io(error) => ImportError::Read { path: path.to_path_buf(), error },
        csv::ErrorKind::Utf8 { pos, .. } => malformed(format!(
            "not a text file (row {})",
            pos.map_or(1, |position| position.record() + 1)
        )),
        other => malformed(format!("{other:?}")),
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(failed)?;
    let mut records = reader.records();
    let first = match records.next() {
        Some(first) => first.map_err(failed)?,
        None => return Err(malformed("is empty; expected rows of label,pixel,pixel,…".into())),
    };
    // A pixel is a number or empty, a title is neither.
    let is_number = |cell: &str| cell.is_empty() || cell.parse::<f32>().is_ok();
    let header = first.iter().skip(1).any(|cell| !is_number(cell));
    let label_column = label_column(&first, header).ok_or_else(|| {
        malformed(format!(
            "its header has no label column (one of {}): is this a file without labels?",
            LABEL_TITLES.join(", ")
        ))
    })?;
    let columns = first.len();
    if columns < 2 {
        return Err(malformed("has one column; expected rows of label,pixel,pixel,…".into()));
    }
    let [height, width] = sides(&first, header, columns - 1).map_err(malformed)?;

    let mut table = Table {
        height,
        width,
        labels: Vec::new(),
        pixels: Vec::new(),
        bad: Vec::new(),
        notes: Vec::new(),
    };
    let rows = (!header).then_some(Ok(first)).into_iter().chain(records);
    for (index, record) in rows.enumerate() {
        let record = record.map_err(failed)?;
        let line = index + 1 + usize::from(header);
        let before = table.pixels.len();
        match row(&record, label_column, columns, missing, &mut table.pixels) {
            Ok(label) => table.labels.push(label),
            Err(what) => {
                table.pixels.truncate(before);
                table.bad.push(BadFile {
                    path: path.to_path_buf(),
                    what: format!("row {line}: {what}"),
                });
            }
        }
    }
    scale(&mut table);
    table
        .notes
        .push(format!("{} rows of {height}×{width} pixels, taken as they are", table.labels.len()));
    Ok(table)
}

fn label_column(first: &csv::StringRecord, header: bool) -> Option<usize> {
    if !header {
        return Some(0);
    }
    let titled = |cell: &str| LABEL_TITLES.contains(&cell.to_ascii_lowercase().as_str());
    first.iter().position(titled)
}

/// Height and width: from titles such as `28x28`, or those of a square.
fn sides(first: &csv::StringRecord, header: bool, pixels: usize) -> Result<[usize; 2], String> {
    let titled = first.iter().next_back().and_then(|title| {
        let (height, width) = title.split_once('x')?;
        Some([height.parse().ok()?, width.parse().ok()?])
    });
    let side = pixels.isqrt();
    let [height, width] = match titled {
        Some([height, width]) if header && height * width == pixels => [height, width],
        _ if side * side == pixels => [side, side],
        _ => {
            return Err(format!(
                "{pixels} pixels per row are no square; titles from 1x1 to HEIGHTxWIDTH would say the size"
            ));
        }
    };
    if height > MAX_SIDE || width > MAX_SIDE {
        return Err(format!(
            "images are {height}×{width}; sides from 1 to {MAX_SIDE} are supported"
        ));
    }
    Ok([height, width])
}

/// Appends the pixels of a row and returns its label.
fn row(
    record: &csv::StringRecord,
    label_column: usize,
    columns: usize,
    missing: Option<f32>,
    pixels: &mut Vec<f32>,
) -> Result<String, String> {
    if record.len() != columns {
        return Err(format!("{} cells, expected {columns}", record.len()));
    }
    for (column, cell) in record.iter().enumerate().filter(|(column, _)| *column != label_column) {
        let value = match cell {
            "" => f32::NAN,
            cell => {
                cell.parse().map_err(|_| format!("column {}: {cell:?} is no number", column + 1))?
            }
        };
        let value = if missing == Some(value) { f32::NAN } else { value };
        if !cell.is_empty() && !value.is_nan() && !(0.0..=255.0).contains(&value) {
            return Err(format!("column {}: {cell} is not between 0 and 255", column + 1));
        }
        pixels.push(value);
    }
    match &record[label_column] {
        "" => Err("the label is missing".into()),
        // 7.0 is how some programs write the label 7.
        label => Ok(label.strip_suffix(".0").unwrap_or(label).to_string()),
    }
}

/// Brings pixels from 0 to 1 up to 255.
fn scale(table: &mut Table) {
    let known = || table.pixels.iter().filter(|pixel| !pixel.is_nan());
    if known().any(|pixel| pixel.fract() != 0.0) && known().all(|&pixel| pixel <= 1.0) {
        table.pixels.iter_mut().for_each(|pixel| *pixel *= 255.0);
        table.notes.push("pixels from 0 to 1 were multiplied by 255".into());
    }
}

/// The classes of some tables: numbers stand for themselves, other labels are sorted.
pub fn names<'t>(tables: impl Iterator<Item = &'t Table>) -> Vec<String> {
    let labels: BTreeSet<&String> = tables.flat_map(|table| &table.labels).collect();
    let numbers: Option<Vec<u8>> = labels.iter().map(|label| label.parse().ok()).collect();
    match numbers.and_then(|numbers| numbers.into_iter().max()) {
        Some(largest) => labels::numbers((usize::from(largest) + 1).clamp(2, MAX_CLASSES)),
        None => {
            let mut names: Vec<String> = labels.into_iter().cloned().collect();
            labels::sort(&mut names);
            names
        }
    }
}

impl Table {
    /// The images with the classes `names`; missing pixels must have been filled.
    pub fn dataset(&self, names: &[String]) -> Dataset {
        let class =
            |label: &String| names.iter().position(|name| name == label).unwrap_or(0) as u16;
        let byte = |pixel: &f32| pixel.round().clamp(0.0, 255.0) as u8;
        let pixels = self.pixels.iter().map(byte).collect();
        let labels = self.labels.iter().map(class).collect();
        Dataset::new([self.height, self.width, 1], pixels, labels, names.to_vec())
    }
}
