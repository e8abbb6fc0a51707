//! Successive halving: many trials for a few epochs, the best of them for more.

use super::plan::Halving;

/// One round of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Trials that take part.
    pub trials: usize,
    /// Epochs of each; `None` for those of its recipe.
    pub epochs: Option<usize>,
}

/// The rounds for so many trials and a recipe of so many epochs. The last round always has all the
/// epochs of the recipe; one trial in `factor` goes on from each round, and at least one.
///
/// # Errors
///
/// A factor or a number of epochs that makes no sense, and what it may be.
pub fn rounds(trials: usize, epochs: usize, halving: Halving) -> Result<Vec<Round>, String> {
    let Halving { factor, first_epochs } = halving;
    if !(2..=10).contains(&factor) {
        return Err(format!("halving: factor is {factor}, but must be from 2 to 10"));
    }
    if first_epochs == 0 || first_epochs >= epochs {
        return Err(format!(
            "halving: first_epochs is {first_epochs}, but must be at least 1 and below the \
             recipe's epochs, {epochs}"
        ));
    }
    let mut rounds = vec![Round { trials, epochs: Some(first_epochs) }];
    let mut last = (trials, first_epochs);
    while last.1 < epochs {
        let trials = (last.0 / factor).max(1);
        // A single trial has nobody left to be compared with: it goes to the end at once.
        let epochs = if trials == 1 { epochs } else { epochs.min(last.1 * factor) };
        last = (trials, epochs);
        rounds.push(Round { trials, epochs: Some(epochs) });
    }
    Ok(rounds)
}

#[cfg(test)]
mod tests {
    use super::{Halving, rounds};

    fn pairs(trials: usize, epochs: usize, factor: usize) -> Vec<(usize, usize)> {
        let rounds = rounds(trials, epochs, Halving { factor, first_epochs: 2 });
        let rounds = rounds.expect("good numbers");
        rounds.iter().map(|round| (round.trials, round.epochs.unwrap_or(0))).collect()
    }

    #[test]
    fn rounds_thin_out_and_end_with_the_recipe() {
        assert_eq!(pairs(27, 20, 3), [(27, 2), (9, 6), (3, 18), (1, 20)]);
        assert_eq!(pairs(8, 16, 2), [(8, 2), (4, 4), (2, 8), (1, 16)]);
        assert_eq!(pairs(50, 5, 3), [(50, 2), (16, 5)]);
        assert_eq!(pairs(2, 100, 3), [(2, 2), (1, 100)]);
    }
}
