//! Time series: a folder per label with a CSV file per recording, a row per time, a column per
//! sensor.

use std::path::Path;

use inkling_support::parallel;

use super::floats::FloatSink;
use super::numbers::{self, Numbers, Values};
use super::parts::{Part, Parts};
use super::pictures::Item;
use super::table::{self, Rows};
use super::tree::Tree;
use super::{BadFile, Collection, ImportError, Options, labels};
use crate::{MAX_SIDE, Source};

/// Titles of columns that say when a row was recorded.
const TIMES: [&str; 5] = ["time", "timestamp", "t", "ms", "seconds"];

/// One recording.
struct Recording {
    /// `[time][sensor]`.
    values: Vec<f32>,
    sensors: usize,
}

/// Reads the recordings of `items`; all become as long as the shortest.
pub fn read(tree: &Tree, items: &[Item], options: &Options) -> Result<Collection, ImportError> {
    let recordings = parallel::map(items.len(), |index| {
        let file = items[index].file;
        let path = tree.path(file);
        recording(&path, table::rows(&path, tree.reader(file)?))
    });
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (item, recording) in items.iter().zip(recordings) {
        let label = labels::checked(&item.label);
        match recording.and_then(|recording| label.map(|label| (item, label, recording))) {
            Ok(found) => good.push(found),
            Err(what) => bad.push(BadFile { path: tree.path(item.file), what }),
        }
    }
    let sensors = good.first().map_or(0, |(.., recording)| recording.sensors);
    good.retain(|(item, _, recording)| {
        let fits = recording.sensors == sensors;
        if !fits {
            let what = format!("has {} columns, others {sensors}", recording.sensors);
            bad.push(BadFile { path: tree.path(item.file), what });
        }
        fits
    });
    if !bad.is_empty() && !options.skip_bad {
        return Err(ImportError::Bad { path: tree.root.clone(), bad });
    }
    let lengths = || good.iter().map(|(.., recording)| recording.values.len() / sensors.max(1));
    let (shortest, longest) = (lengths().min().unwrap_or(0), lengths().max().unwrap_or(0));
    let length = shortest.min(MAX_SIDE);
    let mut notes =
        vec![format!("{} recordings of {length} rows of {sensors} sensors", good.len())];
    if longest > length {
        notes.push(format!(
            "recordings have {shortest} to {longest} rows; what lies behind row {length} is left out"
        ));
    }
    let part = |part: Part| {
        let members = || good.iter().filter(move |(item, ..)| item.part == part);
        let any = members().next().is_some();
        any.then(|| {
            let mut values = FloatSink::new(&options.room);
            for (.., recording) in members() {
                values.push(&recording.values[..length * sensors])?;
            }
            Ok::<_, ImportError>(Numbers {
                path: tree.root.clone(),
                shape: [1, length, sensors],
                values: Values::Numbers(values.finish()?),
                labels: members().map(|(_, label, _)| label.clone()).collect(),
                sources: members().map(|(item, ..)| Source::file(tree.path(item.file))).collect(),
                pixels: false,
            })
        })
        .transpose()
    };
    let malformed =
        |what: &str| ImportError::Malformed { path: tree.root.clone(), what: what.into() };
    let parts = Parts {
        train: part(Part::Train)?.ok_or_else(|| malformed("no recording that can be used"))?,
        validation: part(Part::Validation)?,
        test: part(Part::Test)?,
    };
    let mut collection = numbers::collect(parts, notes, options)?;
    collection.bad = bad;
    Ok(collection)
}

/// The numbers of one recording, `[time][sensor]`, and how many sensors there are.
///
/// # Errors
///
/// One line without the path.
pub fn one(path: &Path) -> Result<(Vec<f32>, usize), String> {
    recording(path, table::open(path)).map(|Recording { values, sensors }| (values, sensors))
}

/// The error is one line without the path.
fn recording(path: &Path, rows: Result<Rows, ImportError>) -> Result<Recording, String> {
    let plain = |error: ImportError| {
        let text = error.to_string();
        text.strip_prefix(&format!("{}: ", path.display())).map(str::to_string).unwrap_or(text)
    };
    let mut reader = rows.map_err(plain)?;
    let (mut values, mut columns, mut times) = (Vec::new(), 0, None);
    for (row, record) in reader.records().enumerate() {
        let record = record.map_err(|error| plain(table::failed(path, error)))?;
        if row == 0 {
            columns = record.len();
            let timed = |title: &str| TIMES.contains(&title.to_ascii_lowercase().as_str());
            times = record.iter().position(timed);
            if record.iter().any(|cell| cell.parse::<f32>().is_err()) {
                continue;
            }
        }
        if record.len() != columns {
            return Err(format!("row {}: {} cells, expected {columns}", row + 1, record.len()));
        }
        for (column, cell) in record.iter().enumerate().filter(|(c, _)| Some(*c) != times) {
            let value = cell.parse::<f32>().ok().filter(|value| value.is_finite());
            values.push(value.ok_or_else(|| {
                format!("row {}, column {}: {cell:?} is no number", row + 1, column + 1)
            })?);
        }
    }
    let sensors = columns - usize::from(times.is_some());
    if values.is_empty() || sensors == 0 {
        return Err("holds no rows of numbers".into());
    }
    Ok(Recording { values, sensors })
}
