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

/// The class that logits say: [`argmax`] of several; a single one is that of class 1 against class 0,
/// whose probability is its sigmoid, so class 1 if it is above 0.
pub fn class_of(logits: &[i32]) -> usize {
    match logits {
        [logit] => usize::from(*logit > 0),
        _ => argmax(logits),
    }
}

#[cfg(test)]
mod tests {
    use super::{argmax, class_of};

    #[test]
    fn a_single_logit_has_two_classes() {
        assert_eq!([-1, 0, 1].map(|logit| class_of(&[logit])), [0, 0, 1]);
        assert_eq!([class_of(&[]), class_of(&[-3, -1]), class_of(&[4, 4])], [0, 1, 0]);
    }

    #[test]
    fn first_of_equals() {
        assert_eq!(argmax(&[]), 0);
        assert_eq!(argmax(&[i32::MIN, i32::MIN]), 0);
        assert_eq!(argmax(&[-3, 7, 7, 1]), 1);
        assert_eq!(argmax(&[i32::MIN, -1, i32::MAX]), 2);
    }
}
