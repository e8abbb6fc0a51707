//! Images that are there twice, exactly or nearly.

use std::collections::HashMap;

use inkling_data::Dataset;
use inkling_support::parallel;

use super::{Half, Place};

/// Two images are near duplicates if the squared distance between them is at most this share of
/// the test image's own square.
pub const NEAR: f32 = 0.03;

/// Cells per side of the coarse picture that rules most pairs out.
const CELLS: usize = 4;

/// Equal images under different labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    pub places: Vec<Place>,
}

/// A test image and the nearest training image, which is not quite the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Near {
    pub test: usize,
    pub train: usize,
    /// The squared distance over the test image's square.
    pub distance: f32,
}

/// What is there more than once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Duplicates {
    /// Groups of equal images, first training then test, in order.
    pub groups: Vec<Vec<Place>>,
    /// The groups whose labels differ.
    pub contradictions: Vec<Contradiction>,
    /// Pairs across training and test, the nearest first.
    pub near: Vec<Near>,
}

impl Duplicates {
    /// Finds equal and nearly equal images.
    pub fn find(train: &Dataset, test: &Dataset) -> Self {
        Self { near: near(train, test), ..Self::exact(train, test) }
    }

    /// Finds equal images only.
    pub fn exact(train: &Dataset, test: &Dataset) -> Self {
        let mut places: HashMap<&[u8], Vec<Place>> = HashMap::new();
        for (half, dataset) in [(Half::Train, train), (Half::Test, test)] {
            for index in 0..dataset.len() {
                places.entry(dataset.image(index)).or_default().push(Place { half, index });
            }
        }
        let mut groups: Vec<Vec<Place>> =
            places.into_values().filter(|group| group.len() > 1).collect();
        groups.sort();
        let label = |place: &Place| match place.half {
            Half::Train => train.labels[place.index],
            Half::Test => test.labels[place.index],
        };
        let differ =
            |group: &&Vec<Place>| group.iter().any(|place| label(place) != label(&group[0]));
        let contradictions = groups
            .iter()
            .filter(differ)
            .map(|group| Contradiction { places: group.clone() })
            .collect();
        Self { groups, contradictions, near: Vec::new() }
    }

    /// Groups that have images in both halves: the test set knows them from training.
    pub fn leaks(&self) -> usize {
        let has = |group: &[Place], half: Half| group.iter().any(|place| place.half == half);
        self.groups.iter().filter(|group| has(group, Half::Train) && has(group, Half::Test)).count()
    }
}

/// The sum of each of 4 × 4 cells, divided by the root of its pixels: the distance between two
/// such pictures is never above that between the images.
fn coarse(dataset: &Dataset, index: usize) -> [f32; CELLS * CELLS] {
    let [height, width, channels] = dataset.shape;
    let mut sums = [0.0; CELLS * CELLS];
    let mut counts = [0.0_f32; CELLS * CELLS];
    for (place, &pixel) in dataset.image(index).iter().enumerate() {
        let (row, column) = (place / channels / width, place / channels % width);
        let cell = row * CELLS / height * CELLS + column * CELLS / width;
        sums[cell] += f32::from(pixel);
        counts[cell] += 1.0;
    }
    sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum /= count.max(1.0).sqrt());
    sums
}

fn near(train: &Dataset, test: &Dataset) -> Vec<Near> {
    let known: Vec<_> = parallel::map(train.len(), |index| coarse(train, index));
    let found = parallel::map(test.len(), |index| {
        let image = test.image(index);
        let square: f32 = image.iter().map(|&pixel| f32::from(pixel).powi(2)).sum();
        let own = coarse(test, index);
        let mut limit = NEAR * square;
        let mut best = None;
        for (candidate, cells) in known.iter().enumerate() {
            // A little slack for rounding.
            if !within(&own, cells, limit * 1.001 + 1.0) {
                continue;
            }
            let distance = distance(image, train.image(candidate), limit);
            // Equal images are duplicates, not near ones.
            if distance == 0.0 {
                return None;
            }
            if distance <= limit {
                limit = distance;
                best = Some((candidate, distance));
            }
        }
        best.map(|(train, distance)| Near {
            test: index,
            train,
            distance: distance / square.max(1.0),
        })
    });
    let mut found: Vec<Near> = found.into_iter().flatten().collect();
    found.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.test.cmp(&b.test)));
    found
}

/// Whether two coarse pictures are within a squared distance; most pairs are not after one row.
fn within(a: &[f32; CELLS * CELLS], b: &[f32; CELLS * CELLS], limit: f32) -> bool {
    let mut sum = 0.0;
    for (a, b) in a.chunks_exact(CELLS).zip(b.chunks_exact(CELLS)) {
        sum += a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        if sum > limit {
            return false;
        }
    }
    true
}

/// The squared distance; given up once it is above the limit.
fn distance(a: &[u8], b: &[u8], limit: f32) -> f32 {
    let mut sum = 0.0;
    for (a, b) in a.chunks(112).zip(b.chunks(112)) {
        let part: i32 = a.iter().zip(b).map(|(&a, &b)| (i32::from(a) - i32::from(b)).pow(2)).sum();
        sum += part as f32;
        if sum > limit {
            break;
        }
    }
    sum
}
