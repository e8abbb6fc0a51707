//! Samples that are numbers, from a table, an array or sensors, become bytes.

use std::path::PathBuf;

use super::floats::{FloatSink, Floats};
use super::parts::{Part, Parts};
use super::{Collection, ImportError, Options, labels};
use crate::prepare::{Filler, InputForm, Scaling};
use crate::storage::{Sink, Storage};
use crate::{Dataset, MAX_CLASSES, Source, shape_problem, shape_text};

/// Samples before their numbers are bytes.
pub struct Numbers {
    /// The file, for messages.
    pub path: PathBuf,
    /// Height, width and channels.
    pub shape: [usize; 3],
    /// One after the other, `[height][width][channels]`.
    pub values: Values,
    pub labels: Vec<String>,
    pub sources: Vec<Source>,
    /// Whether they are pixels, on one scale from 0 up, and not values each on a scale of its own.
    pub pixels: bool,
}

pub enum Values {
    /// NaN where one is missing.
    Numbers(Floats),
    /// Pixels that are bytes already, as many as they may be.
    Bytes(Storage),
}

impl Values {
    fn largest(&self) -> f32 {
        match self {
            Self::Numbers(values) => values.iter().fold(0.0, f32::max),
            Self::Bytes(values) => f32::from(values.iter().copied().max().unwrap_or(0)),
        }
    }

    /// The numbers of each sample of `size`.
    fn samples(&self, size: usize) -> Box<dyn Iterator<Item = Vec<f32>> + '_> {
        let number = |&byte: &u8| f32::from(byte);
        match self {
            Self::Numbers(values) => Box::new(values.samples(size)),
            Self::Bytes(values) => Box::new(
                values.chunks(size.max(1)).map(move |all| all.iter().map(number).collect()),
            ),
        }
    }

    /// The scaling of pixels.
    fn of_pixels(&self) -> Option<Scaling> {
        match self {
            Self::Numbers(values) => Scaling::of_pixels(values.iter()),
            // Bytes have no fractions, so the largest decides.
            Self::Bytes(_) => Scaling::of_pixels([self.largest()]),
        }
    }

    /// The scaling of numbers, each channel on its own.
    fn of_channels(&self, channels: usize) -> Scaling {
        match self {
            Self::Numbers(values) => Scaling::of_channels(values.iter(), channels),
            Self::Bytes(_) => Scaling::of_channels([0.0, 255.0], 1),
        }
    }

    /// The bytes of samples of `size` values.
    fn bytes(
        self,
        scaling: Option<&Scaling>,
        size: usize,
        options: &Options,
    ) -> Result<Storage, ImportError> {
        let mut sink = Sink::new(&options.room);
        match (self, scaling) {
            (Self::Bytes(values), None) => return Ok(values),
            (Self::Bytes(values), Some(scaling)) => {
                for sample in values.chunks(size.max(1)) {
                    let sample: Vec<f32> = sample.iter().map(|&value| f32::from(value)).collect();
                    sink.push(&scaling.apply(&sample))?;
                }
            }
            (Self::Numbers(values), scaling) => {
                for sample in values.samples(size) {
                    let byte = |x: &f32| x.round().clamp(0.0, 255.0) as u8;
                    sink.push(&match scaling {
                        Some(scaling) => scaling.apply(&sample),
                        None => sample.iter().map(byte).collect(),
                    })?;
                }
            }
        }
        Ok(sink.finish()?)
    }
}

/// Makes a data set of the parts: classes from the labels, bytes from the numbers on a scale that
/// the training part decides.
pub fn collect(
    parts: Parts<Numbers>,
    mut notes: Vec<String>,
    options: &Options,
) -> Result<Collection, ImportError> {
    let (shape, pixels, path) = (parts.train.shape, parts.train.pixels, parts.train.path.clone());
    let malformed = |what: String| ImportError::Malformed { path: path.clone(), what };
    if let Some(what) = shape_problem(shape) {
        return Err(malformed(what));
    }
    let (names, _) = labels::classes(&parts.train.labels);
    if !(2..=MAX_CLASSES).contains(&names.len()) {
        let found = names.len();
        let labels = match &names[..] {
            [one] => format!("1 different label, {one:?}"),
            _ => format!("{found} different labels"),
        };
        let hint = "--label-column says which column has the labels";
        return Err(malformed(format!("{labels}; 2 to {MAX_CLASSES} are possible; {hint}")));
    }
    let parts = parts.map(|part, mut numbers| {
        fill_missing(part, &mut numbers, options, &mut notes)?;
        Ok::<_, ImportError>(numbers)
    })?;
    let scaling = match pixels {
        true => {
            let largest = parts.train.values.largest();
            let covers = |given: &&Scaling| {
                matches!((&given.offset[..], &given.scale[..]), ([offset], [scale])
                    if largest <= (offset + 255.0 * scale) * 1.001)
            };
            let given = options.numbers.as_ref().filter(covers).cloned();
            given.or_else(|| parts.train.values.of_pixels())
        }
        false => {
            let fits = |given: &&Scaling| given.offset.len() == 1 || given.offset.len() == shape[2];
            let given = options.numbers.as_ref().filter(fits).cloned();
            Some(given.unwrap_or_else(|| parts.train.values.of_channels(shape[2])))
        }
    };
    if let Some(scaling) = &scaling {
        let noun = if pixels { "pixels" } else { "numbers" };
        notes.push(format!("{noun} from {}", scaling.words()));
    }
    let others = parts.validation.is_some() || parts.test.is_some();
    let largest = if pixels && others { parts.train.values.largest() } else { 0.0 };
    let parts = parts.map(|part, numbers| {
        if largest > 0.0 && part != Part::Train {
            let own = numbers.values.largest();
            if on_another_scale(own, largest) {
                let what = format!(
                    "its {} pixels go up to {own}, those of training up to {largest}: bring both onto one \
                     scale",
                    part.name(),
                );
                return Err(ImportError::Malformed { path: numbers.path, what });
            }
        }
        if numbers.shape != shape {
            let what = format!(
                "{} samples are {}, those of training {}",
                part.name(),
                shape_text(numbers.shape),
                shape_text(shape)
            );
            return Err(ImportError::Malformed { path: numbers.path, what });
        }
        let (own_names, own) = labels::classes(&numbers.labels);
        let known = own_names.iter().map(|name| match same(&names, name) {
            Some(class) => Ok(class as u16),
            None => Err(ImportError::Malformed {
                path: numbers.path.clone(),
                what: format!("{} label {name:?} is not among those of training", part.name()),
            }),
        });
        let known: Vec<u16> = known.collect::<Result<_, _>>()?;
        let size = shape.iter().product();
        let samples = numbers.values.bytes(scaling.as_ref(), size, options)?;
        let classes = own.iter().map(|&class| known[usize::from(class)]).collect();
        let dataset = Dataset::stored_in(samples, shape, classes, names.clone());
        Ok(dataset.with_sources(numbers.sources))
    })?;
    let form = scaling.map_or(InputForm::Bytes, InputForm::Numbers);
    Ok(Collection::new(parts, form, notes))
}

/// Whether the largest pixels of two parts tell that they are on different scales, such as 0 to 1 and 0 to
/// 255.
fn on_another_scale(one: f32, other: f32) -> bool {
    let [less, more] = [one.min(other), one.max(other)];
    less > 0.0 && more > FAR_APART * less && (less <= 1.0 || more > 255.0)
}

/// So many times brighter is what is on another scale.
const FAR_APART: f32 = 15.0;

/// The class that is called `name`, or is the same number.
fn same(names: &[String], name: &str) -> Option<usize> {
    let pair = |other: &String| labels::classes(&[other.clone(), name.to_string()]).0.len() == 1;
    names.iter().position(|other| other == name).or_else(|| names.iter().position(pair))
}

/// Fills the missing numbers of a part, or refuses it if nobody said how.
fn fill_missing(
    part: Part,
    numbers: &mut Numbers,
    options: &Options,
    notes: &mut Vec<String>,
) -> Result<(), ImportError> {
    if matches!(numbers.values, Values::Bytes(_)) && options.missing_value.is_none() {
        return Ok(());
    }
    let (size, stands) = (numbers.shape.iter().product(), options.missing_value.map(f32::from));
    let known = |value: f32| if Some(value) == stands { f32::NAN } else { value };
    let (missing, samples) = {
        let holes = |sample: &[f32]| sample.iter().filter(|&&value| known(value).is_nan()).count();
        let count = |(missing, samples): (usize, usize), holes: usize| {
            (missing + holes, samples + usize::from(holes > 0))
        };
        numbers.values.samples(size).map(|sample| holes(&sample)).fold((0, 0), count)
    };
    if missing == 0 {
        return Ok(());
    }
    let noun = if numbers.pixels { "pixels" } else { "numbers" };
    let Some(how) = options.fill else {
        return Err(ImportError::Malformed {
            path: numbers.path.clone(),
            what: format!(
                "{missing} {noun} are missing, in {samples} images; --fill interpolate or --fill mean fills them"
            ),
        });
    };
    let holed = || {
        let sample = |sample: Vec<f32>| sample.into_iter().map(known).collect::<Vec<f32>>();
        numbers.values.samples(size).map(sample)
    };
    let filler = Filler::find(holed(), numbers.shape, how);
    let mut filled = FloatSink::new(&options.room);
    for mut sample in holed() {
        filler.fill(&mut sample);
        filled.push(&sample)?;
    }
    numbers.values = Values::Numbers(filled.finish()?);
    notes.push(format!("{missing} missing {} {noun} filled: {how:?}", part.name()));
    Ok(())
}
