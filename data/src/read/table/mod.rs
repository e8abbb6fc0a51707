//! CSV files: a label and the numbers of a sample per row, with any separator.

mod columns;

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use inkling_support::stage;

use super::floats::{FloatSink, Floats};
use super::numbers::{Numbers, Values};
use super::{BadFile, ImportError, Options, labels};
use crate::Source;

pub use columns::Columns;

/// Rows that decide what the columns are, fewer where they are wide.
const FIRST_ROWS: usize = 2000;
const FIRST_CELLS: usize = FIRST_ROWS * 800;

/// Bytes that have the first line, by which the separator is found.
const HEAD: u64 = 1 << 16;

/// From so many columns on that make a square, whole numbers from 0 to 255 are pixels.
const LEAST_PIXELS: usize = 64;

/// Rows after which a line tells how many were read.
const ROWS_SHOWN: usize = 10_000;

/// A table of samples.
pub struct Table {
    pub numbers: Numbers,
    pub bad: Vec<BadFile>,
    pub notes: Vec<String>,
}

/// What a table is read from, row by row.
pub type Rows<'a> = csv::Reader<Box<dyn Read + 'a>>;

/// Opens a file as a table.
pub fn open(path: &Path) -> Result<Rows<'static>, ImportError> {
    let failed = |error| ImportError::Read { path: path.to_path_buf(), error };
    rows(path, Box::new(File::open(path).map_err(failed)?))
}

/// The table that `reader` has: its separator is the one of comma, semicolon, tab, bar and blank that the
/// first line has most of. Messages name `path`.
pub fn rows<'a>(path: &Path, mut reader: Box<dyn Read + 'a>) -> Result<Rows<'a>, ImportError> {
    let failed = |error| ImportError::Read { path: path.to_path_buf(), error };
    let mut head = Vec::new();
    reader.by_ref().take(HEAD).read_to_end(&mut head).map_err(failed)?;
    let separator = separator(&head);
    Ok(csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .delimiter(separator)
        .from_reader(Box::new(Cursor::new(head).chain(reader))))
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

/// Reads a table, row by row: its numbers may be more than memory holds.
pub fn read(path: &Path, mut reader: Rows, options: &Options) -> Result<Table, ImportError> {
    let malformed = |what: String| ImportError::Malformed { path: path.to_path_buf(), what };
    let mut records = reader.records();
    let (mut first, mut cells) = (Vec::<csv::StringRecord>::new(), 0);
    while first.len() < FIRST_ROWS && cells < FIRST_CELLS {
        let Some(record) = records.next() else { break };
        let record = record.map_err(|error| failed(path, error))?;
        cells += record.len();
        first.push(record);
    }
    if first.is_empty() {
        return Err(malformed("is empty; expected rows of label,value,value,…".into()));
    }
    let columns = Columns::find(&first, options.label_column.as_deref()).map_err(malformed)?;

    let file: Arc<Path> = Arc::from(path);
    let (mut sink, mut values) = (FloatSink::new(&options.room), Vec::new());
    let (mut names, mut sources, mut bad) = (Vec::new(), Vec::new(), Vec::new());
    let rows = first.into_iter().map(Ok).chain(records).skip(usize::from(columns.header));
    for (index, record) in rows.enumerate() {
        let record = record.map_err(|error| failed(path, error))?;
        let line = index + 1 + usize::from(columns.header);
        values.clear();
        match row(&record, &columns, &mut values) {
            Ok(label) => {
                sink.push(&values)?;
                names.push(label);
                sources.push(Source::part(&file, "row", line));
            }
            Err(what) => {
                bad.push(BadFile { path: path.to_path_buf(), what: format!("row {line}: {what}") });
            }
        }
        if line.is_multiple_of(ROWS_SHOWN) {
            stage::show(format_args!("reading rows: {line}"));
        }
    }
    let values = sink.finish()?;
    let (shape, pixels) = shape(&columns, &values, options).map_err(malformed)?;
    let values = Values::Numbers(values);
    let mut numbers =
        Numbers { path: path.to_path_buf(), shape, values, labels: names, sources, pixels };
    if pixels {
        check_pixels(&mut numbers, &mut bad, options)?;
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
    values: &Floats,
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
    let out = known().filter(|value| !(0.0..=65535.0).contains(value)).count();
    let fractions = known().filter(|value| value.fract() != 0.0).count();
    let like_pixels = out * 100 <= values.len()
        && (fractions * 100 <= values.len() || known().all(|value| value <= 1.0));
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
fn check_pixels(
    numbers: &mut Numbers,
    bad: &mut Vec<BadFile>,
    options: &Options,
) -> Result<(), ImportError> {
    let size: usize = numbers.shape.iter().product();
    let Values::Numbers(values) = &numbers.values else { return Ok(()) };
    let wrong = |value: &f32| !value.is_nan() && !(0.0..=255.0).contains(value);
    // Of each row the first pixel that is out of range.
    let first = |row: Vec<f32>| row.iter().position(wrong).map(|place| (place, row[place]));
    let out: Vec<Option<(usize, f32)>> = values.samples(size).map(first).collect();
    let negative = values.iter().any(|value| value < 0.0);
    let count = out.iter().flatten().count();
    if count == 0 || (2 * count > out.len() && !negative) {
        return Ok(());
    }
    let mut kept = FloatSink::new(&options.room);
    for (row, out) in values.samples(size).zip(&out) {
        if out.is_none() {
            kept.push(&row)?;
        }
    }
    for (source, (place, value)) in
        numbers.sources.iter().zip(&out).filter_map(|(source, out)| Some((source, out.as_ref()?)))
    {
        let place = place + 1;
        let what = format!("{}: pixel {place}: {value} is not between 0 and 255", source.place());
        bad.push(BadFile { path: numbers.path.clone(), what });
    }
    let mut keep = out.iter().map(Option::is_none);
    numbers.labels.retain(|_| keep.next().unwrap_or(true));
    let mut keep = out.iter().map(Option::is_none);
    numbers.sources.retain(|_| keep.next().unwrap_or(true));
    numbers.values = Values::Numbers(kept.finish()?);
    Ok(())
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
