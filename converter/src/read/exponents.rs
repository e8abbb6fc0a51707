//! Exponents that a file gives for the results of its layers: a model that was trained for certain
//! integers is converted to just these. They are in its record, and in files of old in an entry of
//! their own.

use std::collections::BTreeMap;

use crate::pb;

use super::ReadError;
use crate::record::ModelRecord;

/// The entry of the model's metadata: `layer=exponent` pairs with spaces between them, each layer
/// under the name of its first node.
pub const ENTRY: &str = "activation_exponents";

/// What an exponent may be; see [`crate::quantize`].
const RANGE: std::ops::RangeInclusive<i32> = -20..=40;

/// Reads the exponents, if there are any.
pub fn read(metadata: &[pb::StringStringEntryProto]) -> Result<BTreeMap<String, i32>, ReadError> {
    let record = ModelRecord::of_metadata(metadata);
    if let Some(record) = record.map_err(|error| ReadError::Graph(error.to_string()))? {
        return in_range(record.exponents);
    }
    let Some(entry) = metadata.iter().find(|entry| entry.key == ENTRY) else {
        return Ok(BTreeMap::new());
    };
    let pair = |text: &str| {
        let parsed = text.rsplit_once('=').and_then(|(layer, exponent)| {
            let exponent = exponent.parse().ok().filter(|exponent| RANGE.contains(exponent))?;
            Some((layer.to_string(), exponent))
        });
        parsed.ok_or_else(|| {
            let range = format!("{} to {}", RANGE.start(), RANGE.end());
            ReadError::Graph(format!(
                "metadata {ENTRY}: {text:?} is no layer=exponent with an exponent from {range}"
            ))
        })
    };
    entry.value.split_whitespace().map(pair).collect()
}

fn in_range(exponents: BTreeMap<String, i32>) -> Result<BTreeMap<String, i32>, ReadError> {
    match exponents.iter().find(|(_, exponent)| !RANGE.contains(*exponent)) {
        Some((layer, exponent)) => {
            let range = format!("{} to {}", RANGE.start(), RANGE.end());
            let what = format!("layer '{layer}' has the exponent {exponent}, not one from {range}");
            Err(ReadError::Graph(format!("the record of the model: {what}")))
        }
        None => Ok(exponents),
    }
}

#[cfg(test)]
mod tests {
    use super::{ENTRY, read};
    use crate::pb::StringStringEntryProto;
    use crate::record::{self, ModelRecord};

    fn entry(value: &str) -> [StringStringEntryProto; 1] {
        [StringStringEntryProto { key: ENTRY.into(), value: value.into() }]
    }

    fn of_record(exponent: i32) -> [StringStringEntryProto; 1] {
        let mut record = ModelRecord::new("m");
        record.exponents = [("a b".to_string(), exponent)].into();
        [StringStringEntryProto { key: record::ENTRY.into(), value: record.to_line() }]
    }

    #[test]
    fn both_forms_are_read() {
        let exponents = [("conv1".to_string(), 7), ("a=b".to_string(), -3)].into();
        assert_eq!(read(&entry("a=b=-3 conv1=7")), Ok(exponents));
        assert_eq!(read(&of_record(5)), Ok([("a b".to_string(), 5)].into()));
        assert_eq!(read(&[]), Ok([].into()));
        assert!(read(&of_record(41)).is_err());
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for nonsense in ["conv1", "conv1=x", "conv1=41", "conv1=-21", "=", "conv1 = 3"] {
            let error = read(&entry(nonsense)).expect_err(nonsense).to_string();
            assert!(error.contains(ENTRY), "{error}");
        }
    }
}
