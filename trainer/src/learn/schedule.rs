//! Learning rate schedules.

use std::f64::consts::PI;
use std::fmt;

use serde::{Deserialize, Serialize};

/// How the learning rate changes over a training run.
///
/// `warmup` is the part of the run, 0 to 1, over which the rate rises to the full one: along a
/// straight line from zero, and for one-cycle along half a cosine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    Constant {
        #[serde(default)]
        warmup: f64,
    },
    /// Multiplied by `factor` after every `every` epochs.
    Step {
        every: usize,
        factor: f64,
        #[serde(default)]
        warmup: f64,
    },
    /// Half a cosine from the full rate down to zero.
    Cosine {
        #[serde(default)]
        warmup: f64,
    },
    /// Up to the full rate and then down to zero, both along half a cosine.
    OneCycle { warmup: f64 },
}

impl Schedule {
    /// The learning rate of step `step` of `epochs` epochs of `steps` steps each, for a full rate
    /// of `peak`.
    pub fn rate(self, peak: f64, step: usize, steps: usize, epochs: usize) -> f64 {
        let progress = (step as f64 + 0.5) / (steps * epochs).max(1) as f64;
        let falling = |progress: f64| peak * (0.5 + 0.5 * (PI * progress).cos());
        let warmup = self.warmup();
        if progress < warmup {
            return match self {
                Schedule::OneCycle { .. } => falling(1.0 - progress / warmup),
                _ => peak * progress / warmup,
            };
        }
        match self {
            Schedule::Constant { .. } => peak,
            Schedule::Step { every, factor, .. } => {
                peak * factor.powi((step / steps.max(1) / every.max(1)) as i32)
            }
            Schedule::Cosine { .. } | Schedule::OneCycle { .. } => {
                falling((progress - warmup) / (1.0 - warmup))
            }
        }
    }

    fn warmup(self) -> f64 {
        match self {
            Schedule::Constant { warmup }
            | Schedule::Step { warmup, .. }
            | Schedule::Cosine { warmup }
            | Schedule::OneCycle { warmup } => warmup,
        }
    }

    /// Checks that every value makes sense.
    ///
    /// # Errors
    ///
    /// Says which does not and what it may be.
    pub fn check(self) -> Result<(), String> {
        let warmup = self.warmup();
        if !(0.0..1.0).contains(&warmup) {
            return Err(format!(
                "schedule: warmup is {warmup}, but must be at least 0 and below 1"
            ));
        }
        if let Schedule::Step { every, factor, .. } = self {
            if every == 0 {
                return Err("schedule: every is 0, but must be at least 1 epoch".to_string());
            }
            if !(0.0..=1.0).contains(&factor) || factor == 0.0 {
                return Err(format!(
                    "schedule: factor is {factor}, but must be above 0 and at most 1"
                ));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Constant { .. } => write!(f, "constant")?,
            Schedule::Step { every, factor, .. } => {
                write!(f, "times {factor} every {every} epochs")?;
            }
            Schedule::Cosine { .. } => write!(f, "cosine")?,
            Schedule::OneCycle { .. } => write!(f, "one-cycle")?,
        }
        match self.warmup() {
            0.0 => Ok(()),
            warmup => write!(f, " with warm-up {warmup}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    fn rates(schedule: Schedule, peak: f64) -> Vec<f64> {
        (0..1000).map(|step| schedule.rate(peak, step, 100, 10)).collect()
    }

    #[test]
    fn a_cosine_starts_full_and_ends_at_zero() {
        let rates = rates(Schedule::Cosine { warmup: 0.0 }, 2.0);
        assert!(rates[0] > 1.999_99 && rates[999] < 1e-5 && (rates[500] - 1.0).abs() < 2e-3);
        assert!(rates.is_sorted_by(|a, b| a > b));
    }

    #[test]
    fn one_cycle_peaks_where_its_warm_up_ends() {
        let rates = rates(Schedule::OneCycle { warmup: 0.25 }, 1.0);
        assert!(rates[0] < 1e-4 && rates[999] < 1e-4 && rates[249] > 0.999 && rates[250] > 0.999);
    }

    #[test]
    fn steps_fall_where_their_epochs_end() {
        let rates = rates(Schedule::Step { every: 3, factor: 0.5, warmup: 0.1 }, 8.0);
        assert!((rates[49] - 3.96).abs() < 1e-9, "half of the warm-up is half of the rate");
        let expected = [(100, 8.0), (299, 8.0), (300, 4.0), (599, 4.0), (600, 2.0), (999, 1.0)];
        assert!(expected.iter().all(|&(step, rate)| rates[step] == rate), "{rates:?}");
    }

    #[test]
    fn a_warm_up_is_a_straight_line() {
        let rates = rates(Schedule::Constant { warmup: 0.5 }, 1.0);
        assert!((rates[249] - 0.499).abs() < 1e-9 && rates[500] == 1.0 && rates[999] == 1.0);
    }
}
