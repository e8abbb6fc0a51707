//! Which class it is.

/// The index of the largest logit, the first of equals; 0 for an empty slice.
///
/// Logits share one exponent, so their integers compare like their values.
pub fn argmax(logits: &[i32]) -> usize {
    let mut best = 0;
    let mut largest = i32::MIN;
    for (class, &logit) in logits.iter().enumerate() {
        if logit > largest {
            largest = logit;
            best = class;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::argmax;

    #[test]
    fn first_of_equals() {
        assert_eq!(argmax(&[]), 0);
        assert_eq!(argmax(&[i32::MIN, i32::MIN]), 0);
        assert_eq!(argmax(&[-3, 7, 7, 1]), 1);
        assert_eq!(argmax(&[i32::MIN, -1, i32::MAX]), 2);
    }
}
