//! CSV files: a label and the numbers of a sample per row, with any separator.

mod columns;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use super::numbers::{Numbers, Values};
use super::{BadFile, ImportError, Options, labels};
use crate::Source;

pub use columns::Columns;

/// Rows that decide what the columns are.
const FIRST_ROWS: usize = 2000;

/// From so many columns on that make a square, whole numbers from 0 to 255 are pixels.
const LEAST_PIXELS: usize = 64;

/// A table of samples.
pub struct Table {
    pub numbers: Numbers,
    pub bad: Vec<BadFile>,
    pub notes: Vec<String>,
}

/// Opens a table: its separator is the one of comma, semicolon, tab, bar and blank that the first
/// line has most of.
pub fn open(path: &Path) -> Result<csv::Reader<File>, ImportError> {
    let failed = |error| ImportError::Read { path: path.to_path_buf(), error };
    let mut file = File::open(path).map_err(failed)?;
    let mut head = vec![0; 1 << 16];
    let count = file.read(&mut head).map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let separator = separator(&head[..count]);
    Ok(csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .delimiter(separator)
        .from_reader(file))
}

fn separator(head: &[u8]) -> u8 {
    let line = head.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    let line = line.unwrap_or_default().trim_ascii();
    let count = |separator: u8| {
        let mut quoted = false;
        line.iter()
            .filter(|&&byte| {
                quoted ^= byte == b'"';
                byte == separator && !quoted
            })
            .count()
    };
    // Blanks also stand inside of words, so everything else comes first.
    let common = [b',', b';', b'\t', b'|'].into_iter().max_by_key(|&s| (count(s), s == b','));
    common.filter(|&separator| count(separator) > 0).unwrap_or(match count(b' ') {
        0 => b',',
        _ => b' ',
    })
}

/// What the csv crate finds wrong, in the words of this crate.
pub fn failed(path: &Path, error: csv::Error) -> ImportError {
    let malformed = |what: String| ImportError::Malformed { path: path.to_path_buf(), what };
    match error.into_kind() {
        csv::ErrorKind::Io(error) => ImportError::Read { path: path.to_path_buf(), error },
        csv::ErrorKind::Utf8 { pos, .. } => malformed(format!(
            "not a text file (row {})",
            pos.map_or(1, |position| position.record() + 1)
        )),
        other => malformed(format!("{other:?}")),
    }
}

/// Reads a table.
pub fn read(path: &Path, options: &Options) -> Result<Table, ImportError> {
    let malformed = |what: String| ImportError::Malformed { path: path.to_path_buf(), what };
    let mut reader = open(path)?;
    let mut records = reader.records();
    let first: Vec<csv::StringRecord> = records
        .by_ref()
        .take(FIRST_ROWS)
        .collect::<Result<_, _>>()
        .map_err(|error| failed(path, error))?;
    if first.is_empty() {
        return Err(malformed("is empty; expected rows of label,value,value,…".into()));
    }
    let columns = Columns::find(&first, options.label_column.as_deref()).map_err(malformed)?;

    let file: Arc<Path> = Arc::from(path);
    let (mut values, mut names, mut sources) = (Vec::new(), Vec::new(), Vec::new());
    let mut bad = Vec::new();
    let rows = first.into_iter().map(Ok).chain(records).skip(usize::from(columns.header));
    for (index, record) in rows.enumerate() {
        let record = record.map_err(|error| failed(path, error))?;
        let line = index + 1 + usize::from(columns.header);
        let before = values.len();
        match row(&record, &columns, &mut values) {
            Ok(label) => {
                names.push(label);
                sources.push(Source::part(&file, "row", line));
            }
            Err(what) => {
                values.truncate(before);
                bad.push(BadFile { path: path.to_path_buf(), what: format!("row {line}: {what}") });
            }
        }
    }
    let (shape, pixels) = shape(&columns, &values, options).map_err(malformed)?;
    let values = Values::Numbers(values);
    let mut numbers =
        Numbers { path: path.to_path_buf(), shape, values, labels: names, sources, pixels };
    if pixels {
        check_pixels(&mut numbers, &mut bad);
    }
    let text = crate::shape_text(shape);
    let mut notes = vec![match pixels {
        true => format!("{} rows of {text} pixels", numbers.labels.len()),
        false => format!("{} rows of {} numbers", numbers.labels.len(), columns.values()),
    }];
    notes.extend(columns.note);
    Ok(Table { numbers, bad, notes })
}

/// Appends the numbers of a row and returns its label.
fn row(
    record: &csv::StringRecord,
    columns: &Columns,
    values: &mut Vec<f32>,
) -> Result<String, String> {
    if record.len() != columns.count {
        return Err(format!("{} cells, expected {}", record.len(), columns.count));
    }
    let is_value = |column: usize| column != columns.label && Some(column) != columns.index;
    for (column, cell) in record.iter().enumerate().filter(|(column, _)| is_value(*column)) {
        values.push(match cell {
            cell if columns::is_missing(cell) => f32::NAN,
            cell => match cell.parse::<f32>() {
                Ok(value) if value.is_infinite() => {
                    return Err(format!("column {}: {cell} is infinite", column + 1));
                }
                Ok(value) => value,
                Err(_) => return Err(format!("column {}: {cell:?} is no number", column + 1)),
            },
        });
    }
    labels::checked(&record[columns.label])
}

/// The shape of a row, and whether its numbers are pixels.
fn shape(
    columns: &Columns,
    values: &[f32],
    options: &Options,
) -> Result<([usize; 3], bool), String> {
    let count = columns.values();
    if let Some([height, width]) = options.pictures.size {
        let channels = count / (height * width).max(1);
        return match channels * height * width == count && channels > 0 {
            true => Ok(([height, width, channels], true)),
            false => Err(format!(
                "{count} numbers per row are no images of {height}×{width}, as --size asks"
            )),
        };
    }
    match columns.titled_size {
        Some([height, width]) if height * width == count => return Ok(([height, width, 1], true)),
        _ => {}
    }
    let side = |pixels: usize| Some(pixels.isqrt()).filter(|side| side * side == pixels);
    let colours = count.is_multiple_of(3).then(|| side(count / 3)).flatten();
    let square = match (side(count), colours) {
        (Some(side), _) => Some([side, side, 1]),
        (None, Some(side)) if count >= 3 * LEAST_PIXELS => Some([side, side, 3]),
        _ => None,
    };
    let known = || values.iter().filter(|value| !value.is_nan());
    let out = known().filter(|&&value| !(0.0..=65535.0).contains(&value)).count();
    let fractions = known().filter(|value| value.fract() != 0.0).count();
    let like_pixels = out * 100 <= values.len()
        && (fractions * 100 <= values.len() || known().all(|&value| value <= 1.0));
    match square {
        Some(shape) if columns.titled_pixels || (count >= LEAST_PIXELS && like_pixels) => {
            Ok((shape, true))
        }
        None if columns.titled_pixels => Err(format!(
            "{count} pixels per row are no square; titles from 1x1 to HEIGHTxWIDTH or --size would say the size"
        )),
        _ => Ok(([1, 1, count], false)),
    }
}

/// Rows with a few pixels outside of 0 to 255 are bad; a table full of them has another scale.
fn check_pixels(numbers: &mut Numbers, bad: &mut Vec<BadFile>) {
    let size: usize = numbers.shape.iter().product();
    let Values::Numbers(values) = &mut numbers.values else { return };
    let wrong = |value: &f32| !value.is_nan() && !(0.0..=255.0).contains(value);
    let out: Vec<bool> = values.chunks(size).map(|row| row.iter().any(wrong)).collect();
    let negative = values.iter().any(|&value| value < 0.0);
    let count = out.iter().filter(|&&out| out).count();
    if count == 0 || (2 * count > out.len() && !negative) {
        return;
    }
    for (index, row) in values.chunks(size).enumerate().filter(|(index, _)| out[*index]) {
        if let Some((place, value)) = row.iter().enumerate().find(|(_, value)| wrong(value)) {
            let source = &numbers.sources[index];
            let what = format!(
                "{}: pixel {}: {value} is not between 0 and 255",
                source.place(),
                place + 1
            );
            bad.push(BadFile { path: numbers.path.clone(), what });
        }
    }
    let mut keep = out.iter().map(|out| !out);
    numbers.labels.retain(|_| keep.next().unwrap_or(true));
    let mut keep = out.iter().map(|out| !out);
    numbers.sources.retain(|_| keep.next().unwrap_or(true));
    let mut keep = out.iter().flat_map(|out| std::iter::repeat_n(!out, size));
    values.retain(|_| keep.next().unwrap_or(true));
}

#[cfg(test)]
mod tests {
    use super::separator;

    #[test]
    fn every_separator_is_recognized() {
        for (line, expected) in [
            ("label,1,2\n", b','),
            ("7;1.5;2.5;3.5\n", b';'),
            ("label;a;b\n1;2;3", b';'),
            ("1\t2\t3", b'\t'),
            ("\n\n1|2|3", b'|'),
            ("5 1 2 3", b' '),
            ("\"a;b;c\",1,2", b','),
            ("word", b','),
        ] {
            assert_eq!(char::from(separator(line.as_bytes())), char::from(expected), "{line}");
        }
    }
}
