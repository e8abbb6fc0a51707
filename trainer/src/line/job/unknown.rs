//! "None of these": the samples that a job learns it from, and the rule that its integers get.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use converter::Conversion;
use converter::record::{Rule, UnknownRecord};
use converter::reference;
use firmware_core::Unknown;
use inkling_data::random::{Purpose, Random};
use inkling_data::read::outside;
use inkling_data::strange::{Kind, Strange};
use inkling_data::{Dataset, Sets};
use inkling_support::digest::sha256;
use serde_json::Map;

use super::Job;
use crate::ask::metrics::Refusal;
use crate::learn::batches::Strangers;
use crate::learn::unknown::{By, CLASS, UnknownWish, VALIDATION};

/// Samples of each kind that the rules are measured on, at most.
const OF_EACH_KIND: usize = 400;

/// One of so many given pictures is for validation, as among the images.
const VALIDATION_SHARE: usize = 12;

/// What is none of the classes.
pub(super) struct Outside {
    wish: UnknownWish,
    /// What is learned, if a class is.
    pub strangers: Option<Strangers>,
    /// What rules are measured on; made of validation images.
    validation: Strange,
    /// SHA-256 of the given pictures, if there are any.
    pub pictures: Option<String>,
}

/// The rule that was chosen, and how it did on validation.
pub(super) struct Chosen {
    pub rule: Rule,
    pub unknown: Unknown,
    pub refusal: Refusal,
    /// The share of each kind's samples that is refused.
    pub kinds: Vec<(Kind, f64)>,
}

impl Outside {
    /// What the job's recipe asks for; adds the class to `sets` if one is learned. Nothing where it asks
    /// for nothing.
    ///
    /// # Errors
    ///
    /// Pictures that cannot be read; a class that is called like the new one; nothing to make samples of.
    pub fn new(job: &Job, sets: &mut Sets) -> Result<Option<Self>> {
        let Some(wish) = job.recipe.unknown.clone() else { return Ok(None) };
        let (mut learned, mut kept) = (None, None);
        let mut hash = None;
        if let Some(pictures) = job.pictures(sets)? {
            hash = Some(sha256(pictures.images()));
            let mut order: Vec<usize> = (0..pictures.len()).collect();
            Random::new(job.seed, Purpose::Split, 1).shuffle(&mut order);
            let aside = if wish.learns_class() {
                (pictures.len() / VALIDATION_SHARE).max(1)
            } else {
                pictures.len()
            };
            let (validation, training) = order.split_at(aside.min(order.len()));
            kept = Some(pictures.subset(validation));
            learned = Some(pictures.subset(training));
        }
        if wish.learns_class() {
            ensure!(
                !sets.images.names.iter().any(|name| name == CLASS),
                "{}: has a class called {CLASS:?} already, which the recipe's [unknown] would add; \
                 rename it, or give its pictures by --unknown instead",
                job.data.display()
            );
            sets.add_class(CLASS);
        }
        let failed = |what: String| anyhow!("{}: {what}", job.data.display());
        let make = |images: Arc<Dataset>, sources: Vec<usize>, pictures: Option<Dataset>| {
            Strange::new(images, sources, &wish.kinds, pictures).map_err(failed)
        };
        let strangers = match wish.learns_class() {
            true => Some(Strangers {
                strange: Arc::new(make(sets.images.clone(), sets.training.clone(), learned)?),
                count: (wish.share * sets.training.len() as f32).ceil() as usize,
            }),
            false => None,
        };
        let validation = sets.validation.clone();
        let sources = (0..validation.len()).collect();
        let validation = make(Arc::new(validation), sources, kept)?;
        Ok(Some(Self { wish, strangers, validation, pictures: hash }))
    }

    /// The rule for a conversion, chosen on validation alone, and the conversion with it.
    ///
    /// # Errors
    ///
    /// A network whose outputs no rule fits.
    pub fn choose(
        &self,
        job: &Job,
        sets: &Sets,
        conversion: Conversion,
    ) -> Result<(Conversion, Chosen)> {
        let network = &conversion.network;
        let class = self.wish.learns_class().then(|| network.classes() - 1);
        let count = self.validation.kinds().len() * OF_EACH_KIND.min(sets.validation.len().max(50));
        let (strange, kinds) = self.validation.samples(count, job.seed, VALIDATION);
        let known = reference::all_logits(network, &sets.validation);
        let strange = reference::all_logits(network, &strange);
        let measured = |rule: Rule| {
            let unknown = Unknown { score: rule.score(), class, threshold: i32::MIN };
            let refusal = Refusal::new(&unknown, &known, &strange);
            let threshold = refusal.threshold(self.wish.refuse);
            (rule, Unknown { threshold, ..unknown }, refusal)
        };
        let allowed = |rule: &Rule| match self.wish.by {
            By::Best => true,
            By::Class => *rule == Rule::Class,
            By::Threshold => *rule != Rule::Class,
        };
        let share = |(_, unknown, refusal): &(Rule, Unknown, Refusal)| {
            (refusal.strange_refused(unknown.threshold), refusal.area())
        };
        let rules = Rule::ALL.into_iter().filter(allowed).map(measured);
        // The first of equals.
        let best = rules.reduce(|a, b| if share(&b) > share(&a) { b } else { a });
        let (rule, unknown, refusal) = best.context("there is no rule to choose")?;
        let refused = |kind: Kind| {
            let of_kind = || strange.iter().zip(&kinds).filter(move |(_, of)| **of == kind);
            let none = |(logits, _): &(&Vec<i32>, &Kind)| unknown.classify(logits).is_none();
            of_kind().filter(none).count() as f64 / of_kind().count().max(1) as f64
        };
        let kinds = self.validation.kinds().into_iter().map(|kind| (kind, refused(kind))).collect();
        let record = UnknownRecord {
            rule,
            class,
            refused: Some(refusal.known_refused(unknown.threshold)),
            strange_refused: Some(refusal.strange_refused(unknown.threshold)),
            area: Some(refusal.area()),
            other: Map::new(),
        };
        let conversion = conversion.with_unknown(record, unknown.threshold)?;
        Ok((conversion, Chosen { rule, unknown, refusal, kinds }))
    }
}

impl Chosen {
    /// What images of the classes come to by their logits: how many are refused, and how many of the
    /// others are answered right.
    pub fn count(&self, logits: &[Vec<i32>], labels: &[usize]) -> (usize, usize) {
        let answers = logits.iter().map(|logits| self.unknown.classify(logits));
        answers.zip(labels).fold((0, 0), |(refused, right), (answer, &label)| match answer {
            None => (refused + 1, right),
            Some(class) => (refused, right + usize::from(class == label)),
        })
    }
}

impl Job {
    /// The pictures of something else, of all folders that were given.
    fn pictures(&self, sets: &Sets) -> Result<Option<Dataset>> {
        let mut all: Option<Dataset> = None;
        for path in &self.unknown {
            let one = outside::open(path, &sets.form, sets.images.shape, &self.import)?;
            all = Some(match all {
                Some(all) => all.joined(&one)?,
                None => one,
            });
        }
        Ok(all)
    }
}
