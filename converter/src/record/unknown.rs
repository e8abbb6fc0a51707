//! How a model says "none of these": a rule over its logits, as the record has it and as a device
//! computes it.

use firmware_core::{Score, Unknown};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ModelRecord, RecordError};

/// The name of the least score of an answer among the record's thresholds, in real logits.
pub const UNKNOWN: &str = "unknown";

/// How far from an integer a threshold of this grid may be for the digits in which it is written.
const DIGITS_LEAVE: f64 = 1e-3;

/// A number with thirteen significant digits, which every reader of JSON takes for the same number.
pub(crate) fn decimal(value: f64) -> f64 {
    format!("{value:.12e}").parse().unwrap_or(value)
}

/// The rule and what it came to on the validation samples that chose its threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnknownRecord {
    pub rule: Rule,
    /// The place, from 0, of the output that stands for what is none of the classes, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<usize>,
    /// The share of validation samples that are refused, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<f64>,
    /// The share of samples of something else that are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strange_refused: Option<f64>,
    /// The area under the curve of the two shares: how often a validation sample has a higher score than
    /// a sample of something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<f64>,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What of the logits is compared with the threshold; see [`Score`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    Class,
    Margin,
    Level,
}

impl Rule {
    pub const ALL: [Rule; 3] = [Rule::Class, Rule::Margin, Rule::Level];

    pub fn score(self) -> Score {
        match self {
            Rule::Class => Score::Class,
            Rule::Margin => Score::Margin,
            Rule::Level => Score::Level,
        }
    }

    /// The score in words.
    pub fn words(self) -> &'static str {
        match self {
            Rule::Class => "the best class's logit over that of the unknown",
            Rule::Margin => "the best class's logit over the second best",
            Rule::Level => "the best class's logit",
        }
    }
}

impl UnknownRecord {
    /// The rule in one sentence, with what is known of it.
    pub fn sentence(&self, threshold: i32) -> String {
        let mut text = format!(
            "An answer is \"none of these\" where {} is below {threshold}",
            self.rule.words()
        );
        if let (Some(refused), Some(strange), Some(area)) =
            (self.refused, self.strange_refused, self.area)
        {
            text.push_str(&format!(
                "; on validation {:.2} % of the images of the classes are refused and {:.2} % of samples \
                 of something else (area under the curve {area:.4})",
                100.0 * refused,
                100.0 * strange
            ));
        }
        text + "."
    }
}

impl ModelRecord {
    /// The rule for `classes` logits whose integer `q` stands for `q · 2^-exponent`; nothing where the
    /// model has none.
    ///
    /// # Errors
    ///
    /// No threshold, or one that is no number or beyond 32 bits; an output that is not there, or none
    /// where the rule needs one.
    pub fn unknown_for(
        &self,
        classes: usize,
        exponent: i32,
    ) -> Result<Option<Unknown>, RecordError> {
        let Some(unknown) = &self.unknown else { return Ok(None) };
        let wrong = |what: String| Err(RecordError::Malformed(format!("\"unknown\": {what}")));
        let Some(&real) = self.thresholds.get(UNKNOWN) else {
            return wrong(format!("the thresholds have no {UNKNOWN:?}"));
        };
        // The least integer that stands for no less, but for what decimal digits leave.
        let exact = real * 2_f64.powi(exponent);
        let near = exact.round();
        let threshold = if (exact - near).abs() < DIGITS_LEAVE { near } else { exact.ceil() };
        let bits = f64::from(i32::MIN)..=f64::from(i32::MAX);
        if !bits.contains(&threshold) {
            return wrong(format!("the threshold {real} is beyond 32 bits"));
        }
        if classes < 2 {
            return wrong("a single output has no rule".into());
        }
        match (unknown.rule, unknown.class) {
            (Rule::Class, None) => wrong("the rule \"class\" needs a class".into()),
            (_, Some(class)) if class >= classes => {
                wrong(format!("class {class} is none of the {classes} outputs"))
            }
            (rule, class) => {
                Ok(Some(Unknown { score: rule.score(), class, threshold: threshold as i32 }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Rule, UNKNOWN, UnknownRecord};
    use crate::record::ModelRecord;
    use firmware_core::{Score, Unknown};
    use serde_json::Map;

    fn record(rule: Rule, class: Option<usize>, threshold: Option<f64>) -> ModelRecord {
        let mut record = ModelRecord::new("m");
        record.unknown = Some(UnknownRecord {
            rule,
            class,
            refused: None,
            strange_refused: None,
            area: None,
            other: Map::new(),
        });
        record.thresholds.extend(threshold.map(|threshold| (UNKNOWN.to_string(), threshold)));
        record
    }

    #[test]
    fn a_threshold_keeps_its_value_on_another_grid() {
        let record = record(Rule::Class, Some(2), Some(-1.25));
        let threshold = |exponent| {
            record.unknown_for(3, exponent).expect("a rule").expect("there is one").threshold
        };
        assert_eq!([0, 1, 2, 10].map(threshold), [-1, -2, -5, -1280]);
        let read = ModelRecord::parse(&record.to_line()).expect("a record");
        assert_eq!(
            read.unknown_for(3, 2),
            Ok(Some(Unknown { score: Score::Class, class: Some(2), threshold: -5 }))
        );
        assert_eq!(ModelRecord::new("m").unknown_for(3, 2), Ok(None));
    }

    #[test]
    fn a_rule_that_cannot_be_is_refused() {
        for (rule, class, threshold) in [
            (Rule::Class, None, Some(1.0)),
            (Rule::Margin, Some(3), Some(1.0)),
            (Rule::Level, None, None),
            (Rule::Level, None, Some(1e300)),
            (Rule::Level, None, Some(f64::NAN)),
        ] {
            let record = record(rule, class, threshold);
            assert!(record.unknown_for(3, 8).is_err(), "{rule:?} {class:?} {threshold:?}");
        }
        for (rule, class) in [(Rule::Class, Some(0)), (Rule::Level, None)] {
            assert!(record(rule, class, Some(0.0)).unknown_for(1, 8).is_err(), "{rule:?}");
        }
    }
}
