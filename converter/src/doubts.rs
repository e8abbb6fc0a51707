//! What makes a model doubtful, in sentences for a person: they are printed, and go into the card
//! and the record of the model.

use firmware_core::{Unknown, class_of};
use inkling_data::Dataset;
use inkling_support::parallel;

use crate::conversion::Conversion;
use crate::emit::report::Report;
use crate::evaluate;
use crate::quantized::QuantizedNetwork;

/// The integers may be wrong on so many more of 100 images than the float network before it is
/// said.
pub const LARGEST_FALL: f64 = 1.0;

/// The largest error of a layer, relative to its float values' root mean square, that is not said.
pub const LARGEST_LAYER_ERROR: f64 = 0.25;

/// Fewer images than this say little: the 95 % interval of 90 % of 100 images is from 82 to 94 %.
pub const FEW_IMAGES: usize = 100;

/// The class of the data that logits are nearest to: an output that stands for something else is none.
pub fn nearest_class(logits: &[i32], unknown: Option<&Unknown>) -> usize {
    unknown.and_then(|unknown| unknown.best(logits).0).unwrap_or_else(|| class_of(logits))
}

/// What float network and integers answer on the same images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// The labels, as places among the outputs.
    pub labels: Vec<usize>,
    pub float: Vec<usize>,
    pub int8: Vec<usize>,
}

impl Answers {
    /// The answers of the float layers of `conversion`, and those of its integers by their logits.
    pub fn new(conversion: &Conversion, int8_logits: &[Vec<i32>], images: &Dataset) -> Self {
        let unknown = conversion.origin.unknown.as_ref();
        let answer = |index| {
            let mut logits = evaluate::logits(&conversion.float, images.image(index));
            if let Some(class) = unknown.and_then(|unknown| unknown.class) {
                logits[class] = f32::NEG_INFINITY;
            }
            evaluate::class_of(&logits)
        };
        Self {
            labels: images.labels.iter().map(|&label| usize::from(label)).collect(),
            float: parallel::map(images.len(), answer),
            int8: int8_logits.iter().map(|logits| nearest_class(logits, unknown)).collect(),
        }
    }

    fn right(&self, answers: &[usize]) -> usize {
        self.labels.iter().zip(answers).filter(|(label, answer)| label == answer).count()
    }

    pub fn float_correct(&self) -> usize {
        self.right(&self.float)
    }

    pub fn int8_correct(&self) -> usize {
        self.right(&self.int8)
    }

    /// A share of the images in percent.
    pub fn percent(&self, count: usize) -> f64 {
        100.0 * count as f64 / self.labels.len().max(1) as f64
    }

    /// What the answers show: integers far below float, guessing, classes that are never answered.
    /// `names` are those of the classes, `what` the kind of images, such as "test".
    pub fn doubts(&self, names: &[String], what: &str) -> Vec<String> {
        let mut doubts = Vec::new();
        let count = self.labels.len();
        let (float, int8) = (self.float_correct(), self.int8_correct());
        let fall = self.percent(float) - self.percent(int8);
        if fall > LARGEST_FALL {
            doubts.push(format!(
                "int8 is {fall:.2} points below float on the {count} {what} images ({:.2} % and \
                 {:.2} %); more than {LARGEST_FALL} is unusual: are the calibration images like \
                 these, and the pixels scaled as in training?",
                self.percent(int8),
                self.percent(float),
            ));
        }
        if count < FEW_IMAGES {
            doubts.push(format!(
                "{count} {what} images are too few for an accuracy: one more wrong answer is \
                 {:.1} points",
                self.percent(1)
            ));
        }
        for (kind, answers) in [("float", &self.float), ("int8", &self.int8)] {
            let name = |class: usize| {
                names.get(class).cloned().unwrap_or_else(|| format!("class {class}"))
            };
            if let Some(&first) = answers.first()
                && count > 1
                && answers.iter().all(|answer| *answer == first)
            {
                let only = name(first);
                doubts.push(format!("{kind} answers {only:?} to all {count} {what} images"));
            } else if self.right(answers) <= self.by_chance() && count > 0 {
                doubts.push(format!(
                    "{kind} is right on {:.2} % of the {what} images, which is not more than \
                     guessing the most frequent class may give",
                    self.percent(self.right(answers))
                ));
            }
        }
        doubts.extend(self.without_recall(names, what));
        doubts
    }

    /// The classes of which the integers know no image.
    fn without_recall(&self, names: &[String], what: &str) -> Option<String> {
        let recalled = |class: usize| {
            let mut pairs =
                self.labels.iter().zip(&self.int8).filter(|(label, _)| **label == class);
            pairs.clone().next().is_none() || pairs.any(|(label, answer)| label == answer)
        };
        let classes = self.labels.iter().max().map_or(0, |most| most + 1);
        let missed: Vec<String> = (0..classes)
            .filter(|&class| !recalled(class))
            .map(|class| names.get(class).map_or(class.to_string(), |name| format!("{name:?}")))
            .collect();
        // All of them but one is the one answer for all, which is said already.
        let worth_saying = !missed.is_empty() && missed.len() + 1 < classes;
        worth_saying.then(|| {
            let shown = missed.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
            let more = if missed.len() > 8 { " …" } else { "" };
            format!(
                "int8 recognizes no {what} image of {} of the {classes} classes: {shown}{more}",
                missed.len()
            )
        })
    }

    /// Right answers that guessing the most frequent class reaches, with two deviations of luck.
    fn by_chance(&self) -> usize {
        let classes = self.labels.iter().max().map_or(0, |most| most + 1);
        let mut counts = vec![0_usize; classes];
        self.labels.iter().for_each(|&label| counts[label] += 1);
        let count = self.labels.len().max(1) as f64;
        let share = counts.into_iter().max().unwrap_or(0) as f64 / count;
        (count * share + 2.0 * (count * share * (1.0 - share)).sqrt()).floor() as usize
    }
}

/// Layers whose integers are far from their float values.
pub fn of_layers(network: &QuantizedNetwork, report: &Report) -> Vec<String> {
    let large = network.layers.iter().zip(&report.relative_errors);
    large
        .filter(|(_, error)| **error > LARGEST_LAYER_ERROR)
        .map(|(layer, error)| {
            format!(
                "layer {} ('{}' in float.onnx) is off by {:.0} % of its values' root mean square \
                 on the calibration images; more than {:.0} % is unusual",
                layer.name,
                layer.source_name,
                100.0 * error,
                100.0 * LARGEST_LAYER_ERROR
            )
        })
        .collect()
}

/// Calibration images that all say the same, or nothing.
pub fn of_calibration(images: &Dataset) -> Vec<String> {
    let Some(first) = (!images.is_empty()).then(|| images.image(0)) else { return Vec::new() };
    let level = first.first().copied().unwrap_or(0);
    let same = (1..images.len()).all(|index| images.image(index) == first);
    let what = match (first.iter().all(|&pixel| pixel == level), same) {
        (true, true) => {
            format!("all pixels of all {} calibration images are {level}", images.len())
        }
        (false, true) if images.len() > 1 => {
            format!("all {} calibration images are the same", images.len())
        }
        _ => return Vec::new(),
    };
    vec![format!("{what}: the exponents that they choose fit nothing else")]
}

#[cfg(test)]
mod tests {
    use super::Answers;

    fn answers(labels: &[usize], float: &[usize], int8: &[usize]) -> Answers {
        Answers { labels: labels.to_vec(), float: float.to_vec(), int8: int8.to_vec() }
    }

    fn names() -> Vec<String> {
        ["a", "b", "c"].map(String::from).to_vec()
    }

    #[test]
    fn good_answers_raise_no_doubt() {
        let labels: Vec<usize> = (0..300).map(|index| index % 3).collect();
        let mut int8 = labels.clone();
        int8[7] = 0;
        assert_eq!(answers(&labels, &labels, &int8).doubts(&names(), "test"), [""; 0]);
    }

    #[test]
    fn each_doubt_is_said() {
        let labels: Vec<usize> = (0..300).map(|index| index % 3).collect();
        let no_c: Vec<usize> = labels.iter().map(|&label| label.min(1)).collect();
        let says = |answers: &Answers, part: &str| {
            let doubts = answers.doubts(&names(), "test");
            assert!(doubts.iter().any(|doubt| doubt.contains(part)), "{part}: {doubts:?}");
        };
        let fallen = answers(&labels, &labels, &no_c);
        says(&fallen, "33.33 points below float");
        says(&fallen, "no test image of 1 of the 3 classes: \"c\"");
        says(&answers(&labels, &[1; 300], &[1; 300]), "int8 answers \"b\" to all 300");
        let shifted: Vec<usize> = labels.iter().map(|label| (label + 1) % 3).collect();
        says(&answers(&labels, &shifted, &shifted), "float is right on 0.00 %");
        says(&answers(&[0, 1], &[0, 1], &[0, 1]), "too few");
    }
}
