//! Picking from what is in order: evenly spaced samples, the first of the largest.

/// At most `count` of the places 0 to `length`, evenly spaced from the first on; all of them where
/// there are no more.
pub fn spaced(length: usize, count: usize) -> Vec<usize> {
    let count = count.min(length);
    (0..count).map(|place| place * length / count).collect()
}

/// The place of the largest value, the first of equals; 0 for none. What cannot be compared, such
/// as NaN, is larger than nothing.
///
/// Of numbers that are no integers: logits have `firmware_core::argmax`.
pub fn first_largest<T: PartialOrd>(values: &[T]) -> usize {
    let mut best = 0;
    for (place, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = place;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::{first_largest, spaced};

    #[test]
    fn samples_lie_evenly_and_never_twice() {
        assert_eq!(spaced(10, 4), [0, 2, 5, 7]);
        assert_eq!(spaced(3, 8), [0, 1, 2]);
        assert_eq!(spaced(0, 8), [0; 0]);
        assert_eq!(spaced(8, 0), [0; 0]);
    }

    #[test]
    fn the_first_of_equals_is_taken() {
        assert_eq!(first_largest::<f32>(&[]), 0);
        assert_eq!(first_largest(&[0.5, 2.0, 2.0, -1.0]), 1);
        assert_eq!(first_largest(&[1.0, f32::NAN, 2.0]), 2);
    }
}
