//! "None of these": whether an image is like any of the classes.

/// What of the logits tells how much an image is like its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
    /// The best class's logit over that of the class that stands for everything else.
    Class,
    /// The best class's logit over the second best, whichever class that is.
    Margin,
    /// The best class's logit.
    Level,
}

/// How a model says that what it is shown is none of its classes. A generated model that can has one
/// as its `UNKNOWN`.
///
/// ```
/// # use firmware_core::{Score, Unknown};
/// let unknown = Unknown { score: Score::Margin, class: None, threshold: 100 };
/// assert_eq!(unknown.classify(&[-20, 350, 240]), Some(1));
/// assert_eq!(unknown.classify(&[-20, 350, 260]), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// What is compared.
    pub score: Score,
    /// The logit that stands for what is none of the classes; it is never an answer. Nothing where the
    /// network has none.
    pub class: Option<usize>,
    /// The least score of an answer, in units of the logits.
    pub threshold: i32,
}

impl Unknown {
    /// The class of an image by its logits: the known class with the largest, the first of equals, or
    /// nothing where its score is below the threshold.
    #[inline]
    pub fn classify(&self, logits: &[i32]) -> Option<usize> {
        let (class, score) = self.best(logits);
        if score >= self.threshold { class } else { None }
    }

    /// The known class with the largest logit, the first of equals, and its score. Without any known
    /// class nothing and the least score there is. A difference that leaves 32 bits is saturated.
    #[inline]
    pub fn best(&self, logits: &[i32]) -> (Option<usize>, i32) {
        let (mut best, mut largest) = (None, i32::MIN);
        let (mut second, mut outside) = (i32::MIN, i32::MIN);
        for (class, &logit) in logits.iter().enumerate() {
            if self.class == Some(class) {
                outside = logit;
            } else if best.is_none() || logit > largest {
                second = largest;
                largest = logit;
                best = Some(class);
            } else if logit > second {
                second = logit;
            }
        }
        if best.is_none() {
            return (None, i32::MIN);
        }
        let score = match self.score {
            Score::Class => largest.saturating_sub(outside),
            Score::Margin => largest.saturating_sub(second.max(outside)),
            Score::Level => largest,
        };
        (best, score)
    }
}

#[cfg(test)]
mod tests {
    use super::{Score, Unknown};

    fn unknown(score: Score, class: Option<usize>) -> Unknown {
        Unknown { score, class, threshold: 10 }
    }

    #[test]
    fn the_class_for_everything_else_is_never_an_answer() {
        for score in [Score::Class, Score::Margin, Score::Level] {
            let rule = unknown(score, Some(1));
            assert_eq!(rule.best(&[50, 90, 70]).0, Some(2), "{score:?}");
            assert_eq!(rule.classify(&[50]), Some(0), "{score:?}");
            assert_eq!(rule.classify(&[]), None, "{score:?}");
        }
        assert_eq!(unknown(Score::Level, Some(0)).classify(&[50]), None, "no known class");
    }

    #[test]
    fn scores_are_what_they_say() {
        let logits = [50, 90, 70, 70];
        let score = |score, class| unknown(score, class).best(&logits).1;
        assert_eq!(score(Score::Margin, None), 20);
        assert_eq!(score(Score::Margin, Some(0)), 20);
        assert_eq!(score(Score::Margin, Some(1)), -20);
        assert_eq!(score(Score::Class, Some(1)), -20);
        assert_eq!(score(Score::Class, Some(0)), 40);
        assert_eq!(score(Score::Level, Some(1)), 70);
        assert_eq!(unknown(Score::Margin, None).best(&[7, 7]), (Some(0), 0));
    }

    #[test]
    fn nothing_wraps() {
        let rule = unknown(Score::Margin, None);
        assert_eq!(rule.best(&[i32::MAX, i32::MIN]), (Some(0), i32::MAX));
        assert_eq!(rule.best(&[i32::MIN, i32::MIN]), (Some(0), 0));
        assert_eq!(rule.best(&[i32::MIN]), (Some(0), 0));
        assert_eq!(unknown(Score::Class, Some(0)).best(&[i32::MAX, i32::MIN]).1, i32::MIN);
    }
}
