//! Comparing what has no order of its own in Rust.

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
    use super::first_largest;

    #[test]
    fn the_first_of_equals_is_taken() {
        assert_eq!(first_largest::<f32>(&[]), 0);
        assert_eq!(first_largest(&[0.5, 2.0, 2.0, -1.0]), 1);
        assert_eq!(first_largest(&[1.0, f32::NAN, 2.0]), 2);
    }
}
