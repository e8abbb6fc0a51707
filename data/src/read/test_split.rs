//! A test set from a data set that has none.

use crate::Dataset;

use crate::random::{Purpose, Random};

/// One image in so many becomes a test image, as in MNIST: 10,000 of 70,000.
const SHARE: usize = 7;

/// Sets a seventh of each class aside for the test, at least one image of a class with two.
/// Returns the training and the test set, each in the order of the data set.
pub fn divide(dataset: &Dataset, seed: u64) -> (Dataset, Dataset) {
    let mut is_test = vec![false; dataset.len()];
    for class in 0..dataset.classes() {
        let labelled = |index: &usize| usize::from(dataset.labels[*index]) == class;
        let mut members: Vec<usize> = (0..dataset.len()).filter(labelled).collect();
        // Place 0 divides training from validation.
        Random::new(seed, Purpose::Split, 1 + class as u64).shuffle(&mut members);
        let count = match members.len() {
            0 | 1 => 0,
            count => ((count + SHARE / 2) / SHARE).max(1),
        };
        members[..count].iter().for_each(|&index| is_test[index] = true);
    }
    let (test, train): (Vec<usize>, Vec<usize>) =
        (0..dataset.len()).partition(|&index| is_test[index]);
    (dataset.subset(&train), dataset.subset(&test))
}

#[cfg(test)]
mod tests {
    use super::{Dataset, divide};
    use crate::read::labels;

    #[test]
    fn every_class_gives_its_seventh() {
        let class_labels: Vec<u16> = (0..72).map(|i| if i < 70 { i % 2 } else { i - 68 }).collect();
        let dataset = Dataset::new([1, 1, 1], (0..72).collect(), class_labels, labels::numbers(4));
        let (train, test) = divide(&dataset, 5);
        let count =
            |set: &Dataset, label| set.labels.iter().filter(|&&other| other == label).count();
        assert_eq!([0, 1, 2, 3].map(|label| count(&test, label)), [5, 5, 0, 0]);
        assert_eq!(train.len() + test.len(), 72);
        let mut all: Vec<u8> = train.images().chain(test.images()).flatten().copied().collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..72));
        assert_eq!(divide(&dataset, 5), (train, test));
        assert_ne!(divide(&dataset, 6).1, divide(&dataset, 5).1);
    }
}
