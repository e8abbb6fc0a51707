//! Exponents that a file gives for the results of its layers: a model that was trained for certain
//! integers is converted to just these.

use std::collections::BTreeMap;

use crate::pb;

use super::ReadError;

/// The entry of the model's metadata: `layer=exponent` pairs with spaces between them, each layer
/// under the name of its first node.
pub const ENTRY: &str = "activation_exponents";

/// What an exponent may be; see [`crate::quantize`].
const RANGE: std::ops::RangeInclusive<i32> = -20..=40;

/// The text of the entry.
pub fn write(exponents: &BTreeMap<String, i32>) -> String {
    let pairs: Vec<String> =
        exponents.iter().map(|(layer, exponent)| format!("{layer}={exponent}")).collect();
    pairs.join(" ")
}

/// Reads the entry, if there is one.
pub fn read(metadata: &[pb::StringStringEntryProto]) -> Result<BTreeMap<String, i32>, ReadError> {
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

#[cfg(test)]
mod tests {
    use super::{ENTRY, read, write};
    use crate::pb::StringStringEntryProto;

    fn entry(value: &str) -> [StringStringEntryProto; 1] {
        [StringStringEntryProto { key: ENTRY.into(), value: value.into() }]
    }

    #[test]
    fn what_is_written_is_read() {
        let exponents = [("conv1".to_string(), 7), ("a=b".to_string(), -3)].into();
        assert_eq!(read(&entry(&write(&exponents))), Ok(exponents));
        assert_eq!(read(&[]), Ok([].into()));
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for nonsense in ["conv1", "conv1=x", "conv1=41", "conv1=-21", "=", "conv1 = 3"] {
            let error = read(&entry(nonsense)).expect_err(nonsense).to_string();
            assert!(error.contains(ENTRY), "{error}");
        }
    }
}
