//! Batches, prepared on a thread of their own while the step before runs.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use inkling_data::random::{Purpose, Random};
use inkling_data::strange::Strange;
use inkling_data::{Augmentation, Border, Dataset, planar_order};

/// Batches that may wait ahead of the step.
const AHEAD: usize = 4;

/// A part of a batch: images that go through the gradient graph at once.
pub struct Part {
    /// Value / 255, `[channels · height · width, part size]`.
    pub images: Vec<f32>,
    /// `[classes, part size]`: the probability that each image should have in each class, over the
    /// images in the batch.
    pub targets: Vec<f32>,
    /// Uniform in [0, 1), `[random numbers per image, part size]`: what dropout is decided by. It
    /// depends on seed, epoch and image alone, not on who computes what.
    pub noise: Vec<f32>,
}

/// The parts of one batch; each worker takes as many.
pub type Batch = Vec<Part>;

/// Prepares the batches of an epoch.
///
/// The images of an epoch are shuffled by seed and epoch. The last batch holds what is left; the
/// places it does not fill are images of zeros with no weight in the loss, so the loss stays the
/// mean over the images that are there.
pub struct Feed {
    pub dataset: Arc<Dataset>,
    /// Which of the images take part.
    pub indices: Vec<usize>,
    pub augmentation: Option<Augmentation>,
    /// Part of the wanted probability that is spread evenly over all classes.
    pub label_smoothing: f32,
    /// How much an image of each class counts beside others; empty for all alike.
    pub class_weights: Vec<f32>,
    pub seed: u64,
    /// Images per step.
    pub batch: usize,
    /// Parts that a batch is divided into.
    pub parts: usize,
    /// Random numbers per image, as the network asks for.
    pub noise: usize,
    /// What is none of the classes, if the last class stands for it.
    pub strangers: Option<Strangers>,
}

/// Samples of none of the classes, made anew for every epoch; their label is the last class.
#[derive(Clone)]
pub struct Strangers {
    pub strange: Arc<Strange>,
    /// So many in an epoch.
    pub count: usize,
}

impl Feed {
    /// Steps per epoch.
    pub fn steps(&self) -> usize {
        let strangers = self.strangers.as_ref().map_or(0, |strangers| strangers.count);
        (self.indices.len() + strangers).div_ceil(self.batch)
    }

    /// Images per part: they share a batch evenly, rounded up.
    pub fn part_size(&self) -> usize {
        self.batch.div_ceil(self.parts)
    }

    /// What is done to each input of a sample.
    fn inputs(&self) -> Vec<SampleInput> {
        let parts = self.dataset.parts();
        let several = parts.len() > 1;
        let input = |(_, shape, places): (&str, [usize; 3], Range<usize>)| SampleInput {
            shape,
            border: Border::of_part(&self.dataset, shape, places.clone()),
            augmentation: match &self.augmentation {
                Some(all) if several && shape[0] == 1 => Some(all.unmoved()),
                augmentation => augmentation.clone(),
            },
            places,
        };
        parts.into_iter().map(input).collect()
    }

    /// Starts preparing epoch `epoch`, counted from 0. Dropping the receiver ends the thread.
    pub fn epoch(&self, epoch: usize) -> Receiver<Batch> {
        let (sender, receiver) = sync_channel(AHEAD);
        let preparation = Preparation {
            inputs: self.inputs(),
            dataset: Arc::clone(&self.dataset),
            order: self.indices.clone(),
            augmentation: self.augmentation.clone(),
            label_smoothing: self.label_smoothing,
            class_weights: self.class_weights.clone(),
            seed: self.seed,
            epoch,
            batch: self.batch,
            part_size: self.part_size(),
            parts: self.parts,
            noise: self.noise,
            strangers: self.strangers.clone(),
            indices: self.indices.clone(),
        };
        thread::spawn(move || preparation.run(&sender));
        receiver
    }
}

/// One input of a sample, and how it is changed: of several those of one row, which are no pictures, are
/// never moved.
struct SampleInput {
    shape: [usize; 3],
    places: Range<usize>,
    border: Border,
    augmentation: Option<Augmentation>,
}

struct Preparation {
    dataset: Arc<Dataset>,
    inputs: Vec<SampleInput>,
    order: Vec<usize>,
    augmentation: Option<Augmentation>,
    label_smoothing: f32,
    class_weights: Vec<f32>,
    seed: u64,
    epoch: usize,
    batch: usize,
    part_size: usize,
    parts: usize,
    noise: usize,
    strangers: Option<Strangers>,
    /// What images may be mixed with.
    indices: Vec<usize>,
}

/// How often samples of none of the classes are augmented that cannot be told from images by whether they
/// are: what comes from a camera is not, and noise that was warped is no longer noise. All others are
/// augmented like the images, or a network would learn to tell resampled pixels from others.
const STRANGERS_AUGMENTED: f32 = 0.5;

impl Preparation {
    fn run(mut self, sender: &SyncSender<Batch>) {
        let mut order = std::mem::take(&mut self.order);
        // Places behind the images stand for what is made.
        let strangers = self.strangers.as_ref().map_or(0, |strangers| strangers.count);
        order.extend(self.dataset.len()..self.dataset.len() + strangers);
        Random::new(self.seed, Purpose::Order, self.epoch as u64).shuffle(&mut order);
        for indices in order.chunks(self.batch) {
            // What all images of a batch count together is 1.
            let weight = 1.0 / indices.iter().map(|&index| self.counts(index)).sum::<f32>();
            let mut parts: Vec<&[usize]> = indices.chunks(self.part_size).collect();
            parts.resize(self.parts, &[]);
            let batch = parts.into_iter().map(|part| self.part(part, weight)).collect();
            if sender.send(batch).is_err() {
                return;
            }
        }
    }

    fn part(&self, indices: &[usize], weight: f32) -> Part {
        let (dataset, size) = (&*self.dataset, self.part_size);
        let pixels = dataset.image_size();
        let mut images = vec![0.0; pixels * size];
        let mut targets = vec![0.0; dataset.classes() * size];
        let mut noise = vec![0.0; self.noise * size];
        let mut image = vec![0.0; pixels];
        for (column, &index) in indices.iter().enumerate() {
            let weight = weight * self.counts(index);
            self.prepare(index, &mut image);
            let (share, other) = self.mix(index, &mut image);
            for (row, place) in planar_order(dataset.shape).enumerate() {
                images[row * size + column] = image[place];
            }
            if self.label_smoothing > 0.0 {
                let share = weight * self.label_smoothing / dataset.classes() as f32;
                targets[column..].iter_mut().step_by(size).for_each(|target| *target = share);
            }
            for (label, share) in [(self.label(index), share), (other, 1.0 - share)] {
                targets[label * size + column] += share * weight * (1.0 - self.label_smoothing);
            }
            let mut random = Random::new(self.seed, Purpose::Dropout, self.place(index));
            noise.iter_mut().skip(column).step_by(size).for_each(|value| *value = random.unit());
        }
        Part { images, targets, noise }
    }

    /// Mixes another image into `image`, where the augmentation says so; the share of the first, and the
    /// class of the other. What is none of the classes is never mixed.
    fn mix(&self, index: usize, image: &mut [f32]) -> (f32, usize) {
        let alone = (1.0, self.label(index));
        let Some(augmentation) = &self.augmentation else { return alone };
        if index >= self.dataset.len() || self.indices.is_empty() {
            return alone;
        }
        let mut random = Random::new(self.seed, Purpose::Mix, self.place(index));
        let Some(mix) = augmentation.draw_mix(&mut random) else { return alone };
        let other = self.indices[random.below(self.indices.len() as u32) as usize];
        let mut of_other = vec![0.0; image.len()];
        self.prepare(other, &mut of_other);
        (mix.apply(&mut random, self.dataset.shape, image, &of_other), self.label(other))
    }

    /// How much an image counts beside others.
    fn counts(&self, index: usize) -> f32 {
        self.class_weights.get(self.label(index)).copied().unwrap_or(1.0)
    }

    /// The class of an image; the last one for what is made.
    fn label(&self, index: usize) -> usize {
        let label = self.dataset.labels.get(index);
        label.map_or(self.dataset.classes() - 1, |&label| usize::from(label))
    }

    /// Where an image stands in the run, for random numbers of its own.
    fn place(&self, index: usize) -> u64 {
        (self.epoch as u64) << 32 | index as u64
    }

    fn prepare(&self, index: usize, out: &mut [f32]) {
        let dataset = &*self.dataset;
        let place = self.place(index);
        let made = self.stranger(index);
        let (image, augmented) = match &made {
            Some((image, augmented)) => (&image[..], *augmented),
            None => (dataset.image(index), true),
        };
        let mut random = Random::new(self.seed, Purpose::Augmentation, place);
        for input in &self.inputs {
            let (image, out) = (&image[input.places.clone()], &mut out[input.places.clone()]);
            match &input.augmentation {
                Some(augmentation) if augmented => {
                    augmentation.apply(&mut random, image, input.shape, input.border, out);
                }
                _ => pixels(image, out),
            }
        }
    }

    /// What is made for a place behind the images, and whether it is augmented.
    fn stranger(&self, index: usize) -> Option<(Vec<u8>, bool)> {
        let strangers = self.strangers.as_ref().filter(|_| index >= self.dataset.len())?;
        let mut random = Random::new(self.seed, Purpose::Strange, self.place(index));
        let (kind, sample) = strangers.strange.sample(&mut random);
        Some((sample, kind.has_grain_of_images() || random.unit() < STRANGERS_AUGMENTED))
    }
}

/// How many of the images `indices` each class has.
pub fn per_class(dataset: &Dataset, indices: &[usize]) -> Vec<usize> {
    let mut counts = vec![0; dataset.classes()];
    indices.iter().for_each(|&index| counts[usize::from(dataset.labels[index])] += 1);
    counts
}

/// How much an image of each class counts beside others, for classes with so many images that are
/// balanced to the power of `balance`, 0 to 1; empty for all alike.
pub fn class_weights(per_class: &[usize], balance: f32) -> Vec<f32> {
    if balance == 0.0 {
        return Vec::new();
    }
    let present = per_class.iter().filter(|&&count| count > 0).count();
    let even = per_class.iter().sum::<usize>() as f32 / present.max(1) as f32;
    per_class.iter().map(|&count| (even / count.max(1) as f32).powf(balance)).collect()
}

/// Pixels as the network takes them: divided by 255.
fn pixels(image: &[u8], out: &mut [f32]) {
    image.iter().zip(out).for_each(|(&pixel, out)| *out = f32::from(pixel) / 255.0);
}

/// Images `range` of a data set in the layout of the graphs, `[channels · height · width, size]`,
/// zeros behind them.
pub(crate) fn columns(dataset: &Dataset, range: std::ops::Range<usize>, size: usize) -> Vec<f32> {
    let mut images = vec![0.0; dataset.image_size() * size];
    for (column, index) in range.enumerate() {
        let image = dataset.image(index);
        for (row, place) in planar_order(dataset.shape).enumerate() {
            images[row * size + column] = f32::from(image[place]) / 255.0;
        }
    }
    images
}

#[cfg(test)]
mod tests {
    use super::class_weights;

    #[test]
    fn balanced_classes_count_alike() {
        let weights = class_weights(&[90, 10, 0], 1.0);
        assert!((90.0 * weights[0] - 10.0 * weights[1]).abs() < 1e-3, "{weights:?}");
        let half = class_weights(&[90, 10, 0], 0.5);
        assert!((half[1] / half[0] - 3.0).abs() < 1e-3, "{half:?}");
        assert!(class_weights(&[90, 10], 0.0).is_empty());
    }
}
